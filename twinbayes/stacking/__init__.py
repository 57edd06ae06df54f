"""Stacking: several models weighted for prediction by what they foretell of patients left out."""

from __future__ import annotations

from twinbayes.stacking.curves import SubgroupCurves
from twinbayes.stacking.foreign import PredictsSurvival, SurvivalMember
from twinbayes.stacking.gain import Gain
from twinbayes.stacking.members import FittedMember, Member, SpecMember
from twinbayes.stacking.outcome import Outcome
from twinbayes.stacking.predictor import StackPredictor
from twinbayes.stacking.run import stack
from twinbayes.stacking.stacked import Stack
from twinbayes.stacking.weights import mixture_weights

__all__ = [
    "FittedMember",
    "Gain",
    "Member",
    "Outcome",
    "PredictsSurvival",
    "SpecMember",
    "Stack",
    "StackPredictor",
    "SubgroupCurves",
    "SurvivalMember",
    "mixture_weights",
    "stack",
]
