"""What the likelihoods of some patients have in common, of whatever kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np

from twinbayes.arrays import Floats, Ints
from twinbayes.cohort import Cohort
from twinbayes.federation.likelihood.coordinates import Coordinates
from twinbayes.model import Learnt, ModelSpec


@dataclass(frozen=True)
class LocalLikelihood(ABC):
    """The likelihood of some patients in the coordinates of a model.

    Attributes
    ----------
    spec, learnt
        The model, and what was agreed on: columns, windows, scales.
    coordinates
        Of the model.
    cohort
        The patients.
    held
        Coordinates that these patients are taken not to have: they are 0 whatever is asked.
    """

    spec: ModelSpec
    learnt: Learnt
    coordinates: Coordinates
    cohort: Cohort
    held: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @abstractmethod
    def totals(self, values: Floats) -> Floats:
        """Score coordinates (draw, coordinate): (draw, number), log-likelihoods of all first."""

    def told(self, values: Floats) -> Floats:
        """Coordinates (draw, coordinate), 0 where they are held."""
        values = values.copy()
        values[:, self.held] = 0.0
        return values
