"""What cBioPortal says of its columns, as a draft of a mapping."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from twinbayes import names
from twinbayes.cohort.importing.proposing.headers import PATIENT, UNTOLD, name_of
from twinbayes.cohort.importing.proposing.sketch import Sketch, counted, first_of, word_of
from twinbayes.cohort.importing.source import SourceTable

_PATIENT: Final = "PATIENT_ID"
_GROUPS: Final = ("ONCOTREE_CODE", "CANCER_TYPE_DETAILED", "CANCER_TYPE")
_GENE, _EFFECT = "Hugo_Symbol", "Variant_Classification"
# Mutations that change no protein.
_SILENT: Final = ("Silent", "Intron", "IGR", "3'UTR", "5'UTR", "3'Flank", "5'Flank", "RNA")
_NO_COVARIATE: Final = re.compile(r"PATIENT_ID|OTHER_PATIENT_ID|SEX|GENDER|AGE|.*_(STATUS|MONTHS)")
_MOST_GENES: Final = 30


def draft_cbioportal(tables: Sequence[SourceTable], name: str) -> dict[str, Any]:
    """Draft a mapping of a study of cBioPortal."""
    sketch = Sketch(name, tables)
    people = sketch.table("data_clinical_patient") or sketch.table("data_clinical_patients")
    samples = sketch.table("data_clinical_sample") or sketch.table("data_clinical_samples")
    if people is None:
        sketch.add(names.PATIENTS, {"table": UNTOLD, "columns": {PATIENT: UNTOLD}})
    else:
        _patients(sketch, people, samples)
    for table in tables:
        if table.name.startswith("data_mutations") and samples is not None:
            _mutations(sketch, table, samples)
        if table.name.startswith("data_timeline") and table.places("START_DATE"):
            _timeline(sketch, table)
    if people is not None:
        _ends(sketch, people)
    return sketch.mapping()


def _patients(sketch: Sketch, people: SourceTable, samples: SourceTable | None) -> None:
    columns: dict[str, Any] = {PATIENT: _PATIENT}
    group = None if samples is None else first_of(samples, *_GROUPS)
    if group is None:
        columns["subgroup"] = {"constant": names.WHOLE}
    columns["centre"] = first_of(people, "CENTER", "INSTITUTION") or {"constant": names.WHOLE}
    if age := first_of(people, "AGE"):
        columns["age_years"] = age
        sketch.declare("age_years", names.PATIENTS, unit="a")
    if sex := first_of(people, "SEX", "GENDER"):
        columns["sex"] = sketch.worded(people, sex, "sex")
        sketch.declare("sex", names.PATIENTS, levels=["female", "male"])
    rest = [c for c in people.header if c and not _NO_COVARIATE.fullmatch(c.upper())]
    columns |= sketch.covariates(people, [c for c in rest if c != columns["centre"]])
    sketch.add(names.PATIENTS, {"table": people.name, "columns": columns})
    if samples is not None and group is not None:
        own = {PATIENT: _PATIENT, "subgroup": group}
        sketch.add(names.PATIENTS, {"table": samples.name, "join": True, "columns": own})


def _ends(sketch: Sketch, people: SourceTable) -> None:
    status, months = first_of(people, "OS_STATUS"), first_of(people, "OS_MONTHS")
    told = {
        event
        for part in sketch.parts.get(names.EVENTS, [])
        for event in part["columns"]["event"]["values"].values()
    }
    if status is None or months is None or names.DEATH in told:
        return
    closing = {
        "vital_status": sketch.worded(people, status, "vital_status"),
        "last_contact": {"column": months, "unit": "mo"},
    }
    part = {"table": people.name, "columns": {PATIENT: _PATIENT}, "closing": closing}
    sketch.add(names.EVENTS, part)


def _mutations(sketch: Sketch, table: SourceTable, samples: SourceTable) -> None:
    """Absent in who was sequenced, present where there is a mutation that changes a protein."""
    effects = [effect for effect in counted(table, _EFFECT) if effect not in _SILENT]
    places = [place[0] for name in (_GENE, _EFFECT) if (place := table.places(name))]
    found = Counter(
        str(row[places[0]])
        for row in table.rows
        if places and (len(places) < 2 or str(row[places[1]]) in effects)
    )
    genes = [gene for gene, _ in found.most_common(_MOST_GENES)]
    if not genes:
        return
    said = sketch.declared(genes, names.GENOMICS)
    roster: dict[str, Any] = {"table": samples.name, "join": True}
    if samples.places("SEQUENCED"):
        roster["where"] = {"SEQUENCED": ["yes"]}
    absent = {name: {"constant": 0} for name in said.values()}
    sketch.add(names.GENOMICS, roster | {"columns": {PATIENT: _PATIENT, **absent}})
    where = {_GENE: genes}
    if effects:
        where[_EFFECT] = effects
    variable = _GENE if all(k == v for k, v in said.items()) else {"column": _GENE, "values": said}
    columns = {PATIENT: _PATIENT, "variable": variable, "value": {"constant": 1}}
    sketch.add(names.GENOMICS, {"table": table.name, "where": where, "columns": columns})


def _timeline(sketch: Sketch, table: SourceTable) -> None:
    columns: dict[str, Any] = {PATIENT: _PATIENT}
    if (test := first_of(table, "TEST")) and first_of(table, "RESULT"):
        codes = counted(table, test)
        said = sketch.declared(codes, names.VISITS)
        columns |= {"day": "START_DATE", "marker": {"column": test, "values": said}}
        part = {"table": table.name, "where": {test: codes}}
        sketch.add(names.VISITS, part | {"columns": columns | {"value": "RESULT"}})
    elif given := first_of(table, "AGENT", "TREATMENT_TYPE"):
        codes = counted(table, given)
        said = sketch.declared(codes, names.TREATMENTS)
        columns |= {"start_day": "START_DATE", "treatment": {"column": given, "values": said}}
        if first_of(table, "STOP_DATE"):
            columns["stop_day"] = "STOP_DATE"
        part = {"table": table.name, "where": {given: codes}, "columns": columns}
        sketch.add(names.TREATMENTS, part)
    elif status := first_of(table, "STATUS"):
        codes = counted(table, status)
        said = {
            code: word_of(code, "vital_status") or name_of(code, set(), event=True)
            for code in codes
        }
        if not set(names.TERMINAL_EVENTS) <= set(said.values()):
            # The clinical attributes say how every record ends, or else nothing does.
            said = {c: e for c, e in said.items() if e not in names.TERMINAL_EVENTS}
        columns |= {"day": "START_DATE", "event": {"column": status, "values": said}}
        part = {"table": table.name, "where": {status: list(said)}, "columns": columns}
        if said:
            sketch.add(names.EVENTS, part)
