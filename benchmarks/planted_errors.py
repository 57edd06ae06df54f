"""Errors planted in the tables of simulated registries, and innocent relatives of them."""

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


def _of(tables: Tables, place: str) -> set[str]:
    patients = tables["patients"]
    return set(patients.loc[patients["centre"] == place, "patient_id"])


def _unit(tables: Tables, rng: Rng, ids: set[str], unit: str) -> None:
    whole = rng.random() < 0.25
    digits = (0 if whole else int(rng.integers(1, 3))) if unit == "months" else 2
    rescaled(tables, ids, MONTH if unit == "months" else DAYS_PER_YEAR, digits)


def centre_time(unit: str) -> Callable[[Tables, Rng], Planted]:
    def plant(tables: Tables, rng: Rng) -> Planted:
        place = centre_with(tables, rng, 5)
        _unit(tables, rng, _of(tables, place), unit)
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
        there = _of(tables, place)
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


# --- innocent relatives --------------------------------------------------------------------


def _ends_by(tables: Tables, limit: Series) -> None:
    """Cut records short: what comes after a day is not known."""
    events = tables["events"].copy()
    last = events["patient_id"].map(limit).fillna(np.inf)
    late = events["day"] > last
    terminal = events["event"].isin(["death", "last_contact"])
    events.loc[late & terminal, "event"] = "last_contact"
    events["day"] = np.minimum(events["day"], last)
    tables["events"] = events[terminal | ~late]
    for table, column in (("visits", "day"), ("treatments", "start_day")):
        frame = tables[table]
        tables[table] = frame[frame[column] <= frame["patient_id"].map(limit).fillna(np.inf)]


def begun_lately(tables: Tables, rng: Rng) -> None:
    """One centre has taken part for 30 to 150 days."""
    ids = list(_of(tables, centre_with(tables, rng, 5)))
    _ends_by(tables, Series(np.round(rng.uniform(15, rng.uniform(30, 150), len(ids))), index=ids))


