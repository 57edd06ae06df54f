"""A cohort as CDISC ADaM data sets: ADSL, ADTTE, ADLB, ADTR, ADQS, ADCM, and findings of genes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from pandas import DataFrame

from clinical_cohort import genes_of
from standard_formats import Written, covariates, day_zero, frame_of, limits, moments
from twinbayes.cohort import Cohort

#: Nothing of the contract that ADaM has no place for: names of more than 8 letters become codes.
CANNOT: tuple[str, ...] = ()
EVENTS = {"TTCR": "complete_remission", "TTRELAPS": "relapse"}
# Data set -> its markers.
FINDINGS = {
    "adlb": ["haemoglobin", "platelet_count"],
    "adtr": ["residual_disease_pct"],
    "adqs": ["global_health", "fatigue"],
}


def as_adam(cohort: Cohort) -> Written:
    """Return the data sets and their mapping."""
    zero = day_zero(cohort)
    people = cohort.patients
    codes = {name: f"COV{k:02}" for k, name in enumerate(covariates(cohort), 1)}
    adsl = DataFrame({
        "STUDYID": "REG1",
        "USUBJID": people["patient_id"],
        "SITEID": people["centre"].str.removeprefix("centre_"),
        "AGE": people["age_years"],
        "SEX": people["sex"].map({"male": "M", "female": "F"}).fillna("U"),
        "DIAG": people["subgroup"],
        "DIAGDTM": [zero[p] for p in people["patient_id"]],
        "ITTFL": "Y",
        **{code: people[name] for name, code in codes.items()},
    })  # fmt: skip
    tables = {"adsl": adsl, "adtte": _times(cohort, zero), "adcm": _treatments(cohort, zero)}
    genes = {name: f"GENE{k:02}" for k, name in enumerate(genes_of(cohort), 1)}
    assert cohort.genomics is not None
    long = cohort.genomics.melt("patient_id", var_name="lesion", value_name="AVAL").dropna()
    tables["adgf"] = DataFrame(
        {"USUBJID": long["patient_id"], "PARAMCD": long["lesion"].map(genes),
         "PARAM": long["lesion"], "AVAL": long["AVAL"]}
    ).reset_index(drop=True)  # fmt: skip
    assert cohort.visits is not None
    markers: dict[str, str] = {}
    for name, own in FINDINGS.items():
        codes_of = {marker: f"P{len(markers) + k:02}" for k, marker in enumerate(own)}
        markers |= codes_of
        rows = cohort.visits[cohort.visits["marker"].isin(own)].reset_index(drop=True)
        tables[name] = DataFrame({
            "USUBJID": rows["patient_id"],
            "PARAMCD": rows["marker"].map(codes_of),
            "PARAM": rows["marker"],
            "ADTM": moments(rows, "day", zero),
            "AVAL": rows["value"].where(rows["censored"] == "none"),
            "AVALC": limits(rows),
        })  # fmt: skip
    return Written(cohort, tables, _mapping(cohort, codes, genes, markers))


def write_xpt(written: Written, folder: Path, *, version: int = 5) -> tuple[Path, Path]:
    """Write transport files and the mapping; return both places."""
    import pyreadstat

    source = folder / "adam"
    source.mkdir(parents=True)
    for name, table in written.tables.items():
        pyreadstat.write_xport(
            table, source / f"{name}.xpt", table_name=name.upper(), file_format_version=version
        )
    return source, written.map_into(folder)


def write_csv(written: Written, folder: Path) -> tuple[Path, Path]:
    """Write CSV files and the mapping; return both places."""
    source = folder / "adam"
    source.mkdir(parents=True)
    for name, table in written.tables.items():
        table.to_csv(source / f"{name}.csv", index=False, date_format="%Y-%m-%d %H:%M:%S")
    return source, written.map_into(folder)


def _times(cohort: Cohort, zero: Any) -> DataFrame:
    """Each event, and the censoring of who had none; survival ends in death or last contact."""
    events = cohort.events.assign(ADTM=moments(cohort.events, "day", zero))
    ends = events[events["event"].isin(["death", "last_contact"])]
    parts = [
        ends.assign(PARAMCD="OS", CNSR=(ends["event"] == "last_contact").astype(int)),
    ]
    for code, name in EVENTS.items():
        own = events[events["event"] == name]
        parts.append(own.assign(PARAMCD=code, CNSR=0))
        without = ends[~ends["patient_id"].isin(own["patient_id"])]
        parts.append(without.assign(PARAMCD=code, CNSR=1))
    rows = pd.concat(parts, ignore_index=True)
    return DataFrame({
        "USUBJID": rows["patient_id"], "PARAMCD": rows["PARAMCD"], "AVAL": rows["day"],
        "CNSR": rows["CNSR"], "ADTM": rows["ADTM"], "AVALU": "DAYS",
    })  # fmt: skip


def _treatments(cohort: Cohort, zero: Any) -> DataFrame:
    given = cohort.treatments
    assert given is not None
    return DataFrame({
        "USUBJID": given["patient_id"],
        "CMTRT": "TRANSPLANT",
        "ASTDTM": moments(given, "start_day", zero),
        "LINE": given["line"].astype(float),
    })  # fmt: skip


def _mapping(
    cohort: Cohort, codes: dict[str, str], genes: dict[str, str], markers: dict[str, str]
) -> dict[str, Any]:
    patient = {"patient_id": "USUBJID"}
    return frame_of(
        cohort,
        {
            "patients": {
                "table": "adsl",
                "origin": "DIAGDTM",
                "columns": {
                    **patient,
                    "subgroup": "DIAG",
                    "centre": {"column": "SITEID",
                               "values": {c.removeprefix("centre_"): c for c in cohort.centres}},
                    "age_years": "AGE",
                    "sex": {"column": "SEX", "values": {"M": "male", "F": "female", "U": None}},
                    **codes,
                },
            },
            "genomics": {
                "table": "adgf",
                "columns": {
                    **patient,
                    "variable": {"column": "PARAMCD",
                                 "values": {code: name for name, code in genes.items()}},
                    "value": "AVAL",
                },
            },
            "visits": [
                {
                    "table": name,
                    "columns": {
                        **patient,
                        "day": "ADTM",
                        "marker": {"column": "PARAMCD",
                                   "values": {code: marker for marker, code in markers.items()}},
                        "value": "AVALC",
                    },
                }
                for name in FINDINGS
            ],
            "events": [
                {
                    "table": "adtte",
                    "where": {"CNSR": 0},
                    "columns": {
                        **patient,
                        "day": "ADTM",
                        "event": {"column": "PARAMCD", "values": {"OS": "death", **EVENTS}},
                    },
                },
                {
                    "table": "adtte",
                    "where": {"PARAMCD": "OS", "CNSR": 1},
                    "columns": {**patient, "day": "ADTM", "event": {"constant": "last_contact"}},
                },
            ],
            "treatments": {
                "table": "adcm",
                "columns": {
                    **patient,
                    "start_day": "ASTDTM",
                    "treatment": {"column": "CMTRT",
                                  "values": {"TRANSPLANT": "allogeneic_transplant"}},
                    "line": "LINE",
                },
            },
        },
        dates="%Y-%m-%d %H:%M:%S",
    )  # fmt: skip
