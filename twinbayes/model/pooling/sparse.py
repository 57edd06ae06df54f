"""Pooling by sparse shrinkage: most subgroups are as the others, a few may differ much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from twinbayes.errors import ModelError
from twinbayes.model.pooling.protocol import EffectNames, around, require_positive, unknown_group
from twinbayes.model.storing.typed import typed
from twinbayes.priors import PriorSet
from twinbayes.tensors import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class Horseshoe:
    """Deviations from the common effect under a regularised horseshoe prior.

    ``theta_j = mean + tau s_j z_j``, where s_j is heavy-tailed and tau s_j stays below the slab:
    near zero for most subgroups, free for those whose data insist.

    Parameters
    ----------
    local_df
        Degrees of freedom of the half-t prior of s_j; 1 is the horseshoe itself.
    slab_scale, slab_df
        Scale and degrees of freedom of the Student's t that a free deviation has.

    Notes
    -----
    tau takes the block's prior of heterogeneity. Source: Piironen & Vehtari (2017), Electronic
    Journal of Statistics 11, 5018-5051.

    Examples
    --------
    >>> tb.disease("aml", pooling=Horseshoe()).title
    'Acute myeloid leukaemia, intensively treated adults'
    """

    local_df: float = 3.0
    slab_scale: float = 2.0
    slab_df: float = 4.0
    kind: str = "horseshoe"
    reaches_new_subgroups: bool = False

    def __post_init__(self) -> None:
        for name in ("local_df", "slab_scale", "slab_df"):
            require_positive(getattr(self, name), f"Horseshoe: {name}")

    def build(
        self,
        names: EffectNames,
        dims: tuple[str, str],
        rows: Sequence[str],
        n_groups: int,
        priors: PriorSet,
    ) -> Tensor:
        """Return effects around a learnt mean, shape (rows, groups)."""
        tau = priors.make(names.scale, names.scale_prior, dims=dims[:1], qualifiers=rows)
        local = pm.HalfStudentT(f"{names.scale}_local", nu=self.local_df, sigma=1.0, dims=dims)
        half = 0.5 * self.slab_df
        slab = pm.InverseGamma(
            f"{names.scale}_slab", half, half * self.slab_scale**2, dims=dims[:1]
        )
        wide = (tau[:, None] * local) ** 2
        scale = pt.sqrt(slab[:, None] * wide / (slab[:, None] + wide))
        offset = pm.Normal(names.offset, 0.0, 1.0, dims=dims)
        return around(names, scale * offset, dims, rows, priors)

    def draw_new(
        self, mean: np.ndarray, scale: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        """Refuse: whether another subgroup is one of the few, its own data would have to say."""
        raise unknown_group(self.kind)


@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class R2D2:
    """Heterogeneity as a share of variance, divided among the subgroups.

    R² of the variance of an effect is heterogeneity between subgroups, of total
    ``scale² R² / (1 − R²)`` a subgroup on average; a Dirichlet distribution divides it.

    Parameters
    ----------
    mean_r2, precision
        Mean and precision (sum of the shapes) of the beta prior of R².
    concentration
        Of the Dirichlet distribution: small gives most of the variance to few subgroups.

    Notes
    -----
    The scale takes the block's prior of heterogeneity. Source: Zhang, Naughton, Bondell & Reich
    (2022), Journal of the American Statistical Association 117, 862-874.

    Examples
    --------
    >>> tb.disease("aml", pooling=R2D2(mean_r2=0.3)).title
    'Acute myeloid leukaemia, intensively treated adults'
    """

    mean_r2: float = 0.5
    precision: float = 2.0
    concentration: float = 0.5
    kind: str = "r2d2"
    reaches_new_subgroups: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.mean_r2 < 1.0:
            raise ModelError(f"R2D2: mean_r2 is a share between 0 and 1, not {self.mean_r2!r}.")
        for name in ("precision", "concentration"):
            require_positive(getattr(self, name), f"R2D2: {name}")

    def build(
        self,
        names: EffectNames,
        dims: tuple[str, str],
        rows: Sequence[str],
        n_groups: int,
        priors: PriorSet,
    ) -> Tensor:
        """Return effects around a learnt mean, shape (rows, groups)."""
        unit = priors.make(names.scale, names.scale_prior, dims=dims[:1], qualifiers=rows)
        share = pm.Beta(
            f"{names.scale}_r2",
            self.mean_r2 * self.precision,
            (1.0 - self.mean_r2) * self.precision,
            dims=dims[:1],
        )
        parts = pm.Dirichlet(
            f"{names.scale}_parts", np.full((1, n_groups), self.concentration), dims=dims
        )
        total = unit**2 * share / (1.0 - share) * n_groups
        offset = pm.Normal(names.offset, 0.0, 1.0, dims=dims)
        return around(names, pt.sqrt(total[:, None] * parts) * offset, dims, rows, priors)

    def draw_new(
        self, mean: np.ndarray, scale: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        """Refuse: what part of the variance another subgroup has, nobody has divided."""
        raise unknown_group(self.kind)
