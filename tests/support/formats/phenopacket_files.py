"""A cohort as phenopackets, the mapping that reads it back, and what the format cannot carry."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from pandas import DataFrame

from clinical_cohort import after, covariates_of, day_zero, genes_of, records, variables_of
from twinbayes.cohort import Cohort
from twinbayes.cohort.contract.validation import cohort_from_tables

OWN = "REG"
#: Table and column that phenopackets do not carry -> what becomes of it, and why.
LOST = {
    ("patients", "centre"): "one centre: the standard has no place for it",
    ("visits", "censored"): "none: a quantity has no comparator",
    ("genomics", "blank"): "0: genes that were not looked at are not told from those found normal",
    ("treatments", "line"): "blank: a medical action has no line of therapy",
}


def curie(code: str) -> dict[str, str]:
    return {"id": f"{OWN}:{code}", "label": code.replace("_", " ")}


def duration(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    return f"P{minutes // 1440}DT{minutes % 1440 // 60}H{minutes % 60}M"


def packets_of(cohort: Cohort) -> list[dict[str, Any]]:
    """A phenopacket a patient; times are ages, or timestamps where the age is not known."""
    zero = day_zero(cohort.patient_ids)
    units = {n: v.get("unit", "1") for n, v in variables_of(cohort).items()}
    tables = {name: _by_patient(getattr(cohort, name))
              for name in ("genomics", "visits", "events", "treatments")}  # fmt: skip
    out = []
    for row in records(cohort.patients):
        own, start = row["patient_id"], zero[row["patient_id"]]
        age = timedelta(days=row["age_years"] * 365.25) if "age_years" in row else None

        def at(day: float, start: datetime = start, age: timedelta | None = age) -> dict[str, Any]:
            if age is None:
                return {"timestamp": after(start, day).isoformat() + "Z"}
            minutes = timedelta(minutes=round(day * 1440))
            return {"age": {"iso8601duration": duration(age + minutes)}}

        def measured(code: str, value: float, day: float, at: Any = at) -> dict[str, Any]:
            unit = {"id": f"UCUM:{units[code]}", "label": units[code]}
            return {"assay": curie(code), "timeObserved": at(day),
                    "value": {"quantity": {"unit": unit, "value": value}}}  # fmt: skip

        events = tables["events"].get(own, [])
        end = next(e for e in events if e["event"] in ("death", "last_contact"))
        subject: dict[str, Any] = {"id": own}
        if "sex" in row:
            subject["sex"] = row["sex"].upper()
        if end["event"] == "death":
            subject["vitalStatus"] = {"status": "DECEASED", "timeOfDeath": at(end["day"])}
        else:
            subject["vitalStatus"] = {"status": "ALIVE"}
            subject["timeAtLastEncounter"] = at(end["day"])
        lesions = [gene for gene in genes_of(cohort) if tables["genomics"][own][0].get(gene)]
        calls = [{"subjectOrBiosampleId": own, "interpretationStatus": "CONTRIBUTORY",
                  "gene": {"valueId": f"{OWN}:{gene}", "symbol": gene}}
                 for gene in lesions]  # fmt: skip
        out.append({
            "id": f"packet-{own}",
            "subject": subject,
            "diseases": [{"term": curie(row["subgroup"]), "onset": at(0)}],
            "measurements": [
                *(measured(name, row[name], 0.0) for name in covariates_of(cohort)
                  if name in row and name != "age_years"),
                *(measured(visit["marker"], visit["value"], visit["day"])
                  for visit in tables["visits"].get(own, [])),
            ],
            "phenotypicFeatures": [{"type": curie(event["event"]), "onset": at(event["day"])}
                                   for event in events if event is not end],
            "medicalActions": [
                {"procedure": {"code": curie(given["treatment"]),
                               "performed": at(given["start_day"])}}
                for given in tables["treatments"].get(own, [])
            ],
            "interpretations": [{"id": f"i-{own}", "progressStatus": "COMPLETED", "diagnosis": {
                "disease": curie(row["subgroup"]), "genomicInterpretations": calls}}],
            "metaData": {"created": "2024-01-01T00:00:00Z", "createdBy": "registry",
                         "phenopacketSchemaVersion": "2.0", "resources": []},
        })  # fmt: skip
    return out


def loss_ledger(cohort: Cohort) -> DataFrame:
    """What phenopackets cannot carry: cells in are cells carried and cells lost."""
    assert cohort.genomics is not None
    assert cohort.visits is not None
    assert cohort.treatments is not None
    genes = cohort.genomics[genes_of(cohort)]
    cells = {
        ("patients", "centre"): (cohort.n_patients, cohort.n_patients),
        ("visits", "censored"): (len(cohort.visits), (cohort.visits["censored"] != "none").sum()),
        ("genomics", "blank"): (genes.size, genes.isna().to_numpy().sum()),
        ("treatments", "line"): (len(cohort.treatments), cohort.treatments["line"].notna().sum()),
    }
    rows = [
        (*place, int(n), int(n - lost), int(lost), LOST[place])
        for place, (n, lost) in cells.items()
    ]
    return DataFrame(rows, columns=["table", "column", "cells", "carried", "lost", "becomes"])


def _by_patient(frame: Any) -> dict[str, list[dict[str, Any]]]:
    out: dict[str, list[dict[str, Any]]] = {}
    for row in records(frame):
        out.setdefault(row["patient_id"], []).append(row)
    return out


def carried(cohort: Cohort) -> Cohort:
    """The cohort without what phenopackets cannot carry."""
    assert cohort.genomics is not None
    assert cohort.visits is not None
    assert cohort.treatments is not None
    tables = {
        "patients": cohort.patients.assign(centre="all"),
        "genomics": cohort.genomics.fillna(dict.fromkeys(genes_of(cohort), 0.0)),
        "visits": cohort.visits.assign(censored="none"),
        "events": cohort.events,
        "treatments": cohort.treatments.assign(line=None),
        "variables": cohort.variables,
    }
    return cohort_from_tables(cohort.name, tables, simulated=True)


def write_packets(folder: Path, packets: list[dict[str, Any]]) -> Path:
    """Write a file each."""
    folder.mkdir(parents=True)
    for k, packet in enumerate(packets):
        (folder / f"{k:05d}.json").write_text(json.dumps(packet))
    return folder


def mapping_of(cohort: Cohort) -> dict[str, Any]:
    """The mapping of such phenopackets."""
    subgroups = {f"{OWN}:{s}": s for s in cohort.subgroups}
    assert cohort.visits is not None
    markers = {f"{OWN}:{m}": m for m in sorted(cohort.visits["marker"].unique())}
    events = {f"{OWN}:{e}": e for e in ("complete_remission", "relapse")}
    given = {f"{OWN}:{t}": t for t in ("allogeneic_transplant",)}
    person = {"patient_id": "subject_id"}
    diagnosis = {"table": "diseases", "where": {"term": list(subgroups)}}
    return {
        "schema": "twinbayes/mapping/v1",
        "name": cohort.name,
        "simulated": True,
        "dates": "%Y-%m-%d",
        "tables": {
            "patients": {
                "table": "subjects",
                "origin": {**diagnosis, "column": "onset"},
                "columns": {
                    **person,
                    "subgroup": {**diagnosis, "column": "term", "values": subgroups},
                    "centre": {"constant": "all"},
                    "sex": "sex",
                    "age_years": {**diagnosis, "column": "onset_age"},
                    **{name: {"table": "measurements", "column": "value",
                              "where": {"assay": f"{OWN}:{name}"}}
                       for name in covariates_of(cohort) if name != "age_years"},
                },
            },
            "genomics": {
                "table": "genes",
                "columns": {**person, **{g: {"column": g, "values": {"1": 1, "": 0}}
                                         for g in genes_of(cohort)}},
            },
            "visits": {
                "table": "measurements",
                "where": {"assay": list(markers)},
                "columns": {**person, "day": "observed", "value": "value", "unit": "unit",
                            "marker": {"column": "assay", "values": markers}},
            },
            "events": [
                {
                    "table": "subjects",
                    "columns": person,
                    "closing": {"vital_status": "vital_status", "death": "death_date",
                                "last_contact": "last_encounter"},
                },
                {
                    "table": "features",
                    "columns": {**person, "day": "onset",
                                "event": {"column": "type", "values": events}},
                },
            ],
            "treatments": {
                "table": "actions",
                "columns": {**person, "start_day": "start",
                            "treatment": {"column": "code", "values": given}},
            },
        },
        "variables": variables_of(cohort),
    }  # fmt: skip


def write_mapping(folder: Path, mapping: dict[str, Any]) -> Path:
    path = folder / "map.yaml"
    path.write_text(yaml.safe_dump(json.loads(json.dumps(mapping)), sort_keys=False))
    return path
