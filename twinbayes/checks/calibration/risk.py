"""Calibration of the predicted probabilities of being in a state.

Regression of pseudo-values on the predictions, on the complementary log–log scale (the log
cumulative hazard in the survival case): calibration in the large, slope, and the integrated
calibration index (Austin, Harrell & van Klaveren 2020). One code for survival, competing risks
and state occupation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from twinbayes.arrays import Floats
from twinbayes.checks.calibration.cloglog import cloglog, regress, spline, spline_knots
from twinbayes.checks.result import CALIBRATION, CheckResult, CheckVerdict
from twinbayes.checks.scores.predictions import as_probabilities
from twinbayes.errors import CohortError, OptionError, require_level, require_seed
from twinbayes.estimators.aalen_johansen import aalen_johansen
from twinbayes.estimators.counting import CountingProcess
from twinbayes.estimators.observed import as_horizon, as_horizons, require_no_row
from twinbayes.estimators.pseudo_values import pseudo_values

_LARGE: Final = (
    "ratio", "ratio_lower", "ratio_upper", "intercept", "intercept_lower", "intercept_upper",
)  # fmt: skip
_SLOPES: Final = ("slope", "slope_lower", "slope_upper")
_ROUNDING: Final = 1e-9


def calibration(
    process: CountingProcess,
    probability: npt.ArrayLike,
    horizons: npt.ArrayLike,
    target: str | Sequence[str],
    *,
    slope_range: tuple[float, float] = (0.9, 1.1),
    level: float = 0.95,
    n_bootstrap: int = 200,
    seed: int = 0,
    name: str = "calibration of predicted risks",
) -> CheckResult:
    """Check calibration in the large, slope and calibration curve at each horizon.

    Parameters
    ----------
    process
        Counting-process rows.
    probability
        Predicted probability of being in the target, shape (patients, horizons), patients in the
        order of ``process.patients``.
    horizons
        Days since the origin, which is the first day of the process.
    target
        State, or states taken together.
    slope_range
        Slopes that pass. A slope outside is a warning while its interval still reaches into the
        range, and a failure otherwise.
    level
        Probability of the intervals.
    n_bootstrap, seed
        Bootstrap draws of patients for the interval of the integrated calibration index (pseudo-
        values are kept, not recomputed), and the seed.

    Returns
    -------
    CheckResult
        One row a horizon: mean ``observed`` and ``predicted``, ``ratio`` observed to expected,
        ``intercept`` (slope held at 1), ``slope``, ``ici``, ``e50``, ``e90``, with bounds. NaN
        where there is none, and the text says why: a ratio to an expectation of 0; an intercept
        where nobody or everybody was in the target; a slope there, of one prediction for all, or
        where predictions separate those in the target from the others; anything at a horizon
        beyond the last follow-up. Such a check does not pass; it is not provided where no slope is
        defined at all.

    Raises
    ------
    CohortError, OptionError
        If the predictions do not match the patients or are no probabilities, a horizon is no day
        from the origin on, or `level` is no probability.

    Examples
    --------
    >>> process = survival_process(np.arange(10, 110, 10), [1, 0] * 5)
    >>> risk = np.linspace(0.9, 0.1, 10) ** 2
    >>> found = calibration(process, risk[:, None], [55], "dead", n_bootstrap=20)
    >>> found.table[["horizon", "n", "observed", "predicted", "slope"]].round(2)
       horizon   n  observed  predicted  slope
    0     55.0  10      0.34       0.32   1.24
    """
    days = as_horizons(horizons, "horizons of a calibration", _origin(process))
    p = as_probabilities(probability, process.patients.size, days.size)
    z = float(norm.ppf(0.5 + require_level(level) / 2))
    rng = np.random.default_rng(require_seed(seed))
    rows, undefined = [], []
    for k, day in enumerate(days):
        row: dict[str, float] = {"horizon": day, "n": p.shape[0]}
        try:
            observed = _observed(process, float(day), target)
        except OptionError as error:
            undefined.append(str(error).removeprefix("pseudo-values: ").rstrip("."))
            rows.append(row | dict.fromkeys(_SLOPES, np.nan))
            continue
        row |= _in_the_large(observed, p[:, k], z)
        why = _no_slope(observed, p[:, k])
        if why:
            undefined.append(f"slope at {day:g} days: {why}")
            row |= dict.fromkeys(_SLOPES, np.nan)
        else:
            row |= _slope(observed, p[:, k], z)
        rows.append(row | _curve_errors(observed, p[:, k], level, n_bootstrap, rng))
    return _judge(name, pd.DataFrame(rows), slope_range, level, undefined)


def calibration_errors(
    process: CountingProcess,
    probability: npt.ArrayLike,
    horizons: npt.ArrayLike,
    target: str | Sequence[str],
) -> pd.DataFrame:
    """Return mean, median and 90th percentile of the absolute calibration error.

    The error of a patient is the distance between the prediction and the smoothed observed
    probability. Parameters as for `calibration`, which adds an interval.

    Returns
    -------
    DataFrame
        Columns ``horizon, ici, e50, e90``.

    Examples
    --------
    >>> process = survival_process([100, 200, 300, 400], [1, 0, 1, 0])
    >>> calibration_errors(process, [0.9, 0.2, 0.6, 0.1], [250], "dead").columns.tolist()
    ['horizon', 'ici', 'e50', 'e90']
    """
    days = as_horizons(horizons, "horizons of a calibration", _origin(process))
    p = as_probabilities(probability, process.patients.size, days.size)
    rows = []
    for k, day in enumerate(days):
        observed = _observed(process, float(day), target)
        none = np.random.default_rng(0)  # nothing is drawn
        rows.append({"horizon": day, **_curve_errors(observed, p[:, k], 0.95, 0, none)})
    return pd.DataFrame(rows)


def calibration_curve(
    process: CountingProcess,
    probability: npt.ArrayLike,
    horizon: float,
    target: str | Sequence[str],
    *,
    grid: npt.ArrayLike | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return the smoothed observed probability against the predicted one.

    Parameters as for `calibration`, with one horizon; `grid` holds the predicted probabilities
    at which to draw, by default 50 between the 1st and 99th percentile of the predictions.

    Returns
    -------
    DataFrame
        Columns ``predicted, observed, lower, upper``.

    Raises
    ------
    CohortError
        There is no curve: nobody or everybody was in the target, the prediction is the same for
        everybody, or the predictions tell all in the target from all others.
    OptionError
        The horizon is no day from the origin on, or `level` is no probability.

    Examples
    --------
    >>> process = survival_process(np.arange(10, 110, 10), [1, 0] * 5)
    >>> risk = np.linspace(0.9, 0.1, 10) ** 2
    >>> curve = calibration_curve(process, risk, 55, "dead", grid=[0.2, 0.5])
    >>> curve[["predicted", "observed"]].round(2)
       predicted  observed
    0        0.2      0.17
    1        0.5      0.59
    """
    p = as_probabilities(probability, process.patients.size, 1)[:, 0]
    observed = _observed(process, horizon, target)
    if why := _no_slope(observed, p):
        raise CohortError(f"No calibration curve at {horizon:g} days: {why}.")
    x = cloglog(p)
    knots = spline_knots(x)
    fit = regress(observed, spline(x, knots))
    if grid is None:
        grid = np.linspace(np.quantile(p, 0.01), np.quantile(p, 0.99), 50)
    at = np.asarray(grid, dtype=np.float64)
    design = spline(cloglog(at), knots)
    eta = design @ fit.coefficients
    half = float(norm.ppf(0.5 + require_level(level) / 2)) * np.sqrt(
        np.einsum("ij,jk,ik->i", design, fit.covariance, design)
    )
    return pd.DataFrame(
        {
            "predicted": at,
            "observed": -np.expm1(-np.exp(eta)),
            "lower": -np.expm1(-np.exp(eta - half)),
            "upper": -np.expm1(-np.exp(eta + half)),
        }
    )


