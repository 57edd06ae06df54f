"""What unmeasured confounding could do to an effect: E-values, and a bias with a prior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import xarray as xr
from scipy.special import ndtri

from twinbayes.arrays import Floats, is_number
from twinbayes.errors import OptionError, TwinError, require_known
from twinbayes.model.courses.graph import StateGraph
from twinbayes.names import TIME
from twinbayes.twin.scenario import as_names

_RARE: Final = 0.15
MEASURES: Final = ("risk_ratio", "hazard_ratio", "odds_ratio")


@dataclass(frozen=True, slots=True)
class EValue:
    """How strong unmeasured confounding must be to explain an effect away.

    Attributes
    ----------
    estimate
        E-value of the point estimate.
    interval
        E-value of the end of the interval that is nearer to no effect, 1 if the interval holds
        it; NaN without an interval.

    Examples
    --------
    >>> round(e_value(3.9, lower=1.8, upper=8.7).interval, 2)
    3.0
    """

    estimate: float
    interval: float


def e_value(
    ratio: float,
    lower: float | None = None,
    upper: float | None = None,
    *,
    measure: str = "risk_ratio",
    rare: bool | None = None,
) -> EValue:
    """Compute the E-value of a ratio.

    The smallest risk ratio that an unmeasured confounder must have both with the treatment and
    with the outcome, beyond the measured covariates, to move the ratio to 1: RR + √(RR (RR - 1))
    for RR ≥ 1, of 1 / RR otherwise. Where the outcome is common (more than about 15 % by the end
    of follow-up), a hazard ratio becomes the risk ratio (1 - 0.5^√HR) / (1 - 0.5^√(1 / HR)) and an
    odds ratio its square root; where it is rare, both are taken as risk ratios.

    Source: VanderWeele and Ding (2017), Sensitivity analysis in observational research:
    introducing the E-value, Annals of Internal Medicine 167, 268-274, table 2.

    Parameters
    ----------
    ratio, lower, upper
        The ratio and, both or neither, the ends of its interval.
    measure
        ``risk_ratio``, ``hazard_ratio`` or ``odds_ratio``.
    rare
        Whether the outcome is rare; needed for hazard and odds ratios.

    Raises
    ------
    OptionError
        An unknown measure, `rare` missing, a ratio that is not positive, or ends out of order.

    Examples
    --------
    >>> round(e_value(3.9, lower=1.8, upper=8.7).estimate, 2)
    7.26
    >>> round(e_value(3.9, lower=1.8, upper=8.7).interval, 2)
    3.0
    """
    require_known(measure, MEASURES, "measure")
    if measure != "risk_ratio" and rare is None:
        raise OptionError(
            f"e_value: say whether the outcome is rare, below about 15 %: a {measure} is read as a "
            "risk ratio in another way where it is common."
        )
    if (lower is None) != (upper is None):
        raise OptionError("e_value: give both ends of the interval, or neither.")
    ends = (ratio, ratio) if lower is None or upper is None else (lower, upper)
    numbers = all(is_number(x) for x in (ratio, *ends))
    if not numbers or not 0.0 < ends[0] <= ratio <= ends[1]:
        found = ", ".join(str(x)[:20] for x in (ends[0], ratio, ends[1]))
        raise OptionError(
            f"e_value: need 0 < lower <= ratio <= upper, finite, not {found}. Ratios are not on "
            "the logarithmic scale."
        )
    point, low, high = (_as_risk_ratio(x, measure, bool(rare)) for x in (ratio, *ends))
    if lower is None:
        return EValue(_e(point), float("nan"))
    near = 1.0 if low <= 1.0 <= high else low if low > 1.0 else high
    return EValue(_e(point), _e(near))


def e_value_of(effect: xr.Dataset) -> EValue:
    """Compute the E-value of an overall effect that is a ratio, at its last time.

    A hazard ratio is read as that of a rare outcome where the risk is at most 15 % under both
    scenarios.

    Parameters
    ----------
    effect
        As `treatment_effect` returns it, for ``risk_ratio`` or ``hazard_ratio``.

    Raises
    ------
    OptionError
        The effect is a difference, or undefined.

    Examples
    --------
    >>> asked = Estimand.starting(
    ...     "allogeneic_transplant",
    ...     landmark=120,
    ...     states=("remission",),
    ...     times=365.25,
    ...     subgroups=("aml_inv3", "early_t_precursor"),
    ...     summary="risk_ratio",
    ... )
    >>> effect = treatment_effect(fit, asked)  # doctest: +SKIP
    >>> e_value_of(effect).estimate >= 1.0  # doctest: +SKIP
    True
    """
    measure = str(effect.attrs["summary"])
    if measure not in ("risk_ratio", "hazard_ratio"):
        raise OptionError(
            f"An E-value is of a ratio, and the effect is a {str(measure).replace('_', ' ')}. Ask "
            "for the same estimand with summary='risk_ratio' or 'hazard_ratio'."
        )
    last = effect.isel({TIME: -1})
    ratio, low, high = (float(last[f"overall_{measure}{s}"]) for s in ("", "_lower", "_upper"))
    if measure == "risk_ratio":
        return e_value(ratio, low, high)
    worst = 1.0 - min(float(last["overall_survival_a"]), float(last["overall_survival_b"]))
    return e_value(ratio, low, high, measure=measure, rare=worst <= _RARE)


def _as_risk_ratio(ratio: float, measure: str, rare: bool) -> float:
    if measure == "risk_ratio" or rare:
        return float(ratio)
    if measure == "odds_ratio":
        return float(np.sqrt(ratio))
    return float((1.0 - 0.5 ** np.sqrt(ratio)) / (1.0 - 0.5 ** np.sqrt(1.0 / ratio)))


def _e(risk_ratio: float) -> float:
    above = max(risk_ratio, 1.0 / risk_ratio)
    return float(above + np.sqrt(above * (above - 1.0)))


@dataclass(frozen=True, kw_only=True)
class Bias:
    """Unmeasured confounding of the effect of a treatment on hazards.

    What the data show as the log hazard ratio is taken as the true one plus a bias, normal with
    this mean and standard deviation; forecasts go on with the true one. A negative mean says that
    those who were treated would have fared better without the treatment too. The same draw of the
    bias goes with a draw of the model for all patients (Lash, Fox, MacLehose, Maldonado, McCandless
    & Greenland 2014, International Journal of Epidemiology 43, 1969-1985).

    Parameters
    ----------
    mean, sd
        Of the bias, on the log hazard ratio; with `sd` 0 it is known.
    transitions
        Labels of the transitions on which the effect is biased, such as ``"alive->dead"``;
        default: those that lead into the endpoint.

    Raises
    ------
    OptionError
        Not finite, or a negative standard deviation.

    Examples
    --------
    >>> Bias(mean=-0.2, sd=0.2)
    Bias(mean=-0.2, sd=0.2, transitions=())
    """

    mean: float = 0.0
    sd: float = 0.0
    transitions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (is_number(self.mean) and is_number(self.sd) and self.sd >= 0.0):
            raise OptionError(
                "Bias: mean and sd must be finite numbers, sd at least 0, not "
                f"{self.mean!r} and {self.sd!r}."
            )
        object.__setattr__(self, "transitions", as_names(self.transitions, "Bias: transitions"))

    @property
    def label(self) -> str:
        """In words."""
        where = ", ".join(self.transitions) or "transitions into the endpoint"
        return f"normal(mean {self.mean:g}, sd {self.sd:g}) on the log hazard ratio of {where}"

    def draws(self, n: int) -> Floats:
        """(draw,) of the bias: its quantiles at (s + 1/2) / n, in an order without a pattern."""
        order = np.random.default_rng(20170815).permutation(n)
        out: Floats = self.mean + self.sd * ndtri((order + 0.5) / n)
        return out

    def on(self, graph: StateGraph, endpoint: tuple[str, ...]) -> tuple[str, ...]:
        """Labels of the transitions that are biased.

        Raises
        ------
        OptionError, TwinError
            An unknown transition, or none leads straight into the endpoint.
        """
        labels = [t.label for t in graph.transitions]
        for label in self.transitions:
            require_known(label, labels, "transition of a bias")
        found = self.transitions or tuple(
            t.label for t in graph.transitions if t.target in endpoint and t.source not in endpoint
        )
        if not found:
            raise TwinError("Bias: no transition leads into the endpoint. Name `transitions`.")
        return found
