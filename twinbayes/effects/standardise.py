"""Standardisation: means over patients, draw by draw, with or without a Bayesian bootstrap."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from twinbayes.arrays import Floats
from twinbayes.errors import require_known, require_seed

FIXED_SAMPLE: Final = "fixed_sample"
BAYESIAN_BOOTSTRAP: Final = "bayesian_bootstrap"
POPULATIONS: Final = (FIXED_SAMPLE, BAYESIAN_BOOTSTRAP)


@dataclass(frozen=True)
class PatientWeights:
    """How much each patient counts in the mean of every draw.

    ``fixed_sample``: each the same, so that the effect is that in these very patients.
    ``bayesian_bootstrap``: weights of all patients from a flat Dirichlet distribution, drawn anew
    for every posterior draw, so that the patients stand for the population they come from (Rubin
    1981, Annals of Statistics 9, 130-134). A patient's share does not depend on the order of the
    others.

    Parameters
    ----------
    population
        Which of the two.
    n_draws
        Number of posterior draws.
    seed
        Of the bootstrap.
    """

    population: str
    n_draws: int
    seed: int = 0

    def __post_init__(self) -> None:
        require_known(self.population, POPULATIONS, "population")
        require_seed(self.seed)

    def of(self, patient: str) -> Floats:
        """(draw,) weight of one patient before it is divided by the sum over all."""
        if self.population == FIXED_SAMPLE:
            return np.ones(self.n_draws)
        content = hashlib.sha256(f"{self.seed}\x1f{patient}".encode()).digest()
        generator = np.random.default_rng(int.from_bytes(content[:8], "little"))
        return generator.standard_exponential(self.n_draws)

    def shares(self, patients: Sequence[str]) -> Floats:
        """(patient, draw) weights that sum to 1 over the patients in every draw."""
        raw = np.stack([self.of(p) for p in patients])
        out: Floats = raw / raw.sum(axis=0)
        return out


@dataclass
class Sums:
    """Weighted sums over the patients of every subgroup, filled one patient at a time.

    Parameters
    ----------
    n_groups, n_times, n_draws
        Sizes; memory does not grow with the number of patients.
    """

    n_groups: int
    n_times: int
    n_draws: int
    sides: Floats = field(init=False)  # (a or b, subgroup, time, draw)
    weight: Floats = field(init=False)  # (subgroup, draw)

    def __post_init__(self) -> None:
        self.sides = np.zeros((2, self.n_groups, self.n_times, self.n_draws))
        self.weight = np.zeros((self.n_groups, self.n_draws))

    def add(self, group: int, a: Floats, b: Floats, weight: Floats) -> None:
        """Add one patient's (time, draw) under each scenario."""
        self.sides[0, group] += weight * a
        self.sides[1, group] += weight * b
        self.weight[group] += weight

    @property
    def groups(self) -> Floats:
        """(a or b, subgroup, time, draw) means over the patients of each subgroup."""
        out: Floats = self.sides / self.weight[:, None]
        return out

    @property
    def overall(self) -> Floats:
        """(a or b, time, draw) means over all patients."""
        out: Floats = self.sides.sum(axis=1) / self.weight.sum(axis=0)
        return out
