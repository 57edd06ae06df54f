"""What hazards follow of a curve, written out by hand; descriptions that cannot be right."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.configdefaults import config
from pytensor.graph.replace import graph_replace
from scipy.integrate import quad

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.cohort.contract.validation import cohort_from_tables
from twinbayes.errors import ModelError, OptionError
from twinbayes.model import (
    Association,
    ModelPlan,
    ModelSpec,
    PiecewiseConstant,
    Polynomial,
    Since,
    Term,
    Trajectories,
    Trajectory,
)
from twinbayes.model.curves.association import build_trail, features
from twinbayes.model.events.quadrature import trail_points
from twinbayes.model.events.rows import RowTable
from twinbayes.names import DAYS_PER_YEAR

YEAR = DAYS_PER_YEAR
DEATH = "alive->dead"
AGES = (31.0, 44.0, 52.0, 67.0, 39.0, 58.0)
FEMALE = (1.0, 0.0, 1.0, 1.0, 0.0, 1.0)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    """Six patients with visits once a year; the age of a seventh is not known."""
    rng = np.random.default_rng(5)
    ids = [f"p{k}" for k in range(7)]
    follow = rng.uniform(2.0, 7.0, 7)
    patients = pd.DataFrame(
        {
            "patient_id": ids,
            "subgroup": "one",
            "centre": "one",
            "age_years": [*AGES, np.nan],
            "sex": ["female" if f else "male" for f in (*FEMALE, 0.0)],
            "stage": ["early", "late", "middle", "early", "late", "middle", "early"],
        }
    )
    ends = ["death", "last_contact", "death", "death", "last_contact", "death", "death"]
    events = pd.DataFrame({"patient_id": ids, "day": follow * YEAR, "event": ends})
    visits = pd.DataFrame(
        [
            (name, t * YEAR, "bilirubin", np.exp(rng.normal(0.5 + 0.2 * t, 0.7)), "none")
            for name, end in zip(ids, follow, strict=True)
            for t in np.arange(0.0, end)
        ],
        columns=["patient_id", "day", "marker", "value", "censored"],
    )
    variables = pd.DataFrame(
        [
            ("age_years", "patients", "covariate", "clinical", None),
            ("sex", "patients", "covariate", "clinical", "male|female"),
            ("stage", "patients", "covariate", "clinical", "early|middle|late"),
            ("bilirubin", "visits", "marker", "laboratory", None),
        ],
        columns=["name", "table", "role", "group", "levels"],
    )
    tables = {"patients": patients, "events": events, "visits": visits, "variables": variables}
    return cohort_from_tables("made up", tables, simulated=True)


def spec_with(*associations: Association, transform: str = "standardise") -> ModelSpec:
    terms = (
        Term(name="age_years", group="clinical", transform=transform),
        Term(name="sex", group="clinical", transform="category"),
        Term(name="stage", group="clinical", transform="category"),
    )
    spec = tb.disease("pbc", covariates=terms, baseline=PiecewiseConstant(windows=2))
    return replace(spec, associations=associations)


def follows(form: str = "value", lag_days: float = 0.0, by: str | None = None) -> Association:
    return Association(
        marker="bilirubin", transitions=(DEATH,), form=form, lag_days=lag_days, by=by
    )


@dataclass(frozen=True)
class Trail:
    """A trail under made-up coefficients of a straight line, on the scale of log bilirubin."""

    plan: ModelPlan
    value: np.ndarray
    association: np.ndarray
    coefficients: np.ndarray
    mean: np.ndarray
    centre: float


def trail_of(spec: ModelSpec, cohort: Cohort, standard: np.ndarray) -> Trail:
    plan = spec.plan(cohort)
    assert plan.curves is not None
    scale = plan.curves.learnt.get("bilirubin")
    n, rng = len(plan.patient_ids), np.random.default_rng(9)
    drawn = rng.normal(size=(n, 2)), rng.normal(size=(n, 2))
    with pm.Model() as model:
        trail = build_trail(
            spec.features,
            spec.graph,
            plan.curves,
            plan.events.points,
            plan.multipliers,
            (pt.as_tensor(drawn[0]), pt.as_tensor(drawn[1])),
            tb.load_priors("pbc"),
        )
    fixed = graph_replace(
        [trail, model["association"]], {model["_association"]: pt.as_tensor(standard)}
    )
    with config.change_flags(mode="FAST_COMPILE", cxx=""):
        value, association = (x.eval() for x in fixed)
    level = np.array([scale.centre, 0.0])
    own, mean = (x * scale.natural() + level for x in drawn)
    return Trail(plan, value, association, own, mean, scale.centre)


@pytest.mark.parametrize("lag", [0.0, 400.0])
@pytest.mark.parametrize("form", ["value", "slope", "area"])
def test_a_lagged_feature_is_that_of_an_earlier_day_but_not_before_the_origin(
    cohort: Cohort, form: str, lag: float
) -> None:
    found = trail_of(spec_with(follows(form, lag)), cohort, np.array([0.7]))
    points = found.plan.events.points
    t = np.maximum(points.day - lag, 0.0) / YEAR
    level, rise = found.coefficients[points.patient].T
    feature = {
        "value": level - found.centre + rise * t,
        "slope": rise,
        "area": (level - found.centre) * t + rise * t**2 / 2,
    }[form]
    np.testing.assert_allclose(found.value, found.association[0] * feature, atol=1e-12)
    assert np.any(points.day < 400.0)


def test_a_feature_is_multiplied_by_a_covariate_beside_the_feature_itself(cohort: Cohort) -> None:
    both = follows(), follows(by="sex=female"), follows("slope", by="age_years")
    found = trail_of(spec_with(*both), cohort, np.array([0.7, -0.4, 1.3]))
    points = found.plan.events.points
    known = np.flatnonzero(points.patient < 6)
    who = points.patient[known]
    level, rise = found.coefficients[who].T
    value = level - found.centre + rise * points.day[known] / YEAR
    main, women, older = found.association
    age = np.array(AGES) - np.mean(AGES)
    wanted = main * value + women * np.array(FEMALE)[who] * value + older * age[who] * rise
    np.testing.assert_allclose(found.value[known], wanted, atol=1e-12)
    # The prior is on standard deviations: of the marker, its slope and a continuous covariate.
    scale = found.plan.curves.learnt.get("bilirubin").scale
    np.testing.assert_allclose(
        found.association, np.array([0.7, -0.4, 1.3 / np.std(AGES)]) / scale, rtol=1e-12
    )


def test_a_logged_covariate_counts_after_its_logarithm_and_a_missing_one_at_its_mean(
    cohort: Cohort,
) -> None:
    plan = spec_with(follows(by="log_age_years"), transform="log").plan(cohort)
    logged = np.log(AGES)
    (by,) = plan.multipliers
    np.testing.assert_allclose(by.value[:6], logged - logged.mean(), atol=1e-12)
    design = plan.events.design
    assert by.value[6] == pytest.approx(design.values[6, 0] * np.std(logged))
    assert design.variances[6, 0] > 0.0
    (whole,) = spec_with(follows(by="age_years"), transform="log").plan(cohort).multipliers
    np.testing.assert_array_equal(whole.value, by.value)


def test_effects_are_what_a_patient_has_beyond_the_mean_at_all_times(cohort: Cohort) -> None:
    spec = spec_with(follows("effects"), follows("effects", by="sex"))
    found = trail_of(spec, cohort, np.array([0.7, -0.4, 0.2, 0.9]))
    who = found.plan.events.points.patient
    own = (found.coefficients - found.mean)[who]
    women = np.array([*FEMALE, 0.0])[who]
    wanted = own @ found.association[:2] + women * (own @ found.association[2:])
    np.testing.assert_allclose(found.value, wanted, atol=1e-12)


def test_labels_say_what_hazards_follow() -> None:
    turns = Since(what="drug", varies=False), Since(what="relapse", turn="bend")
    curve = Trajectory(marker="m", basis=Polynomial(degree=2), turns=turns)
    every = (
        Association(marker="m", transitions=("a->b", "a->c")),
        Association(marker="m", transitions=("a->b",), form="slope", lag_days=90.5),
        Association(marker="m", transitions=("a->b",), by="female"),
        Association(marker="m", transitions=("a->b",), form="effects", by="female"),
    )
    found = features(every, Trajectories(markers=(curve,)))
    assert [label for f in found for label in f.labels] == [
        "m value on a->b",
        "m value on a->c",
        "m slope lagged 90.5 days on a->b",
        "m value x female on a->b",
        "m effect[level] x female on a->b",
        "m effect[year] x female on a->b",
        "m effect[year^2] x female on a->b",
        "m effect[bend since relapse] x female on a->b",
    ]
    text = spec_with(follows("effects"), follows(by="sex")).describe()
    assert "α × bilirubin effect[year] on alive->dead" in text
    assert "α × bilirubin value x sex on alive->dead" in text
    assert "effect[b]: c_b minus its mean" in text
    assert "x covariate: 0 or 1" in text
    assert "covariate: 0 or 1" not in tb.disease("pbc").describe()


def test_the_cumulative_hazard_is_exact_where_a_lagged_curve_begins_to_move(
    cohort: Cohort,
) -> None:
    """One window holds the day on which the lag ends: nodes on either side of it."""
    lag = 1.1 * YEAR
    found = trail_of(spec_with(follows(lag_days=lag)), cohort, np.array([0.4]))
    points = found.plan.events.points
    hazard = points.node_days * np.exp(found.value[: len(points.node_days)])
    rows = found.plan.events.rows
    for r in range(len(rows.patient)):
        level, rise = found.coefficients[rows.patient[r]]

        def log_hazard(day: float, level: float = level, rise: float = rise) -> float:
            at = max(day - lag, 0.0) / YEAR
            return float(found.association[0] * (level - found.centre + rise * at))

        exact = quad(lambda d: np.exp(log_hazard(d)), 0.0, rows.stop[r], points=[lag])[0]
        assert hazard[points.node_row == r].sum() == pytest.approx(exact, rel=1e-5)


def test_on_the_entry_clock_a_lag_ends_on_a_day_since_the_origin() -> None:
    """In the state from day 30 on: a lag of 50 days ends 20 days after entry."""
    one = np.zeros(1, dtype=np.int64)
    rows = RowTable(
        patient=one,
        intensity=one,
        start=np.array([5.0]),
        stop=np.array([100.0]),
        is_event=np.array([True]),
        clock_start=np.array([30.0]),
        effects=((),),
    )
    points = trail_points(rows, (np.array([0.0, 40.0, np.inf]),), {0: (50.0,)})
    assert points.node_window.tolist() == [0] * 6 + [1] * 3
    pieces = points.node_days.reshape(3, 3).sum(axis=1)
    np.testing.assert_allclose(pieces, [15.0, 20.0, 60.0])
    np.testing.assert_allclose(points.day[[1, 4, 7, 9]], [42.5, 60.0, 100.0, 130.0])


def test_descriptions_that_cannot_be_right_are_refused(cohort: Cohort) -> None:
    with pytest.raises(OptionError, match=r"form of the association of 'bilirubin'.*effects"):
        follows("square")
    for lag in (-1.0, np.inf):
        with pytest.raises(ModelError, match="lag is 0 or more"):
            follows(lag_days=lag)
    with pytest.raises(ModelError, match="lag_days must be a number"):
        follows(lag_days=np.nan)
    with pytest.raises(ModelError, match="effects do not change in time"):
        follows("effects", lag_days=30.0)
    other = Association(marker="albumin", transitions=(DEATH,))
    with pytest.raises(ModelError, match=r"'albumin' needs a trajectory.*'bilirubin'"):
        spec_with(other)
    with pytest.raises(ModelError, match=r"'bilirubin value on alive->dead' more than once"):
        spec_with(follows(), follows())
    with pytest.raises(ModelError, match=r"'weight', which is no covariate.*sex=female"):
        spec_with(follows(by="weight")).plan(cohort)
    with pytest.raises(ModelError, match=r"'stage', which has the columns 'stage=late', 'stage="):
        spec_with(follows(by="stage")).plan(cohort)
    with pytest.raises(ModelError, match=r"'age_years', which has the columns .*_spline2"):
        spec_with(follows(by="age_years"), transform="spline").plan(cohort)
    spec_with(follows(by="stage=late")).plan(cohort)


def test_effects_need_a_coefficient_in_which_patients_differ() -> None:
    @dataclass(frozen=True)
    class Nothing:
        kind: str = "nothing"
        labels: tuple[str, ...] = ()
        shared: tuple[str, ...] = ()

        def learn(self, years: np.ndarray) -> Nothing:
            return self

        def columns(self, years: np.ndarray, form: str = "value") -> np.ndarray:
            return np.zeros((len(years), 0))

    flat = Trajectory(marker="m", basis=Nothing())
    effects = Association(marker="m", transitions=("a->b",), form="effects")
    with pytest.raises(ModelError, match="patients differ in no coefficient"):
        features((effects,), Trajectories(markers=(flat,)))


def test_a_description_without_what_is_new_is_stored_as_it_was() -> None:
    (association,) = tb.disease("pbc").to_dict()["associations"]
    assert set(association) == {"kind_of", "marker", "transitions", "form"}
    spec = spec_with(follows(lag_days=90.0, by="sex"))
    assert ModelSpec.from_dict(spec.to_dict()) == spec


def test_an_event_without_any_time_at_risk_is_refused_where_hazards_follow_curves(
    cohort: Cohort,
) -> None:
    """Its log hazard grows with the patient's curve, and nothing holds it."""
    events = cohort.events.copy()
    first = events.index[events["event"] == "death"][0]
    events.loc[first, "day"] = 0.0
    who = events.loc[first, "patient_id"]
    assert cohort.visits is not None
    visits = cohort.visits[cohort.visits["patient_id"] != who]
    at_once = replace(cohort, events=events, visits=visits)
    with pytest.raises(ModelError, match=r"1 patient\(s\) had an event .*half a day later") as told:
        spec_with(follows()).plan(at_once)
    assert str(who) not in str(told.value)
    with pytest.raises(ModelError, match="an event on day 0"):
        spec_with().plan(at_once)
    events.loc[first, "day"] = 0.5
    spec_with(follows()).plan(replace(at_once, events=events))
