"""Priors as versioned data: entries with their evidence, sets, and the packaged library."""

from twinbayes.priors.distributions import FAMILIES, Family
from twinbayes.priors.effective_size import effective_sample_size
from twinbayes.priors.entry import STATUSES, PriorEntry
from twinbayes.priors.evidence import EVIDENCE_KINDS, Evidence
from twinbayes.priors.library import library_names, load_priors
from twinbayes.priors.mixture import Mixture
from twinbayes.priors.mixture_fit import MixtureFit, fit_mixture
from twinbayes.priors.prior_set import PriorSet

__all__ = [
    "EVIDENCE_KINDS",
    "FAMILIES",
    "STATUSES",
    "Evidence",
    "Family",
    "Mixture",
    "MixtureFit",
    "PriorEntry",
    "PriorSet",
    "effective_sample_size",
    "fit_mixture",
    "library_names",
    "load_priors",
]
