"""What evidence by simulation is tied to, beside models and priors: the code that simulates."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path


def code_hash(*files: Path) -> str:
    """Hash of what files do: of their syntax trees without imports, aliases of types, docstrings.

    Where a name is imported from, how code is explained, and how its objects show themselves
    (`twinbayes.showing.brief`) may change without running anything again.
    """
    trees = []
    for path in files:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                node.decorator_list = [d for d in node.decorator_list if not _is_brief(d)]
            if isinstance(body := getattr(node, "body", None), list):
                node.body = [  # type: ignore[attr-defined]
                    line for k, line in enumerate(body) if not _is_silent(line, first=k == 0)
                ]
        trees.append(ast.dump(tree))
    return hashlib.sha256("".join(trees).encode()).hexdigest()


def _is_brief(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Name) and decorator.id == "brief"


def _is_silent(line: ast.stmt, *, first: bool) -> bool:
    is_text = isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)
    return isinstance(line, ast.Import | ast.ImportFrom | ast.TypeAlias) or (first and is_text)
