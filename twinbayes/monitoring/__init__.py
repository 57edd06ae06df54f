"""Monitoring: whether a fit that is in use is still true of the patients who come."""

from __future__ import annotations

from twinbayes.monitoring.counts import Counts, count_stream
from twinbayes.monitoring.e_process import log_e_value
from twinbayes.monitoring.likeness import likeness
from twinbayes.monitoring.log import MonitorLog
from twinbayes.monitoring.monitor import Look, Watch, watch
from twinbayes.monitoring.transport import TransportPrior, observed_expected, transport_fit

__all__ = [
    "Counts",
    "Look",
    "MonitorLog",
    "TransportPrior",
    "Watch",
    "count_stream",
    "likeness",
    "log_e_value",
    "observed_expected",
    "transport_fit",
    "watch",
]
