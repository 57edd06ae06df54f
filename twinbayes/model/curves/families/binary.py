"""Yes or no."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from scipy.special import expit

from twinbayes.arrays import Floats, Ints
from twinbayes.machine.jit import jit
from twinbayes.model.curves.families.branch import TwinBranch, log_logistic, twin_branch
from twinbayes.model.curves.families.parameter import require_parameter
from twinbayes.model.curves.families.protocol import (
    PROBABILITY,
    MarkerFamily,
    refuse,
    refuse_censored,
)
from twinbayes.model.storing.typed import typed
from twinbayes.tensors import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class Binary(MarkerFamily):
    """Yes (1) or no (0), on the logit scale.

    Examples
    --------
    >>> Trajectory(marker="oedema", family=Binary()).family.kind
    'binary'
    """

    kind: str = "binary"
    parameter: str = ""
    transformable: bool = False

    def __post_init__(self) -> None:
        require_parameter(self.parameter, "", self.kind)

    def codes(self, values: Floats, censored: NDArray[np.str_]) -> Ints:
        """All yes or no."""
        refuse_censored(censored, self.kind)
        refuse(~np.isin(values, (0.0, 1.0)), "neither 0 nor 1")
        return np.full(len(values), PROBABILITY)

    def standard(self, values: Floats) -> tuple[float, float]:
        """The logit scale as it is."""
        return 0.0, 1.0

    def information(self, codes: Ints, values: Floats) -> Floats:
        """A yes or no says a fifth of a measured value."""
        return np.full(len(values), 0.2)

    def loglik(self, eta: Tensor, values: Floats, codes: Ints, *parameters: Tensor) -> Tensor:
        """Log probability."""
        out: Tensor = values * eta - pt.softplus(eta)
        return out

    @property
    def branch(self) -> TwinBranch:
        """Log probability."""
        return _visit

    def mean(self, eta: Floats, parameter: Floats) -> Floats:
        """Probability of yes."""
        out: Floats = expit(eta)
        return out

    def draw(self, eta: Floats, parameter: Floats, generator: np.random.Generator) -> Floats:
        """1 or 0."""
        return (generator.random(eta.shape) < expit(eta)).astype(np.float64)


@twin_branch
@jit(nogil=True)
def _visit(code, value, eta, parameter):  # type: ignore[no-untyped-def]
    y = value[0]
    p = math.exp(log_logistic(eta))
    return y * eta + log_logistic(-eta), y - p, p * (1.0 - p)
