"""Baseline hazards against their formulae."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from scipy import stats
from scipy.interpolate import BSpline

from twinbayes import load_priors
from twinbayes.errors import ModelError, OptionError
from twinbayes.model import PiecewiseConstant, Spline, Weibull
from twinbayes.model.baseline import BASELINES, Baseline, Counted
from twinbayes.model.catalogue import known_type
from twinbayes.model.storing.codec import decode, encode
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.priors import PriorSet

LABELS = ("well->ill", "ill->dead")
TIMES = np.array([3.0, 10.0, 11.0, 40.0, 90.0, 91.0, 200.0, 800.0])
DIMS = ("transition", "window")


@pytest.fixture(scope="module")
def priors() -> PriorSet:
    return load_priors("registry").override(
        {
            "baseline_level.well->ill": {"arguments": {"mu": -3.0, "sigma": 1.0}},
            "baseline_roughness": {"arguments": {"sigma": 0.4}},
        }
    )


def built(
    baseline: Baseline, priors: PriorSet, edges: np.ndarray, *, told: bool = True
) -> tuple[pm.Model, Any, Any]:
    coords = {"transition": LABELS, "window": range(edges.shape[1] - 1)}
    events = np.tile(np.arange(3.0, 3.0 + edges.shape[1] - 1), (2, 1))
    without = isinstance(baseline, Weibull) or not told
    data = () if without else (Counted(events, 100.0 * events),)
    with pm.Model(coords=coords) as model:
        log_event, log_mean = baseline.build("log_baseline", DIMS, LABELS, edges, priors, *data)
    return model, log_event, log_mean


def evaluate(model: pm.Model, what: Any, point: dict[str, np.ndarray]) -> np.ndarray:
    values = {model[name]: np.asarray(value) for name, value in point.items()}
    compiled = pytensor.function(list(values), what, mode="FAST_COMPILE", on_unused_input="ignore")
    return np.asarray(compiled(*values.values()))


def log_density(model: pm.Model, point: dict[str, np.ndarray]) -> float:
    """Log prior density at a point given on the natural scale, without Jacobians."""
    logp = model.compile_logp(jacobian=False, mode="FAST_COMPILE")
    inside = {}
    for name, value in point.items():
        variable = model[name]
        transform = model.rvs_to_transforms[variable]
        if transform is not None:
            others = {name: v for name, v in point.items() if model[name] is not variable}
            value = evaluate(
                model, transform.forward(pt.as_tensor(value), *variable.owner.inputs), others
            )
        inside[model.rvs_to_values[variable].name] = np.asarray(value)
    return float(logp(inside))


@pytest.mark.parametrize(
    "baseline", [PiecewiseConstant(windows=5), Spline(), Spline(spacing="time"), Weibull()]
)
@pytest.mark.parametrize("events", [TIMES, TIMES[:1], TIMES[:0]], ids=["many", "one", "none"])
def test_edges_run_from_zero_to_infinity_without_empty_windows(
    baseline: Baseline, events: np.ndarray
) -> None:
    edges = baseline.edges(events, np.r_[0.0, TIMES])
    assert (edges[0], edges[-1]) == (0.0, np.inf)
    assert all(a < b for a, b in pairwise(edges))


def test_edges_of_one_shape_have_one_length_whatever_the_data() -> None:
    for baseline in (PiecewiseConstant(windows=5), Spline(), Spline(spacing="time"), Weibull()):
        lengths = {
            len(baseline.edges(times, times)) for times in (TIMES, TIMES[:1], np.arange(1.0, 400.0))
        }
        assert len(lengths) == 1


def test_tied_event_times_do_not_make_empty_windows() -> None:
    tied = np.full(50, 30.0)
    edges = PiecewiseConstant(windows=6).edges(tied, np.r_[tied, 365.0])
    assert all(b - a > 0.99 for a, b in pairwise(edges))


def test_a_long_follow_up_does_not_coarsen_the_first_weeks() -> None:
    recoveries = np.linspace(12.0, 40.0, 200)
    edges = PiecewiseConstant(windows=20).edges(recoveries, np.r_[recoveries, 6300.0])
    share = 1 - (1 - np.arange(1, 20) / 20) ** 1.5
    np.testing.assert_allclose(edges[1:-1], np.quantile(recoveries, share), atol=1.0)


@pytest.mark.parametrize("centred", [True, False, None])
def test_every_parametrisation_of_the_walk_has_the_same_density(
    centred: bool | None, priors: PriorSet
) -> None:
    baseline = PiecewiseConstant(windows=3, centred=centred)
    edges = np.array([[0, 5, 50, np.inf], [0, 9, 90, np.inf]], dtype=float)
    model, log_event, log_mean = built(baseline, priors, edges)
    walk = np.array([[-3.2, -3.0, -3.9], [-6.0, -6.6, -6.5]])
    roughness = np.array([0.3, 0.5])
    steps = np.diff(walk, axis=1)
    wanted = (
        stats.norm(np.array([-3.0, -7.0]), [1.0, 2.0]).logpdf(walk[:, 0]).sum()
        + stats.halfnorm(scale=0.4).logpdf(roughness).sum()
        + stats.norm(0, roughness[:, None]).logpdf(steps).sum()
    )
    point = {"log_baseline": walk, "log_baseline_roughness": roughness}
    assert {v.name for v in model.free_RVs} == set(point)
    assert log_density(model, point) == pytest.approx(wanted)
    for rate in (log_event, log_mean):
        np.testing.assert_allclose(evaluate(model, rate, point), walk)


def test_a_single_window_is_one_level_with_its_prior(priors: PriorSet) -> None:
    edges = np.array([[0, np.inf], [0, np.inf]])
    model, _, _ = built(PiecewiseConstant(windows=1), priors, edges)
    assert [v.name for v in model.free_RVs] == ["log_baseline"]
    wanted = stats.norm([-3.0, -7.0], [1.0, 2.0]).logpdf([-2.0, -6.0]).sum()
    level = np.array([[-2.0], [-6.0]])
    assert log_density(model, {"log_baseline": level}) == pytest.approx(wanted)


def test_a_spline_is_its_basis_times_its_weights(priors: PriorSet) -> None:
    baseline = Spline(df=6, resolution=12)
    basis = baseline.basis()
    assert basis.shape == (12, 6)
    np.testing.assert_allclose(basis.sum(axis=1), 1.0)
    knots = np.r_[[0.0] * 4, 1 / 3, 2 / 3, [1.0] * 4]
    rng = np.random.default_rng(0)
    weights = rng.normal(-5, 1, (2, 6))
    middle = (np.arange(12) + 0.5) / 12
    wanted = np.stack([BSpline(knots, w, 3)(middle) for w in weights])
    edges = np.stack([baseline.edges(TIMES, TIMES)] * 2)
    model, log_event, log_mean = built(baseline, priors, edges)
    roughness = np.array([0.3, 0.6])
    point = {
        "log_baseline_weight": weights,
        "log_baseline_weight_roughness": roughness,
    }
    assert {v.name for v in model.free_RVs} == set(point)
    for rate in (log_event, log_mean):
        np.testing.assert_allclose(evaluate(model, rate, point), wanted)


def test_a_spline_of_order_two_is_a_line_and_bends_of_unit_second_differences() -> None:
    baseline = Spline(df=7, resolution=12, order=2, spacing="time")
    edges = np.stack([baseline.edges(TIMES, TIMES)] * 2)
    np.testing.assert_allclose(np.diff(edges[0][:-1]), 800 / 12)
    model, _, _ = built(baseline, load_priors("pbc"), edges, told=False)
    point = {
        "log_baseline_weight_level": np.array([-7.0, -8.0]),
        "log_baseline_weight_trend": np.array([1.5, 0.0]),
        "log_baseline_weight_roughness": np.array([0.3, 0.6]),
    }
    assert {v.name for v in model.free_RVs} == {
        "_log_baseline_weight_level_offset",
        "_log_baseline_weight_trend_offset",
        "log_baseline_weight_roughness",
        "log_baseline_weight_bend",
    }
    walk = model["log_baseline_weight"]
    line = evaluate(model, walk, point | {"log_baseline_weight_bend": np.zeros((2, 5))})
    np.testing.assert_allclose(line[0], np.linspace(-7.75, -6.25, 7))
    np.testing.assert_allclose(line[1], -8.0)
    bent = np.empty((5, 5))
    for k in range(5):
        own = {"log_baseline_weight_bend": np.tile(np.eye(5)[k], (2, 1))}
        walks = evaluate(model, walk, point | own) - line
        np.testing.assert_allclose(walks @ np.c_[np.ones(7), np.arange(7)], 0.0, atol=1e-12)
        np.testing.assert_allclose(walks[1], 2 * walks[0])
        bent[k] = np.diff(walks[0], 2) / 0.3
    np.testing.assert_allclose(bent.T @ bent, np.eye(5), atol=1e-12)


def test_a_spline_with_an_unknown_choice_is_refused() -> None:
    with pytest.raises(OptionError, match="order of the spline's random walk"):
        Spline(order=3)
    with pytest.raises(OptionError, match="spacing of the spline's windows"):
        Spline(spacing="rank")
    with pytest.raises(ModelError, match="leave centred=False"):
        Spline(order=2, centred=True)
    for degree in (0, 7):
        with pytest.raises(ModelError, match=f"from 1 to df - 1 = 6, not {degree}"):
            Spline(df=7, degree=degree)


@pytest.mark.parametrize("degree", [1, 2, 4])
def test_a_spline_of_any_degree_holds_the_polynomials_up_to_it(degree: int) -> None:
    baseline = Spline(df=9, degree=degree, resolution=40)
    basis = baseline.basis()
    assert basis.shape == (40, 9)
    assert (basis >= 0).all()
    assert np.count_nonzero(basis, axis=1).max() == degree + 1
    middle = (np.arange(40) + 0.5) / 40
    for power in range(degree + 1):
        residual = np.linalg.lstsq(basis, middle**power, rcond=None)[1]
        np.testing.assert_allclose(residual, 0.0, atol=1e-20)
    bent = np.linalg.lstsq(basis, middle ** (degree + 1), rcond=None)[1]
    assert bent > 1e-14


def test_the_degree_is_stored_only_where_it_is_not_the_default() -> None:
    assert "degree" not in encode(Spline())
    assert decode(encode(Spline(degree=2)), known_type) == Spline(degree=2)


def test_a_weibull_hazard_and_its_integral_are_exact_at_every_time(priors: PriorSet) -> None:
    baseline = Weibull(resolution=12)
    edges = np.stack([baseline.edges(TIMES, TIMES)] * 2)
    model, log_event, log_mean = built(baseline, priors, edges)
    level, shape = np.array([-6.0, -7.5]), np.array([0.6, 1.8])
    point = {"log_baseline_level": level, "log_baseline_shape": shape}
    assert {v.name for v in model.free_RVs} == set(point)
    at_event = evaluate(model, log_event, point)
    mean = evaluate(model, log_mean, point)
    for e in range(2):
        hazard = np.exp(level[e]) * (TIMES / DAYS_PER_YEAR) ** (shape[e] - 1)
        integral = np.exp(level[e]) * DAYS_PER_YEAR / shape[e] * (TIMES / DAYS_PER_YEAR) ** shape[e]
        windows = np.searchsorted(edges[e], TIMES, side="left") - 1
        np.testing.assert_allclose(np.exp(at_event[e, windows]), hazard)
        days = np.diff(edges[e][:-1])
        cumulative = np.r_[0.0, np.cumsum(np.exp(mean[e, :-1]) * days)]
        np.testing.assert_allclose(cumulative[windows + 1], integral, rtol=1e-6)


def test_an_unnamed_prior_has_the_density_of_the_entry(priors: PriorSet) -> None:
    unnamed = priors.distribution("baseline_level", LABELS)
    found = pm.logp(unnamed, np.array([-3.5, -8.0])).eval(mode="FAST_COMPILE")
    np.testing.assert_allclose(found, stats.norm([-3.0, -7.0], [1.0, 2.0]).logpdf([-3.5, -8.0]))


def test_every_baseline_is_listed_under_its_own_name() -> None:
    for name, shape in BASELINES.items():
        assert shape().kind == name
        assert isinstance(shape(), Baseline)


def test_a_tail_begins_where_only_so_many_events_are_left() -> None:
    days = np.r_[np.arange(1.0, 101.0), 500.0, 900.0, 1500.0]
    edges = PiecewiseConstant(windows=6, tail=2).edges(days, np.r_[days, 2000.0])
    assert len(edges) == 7
    assert edges[-2] == 500.0
    assert (days > edges[-2]).sum() == 2
    np.testing.assert_array_equal(
        edges[:-2], PiecewiseConstant(windows=5).edges(days, np.r_[days, 2000.0])[:-1]
    )
    few = PiecewiseConstant(windows=6, tail=40)
    np.testing.assert_array_equal(
        few.edges(days, days), PiecewiseConstant(windows=6).edges(days, days)
    )
    with pytest.raises(ModelError, match="at least 1 event"):
        PiecewiseConstant(tail=0)
