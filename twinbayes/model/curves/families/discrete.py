"""Families of discrete markers: yes or no, grades, and counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from scipy.special import expit, gammaln

from twinbayes.errors import ModelError
from twinbayes.model.curves.families.family import (
    BINARY,
    GAP,
    NEGATIVE_BINOMIAL,
    ORDINAL,
    POISSON,
    SHAPE,
    Floats,
    Ints,
    refuse,
    refuse_censored,
)
from twinbayes.model.events.likelihood.op import Tensor

_LARGEST: Final = 1e12
_LOG_LARGEST: Final = float(np.log(_LARGEST))


@dataclass(frozen=True, kw_only=True, slots=True)
class Binary:
    """Yes (1) or no (0), on the logit scale."""

    kind: str = "binary"
    parameter: str = ""
    transformable: bool = False

    def codes(self, values: Floats, censored: NDArray[np.str_]) -> Ints:
        """All yes or no."""
        refuse_censored(censored, self.kind)
        refuse(~np.isin(values, (0.0, 1.0)), "neither 0 nor 1")
        return np.full(len(values), BINARY)

    def standard(self, values: Floats) -> tuple[float, float]:
        """The logit scale as it is."""
        return 0.0, 1.0

    def information(self, codes: Ints, values: Floats) -> Floats:
        """A yes or no says a fifth of a measured value."""
        return np.full(len(values), 0.2)

    def loglik(self, eta: Tensor, values: Floats, codes: Ints, parameter: Tensor | None) -> Tensor:
        """Log probability."""
        out: Tensor = values * eta - pt.softplus(eta)
        return out

    def mean(self, eta: Floats, parameter: Floats) -> Floats:
        """Probability of yes."""
        out: Floats = expit(eta)
        return out

    def draw(self, eta: Floats, parameter: Floats, generator: np.random.Generator) -> Floats:
        """1 or 0."""
        return (generator.random(eta.shape) < expit(eta)).astype(np.float64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ordinal:
    """Grades in order, by cumulative logits (McCullagh 1980).

    Parameters
    ----------
    grades
        All values that the marker can take, in order.
    """

    grades: tuple[float, ...]
    kind: str = "ordinal"
    parameter: str = GAP
    transformable: bool = False

    def __post_init__(self) -> None:
        if len(self.grades) < 3 or any(
            not a < b for a, b in zip(self.grades, self.grades[1:], strict=False)
        ):
            raise ModelError(
                f"grades must be at least three increasing values, not {self.grades!r}; "
                "a marker with two values is Binary()."
            )

    def codes(self, values: Floats, censored: NDArray[np.str_]) -> Ints:
        """All grades."""
        refuse_censored(censored, self.kind)
        known = ", ".join(f"{g:g}" for g in self.grades)
        refuse(~np.isin(values, self.grades), f"no grade of {known}")
        return np.full(len(values), ORDINAL)

    def standard(self, values: Floats) -> tuple[float, float]:
        """The logit scale as it is."""
        return 0.0, 1.0

    def information(self, codes: Ints, values: Floats) -> Floats:
        """A grade says a quarter of a measured value."""
        return np.full(len(values), 0.25)

    def loglik(self, eta: Tensor, values: Floats, codes: Ints, parameter: Tensor | None) -> Tensor:
        """Log probability: of the grade's upper and lower cut, and of what lies between them."""
        assert parameter is not None  # noqa: S101
        grade, last = values.astype(np.int64), len(self.grades) - 1
        cuts = pt.concatenate([np.zeros(1), pt.cumsum(parameter)])
        between = pt.concatenate([np.zeros(1), pt.log(-pt.expm1(-parameter)), np.zeros(1)])
        above = cuts[np.minimum(grade, last - 1)] - eta
        below = cuts[np.maximum(grade - 1, 0)] - eta
        out: Tensor = (
            between[grade]
            - np.where(grade < last, 1.0, 0.0) * pt.softplus(-above)
            - np.where(grade > 0, 1.0, 0.0) * pt.softplus(below)
        )
        return out

    def mean(self, eta: Floats, parameter: Floats) -> Floats:
        """Expected grade."""
        grades = np.array(self.grades)
        out = np.full(eta.shape, grades[0])
        for k in range(len(grades) - 1):
            out += (grades[k + 1] - grades[k]) * expit(eta - parameter[k])
        return out

    def draw(self, eta: Floats, parameter: Floats, generator: np.random.Generator) -> Floats:
        """One grade."""
        u = generator.random(eta.shape)
        rank = np.zeros(eta.shape, dtype=np.int64)
        for k in range(len(self.grades) - 1):
            rank += u < expit(eta - parameter[k])
        out: Floats = np.array(self.grades)[rank]
        return out


