"""Twins: forecasts and contrasts for patients, from their present state and day."""

from twinbayes.twin.answers.quality_of_life import Quality
from twinbayes.twin.of_fit import FitTwins
from twinbayes.twin.patients import Patients
from twinbayes.twin.scenario import Scenario
from twinbayes.twin.twin import Twin
from twinbayes.twin.updates.ledger import Ledger
from twinbayes.twin.updates.replay import replay

__all__ = [
    "FitTwins",
    "Ledger",
    "Patients",
    "Quality",
    "Scenario",
    "Twin",
    "replay",
]
