"""Draws of an event process: laid out as the posterior has them, and evaluated row by row."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import xarray as xr

from twinbayes.cohort import Cohort
from twinbayes.model import EventPlan, ModelSpec
from twinbayes.model.covariates.design import Encoding
from twinbayes.model.events.draws import EventDraws
from twinbayes.model.events.evaluation import log_likelihood, mean_compensators
from twinbayes.model.spec import ModelPlan

Whole = tuple[Cohort, ModelSpec, ModelPlan, xr.Dataset]


@pytest.fixture(scope="module")
def posterior(every_hazard_term: Whole) -> xr.Dataset:
    return every_hazard_term[3]


@pytest.fixture(scope="module")
def plan(every_hazard_term: Whole) -> EventPlan:
    return every_hazard_term[2].events


@pytest.fixture(scope="module")
def draws(posterior: xr.Dataset, plan: EventPlan) -> EventDraws:
    return EventDraws.from_posterior(posterior, plan.encoding)


def each_draw(posterior: xr.Dataset) -> Iterator[tuple[int, xr.Dataset]]:
    """Number of each draw, chain after chain, and its values."""
    n = posterior.sizes["draw"]
    for c in range(posterior.sizes["chain"]):
        for d in range(n):
            yield c * n + d, posterior.isel(chain=c, draw=d)


def by_row(plan: EventPlan, cohort: Cohort, one: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Cumulative hazard and log hazard at its end of each row of a plan, under one draw."""
    value = {str(k): v.to_numpy() for k, v in one.items()}
    rows, design = plan.rows, plan.encoding.encode(cohort)
    k = len(plan.encoding.columns)
    eta = design.values[:, :k] @ value["beta"] + 0.5 * design.variances[:, :k] @ value["beta"] ** 2
    eta = eta + value["subgroup_effect"].T[design.subgroup]
    eta = eta + value["centre_effect"].T[design.centre]
    n_subgroups = len(plan.encoding.subgroups)
    acting = np.vstack(
        [
            value["treatment_subgroup_effect"],
            np.repeat(value["entry_era_effect"][:, None], n_subgroups, axis=1),
            value["time_varying_effect"],
        ]
    )
    cumulative, at_end = np.zeros(len(rows.patient)), np.zeros(len(rows.patient))
    for r, (i, e) in enumerate(zip(rows.patient, rows.intensity, strict=True)):
        grid = plan.edges[e]
        log_ratio = eta[i, e] + sum(acting[f, design.subgroup[i]] for f in rows.effects[r])
        days = np.minimum(grid[1:], rows.stop[r]) - np.maximum(grid[:-1], rows.start[r])
        hazard = np.exp(value["log_baseline"][e, : len(days)] + log_ratio)
        cumulative[r] = hazard @ np.maximum(days, 0.0)
        window = max(int(np.searchsorted(grid, rows.stop[r], side="left")) - 1, 0)
        at_end[r] = value["log_baseline_at_event"][window, e] + log_ratio
    return cumulative, at_end


def test_draws_are_those_of_the_posterior_chain_after_chain(
    draws: EventDraws, posterior: xr.Dataset, plan: EventPlan
) -> None:
    encoding: Encoding = plan.encoding
    assert draws.n_draws == 6
    assert (draws.n_covariates, draws.n_treatments, draws.n_eras) == (
        len(encoding.columns), posterior.sizes["effect"], posterior.sizes["entry_era"],
    )  # fmt: skip
    for s, one in each_draw(posterior):
        np.testing.assert_array_equal(draws.log_baseline[s], one["log_baseline"])
        np.testing.assert_array_equal(draws.log_at_event[s].T, one["log_baseline_at_event"])
        wanted = np.vstack([one["beta"], one["subgroup_effect"].T, one["centre_effect"].T])
        np.testing.assert_array_equal(draws.coef[s], wanted)
        np.testing.assert_array_equal(draws.of_treatments[s], one["treatment_subgroup_effect"])
        np.testing.assert_array_equal(draws.of_eras[s], one["entry_era_effect"])
        np.testing.assert_array_equal(draws.of_walks[s], one["time_varying_effect"])
        np.testing.assert_array_equal(draws.treatment_mean[s], one["treatment_effect"])
        np.testing.assert_array_equal(draws.treatment_scale[s], one["treatment_heterogeneity"])
        np.testing.assert_array_equal(draws.walk_step[s], one["time_varying_step"])
        assert draws.subgroup_scale is not None
        assert draws.centre_scale is not None
        np.testing.assert_array_equal(draws.subgroup_scale[s], one["subgroup_scale"])
        np.testing.assert_array_equal(draws.centre_scale[s], one["centre_scale"])
    first = posterior.sizes["effect"]
    eras = draws.acting[:, first : first + draws.n_eras]
    np.testing.assert_array_equal(eras, np.broadcast_to(eras[:, :, :1], eras.shape))


