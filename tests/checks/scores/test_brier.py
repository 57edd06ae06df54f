from collections.abc import Callable

import numpy as np
import pytest

from twinbayes.checks import (
    brier_score,
    integrated_brier_score,
    scaled_brier_score,
    time_dependent_auc,
)
from twinbayes.errors import CohortError, OptionError
from twinbayes.estimators import (
    CountingProcess,
    aalen_johansen,
    competing_process,
    survival_process,
)

Simulator = Callable[..., CountingProcess]


def test_five_patients_by_hand() -> None:
    # Day 3: patients 1 and 4 are dead, 2 was censored on day 2, 3 and 5 are alive.
    # G(1−) = 1; censoring on day 2 with 4 at risk: G = 3/4 from then on.
    own = survival_process([1.0, 2.0, 5.0, 3.0, 4.0], [True, False, True, True, False])
    p = np.array([0.9, 0.5, 0.2, 0.6, 0.4])
    (found,) = brier_score(own, p, [3.0], "dead")
    wanted = (0.1**2 + (0.2**2 + 0.4**2 + 0.4**2) / 0.75) / 5
    assert found.value == pytest.approx(wanted)


def test_without_censoring_it_is_the_mean_squared_error_in_every_state(
    illness_death: Simulator,
) -> None:
    own = illness_death(100, 12, censoring=1e6)
    p = np.random.default_rng(0).random(100)
    for k, state in enumerate(own.states):
        (found,) = brier_score(own, p, [1.0], state)
        error = ((own.state_at(1.0) == k) - p) ** 2
        assert found.value == pytest.approx(error.mean())
        assert found.standard_error == pytest.approx(error.std() / 10)


def test_it_equals_scikit_survival() -> None:
    sksurv = pytest.importorskip("sksurv.metrics")
    util = pytest.importorskip("sksurv.util")
    rng = np.random.default_rng(13)
    risk = rng.normal(size=200)
    death, loss = rng.exponential(np.exp(-risk)), rng.exponential(1.5, 200)
    time, event = np.minimum(death, loss), death <= loss
    y, days = util.Surv.from_arrays(event, time), np.array([0.2, 0.5, 1.0, 1.5])
    alive = np.exp(-np.outer(np.exp(risk), days))
    own = survival_process(time, event)
    ours = [score.value for score in brier_score(own, 1 - alive, days, "dead")]
    assert ours == pytest.approx(sksurv.brier_score(y, y, alive, days)[1])
    whole = integrated_brier_score(own, 1 - alive, days, "dead")
    assert whole.value == pytest.approx(sksurv.integrated_brier_score(y, y, alive, days))


def test_censoring_leaves_the_expected_score_of_a_state_unchanged(
    illness_death: Simulator,
) -> None:
    p = np.full(4000, 0.3)
    (complete,) = brier_score(illness_death(4000, 14, censoring=1e6), p, [1.5], "ill")
    (censored,) = brier_score(illness_death(4000, 15, censoring=3.0), p, [1.5], "ill")
    error = np.hypot(complete.standard_error, censored.standard_error)
    assert abs(complete.value - censored.value) < 3 * error


def test_censoring_strata_repair_what_one_curve_gets_wrong() -> None:
    # Half the patients are followed for one year only, and they are the ones who die young.
    rng = np.random.default_rng(16)
    n = 6000
    short = np.arange(n) < n // 2
    death = rng.exponential(np.where(short, 1.0, 4.0))
    loss = np.where(short, rng.uniform(0.5, 2.5, n), rng.uniform(3.0, 6.0, n))
    own = survival_process(np.minimum(death, loss), death <= loss)
    truth = np.mean(((death <= 2.0) - 0.9 * short) ** 2)
    (stratified,) = brier_score(own, 0.9 * short, [2.0], "dead", strata=short)
    (one,) = brier_score(own, 0.9 * short, [2.0], "dead")
    assert abs(stratified.value - truth) < 0.02
    assert abs(one.value - truth) > abs(stratified.value - truth) + 0.01


def test_a_forecast_of_the_curve_itself_has_no_skill_and_the_truth_has_all() -> None:
    rng = np.random.default_rng(17)
    time, cause = rng.exponential(1.0, 300), rng.integers(1, 3, 300)
    own = competing_process(time, cause, causes=("relapse", "death"))
    level = aalen_johansen(own).at([1.0])[0, 1]
    (none,) = scaled_brier_score(own, np.full(300, level), [1.0], "relapse")
    (all_,) = scaled_brier_score(own, (time <= 1) & (cause == 1), [1.0], "relapse")
    assert none.value == pytest.approx(0.0, abs=1e-12)
    assert all_.value == pytest.approx(1.0)


def test_a_state_that_nobody_was_seen_in_has_no_scaled_score() -> None:
    own = competing_process([1.0, 3.0], [1, 0], causes=("relapse", "death"))
    (found,) = scaled_brier_score(own, [0.1, 0.1], [2.0], "death")
    assert np.isnan(found.value)


def test_the_standard_errors_equal_the_spread_over_simulated_cohorts(
    illness_death: Simulator,
) -> None:
    p, found = np.linspace(0.1, 0.5, 150), []
    for seed in range(150):
        own = illness_death(150, 100 + seed, censoring=3.0)
        found.append(
            (
                brier_score(own, p, [1.5], "ill")[0],
                integrated_brier_score(own, np.stack([p, p, p], 1), [0.5, 1.0, 1.5], "dead"),
            )
        )
    for column in zip(*found, strict=True):
        spread = np.std([score.value for score in column])
        mean = np.mean([score.standard_error for score in column])
        assert mean == pytest.approx(spread, rel=0.2)


