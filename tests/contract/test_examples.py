"""Examples of public docstrings print what they show; what needs a fit has a small stored one."""

from __future__ import annotations

import doctest
import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest

import twinbayes as tb

ROOMS: Final = tuple(f"twinbayes.{m.name}" for m in pkgutil.iter_modules(tb.__path__) if m.ispkg)
#: Public objects without an example; new ones have one.
WITHOUT: Final = {
    "twinbayes.checks.CrossValidation",
    "twinbayes.checks.Landmark",
    "twinbayes.checks.PatientLoo",
    "twinbayes.checks.calibration",
    "twinbayes.checks.calibration_by_group",
    "twinbayes.checks.calibration_curve",
    "twinbayes.checks.cross_validate",
    "twinbayes.checks.mean_count_calibration",
    "twinbayes.checks.power_scaling",
    "twinbayes.checks.prediction_scores",
    "twinbayes.checks.shrinkage",
    "twinbayes.checks.state_occupation_calibration",
    "twinbayes.datasets.RegistryTruth",
    "twinbayes.effects.TippingPoint",
    "twinbayes.inference.Compiled",
    "twinbayes.inference.build_manifest",
    "twinbayes.inference.judge",
    "twinbayes.model.CurveEncoding",
    "twinbayes.model.Encoding",
    "twinbayes.model.EventPlan",
    "twinbayes.model.Group",
    "twinbayes.model.Interaction",
    "twinbayes.model.Learnt",
    "twinbayes.model.MarkerFamily",
    "twinbayes.model.MeanFunction",
    "twinbayes.model.ModelPlan",
    "twinbayes.model.assemble_plan",
    "twinbayes.priors.Alternative",
    "twinbayes.priors.Family",
    "twinbayes.report.PatientEvidence",
    "twinbayes.report.Picture",
    "twinbayes.report.ReviewEvidence",
    "twinbayes.trials.CohortStudy",
}


def public() -> Iterator[tuple[str, Any]]:
    """Every public class and function, once, under its shortest name."""
    seen: set[int] = set()
    for module in map(import_module, ("twinbayes", *ROOMS)):
        for name in getattr(module, "__all__", ()):
            one = getattr(module, name)
            if callable(one) and id(one) not in seen:
                seen.add(id(one))
                yield f"{module.__name__}.{name}", one


def examples() -> dict[str, doctest.DocTest]:
    """Examples of public objects and of the public methods of classes, by name."""
    finder = doctest.DocTestFinder(recurse=True, exclude_empty=True)
    found = {}
    for name, one in public():
        target = inspect.unwrap(one)
        for test in finder.find(target, name, globs={}):
            private = any(part.startswith("_") for part in test.name.split("."))
            if test.examples and not private:
                found[test.name] = test
    return found


EXAMPLES: Final = examples()


@pytest.fixture(scope="module")
def names(root: Path) -> dict[str, Any]:
    """All public names, `tb`, `np`, `pd`, and a small stored fit with its cohort."""
    known: dict[str, Any] = {}
    for module in map(import_module, ROOMS):
        known |= {name: getattr(module, name) for name in getattr(module, "__all__", ())}
    fit = tb.load_fit(root / "tests" / "data" / "registry_fit.nc")
    return known | {"tb": tb, "np": np, "pd": pd, "fit": fit, "cohort": fit.cohort}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_prints_what_it_shows(
    name: str, names: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    test = EXAMPLES[name]
    test.globs = dict(names)
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    runner.run(test, out=told.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(told)


def test_public_objects_without_an_example_are_the_known_ones() -> None:
    without = {name for name, one in public() if ">>>" not in (inspect.getdoc(one) or "")}
    assert without == WITHOUT
