"""Where conditions on the difference of two arms begin to hold, count by count.

The probability of a difference rises with the count of treatment and falls with that of control:
the turns are a staircase, and only steps near it are computed.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from twinbayes.arrays import Floats
from twinbayes.errors import PriorError
from twinbayes.priors.mixtures.mixture import BETA, GAMMA
from twinbayes.trials.exact.arm import Arm
from twinbayes.trials.exact.decisions import ABOVE, Condition
from twinbayes.trials.exact.difference import differences_above

#: Counts of control, and of treatment at first, that are looked at together.
_TOGETHER: Final = {BETA: (1024, 1024), GAMMA: (48, 64)}
_FURTHEST: Final = 1_000_000  # events of treatment


def count_turns(treatment: Arm, control: Arm, condition: Condition, n: int, most: float) -> Floats:
    """First count of treatment from which on a condition holds, or no longer holds.

    Parameters
    ----------
    n
        Largest count of control.
    most
        Largest count of treatment; infinite for events.

    Returns
    -------
    ndarray
        (count of control,) from 0 to `n`; of a condition on ``above`` the first count at which it
        holds, on ``below`` the first at which it does not. Larger than `most` where there is none.
    """
    width, rows_at_first = _TOGETHER[treatment.prior.kind]
    out = np.empty(n + 1)
    reached = 0  # no count of treatment below it has turned, in this block or a later one
    for start in range(0, n + 1, width):
        theirs = control.posteriors(np.arange(start, min(start + width, n + 1), dtype=float))
        turns = np.full(len(theirs.weights), np.nan)
        low, rows = reached, rows_at_first
        while low <= most and np.isnan(turns[-1]):
            mine = np.arange(low, min(low + rows - 1, most) + 1, dtype=float)
            exceeds = differences_above(treatment.posteriors(mine), theirs, condition.value)
            met = condition.met(exceeds)
            turned = met if condition.side == ABOVE else ~met
            here = turned.any(axis=0) & np.isnan(turns)
            turns[here] = low + np.argmax(turned, axis=0)[here]
            low, rows = low + rows, 2 * rows
            if low > _FURTHEST:
                raise PriorError(
                    f"A condition needs more than {_FURTHEST} events of treatment. Use normal "
                    "mixtures of log rates."
                )
        turns[np.isnan(turns)] = most + 1
        out[start : start + width] = turns
        reached = int(turns[-1])
    return out
