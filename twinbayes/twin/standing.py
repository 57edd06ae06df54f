"""Where one patient stands: hazards, hazard ratios and curves of the patient, draw by draw."""

from __future__ import annotations

from dataclasses import dataclass

from twinbayes.model.event_data import Floats
from twinbayes.twin.curves import PatientCurves
from twinbayes.twin.population import PatientRatios, Population
from twinbayes.twin.weights import Weights, importance_weights


@dataclass(frozen=True)
class Standing:
    """One patient under the population's draws, as the patient's record bears them out.

    Attributes
    ----------
    population
        The population; its baselines are those of this patient's draws.
    ratios, curves
        Hazard ratios and curves; `curves` is None without trajectories.
    weights
        Weights of the draws; None where each counts the same.
    """

    population: Population
    ratios: PatientRatios
    curves: PatientCurves | None
    weights: Weights | None

    def weighted(self, log_ratio: Floats) -> Standing:
        """Let the draws count by their log weights (draw,)."""
        weights = importance_weights(log_ratio)
        if weights is None:
            return self
        index = weights.index
        return Standing(
            self.population.rates_of(index),
            PatientRatios(self.ratios.hazard[:, index], self.ratios.effect[:, index]),
            None if self.curves is None else self.curves.under(index),
            weights,
        )
