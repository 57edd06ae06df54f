from collections.abc import Callable

import numpy as np
import pytest

from twinbayes.estimators import (
    CountingProcess,
    aalen_johansen,
    pseudo_values,
    survival_process,
)

Simulator = Callable[..., CountingProcess]


def test_without_censoring_they_are_the_indicators_of_the_state(illness_death: Simulator) -> None:
    own = illness_death(80, 30, censoring=1e6)
    found = pseudo_values(own, 1.2)
    assert found == pytest.approx(np.eye(3)[own.state_at(1.2)], abs=1e-9)


def test_their_mean_is_the_aalen_johansen_estimate(illness_death: Simulator) -> None:
    own = illness_death(80, 31)
    found = pseudo_values(own, 1.5)
    assert found.mean(axis=0) == pytest.approx(aalen_johansen(own).at([1.5])[0])
    assert found.sum(axis=1) == pytest.approx(np.ones(80))


def test_they_approach_the_jackknife_as_the_cohort_grows(illness_death: Simulator) -> None:
    own = illness_death(150, 32)
    whole = aalen_johansen(own).at([1.0])[0]
    left_out = [own.of_patients(np.delete(own.patients, i)) for i in range(150)]
    jackknife = 150 * whole - 149 * np.stack([aalen_johansen(o).at([1.0])[0] for o in left_out])
    gap = np.abs(pseudo_values(own, 1.0) - jackknife)
    assert gap.max() < 0.05
    assert gap.mean() < 0.01


def test_a_landmark_with_a_known_start_keeps_the_mean(illness_death: Simulator) -> None:
    own = illness_death(120, 33)
    later = own.of_patients(own.patients[own.state_at(0.5) == 1]).since(0.5)
    found = pseudo_values(later, 1.5, origin=0.5, initial="ill")
    wanted = aalen_johansen(later, origin=0.5, initial="ill").at([1.5])[0]
    assert found.mean(axis=0) == pytest.approx(wanted)


def test_from_a_landmark_on_they_are_the_indicators_of_those_still_at_risk() -> None:
    found = pseudo_values(survival_process([1, 1, 5, 6, 7], [1] * 5), 6.5, origin=2)
    assert np.isnan(found[:2]).all()  # dead before the landmark
    assert found[2:] == pytest.approx(np.array([[0, 1], [0, 1], [1, 0]]), abs=1e-12)


def test_from_a_landmark_on_they_equal_those_of_the_patients_seen_later(
    illness_death: Simulator,
) -> None:
    own = illness_death(120, 34)
    later = own.since(0.5)
    found = pseudo_values(own, 1.5, origin=0.5)
    seen = np.isin(own.patients, later.patients)
    assert 0 < seen.sum() < 120
    assert np.isnan(found[~seen]).all()
    assert found[seen] == pytest.approx(pseudo_values(later, 1.5, origin=0.5))
    assert found[seen].mean(axis=0) == pytest.approx(aalen_johansen(own, origin=0.5).at([1.5])[0])


def test_from_a_landmark_on_they_approach_the_jackknife() -> None:
    # Censored, and some come late. Kaplan-Meier of those left, by its product over days.
    rng = np.random.default_rng(35)
    size, origin, horizon = 400, 2.0, 4.0
    entry = np.where(rng.random(size) < 0.2, rng.uniform(0, 3, size), 0.0)
    time = entry + rng.exponential(4.0, size)
    event = rng.random(size) < 0.7

    def survival(kept: np.ndarray) -> float:
        own_time, own_event, own_entry = time[kept], event[kept], entry[kept]
        product = 1.0
        for day in np.sort(own_time[own_event & (own_time > origin) & (own_time <= horizon)]):
            product *= 1.0 - 1.0 / np.sum((own_entry < day) & (own_time >= day))
        return product

    later = np.flatnonzero(time > origin)
    whole, n = survival(later), later.size
    jackknife = [n * whole - (n - 1) * survival(np.setdiff1d(later, i)) for i in later]
    found = pseudo_values(survival_process(time, event, entry=entry), horizon, origin=origin)
    assert np.flatnonzero(~np.isnan(found[:, 0])).tolist() == later.tolist()
    assert np.abs(found[later, 0] - jackknife).max() < 0.02
