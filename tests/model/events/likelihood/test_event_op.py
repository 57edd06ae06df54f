"""The fused likelihood against the plain formula, written out row by row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.gradient import DisconnectedInputError

from event_cases import (
    Case,
    Function,
    fused,
    parameters_as_symbols,
    random_case,
    through_jax,
    with_open_courses,
)
from twinbayes.model.events.likelihood.courses import event_loglik
from twinbayes.model.events.likelihood.op import loglik
from twinbayes.model.events.packed import event_data, unpack


def plain_formula() -> Function:
    """Value and gradient of the model's formula in ordinary PyTensor, compiled once."""
    log_event, log_mean, coef, effect, trail = parameters = parameters_as_symbols()[:-1]
    x, variance, days, acts = matrices = [pt.dmatrix() for _ in range(4)]
    patient, intensity, window, group = indices = [pt.lvector() for _ in range(4)]
    fired, weight = vectors = [pt.dvector() for _ in range(2)]
    linear = x[patient] @ coef + 0.5 * variance[patient] @ coef**2
    eta = linear[pt.arange(patient.shape[0]), intensity]
    eta = eta + (acts * effect[:, group[patient]].T).sum(axis=1)
    cumulative = pt.exp(eta) * (days * pt.exp(log_mean[intensity])).sum(axis=1)
    term = fired * (log_event[intensity, window] + eta) - cumulative
    value = (weight[patient] * term).sum()
    # Where a trail moves the hazard: node by node, and at events.
    row, at, event_row, event_point = nodes = [pt.lvector() for _ in range(4)]
    length = pt.dvector()
    along = log_mean[intensity[row], at] + eta[row] + trail[: row.shape[0]]
    value -= (weight[patient[row]] * length * pt.exp(along)).sum()
    value += (weight[patient[event_row]] * trail[event_point]).sum()
    inputs = [*parameters, *matrices, *indices, *vectors, *nodes, length]
    gradient = pt.grad(value, parameters)
    function = pytensor.function(inputs, [value, *gradient], mode="FAST_COMPILE")

    def run(case: Case) -> list[np.ndarray]:
        rows, design = case.rows, case.design
        n, width = len(rows.patient), case.parameters[1].shape[1]
        days, window = np.zeros((n, width)), np.zeros(n, dtype=np.int64)
        acts = np.zeros((n, len(case.parameters[3])))
        for r in range(n):
            grid, start, stop = case.edges[rows.intensity[r]], rows.start[r], rows.stop[r]
            overlap = np.minimum(grid[1:], stop) - np.maximum(grid[:-1], start)
            days[r, : len(overlap)] = np.maximum(overlap, 0.0)
            window[r] = np.argmax((grid[:-1] < stop) & (stop <= grid[1:]))
            acts[r, list(rows.effects[r])] = 1.0
        points, order = case.points, np.argsort(rows.intensity, kind="stable")
        days[order[points.node_row]] = 0.0
        fired_rows = order[rows.is_event[order]]
        moved = points.event_point >= 0
        nodes = (
            order[points.node_row],
            points.node_window,
            fired_rows[moved],
            points.event_point[moved],
        )
        matrices = (design.values, design.variances, days, acts)
        indices = (rows.patient, rows.intensity, window, design.subgroup)
        fired = rows.is_event.astype(float)
        out = function(
            *case.parameters[:-1], *matrices, *indices, fired, case.weight, *nodes, points.node_days
        )
        return [*(np.asarray(x) for x in out), np.zeros(0)]

    return run


@pytest.fixture(scope="module")
def wanted() -> Function:
    return plain_formula()


@pytest.fixture(scope="module")
def performed() -> Function:
    return fused("FAST_COMPILE")


@pytest.fixture(scope="module")
def compiled() -> Function:
    return fused("NUMBA")


