"""Importance weights: smoothing, resampling, and who has them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from twinbayes.cohort import Cohort
from twinbayes.errors import OptionError, TwinError
from twinbayes.inference import Fit
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.twin import Scenario
from twinbayes.twin.weighting.importance import importance_weights, largest_shape, systematic_index

YEAR = DAYS_PER_YEAR


def test_equal_weights_leave_every_draw_in_its_place() -> None:
    for n in (1, 7, 1000, 6000):
        np.testing.assert_array_equal(systematic_index(np.full(n, 1 / n)), np.arange(n))
    assert importance_weights(np.full(100, -12.3)) is None
    assert importance_weights(-12.3 + 1e-12 * np.arange(100)) is None


def test_resampling_takes_each_draw_in_proportion_to_its_weight() -> None:
    weight = np.array([0.5, 0.0, 0.125, 0.375])
    slots = systematic_index(np.repeat(weight, 2) / 2)
    np.testing.assert_array_equal(slots, [0, 0, 1, 1, 4, 6, 6, 7])
    rng = np.random.default_rng(1)
    weight = rng.dirichlet(np.ones(500))
    times = np.bincount(systematic_index(weight), minlength=500)
    assert np.all(np.abs(times - 500 * weight) < 1.0)
    assert np.all(np.diff(systematic_index(weight)) >= 0)


def test_weighted_draws_of_a_normal_have_the_posterior_mean_and_spread() -> None:
    """Prior N(0, 1), one measurement 0.8 with variance 0.5: posterior N(0.533, 1/3)."""
    draws = np.random.default_rng(5).standard_normal(20000)
    weights = importance_weights(-0.5 * (0.8 - draws) ** 2 / 0.5)
    assert weights is not None
    taken = draws[weights.index]
    assert taken.mean() == pytest.approx(0.8 / 1.5, abs=0.02)
    assert taken.std() == pytest.approx(np.sqrt(1 / 3), abs=0.02)
    raw = np.exp(-0.5 * (0.8 - draws) ** 2 / 0.5)
    assert weights.ess == pytest.approx(raw.sum() ** 2 / (raw**2).sum(), rel=0.02)
    assert weights.pareto_k < largest_shape(20000) == 0.7


def test_weights_that_one_draw_dominates_have_a_heavy_tail() -> None:
    heavy = importance_weights(np.random.default_rng(5).exponential(2.0, 2000))
    assert heavy is not None
    assert heavy.pareto_k > largest_shape(2000)
    assert heavy.ess < 100


def test_the_largest_shape_shrinks_with_few_draws() -> None:
    assert largest_shape(100) == pytest.approx(0.5)


@pytest.mark.parametrize("bad", [np.full(50, -np.inf), np.full(50, np.nan)])
def test_a_record_that_no_draw_allows_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(TwinError, match="impossible or undefined"):
        importance_weights(bad)


def test_patients_of_the_fit_have_no_weights_however_they_are_named(joint_fit: Fit) -> None:
    for who in (None, "p03", joint_fit.cohort, joint_fit.cohort.select(["p03", "p01"])):
        table = joint_fit.twin(who).reliability()
        assert table["pareto_k"].isna().all()
        assert (table["ess"] == 400).all()
        assert not table["needs_refit"].any()
        earlier = joint_fit.twin(who, at=1.5 * YEAR).reliability()
        assert (earlier["ess"] < 400).all()


def test_strangers_have_weights_and_the_population_moves(joint_fit: Fit, strangers: Cohort) -> None:
    twin = joint_fit.twin(strangers, at=2.0 * YEAR)
    table = twin.reliability()
    assert (table["ess"] < 400).all()
    posterior = joint_fit.datatree["posterior"].to_dataset()
    sigma = posterior["marker_sd"].to_numpy()[0, :, 0]
    log = twin.record_log_marginal(0)
    weight = np.exp(log - log.max())
    curves = twin.curves(0)
    scale = curves.population.learnt.markers[0].scale
    assert curves.population.parameter[0, 0].mean() * scale == pytest.approx(
        (weight * sigma).sum() / weight.sum(), rel=0.05
    )


def test_a_patient_whom_the_fit_left_out_is_a_stranger(joint_fit: Fit) -> None:
    tree = joint_fit.datatree.copy()
    weight = np.ones(12)
    weight[3] = 0.0
    tree["constant_data"] = xr.DataTree(xr.Dataset({"patient_weight": ("patient", weight)}))
    table = replace(joint_fit, datatree=tree).twin().reliability()
    weighted = table["ess"] < 400
    assert list(table.index[weighted]) == [joint_fit.cohort.patient_ids[3]]


def test_somebody_else_with_the_identifier_of_a_patient_is_a_stranger(
    joint_fit: Fit, strangers: Cohort
) -> None:
    frames = {
        name: frame.assign(patient_id=frame["patient_id"].str.replace("q", "p"))
        for name, frame in strangers.tables.items()
        if name != "variables"
    }
    same_names = replace(
        strangers,
        patients=frames["patients"],
        events=frames["events"],
        visits=frames["visits"],
    )
    one = joint_fit.twin(same_names).forecast(YEAR, 3)
    two = joint_fit.twin(strangers).forecast(YEAR, 3)
    np.testing.assert_array_equal(one["survival"], two["survival"])


def test_strangers_are_the_same_alone_and_in_a_batch(joint_fit: Fit, strangers: Cohort) -> None:
    many = joint_fit.twin(strangers, at=1.0 * YEAR)
    alone = joint_fit.twin(strangers.select(["q02"]), at=1.0 * YEAR)
    k = strangers.patient_ids.index("q02")
    a, b = many.forecast(YEAR, 4).isel(patient=[k]), alone.forecast(YEAR, 4)
    for some in (a, b):
        some.attrs.pop("warning", None)  # counts the patients of the batch
    xr.testing.assert_identical(a, b)
    none = Scenario.policy()
    gap = alone.contrast(none, none, YEAR, 3)
    assert np.all(gap["survival_difference"].to_numpy() == 0.0)


def test_nothing_known_means_no_weights(joint_fit: Fit, strangers: Cohort) -> None:
    bare = replace(strangers, visits=None)
    table = joint_fit.twin(bare, at=0.0).reliability()
    assert (table["ess"] == 400).all()


def test_thinning_is_even_over_the_chains_and_the_same_every_time(joint_fit: Fit) -> None:
    whole, some = joint_fit.twin("p01"), joint_fit.twin("p01", draws=80)
    assert whole.population.n_draws == 400
    index = np.arange(80) * 5 + 2
    np.testing.assert_array_equal(some.population.rate, whole.population.rate[..., index])
    assert whole.curve_population is not None
    assert some.curve_population is not None
    np.testing.assert_array_equal(some.curve_population.root, whole.curve_population.root[index])
    assert joint_fit.twin("p02", draws=80).population is some.population
    alone = some.forecast(YEAR, 3)
    many = joint_fit.twin(["p02", "p01"], draws=80).forecast(YEAR, 3)
    xr.testing.assert_equal(alone, many.isel(patient=[1]))


@pytest.mark.parametrize("draws", [0, 401, -3, 1.5, True])
def test_more_draws_than_there_are_or_none_are_refused(joint_fit: Fit, draws: object) -> None:
    with pytest.raises(OptionError, match="draws"):
        joint_fit.twin("p01", draws=draws)  # type: ignore[arg-type]
