"""The timeline of every patient: last day, first day of every event and treatment, visit gaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas import DataFrame

from twinbayes import names
from twinbayes.arrays import Bools, Floats, Ints
from twinbayes.cohort.contract.day_numbers import beyond_life
from twinbayes.cohort.tables import CohortTables


@dataclass(frozen=True, kw_only=True, eq=False)
class Timeline:
    """When things happened to each patient, in days; NaN where they did not, or no day can be.

    Attributes
    ----------
    n
        Number of patients.
    last, dead
        Last day of the record, and whether it is a death; (patient,).
    events, treatments
        Name -> first day of it, (patient,); death and last contact are not among them.
    gap
        Median gap between days with visits, of patients with three such days or more; (patient,).
    visit_days
        Number of days with visits, (patient,).
    who
        Table -> number of the patient of each row.
    """

    n: int
    last: Floats
    dead: Bools
    events: Mapping[str, Floats]
    treatments: Mapping[str, Floats]
    gap: Floats
    visit_days: Floats
    who: Mapping[str, Ints]

    @property
    def deaths(self) -> Floats:
        """Day of death, NaN of who lives."""
        return np.where(self.dead, self.last, np.nan)

    @property
    def kinds(self) -> dict[str, Floats]:
        """Events, treatment starts and deaths: name -> day, (patient,)."""
        started = {f"start of {name}": day for name, day in self.treatments.items()}
        return {**self.events, **started, names.DEATH: self.deaths}


def timeline_of(cohort: CohortTables) -> Timeline:
    """Return the timeline of a cohort's patients."""
    index = pd.Index(cohort.patient_ids)
    n = len(index)
    who = {
        table: index.get_indexer(pd.Index(frame[names.PATIENT_ID]))
        for table, frame in cohort.tables.items()
        if names.PATIENT_ID in frame
    }
    ages = ages_of(cohort)

    def days(table: str, column: str) -> Floats:
        values = cohort.tables[table][column].to_numpy(dtype=float)
        return np.where(beyond_life(values, ages[who[table]]), np.nan, values)

    events = cohort.events
    when, terminal = (
        days(names.EVENTS, names.DAY),
        events[names.EVENT].isin(names.TERMINAL_EVENTS).to_numpy(),
    )
    last, dead = np.full(n, np.nan), np.zeros(n, dtype=bool)
    at = who[names.EVENTS]
    last[at[terminal]] = when[terminal]
    dead[at[terminal]] = (events[names.EVENT] == names.DEATH).to_numpy()[terminal]
    treatments: dict[str, Floats] = {}
    if cohort.treatments is not None:
        start = days(names.TREATMENTS, "start_day")
        treatments = _first(cohort.treatments[names.TREATMENT], who[names.TREATMENTS], start, n)
    gap, visit_days = np.full(n, np.nan), np.zeros(n)
    if cohort.visits is not None:
        gap, visit_days = _visits(who[names.VISITS], days(names.VISITS, names.DAY), n)
    return Timeline(
        n=n,
        last=last,
        dead=dead,
        events=_first(events.loc[~terminal, names.EVENT], at[~terminal], when[~terminal], n),
        treatments=treatments,
        gap=gap,
        visit_days=visit_days,
        who=who,
    )


def ages_of(cohort: CohortTables) -> Floats:
    """Age at the origin in years, (patient,); 0 where it is not known."""
    if "age_years" not in cohort.patients:
        return np.zeros(cohort.n_patients)
    return cohort.patients["age_years"].fillna(0.0).to_numpy(dtype=float)


def _first(kind: pd.Series, who: Ints, day: Floats, n: int) -> dict[str, Floats]:
    """First day of each kind, (patient,)."""
    frame = DataFrame({"kind": kind.to_numpy(), "who": who, "day": day}).dropna()
    earliest = frame.groupby(["kind", "who"], sort=True)["day"].min().reset_index()
    out = {}
    for name, rows in earliest.groupby("kind", sort=True):
        first = np.full(n, np.nan)
        first[rows["who"].to_numpy()] = rows["day"].to_numpy()
        out[str(name)] = first
    return out


def _visits(who: Ints, day: Floats, n: int) -> tuple[Floats, Floats]:
    """Median gap between days with visits, and their number; (patient,)."""
    seen = DataFrame({"who": who, "day": day}).dropna().drop_duplicates()
    seen = seen.sort_values(["who", "day"])
    number = np.bincount(seen["who"], minlength=n).astype(float)
    gaps = seen.assign(gap=seen.groupby("who")["day"].diff()).dropna()
    median = gaps.groupby("who")["gap"].median().reindex(np.arange(n)).to_numpy(dtype=float)
    return np.where(number >= 3, median, np.nan), number
