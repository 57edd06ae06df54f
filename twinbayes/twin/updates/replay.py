"""What the record of an update says, and doing the update again to see whether it is true."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
import pandas as pd

from twinbayes.cohort import Cohort
from twinbayes.errors import TwinbayesError, TwinError
from twinbayes.inference import Fit
from twinbayes.inference.files.manifest import package_versions
from twinbayes.names import (
    DAY,
    DAYS_PER_YEAR,
    EVENT,
    EVENTS,
    MARKER,
    NEEDS_REFIT,
    PATIENT_ID,
    SURVIVAL,
    TERMINAL_EVENTS,
    TREATMENT,
    TREATMENTS,
    VISIT_VALUE,
    VISITS,
)
from twinbayes.twin.answers.forecast import forecast_patients
from twinbayes.twin.patients import Change, Patients
from twinbayes.twin.scenario import POLICY
from twinbayes.twin.updates.rows import with_rows
from twinbayes.twin.weighting.seen import SeenByFit

HORIZONS: Final = tuple(years * DAYS_PER_YEAR for years in (1.0, 2.0, 5.0))
_KEYS: Final = {
    VISITS: [DAY, MARKER],
    EVENTS: [DAY, EVENT],
    TREATMENTS: ["start_day", TREATMENT],
}


@dataclass(frozen=True)
class Step:
    """One patient's record before and after an update.

    Attributes
    ----------
    before, after
        The record, as a cohort of one.
    added
        By table, positions of the new rows in `after`; last rows of a record are not counted.
    """

    before: Cohort
    after: Cohort
    added: Mapping[str, Sequence[int]]

    @classmethod
    def of(cls, twin: Patients, change: Change, patient: str) -> Step:
        """Step that an update takes with one patient."""
        after = twin.cohort.select([patient])
        added = {}
        for table, key in _KEYS.items():
            rows, there = getattr(change, table), after.tables.get(table)
            new = {
                tuple(row)
                for row in rows.loc[rows[PATIENT_ID] == patient, key].itertuples(index=False)
                if table != EVENTS or row[1] not in TERMINAL_EVENTS
            }
            have = [] if there is None else list(there[key].itertuples(index=False))
            added[table] = [k for k, row in enumerate(have) if tuple(row) in new]
        return cls(change.before.cohort.select([patient]), after, added)


def describe_update(twin: Patients) -> dict[str, Any]:
    """What a ledger keeps of the last update of a twin, as plain JSON.

    Raises
    ------
    TwinError
        The twin was not updated, or does not come from a fit.
    """
    change, seen = twin.change, twin.seen
    if change is None or seen is None:
        raise TwinError(
            "ledger: this twin was not updated. Append what Twin.update returned, for a twin made "
            "by Fit.twin."
        )
    named = pd.concat([getattr(change, t)[PATIENT_ID] for t in _KEYS]).astype(str).unique()

    def alone(cohort: Cohort) -> Patients:
        return replace(twin, cohort=cohort, change=None)

    return {
        "fit": fit_identity(seen, twin),
        "priors": list(seen.manifest.get("prior_ids", ())),
        "versions": package_versions(),
        "draws": twin.population.n_draws,
        "horizons_days": list(HORIZONS),
        "patients": [describe_step(Step.of(twin, change, p), alone) for p in named],
    }


def fit_identity(seen: SeenByFit, twin: Patients) -> dict[str, str]:
    """Hashes of a fit's manifest and of the draws that a twin uses."""
    text = json.dumps(dict(seen.manifest), sort_keys=True)
    content = hashlib.sha256()
    for part in (twin.population, twin.curve_population):
        for name in sorted(f.name for f in fields(part)) if part is not None else ():
            if isinstance(value := getattr(part, name), np.ndarray):
                content.update(f"{name}{value.shape}".encode())
                content.update(np.ascontiguousarray(value).tobytes())
    return {
        "manifest": hashlib.sha256(text.encode()).hexdigest(),
        "draws": content.hexdigest(),
    }


