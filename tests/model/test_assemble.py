"""One place makes models, and one table knows what they may be made of."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import twinbayes as tb
from twinbayes.errors import ModelError, PriorError
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.inference.fitting import compile_fit
from twinbayes.model import ModelSpec
from twinbayes.model.aggregate.spec import AggregateSpec
from twinbayes.model.catalogue import COMPONENTS, ROLES, WHOLE_MODELS
from twinbayes.model.inspection.asked_priors import asked_priors
from twinbayes.model.inspection.misfits import misfits
from twinbayes.model.pooling.table import FOR_AGGREGATES, POOLINGS


def makes_a_model(path: Path) -> bool:
    """Whether a file calls `pm.Model`, or `Model` of PyMC under any other name."""
    return any(
        isinstance(node, ast.Call)
        and getattr(node.func, "attr", getattr(node.func, "id", "")) == "Model"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    )


def test_models_are_made_in_one_place(root: Path) -> None:
    package = root / "twinbayes"
    found = [str(p.relative_to(package)) for p in package.rglob("*.py") if makes_a_model(p)]
    assert found == ["model/assemble.py"]


def test_every_component_has_its_own_name() -> None:
    assert {t.__name__ for t in (ModelSpec, AggregateSpec)} == set(WHOLE_MODELS)
    assert not set(WHOLE_MODELS) & set(COMPONENTS)
    assert all(name == component.__name__ for name, component in COMPONENTS.items())
    poolings = {*POOLINGS.values(), *FOR_AGGREGATES.values()}
    assert poolings <= set(COMPONENTS.values())
    assert {kind: p().kind for kind, p in POOLINGS.items()} == {kind: kind for kind in POOLINGS}
    assert len({role.protocol for role in ROLES}) == len(ROLES)


BUILDERS: dict[str, Callable[..., object]] = {
    "fit": tb.fit,
    "compile_fit": compile_fit,
    "assemble": tb.assemble,
    "sample_priors": sample_priors,
    "asked_priors": asked_priors,
    "misfits": misfits,
}


@pytest.mark.parametrize("builder", BUILDERS)
@pytest.mark.parametrize("spec", ["aml", None, 3])
def test_what_is_no_model_is_refused_with_the_word_that_makes_one(builder: str, spec: Any) -> None:
    for data in (None, tb.datasets.registry()):
        with pytest.raises(
            ModelError, match=r"The model must be a ModelSpec.*tb\.disease\('aml'\)"
        ):
            BUILDERS[builder](spec, data)


@pytest.mark.parametrize("builder", BUILDERS)
@pytest.mark.parametrize("data", [None, "registry"])
def test_a_model_of_patients_without_patients_is_refused(builder: str, data: Any) -> None:
    with pytest.raises(ModelError, match=r"'survival' needs .*a cohort from `read_cohort`"):
        BUILDERS[builder](tb.disease("survival"), data)


@pytest.mark.parametrize("builder", [name for name in BUILDERS if name != "misfits"])
@pytest.mark.parametrize("priors", ["survival", {}, 3])
def test_what_is_no_set_of_priors_is_refused_with_the_word_that_loads_one(
    builder: str, priors: Any
) -> None:
    with pytest.raises(PriorError, match=r"priors must be a PriorSet, not a .*tb\.load_priors\('"):
        BUILDERS[builder](tb.disease("survival"), tb.datasets.registry(), priors=priors)
