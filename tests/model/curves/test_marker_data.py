"""Visits as the likelihood reads them: few, none, or all beyond a limit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.errors import ModelError
from twinbayes.model import Normal, Polynomial, Trajectories, Trajectory

CURVE = Trajectory(marker="global_health", family=Normal(floor=0.0, ceiling=100.0))


@pytest.fixture(scope="module")
def registry() -> Cohort:
    return tb.datasets.registry()


def visits_of(cohort: Cohort) -> pd.DataFrame:
    assert cohort.visits is not None
    return cohort.visits


def test_a_patient_with_one_visit_or_none_is_sampled_around_the_mean(registry: Cohort) -> None:
    visits, ids = visits_of(registry), registry.patient_ids
    mine = visits["marker"] == "global_health"
    counts = visits[mine].groupby("patient_id").size().reindex(ids, fill_value=0)
    many = str(counts.idxmax())
    left_out = visits[~(mine & (visits["patient_id"] == many))]
    (data,) = Trajectories(markers=(CURVE,)).plan(replace(registry, visits=left_out)).visits
    i = ids.index(many)
    assert data.count[i] == data.information[i] == 0.0
    assert not data.square[i].any()
    single = counts[counts == 1].index
    for patient in single[:3]:
        assert data.information[ids.index(patient)] <= 1.0


def test_values_at_the_ends_of_the_scale_do_not_inform_like_measured_ones(
    registry: Cohort,
) -> None:
    visits = visits_of(registry)
    mine = visits["marker"] == "global_health"
    best = visits.assign(value=visits["value"].where(~mine | (visits["value"] < 70), 100.0))
    (data,) = Trajectories(markers=(CURVE,)).plan(replace(registry, visits=best)).visits
    at_end = best[mine & best["value"].isin([0.0, 100.0])]
    assert len(data.visits.value) == len(at_end)
    assert data.count.sum() + len(data.visits.value) == mine.sum()
    assert data.information.sum() == data.count.sum()


def test_a_marker_whose_values_all_lie_beyond_a_limit_is_refused(registry: Cohort) -> None:
    visits = visits_of(registry)
    mine = visits["marker"] == "residual_disease_pct"
    hidden = visits.assign(censored=visits["censored"].where(~mine, "left"))
    curve = Trajectory(marker="residual_disease_pct", transform="log")
    with pytest.raises(
        ModelError, match=r"All .* values of marker 'residual_disease_pct' lie beyond"
    ):
        Trajectories(markers=(curve,)).plan(replace(registry, visits=hidden))


def test_a_marker_that_nobody_has_is_refused_with_those_that_are_there(registry: Cohort) -> None:
    with pytest.raises(ModelError, match=r"no visits with marker 'ferritin'.*'global_health'"):
        Trajectories(markers=(Trajectory(marker="ferritin"),)).plan(registry)


def test_a_value_that_cannot_be_logged_is_refused(registry: Cohort) -> None:
    visits = visits_of(registry)
    zero = visits.assign(value=np.where(visits["marker"] == "global_health", 0.0, visits["value"]))
    curve = Trajectory(marker="global_health", transform="log", basis=Polynomial(degree=0))
    with pytest.raises(ModelError, match=r"values of 0 or less in row .* and cannot be logged"):
        Trajectories(markers=(curve,)).plan(replace(registry, visits=zero))
