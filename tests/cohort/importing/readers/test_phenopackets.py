"""Phenopackets: a registry written as such, and read back but for what they cannot carry."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

import phenopacket_files as packets
import twinbayes as tb
from clinical_cohort import few_patients
from refusals import alternating, refused
from twinbayes.cohort import Cohort
from twinbayes.cohort.importing.mapping.unmapped import Unmapped
from twinbayes.cohort.importing.readers.clinical_json.times import (
    Clocks,
    age_days,
    moment_of,
    precision_of,
)
from twinbayes.cohort.importing.running import run_import
from twinbayes.datasets.simulated.simulate import simulate_registry
from twinbayes.names import TABLES


@pytest.fixture(scope="module")
def few() -> Cohort:
    return few_patients(8)


@pytest.fixture(scope="module")
def pristine(few: Cohort) -> str:
    return json.dumps(packets.packets_of(few))


def test_a_registry_comes_back_but_for_what_is_listed_as_lost(tmp_path: Path) -> None:
    registry = simulate_registry(seed=23, n_patients=300)[0]
    source = packets.write_packets(tmp_path / "packets", packets.packets_of(registry))
    done = run_import(source, packets.write_mapping(tmp_path, packets.mapping_of(registry)))
    assert done.cohort.fingerprint == packets.carried(registry).fingerprint
    rows = done.ledger.rows
    assert (rows["rows_in"] == rows["rows_used"] + rows["rows_listed"]).all()
    lost = packets.loss_ledger(registry)
    sys.stdout.write(f"\n{lost.to_string(index=False)}\n")
    assert (lost["cells"] == lost["carried"] + lost["lost"]).all()
    assert set(zip(lost["table"], lost["column"], strict=True)) == set(packets.LOST)
    assert (lost["lost"] > 0).all()


def test_a_list_in_one_file_gives_the_same_and_times_may_be_ages_or_timestamps(
    few: Cohort, pristine: str, tmp_path: Path
) -> None:
    several = json.loads(pristine)
    text = json.dumps(several[0]["diseases"])
    assert "iso8601duration" in text
    # Of whom the age is not known the times are timestamps.
    ages = few.patients["age_years"].mask(few.patients.index < 3)
    tables = {name: getattr(few, name) for name in TABLES}
    tables["patients"] = few.patients.assign(age_years=ages)
    whole = tb.cohort_from_tables(few.name, tables, simulated=True)
    stamped = packets.packets_of(whole)
    assert "timestamp" in json.dumps(stamped[0]["diseases"])
    (tmp_path / "all.json").write_text(json.dumps(stamped))
    mapping = packets.write_mapping(tmp_path, packets.mapping_of(whole))
    cohort = tb.import_cohort(tmp_path / "all.json", mapping, tell=None)
    assert cohort.fingerprint == packets.carried(whole).fingerprint


def test_what_is_excluded_or_rejected_is_listed_and_changes_nothing(
    few: Cohort, pristine: str, tmp_path: Path
) -> None:
    several = json.loads(pristine)
    one = several[0]
    one["diseases"].append({**one["diseases"][0], "excluded": True})
    one["phenotypicFeatures"].append({"type": packets.curie("relapse"), "excluded": True})
    calls = one["interpretations"][0]["diagnosis"]["genomicInterpretations"]
    for status in ("REJECTED", "CANDIDATE", "UNKNOWN_STATUS"):
        calls.append({"subjectOrBiosampleId": one["subject"]["id"],
                      "interpretationStatus": status, "gene": {"symbol": "NOTHING"}})  # fmt: skip
    source = packets.write_packets(tmp_path / "packets", several)
    mapping = packets.write_mapping(tmp_path, packets.mapping_of(few))
    done = run_import(source, mapping)
    assert done.cohort.fingerprint == packets.carried(few).fingerprint
    assert list(done.ledger.listed["rule"]) == ["excluded", "excluded"]
    assert "NOTHING" not in str(done.ledger)


def test_a_draft_imports(few: Cohort, pristine: str, tmp_path: Path) -> None:
    source = packets.write_packets(tmp_path / "packets", json.loads(pristine))
    text = tb.propose_mapping(source)
    assert yaml.safe_load(text)["variables"]["haemoglobin"]["unit"] == "g/dL"
    (tmp_path / "draft.yaml").write_text(text)
    cohort = tb.import_cohort(source, tmp_path / "draft.yaml", tell=None)
    assert cohort.events.equals(few.events)


def test_doses_regimens_and_radiation_are_rows_of_actions(pristine: str, tmp_path: Path) -> None:
    one = json.loads(pristine)[0]
    unit = {"id": "UCUM:mg"}
    gap = {"start": "2019-02-01T00:00:00Z", "end": "2019-03-01T00:00:00Z"}
    dose = {"quantity": {"unit": unit, "value": 40}, "interval": gap}
    later = {**dose, "interval": {"start": "2019-05-01T00:00:00Z"}}
    one["subject"]["dateOfBirth"] = "1960-05-17T00:00:00Z"
    one["medicalActions"] = [
        {"treatment": {"agent": packets.curie("azacitidine"), "doseIntervals": [dose]}},
        {"treatment": {"agent": packets.curie("azacitidine"), "doseIntervals": [dose, later]}},
        {"therapeuticRegimen": {"ontologyClass": packets.curie("flag"),
                                "startTime": {"age": {"iso8601duration": "P58Y"}}}},
        {"radiationTherapy": {"modality": packets.curie("tbi"), "dosage": 12, "fractions": 6}},
    ]  # fmt: skip
    from twinbayes.cohort.importing.finding import read_source
    from twinbayes.cohort.importing.rules import import_faults

    (tmp_path / "one.json").write_text(json.dumps(one))
    tables, _ = read_source(tmp_path / "one.json", None, Unmapped(), import_faults())
    actions = next(table for table in tables if table.name == "actions")
    rows = [dict(zip(actions.header, row, strict=True)) for row in actions.rows]
    assert [row["kind"] for row in rows] == ["treatment", "treatment", "regimen", "radiation"]
    assert rows[0]["start"] == datetime(2019, 2, 1)
    assert rows[0]["stop"] == datetime(2019, 3, 1)
    assert (rows[0]["dose"], rows[0]["dose_unit"]) == (40, "mg")
    assert rows[1]["stop"] is None  # its last interval has no end
    assert rows[2]["start"] == datetime(2018, 5, 17, 12)  # 58 years of 365.25 days after birth
    assert rows[2]["start_precision"] == "year"


@pytest.mark.parametrize(
    ("text", "days", "precision"),
    [("P25Y", 9131.25, "year"), ("P25Y3M2D", 9131.25 + 3 * 30.4375 + 2, "day"), ("P2W", 14, "week"),
     ("P6M", 182.625, "month"), ("P0D", 0, "day"), ("PT36H", 1.5, "time"),
     ("P1DT30M", 1 + 30 / 1440, "time")],
)  # fmt: skip
def test_durations_are_days(text: str, days: float, precision: str) -> None:
    assert age_days(text) == pytest.approx(days, abs=1e-9)
    assert precision_of(text) == precision


@pytest.mark.parametrize("text", ["P", "25Y", "P-1Y", "P1.5Y", "PT", "P1D1Y", "P1Y ", "p1y", "", 3,
                                  "P9999999Y", "P" + "1Y" * 50, "P٣Y"])  # fmt: skip
def test_what_is_no_duration_is_a_problem(text: Any) -> None:
    found = age_days(text)
    assert not isinstance(found, float)
    assert found.rule == "not-an-age"


def test_times_are_told_on_the_clock_of_the_place_and_clocks_may_differ_by_an_hour() -> None:
    clocks = Clocks()
    night = moment_of("2019-07-01T00:30:00+02:00", clocks)
    assert night == datetime(2019, 7, 1, 0, 30)
    assert moment_of("2019-12-01T00:30:00+01:00", clocks) == datetime(2019, 12, 1, 0, 30)
    found = moment_of("2019-12-01T00:30:00Z", clocks)
    assert getattr(found, "rule", None) == "time-zones"


def put(place: str, value: Any) -> Callable[[Any], None]:
    """Set what stands at a place of the third packet; None takes it out."""

    def change(several: Any) -> None:
        *keys, last = [int(key) if key.isdigit() else key for key in place.split(".")]
        part = several[2]
        for key in keys:
            part = part[key]
        if value is None:
            del part[last]
        else:
            part[last] = value

    return change


AGE = {"age": {"iso8601duration": "P40Y"}}
STAMP = {"timestamp": "2019-01-02T00:00:00Z"}
PACKETS: list[tuple[str, Callable[[Any], None], str]] = [
    ("no-id", put("id", None), "phenopacket-form"),
    ("no-subject", put("subject", None), "phenopacket-form"),
    ("subject-without-id", put("subject.id", None), "phenopacket-form"),
    ("subject-id-blank", put("subject.id", ""), "phenopacket-form"),
    ("subject-id-a-number", put("subject.id", 7), "phenopacket-form"),
    ("no-metadata", put("metaData", None), "phenopacket-form"),
    ("version-1", put("metaData.phenopacketSchemaVersion", "1.0.0"), "phenopacket-version"),
    ("version-20", put("metaData.phenopacketSchemaVersion", "20"), "phenopacket-version"),
    ("no-version", put("metaData.phenopacketSchemaVersion", None), "phenopacket-form"),
    ("family", put("proband", {}), "phenopacket-form"),
    ("cohort", put("members", []), "phenopacket-form"),
    ("unknown-key", put("genes", []), "phenopacket-form"),
    ("key-of-python", put("subject.time_at_last_encounter", AGE), "phenopacket-form"),
    ("sex-in-words", put("subject.sex", "male"), "phenopacket-form"),
    ("sex-a-number", put("subject.sex", 2), "phenopacket-form"),
    ("status-unknown-word", put("subject.vitalStatus.status", "DEAD"), "phenopacket-form"),
    ("diseases-no-list", put("diseases", {"term": {"id": "a:b"}}), "phenopacket-form"),
    ("term-without-id", put("diseases.0.term", {"label": "x"}), "phenopacket-form"),
    ("excluded-a-word", put("diseases.0.excluded", "true"), "phenopacket-form"),
    ("two-times", put("diseases.0.onset", AGE | STAMP), "phenopacket-form"),
    ("no-time", put("diseases.0.onset", {}), "phenopacket-form"),
    ("value-a-text", put("measurements.0.value.quantity.value", "12"), "phenopacket-form"),
    ("value-true", put("measurements.0.value.quantity.value", True), "phenopacket-form"),
    ("value-twice", put("measurements.0.complexValue", {"typedQuantities": []}),
     "phenopacket-form"),
    ("two-actions", put("medicalActions", [{"procedure": {"code": {"id": "a:b"}},
                                            "treatment": {}}]), "phenopacket-form"),
    ("no-action", put("medicalActions", [{}]), "phenopacket-form"),
    ("call-of-nobody", put("interpretations.0.diagnosis.genomicInterpretations",
                           [{"subjectOrBiosampleId": "x", "gene": {"symbol": "TP53"}}]),
     "reference-kind"),
    ("call-without-gene", put("interpretations.0.diagnosis.genomicInterpretations",
                              [{"subjectOrBiosampleId": "x"}]), "phenopacket-form"),
    ("age-in-words", put("diseases.0.onset.age.iso8601duration", "40 years"), "not-an-age"),
    ("age-negative", put("diseases.0.onset.age.iso8601duration", "-P40Y"), "not-an-age"),
    ("onset-a-class", put("diseases.0.onset", {"ontologyClass": {"id": "HP:0003577"}}),
     "time-kind"),
    ("onset-gestational", put("diseases.0.onset", {"gestationalAge": {"weeks": 3}}), "time-kind"),
    ("ages-and-timestamps", put("measurements.5.timeObserved", STAMP), "time-kind"),
    ("no-onset", put("diseases.0.onset", None), "origin-blank"),
    ("no-diagnosis", put("diseases", []), "blank"),
    ("unit-of-no-ucum", put("measurements.5.value.quantity.unit.id", "NCIT:C64572"),
     "unit-blank"),
    ("unit-unknown", put("measurements.5.value.quantity.unit.id", "UCUM:gramme"), "unit-unknown"),
    ("unit-incompatible", put("measurements.5.value.quantity.unit.id", "UCUM:h"),
     "unit-incompatible"),
    ("same-person-again", lambda several: several.insert(2, several[0]), "duplicate-patient"),
    ("before-diagnosis", put("measurements.5.timeObserved.age.iso8601duration", "P1D"),
     "before-origin"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "rule"), alternating(PACKETS))
def test_a_corrupted_packet_is_told_by_its_position(
    few: Cohort, pristine: str, tmp_path: Path, change: Callable[[Any], None], rule: str
) -> None:
    several = json.loads(pristine)
    several[2]["subject"].setdefault("vitalStatus", {})
    change(several)
    (tmp_path / "all.json").write_text(json.dumps(several))
    mapping = packets.write_mapping(tmp_path, packets.mapping_of(few))
    faults = refused(tmp_path / "all.json", mapping, few.patient_ids)
    found = faults[faults["rule"] == rule]
    assert len(found) >= 1
    assert found["row"].notna().all()
    assert found["problem"].str.contains("phenopacket 3").any()


TEXTS: list[tuple[str, Callable[[str], str], str]] = [
    ("cut", lambda t: t[:-40], "json-invalid"),
    ("more-after-it", lambda t: t + "[]", "json-invalid"),
    ("key-twice", lambda t: t.replace('"id"', '"id": "x", "id"', 1), "json-key-twice"),
    ("deep", lambda t: t.replace('"files"', '"x"').replace(
        '"metaData"', '"files": ' + "[" * 5_000 + "]" * 5_000 + ', "metaData"', 1), "json-depth"),
    ("long-number", lambda t: t.replace('"value": ', '"value": ' + "1" * 5_000, 1), "json-number"),
    ("nan", lambda t: t.replace('"resources": []', '"resources": [NaN]', 1), "json-number"),
    ("half-a-pair", lambda t: t.replace('"registry"', '"\\ud812"', 1), "json-surrogate"),
    ("a-number", lambda t: '[1, {"subject": 1}]', "phenopacket-form"),
    ("empty-list", lambda t: '[] {"subject":', "json-invalid"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "rule"), [c[1:] for c in TEXTS], ids=[c[0] for c in TEXTS])
def test_corrupted_text_is_told(
    few: Cohort, pristine: str, tmp_path: Path, change: Callable[[str], str], rule: str
) -> None:
    # The name of a file may be that of a patient: messages do not repeat it.
    folder = tmp_path / "packets"
    folder.mkdir()
    several = json.loads(pristine)
    path = folder / f"{few.patient_ids[0]}.json"
    path.write_text(change(json.dumps(several[:4])))
    (folder / "b.json").write_text(json.dumps(several[4:]))
    mapping = packets.write_mapping(tmp_path, packets.mapping_of(few))
    faults = refused(folder, mapping, few.patient_ids)
    found = faults[faults["rule"] == rule]
    assert set(found["table"]) == {"phenopackets, file 1 by name"}
    assert found["row"].notna().all()


def test_pipes_links_packed_and_other_files_are_refused(
    few: Cohort, pristine: str, tmp_path: Path
) -> None:
    source = packets.write_packets(tmp_path / "packets", json.loads(pristine))
    mapping = packets.write_mapping(tmp_path, packets.mapping_of(few))
    outside = tmp_path / "outside.json"
    (source / "00000.json").rename(outside)
    (source / "00000.json").symlink_to(outside)
    (source / "00001.json").unlink()
    os.mkfifo(source / "00001.json")
    (source / "00002.json").write_bytes(b'{"subject": "\xff"}')
    (source / "00003.json.gz").write_bytes(b"\x1f\x8b")
    (source / "00004.json").write_text('{"a": 1}')
    faults = refused(source, mapping, few.patient_ids)
    assert [(int(t.split()[2]), r) for t, r in zip(faults["table"], faults["rule"], strict=True)
            if t.startswith("phenopackets")] == [
        (1, "source-irregular"), (2, "source-irregular"), (3, "source-encoding"),
        (5, "source-packed"), (6, "phenopacket-form"),
    ]  # fmt: skip
