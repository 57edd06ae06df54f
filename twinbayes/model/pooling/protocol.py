"""What every pooling strategy keeps, and the pieces that strategies share.

A strategy is one small frozen object, used alike for response rates, means, hazards, treatment
effects and curves. It builds the effect of every subgroup, as rows of one matrix. `table` lists
them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from twinbayes.errors import ModelError
from twinbayes.model.pooling.centring import ToldTogether
from twinbayes.priors import PriorSet
from twinbayes.tensors import Tensor

#: Appended to a block's name for the probability that a group belongs with the others.
BELONGS: Final = "exchangeable"


@dataclass(frozen=True, kw_only=True, slots=True)
class EffectNames:
    """What the variables of one pooled block are called, and which priors they take.

    `mean_prior` is None for a block whose mean is carried elsewhere (subgroup levels, whose
    mean is the baseline): its rows then sum to zero. Rows of such a block with a sign other than
    0 lean towards each other, or apart, by as much as the variable `sharing` says. `told`
    are crude estimates of the effects, (row, group), None where there are none: the model does not
    depend on them, how it is sampled may.
    """

    mean: str
    scale: str
    offset: str
    total: str
    scale_prior: str
    mean_prior: str | None = None
    sharing: str = ""
    signs: tuple[float, ...] = ()
    told: ToldTogether | None = field(default=None, compare=False)


@runtime_checkable
class Pooling(Protocol):
    """A strategy: adds variables to the current model and returns effects by subgroup."""

    @property
    def kind(self) -> str:
        """Short name, as printed in reports."""

    @property
    def reaches_new_subgroups(self) -> bool:
        """Whether the strategy says anything about a subgroup absent from the fit."""

    def build(
        self,
        names: EffectNames,
        dims: tuple[str, str],
        rows: Sequence[str],
        n_groups: int,
        priors: PriorSet,
    ) -> Tensor:
        """Return the (rows, groups) matrix of effects; `rows` are the labels along dims[0].

        The labels of the groups are the model's coordinate ``dims[1]``.
        """

    def draw_new(
        self, mean: np.ndarray, scale: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        """Draw the effect of a group that the fit has not seen, one for each entry of `mean`.

        `mean` and `scale` are draws of the variables `EffectNames.mean` and `EffectNames.scale`,
        0 where there is none.
        """


def lean_together(own: Tensor, ratio: Tensor, signs: Sequence[float]) -> Tensor:
    """Turn independent standard normal offsets into ones that lean towards each other, or apart.

    An offset is what is its own plus `ratio` times what all have in common, divided by
    sqrt(1 + ratio^2): standard normal again. What is common is not sampled; the root of the
    covariance carries it, I + c s s' with c = (sqrt(1 + m ratio^2) - 1) / m.

    Parameters
    ----------
    own
        Independent offsets, shape (..., n).
    ratio
        Standard deviation of what is common relative to what is own, shape (..., 1) or scalar.
    signs
        Of each of the n: 1 leans with, -1 against, 0 keeps to itself; m of them are not 0.
    """
    direction = np.asarray(signs, dtype=float)
    m = float(np.abs(direction).sum())
    along = (own * direction).sum(axis=-1, keepdims=True)
    stretched = own + (pt.sqrt(1.0 + m * ratio**2) - 1.0) / m * along * direction
    leaning: Tensor = stretched / pt.sqrt(1.0 + (ratio * direction) ** 2)
    return leaning


def around(
    names: EffectNames,
    deviation: Tensor,
    dims: tuple[str, str],
    rows: Sequence[str],
    priors: PriorSet,
) -> Tensor:
    """Add deviations to the block's mean; where that is carried elsewhere, let them sum to zero."""
    if names.mean_prior is None:
        return report(names.total, deviation - deviation.mean(axis=1, keepdims=True), dims)
    mean = priors.make(names.mean, names.mean_prior, dims=dims[:1], qualifiers=rows)
    return report(names.total, mean[:, None] + deviation, dims)


def report(name: str, value: Tensor, dims: tuple[str, str]) -> Tensor:
    """Record effects by group."""
    reported: Tensor = pm.Deterministic(name, value, dims=dims)
    return reported


def group_labels(dims: tuple[str, str], n_groups: int) -> tuple[str, ...]:
    """Labels of the groups, from the model that is being built."""
    known = pm.modelcontext(None).coords.get(dims[1])
    return tuple(map(str, range(n_groups) if known is None else known))


def require_group(group: str, labels: Sequence[str], role: str, kind: str) -> int:
    """Return where a group is among the labels.

    Raises
    ------
    ModelError
        It is not there; the message lists those that are.
    """
    if group not in labels:
        found = f"{role}={group!r} is not among them" if group else f"{role} is not given"
        raise ModelError(
            f"Pooling {kind!r} needs one of the subgroups as its {role}, and {found}. "
            f"Known: {', '.join(map(repr, labels))}."
        )
    return list(labels).index(group)


def unknown_group(kind: str) -> ModelError:
    """Say that a strategy has nothing to say of a group that the fit has not seen."""
    return ModelError(
        f"Pooling {kind!r} says nothing about a subgroup that was not in the fit. Refit with "
        "'exchangeable', 'exnex' or 'complete'."
    )


def require_positive(value: float, what: str) -> None:
    """Refuse a setting that is not a positive finite number."""
    if not value > 0 or not np.isfinite(value):
        raise ModelError(f"{what} must be a positive number, not {value!r}.")
