"""Measured markers against what the model would have measured: coverage, and over time.

Values beyond a detection limit are compared as what they are: on one side of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twinbayes.arrays import Floats
from twinbayes.checks.result import CheckResult, CheckVerdict
from twinbayes.errors import CohortError
from twinbayes.names import DAYS_PER_YEAR, MARKER, SUBGROUP, WHOLE
from twinbayes.showing import brief

_BINS: Final = 6
_QUANTILES: Final = (0.1, 0.5, 0.9)
_ALL: Final = WHOLE


@brief
@dataclass(frozen=True, eq=False)
class PredictedVisits:
    """Visits of one marker, and what the model would have measured instead.

    Attributes
    ----------
    marker
        Its name.
    day, value, censored
        (visit,) days since origin, values, and ``none``, ``left`` or ``right``.
    subgroup
        (visit,) of the patient.
    replicated
        (visit, draw) measurements under the posterior, errors included.

    Examples
    --------
    >>> visits = PredictedVisits(
    ...     marker="load",
    ...     day=np.array([0.0, 30.0]),
    ...     value=np.array([2.1, 1.8]),
    ...     censored=np.array(["none", "none"]),
    ...     subgroup=np.array(["a", "a"]),
    ...     replicated=np.array([[2.0, 2.2, 1.9], [1.7, 1.9, 1.6]]),
    ... )
    >>> visits.marker
    'load'
    """

    marker: str
    day: Floats
    value: Floats
    censored: NDArray[np.str_]
    subgroup: NDArray[Any]
    replicated: Floats

    def __post_init__(self) -> None:
        n = len(self.value)
        if self.replicated.ndim != 2 or self.replicated.shape[0] != n or n == 0:
            raise CohortError(
                f"Marker {self.marker!r}: {self.replicated.shape} replicated values for {n} visits."
            )


def marker_coverage(
    visits: Sequence[PredictedVisits],
    *,
    level: float = 0.9,
    bounds: tuple[float, float] = (0.85, 0.98),
) -> CheckResult:
    """Check how often predictive intervals hold what was measured, by marker and subgroup.

    Parameters
    ----------
    visits
        One entry a marker.
    level
        Probability of the equal-tailed predictive intervals.
    bounds
        Shares of all visits of a marker that pass. Predictions of the very visits that were fitted
        cover more than `level`.

    Returns
    -------
    CheckResult
        One row a marker and subgroup (and ``all``): ``n`` visits, ``beyond_limit``, ``inside``
        (share), and ``mean_pit``, the mean of the probability integral transform (0.5 without
        bias). Tied and censored values stand for a range of the transform (Czado, Gneiting & Held
        2009): they are inside by the share of it that is, and count by its middle.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> visits = PredictedVisits(
    ...     marker="load",
    ...     day=np.repeat([0.0, 30.0, 60.0], 20),
    ...     value=rng.normal(size=60),
    ...     censored=np.full(60, "none"),
    ...     subgroup=np.full(60, "a"),
    ...     replicated=rng.normal(size=(60, 200)),
    ... )
    >>> found = marker_coverage([visits])
    >>> found.verdict, found.table[["marker", "subgroup", "n"]].to_numpy().tolist()
    ('pass', [['load', 'all', 60], ['load', 'a', 60]])

    Those of a fit are `collect(fit).markers.visits`.
    """
    rows = []
    for one in visits:
        inside, pit = _inside(one, level), _pit(one)
        groups = [(_ALL, np.ones(len(pit), dtype=bool))]
        groups += [(str(g), one.subgroup == g) for g in pd.unique(pd.Series(one.subgroup))]
        for name, members in groups:
            rows.append(
                {
                    MARKER: one.marker,
                    SUBGROUP: name,
                    "n": int(members.sum()),
                    "beyond_limit": int((one.censored[members] != "none").sum()),
                    "inside": float(inside[members].mean()),
                    "mean_pit": float(pit[members].mean()),
                }
            )
    table = pd.DataFrame(rows)
    whole = table[table[SUBGROUP] == _ALL]
    verdict: CheckVerdict = "pass" if whole["inside"].between(*bounds).all() else "warn"
    shares = ", ".join(f"{m} {s:.0%}" for m, s in zip(whole[MARKER], whole["inside"], strict=True))
    text = (
        f"Measured values within their {level:.0%} predictive intervals: {shares} "
        f"({bounds[0]:.0%} to {bounds[1]:.0%} passes)."
    )
    return CheckResult("predictive coverage of markers", verdict, table, text)


def visual_predictive(one: PredictedVisits) -> pd.DataFrame:
    """Quantiles over time of what was measured and of what the model would have measured.

    Values beyond a limit are taken at it, measured and replicated ones alike.

    Returns
    -------
    DataFrame
        One row a time bin (about as many visits each) and quantile: ``years`` (the middle), ``n``,
        ``quantile``, ``observed``, and ``predicted`` with its 90 % interval ``lower``, ``upper``.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> visits = PredictedVisits(
    ...     marker="load",
    ...     day=np.repeat([0.0, 30.0, 60.0], 20),
    ...     value=rng.normal(size=60),
    ...     censored=np.full(60, "none"),
    ...     subgroup=np.full(60, "a"),
    ...     replicated=rng.normal(size=(60, 200)),
    ... )
    >>> found = visual_predictive(visits)
    >>> found[["n", "quantile"]].head(3)
        n  quantile
    0  20       0.1
    1  20       0.5
    2  20       0.9
    """
    edges = np.unique(np.quantile(one.day, np.linspace(0, 1, _BINS + 1)))
    which = np.clip(np.searchsorted(edges, one.day, side="right") - 1, 0, max(len(edges) - 2, 0))
    replicated = one.replicated
    left, right = one.value[one.censored == "left"], one.value[one.censored == "right"]
    if len(left):
        replicated = np.maximum(replicated, np.median(left))
    if len(right):
        replicated = np.minimum(replicated, np.median(right))
    rows = []
    for k in np.unique(which):
        mine = which == k
        made = np.quantile(replicated[mine], _QUANTILES, axis=0)
        for q, seen, drawn in zip(
            _QUANTILES, np.quantile(one.value[mine], _QUANTILES), made, strict=True
        ):
            low, high = np.quantile(drawn, (0.05, 0.95))
            rows.append(
                {
                    "years": float(np.median(one.day[mine])) / DAYS_PER_YEAR,
                    "n": int(mine.sum()),
                    "quantile": q,
                    "observed": float(seen),
                    "predicted": float(drawn.mean()),
                    "lower": float(low),
                    "upper": float(high),
                }
            )
    return pd.DataFrame(rows)


def _inside(one: PredictedVisits, level: float) -> Floats:
    """(visit,) share of the value's range of transforms within the interval; 0 or 1 without ties.

    A value on one side of a limit, or tied with others, may be anywhere in its range. Counting it
    as held wherever the interval reaches that range would let a right model cover too much.
    """
    first, last = _transform(one)
    low, high = (1 - level) / 2, (1 + level) / 2
    overlap = np.clip(np.minimum(last, high) - np.maximum(first, low), 0.0, None)
    width = last - first
    held = ((low <= first) & (first <= high)).astype(float)
    inside: Floats = np.divide(overlap, width, out=held, where=width > 0)
    return inside


def _pit(one: PredictedVisits) -> Floats:
    """(visit,) middle of the value's range of transforms."""
    first, last = _transform(one)
    return 0.5 * (first + last)


def _transform(one: PredictedVisits) -> tuple[Floats, Floats]:
    """(visit,) ends of the range of the probability integral transform that a value stands for.

    Shares of replicated values below the measured one, and at most as large; from 0 or up to 1
    where the value is censored (Czado, Gneiting & Held 2009).
    """
    less = (one.replicated < one.value[:, None]).mean(axis=1)
    at_most = (one.replicated <= one.value[:, None]).mean(axis=1)
    first = np.where(one.censored == "left", 0.0, less)
    return first, np.where(one.censored == "right", 1.0, at_most)
