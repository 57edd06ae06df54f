"""Draws that go along together in the kernel are each on its own, however many there are."""

from __future__ import annotations

import numpy as np
import pytest

from twinbayes.twin.curves.kernel import sample_curves


def sampled(n: int, n_nodes: int = 0) -> tuple[np.ndarray, ...]:
    """Run the kernel on the first `n` of 200 made-up draws with two coefficients."""
    rng = np.random.default_rng(5)
    mean, linear = rng.normal(size=(2, 2, 200))
    noise, uniform = rng.normal(size=(200, 8, 2)), rng.random(200)
    precision = np.array([[2.0, 0.3], [0.3, 1.0]])[..., None] * (1.0 + rng.random(200))
    visits = np.array([[3.0, 1.0], [1.0, 2.0]])[..., None] * rng.random(200)
    base, slope = np.full((n_nodes, n), -1.0), np.full((n_nodes, 2, n), 0.5)
    half = 0.5 * np.linalg.slogdet(np.moveaxis(precision, -1, 0))[1]
    single = (
        np.zeros((0, 2), dtype=np.int64),
        np.zeros(0, dtype=np.int64),
        np.zeros((0, 2)),
        np.zeros((0, 2, n)),
        np.zeros((0, n)),
    )
    given = [np.ascontiguousarray(x[..., :n]) for x in (mean, precision, half, visits, linear)]
    out, evidence, spread = np.empty((2, n)), np.empty(n), np.empty(n)
    sample_curves(
        *given, base, slope, single, np.ones((n, 1, 1)), noise[:n], uniform[:n], out, evidence,
        spread,
    )  # fmt: skip
    return (*given, out, evidence, spread)


@pytest.mark.parametrize("n", [1, 63, 64, 65, 130])
def test_the_evidence_of_linear_curves_is_the_closed_form(n: int) -> None:
    mean, precision, half, visits, linear, _, evidence, spread = sampled(n)
    for d in range(n):
        p, mu = precision[..., d], mean[:, d]
        whole, pull = p + visits[..., d], p @ mu + linear[:, d]
        wanted = half[d] - 0.5 * np.linalg.slogdet(whole)[1] - 0.5 * mu @ p @ mu
        wanted += 0.5 * pull @ np.linalg.solve(whole, pull)
        assert evidence[d] == pytest.approx(wanted, rel=1e-10, abs=1e-10)
    np.testing.assert_allclose(spread, 0.0, atol=1e-10)


@pytest.mark.parametrize("n", [1, 63, 65, 130])
def test_a_draw_does_not_depend_on_how_many_go_along(n: int) -> None:
    for some, every in zip(sampled(n, 5)[5:], sampled(200, 5)[5:], strict=True):
        np.testing.assert_allclose(some, every[..., :n], rtol=1e-10, atol=1e-12)
