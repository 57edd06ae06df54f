"""Checks of a fit against data: non-parametric curves, scores, calibration, cross-validation.

Pure functions of arrays and Datasets. Each check returns a `CheckResult` and prints nothing.
"""

from twinbayes.checks.aalen_johansen import (
    StateOccupation,
    aalen_johansen,
    landmark_aalen_johansen,
    nelson_aalen,
    restricted_mean_time,
    transition_probabilities,
)
from twinbayes.checks.counting import CountingProcess, competing_process, survival_process
from twinbayes.checks.kaplan_meier import SurvivalCurve, kaplan_meier, reverse_kaplan_meier
from twinbayes.checks.result import CheckResult

__all__ = [
    "CheckResult",
    "CountingProcess",
    "StateOccupation",
    "SurvivalCurve",
    "aalen_johansen",
    "competing_process",
    "kaplan_meier",
    "landmark_aalen_johansen",
    "nelson_aalen",
    "restricted_mean_time",
    "reverse_kaplan_meier",
    "survival_process",
    "transition_probabilities",
]
