"""The tipping point: how much bias of the treatment's hazard ratio leaves no clear effect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import brentq

from twinbayes.arrays import is_number
from twinbayes.effects.confounding import Bias
from twinbayes.effects.effect import treatment_effect
from twinbayes.effects.eligible import choose, require_asked
from twinbayes.effects.estimand import SUMMARIES, Estimand
from twinbayes.errors import OptionError, TwinError
from twinbayes.inference import Fit
from twinbayes.twin.twin import Twin

_PRECISION: Final = 0.002  # of the bias, on the log hazard ratio


@dataclass(frozen=True, slots=True)
class TippingPoint:
    """The bias at which the interval of an overall effect touches no effect.

    Attributes
    ----------
    bias
        On the log hazard ratio, as the mean of `Bias`; 0 where the interval holds no effect from
        the start, infinite where it does not touch it within the limit.
    limit
        Largest bias that was tried, in either direction.
    interval
        Probability of the interval.

    Examples
    --------
    >>> TippingPoint(bias=0.4, limit=3.0, interval=0.9).bias
    0.4
    """

    bias: float
    limit: float
    interval: float

    @property
    def hazard_ratio(self) -> float:
        """The bias as a factor on the hazard ratio."""
        return float(np.exp(self.bias))

    @property
    def sentence(self) -> str:
        """In words."""
        what = f"the {self.interval:.0%} interval"
        if self.bias == 0.0:
            return f"Without any bias {what} already holds no effect."
        if not np.isfinite(self.bias):
            factor = np.exp(self.limit)
            return (
                f"No bias of the hazard ratio up to a factor of {factor:.1f} lets {what} touch it."
            )
        return (
            f"A bias of {self.bias:+.2f} on the log hazard ratio (a factor of "
            f"{self.hazard_ratio:.2f}) lets {what} touch no effect."
        )


def tipping_point(
    who: Fit | Twin,
    estimand: Estimand,
    *,
    transitions: tuple[str, ...] = (),
    limit: float = 2.0,
    interval: float = 0.9,
    allow_unsupported: bool = False,
    draws: int | None = None,
) -> TippingPoint:
    """Find the bias at which the overall effect, at the last time, is clear no more.

    The effect is estimated anew under each bias that is tried, some ten in all; thin the posterior
    by `draws` where there are many patients.

    Parameters
    ----------
    who, estimand, interval, allow_unsupported, draws
        As in `treatment_effect`.
    transitions
        As in `Bias`.
    limit
        Largest bias to try, on the log hazard ratio.

    Raises
    ------
    OptionError
        A limit that is not positive, or no fit or estimand.
    TwinError, ScenarioError
        As `treatment_effect`.

    Examples
    --------
    >>> asked = Estimand.starting(
    ...     "allogeneic_transplant",
    ...     landmark=120,
    ...     states=("remission",),
    ...     times=365.25,
    ...     subgroups=("aml_inv3", "early_t_precursor"),
    ... )
    >>> tipping_point(fit, asked).bias >= 0.0  # doctest: +SKIP
    True
    """
    if not (is_number(limit) and limit > 0.0):
        raise OptionError(f"tipping_point: limit must be a positive number, not {limit!r}.")
    require_asked(who, estimand)
    twin = choose(who, estimand.reading(who.spec.graph), draws).twin
    is_ratio = SUMMARIES[estimand.summary][1] != "difference"

    def ends(bias: float) -> tuple[float, float]:
        """Both ends of the interval, measured from no effect."""
        found = treatment_effect(
            twin,
            estimand,
            interval=interval,
            bias=Bias(mean=bias, transitions=transitions) if bias else None,
            allow_unsupported=allow_unsupported,
        )
        name = f"overall_{estimand.summary}"
        low, high = (float(found[f"{name}_{side}"][-1]) for side in ("lower", "upper"))
        if not (np.isfinite(low) and np.isfinite(high)):
            raise TwinError("tipping_point: the effect is not defined at the last time.")
        return (np.log(low), np.log(high)) if is_ratio else (low, high)

    low, high = ends(0.0)
    if not low * high > 0.0:
        return TippingPoint(0.0, limit, interval)
    near = 0 if low > 0.0 else 1
    return TippingPoint(_nearest(lambda b: ends(b)[near], limit), limit, interval)


def _nearest(end: Callable[[float], float], limit: float) -> float:
    """The bias nearest to 0, in either direction, at which an end is 0."""
    start = end(0.0)
    for direction in (limit, -limit):
        if start * end(direction) < 0.0:
            return float(brentq(end, 0.0, direction, xtol=_PRECISION))
    return float("inf")
