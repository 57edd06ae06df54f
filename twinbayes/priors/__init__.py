"""Priors as versioned data: entries with their evidence, sets, and the packaged library."""

from twinbayes.priors.checking import PriorFileCheck, check_priors
from twinbayes.priors.density import Component, Density
from twinbayes.priors.derived import derive
from twinbayes.priors.distributions import FAMILIES, Family
from twinbayes.priors.dossier import (
    Alternative,
    Derived,
    Elicitation,
    Estimand,
    Expert,
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
from twinbayes.priors.prior_set import PriorSet

__all__ = [
    "EVIDENCE_KINDS",
    "FAMILIES",
    "STATUSES",
    "Alternative",
    "Component",
    "Density",
    "Derived",
    "Elicitation",
    "Estimand",
    "Evidence",
    "Expert",
    "Family",
    "Mixture",
    "MixtureFit",
    "PriorEntry",
    "PriorFileCheck",
    "PriorPredictive",
    "PriorSet",
    "Review",
    "Robustness",
    "check_priors",
    "derive",
    "effective_sample_size",
    "elicit",
    "fit_mixture",
    "library_names",
    "load_priors",
]
