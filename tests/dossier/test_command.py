"""The command: exit codes, what it prints, and bad input in one message of ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from twinbayes.cli.app import app
from twinbayes.dossier import write_dossier
from twinbayes.errors import OptionError, StorageError
from twinbayes.inference import Fit

ROOT = Path(__file__).resolve().parents[2]
FIT = str(ROOT / "tests" / "data" / "registry_fit.nc")


def run(*words: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["dossier", *words])
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found.exit_code, found.output


def test_a_dossier_is_written_and_verified_with_its_exit_codes(tmp_path: Path) -> None:
    context = tmp_path / "context.yaml"
    context.write_text("question: Who relapses?\nprobast: ['D1: yes']\n", encoding="utf-8")
    out = tmp_path / "dossier"
    lock = f"lock={ROOT / 'requirements.lock'}"
    code, text = run(
        FIT, "--context", str(context), "--evidence", lock, "--out", str(out), "--json"
    )
    told = json.loads(text)
    assert code == 3  # the fit is not for use
    assert not told["usable"]
    assert sum(told["rows"].values()) == 191
    assert run("verify", str(out))[0] == 0
    code, text = run(
        "verify", str(out), "--fit", FIT, "--context", str(context), "--head", told["head"],
        "--json",
    )  # fmt: skip
    assert code == 0
    assert json.loads(text)["unseen"] == []
    rows = json.loads((out / "rows.json").read_text("utf-8"))
    assert rows["artefacts"]["fit"]["file"] == "registry_fit.nc"
    (out / "rows.json").write_text("{}", encoding="utf-8")
    code, text = run("verify", str(out))
    assert code == 3
    assert "NOT as it was written" in text
    code, text = run(FIT, "--out", str(out))
    assert code == 2
    assert "something is there already" in text


def test_faults_of_the_context_are_told_at_once_each_with_its_line(tmp_path: Path) -> None:
    context = tmp_path / "context.yaml"
    context.write_text(
        "question: 3\nfunding: []\npurpose: x\n\ninfluence: huge\nethics: fine\n", encoding="utf-8"
    )
    code, text = run(FIT, "--context", str(context), "--out", str(tmp_path / "d"))
    assert code == 2
    said = " ".join(text.split())
    assert "context.yaml: 4 faults." in said
    for line in (
        "line 1: context.yaml: 'question' must be text",
        "line 2: context.yaml: 'funding' must be text",
        "line 3: Unknown field of context.yaml 'purpose'. Known:",
        "line 5: Unknown influence in context.yaml 'huge'. Known: 'low', 'medium', 'high'",
    ):
        assert line in said
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("text", ["- a\n", "a: &x b\n", "question: a\nquestion: b\n", "\xff", ""])
def test_a_context_that_is_no_such_file_is_refused(tmp_path: Path, text: str) -> None:
    context = tmp_path / "context.yaml"
    context.write_bytes(text.encode("latin-1"))
    code, said = run(FIT, "--context", str(context), "--out", str(tmp_path / "d"))
    assert code == 2
    assert "context.yaml" in said


def test_every_fault_of_the_evidence_is_told_at_once(tmp_path: Path) -> None:
    wrong = {
        "checks": "[1]", "calibration": "{}", "trace": '{"requirements": [1], "hazards": []}',
        "lock": "nothing", "sbom": "[]", "crate": "{}", "releases": "x", "monitor": "x",
        "review": "<p>no review</p>", "effects": "{}",
    }  # fmt: skip
    words = []
    for kind, text in wrong.items():
        path = tmp_path / f"{kind}.x"
        path.write_text(text, encoding="utf-8")
        words += ["--evidence", f"{kind}={path}"]
    words += ["--evidence", f"protocol={tmp_path / 'gone.pdf'}", "--evidence", f"plan={tmp_path}"]
    code, text = run(FIT, *words, "--out", str(tmp_path / "d"))
    assert code == 2
    assert "Evidence: 12 faults." in text
    for kind in (*wrong, "protocol", "plan"):
        assert f"  {kind}: " in text
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("lock", "is not KIND=FILE"),
        ("lock=", "is not KIND=FILE"),
        ("=x", "Unknown kind of evidence"),
        ("locks=x", "Unknown kind of evidence 'locks'. Known:"),
    ],
)
def test_evidence_that_is_no_pair_is_refused(tmp_path: Path, word: str, told: str) -> None:
    code, text = run(FIT, "--evidence", word, "--out", str(tmp_path / "d"))
    assert code == 2
    assert told in text
    twice = ["--evidence", "lock=a", "--evidence", "lock=b"]
    assert "given twice" in run(FIT, *twice, "--out", str(tmp_path / "d"))[1]


def test_what_is_no_fit_of_patients_is_refused(fit: Fit, tmp_path: Path) -> None:
    text = tmp_path / "no.nc"
    text.write_text("no fit", encoding="utf-8")
    for path in (text, tmp_path / "gone.nc", tmp_path):
        code, _ = run(str(path), "--out", str(tmp_path / "d"))
        assert code == 2
        assert not (tmp_path / "d").exists()
    shared = fit.without_patients()
    with pytest.raises(OptionError, match="a fit of patients"):
        write_dossier(shared, tmp_path / "d")  # type: ignore[arg-type]
    stored = shared.save(tmp_path / "shared.nc")
    with pytest.raises(OptionError, match="a fit of patients"):
        write_dossier(stored, tmp_path / "d")
    for wrong in (None, 7, b"x", [fit]):
        with pytest.raises(OptionError, match="a fit of patients"):
            write_dossier(wrong, tmp_path / "d")  # type: ignore[arg-type]


def test_a_place_at_which_something_is_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x", encoding="utf-8")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    for name in ("folder", "file", "dangling"):
        with pytest.raises(StorageError, match=f"{name}: something is there already"):
            write_dossier("gone.nc", tmp_path / name)
    with pytest.raises(StorageError, match="could not be written"):
        write_dossier("gone.nc", tmp_path / "file" / "below")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dangling", "file", "folder"]


@pytest.mark.parametrize("answer", ["yes", "D17: yes", "E0: no", "X1: yes", "D1:", "D1: a"])
def test_answers_by_number_that_no_row_would_show_are_refused(
    fit: Fit, tmp_path: Path, answer: str
) -> None:
    with pytest.raises(OptionError, match=r"probast: answer 2 does not begin"):
        write_dossier(fit, tmp_path / "d", context={"probast": ["D1: yes", answer]})
