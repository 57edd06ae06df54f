from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from statsmodels.duration.hazard_regression import PHReg

from twinbayes.checks import (
    calibration,
    calibration_by_group,
    calibration_curve,
    calibration_errors,
    hazard_slope,
)
from twinbayes.errors import CohortError, OptionError
from twinbayes.estimators import (
    CountingProcess,
    aalen_johansen,
    competing_process,
    survival_process,
)

Simulator = Callable[..., CountingProcess]
type Cohort = tuple[CountingProcess, np.ndarray, np.ndarray, np.ndarray]


def exponential_cohort(n: int, seed: int) -> Cohort:
    """Process, log hazards, times and events under exponential death and loss."""
    rng = np.random.default_rng(seed)
    x = 0.8 * rng.normal(size=n)
    death, loss = rng.exponential(np.exp(-x)), rng.exponential(2.0, n)
    time, event = np.minimum(death, loss), death <= loss
    return survival_process(time, event), x, time, event


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return exponential_cohort(3000, 40)


def risk(log_hazard: np.ndarray) -> np.ndarray:
    return 1 - np.exp(-np.exp(log_hazard))


def test_true_risks_pass(cohort: Cohort) -> None:
    own, x, _, _ = cohort
    row = calibration(own, risk(x), [1.0], "dead", n_bootstrap=50).table.iloc[0]
    assert row["slope_lower"] < 1 < row["slope_upper"]
    assert row["intercept_lower"] < 0 < row["intercept_upper"]
    assert row["ratio_lower"] < 1 < row["ratio_upper"]
    assert row["ici"] < 0.04
    assert row["e50"] <= row["e90"]
    assert row["ici_lower"] < row["ici"] < row["ici_upper"]


def test_the_errors_alone_are_those_of_the_check(cohort: Cohort) -> None:
    own, x, _, _ = cohort
    p = np.stack([risk(x), risk(x + 0.5)], axis=1)
    columns = ["horizon", "ici", "e50", "e90"]
    wanted = calibration(own, p, [1.0, 1.5], "dead", n_bootstrap=0).table[columns]
    found = calibration_errors(own, p, [1.0, 1.5], "dead")
    np.testing.assert_allclose(found[columns], wanted)


def test_one_prediction_for_all_is_off_by_its_distance_from_the_curve(
    illness_death: Simulator,
) -> None:
    own = illness_death(200, 42)
    row = calibration_errors(own, np.full(200, 0.3), [1.0], "ill").iloc[0]
    wanted = abs(aalen_johansen(own).at([1.0])[0, 1] - 0.3)
    assert row[["ici", "e50", "e90"]].tolist() == pytest.approx([wanted] * 3, abs=1e-6)


@pytest.mark.parametrize("stretch", [0.5, 2.0])
def test_risks_that_are_too_bold_or_too_shy_fail_with_the_inverse_slope(
    cohort: Cohort, stretch: float
) -> None:
    own, x, _, _ = cohort
    result = calibration(own, risk(stretch * x), [1.0], "dead", n_bootstrap=0)
    assert result.verdict == "fail"
    assert result.table["slope"][0] == pytest.approx(1 / stretch, rel=0.1)


def test_risks_that_are_all_too_high_show_in_the_intercept(cohort: Cohort) -> None:
    own, x, _, _ = cohort
    row = calibration(own, risk(x + 0.4), [1.0], "dead", n_bootstrap=0).table.iloc[0]
    assert row["intercept"] == pytest.approx(-0.4, abs=0.1)
    assert row["ratio"] < 0.9
    assert row["slope"] == pytest.approx(1.0, abs=0.1)


def test_a_slope_outside_whose_interval_reaches_in_is_a_warning() -> None:
    own, x, _, _ = exponential_cohort(60, 41)
    result = calibration(own, risk(1.3 * x), [1.0], "dead", n_bootstrap=0)
    row = result.table.iloc[0]
    assert not 0.9 <= row["slope"] <= 1.1
    assert row["slope_upper"] > 0.9
    assert result.verdict == "warn"


