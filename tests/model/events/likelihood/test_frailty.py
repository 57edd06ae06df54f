"""A frailty in the fused likelihood, against integrals by adaptive quadrature of other hands."""

from __future__ import annotations

from dataclasses import replace

import numba
import numpy as np
import pytest
from scipy import integrate, optimize, stats

from chance import drawn_seed
from event_cases import Case, fused, random_case, through_jax, with_open_courses
from twinbayes.model.events.likelihood import frailty as by_quadrature
from twinbayes.model.events.likelihood.courses import event_loglik

FRAILTY = np.array([0.9, 0.0, -0.4, 1.7])


@numba.njit
def one_integral(fired, hazard, frailty):  # type: ignore[no-untyped-def]
    factor, slope = np.empty(len(frailty)), np.empty(len(frailty))
    return by_quadrature.integrate(fired, hazard, frailty, factor, slope), factor, slope


def log_integral(fired: np.ndarray, hazard: np.ndarray, frailty: np.ndarray) -> float:
    """Log of the integral over b, by the adaptive rule of QUADPACK around the mode."""

    def log_value(b: float) -> float:
        lost = hazard @ np.exp(np.minimum(frailty * b, 300.0))
        return float(b * fired @ frailty - lost - 0.5 * b * b)

    mode = optimize.minimize_scalar(lambda b: -log_value(b), bracket=(-1.0, 1.0), tol=1e-12).x
    top, value = log_value(mode), 0.0
    for low, high in ((mode - 12, mode), (mode, mode + 12)):
        value += integrate.quad(
            lambda b: np.exp(log_value(b) - top), low, high, epsabs=0.0, epsrel=1e-10
        )[0]
    return float(top + np.log(value) - 0.5 * np.log(2 * np.pi))


def moments(fired: np.ndarray, hazard: np.ndarray, frailty: np.ndarray) -> np.ndarray:
    """Mean of exp(frailty b) given the record: a ratio of integrals with other events."""
    whole = log_integral(fired, hazard, frailty)
    more = [log_integral(fired + one, hazard, frailty) for one in np.eye(len(frailty))]
    return np.exp(np.array(more) - whole)


def by_hand(case: Case, frailty: np.ndarray) -> np.ndarray:
    """(patient,) log-likelihoods, written out row by row."""
    log_event, log_mean, coef, effect, trail, _ = case.parameters
    rows, design, points = case.rows, case.design, case.points
    order = list(np.argsort(rows.intensity, kind="stable"))
    n = len(design.subgroup)
    fired, hazard, out = np.zeros((n, 4)), np.zeros((n, 4)), np.zeros(n)
    events = [r for r in order if rows.is_event[r]]
    for place, r in enumerate(order):
        i, e = rows.patient[r], rows.intensity[r]
        eta = design.values[i] @ coef[:, e] + 0.5 * design.variances[i] @ coef[:, e] ** 2
        eta += sum(effect[f, design.subgroup[i]] for f in rows.effects[r])
        grid, start, stop = case.edges[e], rows.start[r], rows.stop[r]
        nodes = np.flatnonzero(points.node_row == place)
        if len(nodes):
            days, at = points.node_days[nodes], log_mean[e, points.node_window[nodes]]
            hazard[i, e] += np.sum(days * np.exp(at + trail[nodes] + eta))
        else:
            days = np.maximum(np.minimum(grid[1:], stop) - np.maximum(grid[:-1], start), 0.0)
            hazard[i, e] += np.exp(eta) * days @ np.exp(log_mean[e, : len(days)])
        if rows.is_event[r]:
            w = int(np.argmax((grid[:-1] < stop) & (stop <= grid[1:])))
            point = points.event_point[events.index(r)]
            out[i] += log_event[e, w] + eta + (trail[point] if point >= 0 else 0.0)
            fired[i, e] += 1
    return out + [log_integral(d, h, frailty) for d, h in zip(fired, hazard, strict=True)]


def with_frailty(case: Case, frailty: np.ndarray = FRAILTY) -> Case:
    return replace(case, parameters=(*case.parameters[:-1], frailty))


# log hazard ratios of one sd of the frailty, errors of log L and of its factors; 3 is a ratio of 20
@pytest.mark.parametrize(
    ("spread", "error", "relative"),
    [(0.0, 1e-9, 1e-8), (0.1, 1e-9, 1e-8), (1.0, 1e-9, 1e-7), (1.5, 1e-6, 1e-5), (3.0, 5e-4, 5e-3)],
)
@pytest.mark.parametrize("hazard", [0.0, 1e-4, 0.3, 5.0, 80.0])
@pytest.mark.parametrize("count", [0, 1, 6, 60])
def test_one_integral_equals_adaptive_quadrature(
    spread: float, error: float, relative: float, hazard: float, count: int
) -> None:
    fired = np.array([float(count), 1.0])
    hazards, frailty = np.array([hazard, 0.2]), np.array([spread, -0.5 * spread])
    found, factor, _ = one_integral(fired, hazards, frailty)
    assert found == pytest.approx(log_integral(fired, hazards, frailty), abs=error)
    np.testing.assert_allclose(factor, moments(fired, hazards, frailty), rtol=relative)


