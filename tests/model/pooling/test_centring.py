"""How coefficients are sampled: by what the data tell of each, and walks along their axes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import integrate, optimize, stats

import twinbayes as tb
from chance import drawn_seed
from twinbayes.model.events.crude import Crude
from twinbayes.model.pooling.centring import ShortTails, Told, ToldTogether, turned
from twinbayes.model.pooling.walks import AlongAxes, RatesTold


def conjugate(told: Told, scale: float, mean: float) -> pm.Model:
    """Coefficients N(mean, scale²) that the data tell just as `told` says."""
    with pm.Model(coords={"row": range(2), "coefficient": range(3)}) as model:
        own = told.deviations("z", np.array(scale), ("row", "coefficient"), mean=mean)  # type: ignore[arg-type]
        off = (mean + own - told.estimate) * np.sqrt(told.information)
        pm.Potential("data", -0.5 * (off**2).sum())
    return model


TOLD = Told(
    np.array([[1.2, -0.9, 0.0], [0.4, 3.0, -1.0]]),
    np.array([[40.0, 3.0, 0.0], [0.2, 9.0, 1000.0]]),
)


@pytest.mark.parametrize("scale", [0.01, 0.5, 20.0])
@pytest.mark.parametrize("mean", [0.0, -0.7])
def test_what_is_sampled_is_standard_normal_at_every_scale_given_such_data(
    scale: float, mean: float
) -> None:
    logp = conjugate(TOLD, scale, mean).compile_logp()
    middle = logp({"z": np.zeros((2, 3))})
    rng = np.random.default_rng(drawn_seed())
    for z in rng.normal(0.0, 3.0, (5, 2, 3)):
        assert logp({"z": z}) - middle == pytest.approx(-0.5 * np.square(z).sum(), abs=1e-6)


@pytest.mark.parametrize("nu", [None, 5.0])
@pytest.mark.parametrize("as_they_are", [None, np.array([[True], [False]])])
def test_coefficients_have_their_law_whatever_is_told(
    nu: float | None, as_they_are: np.ndarray | None
) -> None:
    with pm.Model(coords={"row": range(2), "coefficient": range(3)}):
        own = TOLD.deviations(
            "z",
            np.array([[0.3], [2.0]]),  # type: ignore[arg-type]
            ("row", "coefficient"),
            mean=0.4,
            nu=nu,
            as_they_are=as_they_are,
        )
        drawn = np.asarray(
            pm.draw(own, draws=4000, random_seed=np.random.default_rng(drawn_seed()))
        )
    law = stats.norm() if nu is None else stats.t(nu)
    # of six tests, the smallest p is below 1e-6 once in 170,000 runs
    for row, scale in enumerate((0.3, 2.0)):
        for column in range(3):
            assert stats.kstest(drawn[:, row, column] / scale, law.cdf).pvalue > 1e-6


@pytest.mark.parametrize(("events", "expected"), [(0, 10.0), (5, 0.5), (40, 38.0), (0, 0.01)])
def test_counts_tell_what_their_posterior_has_at_its_mode(events: int, expected: float) -> None:
    def density(x: float) -> float:
        return events * x - expected * np.exp(x) - 0.5 * x * x

    mode = optimize.minimize_scalar(lambda x: -density(x), bounds=(-30, 30), method="bounded").x
    told = Told.by_counts(np.array([[events]]), np.array([[expected]]))
    h = 1e-4
    curvature = -(density(mode + h) - 2 * density(mode) + density(mode - h)) / h**2
    information, estimate = told.information[0, 0], told.estimate[0, 0]
    assert information + 1.0 == pytest.approx(curvature, rel=1e-4)
    assert information * estimate / (information + 1.0) == pytest.approx(mode, abs=1e-4)


def test_axes_are_those_along_which_data_are_independent() -> None:
    rng = np.random.default_rng(drawn_seed())
    half = rng.normal(size=(2, 4, 6))
    information = half @ np.swapaxes(half, 1, 2)
    estimate = rng.normal(size=(2, 4))
    together = ToldTogether(information, (information @ estimate[:, :, None])[:, :, 0])
    axes, told = together.along_axes(np.eye(4))
    for row in range(2):
        np.testing.assert_allclose(axes[row].T @ axes[row], np.eye(4), atol=1e-9)
        np.testing.assert_allclose(
            axes[row].T @ information[row] @ axes[row], np.diag(told.information[row]), atol=1e-8
        )
        np.testing.assert_allclose(axes[row] @ told.estimate[row], estimate[row], atol=1e-8)
    along = rng.normal(size=(2, 4))
    np.testing.assert_allclose(
        turned(axes, pt.as_tensor(along)).eval(), np.einsum("rca,ra->rc", axes, along)
    )
    alone = Told(estimate, np.array([[1.0, 2.0, 0.0, 3.0]] * 2))
    again = ToldTogether.of(alone).one_by_one()
    np.testing.assert_allclose(again.information, alone.information)
    np.testing.assert_allclose(again.estimate, np.where(alone.information > 0, estimate, 0.0))


def test_long_tails_are_sampled_as_shorter_ones_under_the_same_law() -> None:
    transform = ShortTails()
    with pm.Model() as model:
        pm.StudentT("z", nu=4.0, mu=-1.3, sigma=2.0, default_transform=transform)
    logp = model.compile_logp()
    name = model.value_vars[0].name
    below = integrate.quad(lambda y: np.exp(logp({name: y})), -80.0, 1.5, points=[-10.0, -2.0])[0]
    law = stats.t(4.0, -1.3, 2.0)
    assert below == pytest.approx(law.cdf(2.0 * np.sinh(0.75)), abs=1e-8)
    # tails fall as exp(-nu / 2 y)
    slope = (logp({name: -60.0}) - logp({name: -62.0})) / 2.0
    assert slope == pytest.approx(2.0, abs=1e-3)
    z = np.array([-1e6, -3.0, -1e-9, 0.0, 0.4, 1e6])
    y = transform.forward(pt.as_tensor(z)).eval()
    np.testing.assert_allclose(y, 2.0 * np.arcsinh(z / 2.0), rtol=1e-6, atol=1e-15)
    np.testing.assert_allclose(transform.backward(pt.as_tensor(y)).eval(), z, rtol=1e-6)


def test_of_coefficients_told_together_each_keeps_its_margin() -> None:
    rng = np.random.default_rng(drawn_seed())
    seen, said = rng.normal(size=(1, 9, 4)), rng.normal(size=(9, 1))
    both = ToldTogether(np.swapaxes(seen, 1, 2) @ seen, (seen[0].T @ said).T)
    told = both.one_by_one()
    # by the joint normal distribution of coefficients and data, the data known
    covariance = np.block([[np.eye(4), seen[0].T], [seen[0], seen[0] @ seen[0].T + np.eye(9)]])
    gain = covariance[:4, 4:] @ np.linalg.inv(covariance[4:, 4:])
    mean = (gain @ said)[:, 0]
    variance = 1.0 - np.einsum("kd,dk->k", gain, covariance[4:, :4])
    np.testing.assert_allclose(1.0 / (1.0 + told.information[0]), variance)
    np.testing.assert_allclose(told.estimate[0] * told.information[0] * variance, mean)


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


@pytest.mark.parametrize("as_they_are", [None, False, True])
def test_a_walk_along_axes_keeps_its_density(as_they_are: bool | None) -> None:
    axes, told = RatesTold.of(np.array([[9.0, 4.0, 1.0]]), np.array([[9.0, 9.0, 9.0]])).along_axes()
    with pm.Model() as model:
        sd = pm.HalfNormal("sd", 1.0, shape=1)
        pm.GaussianRandomWalk(
            "walk",
            sigma=sd,
            init_dist=pm.Normal.dist(0.0, 1.0, shape=1),
            steps=2,
            shape=(1, 3),
            default_transform=AlongAxes(axes, told, as_they_are),
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


def test_an_outlier_leaves_crude_estimates_finite() -> None:
    plan = tb.disease("registry").events.plan(tb.datasets.registry(seed=4))
    values = plan.design.values.copy()
    values[3, 0] = 1e9
    crude = Crude(replace(plan, design=replace(plan.design, values=values)))
    told = crude.told(np.arange(values.shape[1]))
    assert np.isfinite(told.information).all()
    assert np.isfinite(told.score).all()


def test_crude_hazard_ratios_are_those_of_a_penalised_regression() -> None:
    """Hazards of one intensity by patient, its baseline free: a general-purpose optimiser's."""
    cohort = tb.datasets.registry(seed=4)
    spec = tb.disease("registry")
    plan = spec.plan(cohort).events
    crude = Crude(plan)
    k = spec.graph.labels.index("remission->relapse")
    rows, mine = plan.rows, plan.rows.intensity == k
    x, d, e = plan.design.values[rows.patient[mine]], rows.is_event[mine], crude.expected[mine]

    def minus_density(b: np.ndarray) -> float:
        eta = b[0] + x @ b[1:]
        return float((e * np.exp(eta)).sum() - d @ eta + 0.5 * np.square(b[1:] / 0.7).sum())

    mode = optimize.minimize(minus_density, np.zeros(x.shape[1] + 1), tol=1e-9).x
    hazard = e * np.exp(mode[0] + x @ mode[1:])
    both = np.column_stack([np.ones(len(x)), x])
    precision = (both.T * hazard) @ both + np.diag([0.0, *np.full(x.shape[1], 1 / 0.7**2)])
    some = np.array([2, 0, 5])
    covariance = np.linalg.inv(precision)[np.ix_(1 + some, 1 + some)]
    told = crude.told(some)
    wanted = np.linalg.inv(covariance) - np.eye(3) / 0.7**2
    np.testing.assert_allclose(told.information[k], wanted, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(
        told.score[k], np.linalg.solve(covariance, mode[1 + some]), rtol=1e-3, atol=5e-3
    )


def test_shapes_beside_free_ones_are_told_as_by_least_squares() -> None:
    """Weighted least squares of log rates on a line and two bends, the line being free."""
    events, days = np.array([[9.0, 4.0, 1.0, 6.0]]), np.array([[9.0, 9.0, 9.0, 5.0]])
    told = RatesTold.of(events, days)
    free = np.stack([np.ones(4), np.arange(4.0)])
    shapes = np.array([[1.0, -1.0, -1.0, 1.0], [0.0, 1.0, -2.0, 1.0]])
    found = told.beside(free, shapes)
    rate = events.sum() / days.sum()
    y = np.log((events[0] + 0.25) / (days[0] * rate + 0.25))
    x = np.concatenate([free, shapes]).T
    precision = x.T @ np.diag(events[0] + 0.25) @ x
    wanted = np.linalg.solve(precision, x.T @ ((events[0] + 0.25) * y))[2:]
    information = np.linalg.inv(np.linalg.inv(precision)[2:, 2:])
    np.testing.assert_allclose(found.information[0], information, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.solve(information, found.score[0]), wanted, rtol=1e-6)
