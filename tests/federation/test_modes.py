"""Steps towards the mode stay finite, and the best function so far stands for a likelihood."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import twinbayes as tb
from chance import drawn_seed
from twinbayes.diseases.synthetic import synthetic_cohort
from twinbayes.errors import FederationError
from twinbayes.federation.joint.blocks import Blocks
from twinbayes.federation.joint.certificate import Certificate
from twinbayes.federation.joint.estimation import SCORINGS, Draws
from twinbayes.federation.joint.from_values import MODES, NARROWER, FromValues
from twinbayes.federation.joint.quadratic import (
    Directions,
    Quadratic,
    effective_number,
    tempered_weights,
)
from twinbayes.federation.likelihood.integrated import (
    MOST_DIRECTIONS,
    NOWHERE,
    IntegratedLikelihood,
)
from twinbayes.federation.masks import _LARGEST, FEWEST
from twinbayes.federation.site import KINDS, MOST_DRAWS, MOST_ROUNDS
from twinbayes.federation.study import _MOST_SITES

SEED = drawn_seed(__name__)


@dataclass(frozen=True)
class Around:
    """An agreement of which the rough prior alone is asked: standard normal, or as given."""

    prior: np.ndarray

    @property
    def study(self) -> Any:
        return SimpleNamespace(spec=SimpleNamespace(name="toy"))

    @property
    def coordinates(self) -> Any:
        return SimpleNamespace(places={})

    @property
    def counts(self) -> Any:
        return SimpleNamespace(start=lambda _: np.zeros(self.prior.shape[1]))


def to_the_mode(agreement: Around, log_likelihood: Any) -> tuple[list[np.ndarray], FromValues]:
    """All points that are asked for until draws are, and where the search ends."""
    at, asked = FromValues(agreement), []  # type: ignore[arg-type]
    while not at.approximations:
        step = at.following()
        assert isinstance(step, Draws)
        asked.append(step.values)
        at = at.answered(step, log_likelihood(step.values), len(asked))
        assert len(asked) <= MODES
    return asked, at


def prior(n: int, scales: Any = 1.0) -> np.ndarray:
    return np.random.default_rng(SEED).normal(size=(1000, n)) * scales


@pytest.mark.parametrize(
    "log_likelihood",
    [
        lambda x: 1e6 * x.sum(axis=1),
        lambda x: np.exp(np.minimum(30.0 * x[:, 0], 600.0)),
        lambda x: -1e7 * np.abs(x).sum(axis=1),
        lambda x: np.where(x[:, 0] > 0.8, NOWHERE, -50.0 * (x**2).sum(axis=1)),
        lambda x: np.where((x == 0.0).all(axis=1), NOWHERE, -1e5 * (x - 3.0).sum(axis=1) ** 2),
        lambda x: np.zeros(len(x)),
        lambda x: 1e7 * np.sin(1e3 * x.sum(axis=1)),
    ],
    ids=["ever higher", "overflowing", "a ridge", "none beyond", "none here", "flat", "waves"],
)
def test_every_place_on_the_way_to_the_mode_is_finite(log_likelihood: Any) -> None:
    asked, end = to_the_mode(Around(prior(4)), log_likelihood)
    for points in asked:
        assert np.isfinite(points).all(), SEED
        assert len(points) == 1 + 4 + 4 * 5 // 2
        assert np.abs(points).max() < 3.0 * MODES  # steps of 2 standard deviations of the prior
    stand = end.last.stand
    assert isinstance(stand, Quadratic)
    assert np.isfinite(stand.value)
    assert np.isfinite(stand.curvature).all()
    assert (np.linalg.eigvalsh(stand.curvature) <= 1e-9 * np.abs(stand.curvature).max()).all()


def test_a_step_to_where_there_is_no_likelihood_is_taken_anew_and_shorter() -> None:
    """The mode lies behind a wall, which the first points do not reach."""

    def half(x: np.ndarray) -> np.ndarray:
        away = x - np.array([3.0, 0.0, 0.0, 0.0])
        return np.where(x[:, 0] > 1.2, NOWHERE, -5.0 * (away**2).sum(axis=1))

    for draw in np.random.default_rng(SEED).spawn(60):
        _, end = to_the_mode(Around(draw.normal(size=(1000, 4))), half)
        stand = end.last.stand
        assert isinstance(stand, Quadratic)
        assert np.isfinite(stand.value), SEED
        assert stand.directions.centre[0] <= 1.2 + 1e-9, SEED


def test_a_likelihood_that_is_nowhere_is_refused_in_words() -> None:
    with pytest.raises(FederationError, match="no likelihood at 15 of 15 places"):
        to_the_mode(Around(prior(4)), lambda x: np.full(len(x), 4 * NOWHERE))


def test_priors_of_very_different_width_leave_places_finite() -> None:
    """Rounding made eigenvalues of the precision negative, and places not a number."""
    rng = np.random.default_rng(SEED)
    for _ in range(20):
        turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
        precision = (turn * 10.0 ** np.array([15, 4, 0, -2, -4, -4])) @ turn.T
        flat = Quadratic(Directions(np.zeros(6), np.eye(6)), 0.0, np.ones(6), np.zeros((6, 6)))
        place, far = flat.mode(np.zeros(6), precision, 2.0)
        assert np.isfinite(place.centre).all(), SEED
        assert np.isfinite(place.along).all(), SEED
        assert np.isfinite(far), SEED


def test_what_is_mostly_one_number_has_a_spread() -> None:
    rng = np.random.default_rng(SEED)
    values = np.where(rng.random((1000, 1)) < 0.8, 0.0, rng.normal(size=(1000, 1)))
    _, spread = Directions.spanned_by(values, np.zeros(1))
    assert spread[0] == pytest.approx(1.0)


def test_a_model_with_as_many_numbers_as_may_be_asks_for_no_more_points_than_sites_score() -> None:
    n = MOST_DIRECTIONS
    assert 1 + n + n * (n + 1) // 2 <= MOST_DRAWS
    step = FromValues(Around(prior(n))).following()  # type: ignore[arg-type]
    assert isinstance(step, Draws)
    assert len(step.values) <= MOST_DRAWS
    with pytest.raises(FederationError, match=f"depends on {n + 1} numbers"):
        FromValues(Around(prior(n + 1))).following()  # type: ignore[arg-type]
    # Labels, counts, facts and moments; then modes, draws of the first posterior, and scores.
    assert len(KINDS) - 2 + MODES + 1 + len(NARROWER) + SCORINGS <= MOST_ROUNDS


def test_where_most_of_the_first_points_have_no_likelihood_closer_ones_are_asked_for() -> None:
    """A quadratic function in a box: its top is found to rounding, whatever the axes' turn."""

    def small(x: np.ndarray) -> np.ndarray:
        inside = (np.abs(x) < 0.1).all(axis=1)
        return np.where(inside, -800.0 * ((x - 0.02) ** 2).sum(axis=1), NOWHERE)

    for draw in np.random.default_rng(SEED).spawn(60):
        draws = draw.normal(size=(1000, 4))
        asked, end = to_the_mode(Around(draws - np.median(draws, axis=0)), small)
        assert (small(asked[0]) == NOWHERE).sum() == 14
        assert end.closer == 2, SEED
        stand = end.last.stand
        assert isinstance(stand, Quadratic)
        top = stand.directions.outward(np.linalg.solve(-stand.curvature, stand.slope)[None])
        np.testing.assert_allclose(top, np.full((1, 4), 0.02), atol=1e-9, err_msg=str(SEED))


