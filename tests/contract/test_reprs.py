"""What notebooks show of public objects: short, escaped, and of nobody."""

from __future__ import annotations

import doctest
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Final

import pytest

import twinbayes as tb
from docstrings import EXAMPLES, FLAGS, fresh, public, public_names
from twinbayes.inference import Fit

LONGEST: Final = 300
MOST: Final = 20  # of a type, of those that examples make

TYPES: Final = {
    name: one for name, one in public() if inspect.isclass(one) and not inspect.isabstract(one)
}


def walk(value: Any, seen: dict[int, Any], depth: int = 0) -> None:
    """Collect an object and what its fields hold."""
    if id(value) in seen or depth > 6:
        return
    if is_dataclass(value) and not isinstance(value, type):
        seen[id(value)] = value
        for field in fields(value):
            walk(getattr(value, field.name), seen, depth + 1)
    elif isinstance(value, Mapping):
        for part in value.values():
            walk(part, seen, depth + 1)
    elif isinstance(value, list | tuple):
        for part in value:
            walk(part, seen, depth + 1)


def recorded(patch: pytest.MonkeyPatch) -> list[Any]:
    """Public objects that are made from now on, some of each type."""
    made: list[Any] = []
    for one in TYPES.values():
        if "__init__" in vars(one):
            patch.setattr(one, "__init__", _recording(one, one.__init__, made))
    return made


def _recording(one: type, init: Callable[..., None], made: list[Any]) -> Callable[..., None]:
    count = 0

    def wrapped(self: Any, *args: Any, **kwargs: Any) -> None:
        nonlocal count
        init(self, *args, **kwargs)
        if type(self) is one and count < MOST:
            count += 1
            made.append(self)

    return wrapped


@pytest.fixture(scope="module")
def shown(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Objects of public types, by type: those of the examples, and what belongs to a fit."""
    fit = tb.load_fit(root / "tests" / "data" / "registry_fit.nc")
    assert isinstance(fit, Fit)
    patch = pytest.MonkeyPatch()
    roots = recorded(patch)
    roots += [fit, fit.plan, fit.twin(at=0), fit.cohort.quality()]
    for k, one in enumerate(TYPES.values()):
        test = fresh(EXAMPLES[f"{one.__module__}.{one.__qualname__}"])
        patch.chdir(tmp_path_factory.mktemp(f"of{k}"))
        test.globs |= public_names() | {"fit": fit}
        runner = doctest.DocTestRunner(optionflags=FLAGS)
        runner.run(test, out=lambda _: None, clear_globs=False)
        roots += list(test.globs.values())
    patch.undo()
    seen: dict[int, Any] = {}
    for value in roots:
        walk(value, seen)
        seen.setdefault(id(value), value)
    return {name: [v for v in seen.values() if type(v) is one] for name, one in TYPES.items()}


#: What no quick example makes: protocols, what is compiled or served, and reports in the making.
UNSEEN: Final = {
    "twinbayes.AggregateFit", "twinbayes.federation.FederatedPosterior",
    "twinbayes.inference.Compiled", "twinbayes.inference.CompiledAggregate",
    "twinbayes.inference.CompiledFit", "twinbayes.model.MeanFunction",
    "twinbayes.priors.PriorFileCheck", "twinbayes.report.PatientEvidence",
    "twinbayes.report.ReviewEvidence", "twinbayes.serve.AuditLog", "twinbayes.serve.Explorer",
    "twinbayes.serve.Role", "twinbayes.serve.SignatureLog", "twinbayes.serve.UpdateLog",
    "twinbayes.stacking.FittedMember", "twinbayes.stacking.Member",
    "twinbayes.stacking.PredictsSurvival",
    "twinbayes.trials.OperatingCharacteristics",
    "twinbayes.twin.FitTwins", "twinbayes.twin.Ledger", "twinbayes.twin.Patients",
}  # fmt: skip
#: Pages of their own, with headings, and pictures.
PAGES: Final = {"twinbayes.cohort.QualityReport", "twinbayes.report.Picture"}


def test_every_public_object_shows_itself_on_a_short_line(shown: dict[str, list[Any]]) -> None:
    long = {name: max(map(len, map(repr, values))) for name, values in shown.items() if values}
    assert set(shown) - set(long) <= UNSEEN
    assert {name: n for name, n in long.items() if n > LONGEST} == {}


@pytest.mark.requirement("R-068")
def test_no_public_object_names_a_patient(shown: dict[str, list[Any]]) -> None:
    for name, values in shown.items():
        for value in values:
            html = getattr(value, "_repr_html_", str)()
            assert not re.search(r"SIM\d{5}", repr(value) + html), name


def test_tables_are_captioned_and_their_heads_say_of_what(shown: dict[str, list[Any]]) -> None:
    told = [
        (name, value._repr_html_())
        for name, values in shown.items()
        for value in values
        if hasattr(value, "_repr_html_") and name not in PAGES
    ]
    assert {"twinbayes.Fit", "twinbayes.Cohort", "twinbayes.Twin", "twinbayes.ModelSpec",
            "twinbayes.PriorSet", "twinbayes.Scenario"} <= {name for name, _ in told}  # fmt: skip
    for name, html in told:
        assert html.count("<table") <= html.count("<caption>"), name
        assert "<th>" not in html, name
