"""The three strategies that all others lie between: complete, none, and exchangeable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from twinbayes.arrays import Bools
from twinbayes.errors import ModelError, require_known
from twinbayes.model.pooling.centring import Told, ToldTogether, plane_of_sum_zero, turned
from twinbayes.model.pooling.protocol import (
    EffectNames,
    around,
    lean_together,
    report,
    require_positive,
    unknown_group,
)
from twinbayes.model.storing.fields import UNSET_IS_ABSENT
from twinbayes.model.storing.typed import typed
from twinbayes.priors import PriorSet
from twinbayes.tensors import Tensor


@dataclass(frozen=True, slots=True)
@typed
class Complete:
    """One effect for all subgroups; as a subgroup level: no difference, and no variable.

    Examples
    --------
    >>> tb.disease("basket", pooling=Complete()).title
    'Basket trial'
    """

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
@typed
class NoPooling:
    """Each subgroup its own effect with an independent prior.

    As a subgroup level the prior is normal with standard deviation `sd` (log hazard), summing
    to zero over subgroups since the baseline carries the mean. Else it is the block's mean
    prior, and the reported mean is the plain average over subgroups.

    Examples
    --------
    >>> tb.disease("basket", pooling=NoPooling()).title
    'Basket trial'
    """

    sd: float = 2.0
    kind: str = "none"
    reaches_new_subgroups: bool = False

    def __post_init__(self) -> None:
        require_positive(self.sd, "sd of subgroups without pooling")

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
@typed
class Exchangeable:
    """Subgroups come from one distribution; its spread is learnt.

    Small subgroups, which this package is for, say little about their own effect, and are sampled
    in units of the spread: a centred version would trap the sampler when the spread is near zero.
    The more events a subgroup has, the more it is sampled as itself; see `centring`.

    Parameters
    ----------
    nu
        Degrees of freedom of a Student's t distribution of the subgroups, whose long tails let
        one that differs go its own way; None for a normal distribution.
    centred
        Labels of the rows whose effects are sampled as themselves, all others in units of the
        spread; default: each as its data ask. The model is the same; only how well it samples
        differs.

    Examples
    --------
    >>> tb.disease("aml", pooling=Exchangeable(nu=4.0)).title
    'Acute myeloid leukaemia, intensively treated adults'
    """

    kind: str = "exchangeable"
    reaches_new_subgroups: bool = True
    nu: float | None = field(default=None, metadata=UNSET_IS_ABSENT)
    centred: tuple[str, ...] | None = field(default=None, metadata=UNSET_IS_ABSENT)

    def __post_init__(self) -> None:
        if self.nu is not None and not self.nu > 0:
            raise ModelError(
                f"Exchangeable: nu={self.nu!r} degrees of freedom do not exist. Give a number "
                "above 0, such as 4, or None for a normal distribution."
            )

    @property
    def sd(self) -> float:
        """Standard deviation of a subgroup in units of the spread; infinite where nu is at most 2.

        Of a normal distribution 1, of a Student's t √(nu / (nu − 2)).
        """
        if self.nu is None:
            return 1.0
        return float(np.sqrt(self.nu / (self.nu - 2.0))) if self.nu > 2.0 else float("inf")

    def build(
        self,
        names: EffectNames,
        dims: tuple[str, str],
        rows: Sequence[str],
        n_groups: int,
        priors: PriorSet,
    ) -> Tensor:
        """Return effects around a learnt mean, shape (rows, groups); `names.scale` is learnt."""
        scale = priors.make(names.scale, names.scale_prior, dims=dims[:1], qualifiers=rows)[:, None]
        nothing = Told.nothing(len(rows), n_groups)
        told, given = names.told or ToldTogether.of(nothing), self._as_they_are(rows)
        if names.mean_prior is not None:
            mean = priors.make(names.mean, names.mean_prior, dims=dims[:1], qualifiers=rows)
            own = told.one_by_one().deviations(
                names.offset, scale, dims, mean=mean[:, None], nu=self.nu, as_they_are=given
            )
            return report(names.total, mean[:, None] + own, dims)
        if self.nu is not None:
            own = told.one_by_one().deviations(
                names.offset, scale, dims, nu=self.nu, as_they_are=given
            )
            return around(
                names, scale * self._leaning(own / scale, names, priors), dims, rows, priors
            )
        axes, along = told.along_axes(plane_of_sum_zero(n_groups))
        axis = f"{dims[1]}_axis"
        pm.modelcontext(None).add_coord(axis, range(n_groups - 1))
        own = along.deviations(names.offset, scale, (dims[0], axis), as_they_are=given) / scale
        offset = turned(axes, own)
        return report(names.total, scale * self._leaning(offset, names, priors), dims)

    def _as_they_are(self, rows: Sequence[str]) -> Bools | None:
        """(row, 1) which rows are sampled as themselves; None: as their data ask."""
        if self.centred is None:
            return None
        for label in self.centred:
            require_known(label, rows, "row to be centred")
        return np.array([[label in self.centred] for label in rows])

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
