import numpy as np
import pytest

from twinbayes.checks import predictive_cross_entropy
from twinbayes.errors import CohortError, OptionError
from twinbayes.estimators import competing_process, survival_process

UNREAD = np.nan


def test_four_patients_by_hand() -> None:
    # Horizon 4: an event on day 1, one censored on day 2, an event after the horizon, one on it.
    own = survival_process([1.0, 2.0, 6.0, 4.0], [True, False, True, True])
    free, density = [UNREAD, 0.8, 0.5, UNREAD], [0.2, UNREAD, UNREAD, 0.1]
    found = predictive_cross_entropy(own, free, density, 4.0)
    assert found.value == pytest.approx(-np.log([0.2, 0.8, 0.5, 0.1]).mean())
    assert found.standard_error == pytest.approx(np.log([0.2, 0.8, 0.5, 0.1]).std() / 2)


def test_under_competing_risks_it_is_the_cause_specific_likelihood() -> None:
    rng = np.random.default_rng(40)
    rate = np.array([0.5, 0.2])
    waits = rng.exponential(1 / rate, size=(400, 2))
    loss = rng.uniform(0.5, 4.0, 400)
    time = np.minimum(waits.min(axis=1), loss)
    cause = np.where(loss < waits.min(axis=1), 0, waits.argmin(axis=1) + 1)
    own = competing_process(time, cause, causes=("relapse", "death"))
    horizon = 2.0
    seen = np.minimum(time, horizon)
    free = np.exp(-rate.sum() * seen)
    density = rate[np.maximum(cause, 1) - 1] * free
    found = predictive_cross_entropy(own, free, density, horizon)
    # The log-likelihood of constant hazards: events times log rate, minus rate times time at risk.
    before = time <= horizon
    counts = [(before & (cause == k)).sum() for k in (1, 2)]
    wanted = counts @ np.log(rate) - rate.sum() * seen.sum()
    assert found.value == pytest.approx(-wanted / 400)


def test_its_expectation_under_the_truth_is_the_entropy() -> None:
    # Exponential times without censoring or horizon: 1 - log(rate).
    rng = np.random.default_rng(41)
    time = rng.exponential(1 / 0.3, 20_000)
    own = survival_process(time, np.ones(20_000))
    found = predictive_cross_entropy(own, np.exp(-0.3 * time), 0.3 * np.exp(-0.3 * time), 1e6)
    assert abs(found.value - (1 - np.log(0.3))) < 3 * found.standard_error


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_wrong_model_scores_worse_by_its_divergence(factor: float) -> None:
    rng = np.random.default_rng(42)
    rate = np.exp(0.5 * rng.normal(size=5000))
    death, loss = rng.exponential(1 / rate), rng.exponential(2.0, 5000)
    time = np.minimum(death, loss)
    own = survival_process(time, death <= loss)
    seen, horizon = np.minimum(time, 1.5), 1.5

    def score(hazard: np.ndarray):  # type: ignore[no-untyped-def]
        free = np.exp(-hazard * seen)
        return predictive_cross_entropy(own, free, hazard * free, horizon)

    worse = score(factor * rate).minus(score(rate))
    assert worse.interval()[0] > 0
    # Kullback-Leibler: each event costs log(1/factor), each expected event factor - 1.
    expected = -np.expm1(-(rate + 0.5) * horizon) * rate / (rate + 0.5)
    divergence = np.mean(expected) * (factor - 1 - np.log(factor))
    assert abs(worse.value - divergence) < 3 * worse.standard_error


def test_in_years_it_is_less_by_the_log_of_the_unit_for_each_event() -> None:
    free, density = np.array([0.9, 0.8]), np.array([1e-3, 1e-3])
    days = survival_process([100.0, 400.0], [True, False])
    years = survival_process([100 / 365.25, 400 / 365.25], [True, False])
    gap = (
        predictive_cross_entropy(days, free, density, 365.25).value
        - predictive_cross_entropy(years, free, density * 365.25, 1.0).value
    )
    assert gap == pytest.approx(np.log(365.25) / 2)


def test_what_a_forecast_ruled_out_costs_everything() -> None:
    own = survival_process([1.0, 2.0], [True, False])
    found = predictive_cross_entropy(own, [0.5, 0.5], [0.0, 0.1], 3.0)
    assert found.value == np.inf
    assert np.isnan(found.interval()).all()


def test_bad_input_is_refused() -> None:
    own = survival_process([1.0, 2.0], [True, False])
    with pytest.raises(CohortError, match=r"density has shape \(3,\), expected \(2,\)"):
        predictive_cross_entropy(own, [0.5, 0.5], [0.1, 0.1, 0.1], 3.0)
    with pytest.raises(CohortError, match="1 densities are not finite"):
        predictive_cross_entropy(own, [0.5, 0.5], [UNREAD, 0.1], 3.0)
    with pytest.raises(CohortError, match="1 predictions are not finite"):
        predictive_cross_entropy(own, [0.5, UNREAD], [0.1, 0.1], 3.0)
    with pytest.raises(OptionError, match="1 densities are negative"):
        predictive_cross_entropy(own, [0.5, 0.5], [-0.1, 0.1], 3.0)
    with pytest.raises(OptionError, match="not probabilities"):
        predictive_cross_entropy(own, [0.5, 1.5], [0.1, 0.1], 3.0)
    with pytest.raises(OptionError, match="not after the landmark"):
        predictive_cross_entropy(own, [0.5, 0.5], [0.1, 0.1], 0.0)
    late = survival_process([2.0, 3.0], [True, False], entry=[0.0, 1.0])
    with pytest.raises(CohortError, match="1 entered later"):
        predictive_cross_entropy(late, [0.5, 0.5], [0.1, 0.1], 2.5)
