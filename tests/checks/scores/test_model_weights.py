"""Scores in which patients who were censored count with the probabilities of the model."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.linalg import expm

from twinbayes.checks import (
    brier_score,
    integrated_brier_score,
    roc_curve,
    scaled_brier_score,
    time_dependent_auc,
)
from twinbayes.errors import CohortError, OptionError
from twinbayes.estimators import CountingProcess, competing_process, survival_process

Simulator = Callable[..., CountingProcess]

# Five patients at horizon 3: 1 and 4 are dead, 2 was censored on day 2, 3 and 5 are alive.
TIME, DIED = [1.0, 2.0, 5.0, 3.0, 4.0], [True, False, True, True, False]
GIVEN = np.array([[np.nan], [0.3], [np.nan], [np.nan], [np.nan]])
# Hazards of the simulated process: well to ill, well to dead, ill to well, ill to dead.
GENERATOR = np.array([[-0.8, 0.6, 0.2], [0.3, -1.0, 0.7], [0.0, 0.0, 0.0]])


def last_known(process: CountingProcess) -> tuple[np.ndarray, np.ndarray]:
    """Last day of each patient and the state on it."""
    order = np.lexsort((process.stop, process.follow_up().row_owner))
    owner = process.follow_up().row_owner[order]
    last = order[np.append(owner[1:] != owner[:-1], True)]
    ended = process.to_state[last]
    return process.stop[last], np.where(ended < 0, process.from_state[last], ended)


def true_conditional(process: CountingProcess, horizon: float, state: int) -> np.ndarray:
    """P(state at the horizon | last day known and state on it), of the simulated process."""
    days, states = last_known(process)
    return np.array(
        [
            expm(GENERATOR * max(horizon - day, 0.0))[s, state]
            for day, s in zip(days, states, strict=True)
        ]
    )


def test_the_brier_score_of_five_patients_by_hand() -> None:
    p = np.array([0.9, 0.5, 0.2, 0.6, 0.4])
    (found,) = brier_score(
        survival_process(TIME, DIED), p, [3.0], "dead", weights="model", conditional=GIVEN
    )
    censored = 0.3 * 0.5**2 + 0.7 * 0.5**2
    assert found.value == pytest.approx((0.1**2 + censored + 0.2**2 + 0.4**2 + 0.4**2) / 5)


def test_the_area_of_five_patients_by_hand() -> None:
    # Cases 1 (.9) and 4 (.6), 0.3 of patient 2 (.5); controls 3 (.6) and 5 (.4), 0.7 of patient 2.
    own, marker = survival_process(TIME, DIED), [0.9, 0.5, 0.6, 0.6, 0.4]
    (found,) = time_dependent_auc(own, marker, [3.0], "dead", weights="model", conditional=GIVEN)
    first, second, fourth = 2.7, 0.3 * (0.7 / 2 + 1), 0.7 + 0.5 + 1
    assert found.value == pytest.approx((first + second + fourth) / (2.3 * 2.7))
    curve = roc_curve(own, marker, 3.0, "dead", weights="model", conditional=GIVEN)
    area = np.trapezoid(curve["true_positive"], curve["false_positive"])
    assert area == pytest.approx(found.value)


def test_a_competing_event_is_a_control_and_the_censored_are_shared_by_hand() -> None:
    # At day 4: relapse of 1, death of 2, 3 was censored on day 3, 4 is event-free.
    own = competing_process([1.0, 2.0, 3.0, 5.0], [1, 2, 0, 1], causes=("relapse", "death"))
    p, given = np.array([0.7, 0.2, 0.4, 0.1]), np.array([[0.0], [0.0], [0.25], [0.0]])
    (found,) = brier_score(own, p, [4.0], "relapse", weights="model", conditional=given)
    wanted = (0.3**2 + 0.2**2 + 0.25 * 0.6**2 + 0.75 * 0.4**2 + 0.1**2) / 4
    assert found.value == pytest.approx(wanted)
    (area,) = time_dependent_auc(own, p, [4.0], "relapse", weights="model", conditional=given)
    own_pair = 0.25 * 0.75 / 2
    wins = 2.75 + 0.25 * (1 + 1) + own_pair  # patient 1 beats all; 3 beats 2 and 4
    assert area.value == pytest.approx(wins / (1.25 * 2.75))


def test_simpsons_rule_by_hand() -> None:
    own, p = survival_process(TIME, DIED), np.array([0.9, 0.5, 0.2, 0.6, 0.4])
    early, late = brier_score(own, p, [1.5, 3.0], "dead")
    found = integrated_brier_score(own, p, [1.5, 3.0], "dead", rule="simpson")
    assert found.value == pytest.approx(2 / 3 * early.value + late.value / 6)
    assert found.influence == pytest.approx(2 / 3 * early.influence + late.influence / 6)


def test_simpsons_rule_is_the_mean_over_the_window_where_the_score_is_smooth() -> None:
    # Nobody is censored and everybody has the same forecast: Brier(t) = F (1 - F), F = t / 10.
    own = survival_process(np.linspace(0.01, 10.0, 1000), np.ones(1000))
    horizons = np.linspace(0.0, 4.0, 201)[1:]
    p = np.broadcast_to(horizons / 10, (1000, 200))
    fine = integrated_brier_score(own, p, horizons, "dead").value
    few = np.broadcast_to([0.2, 0.4], (1000, 2))
    found = integrated_brier_score(own, few, [2.0, 4.0], "dead", rule="simpson").value
    assert found == pytest.approx(0.2 - 0.16 / 3, abs=1e-3)  # the mean of F (1 - F) over [0, 0.4]
    assert found == pytest.approx(fine, rel=0.01)


@pytest.mark.parametrize("state", ["well", "ill", "dead"])
def test_without_censoring_both_weights_give_the_plain_score(
    state: str, illness_death: Simulator
) -> None:
    own = illness_death(120, 31, censoring=1e6)
    p = np.random.default_rng(31).random(120)
    there = own.state_at(1.0) == own.states.index(state)
    given = np.full((120, 1), np.nan)
    for function in (brier_score, time_dependent_auc, scaled_brier_score):
        (ipcw,) = function(own, p, [1.0], state)
        (model,) = function(own, p, [1.0], state, weights="model", conditional=given)
        assert model.value == pytest.approx(ipcw.value)
        assert model.standard_error == pytest.approx(ipcw.standard_error)
    (score,) = brier_score(own, p, [1.0], state, weights="model", conditional=given)
    assert score.value == pytest.approx(np.mean((there - p) ** 2))


@pytest.mark.parametrize("state", ["well", "ill", "dead"])
def test_true_conditional_probabilities_leave_the_expected_scores_unchanged(
    state: str, illness_death: Simulator
) -> None:
    p = np.tile([0.2, 0.6], 1500)
    complete = illness_death(3000, 32, censoring=1e6)
    censored = illness_death(3000, 33, censoring=2.5)
    given = true_conditional(censored, 1.5, censored.states.index(state))[:, None]
    for function in (brier_score, time_dependent_auc):
        (whole,) = function(complete, p, [1.5], state)
        (part,) = function(censored, p, [1.5], state, weights="model", conditional=given)
        error = np.hypot(whole.standard_error, part.standard_error)
        assert abs(whole.value - part.value) < 3 * error


def test_model_weights_stand_censoring_that_follows_the_history() -> None:
    # Whoever falls ill before day 1 is soon lost: inverse probability weights cannot know that.
    rng = np.random.default_rng(34)
    n = 6000
    change, is_ill = rng.exponential(1 / 0.8, n), rng.random(n) < 0.75
    death = change + is_ill * rng.exponential(1 / 0.7, n)
    lost = is_ill & (change < 1.0)
    stop = np.where(lost, np.minimum(death, change + 0.01), death)
    second = np.flatnonzero(is_ill)
    own = CountingProcess(
        np.concatenate([np.zeros(n), change[second]]),
        np.concatenate([change, stop[second]]),
        np.concatenate([np.zeros(n, int), np.ones(second.size, int)]),
        np.concatenate([np.where(is_ill, 1, 2), np.where(stop < death, -1, 2)[second]]),
        ("well", "ill", "dead"),
        np.concatenate([np.arange(n), second]),
    )
    p, given = np.full(n, 0.4), -np.expm1(-0.7 * np.maximum(1.5 - stop, 0.0))[:, None]
    truth = np.mean(((death <= 1.5) - p) ** 2)
    (model,) = brier_score(own, p, [1.5], "dead", weights="model", conditional=given)
    (ipcw,) = brier_score(own, p, [1.5], "dead")
    assert abs(model.value - truth) < 0.003
    assert abs(ipcw.value - truth) > 0.02


def test_the_standard_errors_equal_the_spread_over_simulated_cohorts(
    illness_death: Simulator,
) -> None:
    p, found = np.linspace(0.1, 0.5, 150), []
    for seed in range(150):
        own = illness_death(150, 300 + seed, censoring=3.0)
        given = true_conditional(own, 1.5, 2)[:, None]
        found.append(
            [
                function(own, p, [1.5], "dead", weights="model", conditional=given)[0]
                for function in (brier_score, time_dependent_auc)
            ]
        )
    for column in zip(*found, strict=True):
        spread = np.std([score.value for score in column])
        mean = np.mean([score.standard_error for score in column])
        assert mean == pytest.approx(spread, rel=0.2)


def test_a_wrong_forecast_scores_worse_than_the_truth() -> None:
    rng = np.random.default_rng(35)
    risk = rng.normal(size=3000)
    death, loss = rng.exponential(np.exp(-risk)), rng.exponential(1.5, 3000)
    own = survival_process(np.minimum(death, loss), death <= loss)
    truth = -np.expm1(-np.exp(risk))
    given = -np.expm1(-np.exp(risk) * np.maximum(1.0 - loss, 0.0))[:, None]
    how = {"weights": "model", "conditional": given}
    (right,) = brier_score(own, truth, [1.0], "dead", **how)
    for wrong in (np.full(3000, truth.mean()), truth**3, 1 - truth):
        (worse,) = brier_score(own, wrong, [1.0], "dead", **how)
        assert worse.minus(right).interval()[0] > 0
    (skill,) = scaled_brier_score(own, truth, [1.0], "dead", **how)
    assert skill.value > 0.2
    (ranked,) = time_dependent_auc(own, truth, [1.0], "dead", **how)
    (noisy,) = time_dependent_auc(own, risk + 2 * rng.normal(size=3000), [1.0], "dead", **how)
    assert ranked.minus(noisy).interval()[0] > 0


def test_weights_of_the_model_need_no_one_beyond_the_horizon() -> None:
    own = survival_process([1.0, 2.0], [True, False])
    given = np.array([[np.nan], [0.4]])
    (found,) = brier_score(own, [0.5, 0.5], [9.0], "dead", weights="model", conditional=given)
    assert found.value == pytest.approx(0.25)


def test_options_that_have_no_place_beside_each_other_are_refused() -> None:
    own, p = survival_process(TIME, DIED), np.full(5, 0.5)
    with pytest.raises(OptionError, match="'ipcw', 'model'"):
        brier_score(own, p, [3.0], "dead", weights="plain")
    with pytest.raises(OptionError, match="belong to weights='model'"):
        brier_score(own, p, [3.0], "dead", conditional=GIVEN)
    with pytest.raises(OptionError, match="needs `conditional`"):
        time_dependent_auc(own, p, [3.0], "dead", weights="model")
    with pytest.raises(OptionError, match="has no strata"):
        brier_score(own, p, [3.0], "dead", weights="model", conditional=GIVEN, strata=np.zeros(5))
    with pytest.raises(OptionError, match="controls are 'all_others'"):
        time_dependent_auc(
            own, p, [3.0], "dead", weights="model", conditional=GIVEN, controls="event_free"
        )
    with pytest.raises(CohortError, match="1 predictions are not finite"):
        brier_score(own, p, [3.0], "dead", weights="model", conditional=np.full((5, 1), np.nan))
    with pytest.raises(OptionError, match="not probabilities"):
        brier_score(own, p, [3.0], "dead", weights="model", conditional=np.full((5, 1), 2.0))
    with pytest.raises(OptionError, match="'trapezoid', 'simpson'"):
        integrated_brier_score(own, p, [1.5, 3.0], "dead", rule="midpoint")
    with pytest.raises(OptionError, match="the middle and the end"):
        integrated_brier_score(own, p, [1.0, 3.0], "dead", rule="simpson")
