"""The files that CONTRIBUTING tells people to write: tests write the very same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_PAGE: Final = Path(__file__).resolve().parents[2] / "CONTRIBUTING.md"


def file_of(heading: str) -> str:
    """Return the Python file under a heading of the page."""
    _, _, section = _PAGE.read_text(encoding="utf-8").partition(f"\n### {heading}\n")
    found = re.search(r"^```python\n(.*?)^```$", section.partition("\n### ")[0], re.M | re.S)
    assert found is not None, f"CONTRIBUTING.md has no Python file under {heading!r}"
    return found.group(1)
