"""Seeds of tests that draw: the same for everybody, until one asks for others.

A seed that is new in every run makes a red test that nobody can run again. One that is typed into a
test may have been chosen. These come from the name of what draws and from ``TWINBAYES_TEST_SEED``:
``TWINBAYES_TEST_SEED=7 make test`` draws all of them anew, and what a test asserts holds for any.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter

asked_for: Counter[str] = Counter()


def drawn_seed(name: str = "", below: int = 2**31) -> int:
    """Return a seed under `below` for `name`, such as ``drawn_seed(__name__)`` of a module.

    Without a name it is the next one of the test that is running, its parameters included.
    """
    if not name:
        running = os.environ["PYTEST_CURRENT_TEST"].rsplit(" ", 1)[0]
        asked_for[running] += 1
        name = f"{running}:{asked_for[running]}"
    asked = os.environ.get("TWINBAYES_TEST_SEED", "1")
    digest = hashlib.sha256(f"{asked}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % below