def test_what_a_model_has_not_is_empty_and_levels_are_those_of_the_baseline(
    posterior: xr.Dataset, plan: EventPlan
) -> None:
    bare = EventDraws.from_posterior(posterior[["log_baseline"]], plan.encoding)
    assert not bare.has_own_hazards_at_events
    assert bare.log_at_event is bare.log_baseline
    assert bare.acting.shape == (6, 0, len(plan.encoding.subgroups))
    assert bare.walk_step.shape == (6, 0)
    assert bare.subgroup_scale is None
    assert bare.centre_scale is None
    np.testing.assert_array_equal(bare.coef, 0.0)
    assert bare.coef.shape[1] == sum(
        len(x) for x in (plan.encoding.columns, plan.encoding.subgroups, plan.encoding.centres)
    )
    few = bare.take(slice(None, None, 2))
    assert few.n_draws == 3
    assert few.log_at_event is few.log_baseline


def test_some_draws_are_the_draws_in_the_order_of_the_index(draws: EventDraws) -> None:
    index = np.array([4, 0, 4])
    few = draws.take(index)
    assert few.has_own_hazards_at_events
    assert (few.n_draws, few.n_eras) == (3, draws.n_eras)
    np.testing.assert_array_equal(few.coef, draws.coef[index])
    np.testing.assert_array_equal(few.log_at_event, draws.log_at_event[index])


def test_without_their_levels_subgroups_have_the_level_of_the_baseline(
    draws: EventDraws, posterior: xr.Dataset, plan: EventPlan
) -> None:
    level = EventDraws.from_posterior(
        posterior.assign(subgroup_effect=0.0 * posterior["subgroup_effect"]), plan.encoding
    )
    found = draws.without_subgroup_levels()
    np.testing.assert_array_equal(found.coef, level.coef)
    np.testing.assert_array_equal(found.acting, draws.acting)


def test_the_log_likelihood_of_patients_is_the_formula_row_by_row(
    draws: EventDraws, every_hazard_term: Whole, plan: EventPlan
) -> None:
    cohort, _, _, posterior = every_hazard_term
    found = log_likelihood(draws, plan.data)
    assert found.shape == (6, cohort.n_patients)
    assert {k for some in plan.rows.effects for k in some} == set(range(draws.acting.shape[1]))
    for s, one in each_draw(posterior):
        cumulative, at_end = by_row(plan, cohort, one)
        wanted = np.bincount(plan.rows.patient, plan.rows.is_event * at_end - cumulative)
        np.testing.assert_allclose(found[s], wanted, rtol=1e-11)


def test_mean_compensators_are_the_formula_row_by_row(
    draws: EventDraws, every_hazard_term: Whole, plan: EventPlan
) -> None:
    cohort, _, _, posterior = every_hazard_term
    found = mean_compensators(draws, plan.data, plan.rows)
    order = np.argsort(plan.rows.intensity, kind="stable")
    wanted = np.mean([by_row(plan, cohort, one)[0] for _, one in each_draw(posterior)], axis=0)
    np.testing.assert_array_equal(plan.data.intensity, plan.rows.intensity[order])
    np.testing.assert_allclose(found, wanted[order], rtol=1e-11)