def test_a_gaussian_integral_has_its_closed_form() -> None:
    """Without time at risk the events alone pull: exp(A^2 / 2)."""
    found, factor, slope = one_integral(np.array([3.0]), np.array([0.0]), np.array([0.7]))
    assert found == pytest.approx(0.5 * 2.1**2, rel=1e-10)
    assert factor[0] == pytest.approx(stats.lognorm.mean(0.7) * np.exp(0.7 * 2.1), rel=1e-8)
    assert slope[0] == pytest.approx(3 * 2.1, rel=1e-8)


@pytest.mark.parametrize("followed", [(), (1, 3)])
def test_value_equals_the_integral_of_the_rows_written_out(followed: tuple[int, ...]) -> None:
    case = with_frailty(random_case(drawn_seed(), followed=followed))
    own = np.empty(len(case.weight))
    gradients = [np.empty_like(x) for x in case.parameters]
    total = event_loglik(*case.parameters, case.weight, *case.packed, *gradients, own)
    right = by_hand(case, FRAILTY)
    np.testing.assert_allclose(own, right, rtol=1e-7, atol=1e-6)
    assert total == pytest.approx(case.weight @ right, rel=1e-7, abs=1e-5)


def value_of(case: Case) -> float:
    gradients = [np.empty_like(x) for x in case.parameters]
    return float(event_loglik(*case.parameters, case.weight, *case.packed, *gradients, np.empty(0)))


@pytest.mark.parametrize("followed", [(), (1, 3)])
@pytest.mark.parametrize("is_open", [False, True], ids=["dated", "open courses"])
def test_gradients_are_those_of_finite_differences(
    followed: tuple[int, ...], is_open: bool
) -> None:
    case = with_frailty(random_case(31, followed=followed))
    if is_open:
        case, courses = with_open_courses(case)
        case = replace(case, courses=courses)
    gradients = [np.empty_like(x) for x in case.parameters]
    event_loglik(*case.parameters, case.weight, *case.packed, *gradients, np.empty(0))
    for k, (parameter, gradient) in enumerate(zip(case.parameters, gradients, strict=True)):
        assert gradient.any() or not gradient.size
        for at in np.ndindex(parameter.shape):
            moved = []
            for step in (1e-5, -1e-5):
                own = parameter.copy()
                own[at] += step
                others = list(case.parameters)
                others[k] = own
                moved.append(value_of(replace(case, parameters=tuple(others))))
            assert gradient[at] == pytest.approx((moved[0] - moved[1]) / 2e-5, rel=1e-4, abs=1e-5)


def test_the_op_and_its_jax_version_have_the_frailty_too() -> None:
    case = with_frailty(random_case(32, followed=(1,)))
    right = [np.asarray(value_of(case)), *(np.empty_like(x) for x in case.parameters)]
    event_loglik(*case.parameters, case.weight, *case.packed, *right[1:], np.empty(0))
    for found in (fused("FAST_COMPILE")(case), fused("NUMBA")(case)):
        for mine, theirs in zip(found, right, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-9)
    for mine, theirs in zip(through_jax(case), right, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-6)


def test_a_frailty_that_moves_nothing_changes_nothing() -> None:
    case = random_case(33)
    still = value_of(with_frailty(case, np.zeros(4)))
    assert still == pytest.approx(value_of(case), rel=1e-12)


def test_events_to_be_expected_given_the_past_are_a_martingale() -> None:
    """Simulated: two events recur, one of them ends the record; sums agree within chance."""
    rng = np.random.default_rng(drawn_seed())
    n, days, f = 6000, 300.0, np.array([1.0, -0.6])
    rate = np.array([0.008, 0.003])
    rows: list[tuple[int, int, float, float, bool]] = []
    for i in range(n):
        own, day = rate * np.exp(f * rng.normal()), 0.0
        while day < days:
            waits = rng.exponential(1.0 / own)
            first = int(np.argmin(waits))
            stop = min(day + waits[first], days)
            rows += [(i, e, day, stop, stop < days and e == first) for e in range(2)]
            if stop < days and first == 1:
                break
            day = stop
    patient, intensity, start, stop, fired = (np.array(x) for x in zip(*rows, strict=True))
    cumulative, out = rate[intensity] * (stop - start), np.empty(len(rows))
    episode = np.arange(len(rows)) // 2
    order = np.arange(len(rows))
    by_quadrature.compensate(order, patient, intensity, episode, fired, cumulative, f, out)
    for e in range(2):
        events = float(fired[intensity == e].sum())
        assert abs(out[intensity == e].sum() - events) < 4.5 * np.sqrt(events)
        early = (intensity == e) & (start < 100.0)  # at every time, not in all alone
        assert abs(out[early].sum() - fired[early].sum()) < 4.5 * np.sqrt(fired[early].sum())
    at_mean = cumulative[intensity == 0].sum()
    assert abs(at_mean - fired[intensity == 0].sum()) > 10 * np.sqrt(at_mean)
