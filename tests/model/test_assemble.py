"""One place makes models, and one table knows what they may be made of."""

from __future__ import annotations

import ast
from pathlib import Path

from twinbayes.model import ModelSpec
from twinbayes.model.aggregate.spec import AggregateSpec
from twinbayes.model.catalogue import COMPONENTS, ROLES, WHOLE_MODELS
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