def describe_step(step: Step, twin_of: Callable[[Cohort], Patients]) -> dict[str, Any]:
    """What a ledger keeps of one patient's update.

    Parameters
    ----------
    twin_of
        Makes the twin of a record.
    """
    before, after = twin_of(step.before), twin_of(step.after)
    rows = {t: step.after.tables[t].iloc[list(k)] for t, k in step.added.items() if k}
    empty = pd.DataFrame(columns=[PATIENT_ID, DAY, MARKER, VISIT_VALUE])
    change = Change(before, rows.get(VISITS, empty), empty, empty)
    trust = replace(after, change=change).trust_table.iloc[0]
    ends = [_end_of(step.before), _end_of(step.after)]
    survival = [_survival(p) for p in (before, after)]
    return {
        "before": record_fingerprint(step.before),
        "after": record_fingerprint(step.after),
        "last_day": [day for day, _ in ends],
        "last_event": [event for _, event in ends],
        "added": {table: [int(k) for k in some] for table, some in step.added.items()},
        "counts": {table: len(some) for table, some in step.added.items()},
        SURVIVAL: dict(zip(("before", "after"), survival, strict=True)),
        "moved_most": _moved_most(step, survival[1], twin_of),
        "reliability": {
            **{
                name: float(trust[name]) if math.isfinite(trust[name]) else None
                for name in ("pareto_k", "ess", "proposal_efficiency", "surprise")
            },
            NEEDS_REFIT: bool(trust[NEEDS_REFIT]),
        },
    }


def record_fingerprint(cohort: Cohort) -> str:
    """Fingerprint of a record, for which an empty table is as none at all."""
    visits, treatments = (cohort.tables.get(t) for t in (VISITS, TREATMENTS))
    return replace(
        cohort,
        visits=None if visits is None or visits.empty else visits,
        treatments=None if treatments is None or treatments.empty else treatments,
    ).fingerprint


def _end_of(cohort: Cohort) -> tuple[float, str]:
    last = cohort.events[cohort.events[EVENT].isin(TERMINAL_EVENTS)].iloc[-1]
    return float(last[DAY]), str(last[EVENT])


def _survival(patients: Patients) -> list[list[float]]:
    """(horizon, 3): mean, lower and upper bound of survival."""
    forecast = forecast_patients(patients, max(HORIZONS), HORIZONS, POLICY, 0.9, draws=False)
    columns = [forecast[f"{SURVIVAL}{s}"].to_numpy()[0] for s in ("", "_lower", "_upper")]
    return [[float(x) for x in row] for row in zip(*columns, strict=True)]


def _moved_most(
    step: Step, survival: list[list[float]], twin_of: Callable[[Cohort], Patients]
) -> dict[str, Any] | None:
    """The new visit without which mean survival would differ most at some horizon."""
    most, largest, visits = None, -1.0, step.after.visits
    if visits is None:
        return None
    for k in step.added[VISITS]:
        kept = visits.drop(visits.index[k]).reset_index(drop=True)
        without = _survival(twin_of(step.after.with_rows({VISITS: kept})))
        shifts = [a[0] - b[0] for a, b in zip(survival, without, strict=True)]
        h = int(np.argmax(np.abs(shifts)))
        if abs(shifts[h]) > largest:
            largest, marker = abs(shifts[h]), str(visits[MARKER].iloc[k])
            most = {"visit": k, "marker": marker, "horizon_days": HORIZONS[h], "shift": shifts[h]}
    return most