def test_a_product_of_directions_that_no_point_tells_of_is_taken_to_be_nothing() -> None:
    """Columns of rounding were scaled up to numbers of 1e18."""
    for draw in np.random.default_rng(SEED).spawn(60):
        turn = np.linalg.qr(draw.normal(size=(3, 3)))[0]
        around = Directions(np.zeros(3), turn)
        places = around.stencil(0.5)
        totals = -((places - 0.1) ** 2).sum(axis=1)
        totals[-3:] = -np.inf  # all points of two directions at once
        found = Quadratic.through(around, places, totals)
        np.testing.assert_allclose(found.curvature, -2.0 * np.eye(3), atol=1e-9, err_msg=str(SEED))


def test_first_draws_that_miss_the_mode_are_made_again_closer_to_it() -> None:
    def log_likelihood(x: np.ndarray) -> np.ndarray:
        return -50.0 * (x**2).sum(axis=1)

    asked, end = to_the_mode(Around(prior(4)), log_likelihood)
    n, far = len(asked), Draws(np.random.default_rng(SEED).normal(3.0, 0.1, size=(40, 4)))
    again = end.answered(far, log_likelihood(far.values), n)
    (first,), (second,) = end.approximations, again.approximations
    assert isinstance(first.stand, Quadratic)
    assert isinstance(second.stand, Quadratic)
    ratio = np.linalg.eigvalsh(second.stand.curvature) / np.linalg.eigvalsh(
        first.stand.directions.along.T @ (-100.0 * np.eye(4)) @ first.stand.directions.along
    )
    assert (ratio > 5.0).all()
    centre = second.stand.directions.outward(
        np.linalg.solve(-second.stand.curvature, second.stand.slope)[None]
    )
    np.testing.assert_allclose(centre, np.zeros((1, 4)), atol=1e-3)
    # The second time they are taken as they are.
    assert len(again.answered(far, log_likelihood(far.values), n + 1).approximations) == 2


