"""Pooling strategies: how much subgroups borrow from each other.

One small frozen object each, used alike for the level of a hazard and for treatment
effects. A strategy builds the effect of every subgroup, as rows of one matrix:

========================  =========================================================
``Complete()``            one value for all subgroups
``NoPooling()``           each subgroup its own, independent prior
``Exchangeable()``        subgroups drawn from one normal distribution whose mean and
                          standard deviation are learnt (partial pooling)
========================  =========================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from twinbayes.priors import PriorSet

type Tensor = TensorVariable[Any, Any]


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
        """Return the (rows, groups) matrix of effects; `rows` are the labels along dims[0]."""


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
        return _report(names.total, total, dims)


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


@dataclass(frozen=True, slots=True)
class Exchangeable:
    """Subgroups come from one normal distribution; its spread is learnt.

    Non-centred: small subgroups, which this package is for, say little about their own effect,
    and a centred version would trap the sampler when the spread is near zero.
    """

    kind: str = "exchangeable"
    reaches_new_subgroups: bool = True

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
        if names.mean_prior is None:
            offset = pm.ZeroSumNormal(names.offset, sigma=1.0, dims=dims, n_zerosum_axes=1)
            if any(names.signs):
                ratio = priors.make(names.sharing, names.sharing)
                common = pm.ZeroSumNormal(f"{names.sharing}_offset", sigma=1.0, dims=dims[1:])
                towards = ratio * pt.as_tensor(np.array(names.signs))[:, None]
                offset = mix_with_common(offset, common[None, :], towards)
            total = scale[:, None] * offset
        else:
            mean = priors.make(names.mean, names.mean_prior, dims=dims[:1], qualifiers=rows)
            offset = pm.Normal(names.offset, 0.0, 1.0, dims=dims)
            total = mean[:, None] + scale[:, None] * offset
        return _report(names.total, total, dims)


def mix_with_common(own: Tensor, common: Tensor, towards: Tensor) -> Tensor:
    """Standard normal offsets that share `common`; its weight relative to their own: `towards`."""
    mixed: Tensor = (own + towards * common) / pt.sqrt(1.0 + towards**2)
    return mixed


def _report(name: str, value: Tensor, dims: tuple[str, str]) -> Tensor:
    reported: Tensor = pm.Deterministic(name, value, dims=dims)
    return reported


POOLINGS: dict[str, type[Complete] | type[NoPooling] | type[Exchangeable]] = {
    "complete": Complete,
    "none": NoPooling,
    "exchangeable": Exchangeable,
}


def draw_new_group(
    mean: np.ndarray, scale: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Draw the effect of a subgroup that the fit has not seen: normal(mean, scale) per draw.

    Parameters
    ----------
    mean, scale
        Shape (sample, row).

    Returns
    -------
    ndarray
        Shape (sample, row).
    """
    return mean + scale * generator.standard_normal(mean.shape)
