"""Errors planted in the tables of simulated registries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from twinbayes.names import DAYS_PER_YEAR

type Tables = dict[str, DataFrame]
type Rng = np.random.Generator

MONTH: Final = DAYS_PER_YEAR / 12
_DAYS: Final = {
    "events": ("day",),
    "visits": ("day",),
    "treatments": ("start_day", "stop_day"),
}
_LABORATORY: Final = ("wbc_g_l", "hb_g_dl", "platelets_g_l", "ldh_u_l")
_MARKERS: Final = ("haemoglobin", "platelet_count")


@dataclass(frozen=True)
class Planted:
    """What a detector has to name: itself and, where they are known, the place."""

    detector: str
    column: str | None = None
    centre: str | None = None
    table: str | None = None


def centre_with(tables: Tables, rng: Rng, least: int) -> str:
    """Draw a centre of so many patients at the least, or the largest."""
    sizes = tables["patients"]["centre"].value_counts()
    able = sizes.index[sizes >= least]
    return str(rng.choice(np.sort(able)) if len(able) else sizes.index[0])


def rescaled(tables: Tables, ids: set[str], factor: float, digits: int) -> None:
    """Divide all days of some patients, and round them as somebody would."""
    for table, columns in _DAYS.items():
        frame = tables[table].copy()
        some = frame["patient_id"].isin(ids)
        for column in columns:
            # rounded up, so that nothing comes after the end of a record
            values = np.round(frame.loc[some, column] / factor, digits)
            frame.loc[some, column] = values
        key = {"visits": ["patient_id", "day", "marker"], "events": ["patient_id", "day", "event"]}
        tables[table] = frame.drop_duplicates(key.get(table))


def patients_of(tables: Tables, place: str) -> set[str]:
    patients = tables["patients"]
    return set(patients.loc[patients["centre"] == place, "patient_id"])


def _unit(tables: Tables, rng: Rng, ids: set[str], unit: str) -> None:
    whole = rng.random() < 0.25
    digits = (0 if whole else int(rng.integers(1, 3))) if unit == "months" else 2
    rescaled(tables, ids, MONTH if unit == "months" else DAYS_PER_YEAR, digits)


def centre_time(unit: str) -> Callable[[Tables, Rng], Planted]:
    def plant(tables: Tables, rng: Rng) -> Planted:
        place = centre_with(tables, rng, 5)
        _unit(tables, rng, patients_of(tables, place), unit)
        return Planted("time unit", centre=place)

    return plant


def patients_time(unit: str) -> Callable[[Tables, Rng], Planted]:
    def plant(tables: Tables, rng: Rng) -> Planted:
        ids = tables["patients"]["patient_id"].to_numpy()
        n = max(8, round(0.1 * len(ids)))
        _unit(tables, rng, set(rng.choice(ids, n, replace=False)), unit)
        return Planted("time unit")

    return plant


def cohort_time(unit: str) -> Callable[[Tables, Rng], Planted]:
    def plant(tables: Tables, rng: Rng) -> Planted:
        _unit(tables, rng, set(tables["patients"]["patient_id"]), unit)
        return Planted("time unit")

    return plant


def _origins(tables: Tables, rng: Rng) -> Series:
    """Dates of diagnosis, as serial numbers of a spreadsheet: 2002 to 2020."""
    ids = tables["patients"]["patient_id"]
    return Series(rng.integers(37_300, 44_000, len(ids)).astype(float), index=ids)


def all_serial(tables: Tables, rng: Rng) -> Planted:
    origin = _origins(tables, rng)
    for table, columns in _DAYS.items():
        frame = tables[table].copy()
        for column in columns:
            frame[column] = np.round(frame[column] + frame["patient_id"].map(origin), 1)
        tables[table] = frame
    return Planted("dates as days", "day", table="events")


def some_dates(digits: bool) -> Callable[[Tables, Rng], Planted]:
    """Plant dates where records end, of a twentieth of the patients."""

    def plant(tables: Tables, rng: Rng) -> Planted:
        events = tables["events"].copy()
        ends = np.flatnonzero(events["event"].isin(["death", "last_contact"]))
        some = rng.choice(ends, max(1, len(ends) // 20), replace=False)
        place = events.columns.get_loc("day")
        serial = _origins(tables, rng).loc[events["patient_id"].iloc[some]].to_numpy()
        serial = serial + np.floor(events["day"].iloc[some].to_numpy())
        if digits:
            stamps = pd.Timestamp("1899-12-30") + pd.to_timedelta(serial, unit="D")
            serial = stamps.strftime("%Y%m%d").to_numpy().astype(float)
        events.iloc[some, place] = serial
        tables["events"] = events
        return Planted("dates as days", "day", table="events")

    return plant


# --- covariates from the future ------------------------------------------------------------


def add_covariate(tables: Tables, values: Series, table: str = "patients") -> str:
    """Add a covariate by patient, and declare it."""
    name = "added"
    frame = tables[table]
    tables[table] = frame.assign(**{name: frame["patient_id"].map(values)})
    row = DataFrame(
        [{"name": name, "table": table, "role": "covariate", "group": "clinical", "unit": "1"}]
    )
    tables["variables"] = pd.concat([tables["variables"], row], ignore_index=True)
    return name


def first_day(tables: Tables, what: str) -> Series:
    """Day of the first event or treatment start of each patient who had it."""
    if what == "treated":
        return tables["treatments"].groupby("patient_id")["start_day"].min()
    events = tables["events"]
    return events[events["event"] == what].groupby("patient_id")["day"].min()


def _blanked(values: Series, rng: Rng, share: float) -> Series:
    return values.mask(rng.random(len(values)) < share)


def ever(what: tuple[str, ...], table: str = "patients", noise: float = 0.0):  # type: ignore[no-untyped-def]
    def plant(tables: Tables, rng: Rng) -> Planted:
        ids = tables["patients"]["patient_id"].to_numpy()
        had = Series(np.isin(ids, first_day(tables, str(rng.choice(what))).index), index=ids)
        flipped = rng.random(len(ids)) < noise
        values = _blanked((had ^ flipped).astype(float), rng, rng.choice([0.0, 0.1]))
        if rng.random() < 0.3 and table == "patients":
            values = 1.0 - values
        name = add_covariate(tables, values, table)
        return Planted("covariate from the future", name, table=table)

    return plant


def later(which: str) -> Callable[[Tables, Rng], Planted]:
    def plant(tables: Tables, rng: Rng) -> Planted:
        marker = str(rng.choice([*_MARKERS, "global_health", "fatigue"]))
        after = float(rng.choice([30, 60, 90]))
        visits = tables["visits"]
        visits = visits[(visits["marker"] == marker) & (visits["day"] > after)].sort_values("day")
        if which == "year":
            visits = visits[visits["day"].between(330, 400)]
        by = visits.groupby("patient_id")["value"]
        values = by.max() if which == "highest" else by.last()
        if rng.random() < 0.5:  # nearly
            values = values + rng.normal(0, 0.03 * values.std(), len(values))
        return Planted("covariate from the future", add_covariate(tables, values))

    return plant


def follow_up(which: str) -> Callable[[Tables, Rng], Planted]:
    def plant(tables: Tables, rng: Rng) -> Planted:
        events = tables["events"]
        ends = events[events["event"].isin(["death", "last_contact"])].set_index("patient_id")
        years = ends["day"] / DAYS_PER_YEAR
        if which == "death":
            years = years[ends["event"] == "death"]
        elif which == "age":
            years = years + tables["patients"].set_index("patient_id")["age_years"]
        values = np.round(years, int(rng.integers(1, 4)))
        if rng.random() < 0.5:
            values = values + rng.normal(0, 0.02 * values.std(), len(values))
        return Planted("covariate from the future", add_covariate(tables, values))

    return plant


# --- names, units, persons -----------------------------------------------------------------


def misspelt(tables: Tables, rng: Rng) -> Planted:
    events = tables["events"].copy()
    right = str(rng.choice(["relapse", "complete_remission"]))
    at = int(rng.integers(1, len(right)))
    wrong = str(
        rng.choice([right[:at] + right[at + 1 :], right.capitalize(), right[:at] + right[at - 1 :]])
    )
    rows = np.flatnonzero(events["event"] == right)
    some = rng.choice(rows, max(1, len(rows) // 10), replace=False)
    events.iloc[some, events.columns.get_loc("event")] = wrong
    tables["events"] = events
    return Planted("spelling", "event")


def centre_unit(where: str) -> Callable[[Tables, Rng], Planted]:
    def plant(tables: Tables, rng: Rng) -> Planted:
        factor = float(rng.choice([10.0, 100.0, 1000.0]) ** rng.choice([-1, 1]))
        place = centre_with(tables, rng, 20 if 0.05 < factor < 50 else 8)
        tables["variables"] = tables["variables"].assign(min=np.nan, max=np.nan)
        there = patients_of(tables, place)
        table = "patients" if where == "patients" else "visits"
        frame = tables[table].copy()
        some = frame["patient_id"].isin(there)
        if table == "patients":
            name = str(rng.choice(_LABORATORY))
            frame.loc[some, name] *= factor
        else:
            name = str(rng.choice(_MARKERS))
            frame.loc[some & (frame["marker"] == name), "value"] *= factor
        tables[table] = frame
        two = tables["patients"]["centre"].nunique() == 2
        return Planted("unit of a centre", name, None if two else place, table)

    return plant


def one_person_twice(tables: Tables, rng: Rng) -> Planted:
    """Enter two or more patients again elsewhere: some cells blank or measured anew."""
    patients = tables["patients"]
    ids = rng.choice(patients["patient_id"], max(2, len(patients) // 100), replace=False)
    new = {old: f"AGAIN{k}" for k, old in enumerate(ids)}
    for table in ("patients", "genomics", "events", "visits", "treatments"):
        frame = tables[table]
        copy = frame[frame["patient_id"].isin(new)].copy()
        copy["patient_id"] = copy["patient_id"].map(new)
        if table == "patients":
            others = np.sort(patients["centre"].unique())
            copy["centre"] = rng.choice(others, len(copy))
            copy["age_years"] += np.round(rng.uniform(0, 0.5, len(copy)), 1)
            for name in _LABORATORY:
                copy[name] = copy[name].mask(rng.random(len(copy)) < 0.1)
                anew = rng.random(len(copy)) < 0.1
                copy.loc[anew, name] = np.round(copy.loc[anew, name] * 1.07, 1)
        if table == "visits":
            copy = copy[rng.random(len(copy)) < 0.7]
        tables[table] = pd.concat([frame, copy], ignore_index=True)
    return Planted("one person twice", "patient_id")


ERRORS: Final[Mapping[str, Callable[[Tables, Rng], Planted]]] = {
    "months, one centre": centre_time("months"),
    "years, one centre": centre_time("years"),
    "months, a tenth of the patients": patients_time("months"),
    "years, a tenth of the patients": patients_time("years"),
    "months, all": cohort_time("months"),
    "years, all": cohort_time("years"),
    "serial numbers, all": all_serial,
    "serial numbers, a twentieth of the patients": some_dates(digits=False),
    "yyyymmdd, a twentieth of the patients": some_dates(digits=True),
    "ever treated": ever(("treated",)),
    "ever treated, as a lesion": ever(("treated",), "genomics"),
    "ever treated, one in a hundred wrong": ever(("treated",), noise=0.01),
    "ever had an event": ever(("relapse", "complete_remission", "death")),
    "last value of a marker": later("last"),
    "value after a year": later("year"),
    "highest later value": later("highest"),
    "time to death": follow_up("death"),
    "last day": follow_up("last"),
    "age at the last day": follow_up("age"),
    "misspelt event": misspelt,
    "unit of a centre, baseline": centre_unit("patients"),
    "unit of a centre, visits": centre_unit("visits"),
    "one person twice": one_person_twice,
}
