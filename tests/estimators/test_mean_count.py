"""Mean numbers of events that recur, against sums by hand and simulated truth."""

from __future__ import annotations

import numpy as np
import pytest

from chance import drawn_seed
from twinbayes.errors import CohortError, OptionError
from twinbayes.estimators import mean_count

# Four people: ends on days 10, 6 (death), 8, 4; events on 2 and 5 of the first, 3 of the second,
# 5 and 7 of the third.
LAST, DIED = [10, 6, 8, 4], [0, 1, 0, 0]
OWNER, DAY = [0, 0, 1, 2, 2], [2, 5, 3, 5, 7]


def test_it_is_the_sum_by_hand() -> None:
    found = mean_count(LAST, DIED, OWNER, DAY, times=[2, 4.5, 5, 7.5, 10])
    at_2, at_3, at_5 = 1 / 4, 1 / 4, 2 / 3
    at_7 = (2 / 3) * (1 / 2)  # one of three has died on day 6, two are followed on day 7
    right = [at_2, at_2 + at_3, at_2 + at_3 + at_5, *2 * [at_2 + at_3 + at_5 + at_7]]
    np.testing.assert_allclose([e.value for e in found], right)


def test_the_influence_is_the_derivative_by_a_patients_weight() -> None:
    """Copies of everybody in two numbers: a difference in weight against the influence."""
    many = 2000
    for who in range(4):
        owners = [(p, d) for p, d in zip(OWNER, DAY, strict=True)]
        ids = [k for k in range(4) for _ in range(many + (k == who))]
        last, died = [LAST[k] for k in ids], [DIED[k] for k in ids]
        events = [(j, d) for j, k in enumerate(ids) for p, d in owners if p == k]
        heavier = mean_count(
            last, died, [j for j, _ in events], [d for _, d in events], times=[7.5]
        )[0].value
        plain = mean_count(LAST, DIED, OWNER, DAY, times=[7.5])[0]
        derivative = (heavier - plain.value) * many
        assert plain.influence[who] == pytest.approx(derivative, abs=2e-3)


def test_intervals_hold_what_they_say_under_dependence_and_death() -> None:
    """Patients differ by a gamma frailty that death shares: coverage of 95 % intervals."""
    rng = np.random.default_rng(drawn_seed())
    rate, death, until, n, reps = 0.02, 0.004, 200.0, 120, 400

    def draw(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        z = rng.gamma(2.0, 0.5, size)
        dies = rng.exponential(1 / (death * z))
        censored = rng.uniform(100.0, 400.0, size)
        last = np.minimum(dies, censored)
        count = rng.poisson(rate * z * np.minimum(last, until))
        owner = np.repeat(np.arange(size), count)
        day = rng.uniform(0.0, np.minimum(last, until)[owner])
        return last, dies < censored, owner, day, z

    z = rng.gamma(2.0, 0.5, 400_000)
    truth = float(np.mean(rate / death * -np.expm1(-death * z * until)))
    inside = 0
    for _ in range(reps):
        last, died, owner, day, _ = draw(n)
        low, high = mean_count(last, died, owner, day, times=[until])[0].interval()
        inside += low <= truth <= high
    assert 0.90 <= inside / reps <= 0.98  # binomial sd 0.011 around 0.94 to 0.95


def test_nobody_with_events_has_none_and_beyond_follow_up_is_refused() -> None:
    found = mean_count([5, 6], [0, 0], [], [], times=[4])[0]
    assert (found.value, found.interval()) == (0.0, (0.0, 0.0))
    with pytest.raises(OptionError, match="followed"):
        mean_count([5, 6], [0, 1], [0], [2], times=[7])
    assert mean_count([5, 6], [1, 1], [0], [2], times=[700])[0].value == 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([5, 6], [0, 0], [0], [5.5]), "after the end"),
        (([5, 6], [0, 0], [2], [3.0]), "events of nobody"),
        (([5, 6], [0], [0], [3.0]), "died"),
        (([5, 6], [0, 2], [0], [3.0]), "event"),
        (([5, -6], [0, 0], [0], [3.0]), "last_day"),
        (([5, 6], [0, 0], [0, 1], [3.0]), "event_patient"),
    ],
)
def test_what_cannot_be_is_refused(arguments: tuple[list[float], ...], message: str) -> None:
    with pytest.raises(CohortError, match=message):
        mean_count(*arguments, times=[2.0])
    with pytest.raises(CohortError, match="Give one label"):
        mean_count([5, 6], [0, 0], [0], [3.0], times=[2.0], patient=["a"])