def test_the_slope_interval_covers_the_truth_as_often_as_it_says() -> None:
    hits = 0
    for seed in range(200):
        own, x, _, _ = exponential_cohort(300, 500 + seed)
        row = calibration(own, risk(x), [1.0], "dead", n_bootstrap=0).table.iloc[0]
        hits += row["slope_lower"] < 1 < row["slope_upper"]
    assert 0.90 <= hits / 200 <= 0.99


def test_the_observed_mean_is_aalen_johansen_also_for_a_transient_state(
    illness_death: Simulator,
) -> None:
    own = illness_death(200, 42)
    p = np.full(200, 0.3)
    row = calibration(own, p, [1.0], "ill", n_bootstrap=0).table.iloc[0]
    wanted = aalen_johansen(own).at([1.0])[0, 1]
    assert row["observed"] == pytest.approx(wanted)
    # One prediction for all: the shift is what makes the mean right.
    shift = np.log(-np.log1p(-wanted)) - np.log(-np.log1p(-0.3))
    assert row["intercept"] == pytest.approx(shift, abs=1e-6)


def test_the_same_seed_gives_the_same_interval(cohort: Cohort) -> None:
    own, x, _, _ = cohort
    few = own.of_patients(own.patients[:200])
    a, b, c = (
        calibration(few, risk(x[:200]), [1.0], "dead", n_bootstrap=20, seed=s).table["ici_upper"][0]
        for s in (1, 1, 2)
    )
    assert a == b != c


def test_competing_risks_are_calibrated_on_their_own_scale() -> None:
    rng = np.random.default_rng(43)
    x = 0.7 * rng.normal(size=3000)
    rate = np.exp(x)
    death = rng.exponential(1 / (rate + 0.5))
    cause = np.where(rng.random(3000) < rate / (rate + 0.5), 1, 2)
    loss = rng.exponential(2.5, 3000)
    cause = np.where(death <= loss, cause, 0)
    own = competing_process(np.minimum(death, loss), cause, causes=("relapse", "death"))
    truth = rate / (rate + 0.5) * (1 - np.exp(-(rate + 0.5)))
    row = calibration(own, truth, [1.0], "relapse", n_bootstrap=0).table.iloc[0]
    assert row["slope_lower"] < 1 < row["slope_upper"]
    assert row["ratio_lower"] < 1 < row["ratio_upper"]


def test_the_smoothed_curve_follows_the_diagonal_of_true_risks(cohort: Cohort) -> None:
    own, x, _, _ = cohort
    curve = calibration_curve(own, risk(x), 1.0, "dead", grid=[0.3, 0.5, 0.7, 0.9])
    assert (curve["lower"] < curve["predicted"]).all()
    assert (curve["upper"] > curve["predicted"]).all()
    assert len(calibration_curve(own, risk(x), 1.0, "dead")) == 50


def test_groups_by_risk_or_by_label_show_the_curve_of_their_members(cohort: Cohort) -> None:
    own, x, _, _ = cohort
    table = calibration_by_group(own, risk(x), 1.0, "dead", groups=4)
    assert table["n"].tolist() == [750] * 4
    assert table["predicted"].is_monotonic_increasing
    assert ((table["lower"] < table["predicted"]) & (table["predicted"] < table["upper"])).all()
    labels = np.where(x > 0, "high", "low")
    named = calibration_by_group(own, risk(x), 1.0, "dead", groups=labels)
    low = own.of_patients(own.patients[x <= 0])
    assert named["group"].tolist() == ["high", "low"]
    assert named["observed"][1] == pytest.approx(aalen_johansen(low).at([1.0])[0, 1])
    with pytest.raises(CohortError, match="3000 patients"):
        calibration_by_group(own, risk(x), 1.0, "dead", groups=labels[:5])


def test_the_hazard_slope_equals_a_cox_regression_of_statsmodels() -> None:
    _, x, time, event = exponential_cohort(300, 44)
    time = np.ceil(time * 30) / 30  # tied days
    cut, seen = np.minimum(time, 1.0), event & (time <= 1.0)
    theirs = PHReg(cut, x, seen.astype(int), ties="breslow").fit()
    slope, error = hazard_slope(time, event, risk(x), 1.0)
    assert slope == pytest.approx(theirs.params[0], rel=1e-5)
    assert error == pytest.approx(theirs.bse[0], rel=1e-5)


