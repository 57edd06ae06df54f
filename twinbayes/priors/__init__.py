"""Priors as versioned data: entries with their evidence, sets, and the packaged library."""

from twinbayes.priors.arm import Arm
from twinbayes.priors.decision import Condition, Decision, above, below
from twinbayes.priors.difference import difference_above
from twinbayes.priors.distributions import FAMILIES, Family
from twinbayes.priors.effective_size import effective_sample_size
from twinbayes.priors.entry import EVIDENCE_KINDS, STATUSES, Evidence, PriorEntry
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
    "Arm",
    "Condition",
    "Decision",
    "Evidence",
    "Family",
    "Mixture",
    "MixtureFit",
    "OneArmTrial",
    "PriorEntry",
    "PriorSet",
    "Success",
    "Tipping",
    "TwoArmTrial",
    "above",
    "below",
    "difference_above",
    "effective_sample_size",
    "fit_mixture",
    "library_names",
    "load_priors",
    "tipping_points",
]
