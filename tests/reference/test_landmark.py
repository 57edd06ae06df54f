"""Accuracy of predictions at 5 years of primary biliary cirrhosis against the figures of JMbayes2.

The Cox model needs no sampling, so its figures test the scores alone. Those of the joint model test
forecasts and scores together; the fit takes a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from statsmodels.duration.hazard_regression import PHReg

import twinbayes as tb
from joint_pbc import pbc_312, published_priors
from three_markers import three_markers
from twinbayes.checks import (
    Landmark,
    integrated_brier_score,
    landmark_accuracy,
    roc_curve,
    time_dependent_auc,
)
from twinbayes.estimators import CountingProcess, survival_process
from twinbayes.inference import Fit
from twinbayes.names import DAYS_PER_YEAR

Reference = Callable[[str], dict[str, Any]]
LANDMARK, HORIZON = 5.0, 8.0


def expected(case: dict[str, Any], quantity: str) -> tuple[Any, float]:
    """Value and tolerance of a quantity of a reference case."""
    (entry,) = (e for e in case["expected"] if e["quantity"] == quantity)
    return entry["value"], entry["tolerance"]["value"]


class CoxForecast:
    """Cox regression on baseline values (ties as Efron), and Breslow's cumulative hazard."""

    def __init__(self, one: pd.DataFrame) -> None:
        self.time, self.event = one["years"].to_numpy(), (one["status"] != "alive").to_numpy()
        x = np.column_stack(
            [
                one["drug"] == "D-penicil",
                one["age"],
                np.log(one["serBilir"]),
                one["prothrombin"],
                one["ascites"] == "Yes",
            ]
        ).astype(float)
        fit = PHReg(self.time, x, status=self.event.astype(int), ties="efron").fit()
        self.ratio = np.exp((x - x.mean(axis=0)) @ fit.params)
        self.days = np.unique(self.time[self.event])
        jumps = [
            (self.event & (self.time == day)).sum() / self.ratio[self.time >= day].sum()
            for day in self.days
        ]
        self.hazard = np.concatenate([[0.0], np.cumsum(jumps)])

    def risk(self, rows: np.ndarray, until: float, given: float | np.ndarray) -> np.ndarray:
        """P(event by `until` | none by `given`) of some patients."""
        end, begin = (
            self.hazard[np.searchsorted(self.days, x, side="right")] for x in (until, given)
        )
        return -np.expm1(-self.ratio[rows] * (end - begin))


@pytest.fixture(scope="module")
def cox(shared: Path) -> CoxForecast:
    return CoxForecast(pd.read_csv(shared / "data" / "joint_benchmarks" / "pbc2_id.csv"))


@pytest.fixture(scope="module")
def at_risk(cox: CoxForecast) -> tuple[CountingProcess, np.ndarray]:
    whole = survival_process(cox.time, cox.event)
    own = whole.since(LANDMARK)
    return own, own.patients


def test_the_counts_at_the_landmark_are_exact(
    at_risk: tuple[CountingProcess, np.ndarray], reference: Reference
) -> None:
    case, (own, rows) = reference("prediction_accuracy_pbc2"), at_risk
    ends = own.follow_up()
    within = ends.exit < HORIZON
    assert rows.size == expected(case, "patients at risk at 5 years")[0]
    assert (within & ~ends.censored).sum() == expected(case, "events in the window")[0]
    assert (within & ends.censored).sum() == expected(case, "censored in the window")[0]


def test_the_area_of_the_cox_model_is_the_published_one(
    cox: CoxForecast, at_risk: tuple[CountingProcess, np.ndarray], reference: Reference
) -> None:
    value, tolerance = expected(
        reference("prediction_accuracy_pbc2"), "AUC, Cox on baseline values"
    )
    own, rows = at_risk
    p = cox.risk(rows, HORIZON, LANDMARK)
    given = cox.risk(rows, HORIZON, np.minimum(cox.time[rows], HORIZON))
    (found,) = time_dependent_auc(
        own, p, [HORIZON], "dead", weights="model", conditional=given[:, None]
    )
    assert found.value == pytest.approx(value, abs=tolerance)


