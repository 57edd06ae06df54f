"""CML: BCR-ABL1 of 21 adults with chronic myeloid leukaemia who stopped their treatment.

The data that Hähnel et al. (Cancer Research 2020) show, as the R package myelo carries them: one
file of measurements and one of patients.
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

_VISITS: Final = "hahnel2020_long.csv"
_PATIENTS: Final = "hahnel2020_patients.csv"
TREATMENT_STOP: Final = "treatment_stop"
MOLECULAR_RELAPSE: Final = "molecular_relapse"
RELAPSE_PCT: Final = 0.1  # loss of major molecular remission
_DAYS_PER_MONTH: Final = names.DAYS_PER_YEAR / 12
_COLUMNS: Final = {
    _VISITS: ("patient_id", "months", "bcr_abl_pct", "left_censored"),
    _PATIENTS: ("patient_id", "tki_stop_month"),
}
_PUBLICATION: Final = Publication(
    adapter="cml",
    give=f"Give the folder of {_VISITS} and {_PATIENTS}.",
    remedy="Copy both files again.",
)


def read_cml(path: Path | None) -> Cohort:
    """Read 21 patients and 706 measurements, 258 of them below the detection limit.

    Months since the start of treatment become days; two measurements of the days before count as
    of day 0. Relapse is the first measurement above 0.1 % after the stop. Age and sex are not
    published.
    """
    folder = _PUBLICATION.place(path)
    long, one = (_PUBLICATION.read(folder / file, _COLUMNS[file]) for file in (_VISITS, _PATIENTS))
    ids = one["patient_id"].astype(str)
    stop = one.set_index("patient_id")["tki_stop_month"]
    after = long["months"] > long["patient_id"].map(stop)
    lost = long[after & (long["bcr_abl_pct"] > RELAPSE_PCT) & (long["left_censored"] == 0)]
    relapse = lost.groupby("patient_id")["months"].min()
    last = long.groupby("patient_id")["months"].max().clip(lower=stop)
    patients = DataFrame(
        {
            names.PATIENT_ID: ids,
            names.SUBGROUP: "chronic myeloid leukaemia",
            names.CENTRE: "published",
            "age_years": np.nan,
            "sex": None,
        }
    )
    events = [
        _since_start(stop, TREATMENT_STOP),
        _since_start(relapse, MOLECULAR_RELAPSE),
        _since_start(last, names.LAST_CONTACT),
    ]
    visits = DataFrame(
        {
            names.PATIENT_ID: long["patient_id"].astype(str),
            names.DAY: np.maximum(long["months"], 0.0) * _DAYS_PER_MONTH,
            "marker": "bcr_abl1",
            "value": long["bcr_abl_pct"],
            "censored": np.where(long["left_censored"] == 1, "left", "none"),
        }
    )
    return cohort_from_tables(
        "cml",
        {
            names.PATIENTS: patients,
            names.EVENTS: pd.concat(events, ignore_index=True),
            names.VISITS: visits,
            names.VARIABLES: _variables(),
        },
        source={
            "title": "BCR-ABL1 under and after tyrosine kinase inhibitors",
            "origin": "R package myelo, digitised from the publication",
            "licence": "GPL-2",
            "note": "Haehnel et al., Cancer Research 2020;80:2394-2406",
        },
    )


def _since_start(month: pd.Series, event: str) -> DataFrame:
    return dated(month.index.astype(str), month * _DAYS_PER_MONTH, event)


def _variables() -> DataFrame:
    return DataFrame(
        [
            {
                "name": "bcr_abl1",
                "table": names.VISITS,
                "role": "marker",
                "group": "laboratory",
                "unit": "%",
                "min": 1e-6,
                "max": 1000.0,
                "description": "BCR-ABL1 transcripts, international scale",
            }
        ]
    )


ADAPTERS: Final = {"cml": read_cml}
