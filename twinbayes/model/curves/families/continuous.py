"""Families of continuous markers: normal with censoring, and Student's t."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from scipy.special import gammaln

from twinbayes.errors import ModelError
from twinbayes.model.curves.families.family import (
    LEFT,
    MEASURED,
    RIGHT,
    SD,
    STUDENT_T,
    Floats,
    Ints,
    refuse_censored,
)
from twinbayes.tensors import Tensor, log_ndtr


@dataclass(frozen=True, kw_only=True, slots=True)
class Normal:
    """Normal errors, with censoring.

    Parameters
    ----------
    floor, ceiling
        Ends of the marker's own scale. Values there count as censored.
    """

    floor: float | None = None
    ceiling: float | None = None
    kind: str = "normal"
    parameter: str = SD
    transformable: bool = True

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

    def loglik(self, eta: Tensor, values: Floats, codes: Ints, parameter: Tensor | None) -> Tensor:
        """Log density of measured visits, unless they are summed up, and probability of others."""
        assert parameter is not None  # noqa: S101
        side = np.where(codes == LEFT, 1.0, -1.0)
        beyond = log_ndtr(side * (values - eta) / parameter)
        measured = codes == MEASURED
        if not measured.any():
            return beyond
        z = (values - eta) / parameter
        density = -0.5 * np.log(2 * np.pi) - pt.log(parameter) - 0.5 * z**2
        out: Tensor = density if measured.all() else pt.switch(measured, density, beyond)
        return out

    def mean(self, eta: Floats, parameter: Floats) -> Floats:
        """The curve itself."""
        return eta

    def draw(self, eta: Floats, parameter: Floats, generator: np.random.Generator) -> Floats:
        """Curve plus error; the marker's own scale clips it."""
        out: Floats = eta + parameter[0] * generator.standard_normal(eta.shape)
        return out


@dataclass(frozen=True, kw_only=True, slots=True)
class StudentT:
    """Student's t errors with known degrees of freedom."""

    df: float = 4.0
    kind: str = "Student's t"
    parameter: str = SD
    transformable: bool = True

    def __post_init__(self) -> None:
        if not self.df > 0:
            raise ModelError(f"df must be positive, not {self.df!r}.")

    def codes(self, values: Floats, censored: NDArray[np.str_]) -> Ints:
        """All measured."""
        refuse_censored(censored, self.kind)
        return np.full(len(values), STUDENT_T)

    def standard(self, values: Floats) -> tuple[float, float]:
        """Median, and the scale of the middle half, which gross errors do not move."""
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
        return float(middle), float((high - low) / 1.349 or values.std())

    def information(self, codes: Ints, values: Floats) -> Floats:
        """Fisher information of the location against a normal's."""
        return np.full(len(values), (self.df + 1) / (self.df + 3))

    def loglik(self, eta: Tensor, values: Floats, codes: Ints, parameter: Tensor | None) -> Tensor:
        """Log density."""
        assert parameter is not None  # noqa: S101
        z = (values - eta) / parameter
        constant = gammaln((self.df + 1) / 2) - gammaln(self.df / 2) - 0.5 * np.log(np.pi * self.df)
        out: Tensor = constant - pt.log(parameter) - (self.df + 1) / 2 * pt.log1p(z**2 / self.df)
        return out

    def mean(self, eta: Floats, parameter: Floats) -> Floats:
        """The curve itself."""
        return eta

    def draw(self, eta: Floats, parameter: Floats, generator: np.random.Generator) -> Floats:
        """Curve plus error."""
        out: Floats = eta + parameter[0] * generator.standard_t(self.df, eta.shape)
        return out


FAMILIES: Final = (Normal, StudentT)
