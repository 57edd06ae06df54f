"""Decision rules and trials with one arm against enumeration by hand, quadrature, simulation."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import expit

from twinbayes.errors import OptionError, PriorError
from twinbayes.priors import Mixture
from twinbayes.trials import (
    Arm,
    Condition,
    Decision,
    OneArmTrial,
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
Reference = Callable[[str], dict[str, Any]]


def by_quadrature(first: Mixture, second: Mixture, value: float) -> float:
    """P(first - second > value), second on the logit or log scale, adaptively."""
    low = max(0.0, -value)
    beta = first.kind == "beta"
    length = 1.0 - abs(value) if beta else 1.0

    def integrand(u: float) -> float:
        x = low + length * (expit(u) if beta else np.exp(u))
        slope = length * (expit(u) * expit(-u) if beta else np.exp(u))
        return float(np.exp(second.logpdf(x)) * (1.0 - first.cdf(x + value)) * slope)

    cuts = [-200.0, -30.0, -8.0, -3.0, -1.0, 0.0, 1.0, 3.0, 8.0, 30.0][: None if beta else -1]
    parts = [
        integrate.quad(integrand, a, b, epsabs=1e-12, limit=400)[0]
        for a, b in itertools.pairwise(cuts)
    ]
    return sum(parts) + float(second.cdf(low))


# --- the probability of a difference ------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "value"),
    [
        (BETA, FLAT, 0.0),
        (BETA, BETA.robust(0.2), 0.1),
        (BETA, Mixture.of("beta", [(0.5, 0.5, 0.5), (0.5, 30.0, 10.0)]), -0.15),
        (Mixture.of("beta", [(1.0, 0.3, 2.0)]), Mixture.of("beta", [(1.0, 0.2, 3.0)]), 0.0),
        (Mixture.of("beta", [(1.0, 400.0, 600.0)]), BETA, 0.1),
        (GAMMA, VAGUE_GAMMA, 0.0),
        (GAMMA, VAGUE_GAMMA, 0.4),
        (VAGUE_GAMMA, GAMMA, -0.4),
    ],
)
def test_the_probability_of_a_difference_is_that_of_adaptive_quadrature(
    first: Mixture, second: Mixture, value: float
) -> None:
    found = difference_above(first, second, value)
    assert found == pytest.approx(by_quadrature(first, second, value), abs=1e-8)
    assert difference_above(second, first, -value) == pytest.approx(1.0 - found, abs=1e-8)


@pytest.mark.parametrize(
    ("first", "second", "value"),
    [(BETA, FLAT, 0.05), (GAMMA, VAGUE_GAMMA, -0.2), (NORMAL, VAGUE_NORMAL, 1.0)],
    ids=["beta", "gamma", "normal"],
)
def test_the_probability_of_a_difference_is_that_of_many_draws(
    first: Mixture, second: Mixture, value: float
) -> None:
    n = 400_000
    share = np.mean(first.draw(n, seed=1) - second.draw(n, seed=2) > value)
    assert difference_above(first, second, value) == pytest.approx(share, abs=4 * 0.5 / n**0.5)


def test_a_difference_of_two_uniform_numbers_has_a_triangular_distribution() -> None:
    for d in (-0.7, -0.2, 0.0, 0.3, 0.9):
        wanted = (1 - d) ** 2 / 2 if d >= 0 else 1 - (1 + d) ** 2 / 2
        assert difference_above(FLAT, FLAT, d) == pytest.approx(wanted, abs=1e-12)
    assert difference_above(FLAT, FLAT, 1.0) == 0.0
    assert difference_above(FLAT, FLAT, -1.5) == 1.0


def test_two_exponential_times_race_by_their_rates() -> None:
    slow, fast = (Mixture.of("gamma", [(1.0, 1.0, r)]) for r in (1.0, 3.0))
    assert difference_above(slow, fast) == pytest.approx(0.75, abs=1e-12)
    # Without memory: beyond a head start of d it is the same race.
    assert difference_above(slow, fast, 0.5) == pytest.approx(0.75 * np.exp(-0.5), abs=1e-12)


def test_the_crohn_trial_is_decided_by_the_published_probabilities(reference: Reference) -> None:
    case = {e["quantity"]: e["value"] for e in reference("map_crohn_normal")["expected"]}
    placebo = CROHN.robust(0.2, (-50.0, 88.0)).after(-63.1, 13.9)
    active = Mixture.of("normal", [(1.0, -50.0, 88.0)]).after(-29.2, 14.0)
    p1 = 1.0 - difference_above(active, placebo, 0.0)
    p2 = 1.0 - difference_above(active, placebo, -50.0)
    assert p1 == pytest.approx(case["p1"], abs=1e-6)
    assert p2 == pytest.approx(case["p2"], rel=1e-5)
    assert not Decision.when(below(0.0, 0.95), below(-50.0, 0.5)).holds_between(active, placebo)
    assert Decision.when(above(0.0, 0.9)).holds_between(active, placebo)


# --- one arm ------------------------------------------------------------------------------------


def test_one_arm_of_three_patients_is_what_counting_by_hand_gives() -> None:
    # Beta(1, 1) after 3 of 3 is Beta(4, 1): P(> 0.5) = 1 - 0.5^4 = 15/16; after 2 of 3 it is 11/16.
    trial = OneArmTrial(Arm(FLAT, 3), Decision.when(above(0.5, 0.9)))
    assert (trial.boundary().low, trial.boundary().high) == (3.0, 3.0)
    np.testing.assert_allclose(trial.power([0.1, 0.5, 0.9]), [0.001, 0.125, 0.729], atol=1e-15)
    # Under a uniform belief every number of responders is as probable as any other.
    assert trial.success_probability() == pytest.approx(0.25, abs=1e-12)
    wider = OneArmTrial(Arm(FLAT, 3), Decision.when(above(0.5, 0.6)))
    assert wider.boundary().low == 2.0
    assert wider.success_probability() == pytest.approx(0.5, abs=1e-12)
    # After 1 of 1, two more to come: Beta(2, 1) predicts 2 of 2 with 2/4 * ... = 1/2.
    assert trial.after(1, 1).success_probability() == pytest.approx(0.5, abs=1e-12)
    assert trial.after(0, 1).success_probability() == 0.0
    # A probability that is only reached, and not exceeded, is no success.
    assert not Decision.when(above(0.5, 0.9375)).holds(FLAT.after(3, 3))


@pytest.mark.parametrize(
    ("prior", "size", "decision"),
    [
        (BETA, 25, Decision.when(above(0.3, 0.8))),
        (BETA, 25, Decision.when(above(0.2, 0.5), below(0.5, 0.9))),
        (FLAT, 12, Decision.when(below(0.4, 0.9))),
        (GAMMA, 15.5, Decision.when(below(1.0, 0.8))),
        (GAMMA, 15.5, Decision.when(above(0.5, 0.9), below(1.5, 0.6))),
        (VAGUE_GAMMA, 7.0, Decision.when(above(0.8, 0.95))),
    ],
)
def test_power_of_one_arm_is_a_sum_over_all_counts(
    prior: Mixture, size: float, decision: Decision
) -> None:
    trial = OneArmTrial(Arm(prior, size), decision)
    counts = np.arange(int(size) + 1 if prior.kind == "beta" else 600)
    success = np.array([decision.holds(prior.after(float(y), size)) for y in counts])
    for truth in (0.2, 0.45, 0.9):
        chance = (
            stats.binom.pmf(counts, size, truth)
            if prior.kind == "beta"
            else stats.poisson.pmf(counts, size * truth)
        )
        assert trial.power(truth) == pytest.approx(chance @ success, abs=1e-10)
    marginal = np.exp([prior.log_marginal(float(y), size) for y in counts])
    assert trial.success_probability() == pytest.approx(marginal @ success, abs=1e-9)


def test_a_normal_arm_has_the_textbook_boundary_and_power() -> None:
    # Under a flat prior P(θ > 0) exceeds 0.975 where the mean exceeds 1.96 standard errors.
    flat = Mixture.of("normal", [(1.0, 0.0, 1e6)], reference_sd=5.0)
    trial = OneArmTrial(Arm(flat, 100), Decision.when(above(0.0, 0.975)))
    critical = stats.norm.isf(0.025) * 0.5
    assert trial.boundary().low == pytest.approx(critical, abs=1e-9)
    np.testing.assert_allclose(
        trial.power([0.0, 1.0]), stats.norm.sf(critical, [0.0, 1.0], 0.5), atol=1e-9
    )
    belief = Mixture.of("normal", [(1.0, 1.0, 0.3)])
    wanted = stats.norm.sf(critical, 1.0, np.hypot(0.5, 0.3))
    assert trial.success_probability(belief) == pytest.approx(wanted, abs=1e-9)
    # Interim: mean 0.8 of 40; the rest has 60 patients, and the final mean is of all 100.
    left = trial.after(0.8, 40)
    needed = (critical * 100 - 0.8 * 40) / 60
    assert left.boundary().low == pytest.approx(needed, abs=1e-8)
    assert left.power(0.7) == pytest.approx(stats.norm.sf(needed, 0.7, 5 / 60**0.5), abs=1e-8)


def test_a_normal_mixture_holds_on_the_right_side_of_its_boundary() -> None:
    trial = OneArmTrial(Arm(NORMAL, 30), Decision.when(above(0.5, 0.9), below(4.0, 0.7)))
    where, error = trial.boundary(), 5 / 30**0.5
    assert where.possible
    for bound, inwards in ((where.low, 1e-6), (where.high, -1e-6)):
        assert trial.decision.holds(NORMAL.after(bound + inwards, error))
        assert not trial.decision.holds(NORMAL.after(bound - inwards, error))
    y = np.random.default_rng(0).normal(2.0, error, 200_000)
    share = np.mean((y > where.low) & (y < where.high))
    assert trial.power(2.0) == pytest.approx(share, abs=0.005)


def test_conditions_that_no_outcome_meets_have_no_power() -> None:
    for prior, size in ((FLAT, 10), (GAMMA, 5.0), (NORMAL, 20)):
        never = OneArmTrial(Arm(prior, size), Decision.when(above(0.9, 0.9), below(0.1, 0.9)))
        assert not never.boundary().possible
        assert never.power(0.5) == 0.0
        assert never.success_probability() == 0.0


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda: Condition("beyond", 0.0, 0.9), OptionError, "above"),
        (lambda: above(np.nan, 0.9), PriorError, "number to compare"),
        (lambda: above(0.0, 1.0), PriorError, "between 0 and 1"),
        (lambda: Decision.when(), PriorError, "above"),
        (lambda: Arm(FLAT, 2.5), PriorError, "whole number"),
        (lambda: Arm(FLAT, -1), PriorError, "0 or more"),
        (lambda: Arm(Mixture.of("normal", [(1, 0, 1)]), 9), PriorError, "reference_sd"),
        (lambda: Arm(FLAT, 5).after(1, 6), PriorError, "not more than"),
        (lambda: Arm(FLAT, 5).after(3, 2), PriorError, "cannot be"),
        (
            lambda: TwoArmTrial(Arm(FLAT, 5), Arm(GAMMA, 5), Decision.when(above(0, 0.9))),
            PriorError,
            "two of one kind",
        ),
        (
            lambda: TwoArmTrial(Arm(NORMAL, 0), Arm(NORMAL, 5), Decision.when(above(0, 0.9))),
            PriorError,
            "treatment arm",
        ),
        (
            lambda: TwoArmTrial(Arm(FLAT, 5), Arm(FLAT, 5), Decision.when(above(0, 0.9))).boundary(
                [6]
            ),
            PriorError,
            "from 0 to 5",
        ),
        (
            lambda: OneArmTrial(Arm(FLAT, 5), Decision.when(above(0, 0.9))).power([1.2]),
            PriorError,
            r"\[0, 1\]",
        ),
        (
            lambda: TwoArmTrial(
                Arm(VAGUE_GAMMA, 1e6), Arm(GAMMA, 1e6), Decision.when(above(0, 0.9))
            ).power(1.0, 1.0),
            PriorError,
            "normal mixture",
        ),
        (lambda: difference_above(FLAT, FLAT, np.nan), PriorError, "no number"),
        (
            lambda: tipping_points(FLAT, 1, 2, Decision.when(above(0, 0.9)), weights=[1.5]),
            PriorError,
            "between 0 and 1",
        ),
    ],
)
def test_what_cannot_be_is_refused(
    wrong: Callable[[], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        wrong()


@pytest.mark.parametrize("value", ["x", None, [0.2], {}, 1j, True, 10**400, np.nan], ids=str)
def test_what_is_no_number_no_mixture_and_no_arm_is_refused(value: Any) -> None:
    decision = Decision.when(above(0.2, 0.95))
    trial = OneArmTrial(Arm(FLAT, 20), decision)
    for ask in (
        lambda: above(value, 0.5),
        lambda: below(0.2, value),
        lambda: Decision(value),
        lambda: Decision.when(value),
        lambda: decision.holds(value),
        lambda: decision.holds_between(FLAT, value),
        lambda: difference_above(FLAT, value),
        lambda: difference_above(FLAT, FLAT, value),
        lambda: Arm(value, 20),
        lambda: Arm(FLAT, value),
        lambda: OneArmTrial(value, decision),
        lambda: OneArmTrial(Arm(FLAT, 20), value),
        lambda: TwoArmTrial(Arm(FLAT, 20), value, decision),
        lambda: trial.after(1, value),
    ):
        with pytest.raises(PriorError):
            ask()


@pytest.mark.parametrize("value", ["x", None, {}, 1j, 10**400, np.nan, [[1], [1, 2]]], ids=str)
def test_a_true_value_that_is_no_number_is_refused(value: Any) -> None:
    decision = Decision.when(above(0.2, 0.95))
    two = TwoArmTrial(Arm(FLAT, 20), Arm(FLAT, 20), decision)
    for ask in (
        OneArmTrial(Arm(FLAT, 20), decision).power,
        two.type_one_error,
        two.boundary,
        lambda x: two.after(control=("x", x)),
        lambda x: tipping_points(FLAT, 1, 5, decision, weights=x),
    ):
        with pytest.raises(PriorError):
            ask(value)
    with pytest.raises(PriorError, match="two numbers"):
        two.after(treatment=5)  # type: ignore[arg-type]
