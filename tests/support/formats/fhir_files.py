"""A cohort as a hospital's FHIR server exports it, and the mapping that reads it back."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from clinical_cohort import after, covariates_of, day_zero, genes_of, records, variables_of
from twinbayes.cohort import Cohort

UCUM, LOINC = "http://unitsofmeasure.org", "http://loinc.org"
OWN = "http://registry.example/codes"
LINE = "http://registry.example/line-of-therapy"
PRESENT, ABSENT = "LA9633-4", "LA9634-2"

type Resources = dict[str, list[dict[str, Any]]]


def told(when: datetime) -> str:
    """A time on the clock of a place with summer time."""
    summer = 4 <= when.month <= 10
    return when.isoformat(timespec="seconds") + ("+02:00" if summer else "+01:00")


def id_of(name: str) -> str:
    """A name as an identifier of a resource, which has no underscores."""
    return name.replace("_", "-")


def coded(code: str, system: str = OWN) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}], "text": code.replace("_", " ")}


def quantity(value: float, unit: str, comparator: str = "none") -> dict[str, Any]:
    sign = {"none": {}, "left": {"comparator": "<"}, "right": {"comparator": ">"}}[comparator]
    return {"value": value, **sign, "unit": unit, "system": UCUM, "code": unit}


def resources_of(cohort: Cohort) -> Resources:
    """Type of resource -> its resources."""
    zero = day_zero(cohort.patient_ids)
    units = {n: v.get("unit", "1") for n, v in variables_of(cohort).items()}
    out: Resources = defaultdict(list)

    def add(kind: str, patient: str, **content: Any) -> None:
        own = f"{kind.lower()}-{len(out[kind]) + 1}"
        subject = {"reference": f"Patient/{patient}"}
        out[kind].append({"resourceType": kind, "id": own, "subject": subject, **content})

    ends = {row["patient_id"]: row for row in records(cohort.events)
            if row["event"] in ("death", "last_contact")}  # fmt: skip
    for row in records(cohort.patients):
        patient = row["patient_id"]
        own: dict[str, Any] = {"resourceType": "Patient", "id": patient, "active": True}
        if "sex" in row:
            own["gender"] = row["sex"]
        own["managingOrganization"] = {"reference": f"Organization/{id_of(row['centre'])}"}
        end = told(after(zero[patient], ends[patient]["day"]))
        if ends[patient]["event"] == "death":
            own["deceasedDateTime"] = end
        else:
            add("Encounter", patient, status="finished",
                period={"start": told(zero[patient]), "end": end})  # fmt: skip
        out["Patient"].append(own)
        verified = {"coding": [{"code": "confirmed"}]}
        add("Condition", patient, code=coded(row["subgroup"]), verificationStatus=verified,
            onsetDateTime=told(zero[patient]))  # fmt: skip
        for name in covariates_of(cohort):
            if name in row:
                add("Observation", patient, status="final", code=coded(name),
                    effectiveDateTime=told(zero[patient]),
                    valueQuantity=quantity(row[name], units[name]))  # fmt: skip
    assert cohort.genomics is not None
    for row in records(cohort.genomics):
        for gene in genes_of(cohort):
            if gene in row:
                answer = coded(PRESENT if row[gene] else ABSENT, LOINC)
                add("Observation", row["patient_id"], status="final", code=coded(gene),
                    valueCodeableConcept=answer)  # fmt: skip
    _add_visits(cohort, zero, units, add)
    for row in records(cohort.events):
        if row["event"] not in ("death", "last_contact"):
            when = told(after(zero[row["patient_id"]], row["day"]))
            add("Condition", row["patient_id"], code=coded(row["event"]), onsetDateTime=when)
    assert cohort.treatments is not None
    for row in records(cohort.treatments):
        when = told(after(zero[row["patient_id"]], row["start_day"]))
        add("Procedure", row["patient_id"], status="completed", code=coded(row["treatment"]),
            performedDateTime=when,
            extension=[{"url": LINE, "valueInteger": int(row["line"])}])  # fmt: skip
    return dict(out)


def _add_visits(cohort: Cohort, zero: dict[str, datetime], units: dict[str, str], add: Any) -> None:
    """Questionnaires as one observation with components, blood values one by one."""
    assert cohort.visits is not None
    panels: dict[tuple[str, float], list[dict[str, Any]]] = defaultdict(list)
    for row in records(cohort.visits):
        patient, marker = row["patient_id"], row["marker"]
        value = quantity(row["value"], units[marker], row["censored"])
        if marker in ("global_health", "fatigue"):
            panels[patient, row["day"]].append({"code": coded(marker), "valueQuantity": value})
        else:
            add("Observation", patient, status="final", code=coded(marker), valueQuantity=value,
                effectiveDateTime=told(after(zero[patient], row["day"])))  # fmt: skip
    for (patient, day), parts in panels.items():
        add("Observation", patient, status="final", code=coded("questionnaire"), component=parts,
            effectiveDateTime=told(after(zero[patient], day)))  # fmt: skip


def write_ndjson(folder: Path, resources: Resources, most: int = 5_000) -> Path:
    """Write a bulk export: one type a file, several files where there are many."""
    folder.mkdir(parents=True)
    for kind, several in resources.items():
        for k in range(0, len(several), most):
            lines = [json.dumps(one) for one in several[k : k + most]]
            (folder / f"{kind}.{k // most:03d}.ndjson").write_text("\n".join(lines) + "\n")
    return folder


def bundle_of(resources: Resources) -> dict[str, Any]:
    """One bundle whose entries refer to each other by urn:uuid."""
    urls = {
        f"{kind}/{one['id']}": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, kind + one['id'])}"
        for kind, several in resources.items()
        for one in several
    }
    entries = []
    for kind, several in resources.items():
        for one in several:
            own = json.loads(json.dumps(one))
            if "subject" in own:
                own["subject"]["reference"] = urls[own["subject"]["reference"]]
            if kind != "Patient":
                del own["id"]
            entries.append({"fullUrl": urls[f"{kind}/{one['id']}"], "resource": own})
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


#: The line of therapy stands in an extension, which no packaged view reads.
PROCEDURES: dict[str, Any] = {
    "resourceType": "ViewDefinition",
    "name": "transplant",
    "resource": "Procedure",
    "status": "active",
    "constant": [{"name": "line", "valueUri": LINE}],
    "where": [{"path": "status = 'completed'"}],
    "select": [
        {"column": [
            {"name": "patient_id", "path": "subject.getReferenceKey(Patient)"},
            {"name": "code", "path": "code.coding.code.first()"},
            {"name": "start", "path": "performed.ofType(dateTime)", "type": "dateTime"},
            {"name": "line",
             "path": "extension.where(url = %line).value.ofType(integer).first()"},
        ]}
    ],
}  # fmt: skip


def looked_up(table: str, column: str, code: str, **more: Any) -> dict[str, Any]:
    return {"table": table, "column": column, "where": {"code": f"{OWN}|{code}"}, **more}


def mapping_of(cohort: Cohort) -> dict[str, Any]:
    """The mapping of such an export, with a view of its own for the procedures."""
    subgroups = {f"{OWN}|{s}": s for s in cohort.subgroups}
    assert cohort.visits is not None
    markers = {f"{OWN}|{m}": m for m in sorted(cohort.visits["marker"].unique())}
    events = {f"{OWN}|{e}": e for e in ("complete_remission", "relapse")}
    answers = {f"{LOINC}|{PRESENT}": 1, f"{LOINC}|{ABSENT}": 0}
    diagnosis = {"table": "condition", "where": {"code": list(subgroups)}}
    person = {"patient_id": "patient_id"}
    return {
        "schema": "twinbayes/mapping/v1",
        "name": cohort.name,
        "simulated": True,
        "dates": "%Y-%m-%d",
        "views": ["transplant.view.json"],
        "tables": {
            "patients": {
                "table": "patient",
                "origin": {**diagnosis, "column": "onset"},
                "columns": {
                    **person,
                    "subgroup": {**diagnosis, "column": "code", "values": subgroups},
                    "centre": {"column": "centre", "values": {id_of(c): c for c in cohort.centres}},
                    "sex": "sex",
                    **{n: looked_up("observation", "value", n) for n in covariates_of(cohort)},
                },
            },
            "genomics": {
                "table": "patient",
                "columns": {
                    **person,
                    **{g: looked_up("observation", "value_code", g, values=answers)
                       for g in genes_of(cohort)},
                },
            },
            "visits": {
                "table": "observation",
                "where": {"code": list(markers)},
                "columns": {
                    **person, "day": "effective", "value": "value", "unit": "unit",
                    "marker": {"column": "code", "values": markers},
                },
            },
            "events": [
                {
                    "table": "patient",
                    "columns": person,
                    "closing": {
                        "death": "death_date",
                        "last_contact": {"table": "encounter", "column": "seen", "last": "seen"},
                    },
                },
                {
                    "table": "condition",
                    "where": {"code": list(events)},
                    "columns": {**person, "day": "onset",
                                "event": {"column": "code", "values": events}},
                },
            ],
            "treatments": {
                "table": "transplant",
                "columns": {**person, "start_day": "start", "treatment": "code", "line": "line"},
            },
        },
        "variables": variables_of(cohort),
    }  # fmt: skip


def write_mapping(folder: Path, mapping: dict[str, Any]) -> Path:
    """Write the mapping, and beside it the view that it names."""
    (folder / "transplant.view.json").write_text(json.dumps(PROCEDURES))
    path = folder / "map.yaml"
    # Through JSON, so that no part stands in the file as an alias of another.
    path.write_text(yaml.safe_dump(json.loads(json.dumps(mapping)), sort_keys=False))
    return path
