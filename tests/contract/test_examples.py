"""Examples of docstrings print what they show: quick ones on a stored fit, long ones on a fit."""

from __future__ import annotations

import doctest
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

import twinbayes as tb
from docstrings import EXAMPLES, FLAGS, fresh, is_long, public, public_names
from twinbayes.inference import Fit
from twinbayes.model.curves.means import own
from twinbayes.model.storing import registration

QUICK: Final = [name for name, test in EXAMPLES.items() if not all(map(is_long, test.examples))]
LONG: Final = [name for name, test in EXAMPLES.items() if any(map(is_long, test.examples))]


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
