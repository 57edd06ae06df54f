"""Checks of a fit: scores, calibration, sensitivity, borrowing, out-of-sample predictions.

Pure functions of arrays and Datasets. A check returns a `CheckResult` and prints nothing.
"""

from twinbayes.checks.borrowing.left_out_subgroups import left_out_subgroups
from twinbayes.checks.borrowing.shares import (
    aggregate_borrowing,
    patient_borrowing,
    treatment_borrowing,
)
from twinbayes.checks.borrowing.shrinkage import shrinkage
from twinbayes.checks.calibration.hazard_slope import hazard_slope
from twinbayes.checks.calibration.mean_counts import mean_count_calibration
from twinbayes.checks.calibration.risk import (
    calibration,
    calibration_by_group,
    calibration_curve,
    calibration_errors,
)
from twinbayes.checks.calibration.simulation_based import simulation_based_calibration
from twinbayes.checks.calibration.state_occupation import state_occupation_calibration
from twinbayes.checks.calibration.visual_predictive import (
    PredictedVisits,
    marker_coverage,
    visual_predictive,
)
from twinbayes.checks.out_of_sample.cross_validation import (
    CrossValidation,
    Fold,
    cross_validate,
    kfold,
    leave_one_group_out,
)
from twinbayes.checks.out_of_sample.forecasts import (
    cross_validate_landmark,
    cross_validate_survival,
)
from twinbayes.checks.out_of_sample.landmark import Landmark, landmark_accuracy
from twinbayes.checks.out_of_sample.loo import PatientLoo, compare_loo, loo_check, patient_loo
from twinbayes.checks.result import CheckResult
from twinbayes.checks.scores.brier import brier_score, integrated_brier_score, scaled_brier_score
from twinbayes.checks.scores.concordance import concordance
from twinbayes.checks.scores.cross_entropy import predictive_cross_entropy
from twinbayes.checks.scores.discrimination import roc_curve, time_dependent_auc
from twinbayes.checks.scores.table import prediction_scores
from twinbayes.checks.sensitivity.power_scaling import as_quantities, power_scaling
from twinbayes.checks.sensitivity.priors import patient_survival, prior_sensitivity

__all__ = [
    "CheckResult",
    "CrossValidation",
    "Fold",
    "Landmark",
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
    "cross_validate_landmark",
    "cross_validate_survival",
    "hazard_slope",
    "integrated_brier_score",
    "kfold",
    "landmark_accuracy",
    "leave_one_group_out",
    "left_out_subgroups",
    "loo_check",
    "marker_coverage",
    "mean_count_calibration",
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
