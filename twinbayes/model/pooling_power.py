"""Pooling by a power prior: one subgroup's data count, but for less than the others'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twinbayes.errors import ModelError
from twinbayes.model.pooling import (
    Complete,
    EffectNames,
    Tensor,
    group_labels,
    require_group,
    require_positive,
)
from twinbayes.priors import PriorSet


@dataclass(frozen=True, kw_only=True, slots=True)
class PowerPrior:
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

    Notes
    -----
    The whole likelihood of the source is discounted, whatever else its data inform. Sources:
    Ibrahim & Chen (2000), Statistical Science 15, 46-60; Duan, Ye & Smith (2006),
    Environmetrics 17, 95-106.
    """

    source: str = ""
    power: float | None = 0.5
    shape: tuple[float, float] = (1.0, 1.0)
    kind: str = "power_prior"
    reaches_new_subgroups: bool = True

    def __post_init__(self) -> None:
        if self.power is not None and not 0.0 <= self.power <= 1.0:
            raise ModelError(f"PowerPrior: power is between 0 and 1, or None, not {self.power!r}.")
        if len(self.shape) != 2:
            raise ModelError("PowerPrior: shape is the two shapes of a beta distribution.")
        for value in self.shape:
            require_positive(value, "PowerPrior: shape")

    def build(
        self,
        names: EffectNames,
        dims: tuple[str, str],
        rows: Sequence[str],
        n_groups: int,
        priors: PriorSet,
    ) -> Tensor:
        """Return one effect a row, repeated along the groups; `discounts` does the rest."""
        require_group(self.source, group_labels(dims, n_groups), "source", self.kind)
        return Complete().build(names, dims, rows, n_groups, priors)

    def discounts(self, labels: Sequence[str]) -> np.ndarray:
        """Powers of the likelihood of each subgroup, shape (group,).

        Raises
        ------
        ModelError
            The source is not among the subgroups, or the power is still to be learnt.
        """
        source = require_group(self.source, labels, "source", self.kind)
        if self.power is None:
            raise ModelError(
                "A power that is learnt needs the normalising constant of the source's "
                "likelihood, which aggregate models have. Give PowerPrior a fixed power here, or "
                "several, and compare."
            )
        powers = np.ones(len(labels))
        powers[source] = self.power
        return powers

    def draw_new(
        self, mean: np.ndarray, scale: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        """Return the effect that all subgroups have."""
        return mean
