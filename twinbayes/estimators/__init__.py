"""Non-parametric estimators of event histories, and the estimates they return."""

from twinbayes.estimators.aalen_johansen import (
    aalen_johansen,
    landmark_aalen_johansen,
    nelson_aalen,
    restricted_mean_time,
    transition_probabilities,
)
from twinbayes.estimators.counting import CountingProcess
from twinbayes.estimators.estimate import Estimate
from twinbayes.estimators.kaplan_meier import SurvivalCurve, kaplan_meier, reverse_kaplan_meier
from twinbayes.estimators.mean_count import mean_count
from twinbayes.estimators.processes import (
    competing_process,
    spread_same_day,
    survival_process,
)
from twinbayes.estimators.pseudo_values import pseudo_values
from twinbayes.estimators.state_occupation import StateOccupation

__all__ = [
    "CountingProcess",
    "Estimate",
    "StateOccupation",
    "SurvivalCurve",
    "aalen_johansen",
    "competing_process",
    "kaplan_meier",
    "landmark_aalen_johansen",
    "mean_count",
    "nelson_aalen",
    "pseudo_values",
    "restricted_mean_time",
    "reverse_kaplan_meier",
    "spread_same_day",
    "survival_process",
    "transition_probabilities",
]
