"""What the OMOP common data model says of its columns, as a draft of a mapping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from twinbayes import names
from twinbayes.cohort.importing.cells.values import spelt
from twinbayes.cohort.importing.proposing.headers import PATIENT, UNTOLD, name_of
from twinbayes.cohort.importing.proposing.sketch import Sketch, counted, first_of
from twinbayes.cohort.importing.source import SourceTable

_PERSON: Final = "person_id"
_SEX: Final = {"8507": "male", "8532": "female"}
# Concepts of operators: what a value is a limit of.
_LIMITS: Final = {
    "4172703": "none", "4171756": "left", "4171754": "left", "4172704": "right",
    "4171755": "right", "0": "none",
}  # fmt: skip
_ALONE: Final = "1"  # the unit of numbers alone
_NO_UNIT: Final = {"0": _ALONE}  # 0 is the concept of no concept
_DRAFTED: Final = 20  # concepts of a table


def draft_omop(tables: Sequence[SourceTable], name: str) -> dict[str, Any]:
    """Draft a mapping of an OMOP database."""
    sketch = Sketch(name, tables)
    person = sketch.table("person")
    if person is not None:
        _persons(sketch, person)
    else:
        sketch.add(names.PATIENTS, {"table": UNTOLD, "columns": {PATIENT: UNTOLD}})
    concepts: dict[str, list[int]] = {}
    if (measured := sketch.table("measurement")) is not None and measured.rows:
        concepts["measurement"] = _measurements(sketch, measured)
    if (given := sketch.table("drug_exposure")) is not None and given.rows:
        concepts["drug_exposure"] = _drugs(sketch, given)
    settings: dict[str, Any] = {"diagnosis": [UNTOLD]}  # without one, everybody is a patient
    return sketch.mapping(dates="%Y-%m-%d", omop=settings | {"concepts": concepts})


def _persons(sketch: Sketch, person: SourceTable) -> None:
    columns: dict[str, Any] = {PATIENT: _PERSON, "subgroup": {"constant": names.WHOLE}}
    columns["centre"] = first_of(person, "care_site_id") or {"constant": names.WHOLE}
    columns["age_years"] = {"column": "birth_date", "date": "%Y-%m-%d"}
    sketch.declare("age_years", names.PATIENTS, unit="a")
    codes = counted(person, "gender_concept_id")
    sex = {code: _SEX.get(code) for code in codes}  # other concepts, such as 0, say nothing
    columns["sex"] = {"column": "gender_concept_id", "values": sex}
    sketch.declare("sex", names.PATIENTS, levels=["female", "male"])
    part = {"table": person.name, "origin": "index_date", "columns": columns}
    sketch.add(names.PATIENTS, part)
    closing = {"last_contact": "last_date"}
    if first_of(person, "death_date"):
        closing["death"] = "death_date"
    sketch.add(
        names.EVENTS, {"table": person.name, "columns": {PATIENT: _PERSON}, "closing": closing}
    )


def _measurements(sketch: Sketch, table: SourceTable) -> list[int]:
    column = "measurement_concept_id"
    measured, values = table.places(column)[0], table.places("value_as_number")[:1]
    numeric = {
        str(row[measured]) for row in table.rows if any(spelt(row[k]) is not None for k in values)
    }
    codes = [c for c in counted(table, column, most=_DRAFTED) if c in numeric and c.isdecimal()]
    said = _named(sketch, table, column, codes, names.VISITS)
    columns: dict[str, Any] = {
        PATIENT: _PERSON,
        "day": "measurement_date",
        "marker": {"column": column, "values": said},
        "value": "value_as_number",
    }
    if first_of(table, "operator_concept_id"):
        found = counted(table, "operator_concept_id")
        limits = {code: _LIMITS.get(code, UNTOLD) for code in found}
        columns["censored"] = {"column": "operator_concept_id", "values": limits}
    if table.labels and first_of(table, "unit_concept_id"):
        labels = table.labels.get("unit_concept_id", {})
        units = {u: labels.get(u, UNTOLD) for u in counted(table, "unit_concept_id")} | _NO_UNIT
        columns["unit"] = {"column": "unit_concept_id", "values": units}
        place = table.places("unit_concept_id")[0]
        for row in table.rows:
            marker, given = said.get(str(row[measured])), units.get(str(row[place]))
            if marker is not None and given not in (None, _ALONE):
                sketch.variables[marker].setdefault("unit", given)
        for marker in said.values():  # numbers alone, unless some row has a unit
            sketch.variables[marker].setdefault("unit", _ALONE)
    where = {column: codes}
    sketch.add(names.VISITS, {"table": table.name, "where": where, "columns": columns})
    return [int(code) for code in codes]


def _drugs(sketch: Sketch, table: SourceTable) -> list[int]:
    column = "drug_concept_id"
    codes = [c for c in counted(table, column, most=_DRAFTED) if c.isdecimal()]
    said = _named(sketch, table, column, codes, names.TREATMENTS)
    columns: dict[str, Any] = {PATIENT: _PERSON, "start_day": "drug_exposure_start_date"}
    if first_of(table, "drug_exposure_end_date"):
        columns["stop_day"] = "drug_exposure_end_date"
    columns["treatment"] = {"column": column, "values": said}
    sketch.add(names.TREATMENTS, {"table": table.name, "columns": columns})
    return [int(code) for code in codes]


def _named(
    sketch: Sketch, table: SourceTable, column: str, codes: Sequence[str], kind: str
) -> dict[str, str]:
    """Names for concepts, by the table of concepts or else by their numbers."""
    labels = table.labels.get(column, {})
    said = {code: name_of(labels.get(code, f"concept_{code}"), sketch.taken) for code in codes}
    for name in said.values():
        sketch.declare(name, kind)
    return said
