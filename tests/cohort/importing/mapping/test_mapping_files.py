"""Mapping files: every fault at once, each with its line, rule and remedy."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from twinbayes.cohort.importing.mapping.reading import read_mapping
from twinbayes.cohort.importing.mapping.schema import mapping_schema
from twinbayes.errors import CohortError
from twinbayes.resources import resource_path

GOOD = """\
schema: twinbayes/mapping/v1
name: small
simulated: true
dates: "%d/%m/%Y"
missing: [-9, NA]
tables:
  patients:
    table: people
    origin: diagnosed
    columns:
      patient_id: [id, code]
      subgroup: {constant: all}
      centre: site
      sex: {column: sex, values: {1: male, 2: female}}
  visits:
    - table: labs
      columns: {patient_id: id, day: date}
      markers:
        hb: {column: Hb, unit: mg/dL}
  events:
    table: people
    columns: {patient_id: id}
    closing:
      last_contact: seen
  treatments:
    table: drugs
    columns: {patient_id: id}
    treatments:
      chemo: {start_day: begun}
variables:
  sex: {table: patients, group: clinical, levels: [female, male]}
  hb: {table: visits, unit: g/dL}
  chemo: {table: treatments}
"""

# What is replaced, by what, then the rule, the line and a word of the problem.
BROKEN: list[tuple[str, str, str, int, str]] = [
    ("twinbayes/mapping/v1", "twinbayes/mapping/v2", "value-kind", 1, "known"),
    ("name: small", "nam: small", "key-unknown", 2, "did you mean 'name'"),
    ("name: small", "name: [a]", "value-kind", 2, "text"),
    ("simulated: true", "simulated: true\nformat: exel", "value-kind", 4, "did you mean 'excel'"),
    ("simulated: true", "simulated: maybe", "value-kind", 3, "true or false"),
    ("simulated: true\n", "", "key-missing", 1, "'simulated'"),
    ('dates: "%d/%m/%Y"', 'dates: "%d %B %Y"', "date-format", 4, "format"),
    ('dates: "%d/%m/%Y"', 'dates: "%d/%m"', "date-format", 4, "format"),
    ("missing: [-9, NA]", "missing: [[a]]", "value-kind", 5, "list"),
    ("missing: [-9, NA]", "missing: [NA, NA]", "contradiction", 5, "twice"),
    ("  patients:", "  patient:", "key-unknown", 7, "did you mean 'patients'"),
    ("    table: people\n    origin", "    origin", "key-missing", 7, "'table'"),
    ("    origin: diagnosed\n", "", "origin-undeclared", 7, "day 0"),
    ("      subgroup: {constant: all}\n", "", "key-missing", 10, "'subgroup'"),
    ("{constant: all}", "{constant: all, column: x}", "contradiction", 12, "either"),
    ("{constant: all}", "{}", "key-missing", 12, "either"),
    ("{constant: all}", "{constant: .inf}", "value-kind", 12, "number"),
    ("centre: site", "center: site", "name-unknown", 13, "did you mean 'centre'"),
    ("      sex: {", "      smoker: {", "name-unknown", 14, "known"),
    ("{1: male, 2: female}", "[male]", "value-kind", 14, "keys and values"),
    ("{1: male, 2: female}", "{1: male, '1': female}", "contradiction", 14, "number"),
    ("{1: male, 2: female}", "{true: male}", "value-kind", 14, "quotes"),
    ("day: date}", "days: date}", "name-unknown", 17, "did you mean 'day'"),
    ("day: date}", "day: date, marker: x}", "contradiction", 17, "marker"),
    ("        hb: {", "        hgb: {", "name-unknown", 19, "known"),
    ("unit: mg/dL}", "units: mg/dL}", "key-unknown", 19, "did you mean 'unit'"),
    ("unit: mg/dL}", "date: '%d/%m/%Y'}", "contradiction", 19, "days"),
    ("unit: mg/dL}", "decimal: ';'}", "value-kind", 19, "known"),
    ("hb: {table: visits, unit: g/dL}", "hb: {table: visits}", "contradiction", 19, "unit"),
    ("    closing:\n      last_contact: seen\n", "", "key-missing", 22, "'event'"),
    ("      last_contact: seen", "      vital_status: seen", "key-missing", 23, "'death'"),
    ("{start_day: begun}", "{start: begun}", "key-missing", 29, "'start_day'"),
    ("{table: treatments}", "{table: drugs}", "value-kind", 33, "known"),
    ("levels: [female, male]", "levels: ['female|x', male]", "value-kind", 31, "bar"),
    ("levels: [female, male]", "levels: {a: b}", "value-kind", 31, "list"),
    ("group: clinical", "grup: clinical", "key-unknown", 31, "did you mean 'group'"),
    ("sex: {table", "sex: &a {table", "", 0, ""),
    ("variables:", "variables: !!python/object:os.system", "mapping-unreadable", 30, "tags"),
    ("name: small", "name: small\nname: twice", "mapping-unreadable", 3, "twice"),
    (GOOD, "- a\n- b\n", "mapping-unreadable", 0, "keys and values"),
    (GOOD, "", "mapping-unreadable", 0, "keys and values"),
]


def refused(path: Path) -> CohortError:
    with pytest.raises(CohortError) as caught:
        read_mapping(path)
    assert caught.value.faults is not None
    return caught.value


def test_a_good_mapping_is_read_and_single_values_stand_for_lists(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(GOOD)
    mapping = read_mapping(path).mapping
    assert mapping.missing == ("-9", "NA")
    assert mapping.tables.patients[0].columns["patient_id"].column == ("id", "code")
    assert dict(mapping.tables.patients[0].columns["sex"].values) == {"1": "male", "2": "female"}
    assert mapping.tables.visits[0].markers["hb"].unit == "mg/dL"


@pytest.mark.parametrize(("old", "new", "rule", "line", "word"), [b for b in BROKEN if b[2]])
def test_a_broken_mapping_is_told_by_line_and_rule(
    tmp_path: Path, old: str, new: str, rule: str, line: int, word: str
) -> None:
    assert GOOD.count(old) >= 1
    path = tmp_path / "map.yaml"
    path.write_text(GOOD.replace(old, new, 1))
    error = refused(path)
    found = error.faults[error.faults["rule"] == rule]
    assert len(found)
    assert set(error.faults["table"]) == {"map.yaml"}
    assert found["problem"].str.contains(word, regex=False).any()
    if line:
        assert line in list(found["row"])
    assert error.faults["remedy"].str.len().gt(10).all()


def test_all_faults_of_a_mapping_come_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    text = GOOD.replace("simulated: true", "simulated: maybe").replace("decimal", "decimals")
    path.write_text(text.replace("grup", "group").replace("centre: site", "centre: {colum: site}"))
    faults = refused(path).faults
    assert list(faults["row"]) == sorted(faults["row"])
    assert {"value-kind", "key-unknown"} <= set(faults["rule"])


def test_a_mapping_that_is_absent_is_refused(tmp_path: Path) -> None:
    assert list(refused(tmp_path / "none.yaml").faults["rule"]) == ["mapping-unreadable"]


def test_the_schema_for_editors_is_that_of_the_reader(tmp_path: Path) -> None:
    stored = json.loads(resource_path("schemas", "mapping", "v1.schema.json").read_text("utf-8"))
    assert stored == json.loads(json.dumps(mapping_schema()))
    jsonschema.Draft202012Validator.check_schema(stored)
    validator = jsonschema.Draft202012Validator(stored)
    # JSON has no keys but text.
    assert validator.is_valid(json.loads(json.dumps(yaml.safe_load(GOOD))))
    wrong = json.loads(json.dumps(yaml.safe_load(GOOD.replace("simulated: true", "simul: 1"))))
    assert not validator.is_valid(wrong)
