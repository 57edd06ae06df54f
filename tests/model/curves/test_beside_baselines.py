"""Levels of hazards beside curves: rough estimates of these, and the law of the levels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import stats

import twinbayes as tb
from chance import drawn_seed
from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.model import PiecewiseConstant, Spline
from twinbayes.model.baseline import Baseline, Counted
from twinbayes.model.curves.beside_baselines import beside_baselines
from twinbayes.model.curves.patients import crude_curves
from twinbayes.model.pooling.hazard_walks import Beside
from twinbayes.names import DAYS_PER_YEAR, DEATH

N = 30


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    """Thirty patients with visits once a year; about half of them die."""
    rng = np.random.default_rng(drawn_seed())
    ids = [f"p{k:02d}" for k in range(N)]
    follow = rng.uniform(2.0, 7.0, N)
    patients = pd.DataFrame(
        {
            "patient_id": ids,
            "subgroup": "one",
            "centre": "one",
            "age_years": rng.uniform(30.0, 70.0, N),
            "sex": np.tile(["female", "male"], N // 2),
            "arm": np.tile(["D-penicillamine", "placebo", "placebo"], N // 3),
        }
    )
    ends = np.where(np.arange(N) % 2 == 0, DEATH, "last_contact")
    events = pd.DataFrame({"patient_id": ids, "day": follow * DAYS_PER_YEAR, "event": ends})
    visits = pd.DataFrame(
        [
            (name, t * DAYS_PER_YEAR, "bilirubin", np.exp(rng.normal(0.5 + 0.2 * t, 0.7)), "none")
            for name, end in zip(ids, follow, strict=True)
            for t in np.arange(0.0, end)
        ],
        columns=["patient_id", "day", "marker", "value", "censored"],
    )
    variables = pd.DataFrame(
        [
            ("age_years", "patients", "covariate", "clinical", None),
            ("sex", "patients", "covariate", "clinical", "male|female"),
            ("arm", "patients", "covariate", "clinical", "placebo|D-penicillamine"),
            ("bilirubin", "visits", "marker", "laboratory", None),
        ],
        columns=["name", "table", "role", "group", "levels"],
    )
    tables = {"patients": patients, "events": events, "visits": visits, "variables": variables}
    return cohort_from_tables("made up", tables, simulated=True)


def test_crude_curves_are_least_squares_with_a_little_pull_to_the_common_curve(
    cohort: Cohort,
) -> None:
    curves = tb.disease("pbc", covariates=()).plan(cohort).curves
    assert curves is not None
    assert cohort.visits is not None
    scale = curves.learnt.get("bilirubin")
    x, y = [], []
    for name in cohort.patient_ids:
        own = cohort.visits[cohort.visits["patient_id"] == name]
        x.append(scale.columns(own["day"].to_numpy(float), np.zeros((len(own), 0))))
        y.append((np.log(own["value"].to_numpy(float)) - scale.centre) / scale.scale)
    left = [b - a @ np.linalg.lstsq(a, b, rcond=None)[0] for a, b in zip(x, y, strict=True)]
    # straight lines through two values have no errors
    free = sum(max(len(b) - 2, 0) for b in y)
    error = np.sqrt(sum((r**2).sum() for r in left) / free)
    pull = np.eye(2)
    common = np.linalg.lstsq(
        np.vstack([np.concatenate(x) / error, pull]),
        np.append(np.concatenate(y) / error, [0.0, 0.0]),
        rcond=None,
    )[0]
    wanted = [
        common
        + np.linalg.lstsq(
            np.vstack([a / error, pull]), np.append((b - a @ common) / error, [0, 0]), rcond=None
        )[0]
        for a, b in zip(x, y, strict=True)
    ]
    np.testing.assert_allclose(crude_curves(curves.visits[0]), wanted, rtol=1e-6, atol=1e-8)


def test_what_curves_add_at_events_is_their_mean_there_and_its_rise(cohort: Cohort) -> None:
    spec = tb.disease("pbc", covariates=(), baseline=PiecewiseConstant(windows=4))
    plan = spec.plan(cohort)
    assert plan.curves is not None
    own = crude_curves(plan.curves.visits[0])
    assert own is not None
    edges = plan.events.edges[0]
    beside = beside_baselines(
        spec.features,
        spec.graph,
        plan.curves,
        plan.events.points,
        plan.multipliers,
        [len(edges) - 1],
        pt.as_tensor(np.array([2.0])),
    )
    scale = plan.curves.learnt.get("bilirubin")
    died = cohort.events[cohort.events["event"] == DEATH]
    day = died["day"].to_numpy(float)
    who = [cohort.patient_ids.index(p) for p in died["patient_id"]]
    value = (scale.columns(day, np.zeros((len(day), 0))) * own[who]).sum(axis=1)
    # an event on an edge ends the window before it
    window = np.array([next(w for w in range(4) if edges[w] < t <= edges[w + 1]) for t in day])
    place = (window + 0.5) / 4 - 0.5
    assert beside.centre[0] == pytest.approx(place.mean())
    assert float(beside.at_events.eval()[0]) == pytest.approx(2.0 * value.mean())
    away = place - place.mean()
    slope = np.linalg.lstsq(np.append(away, 1.0)[:, None], np.append(value, 0.0), rcond=None)[0]
    assert float(beside.rise.eval()[0]) == pytest.approx(2.0 * slope[0])
    along = np.asarray(beside.along(np.array([-0.5, 0.5])).eval())[0]
    assert along[1] - along[0] == pytest.approx(2.0 * slope[0])
    at_mean = np.interp(place.mean(), [-0.5, 0.5], along)
    assert at_mean == pytest.approx(2.0 * value.mean())


def drawn(
    baseline: Baseline, priors: tb.PriorSet, names: list[str]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """An association that moves two hazards, and variables of their baselines, 2,000 draws each."""
    edges = np.array([[*range(len(baseline.edges(DAYS, DAYS)) - 1), np.inf]] * 2)
    events = np.array([[9.0], [2.0]]) * np.ones((2, edges.shape[1] - 1))
    coords = {"transition": ["one", "two"], "window": range(edges.shape[1] - 1)}
    with pm.Model(coords=coords) as model:
        association = pm.Normal("association", 1.0, 2.0)
        moved = np.array([1.5, -3.0]) * association
        beside = Beside(moved, 0.5 * moved, np.array([-0.2, 0.1]))
        counted = Counted(events, 300.0 * events, beside)
        dims = ("transition", "window")
        baseline.build("log_baseline", dims, ["one", "two"], edges, priors, counted)  # type: ignore[call-arg]
    every = [association, *(model[name] for name in names)]
    first, *others = (np.asarray(x) for x in pm.draw(every, draws=2000))
    return first, others


DAYS = np.linspace(1.0, 900.0, 80)


@pytest.mark.parametrize(
    ("baseline", "name"),
    [
        (PiecewiseConstant(windows=4), "log_baseline"),
        (Spline(df=5), "log_baseline_weight"),
        (Spline(df=5, order=2), "log_baseline_weight_level"),
    ],
    ids=["steps", "spline", "bending spline"],
)
@pytest.mark.parametrize("distribution", ["Normal", "StudentT", "Laplace"])
def test_levels_have_their_priors_whatever_the_associations_are(
    baseline: Baseline, name: str, distribution: str
) -> None:
    law: dict[str, Any] = {
        "Normal": ({"mu": -7.0, "sigma": 1.5}, stats.norm(-7.0, 1.5)),
        "StudentT": ({"mu": -7.0, "sigma": 1.5, "nu": 4.0}, stats.t(4.0, -7.0, 1.5)),
        "Laplace": ({"mu": -7.0, "b": 1.5}, stats.laplace(-7.0, 1.5)),
    }
    arguments, wanted = law[distribution]
    priors = tb.load_priors("pbc").override(
        {"baseline_level": {"distribution": distribution, "arguments": arguments}}
    )
    association, (level,) = drawn(baseline, priors, [name])
    for row in level.reshape(2000, 2, -1)[:, :, 0].T:
        assert stats.kstest(row, wanted.cdf).pvalue > 1e-7
        # independent of the association: rank correlations have a standard deviation of 0.022
        assert abs(stats.spearmanr(row, association).statistic) < 0.13


def test_the_rise_of_a_bending_walk_has_its_prior() -> None:
    priors = tb.load_priors("pbc")
    names = ["log_baseline_weight_trend", "log_baseline_weight_level", "log_baseline_weight_bend"]
    association, (trend, level, bend) = drawn(Spline(df=5, order=2), priors, names)
    wanted = stats.norm(*priors.arguments("baseline_trend").values())
    for k, row in enumerate(trend.T):
        assert stats.kstest(row, wanted.cdf).pvalue > 1e-7
        for other in (association, level[:, k], *bend[:, k].T):
            assert abs(stats.spearmanr(row, other).statistic) < 0.13
