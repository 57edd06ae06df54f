"""The sections of a review, in the order in which the template shows them."""

from twinbayes.report.review.checks import (
    borrowing,
    calibration,
    diagnostics,
    further,
    prior_sensitivity,
    scores,
    shrinkage,
    treatment_effects,
)
from twinbayes.report.review.effects import estimands
from twinbayes.report.review.fit import (
    data,
    limits,
    model,
    prior_predictive,
    priors,
    provenance,
    verdict,
)
from twinbayes.report.review.marker_curves import trajectories

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
