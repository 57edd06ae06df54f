"""Templates take only the parameters that they declare, and run in this Python."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from twinbayes.errors import OptionError, ReportError, TwinbayesError
from twinbayes.report.html import notebook
from twinbayes.report.html.notebook import declared_parameters, run_template
from twinbayes.resources import resource_path

TEMPLATE = """# %% [markdown]
# # Title

# %% tags=["parameters"]
number = 1.5
word = ""

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
        ("model_review", {"fit_path", "checks_path", "effects_path", "interval"}),
        ("basket_review", {"fit_path", "interval"}),
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
    with pytest.raises(OptionError, match="Known: 'number', 'word'"):
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
