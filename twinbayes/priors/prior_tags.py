"""Notes on sampled variables: which prior of the set each of them has.

Whoever asks how much an answer depends on the priors needs the priors' densities under each draw.
Variables without a note, such as the standard normal offsets that subgroups are made of, belong to
the model: their spread is a variable of its own, and has a prior.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from twinbayes.arrays import Floats

_TAG: Final = "twinbayes_prior"


@dataclass(frozen=True)
class NotedPrior:
    """The prior of a sampled variable.

    Attributes
    ----------
    name
        Name of the entry, without qualifier.
    distribution
        A PyMC distribution whose arguments are numbers.
    take
        (draw, ...) values of the variable to (draw, ...) values that have that distribution; None
        where they are the same.
    """

    name: str
    distribution: Any
    take: Callable[[Floats], Floats] | None = None


def note_prior(
    variable: Any,
    name: str,
    distribution: Any,
    take: Callable[[Floats], Floats] | None = None,
) -> None:
    """Note on a random variable which prior it has; `PriorSet.make` does so by itself."""
    setattr(variable.tag, _TAG, NotedPrior(name, distribution, take))


def noted_prior(variable: Any) -> NotedPrior | None:
    """The prior noted on a random variable, if there is one."""
    found: NotedPrior | None = getattr(variable.tag, _TAG, None)
    return found


def row_norms(packed: Floats) -> Floats:
    """(draw, row) norms of the rows of lower triangles, given one row after the other.

    Of the Cholesky root of a covariance matrix they are the standard deviations.
    """
    n = int((np.sqrt(8 * packed.shape[1] + 1) - 1) // 2)
    starts = np.cumsum(np.arange(n))
    return np.asarray(np.sqrt(np.add.reduceat(packed**2, starts, axis=1)))
