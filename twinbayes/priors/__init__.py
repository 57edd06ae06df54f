"""Priors as versioned data: entries with their evidence, sets, and the packaged library."""

from twinbayes.priors.distributions import FAMILIES, Family
from twinbayes.priors.entry import EVIDENCE_KINDS, STATUSES, Evidence, PriorEntry
from twinbayes.priors.library import library_names, load_priors
from twinbayes.priors.prior_set import PriorSet

__all__ = [
    "EVIDENCE_KINDS",
    "FAMILIES",
    "STATUSES",
    "Evidence",
    "Family",
    "PriorEntry",
    "PriorSet",
    "library_names",
    "load_priors",
]
