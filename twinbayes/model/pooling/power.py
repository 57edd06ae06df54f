"""Pooling with a source whose data count for less: a power prior, latent exchangeability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from twinbayes.errors import ModelError
from twinbayes.model.pooling.basic import Complete
from twinbayes.model.pooling.protocol import (
    EffectNames,
    group_labels,
    require_group,
    require_positive,
)
from twinbayes.model.storing.fields import UNSET_IS_ABSENT
from twinbayes.model.storing.typed import typed
from twinbayes.priors import PriorSet
from twinbayes.tensors import Tensor


class _OneEffect:
    """All subgroups have one effect; what a source counts is the likelihood's affair."""

    __slots__ = ()
    source: str
    kind: str

    def build(
        self,
        names: EffectNames,
        dims: tuple[str, str],
        rows: Sequence[str],
        n_groups: int,
        priors: PriorSet,
    ) -> Tensor:
        """Return one effect a row, repeated along the groups; the likelihood does the rest."""
        require_group(self.source, group_labels(dims, n_groups), "source", self.kind)
        return Complete().build(names, dims, rows, n_groups, priors)

    def draw_new(
        self, mean: np.ndarray, scale: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        """Return the effect that all subgroups have."""
        return mean


@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class PowerPrior(_OneEffect):
    """All subgroups have one effect; the likelihood of the source is raised to a power.

    Parameters
    ----------
    source
        The subgroup that is discounted, such as a historical trial.
    power
        From 0 (not used) to 1 (as good as the others), or None to learn it: the normalised power
        prior, for aggregate models.
    shape
        Shapes of the beta prior of a power that is learnt.
    asymptotic
        Take the source's likelihood for its large-sample limit, normal around the estimate of
        maximum likelihood; for aggregate models.

    Notes
    -----
    The whole likelihood of the source is discounted, whatever else its data inform. Sources:
    Ibrahim & Chen (2000), Statistical Science 15, 46-60; Duan, Ye & Smith (2006),
    Environmetrics 17, 95-106; Ibrahim, Chen, Gwon & Chen (2015), Statistics in Medicine 34,
    3724-3749, the asymptotic one among them.

    Examples
    --------
    >>> tb.disease("basket", pooling=PowerPrior(source="history", power=0.5)).title
    'Basket trial'
    """

    source: str = ""
    power: float | None = 0.5
    shape: tuple[float, float] = (1.0, 1.0)
    kind: str = "power_prior"
    reaches_new_subgroups: bool = True
    asymptotic: bool = field(default=False, metadata=UNSET_IS_ABSENT)

    def __post_init__(self) -> None:
        if self.power is not None and not 0.0 <= self.power <= 1.0:
            raise ModelError(f"PowerPrior: power is between 0 and 1, or None, not {self.power!r}.")
        _require_shape(self.shape, "PowerPrior")

    def discounts(self, labels: Sequence[str]) -> np.ndarray:
        """Powers of the likelihood of each subgroup, shape (group,).

        Raises
        ------
        ModelError
            The source is not among the subgroups, or the power is still to be learnt.
        """
        source = require_group(self.source, labels, "source", self.kind)
        if self.asymptotic:
            raise ModelError(
                "The large-sample limit of a source's likelihood is for aggregate models. Give "
                "PowerPrior(asymptotic=False) here."
            )
        if self.power is None:
            raise ModelError(
                "A power that is learnt needs the normalising constant of the source's "
                "likelihood, which aggregate models have. Give PowerPrior a fixed power here, or "
                "several, and compare."
            )
        powers = np.ones(len(labels))
        powers[source] = self.power
        return powers


@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class LatentExchangeability(_OneEffect):
    """Some patients of the source are as the others, the rest are of a class of their own.

    For aggregate models. Each patient of the source belongs with the others with a probability
    that is learnt; which ones do is never drawn, but integrated out. Where the outcome is no
    response, it is the rows of the data that belong or do not, each as a whole.

    Parameters
    ----------
    source
        The subgroup that is a mixture, such as a historical trial.
    shape
        Shapes of the beta prior of the probability.

    Notes
    -----
    The class of their own has the priors of ``effect_mean``. Source: Alt, Chang, Jiang, Liu, Mo,
    Xia & Ibrahim (2024), LEAP, Biometrics 80, ujae083.

    Examples
    --------
    >>> tb.disease("basket", pooling=LatentExchangeability(source="history")).title
    'Basket trial'
    """

    source: str = ""
    shape: tuple[float, float] = (1.0, 1.0)
    kind: str = "latent_exchangeability"
    reaches_new_subgroups: bool = True

    def __post_init__(self) -> None:
        _require_shape(self.shape, "LatentExchangeability")

    def discounts(self, labels: Sequence[str]) -> np.ndarray:
        """Refuse: patients are members one by one, not discounted together."""
        raise ModelError(
            f"Pooling {self.kind!r} is for aggregate models. Use 'exnex', 'robust_map' or a power "
            "prior for the models of patients."
        )


def _require_shape(shape: tuple[float, float], what: str) -> None:
    if len(shape) != 2:
        raise ModelError(f"{what}: shape is the two shapes of a beta distribution.")
    for value in shape:
        require_positive(value, f"{what}: shape")
