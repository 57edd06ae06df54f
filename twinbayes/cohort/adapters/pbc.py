"""PBC: 312 adults with primary biliary cirrhosis of the Mayo Clinic trial, with all visits.

The data set `pbc2` of the R packages JM and JMbayes2, as two CSV files: one row a visit and one
row a patient. It is the benchmark of joint models of repeated measurements and survival.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from pandas import DataFrame

from twinbayes import names
from twinbayes.cohort.adapters.tables import Publication, dated
from twinbayes.cohort.contract.validation import cohort_from_tables
from twinbayes.cohort.record import Cohort
from twinbayes.cohort.tables import ROLE_COVARIATE

_VISITS: Final = "pbc2_long.csv"
_PATIENTS: Final = "pbc2_id.csv"
TRANSPLANTATION: Final = "transplantation"
_PUBLICATION: Final = Publication(
    adapter="pbc2",
    give=f"Give the folder of {_VISITS} and {_PATIENTS}.",
    remedy="Give the table as the R package JM publishes it.",
)

# marker -> (column of the file, unit, lowest, highest, description); no unit: yes or no.
_MARKERS: Final[dict[str, tuple[str, str | None, float, float, str]]] = {
    "bilirubin": ("serBilir", "mg/dL", 0.05, 60, "Serum bilirubin"),
    "albumin": ("albumin", "g/dL", 0.5, 9, "Serum albumin"),
    "prothrombin_time": ("prothrombin", "s", 5, 60, "Prothrombin time"),
    "platelet_count": ("platelets", "10*9/L", 5, 1500, "Platelets"),
    "alkaline_phosphatase": ("alkaline", "U/L", 10, 20000, "Alkaline phosphatase"),
    "sgot": ("SGOT", "U/mL", 1, 2000, "Aspartate aminotransferase"),
    "cholesterol": ("serChol", "mg/dL", 30, 2500, "Serum cholesterol"),
    "ascites": ("ascites", None, 0, 1, "Ascites"),
    "hepatomegaly": ("hepatomegaly", None, 0, 1, "Enlarged liver"),
    "spiders": ("spiders", None, 0, 1, "Spider naevi"),
}
# Both files hold the columns of patients and of visits.
_COLUMNS: Final = (
    *("id", "years", "status", "drug", "age", "sex", "year"),
    *(marker[0] for marker in _MARKERS.values()),
)


def read_pbc2(path: Path | None) -> Cohort:
    """Read 312 patients, 1,945 visits, 140 deaths and 29 transplantations, from randomisation.

    Years become days. The record of a transplanted patient ends in `transplantation` and
    `last_contact` on the same day.
    """
    folder = _PUBLICATION.place(path)
    long, one = (
        _PUBLICATION.read(folder / file, _COLUMNS, dtype={"id": str})
        for file in (_VISITS, _PATIENTS)
    )
    days = one["years"] * names.DAYS_PER_YEAR
    patients = DataFrame(
        {
            names.PATIENT_ID: one["id"],
            names.SUBGROUP: "primary biliary cirrhosis",
            names.CENTRE: "Mayo Clinic",
            "age_years": one["age"],
            "sex": one["sex"],
            "d_penicillamine": (one["drug"] == "D-penicil").astype(int),
        }
    )
    dead, moved = one["status"] == "dead", one["status"] == "transplanted"
    events = [
        dated(one.loc[dead, "id"], days[dead], names.DEATH),
        dated(one.loc[moved, "id"], days[moved], TRANSPLANTATION),
        dated(one.loc[~dead, "id"], days[~dead], names.LAST_CONTACT),
    ]
    return cohort_from_tables(
        "pbc2",
        {
            names.PATIENTS: patients,
            names.EVENTS: pd.concat(events, ignore_index=True),
            names.VISITS: _visits(long),
            names.VARIABLES: _variables(),
        },
        source={
            "title": "Mayo Clinic trial in primary biliary cirrhosis, with follow-up visits",
            "origin": "R packages JM and JMbayes2 (pbc2)",
            "licence": "GPL-2 or later",
            "note": "Murtaugh et al., Hepatology 1994;20:126-134",
        },
    )


def _visits(long: DataFrame) -> DataFrame:
    parts = []
    for marker, (column, unit, *_) in _MARKERS.items():
        values = long[column]
        if unit is None:
            values = values.map({"No": 0.0, "Yes": 1.0})
        parts.append(
            DataFrame(
                {
                    names.PATIENT_ID: long["id"],
                    names.DAY: long["year"] * names.DAYS_PER_YEAR,
                    "marker": marker,
                    "value": values,
                    "censored": "none",
                }
            )[values.notna()]
        )
    return pd.concat(parts, ignore_index=True)


def _variables() -> DataFrame:
    covariates = [
        ("age_years", "clinical", "a", 18, 100, None, "Age at randomisation"),
        ("sex", "clinical", None, np.nan, np.nan, "male|female", "Sex"),
        ("d_penicillamine", "treatment", None, 0, 1, None, "Randomised to D-penicillamine"),
    ]
    rows = [
        (name, names.PATIENTS, ROLE_COVARIATE, group, unit, low, high, levels, text)
        for name, group, unit, low, high, levels, text in covariates
    ]
    rows += [
        (name, names.VISITS, "marker", "laboratory", unit or "1", low, high, None, text)
        for name, (_, unit, low, high, text) in _MARKERS.items()
    ]
    columns = (
        "name", "table", "role", "group", "unit", "min", "max", "levels", "description",
    )  # fmt: skip
    return DataFrame(rows, columns=list(columns))


ADAPTERS: Final = {"pbc2": read_pbc2}
