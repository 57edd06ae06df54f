"""Treatment effects by g-computation: estimands, support, confounding."""

from twinbayes.effects.bias_tipping import TippingPoint, tipping_point
from twinbayes.effects.conditional import conditional_hazard_ratios
from twinbayes.effects.confounding import Bias, EValue, e_value, e_value_of
from twinbayes.effects.effect import treatment_effect
from twinbayes.effects.estimand import Estimand, Target

__all__ = [
    "Bias",
    "EValue",
    "Estimand",
    "Target",
    "TippingPoint",
    "conditional_hazard_ratios",
    "e_value",
    "e_value_of",
    "tipping_point",
    "treatment_effect",
]
