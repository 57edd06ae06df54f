"""Checks of a fit against data: non-parametric curves, scores, calibration, cross-validation.

Pure functions of arrays and Datasets. A check returns a `CheckResult` and prints nothing.
"""

from twinbayes.checks.aalen_johansen import (
    StateOccupation,
    aalen_johansen,
    landmark_aalen_johansen,
    nelson_aalen,
    restricted_mean_time,
    transition_probabilities,
)
from twinbayes.checks.borrowing import (
    aggregate_borrowing,
    patient_borrowing,
    treatment_borrowing,
)
from twinbayes.checks.brier import brier_score, integrated_brier_score, scaled_brier_score
from twinbayes.checks.calibration import state_occupation_calibration
from twinbayes.checks.concordance import concordance
from twinbayes.checks.counting import (
    CountingProcess,
    competing_process,
    spread_same_day,
    survival_process,
)
from twinbayes.checks.cross_entropy import predictive_cross_entropy
from twinbayes.checks.crossvalidation import (
    CrossValidation,
    Fold,
    cross_validate,
    kfold,
    leave_one_group_out,
)
from twinbayes.checks.discrimination import roc_curve, time_dependent_auc
from twinbayes.checks.estimate import Estimate
from twinbayes.checks.kaplan_meier import SurvivalCurve, kaplan_meier, reverse_kaplan_meier
from twinbayes.checks.left_out_subgroups import left_out_subgroups
from twinbayes.checks.loo import PatientLoo, compare_loo, loo_check, patient_loo
from twinbayes.checks.operating import OperatingCharacteristics, operating_characteristics
from twinbayes.checks.power_scaling import as_quantities, power_scaling
from twinbayes.checks.prior_sensitivity import patient_survival, prior_sensitivity
from twinbayes.checks.pseudo_values import pseudo_values
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
from twinbayes.checks.simulated_trials import CohortStudy, Decision
from twinbayes.checks.trial_design import Design, Truth
from twinbayes.checks.visual_predictive import (
    PredictedVisits,
    marker_coverage,
    visual_predictive,
)

__all__ = [
    "CheckResult",
    "CohortStudy",
    "CountingProcess",
    "CrossValidation",
    "Decision",
    "Design",
    "Estimate",
    "Fold",
    "OperatingCharacteristics",
    "PatientLoo",
    "PredictedVisits",
    "StateOccupation",
    "SurvivalCurve",
    "Truth",
    "aalen_johansen",
    "aggregate_borrowing",
    "as_quantities",
    "brier_score",
    "calibration",
    "calibration_by_group",
    "calibration_curve",
    "calibration_errors",
    "compare_loo",
    "competing_process",
    "concordance",
    "cross_validate",
    "hazard_slope",
    "integrated_brier_score",
    "kaplan_meier",
    "kfold",
    "landmark_aalen_johansen",
    "leave_one_group_out",
    "left_out_subgroups",
    "loo_check",
    "marker_coverage",
    "nelson_aalen",
    "operating_characteristics",
    "patient_borrowing",
    "patient_loo",
    "patient_survival",
    "power_scaling",
    "prediction_scores",
    "predictive_cross_entropy",
    "prior_sensitivity",
    "pseudo_values",
    "restricted_mean_time",
    "reverse_kaplan_meier",
    "roc_curve",
    "scaled_brier_score",
    "shrinkage",
    "simulation_based_calibration",
    "spread_same_day",
    "state_occupation_calibration",
    "survival_process",
    "time_dependent_auc",
    "transition_probabilities",
    "treatment_borrowing",
    "visual_predictive",
]
