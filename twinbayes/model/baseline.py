"""Baseline hazards, all as rates over windows of time.

Whatever its shape, a baseline hands the likelihood two (transition, window) matrices:

``log_event``  log hazard that applies to an event falling in the window;
``log_mean``   log of the mean hazard over the window, so that exposure x mean = cumulative
               hazard.

For a piecewise-constant hazard they are the same. A spline is evaluated on windows narrow
enough to be flat. A Weibull puts a window edge at every distinct time, so both are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self, runtime_checkable

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from scipy.interpolate import BSpline

from twinbayes.arrays import Floats
from twinbayes.errors import ModelError, require_known
from twinbayes.model.pooling.hazard_walks import Beside, bending_walk, random_walk
from twinbayes.model.pooling.walks import RatesTold
from twinbayes.model.storing.fields import UNSET_IS_ABSENT
from twinbayes.model.storing.typed import typed
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.priors import PriorSet
from twinbayes.tensors import Tensor

type Rates = tuple[Tensor, Tensor]


@runtime_checkable
class Baseline(Protocol):
    """A shape of baseline hazard."""

    @property
    def kind(self) -> str:
        """Short name, as printed in reports."""

    def edges(self, event_times: np.ndarray, all_times: np.ndarray) -> np.ndarray:
        """Window edges in days, from 0 to infinity.

        Parameters
        ----------
        event_times, all_times
            Times of events, and of all entries and exits, on the transition's clock, in days.
        """

    def build(
        self,
        name: str,
        dims: tuple[str, str],
        labels: Sequence[str],
        edges: np.ndarray,
        priors: PriorSet,
    ) -> Rates:
        """Add variables for these transitions; return ``(log_event, log_mean)``.

        `edges` has shape (transition, window + 1).
        """


def _require_some(windows: int, field_name: str) -> None:
    if windows < 1:
        raise ModelError(f"A baseline hazard has at least one window, not {field_name}={windows}.")


def _strictly_increasing(inner: np.ndarray, end: float) -> np.ndarray:
    """Push coinciding edges a day apart (less where the time span is short), in their order."""
    gap = max(min(1.0, 0.005 * end), 1e-3)
    out = np.empty(len(inner) + 2)
    out[0] = 0.0
    for j, edge in enumerate(inner, start=1):
        out[j] = max(edge, out[j - 1] + gap)
    out[-1] = np.inf
    return out


def _quantile_edges(
    event_times: np.ndarray, all_times: np.ndarray, windows: int, tail: int | None = None
) -> np.ndarray:
    """Edges at quantiles of the event times, denser in the tail, where follow-up is long.

    With `tail`, the last window begins where only so many events are left.
    """
    times = event_times if len(event_times) >= 3 else all_times
    end = float(np.max(all_times, initial=1.0))
    if len(times) == 0:
        return _strictly_increasing(np.linspace(0, end, windows + 1)[1:-1], end)
    if tail is not None and windows > 1 and len(event_times) > tail * windows:
        early = _quantile_edges(event_times, all_times, windows - 1)[1:-1]
        return _strictly_increasing(np.append(early, np.sort(event_times)[-tail - 1]), end)
    share = 1 - (1 - np.linspace(0, 1, windows + 1)[1:-1]) ** 1.5
    return _strictly_increasing(np.quantile(times, share), end)


@dataclass(frozen=True)
class Counted:
    """What the data tell of hazards. A model does not depend on it; how it is sampled may.

    Attributes
    ----------
    events, days
        Events, and days at risk, in each window: (transition, window) each.
    beside
        What log hazards have beside the baseline, roughly; None for nothing.
    """

    events: Floats
    days: Floats
    beside: Beside | None = None

    @classmethod
    def nothing(cls, edges: Floats) -> Self:
        """Return no events at all, for windows with these edges."""
        return cls(*np.zeros((2, edges.shape[0], edges.shape[1] - 1)))


@dataclass(frozen=True, slots=True)
@typed
class PiecewiseConstant:
    """Constant within windows; successive log hazards follow a Gaussian random walk.

    Edges are quantiles of the event times.

    Parameters
    ----------
    windows
        Number of pieces.
    centred
        Sample the log hazards as they are, or in units of the walk's standard deviation; default:
        as the number of events asks. The model is the same; only how well it samples differs.
    tail
        Begin the last window where only so many events are left: for hazards that fall long
        after most events, such as those of the few who stay in a state for years. Default: the
        last window is one among the quantiles.

    Examples
    --------
    >>> tb.disease("survival", baseline=PiecewiseConstant(windows=4)).title
    'Overall survival'
    """

    windows: int = 8
    centred: bool | None = field(default=None, metadata=UNSET_IS_ABSENT)
    kind: str = "piecewise-constant"
    tail: int | None = field(default=None, metadata=UNSET_IS_ABSENT)

    def __post_init__(self) -> None:
        _require_some(self.windows, "windows")
        if self.tail is not None and self.tail < 1:
            raise ModelError(f"tail must be at least 1 event, not {self.tail}.")

    def edges(self, event_times: np.ndarray, all_times: np.ndarray) -> np.ndarray:
        """Return edges at quantiles of the event times, shape (windows + 1,)."""
        return _quantile_edges(event_times, all_times, self.windows, self.tail)

    def build(
        self,
        name: str,
        dims: tuple[str, str],
        labels: Sequence[str],
        edges: np.ndarray,
        priors: PriorSet,
        told: Counted | None = None,
    ) -> Rates:
        """Add one random walk a transition; `told` decides how it is sampled."""
        counted = told or Counted.nothing(edges)
        rates = RatesTold.of(counted.events, counted.days)
        walk = random_walk(name, dims, labels, rates, priors, self.centred, counted.beside)
        return walk, walk


@dataclass(frozen=True, slots=True)
@typed
class Spline:
    """Log hazard as a penalised B-spline (P-spline; Eilers & Marx 1996).

    Parameters
    ----------
    df
        Number of basis functions; their coefficients follow a Gaussian random walk.
    resolution
        Number of windows on which the spline is evaluated.
    centred
        As in `PiecewiseConstant`, for the coefficients; walks of the second order are sampled by
        their standardised bends alone.
    order
        What the walk pulls towards: 1, a constant log hazard; 2, a straight line, whose rise has
        the prior ``baseline_trend``.
    spacing
        Windows of equal length (``time``), or with equally many events (``events``).
    degree
        Of the polynomials between the ``df - degree + 1`` equidistant knots: 3, cubic; 2,
        quadratic.

    Examples
    --------
    >>> tb.disease("survival", baseline=Spline(df=5)).title
    'Overall survival'
    """

    df: int = 7
    resolution: int = 40
    centred: bool | None = field(default=None, metadata=UNSET_IS_ABSENT)
    kind: str = "spline"
    order: int = field(default=1, metadata=UNSET_IS_ABSENT)
    spacing: str = field(default="events", metadata=UNSET_IS_ABSENT)
    degree: int = field(default=3, metadata=UNSET_IS_ABSENT)

    def __post_init__(self) -> None:
        require_known(str(self.order), ("1", "2"), "order of the spline's random walk")
        require_known(self.spacing, ("events", "time"), "spacing of the spline's windows")
        _require_some(self.resolution, "resolution")
        if self.order == 2 and self.centred:
            raise ModelError("A walk of order 2 cannot be centred: leave centred=False.")
        if not 1 <= self.degree < self.df:
            raise ModelError(
                f"The degree of a spline must be from 1 to df - 1 = {self.df - 1}, not "
                f"{self.degree}."
            )

    def edges(self, event_times: np.ndarray, all_times: np.ndarray) -> np.ndarray:
        """Return window edges, shape (resolution + 1,)."""
        if self.spacing == "events":
            return _quantile_edges(event_times, all_times, self.resolution)
        end = float(np.max(all_times, initial=1.0))
        return np.append(np.linspace(0.0, end, self.resolution + 1)[:-1], np.inf)

    def basis(self) -> np.ndarray:
        """Basis at the middle of the windows, shape (resolution, df)."""
        inner = np.linspace(0, 1, self.df - self.degree + 1)
        knots = np.concatenate([np.zeros(self.degree), inner, np.ones(self.degree)])
        middle = (np.arange(self.resolution) + 0.5) / self.resolution
        return np.asarray(BSpline.design_matrix(middle, knots, self.degree).toarray())

    def build(
        self,
        name: str,
        dims: tuple[str, str],
        labels: Sequence[str],
        edges: np.ndarray,
        priors: PriorSet,
        told: Counted | None = None,
    ) -> Rates:
        """Add one random walk of basis weights a transition, and the curves they make.

        `told` decides how they are sampled.
        """
        knot_dim, basis = f"{dims[1]}_basis", self.basis()
        pm.modelcontext(None).add_coord(knot_dim, np.arange(self.df))
        counted = told or Counted.nothing(edges)
        rates = RatesTold.of(counted.events, counted.days, basis)
        of = (f"{name}_weight", (dims[0], knot_dim), labels, rates, priors)
        if self.order == 2:
            weights = bending_walk(*of, counted.beside)
        else:
            weights = random_walk(*of, self.centred, counted.beside)
        curve = pm.Deterministic(name, weights @ pt.as_tensor(basis.T), dims=dims)
        return curve, curve


@dataclass(frozen=True, slots=True)
@typed
class Weibull:
    """Hazard ``exp(level) (t / 1 year)^(shape - 1)`` per day.

    Exact when the data have at most `resolution` distinct times; beyond that, times are grouped
    at their quantiles.

    Examples
    --------
    >>> tb.disease("survival", baseline=Weibull()).title
    'Overall survival'
    """

    resolution: int = 200
    kind: str = "Weibull"

    def __post_init__(self) -> None:
        _require_some(self.resolution, "resolution")

    def edges(self, event_times: np.ndarray, all_times: np.ndarray) -> np.ndarray:
        """Return an edge at every distinct time, shape (resolution + 2,)."""
        times = np.unique(all_times[all_times > 0])
        if len(times) == 0:
            times = np.array([1.0])
        inner = (
            np.quantile(times, np.linspace(0, 1, self.resolution), method="nearest")
            if len(times) > self.resolution
            else times
        )
        padding = self.resolution - len(inner)
        tail = inner[-1] * (1 + 0.1 * np.arange(1, padding + 1))
        return np.concatenate([[0.0], inner, tail, [np.inf]])

    def build(
        self,
        name: str,
        dims: tuple[str, str],
        labels: Sequence[str],
        edges: np.ndarray,
        priors: PriorSet,
    ) -> Rates:
        """Add level and shape of each transition."""
        level = priors.make(f"{name}_level", "baseline_level", dims=dims[:1], qualifiers=labels)
        shape = priors.make(f"{name}_shape", "weibull_shape", dims=dims[:1], qualifiers=labels)
        # 0 ** shape has no usable gradient; a nanosecond does no harm.
        low = np.maximum(edges[:, :-1], 1e-14) / DAYS_PER_YEAR
        high = np.where(np.isinf(edges[:, 1:]), 2 * edges[:, :-1], edges[:, 1:]) / DAYS_PER_YEAR
        at_event = level[:, None] + (shape[:, None] - 1) * np.log(high)
        cumulative = high ** shape[:, None] - low ** shape[:, None]
        mean = level[:, None] - pt.log(shape[:, None]) + pt.log(cumulative / (high - low))
        return at_event, pm.Deterministic(name, mean, dims=dims)


BASELINES: dict[str, type[PiecewiseConstant] | type[Spline] | type[Weibull]] = {
    "piecewise-constant": PiecewiseConstant,
    "spline": Spline,
    "Weibull": Weibull,
}
