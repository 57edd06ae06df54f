"""A cohort as a study of cBioPortal: clinical attributes, mutations, and the timeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame

from clinical_cohort import genes_of
from standard_formats import Written, covariates, frame_of, limits, number
from twinbayes.cohort import Cohort, cohort_from_tables

#: The timeline counts whole days.
CANNOT = ("day: hours of the day",)
EFFECT = "Missense_Mutation"


def in_whole_days(cohort: Cohort) -> Cohort:
    """What the format can carry of a cohort."""
    tables = {}
    for name, table in cohort.tables.items():
        days = [c for c in ("day", "start_day", "stop_day") if c in table]
        tables[name] = table.assign(**{c: table[c].round() for c in days})
    return cohort_from_tables(cohort.name, tables, simulated=True)


def as_study(cohort: Cohort) -> Written:
    """Return the tables and their mapping."""
    people = cohort.patients
    blank = {c: [number(v) or "NA" for v in people[c]] for c in covariates(cohort)}
    clinical = DataFrame({
        "PATIENT_ID": people["patient_id"],
        "AGE": people["age_years"].map(number),
        "SEX": people["sex"].map({"male": "Male", "female": "Female"}).fillna("NA"),
        "CENTER": people["centre"],
        **{name.upper(): cells for name, cells in blank.items()},
    })  # fmt: skip
    genes = [name for name in genes_of(cohort) if not name.startswith("cyto_")]
    karyotype = [name for name in genes_of(cohort) if name.startswith("cyto_")]
    assert cohort.genomics is not None
    known = cohort.genomics[genes].notna()
    patterns = [tuple(row) for row in known.itertuples(index=False)]
    panels = {pattern: f"PANEL{k}" for k, pattern in enumerate(dict.fromkeys(patterns))}
    samples = DataFrame({
        "PATIENT_ID": cohort.genomics["patient_id"],
        "SAMPLE_ID": cohort.genomics["patient_id"] + "-S",
        "ONCOTREE_CODE": people.set_index("patient_id")["subgroup"]
        .loc[cohort.genomics["patient_id"]].to_numpy(),
        **{n.upper(): [number(v) or "NA" for v in cohort.genomics[n]] for n in karyotype},
    })  # fmt: skip
    matrix = DataFrame(
        {"SAMPLE_ID": samples["SAMPLE_ID"], "mutations": [panels[one] for one in patterns]}
    )
    long = cohort.genomics[["patient_id", *genes]].melt("patient_id")
    found = long[long["value"] == 1.0]
    maf = DataFrame({
        "Hugo_Symbol": found["variable"],
        "Tumor_Sample_Barcode": found["patient_id"] + "-S",
        "Variant_Classification": EFFECT,
        "HGVSp_Short": 'p."5"',  # quotation marks mean nothing in these files
    })  # fmt: skip
    twice = maf.head(2)  # two mutations of one gene
    silent = maf.head(4).assign(Variant_Classification="Silent", Hugo_Symbol="TTN")
    tables = {
        "data_clinical_patient": clinical,
        "data_clinical_sample": samples,
        "data_gene_panel_matrix": matrix,
        "data_mutations": pd.concat([maf, twice, silent], ignore_index=True),
        **_timeline(cohort),
    }
    mapping = _mapping(cohort, genes, karyotype, panels)
    return Written(cohort, tables, mapping)


def write_study(written: Written, folder: Path) -> tuple[Path, Path]:
    """Write the folder of the study and the mapping; return both places."""
    source = folder / "study"
    source.mkdir(parents=True)
    for name, table in written.tables.items():
        lines = [table.columns, *table.itertuples(index=False)]
        text = "".join("\t".join(map(str, line)) + "\n" for line in lines)
        above = ""
        if name.startswith("data_clinical"):
            above = "".join(f"#{word}\n" for word in ("Names", "Descriptions", "STRING", "1"))
        if name == "data_mutations":
            above = "#version 2.4\n"
        (source / f"{name}.txt").write_text(above + text, encoding="utf-8")
    samples = written.tables.get("data_clinical_sample")
    if samples is not None and "SAMPLE_ID" in samples:
        (source / "case_lists").mkdir()
        ids = "\t".join(str(s) for s in samples["SAMPLE_ID"])
        (source / "case_lists" / "cases_sequenced.txt").write_text(f"case_list_ids: {ids}\n")
    return source, written.map_into(folder)


def _timeline(cohort: Cohort) -> dict[str, DataFrame]:
    visits, given, events = cohort.visits, cohort.treatments, cohort.events
    assert visits is not None
    assert given is not None

    def days(values: Any) -> list[str]:
        return ["" if np.isnan(v) else str(round(v)) for v in values]

    return {
        "data_timeline_labtest": DataFrame({
            "PATIENT_ID": visits["patient_id"],
            "START_DATE": days(visits["day"].round()),
            "STOP_DATE": "",
            "EVENT_TYPE": "LAB_TEST",
            "TEST": visits["marker"],
            "RESULT": limits(visits),
        }),
        "data_timeline_treatment": DataFrame({
            "PATIENT_ID": given["patient_id"],
            "START_DATE": days(given["start_day"].round()),
            "STOP_DATE": days(given["stop_day"].round()),
            "EVENT_TYPE": "TREATMENT",
            "AGENT": given["treatment"],
            "LINE": given["line"].astype(int).astype(str),
        }),
        "data_timeline_status": DataFrame({
            "PATIENT_ID": events["patient_id"],
            "START_DATE": days(events["day"].round()),
            "STOP_DATE": "",
            "EVENT_TYPE": "STATUS",
            "STATUS": events["event"],
        }),
    }  # fmt: skip


def _mapping(
    cohort: Cohort, genes: list[str], karyotype: list[str], panels: dict[Any, str]
) -> dict[str, Any]:
    patient = {"patient_id": "PATIENT_ID"}
    rosters = [
        {
            "table": "data_clinical_sample",
            "join": True,
            "where": {"GENE_PANEL": panel},
            "columns": {
                **patient,
                **{g: {"constant": 0} for g, on in zip(genes, pattern, strict=True) if on},
                **{n: n.upper() for n in karyotype},
            },
        }
        for pattern, panel in panels.items()
    ]
    return frame_of(
        cohort,
        {
            "patients": [
                {
                    "table": "data_clinical_patient",
                    "columns": {
                        **patient,
                        "centre": "CENTER",
                        "age_years": "AGE",
                        "sex": {"column": "SEX", "values": {"Male": "male", "Female": "female"}},
                        **{name: name.upper() for name in covariates(cohort)},
                    },
                },
                {
                    "table": "data_clinical_sample",
                    "join": True,
                    "columns": {**patient, "subgroup": "ONCOTREE_CODE"},
                },
            ],
            "genomics": [
                *rosters,
                {
                    "table": "data_mutations",
                    "where": {"Variant_Classification": EFFECT},
                    "columns": {**patient, "variable": "Hugo_Symbol", "value": {"constant": 1}},
                },
            ],
            "visits": {
                "table": "data_timeline_labtest",
                "columns": {**patient, "day": "START_DATE", "marker": "TEST", "value": "RESULT"},
            },
            "events": {
                "table": "data_timeline_status",
                "columns": {**patient, "day": "START_DATE", "event": "STATUS"},
            },
            "treatments": {
                "table": "data_timeline_treatment",
                "columns": {
                    **patient,
                    "start_day": "START_DATE",
                    "stop_day": "STOP_DATE",
                    "treatment": "AGENT",
                    "line": "LINE",
                },
            },
        },
        missing=["NA"],
    )
