"""Build the trace matrix: requirement, tests that show it, their results, and hazards.

Requirements and hazards stand in `docs/trace`; a test names what it shows by
`@pytest.mark.requirement("R-001")`, which is read without running anything. Ends with 1 where
something stands alone: a requirement without a test, a marker without a requirement, a hazard
without a control or a test, a number twice. With `--junit`, results of a run stand beside the
tests; a test that failed then ends with 1 as well. Without it, `docs/trace/matrix.json` and
`docs/trace/matrix.md` are written anew.

    python scripts/trace_matrix.py
    python scripts/trace_matrix.py --check
    python scripts/trace_matrix.py --junit out/tests.xml --out out/trace.json
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
import xml.etree.ElementTree as ElementTree  # our own junit files, written by pytest
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
#: The worst of the cases of one test counts.
WORST = ("failure", "error", "skipped", "passed")


def marked(root: Path) -> dict[str, list[str]]:
    """Return requirement → tests that carry its marker, read from their source."""
    found: dict[str, list[str]] = {}
    for path in sorted((root / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        where = path.relative_to(root).as_posix()
        for node, name in _tests(tree):
            for requirement in _named(node, f"{where}::{name}"):
                found.setdefault(requirement, []).append(f"{where}::{name}")
    return found


def _tests(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef, str]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node, node.name
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef):
                    yield inner, f"{node.name}::{inner.name}"


def _named(node: ast.FunctionDef, where: str) -> Iterator[str]:
    """Yield the requirements of a function; only plain texts can be read without running it."""
    for decorator in node.decorator_list:
        if not (isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute)):
            continue
        if decorator.func.attr != "requirement":
            continue
        for argument in decorator.args:
            if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
                raise SystemExit(f"{where}: a requirement is named by a plain text, 'R-001'.")
            yield argument.value


def matrix(root: Path, results: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return requirements with their tests, and hazards with their controls."""
    wanted = yaml.safe_load((root / "docs/trace/requirements.yaml").read_text(encoding="utf-8"))
    hazards = yaml.safe_load((root / "docs/trace/hazards.yaml").read_text(encoding="utf-8"))
    tests = marked(root)
    by_requirement: dict[str, list[str]] = {}
    for hazard in hazards["hazards"]:
        for requirement in hazard["requirements"]:
            by_requirement.setdefault(requirement, []).append(hazard["id"])
    return {
        "requirements": [
            {
                **requirement,
                "tests": [
                    _test(name, results) for name in sorted(tests.get(requirement["id"], []))
                ],
                "hazards": by_requirement.get(requirement["id"], []),
            }
            for requirement in wanted["requirements"]
        ],
        "hazards": hazards["hazards"],
    }


def _test(name: str, results: Mapping[str, str] | None) -> dict[str, str]:
    result = {} if results is None else {"result": results.get(name, "not run")}
    return {"test": name, **result}


def orphans(root: Path, found: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each thing that stands alone."""
    requirements, hazards = found["requirements"], found["hazards"]
    known = [r["id"] for r in requirements]
    out = [f"{r['id']}: no test shows it." for r in requirements if not r["tests"]]
    out += [
        f"{name}: marks a test of {', '.join(tests)}, and is no requirement."
        for name, tests in sorted(marked(root).items())
        if name not in known
    ]
    for hazard in hazards:
        if not str(hazard.get("control") or "").strip():
            out.append(f"{hazard['id']}: has no control.")
        if not hazard.get("requirements"):
            out.append(f"{hazard['id']}: no requirement, and so no test, is against it.")
        out += [
            f"{hazard['id']}: names {name}, which is no requirement."
            for name in hazard.get("requirements", [])
            if name not in known
        ]
    numbers = Counter([*known, *(h["id"] for h in hazards)])
    return out + [f"{name}: stands there {n} times." for name, n in numbers.items() if n > 1]


def results_of(files: list[Path]) -> dict[str, str]:
    """Return the results of tests in junit files: of several cases of a test the worst."""
    found: dict[str, str] = {}
    for file in files:
        try:
            cases = ElementTree.parse(file).getroot().iter("testcase")  # noqa: S314
        except (OSError, ElementTree.ParseError) as error:
            raise SystemExit(f"{file}: no junit file that can be read: {error}.") from error
        for case in cases:
            outcome = next((c.tag for c in case if c.tag in WORST), "passed")
            name = _name(case)
            found[name] = min(found.get(name, "passed"), outcome, key=WORST.index)
    return found


def _name(case: ElementTree.Element) -> str:
    """The test of a case, which junit names by modules and classes with dots between."""
    parts = str(case.get("classname")).split(".")
    modules = [k for k, part in enumerate(parts) if part.startswith("test_")]
    end = modules[-1] + 1 if modules else len(parts)
    test = str(case.get("name")).partition("[")[0]
    return "::".join(["/".join(parts[:end]) + ".py", *parts[end:], test])


def as_markdown(found: Mapping[str, Any]) -> str:
    """Return the matrix as a page."""
    lines = [
        "# Trace matrix", "",
        "Written by `scripts/trace_matrix.py` from [requirements.yaml](requirements.yaml), "
        "[hazards.yaml](hazards.yaml) and the markers of tests.", "",
        "## Requirements", "", "| | Room | Requirement | Tests | Hazards |",
        "|---|---|---|---|---|",
    ]  # fmt: skip
    for r in found["requirements"]:
        tests = "<br>".join(f"`{t['test'].removeprefix('tests/')}`" for t in r["tests"])
        lines.append(
            f"| {r['id']} | {r['room']} | {r['text']} | {tests} | {', '.join(r['hazards'])} |"
        )
    lines += ["", "## Hazards", "", "| | Hazard | Harm | Control | Shown by |",
              "|---|---|---|---|---|"]  # fmt: skip
    lines += [
        f"| {h['id']} | {h['name']} | {h['harm']} | {h['control']} | "
        f"{', '.join(h['requirements'])} |"
        for h in found["hazards"]
    ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Build the matrix; return 1 where something stands alone, failed, or is not up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--junit", type=Path, nargs="+", default=[])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--check", action="store_true", help="compare with what is committed")
    given = parser.parse_args(arguments)
    found = matrix(root, results_of(given.junit) if given.junit else None)
    faults = orphans(root, found)
    if given.junit:
        found["run"] = ", ".join(sorted(path.name for path in given.junit))
        faults += [
            f"{r['id']}: {t['test']} ended in {t['result']}."
            for r in found["requirements"]
            for t in r["tests"]
            if t["result"] in ("failure", "error")
        ]
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    committed = root / "docs" / "trace" / "matrix.json"
    page = committed.with_suffix(".md")
    if given.check:
        if committed.read_text(encoding="utf-8") != text or page.read_text(
            encoding="utf-8"
        ) != as_markdown(found):
            faults.append("docs/trace/matrix.json or .md is older: run scripts/trace_matrix.py.")
    elif given.out or not given.junit:
        target = given.out or committed
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        if not given.out:
            page.write_text(as_markdown(found), encoding="utf-8")
    for line in faults:
        print(line)
    n = sum(len(r["tests"]) for r in found["requirements"])
    print(
        f"{len(found['requirements'])} requirements, {n} marked tests, {len(found['hazards'])} "
        f"hazards, {len(faults)} faults"
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