def assert_same(ours: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    for mine, theirs in zip(ours, wanted, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_value_and_gradient_equal_the_plain_formula(
    seed: int, wanted: Function, performed: Function, compiled: Function
) -> None:
    case = random_case(seed)
    assert_same(compiled(case), wanted(case))
    assert_same(performed(case), wanted(case))


@pytest.mark.parametrize("followed", [(0,), (1, 3), (0, 1, 2, 3)])
def test_hazards_that_follow_a_trail_equal_the_plain_formula(
    followed: tuple[int, ...], wanted: Function, performed: Function, compiled: Function
) -> None:
    case = random_case(21, followed=followed)
    assert_same(compiled(case), wanted(case))
    assert_same(performed(case), wanted(case))


def test_nodes_integrate_an_exponential_trail_as_calculus_does() -> None:
    """The integral of exp(a t) over (start, stop] has a closed form, whatever the windows."""
    case = random_case(22, followed=(0, 1, 2, 3))
    rise = 0.02
    points = case.points
    found = np.bincount(
        points.node_row,
        points.node_days * np.exp(rise * points.day[: len(points.node_row)]),
        len(case.rows.start),
    )
    order = np.argsort(case.rows.intensity, kind="stable")
    start, stop = case.rows.start[order], case.rows.stop[order]
    np.testing.assert_allclose(
        found, (np.exp(rise * stop) - np.exp(rise * start)) / rise, rtol=1e-5
    )


@pytest.mark.parametrize(
    "options",
    [{"effects": 0}, {"columns": 0}, {"missing": False}, {"columns": 0, "effects": 0}],
    ids=["no treatment effects", "no covariates", "nothing missing", "only levels"],
)
def test_models_without_a_part_equal_the_plain_formula(
    options: dict[str, Any], compiled: Function, wanted: Function
) -> None:
    case = random_case(11, **options)
    assert_same(compiled(case), wanted(case))


@pytest.mark.parametrize("seed", [0, 1])
def test_the_jax_version_equals_the_plain_formula(seed: int, wanted: Function) -> None:
    case = random_case(seed)
    assert_same(through_jax(case), wanted(case))


def test_the_jax_version_needs_no_treatment_effects(wanted: Function) -> None:
    case = random_case(12, effects=0)
    assert_same(through_jax(case), wanted(case))


def test_the_jax_version_follows_trails(wanted: Function) -> None:
    case = random_case(23, followed=(1, 2))
    assert_same(through_jax(case), wanted(case))


def test_terms_of_the_patients_add_up_to_the_weighted_value() -> None:
    case = random_case(3)
    gradients = [np.empty_like(x) for x in case.parameters]
    own = np.empty(len(case.weight))
    total = event_loglik(*case.parameters, case.weight, *case.packed, *gradients, own)
    assert total == pytest.approx(float(case.weight @ own), rel=1e-12)
    nobody = np.zeros_like(case.weight)
    again = np.empty_like(own)
    total = event_loglik(*case.parameters, nobody, *case.packed, *gradients, again)
    assert total == 0.0
    np.testing.assert_allclose(again, own, rtol=1e-12)  # unweighted, whoever is left out
    assert not any(np.any(g) for g in gradients)


@pytest.mark.parametrize("followed", [(), (1, 3)])
def test_records_with_open_courses_add_up_those_of_the_plain_formula(
    followed: tuple[int, ...], wanted: Function, performed: Function, compiled: Function
) -> None:
    case, courses = with_open_courses(random_case(31, followed=followed))
    alone = [wanted(replace(case, weight=one)) for one in np.eye(9)]
    likelihood = np.array(
        [np.exp(value + s) for (value, *_), s in zip(alone, courses.log_share, strict=True)]
    )
    summed = np.bincount(courses.patient, likelihood)
    counted = likelihood / summed[courses.patient] * case.weight[courses.patient]
    right = [
        case.weight @ np.log(summed),
        *(
            np.sum([p * one[k] for p, one in zip(counted, alone, strict=True)], axis=0)
            for k in range(1, 7)
        ),
    ]
    case = replace(case, courses=courses)
    for found in (performed(case), compiled(case), through_jax(case)):
        assert_same(found, right)
    own = np.empty(5)
    gradients = [np.empty_like(x) for x in case.parameters]
    event_loglik(*case.parameters, case.weight, *case.packed, *gradients, own)
    np.testing.assert_allclose(own, np.log(summed), rtol=1e-9)


def test_packing_can_be_undone() -> None:
    data = event_data(*(getattr(random_case(4), f) for f in ("rows", "edges", "design", "points")))
    back = unpack(*data.pack())
    for name in data.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(back, name), getattr(data, name))


def test_exposure_of_the_rows_is_kept_to_the_last_second() -> None:
    case = random_case(5)
    flat = tuple(np.array([0.0, np.inf]) for _ in case.edges)
    zeros = [np.zeros((4, 1)), np.zeros((4, 1)), *(0 * p for p in case.parameters[2:])]
    gradients = [np.empty_like(x) for x in zeros]
    own = np.empty(len(case.weight))
    packed = event_data(case.rows, flat, case.design, case.points).pack()
    event_loglik(*zeros, np.ones_like(case.weight), *packed, *gradients, own)
    days = np.bincount(case.rows.intensity, weights=case.rows.stop - case.rows.start, minlength=4)
    np.testing.assert_allclose(-gradients[1][:, 0], days, rtol=1e-12)
    fired = np.bincount(case.rows.intensity[case.rows.is_event], minlength=4)
    np.testing.assert_array_equal(gradients[0][:, 0], fired)


def test_a_second_derivative_is_refused_and_not_silently_wrong() -> None:
    parameters = parameters_as_symbols()
    value = loglik(*parameters, pt.dvector(), pt.lvector(), pt.dvector())
    slope = pt.grad(value, parameters[1])
    with pytest.raises(DisconnectedInputError):
        pt.grad(slope.sum(), parameters[1])