@dataclass(frozen=True, kw_only=True, slots=True)
class Poisson:
    """Counts, on the log scale."""

    kind: str = "Poisson"
    parameter: str = ""
    transformable: bool = False

    def codes(self, values: Floats, censored: NDArray[np.str_]) -> Ints:
        """All counts."""
        refuse_censored(censored, self.kind)
        refuse((values < 0) | (values != np.round(values)), "no counts")
        return np.full(len(values), POISSON)

    def standard(self, values: Floats) -> tuple[float, float]:
        """Log of the mean count."""
        return float(np.log(values.mean() + 0.1)), 1.0

    def information(self, codes: Ints, values: Floats) -> Floats:
        """The larger the count the more it says of its logarithm."""
        return np.minimum(values, 1.0)

    def loglik(self, eta: Tensor, values: Floats, codes: Ints, parameter: Tensor | None) -> Tensor:
        """Log probability."""
        out: Tensor = values * eta - pt.exp(eta) - gammaln(values + 1)
        return out

    def mean(self, eta: Floats, parameter: Floats) -> Floats:
        """Expected count."""
        return np.exp(np.minimum(eta, _LOG_LARGEST))

    def draw(self, eta: Floats, parameter: Floats, generator: np.random.Generator) -> Floats:
        """One count."""
        return generator.poisson(self.mean(eta, parameter)).astype(np.float64)


@dataclass(frozen=True, kw_only=True, slots=True)
class NegativeBinomial:
    """Counts that vary more than Poisson's, on the log scale."""

    kind: str = "negative binomial"
    parameter: str = SHAPE
    transformable: bool = False

    def codes(self, values: Floats, censored: NDArray[np.str_]) -> Ints:
        """All counts."""
        Poisson().codes(values, censored)
        return np.full(len(values), NEGATIVE_BINOMIAL)

    def standard(self, values: Floats) -> tuple[float, float]:
        """Log of the mean count."""
        return Poisson().standard(values)

    def information(self, codes: Ints, values: Floats) -> Floats:
        """Half as much as a Poisson count."""
        return 0.5 * np.minimum(values, 1.0)

    def loglik(self, eta: Tensor, values: Floats, codes: Ints, parameter: Tensor | None) -> Tensor:
        """Log probability."""
        assert parameter is not None  # noqa: S101
        log_shape = pt.log(parameter)
        out: Tensor = (
            pt.gammaln(values + parameter)
            - pt.gammaln(parameter)
            - gammaln(values + 1)
            + values * (eta - log_shape)
            - (values + parameter) * pt.softplus(eta - log_shape)
        )
        return out

    def mean(self, eta: Floats, parameter: Floats) -> Floats:
        """Expected count."""
        return Poisson().mean(eta, parameter)

    def draw(self, eta: Floats, parameter: Floats, generator: np.random.Generator) -> Floats:
        """One count: Poisson with a gamma-distributed mean."""
        shape = np.broadcast_to(parameter[0], eta.shape)
        spread = generator.gamma(shape) / shape
        mean = np.minimum(self.mean(eta, parameter) * spread, _LARGEST)
        out: Floats = generator.poisson(mean).astype(np.float64)
        return out


FAMILIES: Final = (Binary, Ordinal, Poisson, NegativeBinomial)
