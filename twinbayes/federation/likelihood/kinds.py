"""Which likelihood a model has."""

from __future__ import annotations

from twinbayes.federation.likelihood.events import EventLikelihood
from twinbayes.federation.likelihood.integrated import IntegratedLikelihood, has_own_effects
from twinbayes.model import ModelSpec


def likelihood_of(spec: ModelSpec) -> type[EventLikelihood | IntegratedLikelihood]:
    """Find the likelihood of a model: with patients' own effects integrated out, or of events."""
    return IntegratedLikelihood if has_own_effects(spec) else EventLikelihood
