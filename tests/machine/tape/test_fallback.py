"""A model beyond the tape is compiled: said once, by name, and never a crash."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from twinbayes.errors import CompilationWarning, FitError
from twinbayes.inference import compile_model
from twinbayes.machine.tape import model as model_tapes
from twinbayes.machine.tape import rules
from twinbayes.machine.tape.model import record_model
from twinbayes.machine.tape.rules import UnknownOperationError, prepare, record


class Reversed(Op):
    """Numbers in the other order, given in double precision."""

    __props__ = ()

    def make_node(self, x: Any) -> Apply[Any]:
        typed = pt.as_tensor(x)
        return Apply(self, [typed], [typed.type()])

    def perform(
        self, node: Apply[Any], inputs: Sequence[Any], output_storage: Sequence[list[Any]]
    ) -> None:
        if inputs[0].dtype != np.float64:
            raise IndexError("P-0417 is out of place")
        output_storage[0][0] = inputs[0][::-1]


class Unreadable(Reversed):
    """What cannot be computed from data."""

    def perform(
        self, node: Apply[Any], inputs: Sequence[Any], output_storage: Sequence[list[Any]]
    ) -> None:
        raise ZeroDivisionError


def recorded(expression: Any, x: Any) -> None:
    record(prepare(x, [expression]), {"data": np.arange(3.0)})


@pytest.fixture
def x() -> Any:
    return pt.TensorType("float64", shape=(3,))("x")


def test_an_op_that_fails_on_places_is_named_and_its_message_kept_back(
    x: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(rules.RULES, Reversed, rules._moves(data=slice(0, 1)))  # type: ignore[arg-type]
    with pytest.raises(UnknownOperationError, match=r"^Reversed \(IndexError\)$") as caught:
        recorded(Reversed()(x) * 2, x)
    assert isinstance(caught.value.__cause__, IndexError)


def test_an_op_that_fails_on_data_is_named(x: Any) -> None:
    import pytensor

    data = pytensor.shared(np.arange(3.0), name="data")
    with pytest.raises(UnknownOperationError, match=r"^Unreadable \(ZeroDivisionError\)$"):
        recorded(x * Unreadable()(data), x)


def test_an_index_that_depends_on_parameters_is_named_by_what_computes_it(x: Any) -> None:
    with pytest.raises(UnknownOperationError, match=r"depends on parameters, by .*Cast"):
        recorded(x[pt.cast(x[:2], "int64")], x)


def beyond() -> pm.Model:
    with pm.Model() as model:
        x = pm.Normal("x", shape=2)
        pm.Potential("odd", -(pt.linalg.cholesky(pt.eye(2) + pt.outer(x, x)) ** 2).sum())
    return model


@pytest.fixture
def compiled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """nutpie's compiler, without the minutes."""
    import nutpie

    monkeypatch.setattr(nutpie, "compile_pymc_model", lambda *_, **__: SimpleNamespace(n_dim=3))


@pytest.mark.usefixtures("compiled_at_once")
def test_every_model_beyond_the_tape_is_warned_of_once() -> None:
    model = beyond()
    with pytest.warns(CompilationWarning, match=r"tape: Cholesky.*backend='numba'"):
        assert compile_model(model).options["backend"] == "numba"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compile_model(model, target_accept=0.9)
        compile_model(beyond(), backend="numba")
    with pytest.warns(CompilationWarning):
        compile_model(beyond())


@pytest.mark.usefixtures("compiled_at_once")
def test_a_failure_of_rewriting_is_a_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise NotImplementedError

    monkeypatch.setattr(model_tapes, "_PREPARED", {})
    monkeypatch.setattr(model_tapes, "rewrite_graph", broken)
    with pm.Model() as model:
        pm.Normal("x")
    with pytest.raises(UnknownOperationError, match=r"the graph as a whole \(NotImplementedError"):
        record_model(model, ["x"])
    with pytest.warns(CompilationWarning, match="the graph as a whole"):
        assert compile_model(model).options["backend"] == "numba"
    with pytest.raises(FitError, match="the graph as a whole"):
        compile_model(model, backend="tape")


def test_data_that_do_not_fit_the_tape_are_refused_with_a_way_out() -> None:
    with pm.Model() as model:
        x = pm.Normal("x", shape=3)
        pm.Normal("y", x * pm.Data("dose", np.ones(3)), 1.0, observed=np.zeros(3))
    compiled = compile_model(model)
    with pytest.raises(FitError, match=r"with these data: .*Check their shapes"):
        compiled.with_data(dose=np.ones(4))
