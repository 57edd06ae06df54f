"""Trials with two arms, and tipping points, against enumeration by hand and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from twinbayes.priors import Mixture
from twinbayes.trials import (
    Arm,
    Decision,
    TwoArmTrial,
    above,
    below,
    difference_above,
    tipping_points,
)

FLAT = Mixture.of("beta", [(1.0, 1.0, 1.0)])
BETA = Mixture.of("beta", [(0.6, 5.0, 15.0), (0.4, 20.0, 40.0)])
GAMMA = Mixture.of("gamma", [(0.5, 4.0, 10.0), (0.5, 30.0, 20.0)])
VAGUE_GAMMA = Mixture.of("gamma", [(1.0, 0.5, 0.5)])
NORMAL = Mixture.of("normal", [(0.7, 0.0, 1.0), (0.3, 3.0, 0.5)], reference_sd=5.0)
VAGUE_NORMAL = Mixture.of("normal", [(1.0, 0.0, 20.0)], reference_sd=5.0)
CROHN = Mixture.of(
    "normal",
    [
        (0.50104846, -51.42408665, 19.04525409),
        (0.41871594, -47.25917128, 7.85193726),
        (0.08023561, -55.07086416, 44.57325),
    ],
    reference_sd=88.0,
)


# --- two arms -----------------------------------------------------------------------------------


def test_two_arms_of_two_patients_are_what_counting_by_hand_gives() -> None:
    # Only 2 of 2 against 0 of 2: Beta(3, 1) against Beta(1, 3), P = 19/20; 2 against 1 has 4/5.
    trial = TwoArmTrial(Arm(FLAT, 2), Arm(FLAT, 2), Decision.when(above(0.0, 0.9)))
    low, high = trial.boundary([0, 1, 2])
    np.testing.assert_array_equal(low, [2.0, np.nan, np.nan])
    np.testing.assert_array_equal(high, [2.0, np.nan, np.nan])
    assert trial.power(0.7, 0.2) == pytest.approx(0.49 * 0.64, abs=1e-14)
    assert trial.type_one_error(0.5) == pytest.approx(1 / 16, abs=1e-14)
    assert trial.success_probability() == pytest.approx(1 / 9, abs=1e-12)
    # 19/20 itself is only reached.
    tied = TwoArmTrial(Arm(FLAT, 2), Arm(FLAT, 2), Decision.when(above(0.0, 0.95)))
    assert tied.type_one_error(0.5) == 0.0


@pytest.mark.parametrize(
    ("mine", "theirs", "sizes", "decision", "truth"),
    [
        (FLAT, BETA.robust(0.2), (12, 9), Decision.when(above(0.0, 0.9)), (0.5, 0.3)),
        (FLAT, BETA, (10, 10), Decision.when(above(0.0, 0.8), below(0.5, 0.7)), (0.6, 0.3)),
        (VAGUE_GAMMA, GAMMA, (8.0, 6.5), Decision.when(below(0.0, 0.9)), (0.4, 1.1)),
        (VAGUE_GAMMA, GAMMA, (8.0, 6.5), Decision.when(above(0.1, 0.9)), (1.9, 0.7)),
    ],
    ids=["beta", "beta between", "gamma below", "gamma above"],
)
def test_power_of_two_arms_is_a_sum_over_all_pairs_of_counts(
    mine: Mixture,
    theirs: Mixture,
    sizes: tuple[float, float],
    decision: Decision,
    truth: tuple[float, float],
) -> None:
    trial = TwoArmTrial(Arm(mine, sizes[0]), Arm(theirs, sizes[1]), decision)
    most = [int(n) if mine.kind == "beta" else 45 for n in sizes]
    posteriors = [
        [prior.after(float(y), n) for y in range(m + 1)]
        for prior, n, m in zip((mine, theirs), sizes, most, strict=True)
    ]
    success = np.array(
        [[decision.holds_between(a, b) for b in posteriors[1]] for a in posteriors[0]]
    )
    chance = [
        stats.binom.pmf(np.arange(m + 1), n, t)
        if mine.kind == "beta"
        else stats.poisson.pmf(np.arange(m + 1), n * t)
        for n, m, t in zip(sizes, most, truth, strict=True)
    ]
    assert trial.power(*truth) == pytest.approx(chance[0] @ success @ chance[1], abs=1e-8)
    if mine.kind == "beta":
        marginal = [
            np.exp([p.log_marginal(float(y), n) for y in range(m + 1)])
            for p, n, m in zip((mine, theirs), sizes, most, strict=True)
        ]
        wanted = marginal[0] @ success @ marginal[1]
        assert trial.success_probability() == pytest.approx(wanted, abs=1e-10)
    low, high = trial.boundary(np.arange(9))
    for y2 in range(9):
        held = np.flatnonzero(success[:, y2])
        if len(held):
            assert low[y2] == held[0]
            assert high[y2] in (held[-1], np.inf)
        else:
            assert np.isnan(low[y2])


def test_two_normal_arms_have_the_textbook_power() -> None:
    flat = Mixture.of("normal", [(1.0, 0.0, 1e6)], reference_sd=4.0)
    trial = TwoArmTrial(Arm(flat, 50), Arm(flat, 80), Decision.when(above(0.5, 0.95)))
    error = 4 * np.hypot(50**-0.5, 80**-0.5)
    critical = 0.5 + stats.norm.isf(0.05) * error
    low, high = trial.boundary([-1.0, 3.0])
    np.testing.assert_allclose(low, np.array([-1.0, 3.0]) + critical, atol=1e-8)
    assert np.all(high == np.inf)
    np.testing.assert_allclose(
        trial.power([2.0, 0.0], [0.0, 0.0]), stats.norm.sf(critical, [2.0, 0.0], error), atol=1e-8
    )
    mine, theirs = (Mixture.of("normal", [(1.0, m, s)]) for m, s in ((2.0, 0.5), (0.3, 0.8)))
    wanted = stats.norm.sf(critical, 1.7, np.sqrt(error**2 + 0.25 + 0.64))
    assert trial.success_probability(mine, theirs) == pytest.approx(wanted, abs=1e-8)


def test_two_normal_arms_with_history_agree_with_simulated_trials() -> None:
    prior = CROHN.robust(0.2, (-50.0, 88.0))
    vague = Mixture.of("normal", [(1.0, -50.0, 88.0)], reference_sd=88.0)
    decision = Decision.when(below(0.0, 0.95), below(-50.0, 0.5))
    trial = TwoArmTrial(Arm(vague, 40), Arm(prior, 20), decision)
    rng = np.random.default_rng(4)
    mine, theirs = rng.normal(-100.0, 88 / 40**0.5, 1500), rng.normal(-40.0, 88 / 20**0.5, 1500)
    won = [
        decision.holds_between(vague.after(a, 88 / 40**0.5), prior.after(b, 88 / 20**0.5))
        for a, b in zip(mine[:300], theirs[:300], strict=True)
    ]
    low, high = trial.boundary(theirs)
    np.testing.assert_array_equal((mine[:300] > low[:300]) & (mine[:300] < high[:300]), won)
    share = np.mean((mine > low) & (mine < high))
    assert trial.power(-100.0, -40.0) == pytest.approx(share, abs=0.05)
    # Borrowing raises the type-I error where history is wrong, and nowhere else much.
    assert trial.type_one_error(-50.0) < 0.06
    assert trial.type_one_error(0.0) < trial.type_one_error(-80.0) + 0.1


def test_boundaries_of_many_events_hold_on_one_side_only() -> None:
    for size in (25.0, 160.0):  # few, and many, events of treatment for one of control
        rule = Decision.when(above(0.1, 0.9), below(3.0, 0.8))
        trial = TwoArmTrial(Arm(VAGUE_GAMMA, size), Arm(GAMMA.robust(0.1, (1.0, 1.0)), 40.0), rule)
        low, high = trial.boundary(np.arange(200))
        for count in (0, 1, 63, 64, 65, 127, 128, 199):
            after = trial.control.prior.after(count, 40.0)
            for inside, outside in ((low[count], low[count] - 1), (high[count], high[count] + 1)):
                assert rule.holds_between(VAGUE_GAMMA.after(float(inside), size), after)
                assert not rule.holds_between(VAGUE_GAMMA.after(float(outside), size), after)


def test_a_control_arm_may_be_history_alone() -> None:
    for prior, vague, size in (
        (BETA, FLAT, 30),
        (NORMAL, VAGUE_NORMAL, 30),
        (GAMMA, VAGUE_GAMMA, 9.0),
    ):
        trial = TwoArmTrial(Arm(vague, size), Arm(prior, 0), Decision.when(above(0.0, 0.9)))
        first = float(trial.boundary([0.0])[0][0])
        error = 5 / size**0.5 if prior.kind == "normal" else size
        step = 1e-6 if prior.kind == "normal" else 1.0
        inside = first + (step if prior.kind == "normal" else 0.0)
        assert trial.decision.holds_between(vague.after(inside, error), prior)
        assert not trial.decision.holds_between(vague.after(inside - 2 * step, error), prior)
        assert trial.power(0.6, 0.1) == pytest.approx(float(trial.power(0.6, 0.5)), abs=1e-12)


def test_looking_in_between_does_not_change_the_probability_of_success() -> None:
    trial = TwoArmTrial(Arm(FLAT, 8), Arm(BETA, 6), Decision.when(above(0.0, 0.8)))
    total = sum(
        np.exp(FLAT.log_marginal(float(a), 4) + BETA.log_marginal(float(b), 3))
        * trial.after(treatment=(a, 4), control=(b, 3)).success_probability()
        for a in range(5)
        for b in range(4)
    )
    assert total == pytest.approx(trial.success_probability(), abs=1e-10)
    done = trial.after(treatment=(8, 8), control=(0, 6))
    assert done.success_probability() == 1.0


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 15), st.integers(0, 15), st.floats(0.3, 20.0), st.floats(0.3, 20.0),
    st.floats(-0.4, 0.4), st.floats(0.05, 0.95),
)  # fmt: skip
def test_power_rises_with_the_treatment_arm_and_falls_with_control(
    n1: int, n2: int, a: float, b: float, value: float, probability: float
) -> None:
    prior = Mixture.of("beta", [(0.7, a, b), (0.3, 1.0, 1.0)])
    trial = TwoArmTrial(Arm(FLAT, n1), Arm(prior, n2), Decision.when(above(value, probability)))
    grid: NDArray[np.float64] = np.linspace(0.0, 1.0, 7)
    power = trial.power(grid[:, None], grid)
    assert np.all((power >= 0) & (power <= 1))
    assert np.all(np.diff(power, axis=0) >= -1e-12)
    assert np.all(np.diff(power, axis=1) <= 1e-12)


# --- the tipping point --------------------------------------------------------------------------


def test_the_decision_changes_at_the_tipping_point_and_nowhere_else() -> None:
    rule = Decision.when(above(0.3, 0.9))
    found = tipping_points(BETA, 13, 30, rule)
    (at,) = found.weights
    posterior = BETA.robust(at).after(13, 30)
    assert 1.0 - float(posterior.cdf(0.3)) == pytest.approx(0.9, abs=1e-12)
    below_it, over_it = (rule.holds(BETA.robust(at + e).after(13, 30)) for e in (-1e-6, 1e-6))
    assert below_it != over_it
    for row in found.table.to_dict("records"):
        after = BETA.robust(row["weight"]).after(13, 30)
        assert row["weight_after"] == pytest.approx(after.weights[-1], abs=1e-12)
        assert row["mean"] == pytest.approx(after.mean, abs=1e-12)
        assert row["above 0.3"] == pytest.approx(1.0 - float(after.cdf(0.3)), abs=1e-12)
        assert row["success"] == rule.holds(after)


def test_the_tipping_point_of_a_control_arm_is_that_of_the_difference() -> None:
    treatment = FLAT.after(12, 20)
    rule = Decision.when(above(0.0, 0.9))
    (at,) = tipping_points(BETA, 9, 20, rule, treatment=treatment).weights
    control = BETA.robust(at).after(9, 20)
    assert difference_above(treatment, control) == pytest.approx(0.9, abs=1e-9)


def test_a_decision_that_never_changes_has_no_tipping_point() -> None:
    found = tipping_points(BETA, 29, 30, Decision.when(above(0.3, 0.9)))
    assert found.weights == ()
    assert found.table["success"].all()
