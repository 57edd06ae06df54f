"""Corrupted FHIR: each refused with file or table, line or row, rule and remedy, and no patient."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fhir_files as fhir
from clinical_cohort import few_patients
from refusals import alternating, refused
from twinbayes.cohort import Cohort
from twinbayes.cohort.importing.readers.clinical_json import files

AT = 3
LAB = "Observation.000.ndjson"


@pytest.fixture(scope="module")
def few() -> Cohort:
    return few_patients(8)


@pytest.fixture(scope="module")
def pristine(few: Cohort) -> str:
    return json.dumps(fhir.resources_of(few))


def put(text: str) -> Callable[[str], str]:
    """Put a member into the object of a line."""
    return lambda line: line[:-1] + f", {text}}}"


LINES: list[tuple[str, Callable[[str], str], str]] = [
    ("cut", lambda line: line[:-9], "json-invalid"),
    ("two-values", lambda line: line + line, "json-invalid"),
    ("single-quotes", lambda line: line.replace('"', "'"), "json-invalid"),
    ("raw-control-character", put('"note": "a\x01b"'), "json-invalid"),
    ("key-twice", put('"status": "final"'), "json-key-twice"),
    ("deep", put('"x": ' + "[" * 5_000 + "]" * 5_000), "json-depth"),
    ("deeper", put('"x": ' + '{"a":' * 200_000 + "1" + "}" * 200_000), "json-depth"),
    ("long-number", put('"x": ' + "9" * 5_000), "json-number"),
    ("long-fraction", put('"x": 0.' + "9" * 5_000), "json-number"),
    ("not-a-number", put('"x": NaN'), "json-number"),
    ("infinite", put('"x": -Infinity'), "json-number"),
    ("beyond-floats", put('"x": 1e999'), "json-number"),
    ("half-a-pair", put('"x": "\\ud800"'), "json-surrogate"),
    (
        "modified-in-other-letters",
        put('"modifierE\\u0078tension": [{"url": "x"}]'),
        "modifier-extension",
    ),
    ("half-a-pair-in-key", put('"\\uDC00": 1'), "json-surrogate"),
    ("a-list", lambda line: f"[{line}]", "resource-type"),
    ("a-text", lambda line: '"SIM"', "resource-type"),
    ("other-type", lambda line: line.replace("Observation", "Condition", 1), "resource-type"),
    ("no-such-type", lambda line: line.replace("Observation", "Observatory", 1), "resource-type"),
    ("no-type", lambda line: line.replace("resourceType", "kind", 1), "resource-type"),
    ("type-no-text", lambda line: line.replace('"Observation"', "7", 1), "resource-type"),
]


@pytest.mark.parametrize(("change", "rule"), [c[1:] for c in LINES], ids=[c[0] for c in LINES])
def test_a_corrupted_line_is_told_by_file_and_line(
    few: Cohort, pristine: str, tmp_path: Path, change: Callable[[str], str], rule: str
) -> None:
    source = fhir.write_ndjson(tmp_path / "export", json.loads(pristine))
    path = source / LAB
    lines = path.read_text().splitlines()
    lines[AT - 1] = change(lines[AT - 1])
    path.write_text("\n".join(lines) + "\n")
    mapping = fhir.write_mapping(tmp_path, fhir.mapping_of(few))
    faults = refused(source, mapping, few.patient_ids)
    assert (list(faults["rule"]), list(faults["table"]), list(faults["row"])) == (
        [rule], [LAB], [AT],
    )  # fmt: skip
    assert faults["problem"].str.startswith(f"line {AT}: ").all()


def edit(kind: str, **content: Any) -> Callable[[fhir.Resources], None]:
    """Change members of the third resource of a type; None takes one out."""

    def change(resources: fhir.Resources) -> None:
        one = resources[kind][AT - 1]
        one.update(content)
        for key in [key for key, value in content.items() if value is None]:
            del one[key]

    return change


def also(kind: str, position: int, **content: Any) -> Callable[[fhir.Resources], None]:
    def change(resources: fhir.Resources) -> None:
        resources[kind][position].update(content)

    return change


def twice(kind: str) -> Callable[[fhir.Resources], None]:
    return lambda resources: resources[kind].insert(AT - 1, resources[kind][0])


def valued(**content: Any) -> Callable[[fhir.Resources], None]:
    """Change the quantity of the last laboratory value."""

    def change(resources: fhir.Resources) -> None:
        labs = [one for one in resources["Observation"] if one["code"]["text"] == "haemoglobin"]
        labs[-1]["valueQuantity"].update(content)
        for key in [key for key, value in content.items() if value is None]:
            del labs[-1]["valueQuantity"][key]

    return change


def subject(reference: Any) -> Callable[[fhir.Resources], None]:
    return edit("Procedure", subject={"reference": reference})


def both(*changes: Callable[[fhir.Resources], None]) -> Callable[[fhir.Resources], None]:
    def change(resources: fhir.Resources) -> None:
        for one in changes:
            one(resources)

    return change


def emptied(kind: str) -> Callable[[fhir.Resources], None]:
    return lambda resources: resources.pop(kind) and None


def covariate(**content: Any) -> Callable[[fhir.Resources], None]:
    """Change the quantity of the first patient's age."""

    def change(resources: fhir.Resources) -> None:
        own = next(one for one in resources["Observation"] if one["code"]["text"] == "age years")
        own["valueQuantity"].update(content)

    return change


