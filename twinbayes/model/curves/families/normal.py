"""Normal errors, with censoring."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray

from twinbayes.arrays import Floats, Ints
from twinbayes.errors import ModelError
from twinbayes.machine.jit import jit
from twinbayes.machine.special import log_ndtr_with_slope
from twinbayes.model.curves.families.branch import TwinBranch, twin_branch
from twinbayes.model.curves.families.parameter import (
    SD,
    STANDARD_DEVIATION,
    FamilyParameter,
    require_parameter,
)
from twinbayes.model.curves.families.protocol import LEFT, MEASURED, RIGHT, MarkerFamily
from twinbayes.model.storing.typed import typed
from twinbayes.tensors import Tensor, log_ndtr

_HALF_LOG_2PI: Final = 0.5 * math.log(2.0 * math.pi)


@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class Normal(MarkerFamily):
    """Normal errors, with censoring.

    Parameters
    ----------
    floor, ceiling
        Ends of the marker's own scale. Values there count as censored.

    Examples
    --------
    >>> Trajectory(marker="global_health", family=Normal(floor=0, ceiling=100)).family.ceiling
    100
    """

    floor: float | None = None
    ceiling: float | None = None
    kind: str = "normal"
    parameter: str = SD
    transformable: bool = True

    def __post_init__(self) -> None:
        require_parameter(self.parameter, SD, self.kind)

    @property
    def parameters(self) -> tuple[FamilyParameter, ...]:
        """The standard deviation of errors."""
        return (STANDARD_DEVIATION,)

    def codes(self, values: Floats, censored: NDArray[np.str_]) -> Ints:
        """Measured, or censored to the left or right."""
        low = -np.inf if self.floor is None else self.floor
        high = np.inf if self.ceiling is None else self.ceiling
        beyond = int(((values < low) | (values > high)).sum())
        if beyond:
            raise ModelError(
                f"{beyond} values lie outside the scale from {low:g} to {high:g}. "
                "Correct them, or give the family the floor and ceiling of the score."
            )
        out = np.full(len(values), MEASURED)
        out[(censored == "left") | (values == low)] = LEFT
        out[(censored == "right") | (values == high)] = RIGHT
        return out

    def standard(self, values: Floats) -> tuple[float, float]:
        """Mean and standard deviation."""
        return float(values.mean()), float(values.std())

    def information(self, codes: Ints, values: Floats) -> Floats:
        """Measured values count fully, censored ones not."""
        out: Floats = (codes == MEASURED).astype(np.float64)
        return out

    def loglik(self, eta: Tensor, values: Floats, codes: Ints, *parameters: Tensor) -> Tensor:
        """Log density of measured visits, unless they are summed up, and probability of others."""
        (sd,) = parameters
        side = np.where(codes == LEFT, 1.0, -1.0)
        beyond = log_ndtr(side * (values - eta) / sd)
        measured = codes == MEASURED
        if not measured.any():
            return beyond
        z = (values - eta) / sd
        density = -0.5 * np.log(2 * np.pi) - pt.log(sd) - 0.5 * z**2
        out: Tensor = density if measured.all() else pt.switch(measured, density, beyond)
        return out

    @property
    def branch(self) -> TwinBranch:
        """Density of a measured visit, or the tail."""
        return _visit

    def mean(self, eta: Floats, parameter: Floats) -> Floats:
        """The curve itself."""
        return eta

    def draw(self, eta: Floats, parameter: Floats, generator: np.random.Generator) -> Floats:
        """Curve plus error; the marker's own scale clips it."""
        out: Floats = generator.standard_normal(eta.shape)
        out *= parameter[0]
        out += eta
        return out


@twin_branch
@jit(nogil=True)
def _visit(code, value, eta, parameter):  # type: ignore[no-untyped-def]
    y = value[0]
    if code == MEASURED:
        z = (y - eta) / parameter[0]
        log_density = -_HALF_LOG_2PI - math.log(parameter[0]) - 0.5 * z * z
        return log_density, z / parameter[0], 1.0 / (parameter[0] * parameter[0])
    side = (1.0 if code == LEFT else -1.0) / parameter[0]
    z = side * (y - eta)
    log_tail, rate = log_ndtr_with_slope(z)
    return log_tail, -side * rate, side * side * rate * (z + rate)
