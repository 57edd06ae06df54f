"""Refuse files over 400 lines, public functions over 60 and folders over 14 parts.

Split them by meaning. A docstring does not count, nor does `__init__.py`. Prints one line per
offender and ends with 1 if there is any. Tests, scripts and benchmarks are held to the file limit;
the package to all.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_PARTS = 14
# Folders that hold one file for each of a kind, and the rooms themselves.
UNCOUNTED = ("twinbayes", "twinbayes/diseases", "twinbayes/cohort/adapters")
# Larger ones that may shrink, but not grow.
LARGER = {"twinbayes/model": 15}
CODE = ("twinbayes", "tests", "scripts", "benchmarks")


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function; its docstring is free, so that nobody saves on it."""
    length = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        docstring = function.body[0]
        length -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
    return length


def crowded(root: Path) -> Iterator[str]:
    """Yield a sentence for each folder of the package with too many modules and folders."""
    for folder in sorted({path.parent for path in (root / "twinbayes").rglob("*.py")}):
        where = folder.relative_to(root).as_posix()
        parts = [
            entry
            for entry in folder.iterdir()
            if entry.name not in ("__init__.py", "__pycache__")
            and (entry.is_dir() or entry.suffix == ".py")
        ]
        most = LARGER.get(where, MAX_PARTS)
        if len(parts) > most and where not in UNCOUNTED:
            yield f"{where}: {len(parts)} modules and folders, at most {most}"


def offenders(root: Path) -> Iterator[str]:
    """Yield a sentence for each file and each public function over its limit."""
    for folder in CODE:
        for path in sorted((root / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            where = path.relative_to(root).as_posix()
            lines = len(text.splitlines())
            if lines > MAX_FILE_LINES:
                yield f"{where}: {lines} lines, at most {MAX_FILE_LINES}"
            if folder != "twinbayes":
                continue
            for node in ast.walk(ast.parse(text)):
                if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    continue
                length = code_lines(node)
                if length > MAX_FUNCTION_LINES and not node.name.startswith("_"):
                    yield f"{where}:{node.lineno}: {node.name} has {length} lines, at most 60"


def main(root: Path = ROOT) -> int:
    """Print the offenders; return 1 if there are any, else 0."""
    found = [*offenders(root), *crowded(root)]
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
