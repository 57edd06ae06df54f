import numpy as np
import pytest
import xarray as xr

from twinbayes.checks import concordance
from twinbayes.checks.scores.table import concordance_check
from twinbayes.errors import CohortError, OptionError
from twinbayes.estimators import (
    CountingProcess,
    competing_process,
    reverse_kaplan_meier,
    survival_process,
)

RNG = np.random.default_rng(10)
RISK = RNG.normal(size=120).round(1)  # rounded: some ties
DEATH, LOSS = RNG.exponential(np.exp(-RISK)), RNG.exponential(2.0, 120)
TIME = np.ceil(np.minimum(DEATH, LOSS) * 20)  # rounded: tied days
EVENT = DEATH <= LOSS


def by_pairs(time: np.ndarray, cause: np.ndarray, risk: np.ndarray, weighted: bool) -> float:
    """The definition, pair by pair (Wolbers et al. 2014)."""
    seen = reverse_kaplan_meier(time, cause > 0).before(time)
    agree = total = 0.0
    for i in np.flatnonzero(cause == 1):
        for j in range(time.size):
            if time[j] > time[i] or (time[j] == time[i] and cause[j] == 0):
                w = seen[i] ** -2.0 if weighted else 1.0
            elif cause[j] == 2 and time[j] <= time[i]:
                w = 1 / (seen[i] * seen[j]) if weighted else 1.0
            else:
                continue
            total += w
            agree += w * ((risk[i] > risk[j]) + 0.5 * (risk[i] == risk[j]))
    return agree / total


def test_four_patients_by_hand() -> None:
    own = survival_process([1.0, 2.0, 3.0, 4.0], [True, False, True, True])
    # comparable: (1,2) (1,3) (1,4) (3,4); agreeing: all but (1,4), where the scores tie
    found = concordance(own, [3.0, 1.0, 2.0, 3.0], "dead")
    assert found.value == pytest.approx((1 + 1 + 0.5 + 0) / 4)


@pytest.mark.parametrize("weights", ["harrell", "uno"])
def test_it_equals_the_definition_pair_by_pair(weights: str) -> None:
    found = concordance(survival_process(TIME, EVENT), RISK, "dead", weights=weights)
    assert found.value == pytest.approx(by_pairs(TIME, EVENT * 1, RISK, weights == "uno"))


@pytest.mark.parametrize("weights", ["harrell", "uno"])
def test_a_patient_with_a_competing_event_is_a_control_for_ever(weights: str) -> None:
    cause = np.where(EVENT, 1 + (RNG.random(120) < 0.4), 0)
    own = competing_process(TIME, cause, causes=("relapse", "death"))
    found = concordance(own, RISK, "relapse", weights=weights)
    assert found.value == pytest.approx(by_pairs(TIME, cause, RISK, weights == "uno"))


def test_it_equals_scikit_survival() -> None:
    sksurv = pytest.importorskip("sksurv.metrics")
    util = pytest.importorskip("sksurv.util")
    time = np.minimum(DEATH, LOSS)
    y = util.Surv.from_arrays(EVENT, time)
    own = survival_process(time, EVENT)
    assert concordance(own, RISK, "dead").value == pytest.approx(
        sksurv.concordance_index_censored(EVENT, time, RISK)[0]
    )
    limit = float(np.quantile(time, 0.8))
    assert concordance(own, RISK, "dead", weights="uno", truncation=limit).value == pytest.approx(
        sksurv.concordance_index_ipcw(y, y, RISK, tau=limit)[0]
    )


@pytest.mark.parametrize(("weights", "limit"), [("harrell", None), ("uno", 2.0)])
def test_the_standard_error_equals_the_spread_over_simulated_cohorts(
    weights: str, limit: float | None
) -> None:
    rng = np.random.default_rng(11)
    found = []
    for _ in range(200):
        risk = rng.normal(size=120)
        death, loss = rng.exponential(np.exp(-risk)), rng.exponential(1.5, 120)
        own = survival_process(np.minimum(death, loss), death <= loss)
        found.append(concordance(own, risk, "dead", weights=weights, truncation=limit))
    spread = np.std([f.value for f in found])
    assert np.mean([f.standard_error for f in found]) == pytest.approx(spread, rel=0.2)


def test_without_comparable_pairs_it_is_not_a_number() -> None:
    found = concordance(survival_process([1.0, 2.0], [False, False]), [1.0, 2.0], "dead")
    assert np.isnan(found.value)
    assert np.isnan(found.interval()).all()


def test_bad_input_is_refused() -> None:
    own = survival_process(TIME, EVENT)
    with pytest.raises(CohortError, match=r"shape \(3,\), expected \(120, 1\)"):
        concordance(own, [1.0, 2.0, 3.0], "dead")
    with pytest.raises(CohortError, match="1 predictions are not finite"):
        concordance(own, np.where(np.arange(120) == 4, np.nan, RISK), "dead")
    with pytest.raises(OptionError, match="'harrell', 'uno'"):
        concordance(own, RISK, "dead", weights="gonen")
    with pytest.raises(OptionError, match="truncation: give one day, not 2"):
        concordance(own, RISK, "dead", truncation=[1.0, 2.0])  # type: ignore[arg-type]
    ill = CountingProcess(
        np.array([0.0, 1]), np.array([1.0, 2]), np.array([0, 1]), np.array([1, 0]), ("a", "b")
    )
    with pytest.raises(OptionError, match="b can be left"):
        concordance(ill, [1.0, 2.0], "b")


def test_where_no_two_patients_can_be_compared_there_is_no_concordance() -> None:
    own = competing_process([2.0, 2.0], [0, 0], causes=["dead"])
    predicted = xr.DataArray(
        np.full((2, 1, 2), 0.5),
        dims=("patient", "time", "state"),
        coords={"patient": own.patients, "time": [1.0], "state": list(own.states)},
    )
    result = concordance_check(predicted, own, ["dead"], 1.0)
    assert result.verdict == "not_provided"
    assert "nan" not in result.text
