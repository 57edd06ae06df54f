"""Pooling strategies: how much subgroups borrow from each other.

One small frozen object each, used alike for response rates, means, hazards, treatment effects and
curves. A strategy builds the effect of every subgroup, as rows of one matrix. Here are the three
that all others lie between; `poolings` lists them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from twinbayes.errors import ModelError, require_known
from twinbayes.model.fields import UNSET_IS_ABSENT
from twinbayes.priors import PriorSet

type Tensor = TensorVariable[Any, Any]

#: Appended to a block's name for the probability that a group belongs with the others.
BELONGS = "exchangeable"


@dataclass(frozen=True, kw_only=True, slots=True)
class EffectNames:
    """What the variables of one pooled block are called, and which priors they take.

    `mean_prior` is None for a block whose mean is carried elsewhere (subgroup levels, whose
    mean is the baseline): its rows then sum to zero. Rows of such a block with a sign other than
    0 lean towards each other, or apart, by as much as the variable `sharing` says.
    """

    mean: str
    scale: str
    offset: str
    total: str
    scale_prior: str
    mean_prior: str | None = None
    sharing: str = ""
    signs: tuple[float, ...] = ()


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


@dataclass(frozen=True, slots=True)
class Complete:
    """One effect for all subgroups; as a subgroup level: no difference, and no variable."""

    kind: str = "complete"
    reaches_new_subgroups: bool = True

    def build(
        self,
        names: EffectNames,
        dims: tuple[str, str],
        rows: Sequence[str],
        n_groups: int,
        priors: PriorSet,
    ) -> Tensor:
        """Return one effect a row, repeated along the groups."""
        if names.mean_prior is None:
            return pt.zeros((len(rows), n_groups))
        mean = priors.make(names.mean, names.mean_prior, dims=dims[:1], qualifiers=rows)
        total = mean[:, None] + pt.zeros((len(rows), n_groups))
        return report(names.total, total, dims)

    def draw_new(
        self, mean: np.ndarray, scale: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        """Return the effect that all groups have."""
        return mean


@dataclass(frozen=True, slots=True)
class NoPooling:
    """Each subgroup its own effect with an independent prior.

    As a subgroup level the prior is normal with standard deviation `sd` (log hazard), summing
    to zero over subgroups since the baseline carries the mean. Else it is the block's mean
    prior, and the reported mean is the plain average over subgroups.
    """

    sd: float = 2.0
    kind: str = "none"
    reaches_new_subgroups: bool = False

    def build(
        self,
        names: EffectNames,
        dims: tuple[str, str],
        rows: Sequence[str],
        n_groups: int,
        priors: PriorSet,
    ) -> Tensor:
        """Return independent effects, shape (rows, groups)."""
        if names.mean_prior is None:
            level: Tensor = pm.ZeroSumNormal(
                names.total, sigma=self.sd, dims=dims, n_zerosum_axes=1
            )
            return level
        total = priors.make(names.total, names.mean_prior, dims=dims, qualifiers=rows, axis=0)
        pm.Deterministic(names.mean, total.mean(axis=1), dims=dims[:1])
        return total

    def draw_new(
        self, mean: np.ndarray, scale: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        """Refuse: groups without anything in common say nothing of another."""
        raise unknown_group(self.kind)


@dataclass(frozen=True, slots=True)
class Exchangeable:
    """Subgroups come from one distribution; its spread is learnt.

    Non-centred: small subgroups, which this package is for, say little about their own effect,
    and a centred version would trap the sampler when the spread is near zero.

    Parameters
    ----------
    nu
        Degrees of freedom of a Student's t distribution of the subgroups, whose long tails let
        one that differs go its own way; None for a normal distribution.
    centred
        Labels of the rows whose data inform most subgroups: there the effects themselves are
        sampled. The model is the same; only how well it samples differs.
    """

    kind: str = "exchangeable"
    reaches_new_subgroups: bool = True
    nu: float | None = field(default=None, metadata=UNSET_IS_ABSENT)
    centred: tuple[str, ...] = field(default=(), metadata=UNSET_IS_ABSENT)

    def __post_init__(self) -> None:
        if self.nu is not None and not self.nu > 0:
            raise ModelError(
                f"Exchangeable: nu={self.nu!r} degrees of freedom do not exist. Give a number "
                "above 0, such as 4, or None for a normal distribution."
            )

    def build(
        self,
        names: EffectNames,
        dims: tuple[str, str],
        rows: Sequence[str],
        n_groups: int,
        priors: PriorSet,
    ) -> Tensor:
        """Return effects around a learnt mean, shape (rows, groups); `names.scale` is learnt."""
        scale = priors.make(names.scale, names.scale_prior, dims=dims[:1], qualifiers=rows)
        width = self._width(scale, rows)
        if self.nu is not None:
            offset = pm.StudentT(names.offset, nu=self.nu, mu=0.0, sigma=width, dims=dims)
            own = self._leaning(offset / width, names, priors)
            return around(names, scale[:, None] * own, dims, rows, priors)
        if names.mean_prior is None:
            offset = pm.ZeroSumNormal(names.offset, sigma=width, dims=dims, n_zerosum_axes=1)
            total = scale[:, None] * self._leaning(offset / width, names, priors)
        else:
            mean = priors.make(names.mean, names.mean_prior, dims=dims[:1], qualifiers=rows)
            offset = pm.Normal(names.offset, 0.0, width, dims=dims)
            total = mean[:, None] + scale[:, None] * (offset / width)
        return report(names.total, total, dims)

    def _width(self, scale: Tensor, rows: Sequence[str]) -> Tensor | float:
        """(rows, 1) standard deviation of what is sampled: the spread where centred, else 1."""
        for label in self.centred:
            require_known(label, rows, "row to be centred")
        if not self.centred:
            return 1.0
        inside = np.array([label in self.centred for label in rows])
        width: Tensor = pt.switch(pt.as_tensor(inside), scale, 1.0)[:, None]
        return width

    @staticmethod
    def _leaning(offset: Tensor, names: EffectNames, priors: PriorSet) -> Tensor:
        """Let a group's offsets, shape (rows, groups), lean as the signs of the rows say."""
        if not any(names.signs):
            return offset
        ratio = priors.make(names.sharing, names.sharing)
        leaning: Tensor = lean_together(offset.T, ratio, names.signs).T
        return leaning

    def draw_new(
        self, mean: np.ndarray, scale: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        """Draw around the mean with the spread that the groups of the fit have."""
        if self.nu is None:
            return mean + scale * generator.standard_normal(mean.shape)
        return mean + scale * generator.standard_t(self.nu, mean.shape)


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
