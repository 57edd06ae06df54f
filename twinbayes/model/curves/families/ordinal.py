"""Grades in order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from scipy.special import expit

from twinbayes.arrays import Floats, Ints
from twinbayes.errors import ModelError
from twinbayes.machine.jit import jit
from twinbayes.model.curves.families.branch import TwinBranch, log_logistic, twin_branch
from twinbayes.model.curves.families.parameter import GAP, FamilyParameter, require_parameter
from twinbayes.model.curves.families.protocol import (
    PROBABILITY,
    MarkerFamily,
    refuse,
    refuse_censored,
)
from twinbayes.model.storing.typed import typed
from twinbayes.tensors import Tensor

_GRADE: Final = PROBABILITY + 1


@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class Ordinal(MarkerFamily):
    """Grades in order, by cumulative logits (McCullagh 1980).

    Parameters
    ----------
    grades
        All values that the marker can take, in order.

    Examples
    --------
    >>> Trajectory(marker="toxicity", family=Ordinal(grades=(0, 1, 2, 3))).family.grades
    (0, 1, 2, 3)
    """

    grades: tuple[float, ...]
    kind: str = "ordinal"
    parameter: str = GAP
    transformable: bool = False

    def __post_init__(self) -> None:
        require_parameter(self.parameter, GAP, self.kind)
        if len(self.grades) < 3 or any(
            not a < b for a, b in zip(self.grades, self.grades[1:], strict=False)
        ):
            raise ModelError(
                f"grades must be at least three increasing values, not {self.grades!r}; "
                "a marker with two values is Binary()."
            )

    @property
    def parameters(self) -> tuple[FamilyParameter, ...]:
        """Distances between neighbouring cuts; the first cut is 0."""
        return (
            FamilyParameter(
                name="marker_gap",
                dim=GAP,
                labels=self.grades[1:-1],
                width=len(self.grades) - 1,
                lay_out=_cuts,
            ),
        )

    @property
    def number(self) -> float:
        """How many cuts there are between the grades."""
        return len(self.grades) - 1

    def codes(self, values: Floats, censored: NDArray[np.str_]) -> Ints:
        """All grades."""
        refuse_censored(censored, self.kind)
        known = ", ".join(f"{g:g}" for g in self.grades)
        refuse(~np.isin(values, self.grades), f"no grade of {known}")
        return np.full(len(values), _GRADE)

    def standard(self, values: Floats) -> tuple[float, float]:
        """The logit scale as it is."""
        return 0.0, 1.0

    def information(self, codes: Ints, values: Floats) -> Floats:
        """A grade says a quarter of a measured value."""
        return np.full(len(values), 0.25)

    def read(self, values: Floats) -> Floats:
        """Ranks of the grades, from 0."""
        ranks: Floats = np.searchsorted(self.grades, values).astype(np.float64)
        return ranks

    def loglik(self, eta: Tensor, values: Floats, codes: Ints, *parameters: Tensor) -> Tensor:
        """Log probability: of the grade's upper and lower cut, and of what lies between them."""
        (gaps,) = parameters
        grade, last = values.astype(np.int64), len(self.grades) - 1
        cuts = pt.concatenate([np.zeros(1), pt.cumsum(gaps)])
        between = pt.concatenate([np.zeros(1), pt.log(-pt.expm1(-gaps)), np.zeros(1)])
        above = cuts[np.minimum(grade, last - 1)] - eta
        below = cuts[np.maximum(grade - 1, 0)] - eta
        out: Tensor = (
            between[grade]
            - np.where(grade < last, 1.0, 0.0) * pt.softplus(-above)
            - np.where(grade > 0, 1.0, 0.0) * pt.softplus(below)
        )
        return out

    @property
    def branch(self) -> TwinBranch:
        """Log probability of the grade's rank."""
        return _visit

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


def _cuts(gaps: Floats) -> Floats:
    """(cut, draw) cuts from (gap, draw) distances between them."""
    first = np.zeros((1, gaps.shape[1]))
    return np.concatenate([first, np.cumsum(gaps, axis=0)])


@twin_branch
@jit(nogil=True)
def _visit(code, value, eta, parameter):  # type: ignore[no-untyped-def]
    grade, cuts = int(value[0]), int(value[1])
    log_p, slope, bend = 0.0, 0.0, 0.0
    if grade < cuts:
        above = parameter[grade] - eta
        q = math.exp(log_logistic(-above))
        log_p, slope, bend = log_p + log_logistic(above), slope - q, bend + q * (1.0 - q)
    if grade > 0:
        below = parameter[grade - 1] - eta
        q = math.exp(log_logistic(below))
        log_p, slope, bend = log_p + log_logistic(-below), slope + q, bend + q * (1.0 - q)
    if 0 < grade < cuts:
        log_p += math.log(-math.expm1(parameter[grade - 1] - parameter[grade]))
    return log_p, slope, bend
