"""Twins: forecasts and contrasts for patients, from their present state and day."""

from twinbayes.twin.ledger import Ledger
from twinbayes.twin.quality import Quality
from twinbayes.twin.replay import replay
from twinbayes.twin.scenario import Scenario
from twinbayes.twin.twin import Twin

__all__ = ["Ledger", "Quality", "Scenario", "Twin", "replay"]
