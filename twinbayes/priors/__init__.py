"""Priors as versioned data: entries with their evidence, sets, and the packaged library."""

from twinbayes.priors.density import Component, Density
from twinbayes.priors.derived import derive
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
from twinbayes.priors.elicitation.elicit import elicit
from twinbayes.priors.entry import STATUSES, PriorEntry
from twinbayes.priors.evidence import EVIDENCE_KINDS, Evidence
from twinbayes.priors.files.checking import PriorFileCheck, check_priors
from twinbayes.priors.files.extended import OwnPriors, chosen_priors, priors_of
from twinbayes.priors.files.library import library_names, load_priors
from twinbayes.priors.mixtures.effective_size import effective_sample_size
from twinbayes.priors.mixtures.fit import MixtureFit, fit_mixture
from twinbayes.priors.mixtures.mixture import Mixture
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
    "Evidence",
    "Expert",
    "Family",
    "Mixture",
    "MixtureFit",
    "OwnPriors",
    "PriorEntry",
    "PriorEstimand",
    "PriorFileCheck",
    "PriorPredictive",
    "PriorSet",
    "Review",
    "Robustness",
    "check_priors",
    "chosen_priors",
    "derive",
    "effective_sample_size",
    "elicit",
    "fit_mixture",
    "library_names",
    "load_priors",
    "priors_of",
]
