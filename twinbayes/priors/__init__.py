"""Priors as versioned data: entries with their evidence, sets, and the packaged library."""

from twinbayes.priors.arm import Arm
from twinbayes.priors.checking import PriorFileCheck, check_priors
from twinbayes.priors.decision import Condition, Decision, above, below
from twinbayes.priors.density import Component, Density
from twinbayes.priors.derived import derive
from twinbayes.priors.difference import difference_above
from twinbayes.priors.distributions import FAMILIES, Family
from twinbayes.priors.dossier import (
    Alternative,
    Derived,
    Elicitation,
    Expert,
    PriorEstimand,
    PriorPredictive,
    Review,
    Robustness,
)
from twinbayes.priors.effective_size import effective_sample_size
from twinbayes.priors.elicitation import elicit
from twinbayes.priors.entry import STATUSES, PriorEntry
from twinbayes.priors.evidence import EVIDENCE_KINDS, Evidence
from twinbayes.priors.library import library_names, load_priors
from twinbayes.priors.mixture import Mixture
from twinbayes.priors.mixture_fit import MixtureFit, fit_mixture
from twinbayes.priors.one_arm import OneArmTrial, Success
from twinbayes.priors.prior_set import PriorSet
from twinbayes.priors.tipping import Tipping, tipping_points
from twinbayes.priors.two_arms import TwoArmTrial

__all__ = [
    "EVIDENCE_KINDS",
    "FAMILIES",
    "STATUSES",
    "Alternative",
    "Arm",
    "Component",
    "Condition",
    "Decision",
    "Density",
    "Derived",
    "Elicitation",
    "Evidence",
    "Expert",
    "Family",
    "Mixture",
    "MixtureFit",
    "OneArmTrial",
    "PriorEntry",
    "PriorEstimand",
    "PriorFileCheck",
    "PriorPredictive",
    "PriorSet",
    "Review",
    "Robustness",
    "Success",
    "Tipping",
    "TwoArmTrial",
    "above",
    "below",
    "check_priors",
    "derive",
    "difference_above",
    "effective_sample_size",
    "elicit",
    "fit_mixture",
    "library_names",
    "load_priors",
    "tipping_points",
]
