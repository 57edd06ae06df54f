"""State occupation: the model's posterior mean against the Aalen–Johansen estimate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from twinbayes.arrays import Floats
from twinbayes.checks.result import CALIBRATION, CheckResult, CheckVerdict
from twinbayes.checks.suppression import SHOWN, publishable, states_shown
from twinbayes.cohort.quality.suppression import SMALLEST_CELL
from twinbayes.errors import CohortError, OptionError
from twinbayes.estimators.aalen_johansen import aalen_johansen
from twinbayes.estimators.counting import CountingProcess
from twinbayes.estimators.observed import as_horizons
from twinbayes.names import DAYS_PER_YEAR, PATIENT, STATE, SUBGROUP, TIME, WHOLE

ALL: Final = WHOLE
_NAME: Final = "state-occupation calibration"
_WIDEST: Final = 0.15  # half of the band, from which on hardly anything could be noticed
_YEARS: Final = (DAYS_PER_YEAR, 3 * DAYS_PER_YEAR, 5 * DAYS_PER_YEAR)


def state_occupation_calibration(
    predicted: xr.DataArray,
    process: CountingProcess,
    *,
    times: Sequence[float] = _YEARS,
    subgroup: Sequence[Any] | npt.NDArray[Any] | None = None,
    tolerance: float = 0.03,
    smallest: int = 40,
    level: float = 0.95,
    band: str = "cloglog",
    labels: Mapping[str, str] | None = None,
) -> CheckResult:
    """Check mean predicted state occupation, overall and in each subgroup.

    Parameters
    ----------
    predicted
        Posterior mean state probability, dims ``patient, time, state``; `time` in days since
        the origin. Forecasts must start at the origin of the process.
    process
        Counting-process rows of the same patients, matched by label.
    times
        Days at which to compare; each must be among the predicted times.
    subgroup
        One label a patient, in the order of `predicted`; by default its coordinate ``subgroup``,
        and without that only the whole is checked.
    tolerance
        Largest absolute difference for all patients together that passes whatever the band.
    smallest
        Subgroups with fewer patients are shown but do not count.
    level
        Probability of the pointwise Aalen–Johansen band. Where nobody or everybody was seen in a
        state the band of the estimator has no width; the exact binomial limit for the number of
        patients whose state is known takes its place.
    band
        Scale of the band. ``"cloglog"`` holds its probability where events are few; the
        ``"plain"`` band around one event among 66 patients covers 85 % where it says 95 %.
    labels
        State → how people read it in the sentence; the table has the names.

    Returns
    -------
    CheckResult
        One row a group, time and state: ``subgroup, n, time, state, predicted, observed, lower,
        upper, difference, inside, shown, counts``; `published` and the text leave out what was
        observed where `shown` is false, as so few were ever in the state. Fails if an overall
        difference exceeds the tolerance and lies outside the band: what chance alone makes is no
        failure. Warns if a counted subgroup leaves its band. Where the band of the whole reaches
        more than 15 percentage points to either side, or nobody went anywhere, the check is
        information alone. Each time is judged by itself: where nobody (of a group) was followed so
        long, and not all had reached an absorbing state, what was observed is NaN and the text says
        so. Not provided where there is one state only, which says nothing.

    Raises
    ------
    CohortError
        If patients or states of the two do not match.
    OptionError
        If a time is no day from the origin on or was not predicted, or the band is unknown.

    Examples
    --------
    >>> import xarray as xr
    >>> process = survival_process([100, 200, 300, 400], [1, 0, 1, 0])
    >>> dead = np.array([0.9, 0.2, 0.6, 0.1])
    >>> predicted = xr.DataArray(
    ...     np.stack([1 - dead, dead], axis=-1)[:, None],
    ...     dims=("patient", "time", "state"),
    ...     coords={"patient": process.patients, "time": [250.0], "state": ["alive", "dead"]},
    ... )
    >>> found = state_occupation_calibration(predicted, process, times=[250])
    >>> found.table[["state", "predicted", "observed"]].round(2)
       state  predicted  observed
    0  alive       0.55      0.75
    1   dead       0.45      0.25
    """
    times = [float(t) for t in as_horizons(list(times), "times of a calibration")]
    read = labels or {}
    values, patients, groups = _aligned(predicted, process, times, subgroup)
    if len(process.states) == 1:
        one = (
            "The model has one state, which nobody leaves: it is the numbers of events that count."
        )
        return CheckResult(_NAME, "not_provided", pd.DataFrame(), one, CALIBRATION)
    origin = float(process.start.min())
    parts = [_compare(ALL, values, process, origin, times, level, band)]
    for group in pd.unique(pd.Series(groups).dropna()):
        members = np.flatnonzero(groups == group)
        own = process.of_patients(patients[members])
        parts.append(_compare(str(group), values[members], own, origin, times, level, band))
    table = pd.concat(parts, ignore_index=True)
    table["counts"] = table["n"] >= smallest

    overall = table[table[SUBGROUP] == ALL]
    unseen = [f"{t:g}" for t in overall.loc[overall["observed"].isna(), TIME].unique()]
    none = f"NOT PROVIDED at {', '.join(unseen)} days: nobody was followed so long."
    if len(unseen) == len(times):
        return CheckResult(_NAME, "not_provided", table, none, CALIBRATION)
    judged = table[(table[SUBGROUP] != ALL) & table["counts"] & table["inside"].notna()]
    outside = judged[~judged["inside"].astype(bool)]
    seen = overall[overall["observed"].notna()]
    reach = float(((seen["upper"] - seen["lower"]) / 2).max())
    still = not bool((process.to_state >= 0).any())
    verdict = "info" if still else _verdict(seen, len(outside), reach, tolerance)
    text = _whole_words(seen, len(times) - len(unseen), tolerance, level, read)
    if still:
        text += "Nobody was seen to leave a state: this is no test. "
    elif verdict == "info":
        text += "So few patients can hardly contradict a prediction: this is no test. "
    text += _judged_words(table, judged, outside, smallest, level)
    text += _hidden_words(seen, read)
    if len(outside):
        text += f" Outside: {', '.join(sorted(set(outside[SUBGROUP])))}."
    text += _worst_subgroup(table, read)
    if unseen:
        text += f" {none}"
    return CheckResult(_NAME, verdict, table, text, CALIBRATION)


def _whole_words(
    seen: pd.DataFrame, judged: int, tolerance: float, level: float, read: Mapping[str, str]
) -> str:
    """Name the largest difference of all patients together, of the states that may be shown."""
    shown = seen[seen[SHOWN]]
    begin = f"At the {judged} times judged, mean predicted and Aalen–Johansen state occupation"
    if shown.empty:
        return f"{begin} were compared. "
    worst = shown.iloc[int(np.argmax(shown["difference"].abs()))]
    reach = float(((shown["upper"] - shown["lower"]) / 2).max())
    return (
        f"{begin} differ by at most {100 * abs(worst['difference']):.1f} percentage points (bar "
        f"{100 * tolerance:g}, or the {level:.0%} band, which reaches up to {100 * reach:.1f} to "
        f"either side): {_difference_words(worst, read)}, "
        f"{'inside' if worst['inside'] else 'outside'} its band. "
    )


def _hidden_words(seen: pd.DataFrame, read: Mapping[str, str]) -> str:
    """Say of which states nothing is shown."""
    few = dict.fromkeys(read.get(s, s) for s in seen.loc[~seen[SHOWN], STATE])
    if not few:
        return ""
    return (
        f" What was observed of {', '.join(few)} is hidden: fewer than {SMALLEST_CELL} patients "
        "were ever in one of the states, and the others would tell of it."
    )


def _verdict(seen: pd.DataFrame, outside: int, reach: float, tolerance: float) -> CheckVerdict:
    """Judge the whole by tolerance and band, and subgroups by how many values are outside."""
    beyond = (seen["difference"].abs() > tolerance) & ~seen["inside"].astype(bool)
    if beyond.any():
        return "fail"
    if outside:
        return "warn"
    return "info" if reach > _WIDEST else "pass"


def _judged_words(
    table: pd.DataFrame, judged: pd.DataFrame, outside: pd.DataFrame, smallest: int, level: float
) -> str:
    """Say how many subgroups are large enough to be judged, and how they did."""
    groups = table.loc[table[SUBGROUP] != ALL, SUBGROUP].nunique()
    if not groups:
        return "Subgroups were not compared."
    return (
        f"Of {groups} subgroups {judged[SUBGROUP].nunique()} have {smallest} patients or more and "
        f"are judged; of the others nothing is said. {len(outside)} of {len(judged)} values lie "
        f"outside the pointwise {level:.0%} band."
    )


def _worst_subgroup(table: pd.DataFrame, read: Mapping[str, str]) -> str:
    """Name the largest difference in a subgroup, of those that may be shown."""
    shown = publishable(table)
    shown = shown[(shown[SUBGROUP] != ALL) & shown["difference"].notna()]
    if shown.empty:
        return ""
    worst = shown.iloc[int(np.argmax(shown["difference"].astype(float).abs()))]
    within = "inside" if worst["inside"] else "outside"
    return (
        f" Largest difference in a subgroup, {within} its band: {worst[SUBGROUP]}, "
        f"{_difference_words(worst, read)}."
    )


def _difference_words(row: pd.Series, read: Mapping[str, str]) -> str:
    """State, day, and what was predicted and observed."""
    return (
        f"{read.get(row[STATE], row[STATE])} on day {_day_words(row[TIME])}, "
        f"predicted {row['predicted']:.1%}, observed {row['observed']:.1%}"
    )


def _day_words(day: float) -> str:
    """Write a day; parts of it where there are few days."""
    return f"{day:.0f}" if day >= 100.0 else f"{day:.3g}"


def _aligned(
    predicted: xr.DataArray,
    process: CountingProcess,
    times: Sequence[float],
    subgroup: Sequence[Any] | npt.NDArray[Any] | None,
) -> tuple[Floats, npt.NDArray[Any], npt.NDArray[Any]]:
    """Values (patient, time, state) in the order of the process' states, labels and groups."""
    if set(predicted.dims) != {PATIENT, TIME, STATE}:
        raise CohortError(f"predictions have dims {predicted.dims}; expected patient, time, state.")
    labels = predicted[PATIENT].to_numpy()
    if set(labels.tolist()) != set(process.patients.tolist()):
        raise CohortError("predictions and counting process are not of the same patients.")
    if set(predicted[STATE].to_numpy().tolist()) != set(process.states):
        raise CohortError("predictions and counting process do not have the same states.")
    days = predicted[TIME].to_numpy()
    nearest = np.array([int(np.argmin(np.abs(days - t))) for t in times])
    if np.any(np.abs(days[nearest] - np.asarray(times)) > 1e-6):
        raise OptionError("a time to compare is not among the predicted times; forecast it.")
    values = predicted.isel({TIME: nearest}).sel({STATE: list(process.states)})
    if subgroup is None:
        known = predicted.coords.get(SUBGROUP)
        groups = np.full(labels.shape, None) if known is None else known.to_numpy()
    else:
        groups = np.asarray(subgroup)
    if groups.shape != labels.shape:
        raise CohortError(f"{groups.size} subgroup labels for {labels.size} patients.")
    return values.transpose(PATIENT, TIME, STATE).to_numpy(), labels, groups


