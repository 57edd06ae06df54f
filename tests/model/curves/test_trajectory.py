"""Descriptions of joint models that cannot be right are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import twinbayes as tb
from twinbayes.diseases.synthetic import synthetic_cohort
from twinbayes.errors import ModelError, OptionError
from twinbayes.model import (
    HSGP,
    Association,
    Biphasic,
    CubicSpline,
    NaturalSpline,
    Polynomial,
    Since,
    StudentT,
    Trajectories,
    Trajectory,
)
from twinbayes.model.curves.basis import TimeBasis
from twinbayes.names import DAYS_PER_YEAR


def test_an_association_needs_a_trajectory() -> None:
    spec = tb.disease("pbc")
    with pytest.raises(ModelError, match="need trajectories"):
        replace(spec, trajectories=None)


def test_an_association_names_an_intensity_of_the_graph() -> None:
    wrong = Association(marker="bilirubin", transitions=("alive->cured",))
    with pytest.raises(ModelError, match="'alive->cured', which is no intensity"):
        replace(tb.disease("pbc"), associations=(wrong,))


@pytest.mark.parametrize(
    "basis", [Polynomial(degree=2), Biphasic(), NaturalSpline(df=3), CubicSpline(df=4), HSGP()]
)
def test_slopes_and_areas_are_those_of_the_values(basis: TimeBasis) -> None:
    visits = np.random.default_rng(1).uniform(0, 8, 200)
    learnt, t, h = basis.learn(visits), np.linspace(0.3, 11.0, 25), 1e-4
    values = learnt.columns
    slope = (values(t + h) - values(t - h)) / (2 * h)
    np.testing.assert_allclose(learnt.columns(t, "slope"), slope, rtol=1e-4, atol=1e-5)
    area = (learnt.columns(t + h, "area") - learnt.columns(t - h, "area")) / (2 * h)
    np.testing.assert_allclose(area, values(t), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(learnt.columns(np.zeros(1), "area"), 0.0, atol=1e-12)


@pytest.mark.parametrize("own_degree", [0, 1])
def test_powers_above_the_own_degree_are_shared(own_degree: int) -> None:
    basis, line = Polynomial(degree=2, own_degree=own_degree), Polynomial(degree=2)
    assert basis.shared == line.labels[own_degree + 1 :]
    assert line.shared == ()
    t = np.linspace(0.0, 4.0, 9)
    np.testing.assert_array_equal(basis.columns(t), line.columns(t))
    spec = tb.disease("pbc", markers=(Trajectory(marker="bilirubin", basis=basis),))
    model = tb.assemble(spec, synthetic_cohort(spec, n_patients=20))
    assert [k for k in model.named_vars if "_patient_offset_" in k] == [
        f"_patient_offset_{k}" for k in range(own_degree + 1)
    ]


@pytest.mark.parametrize("own_degree", [-1, 2, 3])
def test_patients_differ_in_powers_that_there_are(own_degree: int) -> None:
    with pytest.raises(ModelError, match="own_degree from 0 to 1"):
        Polynomial(degree=2, own_degree=own_degree)


def test_a_marker_is_named_once() -> None:
    one = Trajectory(marker="bilirubin")
    for markers in ((), (one, one)):
        with pytest.raises(ModelError, match="at least one marker, each named once"):
            Trajectories(markers=markers)


def test_values_beyond_a_detection_limit_are_kept_apart_from_measured_ones() -> None:
    registry = tb.datasets.registry()
    visits = registry.visits
    assert visits is not None
    limited = str(visits.loc[visits["censored"] != "none", "marker"].iloc[0])
    own = visits[visits["marker"] == limited]
    beyond = int((own["censored"] != "none").sum())
    (data,) = Trajectories(markers=(Trajectory(marker=limited),)).plan(registry).visits
    assert beyond > 0
    assert len(data.visits.value) == beyond
    assert data.count.sum() == len(own) - beyond
    with pytest.raises(ModelError, match=f"'{limited}'.*beyond a detection limit"):
        Trajectories(markers=(Trajectory(marker=limited, family=StudentT()),)).plan(registry)


def test_a_description_tells_of_curves_and_what_they_move() -> None:
    text = tb.disease("pbc").describe()
    assert "bilirubin  (normal; log; polynomial: level, year)" in text
    assert "α × bilirubin value on alive->dead" in text


@pytest.mark.parametrize("turn", ["step", "bend", "approach"])
def test_slopes_and_areas_of_turns_are_those_of_their_values(turn: str) -> None:
    since, h = Since(what="drug", turn=turn), 1e-3
    days, start = np.array([10.0, 99.0, 150.0, 400.0, 2000.0]), np.array(100.0)

    def column(at: np.ndarray, form: str) -> np.ndarray:
        return since.column(at, start, form)

    years = 2 * h / DAYS_PER_YEAR
    slope = (column(days + h, "value") - column(days - h, "value")) / years
    np.testing.assert_allclose(column(days, "slope"), slope, rtol=1e-5, atol=1e-6)
    area = (column(days + h, "area") - column(days - h, "area")) / years
    np.testing.assert_allclose(area, column(days, "value"), rtol=1e-5, atol=1e-6)
    never = since.column(days, np.array(np.inf), "value")
    np.testing.assert_array_equal(never, 0.0)


def test_a_turn_that_nobody_takes_is_refused() -> None:
    turns = (Since(what="moon_landing"),)
    curve = Trajectory(marker="global_health", turns=turns)
    with pytest.raises(ModelError, match="'moon_landing', which nobody in the cohort has had"):
        Trajectories(markers=(curve,)).plan(tb.datasets.registry())
    with pytest.raises(OptionError, match="turn of the curve since 'relapse'"):
        Since(what="relapse", turn="leap")
