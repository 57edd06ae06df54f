"""How coefficients are sampled: shares of the data, and walks along their axes."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytest
from scipy import integrate, stats

import twinbayes as tb
from twinbayes.model.events.crude import Crude
from twinbayes.model.pooling.centring import Told, power
from twinbayes.model.pooling.walks import AlongAxes, RatesTold
from twinbayes.priors import PriorSet


@pytest.fixture(scope="module")
def priors() -> PriorSet:
    return tb.load_priors("registry").override({"subgroup_scale": {"arguments": {"sigma": 0.5}}})


def smallest_by_quadrature(estimate: np.ndarray, information: np.ndarray) -> float:
    """Lower 0.1 % quantile of a half-normal(0.5) scale of normal coefficients, by quadrature."""

    def density(scale: float) -> float:
        of_data = stats.norm(0.0, np.sqrt(scale**2 + 1.0 / information)).pdf(estimate).prod()
        return float(stats.halfnorm(scale=0.5).pdf(scale) * of_data)

    grid = np.linspace(0.0, 3.0, 4001)
    below = integrate.cumulative_simpson([density(s) for s in grid], x=grid, initial=0.0)
    return float(np.interp(0.001 * below[-1], below, grid))


@pytest.mark.parametrize(
    ("estimate", "information"),
    [([1.2, -0.9, 0.8], [40.0, 30.0, 5.0]), ([0.1, -0.1, 0.2], [40.0, 30.0, 5.0])],
    ids=["far apart", "close together"],
)
def test_shares_are_those_at_the_smallest_scale_that_is_likely(
    estimate: list[float], information: list[float], priors: PriorSet
) -> None:
    told = Told(np.array([estimate]), np.array([information]))
    (share,) = told.shares(priors, "subgroup_scale", ["remission->relapse"])
    scale = smallest_by_quadrature(np.array(estimate), np.array(information))
    wanted = scale**2 * np.array(information)
    wanted = wanted / (1.0 + wanted)
    # the prior is taken at 200 points of equal probability, and small shares count as none
    np.testing.assert_allclose(share, np.where(wanted < 0.3, 0.0, wanted), atol=0.02)


def test_what_no_data_tell_has_no_share(priors: PriorSet) -> None:
    told = Told(np.zeros((1, 3)), np.zeros((1, 3)))
    assert not told.shares(priors, "subgroup_scale", ["remission->relapse"]).any()


def test_rows_of_one_scale_share_it(priors: PriorSet) -> None:
    estimate, information = np.array([[1.0], [-1.2], [0.0]]), np.array([[9.0], [9.0], [9.0]])
    groups = np.array([0, 0, -1])
    share = Told(estimate, information).shares(priors, "subgroup_scale", ["any"], groups)
    together = Told(estimate[:2].T, information[:2].T).shares(priors, "subgroup_scale", ["any"])
    np.testing.assert_allclose(share[:2], together.T)
    assert share[2] == 0.0


def test_a_walk_is_turned_to_axes_along_which_data_and_prior_are_independent() -> None:
    events = np.array([[40.0, 8.0, 0.0, 3.0]])
    axes, told = RatesTold.of(events, np.array([[90.0, 30.0, 0.0, 55.0]])).along_axes()
    precision = axes[0].T @ np.diag(events[0] + 0.25) @ axes[0]
    np.testing.assert_allclose(precision, np.diag(np.diag(precision)), atol=1e-6)
    np.testing.assert_allclose(np.diag(precision)[1:], told.information[0, 1:], rtol=1e-6)
    # along each axis, a walk with unit steps has unit variance
    steps = np.diff(axes[0], axis=0)[:, 1:]
    np.testing.assert_allclose(steps.T @ steps, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(np.ptp(axes[0][:, 0]), 0.0, atol=1e-9)


def test_coordinates_of_a_walk_are_the_weighted_least_squares_estimate() -> None:
    events, days = np.array([[40.0, 8.0, 3.0]]), np.array([[90.0, 30.0, 55.0]])
    axes, told = RatesTold.of(events, days).along_axes()
    rate = 51.0 / 175.0
    wanted = np.log((events + 0.25) / (days * rate + 0.25))[0]
    level = np.linalg.solve(axes[0], wanted)[0] * axes[0][:, 0]
    np.testing.assert_allclose(level + axes[0][:, 1:] @ told.estimate[0, 1:], wanted, rtol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_walk_along_axes_keeps_its_density(share: float) -> None:
    axes, told = RatesTold.of(np.array([[9.0, 4.0, 1.0]]), np.array([[9.0, 9.0, 9.0]])).along_axes()
    with pm.Model() as model:
        sd = pm.HalfNormal("sd", 1.0, shape=1)
        pm.GaussianRandomWalk(
            "walk",
            sigma=sd,
            init_dist=pm.Normal.dist(0.0, 1.0, shape=1),
            steps=2,
            shape=(1, 3),
            default_transform=AlongAxes(axes, np.full(told.estimate.shape, share)),
        )
    transform = model.rvs_to_transforms[model["walk"]]
    inputs = model["walk"].owner.inputs
    inner = np.array([[0.3, -0.2, 0.7]])
    scale = 0.6
    walk = transform.backward(inner, *inputs).eval({model["sd"]: np.array([scale])})
    again = transform.forward(walk, *inputs).eval({model["sd"]: np.array([scale])})
    np.testing.assert_allclose(again, inner, atol=1e-12)
    # the volume by finite differences
    columns = [
        transform.backward(inner + 1e-6 * np.eye(3)[[k]], *inputs).eval(
            {model["sd"]: np.array([scale])}
        )[0]
        - walk[0]
        for k in range(3)
    ]
    volume = np.log(abs(np.linalg.det(np.array(columns) / 1e-6)))
    told_volume = transform.log_jac_det(inner, *inputs).eval({model["sd"]: np.array([scale])})
    assert told_volume == pytest.approx(volume, abs=1e-6)


def test_a_scale_to_a_power() -> None:
    np.testing.assert_allclose(
        power(np.array([[4.0], [9.0]]), np.array([[0.0, 0.5], [1.0, -1.0]])).eval(),  # type: ignore[arg-type]
        [[1.0, 2.0], [9.0, 1.0 / 9.0]],
    )


def test_crude_estimates_count_events_against_those_to_be_expected() -> None:
    cohort = tb.datasets.registry(seed=4)
    spec = tb.disease("registry")
    plan = spec.plan(cohort).events
    crude = Crude(plan)
    rows = plan.rows
    for k in range(len(plan.edges)):
        mine = rows.intensity == k
        assert crude.events[k].sum() == rows.is_event[mine].sum()
        assert crude.days[k].sum() == pytest.approx((rows.stop - rows.start)[mine].sum())
        # whatever the windows, as many events are expected as there are
        assert crude.expected[mine].sum() == pytest.approx(rows.is_event[mine].sum())
    by_level = crude.by_level(plan.design.subgroup, len(plan.encoding.subgroups))
    relapse, first = spec.graph.labels.index("remission->relapse"), 0
    here = (rows.intensity == relapse) & (plan.design.subgroup[rows.patient] == first)
    events, expected = rows.is_event[here].sum(), crude.expected[here].sum()
    assert by_level.estimate[relapse, first] == pytest.approx(
        np.log((events + 0.5) / (expected + 0.5))
    )
