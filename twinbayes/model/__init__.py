"""The generative model: descriptions, one assembly, and the fused event likelihood."""

from twinbayes.model.assemble import assemble, assemble_plan
from twinbayes.model.baseline import PiecewiseConstant, Spline, Weibull
from twinbayes.model.catalogue import register
from twinbayes.model.courses.graph import Effect, StateGraph, Treatment
from twinbayes.model.courses.intensities import Transition, TreatmentStart
from twinbayes.model.covariates.design import Encoding
from twinbayes.model.covariates.terms import Group, Interaction, Term
from twinbayes.model.curves.association import Association
from twinbayes.model.curves.basis import Biphasic, CubicSpline, NaturalSpline, Polynomial
from twinbayes.model.curves.families.binary import Binary
from twinbayes.model.curves.families.negative_binomial import NegativeBinomial
from twinbayes.model.curves.families.normal import Normal
from twinbayes.model.curves.families.ordinal import Ordinal
from twinbayes.model.curves.families.poisson import Poisson
from twinbayes.model.curves.families.protocol import MarkerFamily
from twinbayes.model.curves.families.student_t import StudentT
from twinbayes.model.curves.means.mean_function import MeanFunction
from twinbayes.model.curves.means.own import OwnMean, register_mean_function
from twinbayes.model.curves.means.shapes import BiexponentialDecay, Claret, SteinFojo
from twinbayes.model.curves.trajectory import CurveEncoding, Trajectories, Trajectory
from twinbayes.model.curves.turns import Since
from twinbayes.model.curves.waves import HSGP
from twinbayes.model.events.plan import EventPlan
from twinbayes.model.events.process import EventProcess
from twinbayes.model.events.time_varying import TimeVarying
from twinbayes.model.pooling.basic import Complete, Exchangeable, NoPooling
from twinbayes.model.pooling.mixture import Commensurate, ExNex, RobustMap
from twinbayes.model.pooling.partition import BMAExchangeability
from twinbayes.model.pooling.power import LatentExchangeability, PowerPrior
from twinbayes.model.pooling.sparse import R2D2, Horseshoe
from twinbayes.model.spec import Learnt, ModelPlan, ModelSpec

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
    "Group",
    "Horseshoe",
    "Interaction",
    "LatentExchangeability",
    "Learnt",
    "MarkerFamily",
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
    "register",
    "register_mean_function",
]
