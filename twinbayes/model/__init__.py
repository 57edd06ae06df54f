"""The generative model: descriptions, one assembly, and the fused event likelihood."""

from twinbayes.model.assemble import assemble, assemble_plan
from twinbayes.model.baseline import PiecewiseConstant, Spline, Weibull
from twinbayes.model.columns import Group, Interaction, Term
from twinbayes.model.design import Encoding
from twinbayes.model.event_process import EventPlan, EventProcess
from twinbayes.model.graph import Effect, StateGraph, Transition, Treatment, TreatmentStart
from twinbayes.model.pooling import Complete, Exchangeable, NoPooling
from twinbayes.model.spec import ModelSpec

__all__ = [
    "Complete",
    "Effect",
    "Encoding",
    "EventPlan",
    "EventProcess",
    "Exchangeable",
    "Group",
    "Interaction",
    "ModelSpec",
    "NoPooling",
    "PiecewiseConstant",
    "Spline",
    "StateGraph",
    "Term",
    "Transition",
    "Treatment",
    "TreatmentStart",
    "Weibull",
    "assemble",
    "assemble_plan",
]
