"""Templates take only the parameters that they declare, and run in this Python."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from jupyter_client.provisioning import LocalProvisioner

from twinbayes.errors import OptionError, ReportError, TwinbayesError
from twinbayes.report.html import notebook
from twinbayes.report.html.notebook import declared_parameters, run_template
from twinbayes.resources import resource_path

TEMPLATE = """# %% [markdown]
# # Title

# %% tags=["parameters"]
number = 1.5
word = ""
day: float | None = None

# %%
import os
import sys
print(sys.executable)
print(os.environ["IPYTHONDIR"])
number, word
"""


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A template of our own in place of the shipped ones."""
    path = tmp_path / "small.py"
    path.write_text(TEMPLATE, encoding="utf-8")
    monkeypatch.setattr(notebook, "resource_path", lambda _kind, name: tmp_path / name)
    return path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("model_review", {"fit_path", "checks_path", "effects_path", "interval", "context_path"}),
        ("basket_review", {"fit_path", "interval", "context_path"}),
        (
            "patient_twin",
            {
                "fit_path", "patient", "cohort_path", "at", "until", "scenarios", "interval",
                "show_patient_ids",
            },
        ),
    ],
)  # fmt: skip
def test_shipped_templates_declare_their_parameters(name: str, expected: set[str]) -> None:
    source = resource_path("notebooks", f"{name}.py").read_text(encoding="utf-8")
    assert set(declared_parameters(source)) == expected


@pytest.mark.usefixtures("template")
@pytest.mark.parametrize("name", ["other", "number = 1; import os  #", "word; x"])
def test_a_name_that_is_not_declared_never_reaches_the_code(name: str) -> None:
    with pytest.raises(OptionError, match="Known: 'number', 'word', 'day'"):
        run_template("small", {name: 1.0})


@pytest.mark.usefixtures("template")
def test_a_value_of_another_type_is_refused() -> None:
    with pytest.raises(OptionError, match="declared as str, not int"):
        run_template("small", {"word": 3})


def test_a_parameters_cell_holds_plain_values_only() -> None:
    with pytest.raises(ReportError, match="plain values"):
        declared_parameters('\n# %% tags=["parameters"]\nimport os\n')
    with pytest.raises(ReportError, match="no cell tagged"):
        declared_parameters("\n# %%\nx = 1\n")


