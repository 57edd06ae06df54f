"""The command `twinbayes import`."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

import twinbayes as tb
from twinbayes.cli.app import app

PEOPLE = "id,diagnosed,sex,seen,status,note\n01,2020-01-01,M,2021-01-01,dead,x\n"
PEOPLE += "02,2020-02-01,F,2021-05-01,alive,y\n03,2020-03-01,F,2021-06-01,alive,z\n"
MAPPING = """\
schema: twinbayes/mapping/v1
name: small
simulated: true
dates: "%Y-%m-%d"
tables:
  patients:
    table: people
    origin: diagnosed
    columns:
      patient_id: id
      subgroup: {constant: all}
      centre: {constant: all}
      sex: {column: sex, values: {M: male, F: female}}
  events:
    table: people
    columns: {patient_id: id}
    closing:
      vital_status: {column: status, values: {dead: death, alive: last_contact}}
      last_contact: seen
variables:
  sex: {table: patients, group: clinical, levels: [female, male]}
"""


@pytest.fixture
def places(tmp_path: Path) -> tuple[str, str, str]:
    (tmp_path / "people.csv").write_text(PEOPLE)
    (tmp_path / "map.yaml").write_text(MAPPING)
    return str(tmp_path / "people.csv"), str(tmp_path / "map.yaml"), str(tmp_path / "cohort")


def test_an_import_prints_its_ledger_and_writes_a_cohort(places: tuple[str, str, str]) -> None:
    source, mapping, out = places
    done = CliRunner().invoke(app, ["import", source, "--mapping", mapping, "--out", out])
    assert done.exit_code == 0, done.output
    assert "people.csv: 3 rows in = 3 used + 0 listed" in done.output
    assert "Not mapped in people.csv: note" in done.output
    assert tb.read_cohort(out).n_patients == 3
    again = CliRunner().invoke(app, ["import", source, "--mapping", mapping, "--out", out])
    assert again.exit_code == 2


def test_with_json_the_ledger_is_one_object(places: tuple[str, str, str]) -> None:
    source, mapping, out = places
    command = ["import", source, "--mapping", mapping, "--out", out, "--json"]
    done = CliRunner().invoke(app, command)
    found = json.loads(done.stdout)
    assert found["fingerprint"] == tb.read_cohort(out).fingerprint
    assert found["ledger"]["tables"] == [
        {"table": "people.csv", "rows_in": 3, "rows_used": 3, "rows_listed": 0}
    ]
    assert found["ledger"]["unmapped_columns"] == {"people.csv": ["note"]}


def test_a_refusal_has_all_faults_as_json_and_writes_nothing(places: tuple[str, str, str]) -> None:
    source, mapping, out = places
    Path(source).write_text(PEOPLE.replace(",M,", ",X,").replace("2020-02-01", "01/02/2020"))
    command = ["import", source, "--mapping", mapping, "--out", out, "--json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2
    faults = json.loads(done.stdout)["faults"]
    assert {(f["rule"], f["row"]) for f in faults} >= {("value-unmapped", 2), ("not-a-date", 3)}
    assert not Path(out).exists()


def test_a_mapping_is_drafted_and_never_written_over(places: tuple[str, str, str]) -> None:
    source, mapping, _ = places
    target = Path(mapping).with_name("draft.yaml")
    done = CliRunner().invoke(app, ["import", source, "--propose", str(target)])
    assert done.exit_code == 0, done.output
    assert "M: male" in target.read_text()
    assert CliRunner().invoke(app, ["import", source, "--propose", str(target)]).exit_code == 2


def test_an_encoding_is_of_a_draft_alone(places: tuple[str, str, str]) -> None:
    source, mapping, out = places
    target = str(Path(mapping).with_name("draft.yaml"))
    asked = ["import", source, "--encoding", "latin-1"]
    done = CliRunner().invoke(app, [*asked, "--propose", target])
    assert done.exit_code == 0, done.output
    assert "encoding: latin-1" in Path(target).read_text()
    done = CliRunner().invoke(app, [*asked, "--mapping", mapping, "--out", out])
    assert done.exit_code == 2
    assert "--encoding goes with --propose" in done.output


@pytest.mark.parametrize("options", [[], ["x.csv"], ["x.csv", "--mapping", "m.yaml"]])
def test_what_is_left_out_is_said(options: list[str]) -> None:
    done = CliRunner().invoke(app, ["import", *options])
    assert done.exit_code == 2
    assert "--mapping and --out" in done.output


def test_a_url_is_taken_as_it_is_and_never_printed(
    places: tuple[str, str, str], tmp_path: Path
) -> None:
    pytest.importorskip("sqlalchemy")
    _, mapping, out = places
    url = "nosuch://reader:secret@host/cdm"
    done = CliRunner().invoke(app, ["import", url, "--mapping", mapping, "--out", out])
    assert done.exit_code == 2
    assert "secret" not in done.output
    database = tmp_path / "cdm.sqlite"
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE person (person_id INTEGER, person_source_value TEXT)")
    connection.close()
    url, draft = f"sqlite:///{database}", str(tmp_path / "draft.yaml")
    done = CliRunner().invoke(app, ["import", url, "--propose", draft])
    assert done.exit_code == 0, done.output
    assert "sqlite" not in done.output
    assert "twinbayes import URL --mapping" in done.output
