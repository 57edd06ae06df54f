import time as clock
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from statsmodels.duration.survfunc import CumIncidenceRight

from twinbayes.errors import CohortError, OptionError
from twinbayes.estimators import (
    CountingProcess,
    aalen_johansen,
    competing_process,
    kaplan_meier,
    landmark_aalen_johansen,
    nelson_aalen,
    pseudo_values,
    restricted_mean_time,
    survival_process,
    transition_probabilities,
)

Simulator = Callable[..., CountingProcess]


def test_state_occupation_equals_the_product_computed_by_hand() -> None:
    # Four patients: 0→1 at 1, 0→2 at 2, censored in 0 at 3, and 0→1 at 4; the first dies at 3.
    own = CountingProcess(
        np.array([0.0, 1, 0, 0, 0, 4]), np.array([1.0, 3, 2, 3, 4, 5]),
        np.array([0, 1, 0, 0, 0, 1]), np.array([1, 2, 2, -1, 1, -1]),
        ("well", "ill", "dead"), np.array(["a", "a", "b", "c", "d", "d"]),
    )  # fmt: skip
    found = aalen_johansen(own)
    # day 1: 1/4 move to ill; day 2: 1/3 of 3/4 die; day 3: all ill die; day 4: all well fall ill
    wanted = [[1, 0, 0], [0.75, 0.25, 0], [0.5, 0.25, 0.25], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    assert found.time.tolist() == [0, 1, 2, 3, 4]
    assert found.probability == pytest.approx(np.array(wanted))
    hazards = nelson_aalen(own).set_index(["transition", "time"])["cumulative_hazard"]
    assert hazards["well->ill", 4.0] == pytest.approx(1 / 4 + 1)
    assert hazards["well->dead", 2.0] == pytest.approx(1 / 3)
    table = restricted_mean_time(own, 5.0).set_index("state")["restricted_mean_time"]
    assert table.to_dict() == pytest.approx({"well": 2.75, "ill": 1.0, "dead": 1.25})


def test_with_one_transition_it_is_kaplan_meier_with_greenwood() -> None:
    rng = np.random.default_rng(2)
    time, event = rng.integers(1, 50, 200).astype(float), rng.random(200) < 0.5
    curve, own = kaplan_meier(time, event), survival_process(time, event)
    days = np.arange(0.0, 48.0)
    found = aalen_johansen(own).dataset(days).sel(state="alive")
    assert found["probability"].to_numpy() == pytest.approx(curve.at(days))
    errors = curve.table(days)["standard_error"].to_numpy()
    assert found["standard_error"].to_numpy() == pytest.approx(errors)
    mean, error = curve.restricted_mean(30.0)
    row = restricted_mean_time(own, 30.0).iloc[0]
    assert row["restricted_mean_time"] == pytest.approx(mean)
    assert row["standard_error"] == pytest.approx(error)


def test_cumulative_incidence_equals_statsmodels() -> None:
    rng = np.random.default_rng(3)
    time, cause = rng.integers(1, 40, 250).astype(float), rng.integers(0, 3, 250)
    theirs = CumIncidenceRight(time, cause)
    found = aalen_johansen(competing_process(time, cause, causes=("one", "two")))
    for k in (0, 1):
        assert found.at(theirs.times)[:, k + 1] == pytest.approx(theirs.cinc[k])


def test_errors_equal_those_of_many_simulated_cohorts(illness_death: Simulator) -> None:
    found = [aalen_johansen(illness_death(80, seed)).dataset([1.5]) for seed in range(150)]
    estimates = np.stack([f["probability"].to_numpy()[0] for f in found])
    errors = np.stack([f["standard_error"].to_numpy()[0] for f in found])
    assert errors.mean(axis=0) == pytest.approx(estimates.std(axis=0), rel=0.2)
    times = [restricted_mean_time(illness_death(80, seed), 1.5) for seed in range(150)]
    means = np.stack([t["restricted_mean_time"] for t in times])
    errors = np.stack([t["standard_error"] for t in times])
    assert errors.mean(axis=0) == pytest.approx(means.std(axis=0), rel=0.2)


def test_probabilities_sum_to_one_and_their_errors_cancel(illness_death: Simulator) -> None:
    found = aalen_johansen(illness_death(60, 4))
    assert found.probability.sum(axis=1) == pytest.approx(np.ones(found.time.size))
    assert np.abs(found.covariance.sum(axis=2)).max() < 1e-12
    sums = restricted_mean_time(illness_death(60, 4), 2.0)["restricted_mean_time"].sum()
    assert sums == pytest.approx(2.0)


def test_transition_probabilities_multiply_over_time(illness_death: Simulator) -> None:
    own = illness_death(200, 5)
    first = transition_probabilities(own, 0.0, [1.0])["probability"].to_numpy()[:, 0]
    second = transition_probabilities(own, 1.0, [2.0])["probability"].to_numpy()[:, 0]
    both = transition_probabilities(own, 0.0, [2.0])["probability"].to_numpy()[:, 0]
    assert first @ second == pytest.approx(both)


def test_an_estimated_start_brings_its_multinomial_error() -> None:
    own = CountingProcess(
        np.zeros(4), np.array([5.0, 6, 7, 8]), np.array([0, 0, 0, 1]), np.array([2, 2, -1, 2]),
        ("well", "ill", "dead"),
    )  # fmt: skip
    found = aalen_johansen(own).dataset([1.0]).isel(time=0)
    assert found["probability"].to_numpy() == pytest.approx([0.75, 0.25, 0])
    assert found["standard_error"].to_numpy() == pytest.approx(
        [np.sqrt(0.75 * 0.25 / 4), np.sqrt(0.75 * 0.25 / 4), 0]
    )
    known = aalen_johansen(own, initial=[0.75, 0.25, 0]).dataset([1.0])
    assert known["standard_error"].to_numpy() == pytest.approx(np.zeros((1, 3)))


def test_a_landmark_uses_only_the_patients_in_the_state(illness_death: Simulator) -> None:
    own = illness_death(150, 6)
    found = landmark_aalen_johansen(own, 1.0, "ill")
    here = own.patients[own.state_at(1.0) == 1]
    alone = aalen_johansen(own.of_patients(here).since(1.0), origin=1.0, initial="ill")
    assert found.at([2.0]) == pytest.approx(alone.at([2.0]))
    assert found.at([1.0])[0] == pytest.approx([0, 1, 0])
    with pytest.raises(CohortError, match="nobody is in state 'ill' on day 99"):
        landmark_aalen_johansen(own, 99.0, "ill")


def test_the_cloglog_band_stays_inside_and_around_the_estimate(illness_death: Simulator) -> None:
    found = aalen_johansen(illness_death(40, 7), band="cloglog")
    inner = (found.probability > 0) & (found.probability < 1)
    assert (found.lower[inner] > 0).all()
    assert (found.upper[inner] < 1).all()
    assert (found.lower <= found.probability + 1e-12).all()
    assert (found.upper >= found.probability - 1e-12).all()
    p, s = found.probability[10, 2], found.standard_error[10, 2]
    half = 1.959963984540054 * s / ((1 - p) * -np.log1p(-p))
    assert found.upper[10, 2] == pytest.approx(1 - (1 - p) ** np.exp(half))


def test_late_entry_counts_only_from_entry_on() -> None:
    # The second patient, unseen before day 2, cannot be at risk of the event on day 1.
    own = survival_process([1.0, 3.0, 4.0], [True, True, False], entry=[0.0, 2.0, 0.0])
    found = aalen_johansen(own, initial="alive")
    assert found.at([1.0, 3.0])[:, 0] == pytest.approx([1 / 2, 1 / 4])


def test_bad_options_are_refused(illness_death: Simulator) -> None:
    own = illness_death(10, 8)
    with pytest.raises(OptionError, match="'plain', 'cloglog'"):
        aalen_johansen(own, band="log")
    with pytest.raises(OptionError, match="sum to 1"):
        aalen_johansen(own, initial=[0.5, 0.2, 0.2])
    with pytest.raises(OptionError, match="level"):
        aalen_johansen(own, level=2)
    with pytest.raises(OptionError, match=r"0 is not a day from the origin \(0.1\) on"):
        aalen_johansen(own, origin=0.1, initial="well").at([0.0])
    with pytest.raises(CohortError, match="give the initial distribution"):
        aalen_johansen(replace(own, start=own.start + 0.01, stop=own.stop + 0.01))


@pytest.mark.parametrize("value", ["x", None, [1, 2], [], 1j, np.nan, True, 10**400], ids=str)
def test_what_is_no_day_and_no_level_is_refused(value: Any) -> None:
    own = survival_process([1.0, 2.0, 3.0], [1, 0, 1])
    for ask in (
        lambda: aalen_johansen(own, origin=value),
        lambda: aalen_johansen(own, level=value),
        lambda: landmark_aalen_johansen(own, value, 0),
        lambda: landmark_aalen_johansen(own, 0.0, 0, level=value),
        lambda: nelson_aalen(own, origin=value),
        lambda: transition_probabilities(own, value, [1.0]),
        lambda: restricted_mean_time(own, 2.0, origin=value),
        lambda: restricted_mean_time(own, value),
        lambda: pseudo_values(own, 2.0, origin=value),
        lambda: pseudo_values(own, value),
    ):
        with pytest.raises(OptionError):
            ask()


def test_what_is_no_process_and_no_start_is_refused() -> None:
    own: Any = survival_process([1.0, 2.0, 3.0], [1, 0, 1])
    for other in (None, "x", [1, 2], own.start):
        for ask in (aalen_johansen, nelson_aalen):
            with pytest.raises(OptionError, match="give a CountingProcess"):
                ask(other)
        for ask in (restricted_mean_time, pseudo_values):
            with pytest.raises(OptionError, match="give a CountingProcess"):
                ask(other, 1.0)
        with pytest.raises(OptionError, match="give a CountingProcess"):
            landmark_aalen_johansen(other, 1.0, 0)
        with pytest.raises(OptionError, match="give a CountingProcess"):
            transition_probabilities(other, 0.0, [1.0])
    for initial in ([0.5, "x"], [0.5], [np.nan, 1.0], {}, 1j):
        with pytest.raises(OptionError):
            aalen_johansen(own, initial=initial)
    for initial in (True, "zz", 2):
        with pytest.raises(CohortError, match="state"):
            aalen_johansen(own, initial=initial)


def test_fifteen_hundred_patients_take_less_than_fifty_milliseconds(
    illness_death: Simulator,
) -> None:
    own = illness_death(1540, 9)
    spent = []
    for _ in range(5):
        begin = clock.process_time()
        aalen_johansen(own)
        spent.append(clock.process_time() - begin)
    assert min(spent) < 0.05
