"""Weights of mixtures, against other ways to find the same."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar

from chance import drawn_seed
from twinbayes.stacking.weights import AMOUNTS, choose_amount, learn, mixture_weights

SEED = drawn_seed(__name__)


def drawn(rng: np.random.Generator, rows: int, members: int) -> tuple[np.ndarray, np.ndarray]:
    return rng.beta(2.0, 1.0, (rows, members)) + 1e-4, rng.exponential(1.0, rows)


def score(a: np.ndarray, rows: np.ndarray, counts: np.ndarray) -> float:
    return float(counts @ np.log(rows @ a) / counts.sum())


@pytest.mark.parametrize("members", [2, 3, 8])
def test_weights_score_as_those_of_a_convex_solver(members: int) -> None:
    rng = np.random.default_rng([SEED, members])
    for _ in range(10):
        rows, counts = drawn(rng, 200, members)
        found = mixture_weights(rows, counts)
        assert found.min() >= 0.0
        assert found.sum() == pytest.approx(1.0)
        other = minimize(
            lambda a, r=rows, c=counts: -score(a, r, c),
            np.full(members, 1.0 / members),
            jac=lambda a, r=rows, c=counts: -(c / (r @ a)) @ r / c.sum(),
            method="SLSQP",
            bounds=[(0.0, 1.0)] * members,
            constraints={"type": "eq", "fun": lambda a: a.sum() - 1.0},
            options={"ftol": 1e-14, "maxiter": 500},
        )
        assert score(found, rows, counts) == pytest.approx(-other.fun, abs=2e-6)
        assert np.abs(found - other.x).max() < 0.02


def test_weights_of_two_members_are_those_of_a_line_search() -> None:
    rng = np.random.default_rng([SEED, 100])
    for _ in range(20):
        rows, counts = drawn(rng, 60, 2)
        best = minimize_scalar(
            lambda a, r=rows, c=counts: -score(np.array([a, 1.0 - a]), r, c),
            bounds=(0.0, 1.0),
            method="bounded",
            options={"xatol": 1e-10},
        )
        assert mixture_weights(rows, counts)[0] == pytest.approx(best.x, abs=5e-3)


def test_two_members_right_by_turns_have_weights_in_closed_form() -> None:
    """Of n rows the first alone explains k, the second alone the rest: the weight is k / n."""
    rows = np.array([[0.9, 1e-12]] * 30 + [[1e-12, 0.4]] * 10)
    assert mixture_weights(rows, np.ones(40)) == pytest.approx([0.75, 0.25], abs=1e-4)


def test_shrunken_weights_are_those_of_a_convex_solver() -> None:
    rng = np.random.default_rng([SEED, 200])
    rows, counts = drawn(rng, 50, 3)
    towards, amount = np.array([0.5, 0.3, 0.2]), 20.0

    def loss(a: np.ndarray) -> float:
        return -float(counts @ np.log(rows @ a) + amount * towards @ np.log(a))

    other = minimize(
        loss, towards, method="SLSQP", bounds=[(1e-9, 1.0)] * 3, options={"ftol": 1e-13},
        constraints={"type": "eq", "fun": lambda a: a.sum() - 1.0},
    )  # fmt: skip
    found = mixture_weights(rows, counts, towards=towards, amount=amount)
    assert found == pytest.approx(other.x, abs=2e-3)
    held = mixture_weights(rows, counts, towards=towards, amount=1e9)
    assert held == pytest.approx(towards, abs=1e-3)


def test_rows_that_do_not_count_change_nothing() -> None:
    rng = np.random.default_rng([SEED, 300])
    rows, counts = drawn(rng, 40, 3)
    more = np.vstack([rows, rng.uniform(size=(10, 3))])
    found = mixture_weights(more, np.concatenate([counts, np.zeros(10)]))
    assert found == pytest.approx(mixture_weights(rows, counts))


def test_small_subgroups_and_those_not_seen_have_the_common_weights() -> None:
    rng = np.random.default_rng([SEED, 400])
    likelihood = rng.uniform(0.1, 0.9, (2, 1, 50))
    group = np.array([0] * 46 + [1] * 4)
    weights = learn(likelihood, np.ones((1, 50)), group, 3, 16.0)
    assert (weights.by_subgroup[1:] == weights.common).all()
    mixed = weights.mixed(likelihood[:, :, :1], np.array([-1]))
    assert mixed[0, 0] == pytest.approx(weights.common @ likelihood[:, 0, 0])


def test_subgroups_that_differ_get_weights_of_their_own_and_alike_ones_do_not() -> None:
    rng = np.random.default_rng([SEED, 500])
    right = rng.uniform(size=(2, 1, 300))
    group = np.arange(300) % 2
    good, bad = 0.85, 0.15
    apart = np.where(right < 0.95, good, bad)
    apart[0, 0, group == 1] = 1.0 - apart[0, 0, group == 1]
    apart[1, 0, group == 0] = 1.0 - apart[1, 0, group == 0]
    part = np.arange(300) // 2 % 5
    assert choose_amount(apart, np.ones((1, 300)), group, 2, part) in AMOUNTS[1:]
    same = np.full((2, 1, 300), 0.6)
    assert choose_amount(same, np.ones((1, 300)), group, 2, part) == np.inf
