"""Refuse modules of the package that import each other, at once or in a circle.

Imports inside functions and under TYPE_CHECKING count: what needs the other to be understood is
one module in two files. Prints one line per circle and ends with 1 if there is any.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "twinbayes"
# Notebooks ask a quality report to show itself; nothing else needs its page.
DISPLAY_HOOK = (f"{PACKAGE}.cohort.quality.report", f"{PACKAGE}.cohort.quality.html")


def modules(root: Path) -> dict[str, Path]:
    """Return the dotted name of every module of the package, with its file."""
    found = {}
    for path in sorted((root / PACKAGE).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(tree: ast.AST, known: Mapping[str, Path]) -> Iterator[str]:
    """Yield every module of the package that a file imports, wherever in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module


def graph(root: Path) -> dict[str, list[str]]:
    """Return what each module imports, without the one hook that may."""
    known = modules(root)
    return {
        name: sorted(
            {
                other
                for other in imported(ast.parse(path.read_text(encoding="utf-8")), known)
                if other in known and other != name and (name, other) != DISPLAY_HOOK
            }
        )
        for name, path in known.items()
    }


def reachable(start: str, imports: Mapping[str, list[str]]) -> set[str]:
    """Return what a module imports, and what that imports."""
    seen: set[str] = set()
    waiting = list(imports[start])
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += imports[name]
    return seen


def circles(root: Path) -> list[list[str]]:
    """Return the modules that import each other, each set once."""
    imports = graph(root)
    below = {name: reachable(name, imports) for name in imports}
    found = {
        tuple(sorted(other for other in below[name] if name in below[other]))
        for name in imports
        if name in below[name]
    }
    return sorted(list(circle) for circle in found)


def main(root: Path = ROOT) -> int:
    """Print the circles; return 1 if there are any, else 0."""
    found = circles(root)
    for circle in found:
        print(f"{len(circle)} modules import each other: {', '.join(circle)}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