def test_predictions_of_zero_and_one_do_not_break_the_regression(cohort: Cohort) -> None:
    own, x, _, _ = cohort
    p = risk(x)
    p[:3] = (0.0, 1.0, 1.0 + 1e-12)
    table = calibration(own, p, [1.0], "dead", n_bootstrap=0).table
    assert np.isfinite(table.to_numpy(dtype=float)).all()


@pytest.mark.parametrize("reverse", [False, True])
def test_events_exactly_in_the_order_of_the_predictions_have_no_hazard_slope(
    reverse: bool,
) -> None:
    time, event = np.arange(1.0, 9.0), np.array([1, 1, 1, 1, 0, 0, 0, 0])
    p = np.linspace(0.9, 0.2, 8)
    with pytest.raises(CohortError, match="separation: the 4 events come exactly in"):
        hazard_slope(time, event, p[::-1] if reverse else p, 6.0)


def test_a_hazard_slope_needs_events_different_predictions_and_follow_up() -> None:
    time, event, p = [1.0, 2.0, 3.0, 4.0], [0, 1, 1, 0], [0.1, 0.2, 0.3, 0.25]
    with pytest.raises(CohortError, match=r"no event by day 1\.5"):
        hazard_slope(time, event, p, 1.5)
    with pytest.raises(CohortError, match="the same prediction"):
        hazard_slope(time, event, np.full(4, 0.2), 4.0)
    with pytest.raises(CohortError, match="the same prediction"):
        hazard_slope([1.0], [1], [0.2], 1.0)
    with pytest.raises(OptionError, match="nobody was followed until day 9; the last day is 4"):
        hazard_slope(time, event, p, 9.0)
    with pytest.raises(CohortError, match="shapes differ"):
        hazard_slope(time, event[:3], p, 4.0)
    with pytest.raises(CohortError, match="predictions have shape"):
        hazard_slope(time, event, p[:3], 4.0)


def test_a_hazard_slope_far_from_one_is_found() -> None:
    # Predictions that hardly differ; statsmodels finds the slope on the same log hazards.
    _, x, time, event = exponential_cohort(300, 45)
    p = risk(0.002 * x)
    theirs = PHReg(np.minimum(time, 1.0), 0.002 * x, (event & (time <= 1.0)).astype(int)).fit()
    assert abs(theirs.params[0]) > 200
    assert hazard_slope(time, event, p, 1.0)[0] == pytest.approx(theirs.params[0], rel=1e-4)


def test_one_prediction_for_all_has_no_slope_and_does_not_pass(cohort: Cohort) -> None:
    own, x, _, _ = cohort
    mean = float(risk(x).mean())
    result = calibration(own, np.full(3000, mean), [1.0], "dead", n_bootstrap=0)
    assert result.verdict == "not_provided"
    assert np.isnan(result.table["slope"][0])
    assert result.table["ratio"][0] == pytest.approx(1.0, abs=0.05)
    assert "slope at 1 days: the same prediction for everybody" in result.text
    both = np.stack([np.full(3000, mean), risk(x)], axis=1)
    mixed = calibration(own, both, [0.5, 1.0], "dead", n_bootstrap=0, slope_range=(0.5, 1.5))
    assert mixed.verdict == "warn"


def test_separation_nobody_and_everybody_leave_no_slope() -> None:
    own = survival_process(np.arange(1.0, 11.0), np.repeat([1, 0], 5))
    apart = calibration(own, np.linspace(0.9, 0.1, 10), [5.0], "dead", n_bootstrap=0)
    assert apart.verdict == "not_provided"
    assert "separation" in apart.text
    p = np.linspace(0.1, 0.9, 10)
    early = calibration(own, p, [0.5], "dead", n_bootstrap=0)
    assert "nobody was in the target" in early.text
    assert early.table[["slope", "intercept"]].isna().all(axis=None)
    assert early.table["ratio"][0] == 0.0
    all_dead = survival_process(np.arange(1.0, 11.0), np.ones(10))
    late = calibration(all_dead, p, [20.0], "dead", n_bootstrap=0)
    assert "everybody was in the target" in late.text
    assert late.table["ratio"][0] == pytest.approx(2.0)


