"""The newcomer's notebook runs from top to bottom, with few draws and without writing reports."""

from __future__ import annotations

from pathlib import Path

import jupytext
import pytest

from twinbayes.report.html import notebook
from twinbayes.report.html.notebook import run_template


@pytest.mark.slow
def test_the_first_twin_runs_in_a_reduced_form(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = jupytext.read(root / "notebooks" / "tutorials" / "first_twin.py", fmt="py:percent")
    # Whole reports have tests of their own, and start kernels of their own.
    kept = [c for c in book.cells if "reports" not in c.metadata.get("tags", ())]
    assert len(kept) == len(book.cells) - 2
    book.cells = kept
    jupytext.write(book, tmp_path / "first_twin.py", fmt="py:percent")
    monkeypatch.setattr(notebook, "resource_path", lambda _kind, name: tmp_path / name)
    done = run_template("first_twin", {"draws": 60, "tune": 120, "chains": 2})
    shown = "".join(str(c.get("outputs", "")) for c in done.cells)
    assert "NOT FOR USE" in shown  # so few draws must not pass
    assert "Of 100 people like this one" in shown
    assert "Traceback" not in shown


@pytest.mark.slow
def test_the_tutorial_of_joint_models_runs_in_a_reduced_form(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = root / "notebooks" / "tutorials"
    monkeypatch.setattr(notebook, "resource_path", lambda _kind, name: folder / name)
    few = {"draws": 60, "tune": 120, "chains": 2, "out": str(tmp_path)}
    done = run_template("joint_model_and_updates", few)
    shown = "".join(str(c.get("outputs", "")) for c in done.cells)
    assert "NOT FOR USE" in shown
    assert "needs_refit" in shown
    assert "Traceback" not in shown
    assert (tmp_path / "updates.jsonl").exists()


@pytest.mark.slow
def test_the_tutorial_of_sharing_strength_runs_in_a_reduced_form(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = jupytext.read(root / "notebooks" / "tutorials" / "sharing_strength.py", fmt="py:percent")
    kept = [c for c in book.cells if "reports" not in c.metadata.get("tags", ())]
    assert len(kept) == len(book.cells) - 1
    book.cells = kept
    jupytext.write(book, tmp_path / "sharing_strength.py", fmt="py:percent")
    monkeypatch.setattr(notebook, "resource_path", lambda _kind, name: tmp_path / name)
    done = run_template("sharing_strength", {"draws": 100, "tune": 200, "chains": 2})
    shown = "".join(str(c.get("outputs", "")) for c in done.cells)
    assert "NOT FOR USE" in shown
    assert "own subgroup" in shown
    assert "Traceback" not in shown
