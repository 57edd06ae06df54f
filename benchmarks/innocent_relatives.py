"""Innocent relatives of errors: honest registries that look a little as if something were wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from planted_errors import Rng, Tables, add_covariate, centre_with, patients_of
from twinbayes.names import DAYS_PER_YEAR


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
    ids = sorted(patients_of(tables, centre_with(tables, rng, 5)))
    _ends_by(tables, Series(np.round(rng.uniform(15, rng.uniform(30, 150), len(ids))), index=ids))


def sicker(tables: Tables, rng: Rng) -> None:
    """Half of the patients of one centre die within weeks."""
    ids = sorted(patients_of(tables, centre_with(tables, rng, 5)))
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
    some = visits["patient_id"].isin(patients_of(tables, place)) & (visits["day"] > 60)
    tables["variables"] = tables["variables"].assign(min=np.nan, max=np.nan)
    visits.loc[some & (visits["marker"] == "platelet_count"), "value"] /= 20
    tables["visits"] = visits


def referral(tables: Tables, rng: Rng) -> None:
    """One centre takes over patients in remission: hardly any residual disease at any visit."""
    there = patients_of(tables, centre_with(tables, rng, 5))
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
