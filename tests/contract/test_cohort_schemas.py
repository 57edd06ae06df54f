"""The published data contract: complete, consistent, and what the code enforces."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from twinbayes import names
from twinbayes.cohort.contract.faults import RULES
from twinbayes.cohort.contract.schema import READABLE_TABLES, schema_descriptor, table_schema
from twinbayes.resources import resource_path

COLUMNS = {
    "patients": [
        "patient_id", "subgroup", "centre", "age_years", "sex", "entry_day", "entry_state",
    ],
    "genomics": ["patient_id"],
    "visits": ["patient_id", "day", "marker", "value", "censored"],
    "events": ["patient_id", "day", "day_lower", "event"],
    "treatments": ["patient_id", "start_day", "stop_day", "treatment", "dose", "line"],
    "variables": [
        "name", "table", "role", "group", "unit", "min", "max", "levels", "description",
    ],
    "excluded": ["table", "row", "rule", "reason"],
}  # fmt: skip


def test_the_template_descriptor_names_every_table_and_its_schema() -> None:
    folder = resource_path("schemas", "cohort", "v1")
    descriptor = json.loads((folder / "datapackage.json").read_text())
    assert descriptor["twinbayes"] == {"contract": "cohort/v1", "simulated": False}
    assert [r["name"] for r in descriptor["resources"]] == list(COLUMNS)
    for resource in descriptor["resources"]:
        assert resource["path"] == f"{resource['name']}.csv"
        assert (folder / resource["schema"]).is_file()


@pytest.mark.parametrize("table", READABLE_TABLES)
def test_the_columns_of_version_1_never_change(table: str) -> None:
    assert list(table_schema(table).columns) == COLUMNS[table]


def test_what_was_added_to_version_1_may_be_left_out() -> None:
    """Folders written before keep their meaning."""
    added = {"events": ("day_lower",), "patients": ("entry_day", "entry_state")}
    for table, columns in added.items():
        found = [f for f in table_schema(table).fields if f.name in columns]
        assert len(found) == len(columns)
        assert not any(f.required for f in found)


@pytest.mark.parametrize("table", READABLE_TABLES)
def test_a_schema_uses_only_what_the_reader_enforces(table: str) -> None:
    descriptor = schema_descriptor(table)
    known = {"required", "unique", "minimum", "maximum", "enum", "pattern"}
    for field in descriptor["fields"]:
        assert field["type"] in {"string", "number", "integer"}
        assert field["title"]
        assert set(field.get("constraints", {})) <= known
        re.compile(field.get("constraints", {}).get("pattern", ""))
    assert descriptor["missingValues"] == ["", "NA"]
    assert set(descriptor.get("primaryKey", [])) <= set(COLUMNS[table])
    assert descriptor["fieldsMatch"] == (
        "partial"
        if len(descriptor["fields"]) in (1, 7) and table in ("patients", "genomics")
        else "superset"
    )


def test_the_contract_covers_every_table_name() -> None:
    assert set(names.TABLES) | {"excluded"} == set(COLUMNS)


def test_every_rule_has_a_remedy_that_is_a_sentence() -> None:
    for rule, remedy in RULES.items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule)
        assert remedy[0].isupper()
        assert remedy.endswith(".")


def test_the_readme_of_the_contract_lists_every_rule_with_its_remedy() -> None:
    text = resource_path("schemas", "cohort", "v1", "README.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `([a-z-]+)` \| (.+) \|$", text.split("## Rules")[1], re.M))
    assert {rule: remedy.replace(r"\|", "|") for rule, remedy in listed.items()} == RULES


def test_cohort_code_imports_neither_pymc_nor_matplotlib(root: Path) -> None:
    for path in (root / "twinbayes" / "cohort").rglob("*.py"):
        text = path.read_text()
        assert not re.search(r"^\s*(import|from) (pymc|pytensor|matplotlib)", text, re.M), path