def test_what_stood_for_the_likelihood_is_corrected_by_few_draws_and_not_a_failed_step() -> None:
    def log_likelihood(x: np.ndarray) -> np.ndarray:
        """Level, but for a peak at 0.9 that is far narrower than the stencil of the first place."""
        return -(np.abs(1e3 * (x - 0.9)).sum(axis=1) ** 1.5)

    _, end = to_the_mode(Around(prior(2)), log_likelihood)
    stand = end.last.stand
    assert isinstance(stand, Quadratic)
    few = stand.directions.outward(np.random.default_rng(SEED).normal(size=(5, 2)) * 0.1)
    (kept,) = end.functions
    again = end._standing(few, kept.at(few), 9, None)
    elsewhere = stand.directions.outward(np.eye(2))
    np.testing.assert_allclose(again.functions[-1].at(elsewhere), kept.at(elsewhere), rtol=1e-6)
    np.testing.assert_allclose(kept.folded().at(elsewhere), stand.at(elsewhere))


def test_the_best_of_all_places_is_kept_where_the_last_is_a_step_too_far() -> None:
    """The place of the last question has no likelihood to speak of; its function was kept."""
    place = Directions(np.zeros(2), np.eye(2))
    good = Quadratic(place, 0.0, np.array([5.0, 0.0]), -np.eye(2))
    far = Directions(np.full(2, 4.0), np.eye(2))
    begun = FromValues(Around(prior(2)), place=far, functions=(good,) * (MODES - 1))  # type: ignore[arg-type]
    asked = begun.following()
    assert isinstance(asked, Draws)
    ended = begun.answered(asked, -1e6 - 1e5 * (asked.values**2).sum(axis=1), MODES)
    assert ended.functions == (good,)
    few = np.random.default_rng(SEED).normal(size=(5, 2))
    again = ended._standing(few, good.at(few), 9, None)
    np.testing.assert_allclose(again.functions[-1].at(asked.values), good.at(asked.values))


def test_few_draws_with_all_the_weight_do_not_leave_directions_out() -> None:
    rng = np.random.default_rng(SEED)
    place = Directions(np.zeros(3), np.eye(3))
    truth = Quadratic(place, 1.0, np.array([1.0, -2.0, 0.5]), -np.diag([1.0, 2.0, 3.0]))
    values = rng.normal(size=(200, 3))
    for slope in (0.0, 30.0, 3000.0):
        stand = Quadratic(place, 0.0, np.array([slope, 0.0, slope]), np.zeros((3, 3)))
        away = truth.at(values) - stand.at(values)
        assert slope == 0.0 or np.exp(away - away.max()).sum() < 10.0
        begun = FromValues(
            Around(prior(3)),
            (SimpleNamespace(stand=stand),),
            functions=(truth,),  # type: ignore[arg-type]
        )
        found = begun._standing(values, truth.at(values), 9, None).functions[-1]
        np.testing.assert_allclose(found.at(values), truth.at(values), atol=1e-6)


