"""Families: how measurements of a marker scatter around its curve.

The curve is the linear predictor η. What is measured is

=======================  ==================================================================
``Normal``               normal around η; beyond a detection limit, or a floor or ceiling of the
                         scale, all that is known is on which side (Tobin 1958)
``StudentT``             Student's t around η, for assays with gross errors
``Binary``               yes with probability 1 / (1 + exp(−η))
``Ordinal``              a grade: P(above grade k) = 1 / (1 + exp(c_k − η)), c_1 = 0
``Poisson``              a count of mean exp(η)
``NegativeBinomial``     a count of mean μ = exp(η) and variance μ + μ² / shape
=======================  ==================================================================

Quality-of-life scores from 0 to 100 are ``Normal(floor=0, ceiling=100)``: many patients give the
lowest or the highest answer, which then says "at least as bad" or "at least as good", differences
are in points of the score, and no forecast leaves its range.

Each family is one file. What the fit reads (`loglik`) and what twins read (`branch`) are the same
density, written for PyTensor and for numba; a test differentiates and compares them.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from twinbayes.arrays import Floats, Ints
from twinbayes.errors import ModelError
from twinbayes.model.curves.families.branch import TwinBranch
from twinbayes.model.curves.families.parameter import FamilyParameter
from twinbayes.tensors import Tensor

# What one visit contributes. Densities are on the scale of the curve: the normal one, of which
# sums over visits say all, and only `Normal` has; those of the values beyond a limit of it; and any
# other. From PROBABILITY on it is a probability. The codes enter the seeds of patients.
MEASURED, LEFT, RIGHT, DENSITY, PROBABILITY = range(5)


@runtime_checkable
class MarkerFamily(Protocol):
    """How measurements scatter around a curve; derive families of your own from it.

    Examples
    --------
    >>> isinstance(Binary(), MarkerFamily)
    True
    >>> Binary().mean(np.array([0.0]), np.empty((0, 1)))
    array([0.5])
    """

    __slots__ = ()

    @property
    @abstractmethod
    def kind(self) -> str:
        """Short name, as printed in reports."""

    @property
    @abstractmethod
    def transformable(self) -> bool:
        """Whether a transform of the values makes sense.

        The curve is then on the transformed scale, and the standard deviation of errors is the
        first of the parameters.
        """

    @property
    def parameters(self) -> tuple[FamilyParameter, ...]:
        """What the family has beside the curve."""
        return ()

    @property
    def number(self) -> float:
        """A number of the description that `branch` reads beside each value."""
        return 0.0

    @abstractmethod
    def codes(self, values: Floats, censored: NDArray[np.str_]) -> Ints:
        """Return what each visit contributes.

        Raises
        ------
        ModelError
            Values that the family does not have, or censoring that it cannot use.
        """

    @abstractmethod
    def standard(self, values: Floats) -> tuple[float, float]:
        """Centre and scale of the curve, from values after their transform."""

    @abstractmethod
    def information(self, codes: Ints, values: Floats) -> Floats:
        """How much each visit says of the curve, about 1 for a measured value."""

    def read(self, values: Floats) -> Floats:
        """Values as the likelihood has them, after their transform."""
        return values

    @abstractmethod
    def loglik(self, eta: Tensor, values: Floats, codes: Ints, *parameters: Tensor) -> Tensor:
        """(visit,) log density; `values` on the sampling scale, `parameters` as declared."""

    @property
    @abstractmethod
    def branch(self) -> TwinBranch:
        """The same for one visit, with its derivatives, as twins read it."""

    @abstractmethod
    def mean(self, eta: Floats, parameter: Floats) -> Floats:
        """Return what the curve (time, draw) stands for on the marker's own, transformed scale."""

    @abstractmethod
    def draw(self, eta: Floats, parameter: Floats, generator: np.random.Generator) -> Floats:
        """Draw one measurement for each value of the curve; `parameter` is (width, draw)."""


def require_family(family: MarkerFamily, marker: str) -> None:
    """Refuse a family whose visits no twin could read.

    Raises
    ------
    ModelError
        With what is wrong, and how to mend it.
    """
    branch: object = family.branch  # what a family of one's own returns may be anything
    if not isinstance(branch, TwinBranch):
        raise ModelError(
            f"Marker {marker!r}: the branch of the {family.kind} family is not compiled for twins. "
            "Put @twin_branch above the function that `branch` returns."
        )


def refuse(wrong: NDArray[np.bool_], what: str) -> None:
    """Raise ModelError where some values are `wrong`."""
    if wrong.any():
        raise ModelError(
            f"{int(wrong.sum())} of {len(wrong)} values are {what}. "
            "Correct them, or choose another family for the marker."
        )


def refuse_censored(censored: NDArray[np.str_], kind: str) -> None:
    """Raise ModelError where some values are censored."""
    some = int((censored != "none").sum())
    if some:
        raise ModelError(
            f"{some} values lie beyond a detection limit, which the {kind} family cannot use. "
            "Use the family Normal(), which treats them as censored."
        )