def replay(fit: Fit, cohort: Cohort, records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Do every update of a ledger again, and say what does not come out bit for bit the same.

    Parameters
    ----------
    fit
        The fit that made the twins.
    cohort
        The patients' records, at least up to their last updates; or as they were before, where the
        updates themselves hold the rows that were added, as those of the ward explorer do.
    records
        From `Ledger.records`.

    Returns
    -------
    list of str
        One line a problem, by number of the record; empty if all is as recorded.

    Examples
    --------
    >>> who = fit.cohort.patient_ids[0]
    >>> visits = fit.cohort.visits.query("patient_id == @who and 20 < day <= 60")
    >>> twin = fit.twin(who, at=20)
    >>> record = Ledger.begin("updates.jsonl").append(twin.update(visits))
    >>> replay(fit, fit.cohort, Ledger("updates.jsonl").records())
    []
    """
    problems: list[str] = []
    known = _longer(fit, cohort, records)
    for record in reversed(records):
        name = f"record {record['record']}"
        try:
            twin = fit.twin(cohort.select(cohort.patient_ids[:1]), draws=record["draws"])
        except ValueError as error:
            problems.append(f"{name}: {error}")
            continue
        if twin.seen is None or fit_identity(twin.seen, twin) != record["fit"]:
            problems.append(f"{name}: was made with another fit or other draws.")
            continue
        if tuple(record["horizons_days"]) != HORIZONS:
            problems.append(f"{name}: has other horizons than this version of twinbayes.")
            continue

        def twin_of(one: Cohort, draws: int = record["draws"]) -> Patients:
            patients: Patients = fit.twin(one, draws=draws)
            return patients

        for entry in record["patients"]:
            after = known.get(entry["after"]) or _found(cohort, entry)
            if after is None:
                problems.append(f"{name}: no patient of this cohort has the record it names.")
                continue
            step = Step(_undone(after, entry), after, entry["added"])
            known[entry["before"]] = step.before
            found = json.loads(json.dumps(describe_step(step, twin_of)))
            both = entry.keys() | found.keys()
            differs = sorted(key for key in both if entry.get(key) != found.get(key))
            if differs:
                same = record["versions"] == package_versions()
                why = "" if same else " (it was made with other versions of packages)"
                problems.append(f"{name}: not reproduced: {', '.join(differs)}{why}.")
    return problems[::-1]


def _longer(fit: Fit, cohort: Cohort, records: Sequence[Mapping[str, Any]]) -> dict[str, Cohort]:
    """By fingerprint: records as updates leave them that hold the rows which were added.

    Rows that cannot be added to the patient's record lead nowhere: the update is then told as one
    of nobody's record.
    """
    known: dict[str, Cohort] = {}
    last: dict[str, Cohort] = {}
    for record in records:
        rows, patient = record.get("rows"), record.get(PATIENT_ID)
        if rows is None or (patient not in last and patient not in cohort.patient_ids):
            continue
        before = last.get(patient) or cohort.select([patient])
        try:
            twin = with_rows(fit.twin(before), rows)
        except TwinbayesError:
            continue
        last[patient] = twin.cohort
        known[record_fingerprint(twin.cohort)] = twin.cohort
    return known


def _found(cohort: Cohort, entry: Mapping[str, Any]) -> Cohort | None:
    """The record of the patient that an entry is about, as it was after the update."""
    day = float(entry["last_day"][1])
    cut = cohort.until(day)
    for patient in cohort.patient_ids:
        one = cut.select([patient])
        if _end_of(one)[0] == day and record_fingerprint(one) == entry["after"]:
            return one
    return None


def _undone(after: Cohort, entry: Mapping[str, Any]) -> Cohort:
    """The record before an update."""
    tables = {}
    for table, positions in entry["added"].items():
        frame = after.tables.get(table)
        if frame is not None:
            tables[table] = frame.drop(frame.index[positions]).reset_index(drop=True)
    events = tables[EVENTS]
    end = events[EVENT].isin(TERMINAL_EVENTS)
    tables[EVENTS] = events.assign(
        day=events[DAY].mask(end, float(entry["last_day"][0])),
        event=events[EVENT].mask(end, str(entry["last_event"][0])),
    )
    return after.with_rows(tables)
