"""The image of vantage6 nodes: it cannot be built in a test, but what it names is there."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def lines(root: Path) -> list[str]:
    text = (root / "containers" / "vantage6-node.Dockerfile").read_text(encoding="utf-8")
    return text.splitlines()


def test_the_image_copies_all_that_the_wheel_is_made_of_and_all_of_it_is_there(
    root: Path, lines: list[str]
) -> None:
    copied = [name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]]
    assert [name for name in copied if not (root / name).exists()] == []
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    needed = {*wheel, project["project"]["readme"], *project["project"]["license-files"]}
    assert set(copied) == needed | {"pyproject.toml"}


def test_the_image_names_a_module_with_the_functions_that_are_asked_for(
    root: Path, lines: list[str]
) -> None:
    [module] = [found[1] for line in lines if (found := re.match(r"ENV PKG_NAME=(\S+)$", line))]
    tree = ast.parse((root / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {"tables", "reply", "collect"} <= functions


def test_the_image_starts_python_with_programs_that_compile(lines: list[str]) -> None:
    commands = [
        json.loads(found[2]) for line in lines if (found := re.match(r"(RUN|CMD) (\[.*)", line))
    ]
    assert len(commands) == 2
    for python, option, program in commands:
        assert (python, option) == ("python", "-c")
        compile(program, "image", "exec")


def test_the_image_installs_the_extra_of_the_engine(root: Path, lines: list[str]) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name for line in lines for name in re.findall(r'"/src\[(\w+)\]"', line)}
    assert extras == {"vantage6"}
    assert extras <= set(project["optional-dependencies"])
    [base] = [line.split()[1] for line in lines if line.startswith("FROM ")]
    assert base == "python:3.13-slim"
