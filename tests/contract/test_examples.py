"""Examples of docstrings print what they show: quick ones on a stored fit, long ones on a fit."""

from __future__ import annotations

import doctest
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest

import twinbayes as tb
from twinbayes.inference import Fit
from twinbayes.model.curves.means import own
from twinbayes.model.storing import registration

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
QUICK: Final = [name for name, test in EXAMPLES.items() if not all(map(is_long, test.examples))]
LONG: Final = [name for name, test in EXAMPLES.items() if any(map(is_long, test.examples))]


def public_names() -> dict[str, Any]:
    """All public names, `tb`, `np` and `pd`."""
    known: dict[str, Any] = {}
    for module in map(import_module, ROOMS):
        known |= {name: getattr(module, name) for name in getattr(module, "__all__", ())}
    return known | {"tb": tb, "np": np, "pd": pd}


@pytest.fixture(scope="module")
def stored(root: Path) -> Fit:
    """Ten draws for 16 simulated patients."""
    found = tb.load_fit(root / "tests" / "data" / "registry_fit.nc")
    assert isinstance(found, Fit)
    return found


@pytest.fixture
def told_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[doctest.DocTest, Fit], str]:
    """Run an example in an empty folder; return what it prints that it does not show."""
    for place, table in ((registration, "OWN_TYPES"), (own, "OWN_FUNCTIONS")):
        monkeypatch.setattr(getattr(place, table), "_objects", {})  # forget them afterwards

    def run(test: doctest.DocTest, fit: Fit) -> str:
        folder = tmp_path / test.name
        folder.mkdir()
        monkeypatch.chdir(folder)
        test.globs |= public_names() | {"fit": fit}
        told: list[str] = []
        doctest.DocTestRunner(optionflags=FLAGS).run(test, out=told.append)
        return "".join(told)

    return run


@pytest.mark.parametrize("name", QUICK)
def test_an_example_prints_what_it_shows(
    name: str, stored: Fit, told_by: Callable[[doctest.DocTest, Fit], str]
) -> None:
    told = told_by(fresh(EXAMPLES[name]), stored)
    assert not told, told


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Estimated shape parameter of Pareto")  # 200 draws are few
def test_examples_that_take_a_fit_print_what_they_show(
    registry_fit: Fit,
    told_by: Callable[[doctest.DocTest, Fit], str],
    record_property: Callable[[str, object], None],
) -> None:
    told = ""
    for name in LONG:
        told += told_by(fresh(EXAMPLES[name], whole=True), registry_fit)
    record_property("docstrings", len(LONG))
    assert not told, told


def test_every_public_object_has_an_example() -> None:
    places = {name: inspect.unwrap(one) for name, one in public()}
    assert not [
        name
        for name, one in places.items()
        if f"{one.__module__}.{one.__qualname__}" not in EXAMPLES
    ]