def contact(end: str) -> Callable[[fhir.Resources], None]:
    """Another contact of a patient who is alive, which may be the last."""

    def change(resources: fhir.Resources) -> None:
        one = resources["Encounter"][0]
        resources["Encounter"].append({**one, "id": "again", "period": {"end": end}})

    return change


MODIFIER = [{"url": "http://x.example", "valueBoolean": True}]
COMPONENT = [{"code": {"text": "a"}, "valueInteger": 1, "modifierExtension": MODIFIER}]
SERVER = "https://{}.example/Patient/"
RESOURCES: list[tuple[str, Callable[[fhir.Resources], None], str, str]] = [
    ("patient-twice", twice("Patient"), "resource-twice", "Patient.000.ndjson"),
    ("observation-twice", twice("Observation"), "resource-twice", LAB),
    ("patient-without-id", edit("Patient", id=None), "resource-id", "Patient.000.ndjson"),
    ("id-too-long", edit("Observation", id="x" * 65), "resource-id", LAB),
    ("id-with-blanks", edit("Observation", id="a b"), "resource-id", LAB),
    ("id-a-number", edit("Patient", id=7), "resource-id", "Patient.000.ndjson"),
    ("modified", edit("Observation", modifierExtension=MODIFIER), "modifier-extension", LAB),
    ("component-modified", edit("Observation", component=COMPONENT), "modifier-extension", LAB),
    ("other-rules", edit("Observation", implicitRules="http://x"), "modifier-extension", LAB),
    ("patient-replaced", edit("Patient", link=[{"type": "replaced-by"}]), "patient-replaced",
     "Patient.000.ndjson"),
    ("dangling", subject("Patient/NOBODY"), "unknown-patient", "transplant"),
    ("dangling-urn", subject("urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"), "unknown-patient",
     "transplant"),
    ("contained", subject("#p"), "reference-kind", "transplant"),
    ("conditional", subject("Patient?identifier=x|y"), "reference-kind", "transplant"),
    ("no-reference", subject(12), "reference-kind", "transplant"),
    ("odd-reference", subject("Patient"), "reference-kind", "transplant"),
    ("of-a-group", subject("Group/1"), "blank", "transplant"),
    ("no-subject", edit("Procedure", subject=None), "blank", "transplant"),
    ("two-servers", both(also("Procedure", 0, subject={"reference": SERVER.format("a") + "1"}),
                         also("Procedure", 1, subject={"reference": SERVER.format("b") + "1"})),
     "reference-server", "transplant"),
    ("onset-a-month", edit("Condition", onsetDateTime="2019-05"), "date-partial", "patient"),
    ("end-a-year", edit("Procedure", performedDateTime="2019"), "date-partial", "transplant"),
    ("no-such-day", edit("Procedure", performedDateTime="2019-02-30"), "not-a-date", "transplant"),
    ("date-of-italy", edit("Procedure", performedDateTime="03/04/2019"), "not-a-date",
     "transplant"),
    ("date-a-number", edit("Procedure", performedDateTime=20190403), "not-a-date", "transplant"),
    ("no-onset", edit("Condition", onsetDateTime=None), "origin-blank", "patient"),
    ("other-clock", edit("Procedure", performedDateTime="2001-05-01T10:00:00-05:00"),
     "time-zones", "transplant"),
    ("two-diagnoses", also("Condition", 0, subject={"reference": "Patient/SIM00002"}),
     "lookup-several", "patient"),
    ("sex-of-two", edit("Patient", gender=["male", "female"]), "view-several", "patient"),
    ("sex-an-object", edit("Patient", gender={"a": 1}), "view-no-cell", "patient"),
    ("covariate-of-other-unit", covariate(code="mo"), "unit-other", "patient"),
    ("covariate-without-unit", covariate(code=None), "unit-other", "patient"),
    ("dead-without-a-date", both(edit("Patient", deceasedDateTime=None),
                                 edit("Patient", deceasedBoolean=True)),
     "not-a-date", "patient"),
    ("another-contact-of-a-month", contact("2001-05"), "date-partial", "patient"),
    ("another-contact-of-no-date", contact("soon"), "not-a-date", "patient"),
    ("sex-unknown", edit("Patient", gender="unknown"), "level-undeclared", "patient"),
    ("comparator", valued(comparator="~"), "not-a-number", "observation"),
    ("unit-unknown", valued(code="gramme"), "unit-unknown", "observation"),
    ("unit-of-time", valued(code="h"), "unit-incompatible", "observation"),
    ("unit-not-of-ucum", valued(system="http://x"), "unit-blank", "observation"),
    ("value-a-word", valued(value="low"), "not-a-number", "observation"),
    ("value-true", valued(value=True), "not-a-number", "observation"),
    ("value-beyond", valued(value=1e9), "above-maximum", "observation"),
    ("no-encounters", emptied("Encounter"), "source-table-missing", "map.yaml"),
    ("no-procedures", emptied("Procedure"), "source-table-missing", "map.yaml"),
    ("no-patients", emptied("Patient"), "source-table-missing", "map.yaml"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "rule", "table"), alternating(RESOURCES))
