"""Trials: exact operating characteristics of small ones, simulated ones of subgroups."""

from twinbayes.trials.exact.arm import Arm
from twinbayes.trials.exact.decisions import Condition, Decision, above, below
from twinbayes.trials.exact.difference import difference_above
from twinbayes.trials.exact.one_arm import OneArmTrial, Success
from twinbayes.trials.exact.two_arms import TwoArmTrial
from twinbayes.trials.exact.weight_tipping import Tipping, tipping_points
from twinbayes.trials.simulated.design import TrialDesign, Truth
from twinbayes.trials.simulated.operating import OperatingCharacteristics, operating_characteristics
from twinbayes.trials.simulated.trials import AnalysisDecision, CohortStudy

__all__ = [
    "AnalysisDecision",
    "Arm",
    "CohortStudy",
    "Condition",
    "Decision",
    "OneArmTrial",
    "OperatingCharacteristics",
    "Success",
    "Tipping",
    "TrialDesign",
    "Truth",
    "TwoArmTrial",
    "above",
    "below",
    "difference_above",
    "operating_characteristics",
    "tipping_points",
]
