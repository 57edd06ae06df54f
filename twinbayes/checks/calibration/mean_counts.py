"""Events that recur: how many the model expects, against how many there were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr

from twinbayes.checks.result import CALIBRATION, CheckResult, CheckVerdict
from twinbayes.cohort import Cohort
from twinbayes.estimators import mean_count
from twinbayes.names import (
    DAY,
    DEATH,
    EVENT,
    PATIENT,
    PATIENT_ID,
    RECURRENT_EVENT,
    SUBGROUP,
    TERMINAL_EVENTS,
    TIME,
    WHOLE,
)

_NAME: Final = "calibration of the number of events"
_CLOSE: Final = 0.1  # of the number observed: a smaller difference fails no model


def mean_count_calibration(
    predicted: xr.DataArray,
    cohort: Cohort,
    *,
    times: Sequence[float],
    smallest: int = 40,
    level: float = 0.95,
) -> CheckResult:
    """Check mean expected numbers of events that recur, overall and in each subgroup.

    Parameters
    ----------
    predicted
        Expected events of every patient since day 0, dims ``patient, time, recurrent_event``; a
        coordinate ``subgroup`` along patient where subgroups are to be looked at.
    cohort
        The records of these patients.
    times
        Days among the predicted times.
    smallest
        Subgroups with fewer patients are shown but do not count.
    level
        Probability of the pointwise intervals around what was counted.

    Returns
    -------
    CheckResult
        One row a group, time and event: ``subgroup, n, time, recurrent_event, predicted, observed,
        lower, upper, inside, counts``. Fails if a number of all patients lies outside its interval
        and is off by more than a tenth; warns if one of a counted subgroup does, or one of all by
        less. What nobody was followed for is not there, and said.

    Raises
    ------
    CohortError
        See `mean_count`.
    """
    ends = cohort.events[cohort.events[EVENT].isin(TERMINAL_EVENTS)].set_index(PATIENT_ID)
    labels = predicted[PATIENT].to_numpy().astype(str)
    groups = {WHOLE: np.ones(len(labels), dtype=bool)}
    if SUBGROUP in predicted.coords:
        own = predicted[SUBGROUP].to_numpy().astype(str)
        groups |= {str(g): own == g for g in sorted(set(own))}
    rows: list[dict[str, object]] = []
    unseen: set[float] = set()
    for group, members in groups.items():
        ids = labels[members]
        last, died = ends.loc[ids, DAY].to_numpy(float), (ends.loc[ids, EVENT] == DEATH).to_numpy()
        known = [t for t in times if t <= last.max()]
        unseen |= {t for t in times if group == WHOLE and t not in known}
        for event in predicted[RECURRENT_EVENT].to_numpy():
            events = cohort.events[cohort.events[EVENT].isin(str(event).split("|"))]
            mine = events[events[PATIENT_ID].isin(ids)]
            counted = mean_count(
                last, died, mine[PATIENT_ID].to_numpy(), mine[DAY].to_numpy(float),
                times=known, patient=ids,
            ) if known else []  # fmt: skip
            for time, observed in zip(known, counted, strict=True):
                at = predicted.sel({RECURRENT_EVENT: event}).sel({TIME: time}, method="nearest")
                lower, upper = observed.interval(level)
                mean = float(at.to_numpy()[members].mean())
                rows.append(
                    {
                        SUBGROUP: group, "n": len(ids), TIME: time, RECURRENT_EVENT: event,
                        "predicted": mean, "observed": observed.value,
                        "lower": lower, "upper": upper, "inside": lower <= mean <= upper,
                        "counts": len(ids) >= smallest,
                    }
                )  # fmt: skip
    return _judged(pd.DataFrame(rows), sorted(unseen), smallest, level)


def _judged(
    table: pd.DataFrame, unseen: Sequence[float], smallest: int, level: float
) -> CheckResult:
    none = [f"NOT PROVIDED at {t:g} days: nobody was followed so long." for t in unseen]
    if table.empty:
        return CheckResult(_NAME, "not_provided", table, " ".join(none), CALIBRATION)
    whole = table[SUBGROUP] == WHOLE
    outside = table[~table["inside"] & (whole | table["counts"])]
    off = (outside["predicted"] - outside["observed"]).abs() / outside["observed"].clip(lower=1e-9)
    failed = outside[(outside[SUBGROUP] == WHOLE) & (off > _CLOSE)]
    verdict: CheckVerdict = "fail" if len(failed) else "warn" if len(outside) else "pass"
    differences = (table["predicted"] - table["observed"]).abs().where(whole, -1.0)
    one = table.iloc[int(np.argmax(differences.to_numpy()))]
    text = (
        f"Of all patients the largest difference is that by day {one[TIME]:g}: "
        f"{one['predicted']:.2f} events a patient expected, {one['observed']:.2f} counted "
        f"({level:.0%} interval {one['lower']:.2f} to {one['upper']:.2f}). "
        f"{len(outside)} of {int((whole | table['counts']).sum())} numbers of all and of subgroups "
        f"of {smallest} or more lie outside their interval."
    )
    return CheckResult(_NAME, verdict, table, " ".join([text, *none]), CALIBRATION)
