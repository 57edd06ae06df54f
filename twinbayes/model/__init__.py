"""The generative model: descriptions, one assembly, and the fused event likelihood."""

from twinbayes.model.assemble import assemble, assemble_plan
from twinbayes.model.association import Association
from twinbayes.model.baseline import PiecewiseConstant, Spline, Weibull
from twinbayes.model.columns import Group, Interaction, Term
from twinbayes.model.design import Encoding
from twinbayes.model.event_plan import EventPlan
from twinbayes.model.event_process import EventProcess
from twinbayes.model.family import Family
from twinbayes.model.family_continuous import Normal, StudentT
from twinbayes.model.family_discrete import Binary, NegativeBinomial, Ordinal, Poisson
from twinbayes.model.graph import Effect, StateGraph, Transition, Treatment, TreatmentStart
from twinbayes.model.mean_function import MeanFunction
from twinbayes.model.mean_own import OwnMean, register_mean_function
from twinbayes.model.mean_shapes import BiexponentialDecay, Claret, SteinFojo
from twinbayes.model.pooling import Complete, Exchangeable, NoPooling
from twinbayes.model.pooling_mixture import Commensurate, ExNex, RobustMap
from twinbayes.model.pooling_partition import BMAExchangeability
from twinbayes.model.pooling_power import LatentExchangeability, PowerPrior
from twinbayes.model.pooling_sparse import R2D2, Horseshoe
from twinbayes.model.spec import Learnt, ModelPlan, ModelSpec
from twinbayes.model.time_basis import Biphasic, CubicSpline, NaturalSpline, Polynomial
from twinbayes.model.time_path import Since
from twinbayes.model.time_process import HSGP
from twinbayes.model.time_varying import TimeVarying
from twinbayes.model.trajectory import CurveEncoding, Trajectories, Trajectory

__all__ = [
    "HSGP",
    "R2D2",
    "Association",
    "BMAExchangeability",
    "BiexponentialDecay",
    "Binary",
    "Biphasic",
    "Claret",
    "Commensurate",
    "Complete",
    "CubicSpline",
    "CurveEncoding",
    "Effect",
    "Encoding",
    "EventPlan",
    "EventProcess",
    "ExNex",
    "Exchangeable",
    "Family",
    "Group",
    "Horseshoe",
    "Interaction",
    "LatentExchangeability",
    "Learnt",
    "MeanFunction",
    "ModelPlan",
    "ModelSpec",
    "NaturalSpline",
    "NegativeBinomial",
    "NoPooling",
    "Normal",
    "Ordinal",
    "OwnMean",
    "PiecewiseConstant",
    "Poisson",
    "Polynomial",
    "PowerPrior",
    "RobustMap",
    "Since",
    "Spline",
    "StateGraph",
    "SteinFojo",
    "StudentT",
    "Term",
    "TimeVarying",
    "Trajectories",
    "Trajectory",
    "Transition",
    "Treatment",
    "TreatmentStart",
    "Weibull",
    "assemble",
    "assemble_plan",
    "register_mean_function",
]
