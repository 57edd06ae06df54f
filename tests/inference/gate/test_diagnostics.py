"""R-hat and effective sample sizes of many scalars at once equal ArviZ's, one at a time."""

from __future__ import annotations

import time

import numpy as np
import pytest
from arviz_stats.base import array_stats
from hypothesis import given, settings
from hypothesis import strategies as st

from twinbayes.inference.gate.diagnostics import diagnose, ebfmi


def autoregressive(rng: np.random.Generator, scalars: int, chains: int, draws: int) -> np.ndarray:
    """Make AR(1) chains of every persistence, some shifted, some rounded so that values repeat."""
    phi = rng.uniform(-0.95, 0.999, size=(scalars, 1))
    noise = rng.standard_normal((scalars, chains, draws))
    values = np.empty_like(noise)
    values[..., 0] = noise[..., 0]
    for t in range(1, draws):
        values[..., t] = phi * values[..., t - 1] + noise[..., t]
    values[1::7] += 0.3 * np.arange(chains)[:, None]
    values[::5] = np.round(values[::5])
    values[2::11] = np.exp(5 * values[2::11])
    return values


@pytest.mark.parametrize("draws", [4, 5, 6, 7, 9, 10, 51, 100, 101, 400])
@pytest.mark.parametrize("chains", [1, 2, 3, 4])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # ArviZ's, on chains rounded to a constant
def test_diagnostics_equal_those_of_arviz(draws: int, chains: int) -> None:
    values = autoregressive(np.random.default_rng([draws, chains]), 40, chains, draws)
    found = diagnose(values)
    axes = {"chain_axis": 1, "draw_axis": 2}
    for ours, theirs in (
        (found.rhat, array_stats.rhat(values, **axes)),
        (found.ess_bulk, array_stats.ess(values, method="bulk", **axes)),
        (found.ess_tail, array_stats.ess(values, method="tail", prob=(0.05, 0.95), **axes)),
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)


@given(
    seed=st.integers(0, 2**32 - 1),
    chains=st.integers(1, 5),
    draws=st.integers(4, 60),
    levels=st.integers(2, 6),
)
@settings(max_examples=40, deadline=None)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_diagnostics_of_values_that_repeat_equal_those_of_arviz(
    seed: int, chains: int, draws: int, levels: int
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, levels, size=(6, chains, draws)).astype(float)
    found = diagnose(values)
    axes = {"chain_axis": 1, "draw_axis": 2}
    np.testing.assert_allclose(found.rhat, array_stats.rhat(values, **axes), rtol=1e-10)
    np.testing.assert_allclose(
        found.ess_bulk, array_stats.ess(values, method="bulk", **axes), rtol=1e-10
    )


def test_ebfmi_equals_that_of_arviz() -> None:
    energy = np.random.default_rng(3).normal(size=(4, 250)).cumsum(axis=1)
    np.testing.assert_allclose(ebfmi(energy), array_stats.bfmi(energy), rtol=1e-12)


def test_blocks_do_not_change_the_result(monkeypatch) -> None:
    values = autoregressive(np.random.default_rng(8), 30, 4, 50)
    whole = diagnose(values)
    monkeypatch.setattr("twinbayes.inference.gate.diagnostics._BLOCK_VALUES", 7 * 4 * 50)
    parts = diagnose(values)
    np.testing.assert_array_equal(whole.rhat, parts.rhat)
    np.testing.assert_array_equal(whole.ess_tail, parts.ess_tail)


def test_fewer_than_four_draws_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 4 draws a chain, not 3"):
        diagnose(np.zeros((1, 2, 3)))


def test_two_thousand_scalars_take_seconds_not_minutes() -> None:
    values = np.random.default_rng(4).normal(size=(2000, 4, 1000))
    started = time.process_time()
    diagnose(values)
    # Measured: 1.4 s. The margin is for slower machines; ArviZ needs about 20 s here.
    assert time.process_time() - started < 8
