"""The sections of a review, in the order in which the template shows them."""

from twinbayes.report.reviewer.checks import (
    borrowing,
    calibration,
    diagnostics,
    further,
    prior_sensitivity,
    scores,
    shrinkage,
    treatment_effects,
)
from twinbayes.report.reviewer.effects import estimands
from twinbayes.report.reviewer.fit import (
    data,
    limits,
    model,
    prior_predictive,
    priors,
    provenance,
    verdict,
)
from twinbayes.report.reviewer.marker_curves import trajectories

__all__ = [
    "borrowing",
    "calibration",
    "data",
    "diagnostics",
    "estimands",
    "further",
    "limits",
    "model",
    "prior_predictive",
    "prior_sensitivity",
    "priors",
    "provenance",
    "scores",
    "shrinkage",
    "trajectories",
    "treatment_effects",
    "verdict",
]