def test_with_the_choices_of_the_peer_the_area_is_the_published_one_to_the_last_digit(
    cox: CoxForecast, at_risk: tuple[CountingProcess, np.ndarray], reference: Reference
) -> None:
    # It weighs those censored by the probability from the landmark, not from the day of censoring,
    # and knows the curve at 101 cut points only.
    value, _ = expected(reference("prediction_accuracy_pbc2"), "AUC, Cox on baseline values")
    own, rows = at_risk
    p = cox.risk(rows, HORIZON, LANDMARK)
    curve = roc_curve(own, p, HORIZON, "dead", weights="model", conditional=p[:, None])
    cuts = 1.0 - np.linspace(0.0, 1.0, 101)
    at = np.searchsorted(-curve["cut"].to_numpy(), -cuts, side="left") - 1
    true, false = (curve[c].to_numpy()[at] for c in ("true_positive", "false_positive"))
    assert np.trapezoid(true, false) == pytest.approx(value, abs=5e-5)


def test_with_the_weights_of_the_peer_the_integrated_brier_score_is_the_published_one(
    cox: CoxForecast, at_risk: tuple[CountingProcess, np.ndarray], reference: Reference
) -> None:
    # The published figure weighs those censored by the probability from the origin on; given the
    # day of censoring, as the weights are meant, the score is 0.0987.
    value, tolerance = expected(
        reference("prediction_accuracy_pbc2"), "integrated Brier, Cox on baseline values"
    )
    own, rows = at_risk
    times = ((LANDMARK + HORIZON) / 2, HORIZON)
    p = np.stack([cox.risk(rows, t, LANDMARK) for t in times], axis=1)
    found = {}
    for name, since in (
        ("origin", lambda t: 0.0),
        ("censoring", lambda t: np.minimum(cox.time[rows], t)),
    ):
        given = np.stack([cox.risk(rows, t, since(t)) for t in times], axis=1)
        found[name] = integrated_brier_score(
            own, p, times, "dead", rule="simpson", weights="model", conditional=given
        ).value
    assert found["origin"] == pytest.approx(value, abs=min(tolerance, 5e-5))
    assert found["censoring"] == pytest.approx(0.0987, abs=5e-5)


@pytest.fixture(scope="module")
def joint(shared: Path) -> Fit:
    cohort = tb.read_cohort(shared / "data" / "joint_benchmarks", adapter="pbc2")
    return tb.fit(
        pbc_312(), cohort, priors=published_priors(), draws=500, tune=300, seed=1,
        target_accept=0.85, progressbar=False,
    )  # fmt: skip


@pytest.mark.slow
def test_the_joint_model_is_as_accurate_as_its_peer(joint: Fit, reference: Reference) -> None:
    case = reference("dynamic_prediction_pbc312")
    day, window = LANDMARK * DAYS_PER_YEAR, 2 * DAYS_PER_YEAR
    ends = Landmark.of(joint, day, [window]).process.follow_up()
    within = ends.exit < day + window
    counts = [int((within & ~ends.censored).sum()), int((within & ends.censored).sum())]
    assert counts == expected(case, "deaths / censored in [5, 7)")[0]
    table = landmark_accuracy(joint, day, [window], draws=2000).table
    assert (table["n"] == 202).all()
    found = table.set_index("score")["value"]
    for score, quantity in (
        ("auc", "AUC, landmark 5, window 2, 202 at risk"),
        ("brier", "Brier, landmark 5, window 2"),
        ("integrated_brier", "integrated Brier over the window"),
    ):
        value, tolerance = expected(case, quantity)
        assert found[score] == pytest.approx(value, abs=tolerance), score


@pytest.mark.parametrize(
    ("weights", "score", "quantity"),
    [
        ("model", "auc", "AUC, in-sample, joint model"),
        ("model", "brier", "Brier at 8 years, joint model"),
        ("model", "integrated_brier", "integrated Brier, joint model, model weights"),
        ("ipcw", "integrated_brier", "integrated Brier, joint model, IPCW"),
        ("cox", "ici", "ICI"),
        ("cox", "e50", "E50"),
        ("cox", "e90", "E90"),
    ],
)
def test_the_stored_scores_of_three_markers_are_those_of_the_peer(
    reference: Reference,
    stored_evidence: Callable[..., dict[str, Any]],
    weights: str,
    score: str,
    quantity: str,
) -> None:
    stored = stored_evidence("three_markers", three_markers())
    # The gate allows no divergence, and refused this fit for 1 among 20,000 transitions.
    assert stored["max_rhat"] <= 1.01
    assert stored["min_ess"] >= 400
    assert stored["divergences"] <= 1, stored["verdict"]
    assert stored["n_at_risk"] == 202
    value, tolerance = expected(reference("prediction_accuracy_pbc2"), quantity)
    assert stored["scores"][weights][score] == pytest.approx(value, abs=tolerance)
