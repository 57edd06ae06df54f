"""Small simulated processes that the tests of the checks share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from twinbayes.estimators import CountingProcess

STATES = ("well", "ill", "dead")


def simulate_illness_death(n: int, seed: int, censoring: float = 4.0) -> CountingProcess:
    """Well → ill → dead and well → dead, with a return ill → well; uniform censoring."""
    rng = np.random.default_rng(seed)
    rate = {0: {1: 0.6, 2: 0.2}, 1: {0: 0.3, 2: 0.7}}
    rows = []
    for patient in range(n):
        state, now, end = 0, 0.0, rng.uniform(0.2, censoring)
        while state != 2:
            waits = {to: rng.exponential(1 / r) for to, r in rate[state].items()}
            to = min(waits, key=lambda k: waits[k])
            if now + waits[to] >= end:
                rows.append((now, end, state, -1, f"p{patient}"))
                break
            rows.append((now, now + waits[to], state, to, f"p{patient}"))
            state, now = to, now + waits[to]
    start, stop, origin, target, label = zip(*rows, strict=True)
    return CountingProcess(
        np.array(start), np.array(stop), np.array(origin), np.array(target), STATES, np.array(label)
    )


@pytest.fixture(scope="session")
def illness_death() -> Callable[..., CountingProcess]:
    return simulate_illness_death
