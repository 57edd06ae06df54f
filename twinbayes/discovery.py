"""Tables put together from the files of a package: a new file is a new row, no list is edited.

A file that adds rows declares them in a dictionary at its top level, such as
``DISEASES: Final = {"aml": aml}``; a file without one only serves the others.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from twinbayes.errors import OptionError


def collect(package: str, table: str) -> dict[str, Any]:
    """Import every file of a package and return the rows that they declare.

    Parameters
    ----------
    package
        Dotted name of the package, such as ``twinbayes.diseases``.
    table
        Name of the dictionary that a file declares its rows in, such as ``DISEASES``.

    Returns
    -------
    dict
        Name of the row -> what the file gives; files in the order of their names.

    Raises
    ------
    OptionError
        If two files declare the same name, a file cannot be read as Python, or declares what is
        no dictionary of names.
    """
    rows: dict[str, Any] = {}
    for module in iter_modules(_folders(package)):
        own = getattr(_import(f"{package}.{module.name}"), table, {})
        if not isinstance(own, dict) or not all(
            isinstance(n, str) and n.isidentifier() for n in own
        ):
            raise OptionError(
                f"{package}.{module.name}: {table} must be a dictionary, and its keys names of "
                "letters, digits and underscores."
            )
        for name, value in own.items():
            if name in rows:
                raise OptionError(
                    f"{package}.{module.name}: {table} declares {name!r}, which another file "
                    "declares already. Give it another name."
                )
            rows[name] = value
    return rows


def declared_names(package: str, table: str) -> tuple[str, ...]:
    """Return the names that `collect` finds, without importing a file.

    What imports heavy packages can so be listed by those that must not wait for them: the help of
    the command line. The keys of the dictionary must be written as text.
    """
    return tuple(
        key.value
        for folder, module in _files(package)
        for key in _keys(_parse(folder / f"{module}.py"), table)
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    )


def _is_name(key: object) -> bool:
    return isinstance(key, str) and key.isidentifier()


def _import(name: str) -> ModuleType:
    try:
        return import_module(name)
    except SyntaxError as error:
        raise OptionError(f"{name} cannot be read as Python: {error}. Correct the file.") from error


def _parse(path: Path) -> ast.Module:
    """The tree of a file; an empty one of a file that `collect` refuses."""
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])


def _folders(package: str) -> list[str]:
    loaded = sys.modules.get(package)
    if loaded is not None:
        return list(loaded.__path__)
    # To ask the import system would import the packages above it.
    root, *below = package.split(".")
    return [str(Path(folder).joinpath(*below)) for folder in import_module(root).__path__]


def _files(package: str) -> Iterator[tuple[Path, str]]:
    for module in iter_modules(_folders(package)):
        if not module.ispkg:
            yield Path(getattr(module.module_finder, "path", "")), module.name


def _keys(tree: ast.Module, table: str) -> Iterator[ast.expr | None]:
    targets: list[ast.expr]
    for node in tree.body:
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        elif isinstance(node, ast.Assign):
            targets = list(node.targets)
        else:
            continue
        named = any(isinstance(target, ast.Name) and target.id == table for target in targets)
        if named and isinstance(node.value, ast.Dict):
            yield from node.value.keys
