"""FHIR: a registry written as a server exports it, and read back the same."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import fhir_files as fhir
import twinbayes as tb
from clinical_cohort import covariates_of, few_patients, genes_of
from twinbayes.cohort import Cohort
from twinbayes.cohort.importing.running import Import, run_import
from twinbayes.datasets.simulated.simulate import simulate_registry
from twinbayes.errors import CohortError


@pytest.fixture(scope="module")
def registry() -> Cohort:
    return simulate_registry(seed=23, n_patients=300)[0]


@pytest.fixture(scope="module")
def few() -> Cohort:
    return few_patients(12)


def written(folder: Path, cohort: Cohort, resources: fhir.Resources) -> tuple[Path, Path]:
    source = fhir.write_ndjson(folder / "export", resources)
    return source, fhir.write_mapping(folder, fhir.mapping_of(cohort))


def listed(done: Import) -> dict[str, int]:
    return dict(done.ledger.listed["rule"].value_counts())


def test_files_of_a_bulk_export_give_the_same_cohort(registry: Cohort, tmp_path: Path) -> None:
    source, mapping = written(tmp_path, registry, fhir.resources_of(registry))
    assert len(list(source.glob("Observation.*.ndjson"))) > 1
    done = run_import(source, mapping)
    assert done.cohort.fingerprint == registry.fingerprint
    rows = done.ledger.rows
    assert (rows["rows_in"] == rows["rows_used"] + rows["rows_listed"]).all()
    assert rows["rows_listed"].sum() == 0


@pytest.mark.slow
def test_a_bundle_whose_entries_refer_by_urn_gives_the_same_cohort(
    registry: Cohort, tmp_path: Path
) -> None:
    bundle = fhir.bundle_of(fhir.resources_of(registry))
    (tmp_path / "bundle.json").write_text(json.dumps(bundle))
    mapping = fhir.write_mapping(tmp_path, fhir.mapping_of(registry))
    cohort = tb.import_cohort(tmp_path / "bundle.json", mapping, tell=None)
    assert cohort.fingerprint == registry.fingerprint


def test_a_bundle_a_patient_and_absolute_references_give_the_same_cohort(
    few: Cohort, tmp_path: Path
) -> None:
    resources = fhir.resources_of(few)
    folder = tmp_path / "bundles"
    folder.mkdir()
    for patient in few.patient_ids:
        entries = []
        for kind, several in resources.items():
            for one in several:
                if patient in (one["id"], one.get("subject", {}).get("reference", "")[8:]):
                    own = json.loads(json.dumps(one))
                    if "subject" in own:
                        own["subject"]["reference"] = f"https://one.example/fhir/Patient/{patient}"
                    url = f"https://one.example/fhir/{kind}/{one['id']}"
                    entries.append({"fullUrl": url, "resource": own})
        page = {"resourceType": "Bundle", "type": "searchset", "entry": entries}
        if patient != few.patient_ids[-1]:
            page["link"] = [{"relation": "next", "url": "https://one.example/next"}]
        (folder / f"{patient}_SURNAME.json").write_text(json.dumps(page))
    mapping = fhir.write_mapping(tmp_path, fhir.mapping_of(few))
    cohort = tb.import_cohort(folder, mapping, tell=None)
    assert cohort.fingerprint == few.fingerprint


def no_data(patient: str) -> list[tuple[str, dict[str, Any], str]]:
    """Resources that are no data though they look so: type, content, and why."""
    code = fhir.coded("haemoglobin")
    lab = {"code": code, "effectiveDateTime": "1999-01-01", "status": "final",
           "valueQuantity": fhir.quantity(9.0, "g/dL")}  # fmt: skip
    relapse = {"code": fhir.coded("relapse"), "onsetDateTime": "1999-01-01"}
    verified = {"verificationStatus": {"coding": [{"code": "refuted"}]}}
    unsure = {"verificationStatus": {"coding": [{"code": "provisional"}]}}
    wrong = {"verificationStatus": {"coding": [{"code": "entered-in-error"}]}}
    graft = {"code": fhir.coded("allogeneic_transplant"), "performedDateTime": "1999-01-01"}
    seen = {"period": {"start": "2049-01-01", "end": "2049-01-01"}}
    subject = {"subject": {"reference": f"Patient/{patient}"}}
    return [
        ("Observation", {**lab, **subject, "status": "entered-in-error"}, "withdrawn"),
        ("Observation", {**lab, **subject, "status": "cancelled"}, "not-in-view"),
        ("Observation", {**lab, **subject, "status": "registered"}, "not-in-view"),
        ("Observation", {**lab, **subject, "status": None}, "not-in-view"),
        ("Condition", {**relapse, **subject, **verified}, "withdrawn"),
        ("Condition", {**relapse, **subject, **wrong}, "withdrawn"),
        ("Condition", {**relapse, **subject, **unsure}, "not-in-view"),
        ("Procedure", {**graft, **subject, "status": "not-done"}, "not-in-view"),
        ("Procedure", {**graft, **subject, "status": "entered-in-error"}, "withdrawn"),
        ("Encounter", {**seen, **subject, "status": "planned"}, "not-in-view"),
        ("Encounter", {**seen, **subject, "status": "cancelled"}, "not-in-view"),
    ]


def test_what_is_withdrawn_or_no_data_is_listed_and_changes_nothing(
    few: Cohort, tmp_path: Path
) -> None:
    resources = fhir.resources_of(few)
    rules = []
    for k, (kind, content, rule) in enumerate(no_data(few.patient_ids[0])):
        resources[kind].insert(k, {"resourceType": kind, "id": f"no-{k}", **content})
        rules.append(rule)
    done = run_import(*written(tmp_path, few, resources))
    assert done.cohort.fingerprint == few.fingerprint
    assert listed(done) == {rule: rules.count(rule) for rule in set(rules)}


@pytest.mark.parametrize("name", ["zz_deleted.json", "Bundle.ndjson"])
def test_what_a_bundle_says_is_deleted_is_listed_and_changes_nothing(
    few: Cohort, tmp_path: Path, name: str
) -> None:
    resources = fhir.resources_of(few)
    doubled = {**resources["Procedure"][0], "id": "gone"}
    resources["Procedure"].append(doubled)
    source, mapping = written(tmp_path, few, resources)
    entry = {"request": {"method": "DELETE", "url": "Procedure/gone"}}
    gone = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    (source / name).write_text(json.dumps(gone))
    done = run_import(source, mapping)
    assert done.cohort.fingerprint == few.fingerprint
    assert listed(done) == {"withdrawn": 1}


def test_a_line_with_a_bundle_of_data_is_refused_and_not_lost(few: Cohort, tmp_path: Path) -> None:
    resources = fhir.resources_of(few)
    source, mapping = written(tmp_path, few, resources)
    bundle = {"resourceType": "Bundle", "type": "collection",
              "entry": [{"resource": resources["Procedure"][0]}]}  # fmt: skip
    (source / "Bundle.ndjson").write_text(json.dumps(bundle))
    with pytest.raises(CohortError, match="resource-type"):
        tb.import_cohort(source, mapping, tell=None)


def test_types_without_a_view_and_rows_of_no_part_are_told(few: Cohort, tmp_path: Path) -> None:
    resources = fhir.resources_of(few)
    resources["Claim"] = [{"resourceType": "Claim", "id": f"c{k}"} for k in range(3)]
    other = {**resources["Observation"][0], "id": "other", "code": fhir.coded("else")}
    resources["Observation"].append(other)
    done = run_import(*written(tmp_path, few, resources))
    assert "Not mapped: Claim (3 rows)" in str(done.ledger)
    assert listed(done) == {"not-selected": 1}


@pytest.mark.parametrize("contained", [False, True])
def test_a_medication_that_is_a_resource_of_its_own_stands_in_as_its_code(
    few: Cohort, tmp_path: Path, contained: bool
) -> None:
    resources = fhir.resources_of(few)
    given = []
    for one in resources.pop("Procedure"):
        drug = {"resourceType": "Medication", "id": "graft", "code": one["code"]}
        made = {"resourceType": "MedicationAdministration", "id": one["id"], "status": "completed",
                "subject": one["subject"], "effectiveDateTime": one["performedDateTime"],
                "medicationReference": {"reference": "#graft" if contained else "Medication/graft"},
                **({"contained": [drug]} if contained else {})}  # fmt: skip
        given.append(made)
    assert len(given) > 0
    resources["MedicationAdministration"] = given
    if not contained:
        resources["Medication"] = [drug]
    mapping = fhir.mapping_of(few)
    code = {f"{fhir.OWN}|allogeneic_transplant": "allogeneic_transplant"}
    mapping["tables"]["treatments"] = {
        "table": "medication_administration",
        "columns": {"patient_id": "patient_id", "start_day": "start",
                    "treatment": {"column": "code", "values": code}},
    }  # fmt: skip
    source = fhir.write_ndjson(tmp_path / "export", resources)
    cohort = tb.import_cohort(source, fhir.write_mapping(tmp_path, mapping), tell=None)
    assert cohort.treatments is not None
    assert few.treatments is not None
    assert list(cohort.treatments["start_day"]) == list(few.treatments["start_day"])


def test_odd_parts_that_nobody_reads_change_nothing(few: Cohort, tmp_path: Path) -> None:
    resources = fhir.resources_of(few)
    resources["Condition"][0]["verificationStatus"] = {"coding": [{"code": []}, 7, None]}
    resources["Condition"][1]["code"]["coding"].append(None)
    resources["Patient"][0] |= {"link": [7, {"type": []}], "name": [{"given": {}}]}
    resources["Procedure"][0]["extension"].append("x")
    cohort = tb.import_cohort(*written(tmp_path, few, resources), tell=None)
    assert cohort.fingerprint == few.fingerprint


def test_a_draft_of_an_export_imports_and_knows_units_and_limits(
    few: Cohort, tmp_path: Path
) -> None:
    source, _ = written(tmp_path, few, fhir.resources_of(few))
    text = tb.propose_mapping(source)
    draft = yaml.safe_load(text)
    assert draft["variables"]["haemoglobin"] == {"table": "visits", "unit": "g/dL"}
    (tmp_path / "draft.yaml").write_text(text)
    cohort = tb.import_cohort(source, tmp_path / "draft.yaml", tell=None)
    assert cohort.patient_ids == few.patient_ids
    ends = few.events[few.events["event"].isin(["death", "last_contact"])]
    assert list(cohort.events["day"]) == list(ends["day"])
    assert cohort.visits is not None
    assert few.visits is not None
    own = cohort.visits[cohort.visits["marker"].isin(few.visits["marker"])]
    assert list(own["censored"]) == list(few.visits["censored"])


def test_without_fhirpathpy_packaged_views_work_and_others_name_the_extra(
    few: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **more: Any) -> Any:
        if name.startswith("fhirpathpy"):
            raise ImportError(name)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    source, mapping = written(tmp_path, few, fhir.resources_of(few))
    assert tb.import_cohort(source, mapping, tell=None).fingerprint == few.fingerprint
    view = json.dumps(fhir.PROCEDURES).replace("code.coding.code.first()", "code.coding.count()")
    (tmp_path / "transplant.view.json").write_text(view)
    with pytest.raises(CohortError, match=r"twinbayes\[fhir\]"):
        tb.import_cohort(source, mapping, tell=None)


def test_a_path_that_is_not_simple_is_left_to_fhirpathpy(few: Cohort, tmp_path: Path) -> None:
    pytest.importorskip("fhirpathpy")
    source, mapping = written(tmp_path, few, fhir.resources_of(few))
    harder = "iif(code.coding.count() > 0, code.coding.code.first().lower(), 'none')"
    view = json.dumps(fhir.PROCEDURES).replace("code.coding.code.first()", harder)
    (tmp_path / "transplant.view.json").write_text(view)
    assert tb.import_cohort(source, mapping, tell=None).fingerprint == few.fingerprint


def one_row_a_value(cohort: Cohort) -> dict[str, Any]:
    """The mapping of an export, with covariates and lesions added row by row, not looked up."""
    mapping = fhir.mapping_of(cohort)
    patients, genomics = mapping["tables"]["patients"], mapping["tables"]["genomics"]
    answers = genomics["columns"][genes_of(cohort)[0]]["values"]

    def added(names: list[str], value: Any) -> dict[str, Any]:
        said = {f"{fhir.OWN}|{name}": name for name in names}
        columns = {"patient_id": "patient_id", "value": value,
                   "variable": {"column": "code", "values": said}}  # fmt: skip
        return {"table": "observation", "where": {"code": list(said)}, "columns": columns}

    for name in covariates_of(cohort):
        del patients["columns"][name]
    covariates = added(covariates_of(cohort), "value")
    mapping["tables"]["patients"] = [patients, covariates]
    value = {"column": "value_code", "values": answers}
    mapping["tables"]["genomics"] = added(genes_of(cohort), value)
    return mapping


def test_values_that_are_added_are_those_that_are_looked_up(few: Cohort, tmp_path: Path) -> None:
    source, looked_up = written(tmp_path, few, fhir.resources_of(few))
    cohort = tb.import_cohort(source, looked_up, tell=None)
    added = fhir.write_mapping(tmp_path, one_row_a_value(few))
    assert tb.import_cohort(source, added, tell=None).fingerprint == cohort.fingerprint


@pytest.mark.requirement("R-011")
def test_a_value_that_is_added_in_another_unit_is_refused(few: Cohort, tmp_path: Path) -> None:
    resources = fhir.resources_of(few)
    name = covariates_of(few)[0]
    own = [o for o in resources["Observation"] if o["code"]["coding"][0]["code"] == name]
    own[1]["valueQuantity"]["code"] = "mo"
    source = fhir.write_ndjson(tmp_path / "export", resources)
    with pytest.raises(CohortError) as caught:
        tb.import_cohort(source, fhir.write_mapping(tmp_path, one_row_a_value(few)))
    faults = caught.value.faults
    assert faults is not None
    assert list(faults["rule"]) == ["unit-other"]
    assert list(faults["row"]) == [resources["Observation"].index(own[1]) + 2]
    assert list(faults["column"]) == ["value"]