def calibration_by_group(
    process: CountingProcess,
    probability: npt.ArrayLike,
    horizon: float,
    target: str | Sequence[str],
    *,
    groups: int | Sequence[Any] | npt.NDArray[Any] = 5,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return mean prediction against the Aalen–Johansen estimate within groups of patients.

    `groups` is a number of equal groups by predicted risk, or one label a patient.

    Returns
    -------
    DataFrame
        Columns ``group, n, predicted, observed, lower, upper``; the last three NaN for a group
        of whom nobody was followed until the horizon.

    Raises
    ------
    CohortError, OptionError
        If predictions or labels do not match the patients, `groups` is no number from 1 to that of
        the patients, the horizon is no day from the origin on, or `level` is no probability.

    Examples
    --------
    >>> process = survival_process(np.arange(10, 110, 10), [1, 0] * 5)
    >>> risk = np.linspace(0.9, 0.1, 10) ** 2
    >>> found = calibration_by_group(process, risk, 55, "dead", groups=2)
    >>> found[["group", "n", "predicted", "observed"]].round(2)
       group  n  predicted  observed
    0      1  5       0.09       0.0
    1      2  5       0.54       1.0
    """
    p = as_probabilities(probability, process.patients.size, 1)[:, 0]
    if isinstance(groups, int):
        if not 1 <= groups <= p.size:
            raise OptionError(f"{groups} groups of {p.size} patients: give from 1 to {p.size}.")
        rank = np.argsort(np.argsort(p, kind="stable"), kind="stable")
        labels: npt.NDArray[Any] = rank * groups // p.size + 1
    else:
        labels = np.asarray(groups)
    if labels.shape != p.shape:
        raise CohortError(f"{labels.size} group labels for {p.size} patients; give one a patient.")
    day = as_horizon(horizon, "horizon of a calibration", _origin(process))
    require_no_row(pd.isna(labels), "groups", "have no group", "Label every patient.")
    columns, patients, rows = _columns(process, target), process.patients, []
    z = float(norm.ppf(0.5 + require_level(level) / 2))
    for label in np.unique(labels):
        members = labels == label
        own = process.of_patients(patients[members])
        curve = aalen_johansen(own, origin=_origin(process), level=level)
        row = {"group": label, "n": int(members.sum()), "predicted": float(p[members].mean())}
        if day > curve.known_until:
            rows.append(row | dict.fromkeys(("observed", "lower", "upper"), np.nan))
            continue
        index = int(np.searchsorted(curve.time, day, side="right")) - 1
        observed = float(curve.probability[index, columns].sum())
        half = z * np.sqrt(max(curve.covariance[index][np.ix_(columns, columns)].sum(), 0.0))
        row |= {"observed": observed, "lower": max(0.0, observed - half)}
        rows.append(row | {"upper": min(1.0, observed + half)})
    return pd.DataFrame(rows)


def _observed(process: CountingProcess, day: float, target: str | Sequence[str]) -> Floats:
    """Pseudo-values of being in the target on a day, one a patient."""
    values = pseudo_values(process, day, origin=_origin(process))
    return np.asarray(values[:, _columns(process, target)].sum(axis=1))


def _judge(
    name: str,
    table: pd.DataFrame,
    slope_range: tuple[float, float],
    level: float,
    undefined: list[str],
) -> CheckResult:
    """Hold the slopes to their range; what is not defined cannot pass."""
    low, high = slope_range
    known = table[table["slope"].notna()]
    verdict: CheckVerdict = "warn" if undefined else "pass"
    if not known["slope"].between(low, high).all():
        reaches = (known["slope_lower"] <= high) & (known["slope_upper"] >= low)
        verdict = "warn" if reaches.all() else "fail"
    parts = []
    if len(known):
        slopes = ", ".join(f"{r.slope:.2f} at {r.horizon:g}" for r in known.itertuples())
        parts.append(f"Calibration slope {slopes} days (between {low:g} and {high:g} passes)")
    else:
        verdict = "not_provided"
    if "ici" in table:
        parts.append(f"largest integrated calibration index {table['ici'].max():.3f}")
    text = "; ".join([*parts, f"intervals are {level:.0%}"])
    if undefined:
        text += f". Not defined: {'; '.join(undefined)}"
    return CheckResult(name, verdict, table, f"{text[:1].upper()}{text[1:]}.", CALIBRATION)


def _in_the_large(observed: Floats, p: Floats, z: float) -> dict[str, float]:
    seen, expected = float(observed.mean()), float(p.mean())
    out = {"observed": seen, "predicted": expected} | dict.fromkeys(_LARGE, np.nan)
    if expected > 0.0:
        out["ratio"] = seen / expected
        if p.size > 1:
            spread = float(np.std(observed - out["ratio"] * p, ddof=1))
            half = z * spread / (np.sqrt(p.size) * expected)
            out |= {"ratio_lower": out["ratio"] - half, "ratio_upper": out["ratio"] + half}
    if not _is_certain(observed):
        shift = regress(observed, np.ones((p.size, 1)), offset=cloglog(p))
        value, error = float(shift.coefficients[0]), float(shift.standard_errors[0])
        out["intercept"] = value
        out |= {"intercept_lower": value - z * error, "intercept_upper": value + z * error}
    return out


def _is_certain(observed: Floats) -> bool:
    """Whether nobody, or everybody, is in the target."""
    return not _ROUNDING < float(observed.mean()) < 1.0 - _ROUNDING


def _no_slope(observed: Floats, p: Floats) -> str:
    """Say why there is no slope; empty where there is one."""
    if _is_certain(observed):
        return f"{'nobody' if observed.mean() < 0.5 else 'everybody'} was in the target"
    if np.ptp(cloglog(p)) < _ROUNDING:
        return "the same prediction for everybody"
    inside = observed >= 0.5
    if inside.any() and not inside.all():
        (low, high), (lower, upper) = (
            (float(p[side].min()), float(p[side].max())) for side in (inside, ~inside)
        )
        if low >= upper or high <= lower:
            return "separation: the predictions tell all in the target from all others"
    return ""


def _slope(observed: Floats, p: Floats, z: float) -> dict[str, float]:
    fit = regress(observed, np.column_stack([np.ones(p.size), cloglog(p)]))
    value, error = float(fit.coefficients[1]), float(fit.standard_errors[1])
    return dict(zip(_SLOPES, (value, value - z * error, value + z * error), strict=True))


def _curve_errors(
    observed: Floats, p: Floats, level: float, draws: int, rng: np.random.Generator
) -> dict[str, float]:
    x = cloglog(p)
    design = spline(x, spline_knots(x))
    if np.ptp(x) < _ROUNDING:  # the same prediction for everybody has no slope
        design = design[:, :1]
    fit = regress(observed, design)
    gap = np.abs(fit.mean(design) - p)
    found = {
        "ici": float(gap.mean()),
        "e50": float(np.quantile(gap, 0.5)),
        "e90": float(np.quantile(gap, 0.9)),
    }
    if draws:
        means = np.empty(draws)
        for b in range(draws):
            pick = rng.integers(p.size, size=p.size)
            again = regress(observed[pick], design[pick], begin=fit.coefficients)
            means[b] = np.abs(again.mean(design[pick]) - p[pick]).mean()
        found["ici_lower"], found["ici_upper"] = map(
            float, np.quantile(means, [0.5 - level / 2, 0.5 + level / 2])
        )
    return found


def _columns(process: CountingProcess, target: str | Sequence[str]) -> list[int]:
    names = (target,) if isinstance(target, str) else tuple(target)
    return [process.state(name) for name in names]


def _origin(process: CountingProcess) -> float:
    return float(process.start.min())
