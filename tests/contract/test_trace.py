"""Requirements, tests and hazards: none stands alone, and the committed matrix is up to date."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "scripts" / "trace_matrix.py"
    spec = importlib.util.spec_from_file_location("trace_matrix", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def small(root: Path, tmp_path: Path) -> Path:
    """A repository of two requirements, one hazard and two tests."""
    trace = tmp_path / "docs" / "trace"
    trace.mkdir(parents=True)
    (trace / "requirements.yaml").write_text(
        "requirements:\n  - {id: R-001, room: a, text: One.}\n"
        "  - {id: R-002, room: b, text: Two.}\n"
    )
    (trace / "hazards.yaml").write_text(
        "hazards:\n  - {id: H-01, name: n, harm: h, control: c, requirements: [R-001, R-002]}\n"
    )
    tests = tmp_path / "tests" / "room"
    tests.mkdir(parents=True)
    (tests / "test_one.py").write_text(
        "import pytest\n\n\n@pytest.mark.requirement('R-001')\ndef test_one(): ...\n\n\n"
        "class TestTwo:\n    @pytest.mark.requirement('R-002', 'R-001')\n"
        "    def test_two(self): ...\n"
    )
    return tmp_path


def test_nothing_of_the_repository_stands_alone(root: Path, script: ModuleType) -> None:
    found = script.matrix(root)
    assert script.orphans(root, found) == []
    assert len(found["requirements"]) >= 60
    assert len(found["hazards"]) >= 14


def test_the_matrix_that_is_committed_is_that_of_the_markers(
    root: Path, script: ModuleType
) -> None:
    assert script.main(["--check"], root) == 0, "run scripts/trace_matrix.py"


def test_hazards_of_dossiers_are_those_of_the_list(root: Path, script: ModuleType) -> None:
    from twinbayes.dossier import dossier_tables

    [table] = [t for t in dossier_tables() if t.name == "iso_14971"]
    rows = {i.number: i.topic[0] for i in table.items if i.number.startswith("H-")}
    assert rows == {h["id"]: h["name"] for h in script.matrix(root)["hazards"]}


def test_the_context_of_use_has_the_fields_of_its_schema(root: Path) -> None:
    from twinbayes.report.required.context import FIELDS

    path = root / "data_schemas" / "dossier" / "v1" / "context.schema.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    told = {name: one["description"] for name, one in schema["properties"].items()}
    assert told == {name: label for name, (_, label) in FIELDS.items()}


def test_every_marker_is_read_from_functions_and_classes(small: Path, script: ModuleType) -> None:
    tests = {r["id"]: [t["test"] for t in r["tests"]] for r in script.matrix(small)["requirements"]}
    one, two = "tests/room/test_one.py::test_one", "tests/room/test_one.py::TestTwo::test_two"
    assert tests == {"R-001": [two, one], "R-002": [two]}
    assert script.orphans(small, script.matrix(small)) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("tests/room/test_one.py", "'R-002', ", "", "R-002: no test shows it."),
        ("tests/room/test_one.py", "'R-002'", "'R-009'", "R-009: marks a test of"),
        ("docs/trace/hazards.yaml", "control: c", "control: ' '", "H-01: has no control."),
        ("docs/trace/hazards.yaml", "[R-001, R-002]", "[]", "H-01: no requirement, and so no test"),
        ("docs/trace/hazards.yaml", "R-002]", "R-007]", "H-01: names R-007, which is no"),
        ("docs/trace/requirements.yaml", "id: R-002", "id: R-001", "R-001: stands there 2 times."),
    ],
)
def test_whatever_stands_alone_is_told_and_ends_with_one(
    small: Path, script: ModuleType, file: str, old: str, new: str, told: str
) -> None:
    path = small / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    assert any(line.startswith(told) for line in script.orphans(small, script.matrix(small)))
    assert script.main([], small) == 1


def test_a_marker_that_is_no_plain_text_is_refused(small: Path, script: ModuleType) -> None:
    path = small / "tests" / "room" / "test_one.py"
    path.write_text(path.read_text().replace("'R-001')\ndef", "NAME)\ndef"))
    with pytest.raises(SystemExit, match="named by a plain text"):
        script.matrix(small)


def test_results_of_a_run_stand_beside_the_tests_the_worst_of_all_cases(
    small: Path, script: ModuleType
) -> None:
    junit = small / "tests.xml"
    junit.write_text(
        '<testsuites><testsuite><testcase classname="tests.room.test_one" name="test_one[a]"/>'
        '<testcase classname="tests.room.test_one" name="test_one[b]"><failure/></testcase>'
        '<testcase classname="tests.room.test_one.TestTwo" name="test_two"/></testsuite>'
        "</testsuites>"
    )
    out = small / "out" / "trace.json"
    assert script.main(["--junit", str(junit), "--out", str(out)], small) == 1
    found = json.loads(out.read_text())
    results = {t["test"]: t["result"] for r in found["requirements"] for t in r["tests"]}
    assert results["tests/room/test_one.py::test_one"] == "failure"
    assert results["tests/room/test_one.py::TestTwo::test_two"] == "passed"
    assert found["run"] == "tests.xml"
    junit.write_text(junit.read_text().replace("<failure/>", ""))
    assert script.main(["--junit", str(junit), "--out", str(out)], small) == 0
    with pytest.raises(SystemExit, match="no junit file"):
        script.main(["--junit", str(small / "gone.xml")], small)


def test_a_matrix_that_is_older_than_the_markers_is_told(small: Path, script: ModuleType) -> None:
    assert script.main([], small) == 0
    assert script.main(["--check"], small) == 0
    path = small / "tests" / "room" / "test_one.py"
    shutil.copy(path, path.with_name("test_three.py"))
    assert script.main(["--check"], small) == 1