def test_separation_nobody_everybody_and_one_prediction_leave_no_curve() -> None:
    own = survival_process(np.arange(1.0, 11.0), np.repeat([1, 0], 5))
    p = np.linspace(0.9, 0.1, 10)
    with pytest.raises(CohortError, match="at 5 days: separation"):
        calibration_curve(own, p, 5.0, "dead")
    with pytest.raises(CohortError, match="nobody was in the target"):
        calibration_curve(own, p, 0.5, "dead")
    with pytest.raises(CohortError, match="the same prediction for everybody"):
        calibration_curve(own, np.full(10, 0.3), 4.0, "dead")
    all_dead = survival_process(np.arange(1.0, 11.0), np.ones(10))
    with pytest.raises(CohortError, match="everybody was in the target"):
        calibration_curve(all_dead, p, 20.0, "dead")


def test_an_expectation_of_nothing_has_no_ratio() -> None:
    own = survival_process(np.arange(1.0, 11.0), np.tile([1, 0], 5))
    row = calibration(own, np.zeros(10), [5.0], "dead", n_bootstrap=0).table.iloc[0]
    assert row[["ratio", "ratio_lower", "ratio_upper"]].isna().all()


def test_a_single_patient_is_no_calibration() -> None:
    result = calibration(survival_process([1.0], [1]), [0.4], [1.0], "dead", n_bootstrap=0)
    assert result.verdict == "not_provided"
    assert result.table["ratio"][0] == pytest.approx(2.5)


def test_each_horizon_of_a_calibration_is_judged_by_itself(cohort: Cohort) -> None:
    _, x, time, event = cohort
    own = survival_process(np.minimum(time, 1.5), event & (time <= 1.5))
    p = np.stack([risk(x), risk(x)], axis=1)
    alone = calibration(own, risk(x), [1.0], "dead", n_bootstrap=20).table.iloc[0]
    both = calibration(own, p, [1.0, 2000.0], "dead", n_bootstrap=20)
    assert both.table.iloc[0].to_dict() == pytest.approx(alone.to_dict())
    assert both.table.iloc[1].drop(["horizon", "n"]).isna().all()
    assert "nobody was followed until day 2000" in both.text
    assert both.verdict != "pass"
    for day in (-5.0, np.nan):
        with pytest.raises(OptionError, match="horizons of a calibration"):
            calibration(own, risk(x), [day], "dead")


def test_a_group_that_nobody_was_followed_in_shows_no_number() -> None:
    own = survival_process([1.0, 2.0, 5.0, 6.0], [1, 0, 1, 0])
    table = calibration_by_group(own, [0.4] * 4, 4.0, "dead", groups=["a", "a", "b", "b"])
    assert table["observed"].isna().tolist() == [True, False]
    with pytest.raises(OptionError, match="0 groups of 4 patients"):
        calibration_by_group(own, [0.4] * 4, 4.0, "dead", groups=0)


@pytest.mark.parametrize("odd", ["x", None, [1.0, 0.5], np.nan, True])
def test_what_is_no_level_and_no_day_is_refused(odd: Any) -> None:
    own, x, time, event = exponential_cohort(60, 41)
    for ask in (
        lambda: calibration(own, risk(x), [1.0], "dead", level=odd),
        lambda: calibration_curve(own, risk(x), 1.0, "dead", level=odd),
        lambda: calibration_curve(own, risk(x), odd, "dead"),
        lambda: calibration_by_group(own, risk(x), 1.0, "dead", level=odd),
        lambda: calibration_by_group(own, risk(x), odd, "dead"),
        lambda: hazard_slope(time, event, risk(x), odd),
    ):
        with pytest.raises(OptionError):
            ask()
