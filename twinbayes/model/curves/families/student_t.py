"""Student's t errors, for assays with gross errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from scipy.special import gammaln

from twinbayes.arrays import Floats, Ints
from twinbayes.errors import ModelError
from twinbayes.machine.jit import jit
from twinbayes.model.curves.families.branch import TwinBranch, twin_branch
from twinbayes.model.curves.families.parameter import (
    SD,
    STANDARD_DEVIATION,
    FamilyParameter,
    require_parameter,
)
from twinbayes.model.curves.families.protocol import DENSITY, MarkerFamily, refuse_censored
from twinbayes.model.storing.typed import typed
from twinbayes.tensors import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class StudentT(MarkerFamily):
    """Student's t errors with known degrees of freedom.

    Examples
    --------
    >>> Trajectory(marker="load", transform="log", family=StudentT(df=4)).family.df
    4
    """

    df: float = 4.0
    kind: str = "Student's t"
    parameter: str = SD
    transformable: bool = True

    def __post_init__(self) -> None:
        require_parameter(self.parameter, SD, self.kind)
        if not self.df > 0:
            raise ModelError(f"df must be positive, not {self.df!r}.")

    @property
    def parameters(self) -> tuple[FamilyParameter, ...]:
        """The scale of errors."""
        return (STANDARD_DEVIATION,)

    @property
    def number(self) -> float:
        """Degrees of freedom."""
        return self.df

    def codes(self, values: Floats, censored: NDArray[np.str_]) -> Ints:
        """All measured."""
        refuse_censored(censored, self.kind)
        return np.full(len(values), DENSITY)

    def standard(self, values: Floats) -> tuple[float, float]:
        """Median, and the scale of the middle half, which gross errors do not move."""
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
        return float(middle), float((high - low) / 1.349 or values.std())

    def information(self, codes: Ints, values: Floats) -> Floats:
        """Fisher information of the location against a normal's."""
        return np.full(len(values), (self.df + 1) / (self.df + 3))

    def loglik(self, eta: Tensor, values: Floats, codes: Ints, *parameters: Tensor) -> Tensor:
        """Log density."""
        (sd,) = parameters
        z = (values - eta) / sd
        constant = gammaln((self.df + 1) / 2) - gammaln(self.df / 2) - 0.5 * np.log(np.pi * self.df)
        out: Tensor = constant - pt.log(sd) - (self.df + 1) / 2 * pt.log1p(z**2 / self.df)
        return out

    @property
    def branch(self) -> TwinBranch:
        """Log density, but for what the degrees of freedom add."""
        return _visit

    def mean(self, eta: Floats, parameter: Floats) -> Floats:
        """The curve itself."""
        return eta

    def draw(self, eta: Floats, parameter: Floats, generator: np.random.Generator) -> Floats:
        """Curve plus error."""
        out: Floats = eta + parameter[0] * generator.standard_t(self.df, eta.shape)
        return out


@twin_branch
@jit(nogil=True)
def _visit(code, value, eta, parameter):  # type: ignore[no-untyped-def]
    y, df, sd = value[0], value[1], parameter[0]
    z = (y - eta) / sd
    spread = df + z * z
    log_density = -math.log(sd) - 0.5 * (df + 1.0) * math.log1p(z * z / df)
    return (
        log_density,
        (df + 1.0) * z / (spread * sd),
        max((df + 1.0) * (df - z * z) / (spread * spread), 0.0) / (sd * sd),
    )
