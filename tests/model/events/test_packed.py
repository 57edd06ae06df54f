"""Packed event data: parts are found by the names of their fields."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from twinbayes.model.events import packed
from twinbayes.model.events.likelihood.kernel import part_of
from twinbayes.model.spec import ModelPlan

KERNELS = ("kernel", "courses", "jax")
# Names under which the packed arrays and the words of the native entry go.
PACKED = {"index", "values", "frame", "words", "vector"}


def fixed_places(tree: ast.AST) -> list[int]:
    """Lines on which a packed array is read at a place that is written as a number."""
    return sorted(
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id in PACKED
        and any(_is_fixed(place) for place in _places(node.slice))
    )


def _places(index: ast.expr) -> list[ast.expr]:
    if isinstance(index, ast.Slice):
        return [x for x in (index.lower, index.upper) if x is not None]
    return list(index.elts) if isinstance(index, ast.Tuple) else [index]


def _is_fixed(place: ast.expr) -> bool:
    return not any(isinstance(node, ast.Name) for node in ast.walk(place))


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_read_packed_arrays_at_named_places_only(name: str, root: Path) -> None:
    path = root / "twinbayes" / "model" / "events" / "likelihood" / f"{name}.py"
    assert fixed_places(ast.parse(path.read_text(encoding="utf-8"))) == []


def test_a_number_in_the_place_of_a_name_is_found() -> None:
    text = "a = index[index[3] : index[k]]\nb = values[int(values[k])]\nc = frame[16]\nd = other[0]"
    assert fixed_places(ast.parse(text)) == [1, 3]


def test_every_field_is_found_at_its_own_place(every_hazard_term: tuple[object, ...]) -> None:
    plan = every_hazard_term[2]
    assert isinstance(plan, ModelPlan)
    data = plan.events.data
    index, values = data.pack()
    for vector, names in ((index, packed.INT_FIELDS), (values, packed.FLOAT_FIELDS)):
        for name in names:
            at = getattr(packed, f"AT_{name.upper()}")
            np.testing.assert_array_equal(part_of(vector, at), getattr(data, name))
