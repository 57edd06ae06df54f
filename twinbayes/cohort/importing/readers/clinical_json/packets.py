"""Phenopackets collected into tables: subjects, diseases, measurements, actions, genes."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from typing import Any, Final

from twinbayes.cohort.importing.cells.values import Problem
from twinbayes.cohort.importing.readers.clinical_json.packet_times import PacketTimes, Told
from twinbayes.cohort.importing.readers.clinical_json.times import Clocks
from twinbayes.cohort.importing.source import SourceTable

_FIRST_ROW: Final = 2
SUBJECT: Final = "subject_id"
_PRESENT: Final = ("CONTRIBUTORY", "CAUSATIVE")
_DOSES: Final = Problem("view-several", "the doses of the treatment differ")
_STRANGER: Final = Problem(
    "reference-kind", "an interpretation is of nobody in the phenopacket, and of no biosample"
)
_TIME: Final = ("{0}", "{0}_lower", "{0}_precision", "{0}_age")

#: Table -> its columns; that of genes has one more for each gene.
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "subjects": (
        *(SUBJECT, "sex", "karyotypic_sex", "birth_date", "vital_status", "death_date"),
        *("death_lower", "death_precision", "death_age", "cause_of_death", "survival_days"),
        *("last_encounter", "last_encounter_lower", "last_encounter_precision"),
        *("last_encounter_age", "taxonomy"),
    ),
    "diseases": (
        *(SUBJECT, "term", "term_label", *(t.format("onset") for t in _TIME)),
        *("resolution", "stage", "primary_site", "laterality"),
    ),
    "features": (
        *(SUBJECT, "type", "type_label", "severity", *(t.format("onset") for t in _TIME)),
        "resolution",
    ),
    "measurements": (
        *(SUBJECT, "panel", "assay", "assay_label", "value", "unit", "unit_code", "value_code"),
        *("value_label", *(t.format("observed") for t in _TIME)),
    ),
    "actions": (
        *(SUBJECT, "kind", "code", "code_label", "start", "start_precision", "stop", "dose"),
        *("dose_unit", "dose_unit_code", "cumulative_dose", "status", "intent", "response"),
    ),
    "interpretations": (SUBJECT, "gene", "gene_id", "status", "variant", "acmg", "disease"),
    "genes": (SUBJECT,),
}
_LABELS: Final[Mapping[str, Mapping[str, Mapping[str, str]]]] = {
    "subjects": {
        "sex": {"MALE": "male", "FEMALE": "female"},
        "vital_status": {"ALIVE": "last_contact", "DECEASED": "death"},
    },
}
_UNITS: Final = {"value": "unit", "dose": "dose_unit"}
_MEANINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "subjects": {
        "birth_date": "birth", "death_date": "death", "last_encounter": "last_contact",
    },
    "diseases": {"term": "subgroup", "onset": "origin"},
    "features": {"type": "event", "onset": "date"},
    "measurements": {"assay": "marker", "observed": "date"},
    "actions": {"code": "treatment", "start": "start_day", "stop": "stop_day"},
}  # fmt: skip

type _Row = tuple[object, ...]


class Packets:
    """Phenopackets as they come, to tables."""

    def __init__(self) -> None:
        self._rows: dict[str, list[_Row]] = {name: [] for name in COLUMNS}
        self._numbers: dict[str, list[int]] = {name: [] for name in COLUMNS}
        self._left_out: dict[str, dict[int, str]] = {name: {} for name in COLUMNS}
        self._files = {name: array("L") for name in COLUMNS}
        self._items = {name: array("L") for name in COLUMNS}
        self._genes: list[dict[str, int]] = []
        self._symbols: dict[str, None] = {}
        self._clocks = Clocks()

    def take(self, packet: Mapping[str, Any], file: int, item: int) -> Problem | None:
        """Add a phenopacket that keeps to its form; returns what makes it unfit."""
        subject = packet["subject"]
        own = subject["id"]
        samples = (b.get("id") for b in packet.get("biosamples", ()) if isinstance(b, dict))
        known = {own, *(sample for sample in samples if isinstance(sample, str))}
        genomic = list(_genomic(packet))
        if any(found["subjectOrBiosampleId"] not in known for found, _ in genomic):
            return _STRANGER
        times = PacketTimes(packet, self._clocks)

        def add(table: str, *cells: object, left_out: bool = False) -> None:
            number = _FIRST_ROW + len(self._files[table])
            self._files[table].append(file)
            self._items[table].append(item)
            if left_out:
                self._left_out[table][number] = "excluded"
            else:
                self._rows[table].append((own, *cells))
                self._numbers[table].append(number)

        _add_subject(subject, times, add)
        for one in packet.get("diseases", ()):
            stage = (one.get("diseaseStage") or [None])[0]
            add("diseases", *_term(one["term"]), *times.told(one.get("onset")),
                times.told(one.get("resolution")).at, _id(stage), _id(one.get("primarySite")),
                _id(one.get("laterality")), left_out=one.get("excluded", False))  # fmt: skip
        for one in packet.get("phenotypicFeatures", ()):
            add("features", *_term(one["type"]), _id(one.get("severity")),
                *times.told(one.get("onset")), times.told(one.get("resolution")).at,
                left_out=one.get("excluded", False))  # fmt: skip
        for one in packet.get("measurements", ()):
            for cells in _measured(one, times.told(one.get("timeObserved"))):
                add("measurements", *cells)
        for one in packet.get("medicalActions", ()):
            add("actions", *_action(one, times))
        present: dict[str, int] = {}
        for found, disease in genomic:
            status = found.get("interpretationStatus", "UNKNOWN_STATUS")
            gene, variant = _gene(found)
            add("interpretations", gene.get("symbol"), gene.get("valueId"), status,
                variant.get("label") or variant.get("id"),
                found.get("variantInterpretation", {}).get("acmgPathogenicityClassification"),
                disease, left_out=status == "REJECTED")  # fmt: skip
            if status in _PRESENT and gene.get("symbol"):
                present[gene["symbol"]] = 1
                self._symbols[gene["symbol"]] = None
        add("genes")
        self._genes.append(present)
        return None

    def tables(self, n_files: int) -> list[SourceTable]:
        """The tables that have rows."""
        symbols = sorted(self._symbols)
        self._rows["genes"] = [
            (row[0], *(present.get(symbol) for symbol in symbols))
            for row, present in zip(self._rows["genes"], self._genes, strict=True)
        ]
        out = []
        for name, columns in COLUMNS.items():

            def located(row: int, name: str = name) -> str:
                at = row - _FIRST_ROW
                place = f"phenopacket {self._items[name][at]}"
                file = self._files[name][at] + 1
                return f"file {file} by name, {place}" if n_files > 1 else place

            if self._files[name]:
                out.append(SourceTable(
                    name=name,
                    header=(*columns, *(symbols if name == "genes" else ())),
                    rows=self._rows[name],
                    numbers=self._numbers[name],
                    left_out=self._left_out[name],
                    labels=_LABELS.get(name, {}),
                    units={c: u for c, u in _UNITS.items() if {c, u} <= set(columns)},
                    meanings={SUBJECT: "patient_id", **_MEANINGS.get(name, {})},
                    located=located,
                ))  # fmt: skip
        return out


def _add_subject(subject: Mapping[str, Any], times: PacketTimes, add: Any) -> None:
    vital = subject.get("vitalStatus", {})
    sex, status = subject.get("sex"), vital.get("status")
    add("subjects", None if sex == "UNKNOWN_SEX" else sex, subject.get("karyotypicSex"),
        times.birth, None if status == "UNKNOWN_STATUS" else status,
        *times.told(vital.get("timeOfDeath")), _id(vital.get("causeOfDeath")),
        vital.get("survivalTimeInDays"), *times.told(subject.get("timeAtLastEncounter")),
        _id(subject.get("taxonomy")))  # fmt: skip


def _term(found: Mapping[str, Any] | None) -> tuple[object, object]:
    return (None, None) if found is None else (found["id"], found.get("label"))


def _id(found: Mapping[str, Any] | None) -> object:
    return None if found is None else found["id"]


def _quantity(found: Mapping[str, Any] | None) -> tuple[object, object, object]:
    """Value, unit in UCUM, and the code of a unit of another ontology."""
    if found is None:
        return None, None, None
    unit = found.get("unit", {}).get("id")
    if isinstance(unit, str) and unit[:5].upper() == "UCUM:":
        return found["value"], unit[5:], unit
    return found["value"], None, unit


def _measured(one: Mapping[str, Any], observed: Told) -> Iterator[_Row]:
    """A row a value: one, or each of a complex value."""
    panel = one["assay"]["id"]
    for typed in one.get("complexValue", {}).get("typedQuantities", ()):
        yield panel, *_term(typed["type"]), *_quantity(typed["quantity"]), None, None, *observed
    if "complexValue" not in one:
        value = one.get("value", {})
        answer = _term(value.get("ontologyClass"))
        yield panel, *_term(one["assay"]), *_quantity(value.get("quantity")), *answer, *observed


def _action(one: Mapping[str, Any], times: PacketTimes) -> _Row:
    ends = (_id(one.get("treatmentIntent")), _id(one.get("responseToTreatment")))
    if "procedure" in one:
        what = one["procedure"]
        done = times.told(what.get("performed"))
        return ("procedure", *_term(what["code"]), done.at, done.precision, None,
                None, None, None, None, None, *ends)  # fmt: skip
    if "radiationTherapy" in one:
        what = one["radiationTherapy"]
        return ("radiation", *_term(what.get("modality")), None, None, None, what.get("dosage"),
                "Gy", None, None, None, *ends)  # fmt: skip
    if "therapeuticRegimen" in one:
        what = one["therapeuticRegimen"]
        start, stop = times.told(what.get("startTime")), times.told(what.get("endTime"))
        return ("regimen", *_term(what.get("ontologyClass")), start.at, start.precision, stop.at,
                None, None, None, None, what.get("regimenStatus"), *ends)  # fmt: skip
    what = one["treatment"]
    given = what.get("doseIntervals", [])
    spans = [dose.get("interval", {}) for dose in given]
    starts = sorted(s["start"] for s in spans if "start" in s)
    stops = sorted(s["end"] for s in spans if "end" in s)
    doses = {_quantity(dose.get("quantity")) for dose in given}
    dose = next(iter(doses), (None, None, None)) if len(doses) < 2 else (_DOSES, None, None)
    start = times.stamp(starts[0] if starts else None)
    # A treatment of which one interval has no end goes on.
    stop = times.stamp(stops[-1] if spans and len(stops) == len(spans) else None)
    return ("treatment", *_term(what.get("agent")), start.at, start.precision, stop.at, *dose,
            _quantity(what.get("cumulativeDose"))[0], None, *ends)  # fmt: skip


def _genomic(packet: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], object]]:
    """Genomic interpretations, each with the disease that it is of."""
    for one in packet.get("interpretations", ()):
        diagnosis = one.get("diagnosis", {})
        for found in diagnosis.get("genomicInterpretations", ()):
            yield found, _id(diagnosis.get("disease"))


def _gene(found: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Gene and variant of a genomic interpretation."""
    variant = found.get("variantInterpretation", {}).get("variationDescriptor", {})
    return found.get("gene") or variant.get("geneContext") or {}, variant
