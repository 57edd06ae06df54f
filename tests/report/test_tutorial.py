"""The tutorials run from top to bottom at the settings that they print, and end usable."""

from __future__ import annotations

import ast
import shutil
from importlib import import_module
from pathlib import Path
from typing import Final

import pytest

from twinbayes.report.html import notebook
from twinbayes.report.html.notebook import run_template

TUTORIALS: Final = (
    "a_federated_registry",
    "first_twin",
    "joint_model_and_updates",
    "sharing_strength",
)


@pytest.fixture(scope="module")
def folder(root: Path) -> Path:
    return root / "notebooks" / "tutorials"


def test_every_tutorial_is_tested(folder: Path) -> None:
    assert {path.stem for path in folder.glob("*.py")} == set(TUTORIALS)


@pytest.mark.slow
@pytest.mark.parametrize("name", TUTORIALS)
def test_a_tutorial_ends_usable_at_the_settings_that_it_prints(
    name: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook, "resource_path", lambda _kind, file: folder / file)
    done = run_template(name, {"out": str(tmp_path)})
    shown = "".join(str(c.get("outputs", "")) for c in done.cells)
    assert "USABLE" in shown
    assert "NOT FOR USE" not in shown
    assert "Traceback" not in shown
    wanted = {
        "a_federated_registry": "north/fit.nc",
        "joint_model_and_updates": "updates.jsonl",
    }
    assert (tmp_path / wanted.get(name, "review.html")).exists()


@pytest.mark.parametrize("name", TUTORIALS)
def test_a_tutorial_uses_public_names_alone(name: str, folder: Path) -> None:
    tree = ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))
    used = [
        (node.module, each.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("twinbayes")
        for each in node.names
    ]
    used += [
        ("twinbayes", node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "tb"
    ]
    assert len(used) > 3
    hidden = [(m, n) for m, n in used if n not in getattr(import_module(m), "__all__", ())]
    assert hidden == []


@pytest.mark.parametrize("name", TUTORIALS)
def test_saving_a_tutorial_in_jupyterlab_leaves_its_source_as_it_is(
    name: str, folder: Path, tmp_path: Path
) -> None:
    from jupytext.sync_contentsmanager import TextFileContentsManager

    source = tmp_path / f"{name}.py"
    shutil.copy(folder / source.name, source)
    manager = TextFileContentsManager(root_dir=str(tmp_path))
    model = manager.get(source.name, type="notebook")
    book = model["content"]
    # What JupyterLab and a kernel add as soon as a notebook is open.
    book.metadata["kernelspec"] = {
        "display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3",
    }  # fmt: skip
    book.metadata["language_info"] = {"name": "python", "version": "3.13.0"}
    for cell in book.cells:
        cell.metadata["jupyter"] = {"source_hidden": False}
    manager.save({"type": "notebook", "format": "json", "content": book}, source.name)
    assert source.read_bytes() == (folder / source.name).read_bytes()
