from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from twinbayes.checks import roc_curve, time_dependent_auc
from twinbayes.errors import OptionError
from twinbayes.estimators import CountingProcess, competing_process, survival_process

Simulator = Callable[..., CountingProcess]


def test_five_patients_by_hand() -> None:
    # Day 3: cases 1 (weight 1) and 4 (weight 4/3), controls 3 and 5 (weight 4/3); 2 unknown.
    own = survival_process([1.0, 2.0, 5.0, 3.0, 4.0], [True, False, True, True, False])
    (found,) = time_dependent_auc(own, [0.9, 0.5, 0.6, 0.6, 0.4], [3.0], "dead")
    assert found.value == pytest.approx((1 * 1 + (4 / 3) * 0.75) / (1 + 4 / 3))


def test_the_two_definitions_of_a_control_under_competing_risks_by_hand() -> None:
    time, cause = [1.0, 2.0, 3.0, 4.0, 5.0], [1, 2, 1, 0, 0]
    own = competing_process(time, cause, causes=("relapse", "death"))
    marker = [0.8, 0.9, 0.5, 0.6, 0.1]
    (wide,) = time_dependent_auc(own, marker, [3.5], "relapse")
    (narrow,) = time_dependent_auc(own, marker, [3.5], "relapse", controls="event_free")
    # cases .8 and .5; controls .9 (competing), .6, .1
    assert wide.value == pytest.approx((2 + 1) / 6)
    assert narrow.value == pytest.approx((2 + 1) / 4)


def test_without_censoring_it_is_the_mann_whitney_statistic_in_every_state(
    illness_death: Simulator,
) -> None:
    own = illness_death(150, 20, censoring=1e6)
    marker = np.random.default_rng(1).normal(size=150).round(1)
    for k, state in enumerate(own.states):
        there = own.state_at(1.0) == k
        (found,) = time_dependent_auc(own, marker, [1.0], state)
        u = mannwhitneyu(marker[there], marker[~there]).statistic
        assert found.value == pytest.approx(u / there.sum() / (~there).sum())


def test_it_equals_scikit_survival() -> None:
    sksurv = pytest.importorskip("sksurv.metrics")
    util = pytest.importorskip("sksurv.util")
    rng = np.random.default_rng(21)
    risk = rng.normal(size=200)
    death, loss = rng.exponential(np.exp(-risk)), rng.exponential(1.5, 200)
    time, event = np.minimum(death, loss), death <= loss
    y, days = util.Surv.from_arrays(event, time), np.array([0.2, 0.5, 1.0, 1.5])
    theirs = sksurv.cumulative_dynamic_auc(y, y, risk, days)[0]
    found = time_dependent_auc(survival_process(time, event), risk, days, "dead")
    assert [score.value for score in found] == pytest.approx(theirs)


def test_the_standard_error_equals_the_spread_over_simulated_cohorts() -> None:
    rng, found = np.random.default_rng(22), []
    for _ in range(200):
        x = rng.normal(size=200)
        waits = rng.exponential(np.stack([np.exp(-x), np.full(200, 2.0)]))
        death, cause = waits.min(axis=0), waits.argmin(axis=0) + 1
        loss = rng.exponential(1.5, 200)
        cause = np.where(death <= loss, cause, 0)
        own = competing_process(np.minimum(death, loss), cause, causes=("relapse", "death"))
        found.append(time_dependent_auc(own, x, [0.7], "relapse")[0])
    spread = np.std([f.value for f in found])
    assert np.mean([f.standard_error for f in found]) == pytest.approx(spread, rel=0.15)


def test_the_area_under_the_drawn_curve_is_the_auc(illness_death: Simulator) -> None:
    own = illness_death(150, 23)
    marker = np.random.default_rng(2).normal(size=150).round(1)
    (area,) = time_dependent_auc(own, marker, [1.0], "ill")
    curve = roc_curve(own, marker, 1.0, "ill")
    assert np.trapezoid(curve["true_positive"], curve["false_positive"]) == pytest.approx(
        area.value
    )
    assert curve.iloc[-1][["false_positive", "true_positive"]].tolist() == pytest.approx([1, 1])


def test_a_horizon_without_cases_has_no_auc_and_no_curve() -> None:
    own = competing_process([1.0, 3.0, 4.0], [1, 0, 0], causes=("relapse", "death"))
    (found,) = time_dependent_auc(own, [1.0, 2.0, 3.0], [2.0], "death")
    assert np.isnan(found.value)
    with pytest.raises(OptionError, match="needs cases and controls"):
        roc_curve(own, [1.0, 2.0, 3.0], 2.0, "death")


def test_an_unknown_kind_of_control_is_refused() -> None:
    own = survival_process([1.0, 2.0, 3.0], [True, True, False])
    with pytest.raises(OptionError, match="'all_others', 'event_free'"):
        time_dependent_auc(own, [1.0, 2.0, 3.0], [1.5], "dead", controls="static")
