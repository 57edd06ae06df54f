from collections.abc import Callable

import numpy as np
import pytest

from twinbayes.estimators import CountingProcess, aalen_johansen, pseudo_values

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
