"""The documents say what the files and the code say."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

import twinbayes

SCHEMAS = ("patients", "events", "variables", "genomics", "visits", "treatments", "excluded")


def section(text: str, heading: str) -> str:
    """Return one second-level section of a Markdown page."""
    found = re.search(rf"^## {heading}\b.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"no section {heading!r}"
    return found[0]


@pytest.mark.parametrize("table", SCHEMAS)
def test_the_contract_page_explains_every_column_of_the_schema(root: Path, table: str) -> None:
    page = (root / "docs" / "data-contract.md").read_text(encoding="utf-8")
    schema = json.loads((root / f"data_schemas/cohort/v1/{table}.json").read_text("utf-8"))
    explained = set(re.findall(r"`(\w+)`", section(page, table)))
    assert {field["name"] for field in schema["fields"]} <= explained


def test_the_contract_page_explains_every_table(root: Path) -> None:
    folder = root / "data_schemas" / "cohort" / "v1"
    assert {path.stem for path in folder.glob("*.json")} == {*SCHEMAS, "datapackage"}


def test_the_priors_page_explains_every_field_of_an_entry(root: Path) -> None:
    page = (root / "docs" / "priors.md").read_text(encoding="utf-8")
    schema = json.loads((root / "data_schemas" / "prior.schema.json").read_text("utf-8"))
    known = set(schema["$defs"]["entry"]["properties"])
    assert known <= set(re.findall(r"`(\w+)`", page))


def test_every_link_between_documents_leads_somewhere(root: Path) -> None:
    pages = [*root.glob("*.md"), *root.glob("docs/**/*.md")]
    links = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
    dead = [
        f"{page.name}: {target}"
        for page in pages
        for target in links.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert len(pages) > 4
    assert dead == []


def test_the_quickstart_uses_only_public_names(root: Path) -> None:
    readme = (root / "README.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", section(readme, "Quickstart"), re.DOTALL)
    used = {
        node.attr
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "tb"
    }
    assert used
    assert used <= set(twinbayes.__all__)


def test_the_tutorials_open_as_notebooks_and_nothing_is_fetched_for_them(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_utils = pytest.importorskip("jupyterlab_server.settings_utils")
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    (folder,) = re.findall(r"JUPYTER_CONFIG_PATH=\$\(CURDIR\)/(\S+)", makefile)
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(root / folder))
    monkeypatch.delenv("JUPYTER_NO_CONFIG", raising=False)
    settings, _ = settings_utils._get_overrides(str(root / "nowhere"))
    viewers = settings["@jupyterlab/docmanager-extension:plugin"]["defaultViewers"]
    assert viewers["python"] == "Jupytext Notebook"
    news = settings["@jupyterlab/apputils-extension:notification"]
    assert news == {"checkForUpdates": False, "fetchNews": "false"}


def test_the_tables_in_memory_of_the_contract_page_are_a_cohort(root: Path) -> None:
    page = (root / "docs" / "data-contract.md").read_text(encoding="utf-8")
    part = section(page, "Tables in memory, and one new person")
    [code] = re.findall(r"```python\n(.*?)```", part, re.DOTALL)
    found: dict[str, twinbayes.Cohort] = {}
    exec(code, found)  # noqa: S102
    assert found["cohort"].n_patients == 6
    assert found["person"].patient_ids == ("new",)
