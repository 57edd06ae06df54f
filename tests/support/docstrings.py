"""Public objects, and the examples of docstrings."""

from __future__ import annotations

import doctest
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

import twinbayes as tb

PACKAGE: Final = Path(tb.__file__).parent
ROOMS: Final = tuple(f"twinbayes.{m.name}" for m in pkgutil.iter_modules(tb.__path__) if m.ispkg)
ENGINES: Final = PACKAGE / "federation" / "engines"
FLAGS: Final = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def public() -> Iterator[tuple[str, Any]]:
    """Every public class and function, once, under its shortest name."""
    seen: set[int] = set()
    for module in map(import_module, ("twinbayes", *ROOMS)):
        for name in getattr(module, "__all__", ()):
            one = getattr(module, name)
            if callable(one) and id(one) not in seen:
                seen.add(id(one))
                yield f"{module.__name__}.{name}", one


def examples() -> Iterator[doctest.DocTest]:
    """Examples of every docstring of the package; they know what their module defines."""
    finder = doctest.DocTestFinder()
    for path in sorted(PACKAGE.rglob("*.py")):
        if ">>>" in path.read_text(encoding="utf-8"):
            place = path.relative_to(PACKAGE.parent).with_suffix("")
            try:
                module = import_module(".".join(place.parts).removesuffix(".__init__"))
            except ModuleNotFoundError:
                if ENGINES in path.parents:  # each is tested in an environment of its own
                    continue
                raise
            known = vars(module).items()
            defined = {k: v for k, v in known if getattr(v, "__module__", "") == module.__name__}
            yield from (test for test in finder.find(module, globs=defined) if test.examples)


def is_long(example: doctest.Example) -> bool:
    """Whether only the slow test executes it."""
    return bool(example.options.get(doctest.SKIP))


def fresh(test: doctest.DocTest, *, whole: bool = False) -> doctest.DocTest:
    """The same example with names of its own; `whole` with what only the slow test executes."""
    options = (doctest.SKIP,) if whole else ()
    lines = [
        doctest.Example(
            e.source, e.want, e.exc_msg, e.lineno, e.indent,
            {flag: on for flag, on in e.options.items() if flag not in options},
        )
        for e in test.examples
    ]  # fmt: skip
    return doctest.DocTest(
        lines, dict(test.globs), test.name, test.filename, test.lineno, test.docstring
    )


EXAMPLES: Final = {test.name: test for test in examples()}


def public_names() -> dict[str, Any]:
    """All public names, `tb`, `np` and `pd`."""
    known: dict[str, Any] = {}
    for module in map(import_module, ROOMS):
        known |= {name: getattr(module, name) for name in getattr(module, "__all__", ())}
    return known | {"tb": tb, "np": np, "pd": pd}
