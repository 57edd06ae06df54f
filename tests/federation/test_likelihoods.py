"""Likelihoods of sites: against sums written out, the package's own likelihood, and simulation."""

from __future__ import annotations

import numpy as np
import pytest

from twinbayes.federation.joint.compensator import Factor, Shape
from twinbayes.federation.joint.crude import CrudeFromSites
from twinbayes.federation.likelihood.events import EventLikelihood
from twinbayes.model.events.evaluation import log_likelihood
from twinbayes.names import LOG_BASELINE


def _local(small, cohort=None, held=()):  # type: ignore[no-untyped-def]
    return EventLikelihood(
        small.spec,
        small.learnt,
        small.coordinates,
        small.cohort if cohort is None else cohort,
        np.array(held, dtype=np.int64),
    )


def test_totals_are_those_of_the_likelihood_of_a_fit(small):
    local = _local(small)
    values = np.array([small.somewhere(k) for k in range(3)])
    own = log_likelihood(local.draws(values), local.plan.events.data).sum(axis=1)
    np.testing.assert_allclose(local.totals(values)[:, 0], own, rtol=1e-12)


def test_what_sites_tell_adds_up_to_what_everybody_together_tells(small):
    values = np.array([small.somewhere(k) for k in range(2)])
    each = sum(_local(small, c).totals(values) for c in small.sites.values())
    np.testing.assert_allclose(each, _local(small).totals(values), rtol=1e-10)
    point = values[0]
    parts = [_local(small, c).expansion(point).packed() for c in small.sites.values()]
    whole = _local(small).expansion(point).packed()
    np.testing.assert_allclose(sum(parts), whole, rtol=1e-6, atol=1e-4)


def test_gradient_and_curvature_are_those_of_differences_of_the_value(small):
    local, point = _local(small), small.somewhere(5)
    found = local.expansion(point)
    rng = np.random.default_rng(5)
    step = 1e-3
    for _ in range(4):
        along = rng.normal(size=len(point))
        up, here, down = local.totals(np.array([point + step * along, point, point - step * along]))
        slope = (up[0] - down[0]) / (2 * step)
        bend = (up[0] - 2 * here[0] + down[0]) / step**2
        square = sum(
            along[own] @ m @ along[own]
            for own, m in zip(small.coordinates.members, found.information, strict=True)
        )
        assert found.score @ along == pytest.approx(slope, rel=1e-4)
        assert -square == pytest.approx(bend, rel=1e-3)


def test_the_function_has_value_slope_and_curvature_of_the_likelihood_at_its_point(small):
    local, point = _local(small), small.somewhere(7)
    factor = Factor(small.coordinates, local.expansion(point))
    rng = np.random.default_rng(7)
    near = point + 1e-3 * rng.normal(size=(5, len(point)))
    told = factor.said_by_events(near).sum(axis=1) - factor.expected(near).sum(axis=1)
    here = factor.said_by_events(point[None]).sum() - factor.expected(point[None]).sum()
    true = local.totals(near)[:, 0] - local.totals(point[None])[0, 0]
    np.testing.assert_allclose(told - here, true, atol=2e-6)


def test_the_function_is_exact_for_the_level_of_a_hazard_however_far(small):
    local, point = _local(small), small.somewhere(9)
    factor = Factor(small.coordinates, local.expansion(point))
    far = point.copy()
    for own in small.coordinates.by_column(LOG_BASELINE):
        far[own] += np.linspace(-2.0, 2.0, len(small.coordinates.members))[0]
    expected = local.totals(far[None])[0, 1:]
    np.testing.assert_allclose(factor.expected(far[None])[0], expected, rtol=1e-6)


def test_averages_over_a_spread_are_those_of_simulated_points(small):
    local, point = _local(small), small.somewhere(11)
    rng = np.random.default_rng(11)
    spread = []
    for own in small.coordinates.members:
        root = rng.normal(0.0, 0.25 / np.sqrt(len(own)), (len(own), len(own)))
        spread.append(root @ root.T)
    found = local.expansion(point, tuple(spread))
    n = 4000
    values = np.tile(point, (n, 1))
    for own, s in zip(small.coordinates.members, spread, strict=True):
        values[:, own] += rng.multivariate_normal(np.zeros(len(own)), s, n, method="eigh")
    drawn = local.totals(values)[:, 1:]
    error = drawn.std(axis=0) / np.sqrt(n)
    assert np.all(np.abs(found.expected.sum(axis=1) - drawn.mean(axis=0)) < 5 * error + 1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_level_slope_and_curvature_undo_the_average_of_the_function_that_they_make(seed):
    rng = np.random.default_rng(seed)
    root = rng.normal(0.0, 0.3, (2, 2))
    spread = root @ root.T
    level, slope = rng.uniform(1.0, 5.0, 1), rng.normal(0.0, 0.5, (1, 2))
    half = rng.normal(0.0, 0.4, (2, 2))
    curvature = half @ half.T
    # Gauss-Hermite quadrature of value, slope and curvature
    node, weight = np.polynomial.hermite_e.hermegauss(40)
    grid = np.array([(a, b) for a in node for b in node])
    share = np.array([p * q for p in weight for q in weight]) / weight.sum() ** 2
    x = grid @ np.linalg.cholesky(spread + 1e-15 * np.eye(2)).T
    value = level * np.exp(x @ slope[0] + 0.5 * np.einsum("sd,de,se->s", x, curvature, x))
    steep = slope[0] + x @ curvature
    mean = (share * value).sum()
    first = (share * value) @ steep
    second = np.einsum("s,sd,se->de", share * value, steep, steep) + mean * curvature
    found = Shape.of(np.array([mean]), first[None], second, spread)
    np.testing.assert_allclose(found.level, level, rtol=1e-6)
    np.testing.assert_allclose(found.slope, slope, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.curvature, curvature, rtol=1e-5, atol=1e-7)


def test_what_is_held_back_changes_nothing_that_leaves(small):
    held = [int(k) for k in small.coordinates.by_column("centre_effect")[:, 0]]
    local, point = _local(small, held=held), small.somewhere(13)
    other = point.copy()
    other[held] += 1.0
    np.testing.assert_array_equal(local.totals(point[None]), local.totals(other[None]))
    found = local.expansion(point)
    assert not found.score[held].any()
    assert _local(small).expansion(point).score[held].any()


def test_newton_s_method_from_sums_ends_where_the_gradient_is_that_of_the_prior(small):
    local, point = _local(small), small.counts.start(small.coordinates)
    for _ in range(12):
        crude = CrudeFromSites(
            small.counts, small.coordinates, small.learnt, local.expansion(point)
        )
        point = crude.mode
    left = local.expansion(point).score - crude.ridge * (
        point - small.counts.start(small.coordinates)
    )
    assert np.abs(left).max() < 1e-4


def test_time_under_a_treatment_that_is_not_told_of_is_left_out(small):
    place = small.coordinates.places["treatment_subgroup_effect"]
    every = list(range(place.start, place.stop))
    point = small.somewhere(17)
    point[every] = 0.0
    up, down = point.copy(), point.copy()
    up[every], down[every] = 1e-4, -1e-4
    whole, more, less = _local(small).totals(np.array([point, up, down]))[:, 1:]
    under = (more - less) / 2e-4  # expected events of those who have a treatment
    assert under.max() > 1.0
    told = _local(small, held=every).totals(np.array([point, up]))
    np.testing.assert_allclose(whole - told[0, 1:], under, rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(told[0], told[1])
