"""A model like one before is made ready with the other's graphs, and no other model is."""

import numpy as np
import pymc as pm
import pytest

from twinbayes.machine.tape import model as model_tapes
from twinbayes.machine.tape.model import record_model


def line(slope=1.0, noise=0.5, n=6, shift=0.0, unit=1.0):
    """A small regression: constants, an array of data, a size and a number of data."""
    x = np.linspace(0.0, 1.0, n)
    with pm.Model(coords={"row": range(n)}) as model:
        at = pm.Data("at", x + shift, dims="row")
        scale = pm.Data("scale", unit)
        a = pm.Normal("a", 0.0, scale)
        each = pm.Normal("each", 0.0, 1.0, dims="row")
        pm.Deterministic("mean", a + each, dims="row")
        pm.Normal("y", a + each + slope * at, noise, observed=x**2, dims="row")
    return model


@pytest.fixture(autouse=True)
def nothing_prepared(monkeypatch):
    monkeypatch.setattr(model_tapes, "_PREPARED", {})


def density(model, point):
    return record_model(model, ["a", "each", "mean"]).density(point)


def test_a_model_that_is_the_same_is_not_prepared_twice(monkeypatch):
    first = record_model(line(), ["a", "each", "mean"])
    monkeypatch.setattr(model_tapes, "prepare", None)  # would fail if called
    second = record_model(line(), ["a", "each", "mean"])
    point = first.start(3)
    np.testing.assert_array_equal(second.start(3), point)
    np.testing.assert_array_equal(second.density(point), first.density(point))
    np.testing.assert_array_equal(second.draw(point), first.draw(point))


@pytest.mark.parametrize(
    "change", [{"slope": 2.0}, {"noise": 0.7}, {"n": 7}, {"shift": 0.3}, {"unit": 3.0}]
)
def test_whatever_differs_is_honoured_after_another_model(change):
    n = change.get("n", 6)
    point = np.linspace(-0.4, 0.9, n + 1)
    alone = density(line(**change), point)
    model_tapes._PREPARED.clear()
    base = density(line(), np.linspace(-0.4, 0.9, 7))
    after = density(line(**change), point)
    np.testing.assert_array_equal(after, alone)
    assert after.shape != base.shape or not np.allclose(after, base)


def test_other_arrays_of_data_need_no_new_graphs(monkeypatch):
    record_model(line(), ["a", "each", "mean"])
    monkeypatch.setattr(model_tapes, "prepare", None)
    tapes = record_model(line(shift=0.3), ["a", "each", "mean"])
    np.testing.assert_allclose(tapes.data["at"], np.linspace(0.3, 1.3, 6))


def test_what_is_recorded_tells_models_apart():
    assert "mean" in record_model(line(), ["a", "each", "mean"]).names
    assert "mean" not in record_model(line(), ["a", "each"]).names


def test_starts_that_read_arrays_of_data_are_made_anew():
    def centred(at):
        with pm.Model() as model:
            level = pm.Data("level", np.full(3, at))
            pm.Normal("a", level.mean(), 1.0)
        return model

    starts = [record_model(centred(at), ["a"]).start(0) for at in (0.0, 50.0)]
    assert starts[1][0] - starts[0][0] == pytest.approx(50.0)


def test_only_the_last_models_are_kept():
    for slope in range(7):
        record_model(line(slope=float(slope)), ["a", "each", "mean"])
    assert len(model_tapes._PREPARED) == model_tapes._MOST_PREPARED
