"""Which way leads to the posterior of a study."""

from __future__ import annotations

from twinbayes.federation.joint.approximation import Agreement
from twinbayes.federation.joint.estimation import Estimation, FromExpansions
from twinbayes.federation.joint.from_values import FromValues
from twinbayes.federation.likelihood.integrated import has_own_effects


def begun(agreement: Agreement) -> Estimation:
    """Begin: from values of likelihoods where patients have effects of their own."""
    return (
        FromValues(agreement)
        if has_own_effects(agreement.study.spec)
        else FromExpansions(agreement)
    )