@pytest.mark.usefixtures("template")
def test_a_template_runs_in_this_python_with_awkward_values(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # A kernel of the same name that belongs to somebody else must not be used.
    other = tmp_path / "jupyter" / "kernels" / "python3"
    other.mkdir(parents=True)
    (other / "kernel.json").write_text('{"argv": ["false"], "display_name": "x", "language": "x"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "users-own"))
    word = 'quote " \\ newline\n {{ }} \u00e9'
    book = run_template("small", {"number": 2, "word": word})
    outputs = book.cells[-1].outputs
    executable, ipython_dir = outputs[0]["text"].split("\n")[:2]
    assert executable == sys.executable
    assert "users-own" not in ipython_dir
    assert outputs[1]["data"]["text/plain"] == repr((2.0, word))


def test_a_failing_cell_is_one_plain_error(template: Path) -> None:
    template.write_text(TEMPLATE + '\n# %%\nraise ValueError("what went wrong")\n')
    with pytest.raises(ReportError, match="ValueError: what went wrong") as caught:
        run_template("small", {})
    assert isinstance(caught.value, TwinbayesError)


@pytest.mark.usefixtures("template")
def test_a_missing_package_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "papermill", None)
    with pytest.raises(ReportError, match=r"twinbayes\[notebooks\]"):
        run_template("small", {})


@pytest.mark.parametrize(
    "name", ["../../README", "/etc/passwd", "../review/model_review", "..", "sub/../../x", "x\0"]
)
def test_a_template_is_one_of_the_shipped_ones(name: str) -> None:
    with pytest.raises(TwinbayesError):
        run_template(name, {})


@pytest.mark.parametrize("parts", [("..", "x"), ("/etc/passwd",), ("a", "..", "..", "x"), ("..",)])
@pytest.mark.parametrize("kind", ["notebooks", "priors", "schemas"])
def test_shipped_files_are_looked_for_in_their_folder_alone(
    kind: str, parts: tuple[str, ...]
) -> None:
    with pytest.raises(OptionError, match="leads out of the folder"):
        resource_path(kind, *parts)


@pytest.mark.usefixtures("template")
def test_a_default_of_none_takes_numbers_zero_among_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("", "0", False, [0]):
        with pytest.raises(OptionError, match="declared as a number or None"):
            run_template("small", {"day": wrong})
    shown = {}

    def executed(_book: object, _out: None, *, parameters: object, **_: object) -> str:
        shown["parameters"] = parameters
        return "book"

    monkeypatch.setattr("papermill.execute_notebook", executed)
    assert run_template("small", {"day": 0}) == "book"
    assert shown["parameters"] == {"day": 0.0}
    run_template("small", {"day": None, "word": "", "number": 0})
    assert shown["parameters"] == {"day": None, "word": "", "number": 0.0}


def test_the_templates_take_falsy_values_as_they_are() -> None:
    folder = resource_path("notebooks", "patient_twin.py").parent
    source = (folder / "patient_twin.py").read_text(encoding="utf-8")
    assert declared_parameters(source)["at"] is None
    assert "if at else" not in source


@pytest.mark.usefixtures("template")
def test_values_of_parameters_reach_no_log_and_no_history(
    caplog: pytest.LogCaptureFixture, template: Path
) -> None:
    template.write_text(
        TEMPLATE + "\n# %%\nimport pathlib\nprint([p.name for p in pathlib.Path("
        "os.environ['IPYTHONDIR']).rglob('history*')])\n"
    )
    with caplog.at_level(logging.DEBUG):
        book = run_template("small", {"word": "PATIENT-17"})
    assert "PATIENT-17" not in caplog.text
    assert book.cells[-1].outputs[0]["text"] == "[]\n"


def test_a_template_that_is_terminated_leaves_nothing_of_a_patient(tmp_path: Path) -> None:
    """Standard error is empty as long as all goes well: no lines of the kernel's own."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    slow = TEMPLATE + "\n# %%\nimport time\nopen(marker, 'w').close()\ntime.sleep(wait)\n"
    slow = slow.replace('word = ""', 'word = ""\nmarker = ""\nwait = 0.0')
    (tmp_path / "slow.py").write_text(slow, encoding="utf-8")
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from twinbayes.report.html import notebook\n"
        "notebook.resource_path = lambda kind, name: Path(sys.argv[1]) / name\n"
        "notebook.run_template('slow', {'word': 'PATIENT-17', 'marker': sys.argv[2],\n"
        "                               'wait': float(sys.argv[3])})\n"
    )

    def started(wait: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path), str(tmp_path / f"reached-{wait}"),
             str(wait)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "TMPDIR": str(scratch)},
        )  # fmt: skip

    quiet = started(0)
    assert quiet.communicate(timeout=180) == ("", "")
    assert not list(scratch.iterdir())

    stopped = started(60)
    for _ in range(1200):
        if (tmp_path / "reached-60").exists():
            break
        time.sleep(0.1)
    stopped.send_signal(signal.SIGTERM)
    stopped.communicate(timeout=60)
    left = [p.read_bytes() for p in scratch.rglob("*") if p.is_file()]
    assert not [content for content in left if b"PATIENT-17" in content]


def test_a_kernel_that_is_done_is_not_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would write an error if it were still tidying up after the last cell."""
    signals: list[int] = []
    send = LocalProvisioner.send_signal

    async def recorded(self: LocalProvisioner, signum: int) -> None:
        signals.append(signum)
        await send(self, signum)  # a kernel that is slow to end is still ended

    monkeypatch.setattr(LocalProvisioner, "send_signal", recorded)
    (tmp_path / "short.py").write_text(TEMPLATE, encoding="utf-8")
    monkeypatch.setattr(notebook, "resource_path", lambda _kind, name: tmp_path / name)
    run_template("short", {"word": "seen"})
    assert signal.SIGINT not in signals


def test_a_long_name_of_the_temporary_folder_is_no_hindrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Addresses of local sockets hold about a hundred bytes."""
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    (tmp_path / "short.py").write_text(TEMPLATE, encoding="utf-8")
    monkeypatch.setattr(notebook, "resource_path", lambda _kind, name: tmp_path / name)
    done = run_template("short", {"word": "seen"})
    assert "seen" in "".join(str(c.get("outputs", "")) for c in done.cells)
    assert not list(long.iterdir())
    monkeypatch.setattr(notebook, "_SHORT_FOLDERS", ())
    with pytest.raises(ReportError, match="TMPDIR"):
        run_template("short", {"word": "seen"})