def _compare(
    name: str,
    values: Floats,
    process: CountingProcess,
    origin: float,
    times: Sequence[float],
    level: float,
    band: str,
) -> pd.DataFrame:
    days = origin + np.asarray(times, dtype=np.float64)
    found = aalen_johansen(process, origin=origin, level=level, band=band)
    curve = found.dataset(np.minimum(days, found.known_until))
    observed, known = curve["probability"].to_numpy(), process.n_known(days)[:, None]
    lower, upper = curve["lower"].to_numpy(), curve["upper"].to_numpy()
    bare = curve["standard_error"].to_numpy() == 0.0
    tail = ((1.0 - level) / 2) ** (1.0 / np.maximum(known, 1))
    upper = np.where(bare & (observed < 0.5), 1.0 - tail, upper)
    lower = np.where(bare & (observed > 0.5), tail, lower)
    mean = values.mean(axis=0)
    followed = np.broadcast_to(days[:, None] <= found.known_until, mean.shape)
    inside = pd.array(((lower <= mean) & (mean <= upper)).ravel(), dtype="boolean")
    inside[~followed.ravel()] = pd.NA
    index = pd.MultiIndex.from_product([list(times), list(process.states)], names=[TIME, STATE])
    table = pd.DataFrame(
        {
            "predicted": mean.ravel(),
            "observed": np.where(followed, observed, np.nan).ravel(),
            "lower": np.where(followed, lower, np.nan).ravel(),
            "upper": np.where(followed, upper, np.nan).ravel(),
            "difference": np.where(followed, mean - observed, np.nan).ravel(),
            "inside": inside,
        },
        index=index,
    ).reset_index()
    table[SHOWN] = table[STATE].isin(states_shown(process))
    table.insert(0, "n", values.shape[0])
    table.insert(0, SUBGROUP, name)
    return table
