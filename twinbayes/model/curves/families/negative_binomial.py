"""Counts that vary more than Poisson's."""

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
from twinbayes.model.curves.families.branch import TwinBranch, log_logistic, twin_branch
from twinbayes.model.curves.families.parameter import SHAPE, FamilyParameter, require_parameter
from twinbayes.model.curves.families.poisson import LARGEST, Poisson
from twinbayes.model.curves.families.protocol import PROBABILITY, MarkerFamily
from twinbayes.model.storing.typed import typed
from twinbayes.names import COUNT_MARKER, MARKER_SHAPE
from twinbayes.tensors import Tensor

_COUNT: Final = PROBABILITY + 3
_SHAPE: Final = FamilyParameter(name=MARKER_SHAPE, dim=COUNT_MARKER)


@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class NegativeBinomial(MarkerFamily):
    """Counts that vary more than Poisson's, on the log scale.

    Examples
    --------
    >>> Trajectory(marker="lesions", family=NegativeBinomial()).family.parameter
    'shape'
    """

    kind: str = "negative binomial"
    parameter: str = SHAPE
    transformable: bool = False

    def __post_init__(self) -> None:
        require_parameter(self.parameter, SHAPE, self.kind)

    @property
    def parameters(self) -> tuple[FamilyParameter, ...]:
        """The shape: the larger, the nearer to Poisson's."""
        return (_SHAPE,)

    def codes(self, values: Floats, censored: NDArray[np.str_]) -> Ints:
        """All counts."""
        Poisson().codes(values, censored)
        return np.full(len(values), _COUNT)

    def standard(self, values: Floats) -> tuple[float, float]:
        """Log of the mean count."""
        return Poisson().standard(values)

    def information(self, codes: Ints, values: Floats) -> Floats:
        """Half as much as a Poisson count."""
        return 0.5 * np.minimum(values, 1.0)

    def loglik(self, eta: Tensor, values: Floats, codes: Ints, *parameters: Tensor) -> Tensor:
        """Log probability."""
        (shape,) = parameters
        log_shape = pt.log(shape)
        out: Tensor = (
            pt.gammaln(values + shape)
            - pt.gammaln(shape)
            - gammaln(values + 1)
            + values * (eta - log_shape)
            - (values + shape) * pt.softplus(eta - log_shape)
        )
        return out

    @property
    def branch(self) -> TwinBranch:
        """Log probability, but for what the count alone adds."""
        return _visit

    def mean(self, eta: Floats, parameter: Floats) -> Floats:
        """Expected count."""
        return Poisson().mean(eta, parameter)

    def draw(self, eta: Floats, parameter: Floats, generator: np.random.Generator) -> Floats:
        """One count: Poisson with a gamma-distributed mean."""
        shape = np.broadcast_to(parameter[0], eta.shape)
        spread = generator.gamma(shape) / shape
        mean = np.minimum(self.mean(eta, parameter) * spread, LARGEST)
        out: Floats = generator.poisson(mean).astype(np.float64)
        return out


@twin_branch
@jit(nogil=True)
def _visit(code, value, eta, parameter):  # type: ignore[no-untyped-def]
    y, shape = value[0], parameter[0]
    log_shape = math.log(shape)
    p = math.exp(log_logistic(eta - log_shape))  # mean / (mean + shape)
    log_p = math.lgamma(y + shape) - math.lgamma(shape) + y * (eta - log_shape)
    return (
        log_p + (y + shape) * log_logistic(log_shape - eta),
        y - (y + shape) * p,
        (y + shape) * p * (1.0 - p),
    )
