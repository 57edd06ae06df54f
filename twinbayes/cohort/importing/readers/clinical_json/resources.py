"""FHIR resources collected into the tables of views, whatever files they come from."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from twinbayes.cohort.importing.cells.values import Problem
from twinbayes.cohort.importing.readers.clinical_json.fhirpath import PathError
from twinbayes.cohort.importing.readers.clinical_json.flattening import Flattening, Row
from twinbayes.cohort.importing.readers.clinical_json.references import References, is_id
from twinbayes.cohort.importing.source import SourceTable

PATIENT: Final = "Patient"
MEDICATION: Final = "Medication"
_MODIFIER: Final = "modifierExtension"
_FIRST_ROW: Final = 2
_WITHDRAWN: Final = ("entered-in-error", "refuted")
_UNITS: Final = {"value": "unit", "dose": "dose_unit"}
#: What columns of the packaged views mean, for drafts of mappings.
MEANINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "patient": {"death_date": "death", "identifier": "ignored"},
    "condition": {"code": "subgroup", "onset": "origin"},
    "observation": {"effective": "date", "code": "marker"},
    "medication_administration": {"start": "start_day", "stop": "stop_day", "code": "treatment"},
    "medication_statement": {"start": "start_day", "stop": "stop_day", "code": "treatment"},
    "procedure": {"start": "start_day", "stop": "stop_day", "code": "treatment"},
    "encounter": {"seen": "last_contact"},
}

NO_RESOURCE: Final = Problem("resource-type", "it is no resource of FHIR")
_NO_ID: Final = Problem("resource-id", "the resource has no identifier, or none that may be")
_TWICE: Final = Problem("resource-twice", "a resource of this type and identifier was there before")
_MODIFIED: Final = Problem("modifier-extension", "the resource has a modifierExtension")
_RULES: Final = Problem("modifier-extension", "the resource has implicitRules")
_REPLACED: Final = Problem("patient-replaced", "the patient was replaced by another")
_PATH: Final = Problem("view-path", "a path of the view cannot be evaluated for the resource")


class _Table:
    def __init__(self, flattening: Flattening) -> None:
        self.flattening = flattening
        self.rows: list[Row] = []
        self.numbers: list[int] = []
        self.left_out: dict[int, str] = {}
        self.files, self.lines = array("L"), array("L")

    def add(self, found: Sequence[Row] | str, file: int, line: int) -> None:
        """Add the rows of a resource, or the rule by which it is left out."""
        n = 1 if isinstance(found, str) else len(found)
        for k in range(n):
            number = _FIRST_ROW + len(self.files)
            self.files.append(file)
            self.lines.append(line)
            if isinstance(found, str):
                self.left_out[number] = found
            else:
                self.rows.append(found[k])
                self.numbers.append(number)


class Resources:
    """Resources as they come, to tables.

    Parameters
    ----------
    flattenings
        Views that are asked for, compiled.
    references
        What references mean.
    deleted
        Type and identifier of resources that the source says are deleted.
    """

    def __init__(
        self,
        flattenings: Sequence[Flattening],
        references: References,
        deleted: Collection[tuple[str, str]],
    ) -> None:
        self._tables: defaultdict[str, list[_Table]] = defaultdict(list)
        for flattening in flattenings:
            self._tables[flattening.view.resource].append(_Table(flattening))
        self._references, self._deleted = references, deleted
        self._ids: defaultdict[str, set[str]] = defaultdict(set)
        self._others: Counter[str] = Counter()
        self.medications: dict[str, Any] = {}

    def is_read(self, kind: object) -> bool:
        """Whether any table is made of resources of a type."""
        return kind in self._tables

    def count(self, kind: str) -> None:
        """Count a resource of a type of which no table is made."""
        self._others[kind] += 1

    def take(
        self, resource: Mapping[str, Any], may_be_modified: bool, file: int, line: int
    ) -> Problem | None:
        """Add a resource of a type that is read; returns what makes it unfit."""
        kind, own = resource["resourceType"], resource.get("id")
        if (own is not None or kind == PATIENT) and not is_id(own):
            return _NO_ID
        if own is not None:
            if own in self._ids[kind]:
                return _TWICE
            self._ids[kind].add(own)
        if (kind, own) in self._deleted or _is_withdrawn(resource):
            self._add(kind, "withdrawn", file, line)
            return None
        if "implicitRules" in resource:
            return _RULES
        if may_be_modified and _has_modifier(resource):
            return _MODIFIED
        if kind == PATIENT and _is_replaced(resource):
            return _REPLACED
        if "medicationReference" in resource:
            resource = self._with_medication(resource)
        for table in self._tables[kind]:
            try:
                rows = table.flattening.rows_of(resource)
            except PathError:
                return _PATH
            table.add("not-in-view" if rows is None else rows, file, line)
        return None

    def _add(self, kind: str, rule: str, file: int, line: int) -> None:
        for table in self._tables[kind]:
            table.add(rule, file, line)

    def _with_medication(self, resource: Mapping[str, Any]) -> Mapping[str, Any]:
        """A resource with the code of the Medication that it refers to."""
        reference = resource["medicationReference"]
        text = reference.get("reference") if isinstance(reference, dict) else None
        contained = resource.get("contained")
        code = None
        if isinstance(text, str) and text.startswith("#") and isinstance(contained, list):
            code = next(
                (
                    c.get("code")
                    for c in contained
                    if isinstance(c, dict) and c.get("id") == text[1:]
                ),
                None,
            )
        elif isinstance(key := self._references.key_of(reference, MEDICATION), str):
            code = self.medications.get(key)
        if code is None or "medicationCodeableConcept" in resource:
            return resource
        return {**resource, "medicationCodeableConcept": code}

    def tables(self, called: Sequence[str], counted: str) -> list[SourceTable]:
        """Tables of which there are resources, and bare ones of types that no view reads.

        Parameters
        ----------
        called
            What messages call each file.
        counted
            What the numbers of places count: ``line`` or ``entry``.
        """
        out = []
        for table in (t for several in self._tables.values() for t in several if t.files):
            view = table.flattening.view

            def located(row: int, table: _Table = table) -> str:
                at = row - _FIRST_ROW
                return f"{called[table.files[at]]}, {counted} {table.lines[at]}"

            out.append(
                SourceTable(
                    name=view.name,
                    header=view.columns,
                    rows=table.rows,
                    numbers=table.numbers,
                    left_out=table.left_out,
                    units={c: u for c, u in _UNITS.items() if {c, u} <= set(view.columns)},
                    meanings=MEANINGS.get(view.name, {}),
                    located=located,
                )
            )
        out += [
            SourceTable(name=kind, header=(), rows=[()] * n, numbers=range(2, n + 2))
            for kind, n in sorted(self._others.items())
        ]
        return out


def _is_withdrawn(resource: Mapping[str, Any]) -> bool:
    if resource.get("status") == "entered-in-error":
        return True
    verified = resource.get("verificationStatus")
    codings = verified.get("coding") if isinstance(verified, dict) else None
    return isinstance(codings, list) and any(
        isinstance(coding, dict) and coding.get("code") in _WITHDRAWN for coding in codings
    )


def _is_replaced(patient: Mapping[str, Any]) -> bool:
    links = patient.get("link")
    return isinstance(links, list) and any(
        isinstance(link, dict) and link.get("type") == "replaced-by" for link in links
    )


def _has_modifier(resource: Mapping[str, Any]) -> bool:
    level: list[Any] = [resource]
    while level:
        part = level.pop()
        if isinstance(part, dict):
            if _MODIFIER in part:
                return True
            level += part.values()
        elif isinstance(part, list):
            level += part
    return False