def test_a_paired_difference_is_surer_than_its_parts(illness_death: Simulator) -> None:
    own = illness_death(200, 18)
    (a,) = brier_score(own, np.full(200, 0.30), [1.0], "dead")
    (b,) = brier_score(own, np.full(200, 0.31), [1.0], "dead")
    gap = a.minus(b)
    assert gap.value == pytest.approx(a.value - b.value)
    assert gap.standard_error < 0.2 * a.standard_error


def test_bad_input_is_refused(illness_death: Simulator) -> None:
    own = illness_death(20, 19)
    p = np.full(20, 0.5)
    with pytest.raises(OptionError, match="1 predictions are not probabilities"):
        brier_score(own, np.where(np.arange(20) == 3, 1.2, p), [1.0], "dead")
    with pytest.raises(OptionError, match="nobody is followed beyond the horizon 50"):
        brier_score(own, p, [50.0], "dead")
    with pytest.raises(CohortError, match="Known: well, ill, dead"):
        brier_score(own, p, [1.0], "relapse")
    with pytest.raises(CohortError, match="19 labels for 20 patients"):
        brier_score(own, p, [1.0], "dead", strata=np.zeros(19))
    with pytest.raises(OptionError, match="two or more increasing"):
        integrated_brier_score(own, np.stack([p, p], 1), [1.0, 1.0], "dead")
    late = survival_process([2.0, 3.0], [True, False], entry=[0.0, 1.0])
    with pytest.raises(CohortError, match="1 entered later"):
        brier_score(late, [0.5, 0.5], [2.5], "dead")
    (a,), (b,) = (
        brier_score(own, p, [1.0], "dead"),
        brier_score(own.of_patients(own.patients[:9]), p[:9], [1.0], "dead"),
    )
    with pytest.raises(OptionError, match="same patients"):
        a.minus(b)
    with pytest.raises(OptionError, match="probability between"):
        a.interval(95)


def test_a_stratum_that_ends_before_the_horizon_is_named() -> None:
    # "new" was recruited late: its last patient is censored on day 2, the horizon is day 3.
    time, event = [1.0, 2.0, 1.0, 5.0, 6.0, 4.0], [1, 0, 0, 0, 1, 1]
    strata = ["new", "new", "new", "old", "old", "old"]
    own, p = survival_process(time, event), np.full(6, 0.5)
    for score in (brier_score, scaled_brier_score, time_dependent_auc):
        with pytest.raises(OptionError, match=r"in stratum 'new' is followed beyond .* is 2"):
            score(own, p, [3.0], "dead", strata=strata)
    # A constant of one half earns a quarter wherever all are known.
    (before,) = brier_score(own, p, [1.5], "dead", strata=strata)
    assert before.value == pytest.approx(0.25)


def test_a_stratum_whose_last_patient_died_is_known_at_every_later_day() -> None:
    time, event = [1.0, 2.0, 2.5, 5.0, 6.0], [0, 1, 1, 0, 1]
    strata = ["new", "new", "new", "old", "old"]
    own, p = survival_process(time, event), np.full(5, 0.3)
    (found,) = brier_score(own, p, [3.0], "dead", strata=strata)
    # The one censored on day 1 is stood for by the two who died: weight 3/2 each.
    assert found.value == pytest.approx((3 * 0.7**2 + 2 * 0.3**2) / 5)


def test_where_nobody_is_censored_and_all_have_died_each_counts_one() -> None:
    own = survival_process([1.0, 2.0, 3.0, 4.0], [1, 1, 1, 1])
    p = np.array([0.9, 0.8, 0.6, 0.7])
    (found,) = brier_score(own, p, [2000.0], "dead")
    assert found.value == pytest.approx(np.mean((1 - p) ** 2))
    assert np.isnan(time_dependent_auc(own, p, [2000.0], "dead")[0].value)  # no controls
    lost = survival_process([1.0, 2.0, 4.0, 4.0], [1, 1, 1, 0])
    with pytest.raises(OptionError, match="nobody is followed beyond the horizon 4"):
        brier_score(lost, p, [4.0], "dead")


@pytest.mark.parametrize("day", [-5.0, np.nan, np.inf, "3"])
def test_a_horizon_that_is_no_day_is_refused(day: object) -> None:
    own = survival_process([1.0, 2.0, 5.0], [True, False, True])
    for score in (brier_score, scaled_brier_score, time_dependent_auc):
        with pytest.raises(OptionError, match="horizons of a score"):
            score(own, np.full(3, 0.5), [day], "dead")


def test_predictions_and_strata_that_are_none_are_refused() -> None:
    own = survival_process([1.0, 2.0, 5.0], [True, False, True])
    with pytest.raises(CohortError, match="no text"):
        brier_score(own, ["0.1", "0.2", "0.3"], [1.5], "dead")
    with pytest.raises(CohortError, match="1 rows have no stratum, first at row 1"):
        brier_score(own, [0.1, 0.2, 0.3], [1.5], "dead", strata=["a", None, "a"])
