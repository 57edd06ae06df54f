from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from twinbayes.checks import brier_score, concordance, time_dependent_auc
from twinbayes.errors import OptionError
from twinbayes.estimators import CountingProcess, Estimate, competing_process

type Statistic = Callable[[CountingProcess, np.ndarray], Estimate]

STATISTICS: dict[str, Statistic] = {
    "brier": lambda own, p: brier_score(own, p, [1.0], "relapse")[0],
    "auc": lambda own, p: time_dependent_auc(own, p, [1.0], "relapse")[0],
    "auc, event-free controls": lambda own, p: time_dependent_auc(
        own, p, [1.0], "relapse", controls="event_free"
    )[0],
    "harrell": lambda own, p: concordance(own, p, "relapse"),
    "uno": lambda own, p: concordance(own, p, "relapse", weights="uno", truncation=1.2),
}


@pytest.fixture(scope="module")
def cohort() -> tuple[CountingProcess, np.ndarray]:
    rng = np.random.default_rng(90)
    x = rng.normal(size=250)
    waits = rng.exponential(np.stack([np.exp(-x), np.full(250, 3.0)]))
    cause, loss = waits.argmin(axis=0) + 1, rng.exponential(1.2, 250)
    time = np.ceil(40 * np.minimum(waits.min(axis=0), loss)) / 40  # tied days
    cause = np.where(waits.min(axis=0) <= loss, cause, 0)
    p = 1 - np.exp(-0.7 * np.exp(x))
    return competing_process(time, cause, causes=("relapse", "death")), p


@pytest.mark.parametrize("name", STATISTICS)
def test_the_influence_of_a_patient_is_what_leaving_them_out_changes(
    cohort: tuple[CountingProcess, np.ndarray], name: str
) -> None:
    own, p = cohort
    whole = STATISTICS[name](own, p)
    n, patients = p.size, own.patients
    changed = np.empty(n)
    for i in range(n):
        others = np.delete(np.arange(n), i)
        changed[i] = (
            whole.value - STATISTICS[name](own.of_patients(patients[others]), p[others]).value
        )
    jackknife = changed * (n - 1) / n
    assert abs(whole.influence.sum()) < 1e-9
    gap = whole.influence - (jackknife - jackknife.mean())
    # What is left is of second order: a share of one over the number of controls.
    assert np.abs(gap).max() < 0.05 * np.abs(whole.influence).max()
    assert np.std(gap) < 0.05 * np.std(whole.influence)


def test_intervals_are_clipped_to_what_is_possible() -> None:
    wide = Estimate(0.9, np.array([0.2, -0.2]))
    assert wide.interval() == (pytest.approx(0.9 - 1.959964 * np.sqrt(0.08), abs=1e-6), 1.0)
    assert wide.minus(Estimate(0.1, np.zeros(2))).interval()[1] == 1.0
    assert np.isnan(Estimate.undefined(3).interval()).all()


@pytest.mark.parametrize("value", ["x", None, [0.5], 1j, True])
def test_what_is_no_number_no_level_and_no_estimate_is_refused(value: Any) -> None:
    own = Estimate(0.5, np.array([0.1, -0.1]))
    for ask in (
        lambda: Estimate(value, np.zeros(2)),
        lambda: Estimate(0.5, np.zeros(2), low=value),
        lambda: own.interval(value),
        lambda: own.row(value),
        lambda: own.minus(value),
        lambda: Estimate.undefined(value),
    ):
        with pytest.raises(OptionError):
            ask()
    for influence in (value if value != [0.5] else [[0.5]], -1):
        with pytest.raises(OptionError, match="influence"):
            Estimate(0.5, influence)
    with pytest.raises(OptionError, match="whole number"):
        Estimate.undefined(-1)


def test_influences_in_a_list_are_as_good_as_in_an_array() -> None:
    # Squares about the mean: 0.1 and 0.1.
    assert Estimate(0.5, [0.3, 0.1]).standard_error == pytest.approx(np.sqrt(0.02))  # type: ignore[arg-type]
    assert np.isnan(Estimate.undefined(0).standard_error)
