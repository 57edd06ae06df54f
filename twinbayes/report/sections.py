"""The sections of a review, in the order in which the template shows them."""

from twinbayes.report.sections_checks import (
    calibration,
    diagnostics,
    further,
    prior_sensitivity,
    scores,
    shrinkage,
    treatment_effects,
)
from twinbayes.report.sections_effect import estimands
from twinbayes.report.sections_fit import (
    data,
    limits,
    model,
    prior_predictive,
    priors,
    provenance,
    verdict,
)
from twinbayes.report.sections_markers import trajectories

__all__ = [
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
