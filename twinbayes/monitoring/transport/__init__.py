"""Transport: a fit moved to a new centre, trial or era, its level learnt from records."""

from __future__ import annotations

from twinbayes.monitoring.transport.comparison import (
    as_shown,
    observed_expected,
    survival_of_a_typical_patient,
)
from twinbayes.monitoring.transport.prior import TransportPrior
from twinbayes.monitoring.transport.verb import transport_fit

__all__ = [
    "TransportPrior",
    "as_shown",
    "observed_expected",
    "survival_of_a_typical_patient",
    "transport_fit",
]