def test_weights_are_importance_weights_where_enough_draws_count_and_nearly_level_elsewhere() -> (
    None
):
    rng = np.random.default_rng(SEED)
    ratio = np.append(rng.normal(0.0, 0.1, 400), -np.inf)
    found = tempered_weights(ratio, 50.0)
    np.testing.assert_allclose(found, np.exp(ratio) / np.exp(ratio).sum())
    steep = 40.0 * ratio
    found = tempered_weights(steep, 50.0)
    assert effective_number(found) == pytest.approx(50.0, rel=1e-3)
    slopes = np.diff(np.log(found[:400])) / np.diff(steep[:400])
    np.testing.assert_allclose(slopes, slopes[0], rtol=1e-6)  # a power of importance weights
    assert found[400] == 0.0
    assert effective_number(tempered_weights(steep, 1e6)) == pytest.approx(200.0, rel=1e-3)


def test_draws_far_from_the_posterior_do_not_decide_on_the_function() -> None:
    """A likelihood that is quadratic where the posterior is, and falls ever less beyond."""
    rng = np.random.default_rng(SEED)
    place = Directions(np.zeros(4), np.eye(4))

    def log_likelihood(x: np.ndarray) -> np.ndarray:
        away = 0.5 * (x**2).sum(axis=1)
        return np.where(away < 12.0, -away, -12.0 - 4.0 * (away - 12.0))

    stand = Quadratic(place, 0.0, np.zeros(4), -np.diag([0.05, 1.0, 1.0, 1.0]))
    values = rng.normal(size=(1000, 4)) * np.array([4.5, 1.0, 1.0, 1.0])
    begun = FromValues(
        Around(prior(4)),
        (SimpleNamespace(stand=stand),),
        functions=(stand,),  # type: ignore[arg-type]
    )
    found = begun._standing(values, log_likelihood(values), 9, None).functions[-1]
    near = rng.normal(size=(100, 4))
    level = found.at(np.zeros((1, 4)))
    np.testing.assert_allclose(found.at(near) - level, -0.5 * (near**2).sum(axis=1), atol=0.3)


def test_draws_at_which_no_site_has_a_likelihood_are_refused_in_words_of_a_federation() -> None:
    with pytest.raises(FederationError, match="no likelihood at any of 30 draws"):
        Certificate.of(np.full(30, -np.inf), None, Blocks.whole(None, 1))


def test_no_likelihood_of_many_patients_or_of_one_who_counts_little_is_told_as_such(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sums of it were too large to be masked, and discounted ones were taken for a likelihood."""
    spec = tb.disease("cgd")
    cohort = synthetic_cohort(spec, n_patients=30, seed=SEED)
    learnt = spec.plan(cohort).learnt
    local = IntegratedLikelihood(spec, learnt, SimpleNamespace(), cohort)  # type: ignore[arg-type]
    each = np.full((30, 3), -2.0)
    each[:, 1] = NOWHERE
    each[4, 2] = NOWHERE
    powers = np.ones(30)
    powers[4] = 0.25
    monkeypatch.setattr(IntegratedLikelihood, "by_patient", lambda *_: each)
    monkeypatch.setattr(type(spec), "discounts", lambda *_: powers)
    found = local.totals(np.zeros((3, 1)))[:, 0]
    np.testing.assert_allclose(found, [-2.0 * powers.sum(), NOWHERE, NOWHERE])
    assert abs(NOWHERE) < _LARGEST
    assert abs(NOWHERE) * _MOST_SITES < 2.0**39
    assert FEWEST <= _MOST_SITES
    monkeypatch.setattr(type(spec), "discounts", lambda *_: np.where(powers < 1.0, 0.0, 1.0))
    assert local.totals(np.zeros((3, 1)))[2, 0] == -58.0


def test_a_function_in_no_direction_is_a_number() -> None:
    nowhere = Directions.among(np.ones((20, 3)))
    assert nowhere.size == 0
    found = Quadratic.through(nowhere, np.ones((20, 3)), np.full(20, 7.0))
    assert found.at(np.zeros((2, 3))).tolist() == [7.0, 7.0]
    place, far = replace(found, slope=np.zeros(0)).mode(np.zeros(3), np.zeros((0, 0)), 2.0)
    assert (place.size, far) == (0, 0.0)
