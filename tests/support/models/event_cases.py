"""Random rows at risk for the fused likelihood, and ways to call it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from twinbayes.model.courses.open_courses import Courses
from twinbayes.model.covariates.design import DesignMatrix
from twinbayes.model.events.likelihood.op import loglik, register_jax
from twinbayes.model.events.packed import event_data
from twinbayes.model.events.quadrature import TrailPoints, trail_points
from twinbayes.model.events.rows import RowTable

Parameters = tuple[np.ndarray, ...]
Function = Callable[["Case"], list[np.ndarray]]


@dataclass(frozen=True)
class Case:
    """Random rows at risk, patients and parameters."""

    rows: RowTable
    edges: tuple[np.ndarray, ...]
    design: DesignMatrix
    points: TrailPoints
    parameters: Parameters
    weight: np.ndarray
    courses: Courses | None = None

    @property
    def packed(self) -> tuple[np.ndarray, np.ndarray]:
        # the design of a case is by course: `event_data` is to leave it as it is
        as_they_are = self.courses and replace(
            self.courses, patient=np.arange(len(self.courses.patient))
        )
        data = event_data(self.rows, self.edges, self.design, self.points, as_they_are)
        if self.courses is not None:
            data = replace(data, course_patient=self.courses.patient)
        return data.pack()


def parameters_as_symbols() -> list[Any]:
    return [*(pt.dmatrix() for _ in range(4)), pt.dvector(), pt.dvector()]


def random_case(
    seed: int,
    *,
    columns: int = 5,
    effects: int = 3,
    missing: bool = True,
    patients: int = 9,
    followed: tuple[int, ...] = (),
) -> Case:
    """Patients with several rows each; entries late, ends at edges, zero-length rows."""
    rng = np.random.default_rng(seed)
    subgroups, intensities, windows = 3, 4, (4, 2, 4, 3)
    edges = tuple(np.r_[0.0, np.sort(rng.uniform(1, 90, w - 1)), np.inf] for w in windows)
    who = np.sort(rng.integers(0, patients, 40))
    which = rng.integers(0, intensities, 40)
    start = np.where(rng.random(40) < 0.5, 0.0, rng.uniform(0, 60, 40))
    stop = start + rng.exponential(40, 40)
    at_edge = rng.random(40) < 0.2
    stop[at_edge] = [edges[e][1] for e in which[at_edge]]
    stop[rng.random(40) < 0.1] = 0.0
    start = np.minimum(start, stop)
    acting = tuple(tuple(np.flatnonzero(rng.random(effects) < 0.4).tolist()) for _ in range(40))
    rows = RowTable(who, which, start, stop, rng.random(40) < 0.5, np.zeros(40), acting)
    points = trail_points(rows, edges, dict.fromkeys(followed, ()))
    # two 0/1 columns centred at their mean, the rest numeric, then one-hot subgroups
    values = rng.normal(size=(patients, columns))
    shift = np.zeros(columns + subgroups)
    binary = min(2, columns)
    zero_one = (rng.random((patients, binary)) < 0.3).astype(float)
    values[:, :binary] = zero_one - 0.3
    shift[:binary] = 0.3
    variances = np.where(rng.random((patients, columns)) < 0.3, rng.uniform(0, 1, 1), 0.0)
    group = rng.integers(0, subgroups, patients)
    design = DesignMatrix(
        np.column_stack([values, np.eye(subgroups)[group]]),
        np.column_stack([variances * missing, np.zeros((patients, subgroups))]),
        shift,
        group,
        np.zeros(patients, dtype=np.int64),
        group.astype(np.str_),
    )
    log_mean = rng.normal(-4, 1, (intensities, max(windows)))
    parameters = (
        log_mean + rng.normal(0, 0.1, log_mean.shape),
        log_mean,
        rng.normal(0, 0.5, (columns + subgroups, intensities)),
        rng.normal(0, 0.5, (effects, subgroups)),
        rng.normal(0, 0.5, points.n_points),
        np.zeros(0),  # no frailty; see test_frailty
    )
    return Case(rows, edges, design, points, parameters, rng.choice([0.0, 0.5, 1.0, 1.0], patients))


def fused(mode: str) -> Function:
    """Value and gradient through the Op, compiled once for all cases."""
    parameters = parameters_as_symbols()
    data = [pt.dvector(), pt.lvector(), pt.dvector()]
    # Scaled and shifted, so that the pull-back has something to pull back.
    value = loglik(*parameters, *data)
    gradient = pt.grad(3.0 * value - 1.0, parameters)
    function = pytensor.function([*parameters, *data], [value, *gradient], mode=mode)

    def run(case: Case) -> list[np.ndarray]:
        value, *gradient = function(*case.parameters, case.weight, *case.packed)
        return [np.asarray(value), *(np.asarray(g) / 3.0 for g in gradient)]

    return run


def through_jax(case: Case) -> list[np.ndarray]:
    """The Op under PyTensor's JAX mode, with the data as constants."""
    pytest.importorskip("jax", reason="the optional package jax is not installed")
    register_jax()
    parameters = parameters_as_symbols()
    value = loglik(*parameters, *(pt.constant(x) for x in (case.weight, *case.packed)))
    gradient = pt.grad(value, parameters)
    function = pytensor.function(parameters, [value, *gradient], mode="JAX")
    return [np.asarray(x) for x in function(*case.parameters)]


def with_open_courses(case: Case) -> tuple[Case, Courses]:
    """The nine patients of a case as possible courses of five, and weights of the five."""
    patient = np.array([0, 0, 1, 2, 2, 2, 3, 4, 4])
    share = np.random.default_rng(1).normal(size=9)
    return replace(case, weight=np.array([1.0, 0.5, 1.0, 0.0, 2.0])), Courses((), patient, share)
