"""Events that recur: how many the model expects, against how many there were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from twinbayes.arrays import Floats, Ints
from twinbayes.checks.result import CALIBRATION, CheckResult, CheckVerdict
from twinbayes.cohort.quality.suppression import SMALLEST_CELL
from twinbayes.errors import CohortError, OptionError
from twinbayes.estimators import mean_count
from twinbayes.estimators.observed import as_horizons
from twinbayes.inference import CompiledFit, Fit
from twinbayes.model.courses.graph import StateGraph
from twinbayes.names import PATIENT, RECURRENT_EVENT, SUBGROUP, TIME, WHOLE

_NAME: Final = "calibration of the number of events"
_CLOSE: Final = 0.1  # of the number observed: a smaller difference fails no model


def mean_count_calibration(
    predicted: xr.DataArray,
    source: Fit | CompiledFit,
    *,
    times: Sequence[float],
    smallest: int = 40,
    level: float = 0.95,
) -> CheckResult:
    """Check mean expected numbers of events that recur, overall and in each subgroup.

    Counted is what the model follows: moves along its transitions, up to the end of a patient's
    path. A state that is never left ends the count, as it does in the model; a death that the model
    does not know is the end of follow-up.

    Parameters
    ----------
    predicted
        Expected numbers of every patient with time at risk since day 0, dims
        ``patient, time, recurrent_event``, the last with events that recur, or with states that
        are entered again; a coordinate ``subgroup`` along patient where subgroups are to be
        looked at.
    source
        The fit of these patients.
    times
        Days among the predicted times.
    smallest
        Subgroups with fewer patients are not shown; nor is any, if the others together were few.
    level
        Probability of the pointwise intervals around what was counted.

    Returns
    -------
    CheckResult
        One row a group, time and event: ``subgroup, n, time, recurrent_event, predicted, observed,
        lower, upper, inside``. Fails if a number of all patients lies outside its interval and is
        off by more than a tenth; warns if one of a subgroup does, or one of all by less. Times for
        which nobody, or nobody of a subgroup, was followed are left out, and said.

    Raises
    ------
    CohortError
        Predictions are of other patients, or not finite.
    OptionError
        A time is no day or was not predicted, or an event is none of the model that recurs.

    Examples
    --------
    >>> import xarray as xr
    >>> from twinbayes.diseases.synthetic import synthetic_cohort
    >>> spec = tb.disease("cgd")
    >>> cohort = synthetic_cohort(spec, n_patients=60)
    >>> compiled = compile_fit(spec, cohort)  # doctest: +SKIP
    >>> predicted = xr.DataArray(
    ...     np.full((60, 1, 1), 1.5),
    ...     dims=("patient", "time", "recurrent_event"),
    ...     coords={
    ...         "patient": list(cohort.patient_ids),
    ...         "time": [180.0],
    ...         "recurrent_event": ["infection"],
    ...     },
    ... )
    >>> found = mean_count_calibration(predicted, compiled, times=[180.0])  # doctest: +SKIP
    >>> found.table[["subgroup", "n", "predicted", "inside"]]  # doctest: +SKIP
      subgroup   n  predicted  inside
    0      all  60        1.5    True
    """
    _require_predicted(predicted)
    days = as_horizons(list(times), "times of a calibration")
    at = _positions(predicted, days)
    if (source.cohort.entries[0] > 0.0).any():
        text = "Patients come under observation late: their events before are not known."
        return CheckResult.not_provided(_NAME, text, topic=CALIBRATION)
    known = {str(p): i for i, p in enumerate(source.cohort.patient_ids)}
    labels = predicted[PATIENT].to_numpy().astype(str)
    if not set(labels) <= set(known):
        raise CohortError("Predictions and fit are not of the same patients. Predict the fit's.")
    who = np.array([known[p] for p in labels])
    rows, unseen = [], []
    for group, members in _groups(predicted, labels, smallest).items():
        for event in predicted[RECURRENT_EVENT].to_numpy():
            ends, final, owner, day = _counted(source, str(event), who[members])
            mean = predicted.sel({RECURRENT_EVENT: event}).transpose(PATIENT, TIME).to_numpy()
            seen = [k for k, t in enumerate(days) if t <= ends.max() or final.all()]
            unseen += [f"{group} at {days[k]:g}" for k in range(len(days)) if k not in seen]
            if not seen:
                continue
            found = mean_count(ends, final, owner, day, times=days[seen])
            for k, observed in zip(seen, found, strict=True):
                lower, upper = observed.interval(level)
                value = float(mean[members, at[k]].mean())
                rows.append(
                    {
                        SUBGROUP: group, "n": len(members), TIME: float(days[k]),
                        RECURRENT_EVENT: str(event), "predicted": value,
                        "observed": observed.value, "lower": lower, "upper": upper,
                        "inside": lower <= value <= upper,
                    }
                )  # fmt: skip
    return _judged(pd.DataFrame(rows), list(dict.fromkeys(unseen)), level)


def _require_predicted(predicted: xr.DataArray) -> None:
    if not isinstance(predicted, xr.DataArray) or set(predicted.dims) != {
        PATIENT, TIME, RECURRENT_EVENT,
    }:  # fmt: skip
        raise CohortError(
            "Predictions must be a DataArray of dims patient, time, recurrent_event, such as "
            "`expected_events` of a forecast."
        )
    if not predicted.sizes[PATIENT] or not np.isfinite(predicted.to_numpy()).all():
        raise CohortError("Predictions are of nobody, or not finite. Forecast them anew.")


def _positions(predicted: xr.DataArray, days: Floats) -> Ints:
    """Where each day is among the predicted times."""
    given = predicted[TIME].to_numpy().astype(float)
    nearest = np.abs(given[None, :] - days[:, None]).argmin(axis=1)
    if np.any(np.abs(given[nearest] - days) > 1e-6):
        raise OptionError("A time to compare is not among the predicted times; forecast it.")
    return np.asarray(nearest)


def _groups(
    predicted: xr.DataArray, labels: npt.NDArray[np.str_], smallest: int
) -> dict[str, Ints]:
    """Everybody, and the subgroups that can be shown: means times sizes are counts."""
    found = {WHOLE: np.arange(len(labels))}
    if SUBGROUP in predicted.coords:
        own = predicted[SUBGROUP].to_numpy().astype(str)
        groups = {str(g): np.flatnonzero(own == g) for g in sorted(set(own))}
        large = {g: members for g, members in groups.items() if len(members) >= smallest}
        rest = len(labels) - sum(map(len, large.values()))
        if len(groups) > 1 and (rest == 0 or rest >= max(smallest, SMALLEST_CELL)):
            found |= large
    return found


def _counted(
    source: Fit | CompiledFit, event: str, who: Ints
) -> tuple[Floats, npt.NDArray[np.bool_], Ints, Floats]:
    """Ends of the paths, whether in a final state, and owner and day of each event counted."""
    graph: StateGraph = source.spec.graph
    moves = list(enumerate(graph.transitions))
    if event in graph.recurrent_events:
        wanted = [k for k, t in moves if t.source == t.target and t.event == event]
    else:
        wanted = [k for k, t in moves if t.target == event and graph.recurs(t.label)]
    if not wanted:
        raise OptionError(f"{event!r} is no event or state of the model that recurs.")
    histories = source.plan.events.histories
    place = {int(i): k for k, i in enumerate(who)}
    ends = np.zeros(len(who))
    owner, day = [], []
    for episode in histories.episodes:
        k = place.get(episode.patient)
        if k is None:
            continue
        ends[k] = max(ends[k], episode.stop)
        if episode.exit in wanted:
            owner.append(k)
            day.append(episode.stop)
    final = np.array([histories.present[i].state in graph.absorbing for i in who], dtype=bool)
    return ends, final, np.array(owner, dtype=np.int64), np.array(day, dtype=float)


def _judged(table: pd.DataFrame, unseen: Sequence[str], level: float) -> CheckResult:
    late = ", ".join(unseen)
    none = f"NOT PROVIDED, as nobody was followed so long: {late} days." if unseen else ""
    if table.empty:
        return CheckResult(_NAME, "not_provided", table, none, CALIBRATION)
    whole = table[SUBGROUP] == WHOLE
    outside = table[~table["inside"]]
    off = (outside["predicted"] - outside["observed"]).abs() / outside["observed"].clip(lower=1e-9)
    failed = outside[(outside[SUBGROUP] == WHOLE) & (off > _CLOSE)]
    verdict: CheckVerdict = "fail" if len(failed) else "warn" if len(outside) else "pass"
    differences = (table["predicted"] - table["observed"]).abs().where(whole, -1.0)
    one = table.iloc[int(np.argmax(differences.to_numpy()))]
    text = (
        f"Of all patients the largest difference is that by day {one[TIME]:g}: "
        f"{one['predicted']:.2f} events a patient expected, {one['observed']:.2f} counted "
        f"({level:.0%} interval {one['lower']:.2f} to {one['upper']:.2f}). "
        f"{len(outside)} of {len(table)} numbers, of all and of subgroups, lie outside theirs."
    )
    return CheckResult(_NAME, verdict, table, f"{text} {none}".strip(), CALIBRATION)
