"""Ranks of simulation-based calibration: uniform ones pass, biased and wrongly spread ones fail."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, norm

from twinbayes.checks.calibration.simulation_based import (
    band,
    points,
    rank,
    simulation_based_calibration,
    thin,
    uniformity,
)
from twinbayes.errors import OptionError

LEVELS = 100


def ranks_of(n: int, seed: int, shift: float = 0.0, spread: float = 1.0) -> np.ndarray:
    """Ranks of standard normal truths among draws of a posterior that is off."""
    generator = np.random.default_rng(seed)
    draws = shift + spread * generator.standard_normal((LEVELS - 1, n))
    return rank(generator.standard_normal(n), draws, generator)


def test_a_rank_counts_the_draws_below_the_truth() -> None:
    draws = np.array([[1.0, 5.0], [2.0, 6.0], [3.0, 7.0]])
    found = rank([2.5, 0.0], draws, np.random.default_rng(0))
    assert found.tolist() == [2, 0]


def test_ties_fall_to_every_rank_they_allow_alike() -> None:
    draws = np.zeros((3, 4000))
    found = rank(np.zeros(4000), draws, np.random.default_rng(1))
    share = np.bincount(found, minlength=4) / 4000
    np.testing.assert_allclose(share, 0.25, atol=0.03)


def test_thinning_keeps_evenly_spaced_draws_of_every_chain() -> None:
    draws = np.arange(24.0).reshape(2, 12)
    assert thin(draws, 6).tolist() == [2.0, 6.0, 10.0, 14.0, 18.0, 22.0]
    assert thin(draws[:, :, None], 24).shape == (24, 1)
    for keep in (5, 1, 26):
        with pytest.raises(OptionError, match="multiple of the 2 chains"):
            thin(draws, keep)


@pytest.mark.parametrize(("n", "levels"), [(30, 100), (200, 100), (100, 8)])
def test_uniform_ranks_stay_inside_the_band_as_often_as_it_says(n: int, levels: int) -> None:
    share, lower, upper = band(n, levels, 0.9)
    generator = np.random.default_rng([n, levels])
    sets = np.sort(generator.integers(0, levels, (2000, n)), axis=1)
    inside = 0
    for one in sets:
        ecdf = np.searchsorted(one, points(levels), side="right") / n
        inside += bool(np.all((lower - 1e-12 <= ecdf - share) & (ecdf - share <= upper + 1e-12)))
    assert 0.88 <= inside / 2000 <= 0.97  # few ranks make few different bands


def test_the_band_and_the_p_value_tell_the_same() -> None:
    share, lower, upper = band(80, LEVELS, 0.95)
    for seed in range(200):
        found = ranks_of(80, seed, shift=0.25)
        ecdf = np.searchsorted(np.sort(found), points(LEVELS), side="right") / 80
        inside = np.all((lower - 1e-12 <= ecdf - share) & (ecdf - share <= upper + 1e-12))
        p_value = uniformity(found, LEVELS)[1]
        assert inside == (p_value > 0.05) or abs(p_value - 0.05) < 0.005


def test_p_values_of_uniform_ranks_are_uniform_or_larger() -> None:
    generator = np.random.default_rng(7)
    p = [uniformity(generator.integers(0, LEVELS, 120), LEVELS)[1] for _ in range(800)]
    assert kstest(p, "uniform", alternative="greater").pvalue > 0.01


def test_a_band_is_nowhere_narrower_than_a_pointwise_one_and_wider_with_fewer_sets() -> None:
    share, lower, upper = band(200, LEVELS)
    pointwise = norm.ppf(0.975) * np.sqrt(share * (1 - share) / 200)
    assert np.all(upper - lower > 2 * pointwise - 1 / 200)
    _, low, high = band(50, LEVELS)
    assert np.all(high - low > upper - lower)


def test_calibrated_quantities_pass() -> None:
    ranks = {f"quantity {k}": ranks_of(200, k) for k in range(40)}
    check = simulation_based_calibration(ranks, LEVELS)
    assert check.verdict == "pass"
    assert list(check.table["n"]) == [200] * 40
    assert check.table["inside"].all()


def test_calibrated_models_fail_no_more_often_than_said() -> None:
    failed = sum(
        simulation_based_calibration(
            {str(k): ranks_of(60, 1000 * seed + k) for k in range(20)}, LEVELS, probability=0.9
        ).verdict
        == "fail"
        for seed in range(100)
    )
    assert failed <= 17  # 10 expected at most; 17 or more would be one time in fifty


@pytest.mark.parametrize(
    ("what", "shift", "spread"),
    [("biased", 0.5, 1.0), ("overconfident", 0.0, 0.6), ("underconfident", 0.0, 1.7)],
)
def test_one_quantity_that_is_off_fails_and_is_named(
    what: str, shift: float, spread: float
) -> None:
    ranks = {f"quantity {k}": ranks_of(200, k) for k in range(20)}
    check = simulation_based_calibration(ranks | {what: ranks_of(200, 99, shift, spread)}, LEVELS)
    assert check.verdict == "fail"
    assert list(check.table.loc[~check.table["inside"], "quantity"]) == [what]
    assert what in check.text


def test_quantities_may_have_been_ranked_in_different_numbers_of_data_sets() -> None:
    check = simulation_based_calibration({"all": ranks_of(90, 1), "some": ranks_of(40, 2)}, LEVELS)
    assert list(check.table["n"]) == [90, 40]
    assert "40 to 90 data sets" in check.text


def test_ranks_that_cannot_be_are_refused() -> None:
    with pytest.raises(OptionError, match="between 0 and 99"):
        uniformity([0, 100], LEVELS)
    with pytest.raises(OptionError, match="at least one data set"):
        uniformity([], LEVELS)
    with pytest.raises(OptionError, match="nothing to judge"):
        simulation_based_calibration({}, LEVELS)
    with pytest.raises(OptionError, match="at least 2"):
        points(1)
    with pytest.raises(OptionError, match="between 0 and 1"):
        band(10, LEVELS, 1.0)