def sicker(tables: Tables, rng: Rng) -> None:
    """Half of the patients of one centre die within weeks."""
    ids = sorted(_of(tables, centre_with(tables, rng, 5)))
    some = rng.choice(ids, (len(ids) + 1) // 2, replace=False)
    day = Series(np.round(rng.exponential(40, len(some))) + 1, index=some)
    _ends_by(tables, day)
    events = tables["events"].copy()
    dies = events["patient_id"].isin(some) & (events["event"] == "last_contact")
    events.loc[dies & (events["day"] == events["patient_id"].map(day)), "event"] = "death"
    tables["events"] = events


def treated_from_day_0(tables: Tables, rng: Rng) -> None:
    """A treatment of the first fortnight, and a covariate that says who was assigned to it."""
    events = tables["events"]
    last = events.groupby("patient_id")["day"].max()
    given = last.index[(rng.random(len(last)) < 0.5) & (last >= 14)]
    start = DataFrame({"patient_id": given, "start_day": rng.integers(0, 10, len(given)) * 1.0})
    treatments = pd.concat([tables["treatments"], start.assign(treatment="induction")])
    tables["treatments"] = treatments
    add_covariate(tables, Series(np.isin(last.index, given).astype(float), index=last.index))
    row = DataFrame([{"name": "induction", "table": "treatments", "role": "treatment"}])
    tables["variables"] = pd.concat([tables["variables"], row], ignore_index=True)


def strong_factor(tables: Tables, rng: Rng) -> None:
    """A covariate that ranks patients by their time to death with a correlation of 0.85 or so."""
    ends = tables["events"].groupby("patient_id")["day"].max()
    ranks = ends.rank() / len(ends)
    add_covariate(tables, np.round(ranks + rng.normal(0, 0.17, len(ends)), 3))


def year_of_diagnosis(tables: Tables, rng: Rng) -> None:
    """Calendar years, and nobody dies: who came late was followed for less."""
    events = tables["events"]
    tables["events"] = events.assign(event=events["event"].replace("death", "last_contact"))
    ends = events.groupby("patient_id")["day"].max()
    add_covariate(tables, np.round(2020 - ends / DAYS_PER_YEAR, 1))


def baseline_of_marker(tables: Tables, rng: Rng) -> None:
    """A marker that hardly changes in a person, and its value at the origin as a covariate."""
    visits = tables["visits"].copy()
    ids = tables["patients"]["patient_id"]
    own = Series(rng.lognormal(4, 0.4, len(ids)), index=ids)
    some = visits["marker"] == "haemoglobin"
    noise = rng.normal(1, 0.03, int(some.sum()))
    visits.loc[some, "value"] = np.round(visits.loc[some, "patient_id"].map(own) * noise, 1)
    tables["visits"] = visits
    tables["variables"] = tables["variables"].assign(min=np.nan, max=np.nan)
    add_covariate(tables, np.round(own * rng.normal(1, 0.03, len(own)), 1))


def treated_elsewhere(tables: Tables, rng: Rng) -> None:
    """One centre gives a drug that lowers a marker twenty times after the first months."""
    place = centre_with(tables, rng, 5)
    visits = tables["visits"].copy()
    some = visits["patient_id"].isin(_of(tables, place)) & (visits["day"] > 60)
    tables["variables"] = tables["variables"].assign(min=np.nan, max=np.nan)
    visits.loc[some & (visits["marker"] == "platelet_count"), "value"] /= 20
    tables["visits"] = visits


def referral(tables: Tables, rng: Rng) -> None:
    """One centre takes over patients in remission: hardly any residual disease at any visit."""
    there = _of(tables, centre_with(tables, rng, 5))
    visits = tables["visits"].copy()
    some = visits["patient_id"].isin(there) & (visits["marker"] == "residual_disease_pct")
    low = np.minimum(
        visits.loc[some, "value"], np.round(rng.lognormal(-3, 0.8, int(some.sum())), 3)
    )
    visits.loc[some, "value"] = np.maximum(low, 0.01)
    tables["visits"] = visits


def said_twice(tables: Tables, rng: Rng) -> None:
    """White cells in five columns: two units, a logarithm, a rounded value, and again."""
    patients, variables = tables["patients"].copy(), tables["variables"]
    white = patients["wbc_g_l"]
    more = {
        "w1": white * 1000,
        "w2": np.log(white),
        "w3": white.round(),
        "w4": white,
        "w5": white / 7,
    }
    row = {"table": "patients", "role": "covariate", "group": "clinical", "unit": "1"}
    tables["patients"] = patients.assign(**more)
    tables["variables"] = pd.concat([variables, DataFrame([{"name": n, **row} for n in more])])


def twins(tables: Tables, rng: Rng) -> None:
    """Four pairs of identical twins: one age, sex, subgroup, centre and all lesions."""
    patients, genomics = tables["patients"].copy(), tables["genomics"].copy()
    rows = rng.choice(len(patients), 8, replace=False).reshape(4, 2)
    for a, b in rows:
        for column in ("age_years", "sex", "subgroup", "centre"):
            patients.loc[patients.index[b], column] = patients[column].iloc[a]
        lesions = genomics.columns.drop("patient_id")
        genomics.loc[genomics.index[b], lesions] = genomics[lesions].iloc[a]
    tables["patients"], tables["genomics"] = patients, genomics


INNOCENT: Final[Mapping[str, Callable[[Tables, Rng], None]]] = {
    "one centre has begun lately": begun_lately,
    "one centre is sicker": sicker,
    "treatment assigned at the origin": treated_from_day_0,
    "strong prognostic factor": strong_factor,
    "year of diagnosis, and nobody dies": year_of_diagnosis,
    "baseline of a stable marker": baseline_of_marker,
    "a drug lowers a marker in one centre": treated_elsewhere,
    "one centre takes over patients in remission": referral,
    "a value in five columns": said_twice,
    "identical twins": twins,
}
