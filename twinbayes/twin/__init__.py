"""Twins: forecasts and contrasts for patients, from their present state and day."""

from twinbayes.twin.answers.quality_of_life import Quality
from twinbayes.twin.conditional import conditional_hazard_ratios
from twinbayes.twin.confounding import Bias, EValue, e_value, e_value_of
from twinbayes.twin.effect import treatment_effect
from twinbayes.twin.estimand import Estimand, Target
from twinbayes.twin.scenario import Scenario
from twinbayes.twin.tipping import TippingPoint, tipping_point
from twinbayes.twin.twin import Twin
from twinbayes.twin.updates.ledger import Ledger
from twinbayes.twin.updates.replay import replay

__all__ = [
    "Bias",
    "EValue",
    "Estimand",
    "Ledger",
    "Quality",
    "Scenario",
    "Target",
    "TippingPoint",
    "Twin",
    "conditional_hazard_ratios",
    "e_value",
    "e_value_of",
    "replay",
    "tipping_point",
    "treatment_effect",
]
