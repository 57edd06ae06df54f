"""Calibration of the predicted probabilities of being in a state.

Regression of pseudo-values on the predictions, on the complementary log–log scale (the log
cumulative hazard in the survival case): calibration in the large, slope, and the integrated
calibration index (Austin, Harrell & van Klaveren 2020). One code for survival, competing risks
and state occupation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from twinbayes.arrays import Floats
from twinbayes.checks.calibration.cloglog import cloglog, regress, spline, spline_knots
from twinbayes.checks.result import CALIBRATION, CheckResult, CheckVerdict
from twinbayes.checks.scores.predictions import as_probabilities
from twinbayes.errors import CohortError, require_seed
from twinbayes.estimators.aalen_johansen import aalen_johansen
from twinbayes.estimators.counting import CountingProcess
from twinbayes.estimators.pseudo_values import pseudo_values


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
        ``intercept`` (slope held at 1), ``slope``, ``ici``, ``e50``, ``e90``, with bounds.
    """
    days = np.atleast_1d(np.asarray(horizons, dtype=np.float64))
    columns = _columns(process, target)
    p = as_probabilities(probability, process.patients.size, days.size)
    z = float(norm.ppf(0.5 + level / 2))
    rng = np.random.default_rng(require_seed(seed))
    rows = []
    for k, day in enumerate(days):
        observed = pseudo_values(process, float(day), origin=_origin(process))[:, columns].sum(1)
        rows.append(
            {
                "horizon": day,
                "n": p.shape[0],
                **_in_the_large(observed, p[:, k], z),
                **_slope(observed, p[:, k], z),
                **_curve_errors(observed, p[:, k], level, n_bootstrap, rng),
            }
        )
    table = pd.DataFrame(rows)
    low, high = slope_range
    verdict: CheckVerdict = "pass"
    if not table["slope"].between(low, high).all():
        reaches = (table["slope_lower"] <= high) & (table["slope_upper"] >= low)
        verdict = "warn" if reaches.all() else "fail"
    slopes = ", ".join(f"{s:.2f} at {d:g}" for s, d in zip(table["slope"], days, strict=True))
    text = (
        f"Calibration slope {slopes} days (between {low:g} and {high:g} passes); largest "
        f"integrated calibration index {table['ici'].max():.3f}; intervals are {level:.0%}."
    )
    return CheckResult(name, verdict, table, text, CALIBRATION)


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
    """
    days = np.atleast_1d(np.asarray(horizons, dtype=np.float64))
    columns = _columns(process, target)
    p = as_probabilities(probability, process.patients.size, days.size)
    rows = []
    for k, day in enumerate(days):
        observed = pseudo_values(process, float(day), origin=_origin(process))[:, columns].sum(1)
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
    """
    p = as_probabilities(probability, process.patients.size, 1)[:, 0]
    observed = pseudo_values(process, horizon, origin=_origin(process))
    x = cloglog(p)
    knots = spline_knots(x)
    fit = regress(observed[:, _columns(process, target)].sum(1), spline(x, knots))
    if grid is None:
        grid = np.linspace(np.quantile(p, 0.01), np.quantile(p, 0.99), 50)
    at = np.asarray(grid, dtype=np.float64)
    design = spline(cloglog(at), knots)
    eta = design @ fit.coefficients
    half = float(norm.ppf(0.5 + level / 2)) * np.sqrt(
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
        Columns ``group, n, predicted, observed, lower, upper``.
    """
    p = as_probabilities(probability, process.patients.size, 1)[:, 0]
    if isinstance(groups, int):
        rank = np.argsort(np.argsort(p, kind="stable"), kind="stable")
        labels: npt.NDArray[Any] = rank * groups // p.size + 1
    else:
        labels = np.asarray(groups)
    if labels.shape != p.shape:
        raise CohortError(f"{labels.size} group labels for {p.size} patients; give one a patient.")
    columns, patients, rows = _columns(process, target), process.patients, []
    z = float(norm.ppf(0.5 + level / 2))
    for label in np.unique(labels):
        members = labels == label
        own = process.of_patients(patients[members])
        curve = aalen_johansen(own, origin=_origin(process), level=level)
        index = int(np.searchsorted(curve.time, horizon, side="right")) - 1
        observed = float(curve.probability[index, columns].sum())
        error = float(np.sqrt(max(curve.covariance[index][np.ix_(columns, columns)].sum(), 0.0)))
        rows.append(
            {
                "group": label,
                "n": int(members.sum()),
                "predicted": float(p[members].mean()),
                "observed": observed,
                "lower": max(0.0, observed - z * error),
                "upper": min(1.0, observed + z * error),
            }
        )
    return pd.DataFrame(rows)


def hazard_slope(
    time: npt.ArrayLike, event: npt.ArrayLike, probability: npt.ArrayLike, horizon: float
) -> tuple[float, float]:
    """Return the calibration slope from a Cox regression up to the horizon, and its error.

    The hazard up to `horizon` is regressed on the log predicted cumulative hazard,
    log(−log(1 − p)). For one event without competing risks; more precise there than the slope of
    `calibration`, because the order of the events counts too. Ties as Breslow.

    Parameters
    ----------
    time, event
        Shape (patients,).
    probability
        Predicted probability of the event by the horizon, shape (patients,).
    horizon
        Day at which follow-up is cut.
    """
    day, died = np.asarray(time, dtype=np.float64), np.asarray(event).astype(np.bool_)
    p = as_probabilities(probability, day.size, 1)[:, 0]
    died = died & (day <= horizon)
    x = cloglog(p)
    x = x - x.mean()
    order = np.argsort(-np.minimum(day, horizon), kind="stable")
    x, died, day = x[order], died[order], -np.minimum(day, horizon)[order]
    at_risk = np.searchsorted(day, day[died], side="right") - 1
    slope = 1.0
    for _ in range(50):
        weight = np.exp(np.clip(slope * x, -50.0, 50.0))
        s0, s1, s2 = (np.cumsum(weight * x**k)[at_risk] for k in range(3))
        information = float(np.sum(s2 / s0 - (s1 / s0) ** 2))
        step = float(np.sum(x[died] - s1 / s0)) / information
        slope += float(np.clip(step, -1.0, 1.0))
        if abs(step) < 1e-10:
            break
    return slope, information**-0.5


def _in_the_large(observed: Floats, p: Floats, z: float) -> dict[str, float]:
    ratio = observed.mean() / p.mean()
    spread = np.std(observed - ratio * p, ddof=1) / (np.sqrt(p.size) * p.mean())
    shift = regress(observed, np.ones((p.size, 1)), offset=cloglog(p))
    value, error = float(shift.coefficients[0]), float(shift.standard_errors[0])
    return {
        "observed": float(observed.mean()),
        "predicted": float(p.mean()),
        "ratio": float(ratio),
        "ratio_lower": float(ratio - z * spread),
        "ratio_upper": float(ratio + z * spread),
        "intercept": value,
        "intercept_lower": value - z * error,
        "intercept_upper": value + z * error,
    }


def _slope(observed: Floats, p: Floats, z: float) -> dict[str, float]:
    fit = regress(observed, np.column_stack([np.ones(p.size), cloglog(p)]))
    value, error = float(fit.coefficients[1]), float(fit.standard_errors[1])
    return {"slope": value, "slope_lower": value - z * error, "slope_upper": value + z * error}


def _curve_errors(
    observed: Floats, p: Floats, level: float, draws: int, rng: np.random.Generator
) -> dict[str, float]:
    x = cloglog(p)
    design = spline(x, spline_knots(x))
    if np.ptp(x) < 1e-9:  # the same prediction for everybody has no slope
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
