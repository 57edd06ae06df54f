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
"""

from __future__ import annotations

from typing import Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from twinbayes.errors import ModelError
from twinbayes.model.events.likelihood.op import Tensor

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# What one visit contributes, as compiled code knows it.
MEASURED, LEFT, RIGHT, STUDENT_T, BINARY, ORDINAL, POISSON, NEGATIVE_BINOMIAL = range(8)
SD: Final = "sd"
SHAPE: Final = "shape"
GAP: Final = "gap"


@runtime_checkable
class MarkerFamily(Protocol):
    """How measurements scatter around a curve."""

    @property
    def kind(self) -> str:
        """Short name, as printed in reports."""

    @property
    def parameter(self) -> str:
        """Which parameter it has beside the curve: ``sd``, ``shape``, ``gap``, or none."""

    @property
    def transformable(self) -> bool:
        """Whether a transform of the values makes sense."""

    def codes(self, values: Floats, censored: NDArray[np.str_]) -> Ints:
        """Return what each visit contributes.

        Raises
        ------
        ModelError
            Values that the family does not have, or censoring that it cannot use.
        """

    def standard(self, values: Floats) -> tuple[float, float]:
        """Centre and scale of the curve, from values after their transform."""

    def information(self, codes: Ints, values: Floats) -> Floats:
        """How much each visit says of the curve, about 1 for a measured value."""

    def loglik(self, eta: Tensor, values: Floats, codes: Ints, parameter: Tensor | None) -> Tensor:
        """(visit,) log density; `values` on the sampling scale."""

    def mean(self, eta: Floats, parameter: Floats) -> Floats:
        """Return what the curve (time, draw) stands for on the marker's own, transformed scale."""

    def draw(self, eta: Floats, parameter: Floats, generator: np.random.Generator) -> Floats:
        """Draw one measurement for each value of the curve; `parameter` is (width, draw)."""


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