def test_a_corrupted_resource_is_told_by_its_place(
    few: Cohort, pristine: str, tmp_path: Path, change: Any, rule: str, table: str
) -> None:
    resources = json.loads(pristine)
    change(resources)
    source = fhir.write_ndjson(tmp_path / "export", resources)
    mapping = fhir.write_mapping(tmp_path, fhir.mapping_of(few))
    faults = refused(source, mapping, few.patient_ids)
    found = faults[faults["rule"] == rule]
    assert len(found) >= 1
    assert set(found["table"]) == {table}
    assert found["row"].notna().all()
    if "." not in table:
        assert found["problem"].str.contains(r"\.000\.ndjson, line \d+\)$").all()


def test_bytes_that_are_no_utf_8_and_lines_that_are_too_long_are_told(
    few: Cohort, pristine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = fhir.write_ndjson(tmp_path / "export", json.loads(pristine))
    mapping = fhir.write_mapping(tmp_path, fhir.mapping_of(few))
    path = source / LAB
    path.write_bytes(path.read_bytes().replace(b'"final"', b'"fin\xe8l"', 1))
    faults = refused(source, mapping, few.patient_ids)
    assert list(faults["rule"]) == ["source-encoding"]
    monkeypatch.setattr(files, "LONGEST_LINE", 64)
    faults = refused(source, mapping, few.patient_ids)
    assert "source-too-large" in set(faults["rule"])


def test_pipes_links_folders_and_packed_files_are_refused(
    few: Cohort, pristine: str, tmp_path: Path
) -> None:
    source = fhir.write_ndjson(tmp_path / "export", json.loads(pristine))
    mapping = fhir.write_mapping(tmp_path, fhir.mapping_of(few))
    outside = tmp_path / "outside.ndjson"
    (source / LAB).rename(outside)
    (source / LAB).symlink_to(outside)
    os.mkfifo(source / "Claim.ndjson")
    (source / "Device.ndjson").mkdir()
    (source / "Group.ndjson.gz").write_bytes(b"\x1f\x8b")
    faults = refused(source, mapping, few.patient_ids)
    rules = dict(zip(faults["table"], faults["rule"], strict=True))
    irregular = "source-irregular"
    assert {k: v for k, v in rules.items() if v != "source-table-missing"} == {
        LAB: irregular, "Claim.ndjson": irregular, "Device.ndjson": irregular,
        "Group.ndjson.gz": "source-packed",
    }  # fmt: skip


def test_a_source_that_is_a_pipe_is_refused(few: Cohort, tmp_path: Path) -> None:
    mapping = fhir.write_mapping(tmp_path, fhir.mapping_of(few))
    os.mkfifo(tmp_path / "Patient.ndjson")
    faults = refused(tmp_path / "Patient.ndjson", mapping, few.patient_ids)
    assert list(faults["rule"]) == ["source-irregular"]


def bundled(text: str, **more: Any) -> Callable[[str], str]:
    return lambda bundle: bundle.replace('"type": "collection"', text, 1)


PAGE = '"type": "searchset", "link": [{"relation": "next", "url": "x"}]'
BUNDLES: list[tuple[str, Callable[[str], str], str]] = [
    ("no-bundle", lambda b: b.replace('"Bundle"', '"Patient"', 1), "resource-type"),
    ("history", bundled('"type": "history"'), "bundle-type"),
    ("no-type", bundled('"x": 1'), "bundle-type"),
    ("page-missing", bundled(PAGE), "bundle-page"),
    ("modified", bundled('"type": "collection", "implicitRules": "x"'), "modifier-extension"),
    ("cut", lambda b: b[: len(b) // 2], "json-invalid"),
    ("more-after-it", lambda b: b + "{}", "json-invalid"),
    ("entries-twice", lambda b: b[:-1] + ', "entry": []}', "json-key-twice"),
    (
        "no-entries",
        lambda b: b.replace('"entry": [', '"entry": {"a": [', 1)[:-1] + "}}",
        "bundle-entry",
    ),
    ("entry-empty", lambda b: b.replace('"entry": [', '"entry": [{}, ', 1), "bundle-entry"),
    ("entry-a-number", lambda b: b.replace('"entry": [', '"entry": [7, ', 1), "bundle-entry"),
    (
        "resource-a-text",
        lambda b: b.replace('"entry": [', '"entry": [{"resource": "x"}, ', 1),
        "resource-type",
    ),
    (
        "surrogate",
        lambda b: b.replace('"entry": [', '"entry": [{"x": "\\udfff"}, ', 1),
        "json-surrogate",
    ),
    ("deep", lambda b: b[:-1] + ', "x": ' + "[" * 5_000 + "]" * 5_000 + "}", "json-depth"),
    ("nan", lambda b: b[:-1] + ', "x": NaN}', "json-number"),
    ("empty", lambda b: "", "source-missing"),
    ("a-list", lambda b: f"[{b}]", "json-invalid"),
]


@pytest.mark.parametrize(("change", "rule"), alternating(BUNDLES))
def test_a_corrupted_bundle_is_told(
    few: Cohort, pristine: str, tmp_path: Path, change: Callable[[str], str], rule: str
) -> None:
    text = json.dumps(fhir.bundle_of(json.loads(pristine)))
    path = tmp_path / f"{few.patient_ids[0]}.json"
    path.write_text(change(text))
    mapping = fhir.write_mapping(tmp_path, fhir.mapping_of(few))
    private = few.patient_ids if rule != "source-missing" else ()  # there the source is named
    faults = refused(path, mapping, private)
    assert rule in set(faults["rule"])


def test_an_entry_of_a_bundle_that_is_there_twice_is_told(
    few: Cohort, pristine: str, tmp_path: Path
) -> None:
    bundle = fhir.bundle_of(json.loads(pristine))
    bundle["entry"].insert(4, bundle["entry"][0])
    (tmp_path / "b.json").write_text(json.dumps(bundle))
    mapping = fhir.write_mapping(tmp_path, fhir.mapping_of(few))
    faults = refused(tmp_path / "b.json", mapping, few.patient_ids)
    assert (list(faults["rule"]), list(faults["row"])) == (["resource-twice"], [5])


VIEWS: list[tuple[str, Callable[[str], str], str]] = [
    ("no-json", lambda v: v[:-1], "json-invalid"),
    ("key-twice", lambda v: v[:-1] + ', "name": "x"}', "json-key-twice"),
    ("other-type", lambda v: v.replace("ViewDefinition", "Library"), "view-malformed"),
    ("unknown-key", lambda v: v.replace('"where"', '"wherever"'), "view-malformed"),
    ("no-name", lambda v: v.replace('"transplant"', '"a name"'), "view-malformed"),
    ("no-select", lambda v: v.replace('"select"', '"title"'), "view-malformed"),
    ("column-twice", lambda v: v.replace('"start"', '"code"'), "view-malformed"),
    ("collection", lambda v: v.replace('"type": "dateTime"', '"collection": true'),
     "view-malformed"),
    ("no-path", lambda v: v.replace('"path": "status', '"pad": "status'), "view-malformed"),
    ("no-fhirpath", lambda v: v.replace("code.coding.code", "code..coding"), "view-malformed"),
    ("repeat", lambda v: v.replace('"column": [', '"repeat": ["x"], "column": [', 1),
     "view-malformed"),
    ("both-each", lambda v: v.replace('"column": [',
                                      '"forEach": "a", "forEachOrNull": "b", "column": [', 1),
     "view-malformed"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "rule"), alternating(VIEWS))
def test_a_corrupted_view_is_told_by_its_file(
    few: Cohort, pristine: str, tmp_path: Path, change: Callable[[str], str], rule: str
) -> None:
    pytest.importorskip("fhirpathpy")
    source = fhir.write_ndjson(tmp_path / "export", json.loads(pristine))
    mapping = fhir.write_mapping(tmp_path, fhir.mapping_of(few))
    path = tmp_path / "transplant.view.json"
    changed = change(path.read_text())
    assert changed != path.read_text()
    path.write_text(changed)
    faults = refused(source, mapping, few.patient_ids)
    assert list(faults["rule"]) == [rule]
    assert list(faults["table"]) == [path.name]


def test_a_view_that_is_not_there_is_told(few: Cohort, pristine: str, tmp_path: Path) -> None:
    source = fhir.write_ndjson(tmp_path / "export", json.loads(pristine))
    mapping = fhir.write_mapping(tmp_path, fhir.mapping_of(few))
    (tmp_path / "transplant.view.json").unlink()
    faults = refused(source, mapping, few.patient_ids)
    assert list(faults["rule"]) == ["view-malformed"]
