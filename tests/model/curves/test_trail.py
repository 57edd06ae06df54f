"""What curves add to log hazards: one pass over the points, against the sum it stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from twinbayes.machine.tape.rules import prepare, record
from twinbayes.model.curves.trail.op import TrailDesign, curve_trail, register_jax

N_PATIENTS, N_POINTS, N_RATIOS = 7, 90, 5
POINT = pt.TensorType("float64", shape=(N_RATIOS + 6 * N_PATIENTS,))


def design_of(seed: int) -> TrailDesign:
    """Three features of 2, 1 and 3 columns; the first moves two intensities of three."""
    rng = np.random.default_rng(seed)
    return TrailDesign(
        patient=rng.integers(N_PATIENTS, size=N_POINTS),
        intensity=np.sort(rng.integers(3, size=N_POINTS)),
        which=np.array([[0, -1, 1], [-1, 2, -1], [-1, 3, 4]]),
        start=np.array([0, 2, 3, 6]),
        weights=rng.normal(size=(N_POINTS, 6)),
    )


def expected(x: np.ndarray, design: TrailDesign) -> np.ndarray:
    strength, curve = x[:N_RATIOS], x[N_RATIOS:].reshape(N_PATIENTS, 6)
    out = np.zeros(N_POINTS)
    for p in range(N_POINTS):
        for f in range(3):
            k = design.which[f, design.intensity[p]]
            if k >= 0:
                mine = slice(design.start[f], design.start[f + 1])
                out[p] += strength[k] * design.weights[p, mine] @ curve[design.patient[p], mine]
    return out


def symbolic(x: Any, design: TrailDesign) -> Any:
    return curve_trail(x[:N_RATIOS], x[N_RATIOS:].reshape((N_PATIENTS, 6)), design)


def by_differences(x: np.ndarray, pull: np.ndarray, design: TrailDesign) -> np.ndarray:
    """The sum is of second degree in x, so that central differences are exact but for rounding."""
    steps = 1e-3 * np.eye(len(x))
    return np.array(
        [pull @ (expected(x + h, design) - expected(x - h, design)) / 2e-3 for h in steps]
    )


def through_python(x: Any, outputs: list[Any], point: np.ndarray) -> list[np.ndarray]:
    return pytensor.function([x], outputs, mode="FAST_COMPILE")(point)


def through_a_tape(x: Any, outputs: list[Any], point: np.ndarray) -> list[np.ndarray]:
    graph = prepare(x, [o.ravel() for o in outputs])
    both = record(graph, {})(point)
    return [both[:N_POINTS], both[N_POINTS:]]


def through_jax(x: Any, outputs: list[Any], point: np.ndarray) -> list[np.ndarray]:
    pytest.importorskip("jax", reason="the optional package jax is not installed")
    register_jax()
    return [np.asarray(v) for v in pytensor.function([x], outputs, mode="JAX")(point)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("way", [through_python, through_a_tape, through_jax])
def test_values_and_gradients_are_those_of_the_sum(way: Any, seed: int) -> None:
    design, rng = design_of(seed), np.random.default_rng([seed, 1])
    point, pull = rng.normal(size=N_RATIOS + 6 * N_PATIENTS), rng.normal(size=N_POINTS)
    x = POINT("x")
    trail = symbolic(x, design)
    gradient = pt.grad((trail * pull).sum(), x)
    value, slope = way(x, [trail, gradient], point)
    np.testing.assert_allclose(value, expected(point, design), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(slope, by_differences(point, pull, design), rtol=1e-6, atol=1e-7)


@pytest.mark.slow
def test_numba_without_a_tape_gives_the_same() -> None:
    design, rng = design_of(9), np.random.default_rng(9)
    point, pull = rng.normal(size=N_RATIOS + 6 * N_PATIENTS), rng.normal(size=N_POINTS)
    x = POINT("x")
    trail = symbolic(x, design)
    outputs = [trail, pt.grad((trail * pull).sum(), x)]
    value, slope = pytensor.function([x], outputs, mode="NUMBA")(point)
    np.testing.assert_allclose(value, expected(point, design), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(slope, by_differences(point, pull, design), rtol=1e-6, atol=1e-7)


def test_weights_of_features_that_do_not_act_are_not_read() -> None:
    design = design_of(2)
    for f, row in enumerate(design.which):
        idle = row[design.intensity] < 0
        design.weights[np.ix_(idle, np.arange(design.start[f], design.start[f + 1]))] = np.nan
    point = np.random.default_rng(3).normal(size=N_RATIOS + 6 * N_PATIENTS)
    x = POINT("x")
    trail = symbolic(x, design)
    value, slope = through_python(x, [trail, pt.grad(trail.sum(), x)], point)
    assert np.isfinite(value).all()
    assert np.isfinite(slope).all()
