"""Pooling by mixtures: each subgroup may belong with the others, or stand alone.

Which of the two holds is never drawn: an effect is the quantile of the mixture at a standard
normal number, and the probability that it belongs with the others is computed from each draw.
Where its prior probability is 0 or 1 it is no variable of the model: it would never move.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from twinbayes.errors import ModelError
from twinbayes.model.pooling.protocol import (
    BELONGS,
    EffectNames,
    group_labels,
    report,
    require_group,
    require_positive,
    unknown_group,
)
from twinbayes.model.pooling.quantile.op import log_memberships, log_sum_exp, mixture_quantile
from twinbayes.model.storing.fields import UNSET_IS_ABSENT
from twinbayes.model.storing.typed import typed
from twinbayes.priors import PriorSet
from twinbayes.tensors import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class ExNex:
    """Each subgroup is exchangeable with the others, or has a prior of its own.

    Parameters
    ----------
    weights
        Prior probabilities of the exchangeable components, and last of standing alone.
    shifts
        How far the prior mean of each further exchangeable component lies from that of the
        first; as many as there are exchangeable components, the first 0.
    own_mean, own_sd
        Normal prior of a subgroup that stands alone, on the scale of the effect.

    Notes
    -----
    Source: Neuenschwander, Wandel, Roychoudhury & Bailey (2016), Pharmaceutical Statistics 15,
    123-134.

    Examples
    --------
    >>> tb.disease("basket", pooling=ExNex(weights=(0.75, 0.25))).title
    'Basket trial'
    """

    weights: tuple[float, ...] = (0.5, 0.5)
    shifts: tuple[float, ...] = (0.0,)
    own_mean: float = 0.0
    own_sd: float = 2.0
    kind: str = "exnex"
    reaches_new_subgroups: bool = True

    def __post_init__(self) -> None:
        _require_weights(self.weights, "ExNex")
        if len(self.shifts) != len(self.weights) - 1:
            raise ModelError(
                f"ExNex: {len(self.weights)} weights are for {len(self.weights) - 1} exchangeable "
                f"components and the one that stands alone; found {len(self.shifts)} shifts. Give "
                "one a component, the first 0."
            )
        require_positive(self.own_sd, "ExNex: own_sd")

    def build(
        self,
        names: EffectNames,
        dims: tuple[str, str],
        rows: Sequence[str],
        n_groups: int,
        priors: PriorSet,
    ) -> Tensor:
        """Return effects, shape (rows, groups); records the probability of exchangeability."""
        centres, spreads = [], []
        for k, shift in enumerate(self.shifts):
            suffix = f"_{k + 1}" if k else ""
            centre, spread = _location(names, suffix, dims, rows, priors)
            centres.append(centre + shift)
            spreads.append(spread)
        own = pt.zeros(len(rows))
        mean = pt.stack([*centres, own + self.own_mean], axis=-1)[:, None, :]
        sd = pt.stack([*spreads, own + self.own_sd], axis=-1)[:, None, :]
        weight = np.array(self.weights)
        offset = pm.Normal(names.offset, 0.0, 1.0, dims=dims)
        theta = mixture_quantile(offset, weight, mean, sd)
        if self.settled is None:
            log_member = log_memberships(theta, weight, mean, sd)
            report(f"{names.total}_{BELONGS}", -pt.expm1(log_member[..., -1]), dims)
        return _centred(names, theta, dims)

    @property
    def settled(self) -> float | None:
        """Probability of belonging with the others where no data change it, 0 or 1; else None."""
        return _settled(1.0 - self.weights[-1])

    def draw_new(
        self, mean: np.ndarray, scale: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        """Draw a component, then from it; of the exchangeable ones the first alone is known."""
        if len(self.shifts) > 1:
            raise unknown_group(f"{self.kind} of several exchangeable components")
        alone = generator.random(mean.shape) < self.weights[-1]
        z = generator.standard_normal(mean.shape)
        return np.where(alone, self.own_mean + self.own_sd * z, mean + scale * z)


@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class RobustMap:
    """All subgroups but one are history; that one may follow them, or not.

    The historical subgroups are exchangeable. The target's prior is the meta-analytic-predictive
    one with probability `weight`, else a vague one: in all effects of the block together.

    Parameters
    ----------
    target
        The subgroup of interest.
    weight
        Prior probability that it is exchangeable with history.
    own_mean, own_sd
        The vague normal prior, on the scale of the effect.
    centred
        Sample the target's effects themselves (right when its data inform each of several), or
        standard normal numbers that become them. The model is the same; only how well it samples
        differs.

    Notes
    -----
    Source: Schmidli et al. (2014), Biometrics 70, 1023-1032.

    Examples
    --------
    >>> tb.disease("basket", pooling=RobustMap(target="Ewing")).title
    'Basket trial'
    """

    target: str = ""
    weight: float = 0.8
    own_mean: float = 0.0
    own_sd: float = 2.0
    kind: str = "robust_map"
    reaches_new_subgroups: bool = True
    centred: bool = field(default=False, metadata=UNSET_IS_ABSENT)

    def __post_init__(self) -> None:
        _require_weights((self.weight, 1.0 - self.weight), "RobustMap")
        require_positive(self.own_sd, "RobustMap: own_sd")

    def build(
        self,
        names: EffectNames,
        dims: tuple[str, str],
        rows: Sequence[str],
        n_groups: int,
        priors: PriorSet,
    ) -> Tensor:
        """Return effects, shape (rows, groups); records whether the target follows history."""
        labels = group_labels(dims, n_groups)
        target = require_group(self.target, labels, "target", self.kind)
        centre, spread = _location(names, "", dims, rows, priors)
        offset = pm.Normal(names.offset, 0.0, 1.0, dims=dims)
        own = pt.zeros(len(rows))
        mean = pt.stack([centre, own + self.own_mean], axis=-1)
        sd = pt.stack([spread, own + self.own_sd], axis=-1)
        if self.centred:
            theta = self.law(f"{names.total}_target", mean, sd, dims[0])
            log_weight = self._log_parts(theta, mean, sd)
        else:
            theta, log_weight = self._row_by_row(
                [offset[k, target] for k in range(len(rows))], mean, sd
            )
        if self.settled is None:
            follows = pt.exp(log_weight - log_sum_exp(log_weight))[0] + pt.zeros(len(rows))
            pm.Deterministic(f"{names.total}_{BELONGS}", follows, dims=dims[:1])
        history = centre[:, None] + spread[:, None] * offset
        return _centred(names, pt.set_subtensor(history[:, target], theta), dims)

    @property
    def settled(self) -> float | None:
        """Probability of belonging with the others where no data change it, 0 or 1; else None."""
        return _settled(self.weight)

    def law(self, name: str, mean: Tensor, sd: Tensor, dim: str) -> Tensor:
        """Add the target's effects, all of one component; mean and sd are (row, component)."""
        effects: Tensor = pm.CustomDist(
            name, mean, sd, dims=(dim,),
            dist=self._drawn, logp=self._log_density, signature="(n,k),(n,k)->(n)",
        )  # fmt: skip
        return effects

    def _row_by_row(self, z: Sequence[Tensor], mean: Tensor, sd: Tensor) -> tuple[Tensor, Tensor]:
        """(row,) effects from standard normal ones, and (component,) log weights after all.

        Each is drawn given those before it: what they say of the component carries over.
        """
        log_weight = pt.log(pt.as_tensor(self._weights))
        drawn: list[Tensor] = []
        for row, number in enumerate(z):
            place, width = mean[row], sd[row]
            weight = pt.exp(log_weight - log_sum_exp(log_weight))
            one = mixture_quantile(number, weight, place, width)
            u = (one - place) / width
            log_weight = log_weight - pt.log(width) - 0.5 * u**2
            drawn.append(one)
        return pt.stack(drawn), log_weight

    @property
    def _weights(self) -> np.ndarray:
        return np.array([self.weight, 1.0 - self.weight])

    def _log_parts(self, theta: Tensor, mean: Tensor, sd: Tensor) -> Tensor:
        """(component,) log of weight times density of all effects, but for a constant."""
        u = (theta[:, None] - mean) / sd
        parts: Tensor = pt.log(pt.as_tensor(self._weights)) - (pt.log(sd) + 0.5 * u**2).sum(axis=0)
        return parts

    def _log_density(self, theta: Tensor, mean: Tensor, sd: Tensor) -> Tensor:
        constant = 0.5 * np.log(2.0 * np.pi) * theta.shape[0]
        density: Tensor = log_sum_exp(self._log_parts(theta, mean, sd))[0] - constant
        return density

    def _drawn(self, mean: Tensor, sd: Tensor, size: Tensor) -> Tensor:
        follows = pm.Bernoulli.dist(self.weight, size=(1,))
        z = pm.Normal.dist(shape=mean.shape[:1])
        law: Tensor = pt.where(
            pt.eq(follows, 1), mean[:, 0] + sd[:, 0] * z, mean[:, 1] + sd[:, 1] * z
        )
        return law

    def draw_new(
        self, mean: np.ndarray, scale: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        """Draw another subgroup as history has them."""
        return mean + scale * generator.standard_normal(mean.shape)


@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class Commensurate:
    """Subgroups are centred on one of them, each as closely as its data bear out.

    ``theta_j ~ normal(theta_source, 1 / sqrt(precision_j))``; a spike makes j one with the
    source, a slab lets it differ.

    Parameters
    ----------
    source
        The subgroup that the others are centred on, such as a historical trial.
    spike
        Prior probability of the spike.
    spike_precision, slab_precision
        Precision in the spike, and scale of the half-normal prior of the precision in the slab.
    centred
        Sample the effects themselves (right when the data of every subgroup inform each of them),
        or standard normal numbers that become them. The model is the same; only how well it
        samples differs.

    Notes
    -----
    Source: Hobbs, Sargent & Carlin (2012), Bayesian Analysis 7, 639-674.

    Examples
    --------
    >>> tb.disease("basket", pooling=Commensurate(source="history")).title
    'Basket trial'
    """

    source: str = ""
    spike: float = 0.1
    spike_precision: float = 200.0
    slab_precision: float = 5.0
    kind: str = "commensurate"
    reaches_new_subgroups: bool = False
    centred: bool = field(default=False, metadata=UNSET_IS_ABSENT)

    def __post_init__(self) -> None:
        _require_weights((self.spike, 1.0 - self.spike), "Commensurate")
        require_positive(self.spike_precision, "Commensurate: spike_precision")
        require_positive(self.slab_precision, "Commensurate: slab_precision")

    def build(
        self,
        names: EffectNames,
        dims: tuple[str, str],
        rows: Sequence[str],
        n_groups: int,
        priors: PriorSet,
    ) -> Tensor:
        """Return effects, shape (rows, groups); records whether each is one with the source."""
        labels = group_labels(dims, n_groups)
        source = require_group(self.source, labels, "source", self.kind)
        others = f"{names.total}_follower"
        pm.modelcontext(None).add_coord(others, [x for x in labels if x != self.source])
        along = (dims[0], others)
        at = pt.zeros(len(rows))
        if names.mean_prior is not None:
            at = priors.make(names.mean, names.mean_prior, dims=dims[:1], qualifiers=rows)
        precision = pm.HalfNormal(f"{names.scale}_precision", self.slab_precision, dims=along)
        slab = 1.0 / pt.sqrt(precision)
        weight = np.array([self.spike, 1.0 - self.spike])
        mean = at[:, None, None] + pt.zeros((1, 1, 2))
        sd = pt.stack([pt.zeros_like(slab) + self.spike_precision**-0.5, slab], axis=-1)
        if self.centred:
            theta: Tensor = pm.NormalMixture(
                f"{names.total}_free", w=weight, mu=mean, sigma=sd, dims=along
            )
        else:
            offset = pm.Normal(names.offset, 0.0, 1.0, dims=along)
            theta = mixture_quantile(offset, weight, mean, sd)
        if self.settled is None:
            belongs = pt.exp(log_memberships(theta, weight, mean, sd)[..., 0])
            report(f"{names.total}_{BELONGS}", belongs, along)
        before, after = theta[:, :source], theta[:, source:]
        return _centred(names, pt.concatenate([before, at[:, None], after], axis=1), dims)

    @property
    def settled(self) -> float | None:
        """Probability of belonging with the source where no data change it, 0 or 1; else None."""
        return _settled(self.spike)

    def draw_new(
        self, mean: np.ndarray, scale: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        """Refuse: how commensurate another subgroup is, its own data would have to say."""
        raise unknown_group(self.kind)


def _location(
    names: EffectNames, suffix: str, dims: tuple[str, str], rows: Sequence[str], priors: PriorSet
) -> tuple[Tensor, Tensor]:
    """Mean and spread of exchangeable groups, one a row; 0 where the mean is carried elsewhere."""
    spread = priors.make(
        f"{names.scale}{suffix}", names.scale_prior, dims=dims[:1], qualifiers=rows
    )
    if names.mean_prior is None:
        return pt.zeros(len(rows)), spread
    centre = priors.make(f"{names.mean}{suffix}", names.mean_prior, dims=dims[:1], qualifiers=rows)
    return centre, spread


def _centred(names: EffectNames, theta: Tensor, dims: tuple[str, str]) -> Tensor:
    if names.mean_prior is None:
        theta = theta - theta.mean(axis=1, keepdims=True)
    return report(names.total, theta, dims)


def _settled(weight: float) -> float | None:
    """A prior probability that is also the posterior one, whatever the data; None if it is not."""
    return weight if weight in (0.0, 1.0) else None


def _require_weights(weights: Sequence[float], what: str) -> None:
    if len(weights) < 2 or any(not 0.0 <= w <= 1.0 for w in weights):
        raise ModelError(
            f"{what}: weights are probabilities of at least two components; found "
            f"{', '.join(f'{w:g}' for w in weights)}."
        )
    if abs(sum(weights) - 1.0) > 1e-9:
        raise ModelError(f"{what}: weights must sum to 1; found {sum(weights):g}.")
