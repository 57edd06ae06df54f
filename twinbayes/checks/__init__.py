"""Checks of a fit against data: non-parametric curves, scores, calibration, cross-validation.

Pure functions of arrays and Datasets. A check returns a `CheckResult` and prints nothing.
"""

from twinbayes.checks.borrowing import (
    aggregate_borrowing,
    patient_borrowing,
    treatment_borrowing,
)
from twinbayes.checks.brier import brier_score, integrated_brier_score, scaled_brier_score
from twinbayes.checks.calibration import state_occupation_calibration
from twinbayes.checks.concordance import concordance
from twinbayes.checks.cross_entropy import predictive_cross_entropy
from twinbayes.checks.crossvalidation import (
    CrossValidation,
    Fold,
    cross_validate,
    kfold,
    leave_one_group_out,
)
from twinbayes.checks.discrimination import roc_curve, time_dependent_auc
from twinbayes.checks.left_out_subgroups import left_out_subgroups
from twinbayes.checks.loo import PatientLoo, compare_loo, loo_check, patient_loo
from twinbayes.checks.power_scaling import as_quantities, power_scaling
from twinbayes.checks.prior_sensitivity import patient_survival, prior_sensitivity
from twinbayes.checks.result import CheckResult
from twinbayes.checks.risk_calibration import (
    calibration,
    calibration_by_group,
    calibration_curve,
    calibration_errors,
    hazard_slope,
)
from twinbayes.checks.sbc import simulation_based_calibration
from twinbayes.checks.scores import prediction_scores
from twinbayes.checks.shrinkage import shrinkage
from twinbayes.checks.visual_predictive import (
    PredictedVisits,
    marker_coverage,
    visual_predictive,
)

__all__ = [
    "CheckResult",
    "CrossValidation",
    "Fold",
    "PatientLoo",
    "PredictedVisits",
    "aggregate_borrowing",
    "as_quantities",
    "brier_score",
    "calibration",
    "calibration_by_group",
    "calibration_curve",
    "calibration_errors",
    "compare_loo",
    "concordance",
    "cross_validate",
    "hazard_slope",
    "integrated_brier_score",
    "kfold",
    "leave_one_group_out",
    "left_out_subgroups",
    "loo_check",
    "marker_coverage",
    "patient_borrowing",
    "patient_loo",
    "patient_survival",
    "power_scaling",
    "prediction_scores",
    "predictive_cross_entropy",
    "prior_sensitivity",
    "roc_curve",
    "scaled_brier_score",
    "shrinkage",
    "simulation_based_calibration",
    "state_occupation_calibration",
    "time_dependent_auc",
    "treatment_borrowing",
    "visual_predictive",
]
