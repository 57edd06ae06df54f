"""Counts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from scipy.special import gammaln

from twinbayes.arrays import Floats, Ints
from twinbayes.machine.jit import jit
from twinbayes.model.curves.families.branch import TwinBranch, twin_branch
from twinbayes.model.curves.families.parameter import require_parameter
from twinbayes.model.curves.families.protocol import (
    PROBABILITY,
    MarkerFamily,
    refuse,
    refuse_censored,
)
from twinbayes.model.storing.typed import typed
from twinbayes.tensors import Tensor

#: Means of counts that are drawn stay below it.
LARGEST: Final = 1e12

_COUNT: Final = PROBABILITY + 2
_LOG_LARGEST: Final = float(np.log(LARGEST))


@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class Poisson(MarkerFamily):
    """Counts, on the log scale.

    Examples
    --------
    >>> Trajectory(marker="lesions", family=Poisson()).family.kind
    'Poisson'
    """

    kind: str = "Poisson"
    parameter: str = ""
    transformable: bool = False

    def __post_init__(self) -> None:
        require_parameter(self.parameter, "", self.kind)

    def codes(self, values: Floats, censored: NDArray[np.str_]) -> Ints:
        """All counts."""
        refuse_censored(censored, self.kind)
        refuse((values < 0) | (values != np.round(values)), "no counts")
        return np.full(len(values), _COUNT)

    def standard(self, values: Floats) -> tuple[float, float]:
        """Log of the mean count."""
        return float(np.log(values.mean() + 0.1)), 1.0

    def information(self, codes: Ints, values: Floats) -> Floats:
        """The larger the count the more it says of its logarithm."""
        return np.minimum(values, 1.0)

    def loglik(self, eta: Tensor, values: Floats, codes: Ints, *parameters: Tensor) -> Tensor:
        """Log probability."""
        out: Tensor = values * eta - pt.exp(eta) - gammaln(values + 1)
        return out

    @property
    def branch(self) -> TwinBranch:
        """Log probability, but for what the count alone adds."""
        return _visit

    def mean(self, eta: Floats, parameter: Floats) -> Floats:
        """Expected count."""
        return np.exp(np.minimum(eta, _LOG_LARGEST))

    def draw(self, eta: Floats, parameter: Floats, generator: np.random.Generator) -> Floats:
        """One count."""
        return generator.poisson(self.mean(eta, parameter)).astype(np.float64)


@twin_branch
@jit(nogil=True)
def _visit(code, value, eta, parameter):  # type: ignore[no-untyped-def]
    y = value[0]
    mean = math.exp(min(eta, 700.0))
    return y * eta - mean, y - mean, mean
