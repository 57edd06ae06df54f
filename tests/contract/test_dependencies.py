"""What the package imports is what it declares, and nothing else."""

from __future__ import annotations

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

#: Declared and never imported, with the reason.
USED_BY_NAME: Final = {
    "h5netcdf": "engine by which xarray reads and writes stored fits",
    "numpyro": "PyMC imports it to sample",
    "ipykernel": "kernel in which notebooks and reports run",
    "jupyter-server": "`make lab`",
    "jupyterlab": "`make lab`",
}
#: Extras of people who develop the package, and of a machine's driver.
NOT_OF_THE_PACKAGE: Final = {"browser", "dev", "docs", "gpu"}
#: Of packages that are not installed beside the others: import name -> name.
ELSEWHERE: Final = {"vantage6": "vantage6-algorithm-tools"}


def imported_packages(folder: Path) -> dict[str, str]:
    """Every package outside the standard library: where it is imported first."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules = [node.module]
            else:
                continue
            for module in modules:
                found.setdefault(module.split(".")[0], path.relative_to(folder).as_posix())
    own = {"twinbayes", *sys.stdlib_module_names}
    return {name: where for name, where in found.items() if name not in own}


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    found: dict[str, Any] = tomllib.loads(text)["project"]
    return found


@pytest.fixture(scope="module")
def declared(project: dict[str, Any]) -> set[str]:
    wanted = list(project["dependencies"])
    for extra, requirements in project["optional-dependencies"].items():
        if extra not in NOT_OF_THE_PACKAGE:
            wanted += requirements
    return {canonicalize_name(Requirement(line).name) for line in wanted}


@pytest.fixture(scope="module")
def imported(root: Path) -> dict[str, str]:
    """Every distribution that is imported: where it is first."""
    distributions = {name: [package] for name, package in ELSEWHERE.items()}
    distributions |= packages_distributions()
    return {
        canonicalize_name(distributions.get(name, [name])[0]): where
        for name, where in imported_packages(root / "twinbayes").items()
    }


def test_every_package_that_is_imported_is_declared(
    imported: dict[str, str], declared: set[str]
) -> None:
    assert {name: where for name, where in imported.items() if name not in declared} == {}


def test_every_package_that_is_declared_is_imported_or_used_by_name(
    imported: dict[str, str], declared: set[str]
) -> None:
    assert declared - imported.keys() == set(USED_BY_NAME)


def test_what_is_imported_on_loading_a_file_needs_no_extra(
    root: Path, project: dict[str, Any]
) -> None:
    needed = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}
    of_serve = {
        canonicalize_name(Requirement(line).name)
        for line in project["optional-dependencies"]["serve"]
    }
    distributions = packages_distributions()
    missing = []
    for path in sorted((root / "twinbayes").rglob("*.py")):
        if path.name == "jax.py" or path.parent.name == "engines":  # on demand, as a whole
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            modules = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for top in {module.split(".")[0] for module in modules} - {"twinbayes", ""}:
                name = canonicalize_name(distributions.get(top, [top])[0])
                if top not in sys.stdlib_module_names and name not in needed:
                    if path.parent.name in ("serve", "pages") and name in of_serve:
                        continue  # looked for when the room is entered
                    missing.append((path.relative_to(root).as_posix(), name))
    assert missing == []
