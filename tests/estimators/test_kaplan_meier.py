from typing import Any

import numpy as np
import pytest
from statsmodels.duration.survfunc import SurvfuncRight

from twinbayes.errors import CohortError, OptionError
from twinbayes.estimators import kaplan_meier, reverse_kaplan_meier

TIME = [1, 2, 2, 3, 4, 5]
EVENT = [1, 1, 0, 1, 0, 1]


def test_the_curve_equals_the_table_computed_by_hand() -> None:
    curve = kaplan_meier(TIME, EVENT)
    assert curve.n_risk.tolist() == [6, 5, 3, 2, 1]
    assert curve.survival == pytest.approx([5 / 6, 2 / 3, 4 / 9, 4 / 9, 0])
    # Greenwood at day 3: S² (1/(6·5) + 1/(5·4) + 1/(3·2)) = S² / 4
    assert curve.standard_error[2] == pytest.approx(4 / 9 / 2)
    assert curve.at([0, 1, 1.5, 2.999, 3]) == pytest.approx([1, 5 / 6, 5 / 6, 2 / 3, 4 / 9])
    assert curve.before([1, 2]) == pytest.approx([1, 5 / 6])
    assert curve.quantile(0.5) == 3
    assert curve.quantile(0.3) == 2
    table = curve.table([2.5, 6.0])
    assert table["n_risk"].tolist() == [3, 0]


def test_the_bands_follow_their_formulae() -> None:
    z, s, g = 1.959963984540054, 4 / 9, 0.5
    log_log = kaplan_meier(TIME, EVENT).table([3.0]).iloc[0]
    assert log_log["lower"] == pytest.approx(s ** np.exp(z * g / -np.log(s)))
    assert log_log["upper"] == pytest.approx(s ** np.exp(-z * g / -np.log(s)))
    plain = kaplan_meier(TIME, EVENT, band="plain").table([3.0]).iloc[0]
    assert plain["lower"] == pytest.approx(s - z * g * s)
    assert plain["upper"] == pytest.approx(s + z * g * s)


def test_the_restricted_mean_is_the_area_under_the_curve() -> None:
    mean, error = kaplan_meier(TIME, EVENT).restricted_mean(4.0)
    assert mean == pytest.approx(1 + 5 / 6 + 2 / 3 + 4 / 9)
    remaining = np.array([5 / 6 + 2 / 3 + 4 / 9, 2 / 3 + 4 / 9, 4 / 9])
    assert error == pytest.approx(np.sqrt(np.sum(remaining**2 * [1 / 30, 1 / 20, 1 / 6])))


def test_in_the_reverse_curve_an_event_comes_before_a_censoring_of_its_day() -> None:
    curve = reverse_kaplan_meier(TIME, EVENT)
    assert curve.at([1, 2, 3, 4, 5]) == pytest.approx([1, 3 / 4, 3 / 4, 3 / 8, 3 / 8])


def test_an_event_on_day_zero_counts() -> None:
    assert kaplan_meier([0, 1], [1, 0]).at(0) == pytest.approx(0.5)


def test_a_median_that_is_not_reached_is_nan() -> None:
    assert np.isnan(kaplan_meier([1, 2, 3], [1, 0, 0]).quantile(0.5))


@pytest.mark.parametrize("late", [False, True])
def test_curve_and_errors_equal_statsmodels_also_with_delayed_entry(late: bool) -> None:
    rng = np.random.default_rng(1)
    time, event = rng.integers(5, 60, 300).astype(float), rng.random(300) < 0.6
    entry = rng.integers(0, 5, 300).astype(float) if late else None
    ours = kaplan_meier(time, event, entry=entry)
    theirs = SurvfuncRight(time, event.astype(int), entry=entry)
    last = theirs.surv_prob > 0
    at = ours.table(theirs.surv_times[last])
    assert at["survival"].to_numpy() == pytest.approx(theirs.surv_prob[last])
    assert at["standard_error"].to_numpy() == pytest.approx(theirs.surv_prob_se[last])
    assert at["n_risk"].to_numpy() == pytest.approx(theirs.n_risk[last])


def test_bad_input_and_options_are_refused() -> None:
    with pytest.raises(CohortError, match="1 rows have a 'time' that is negative, first at row 1"):
        kaplan_meier([1, -2], [1, 0])
    with pytest.raises(CohortError, match="not after entry"):
        kaplan_meier([1, 2], [1, 0], entry=[0, 2])
    with pytest.raises(CohortError, match="shapes"):
        kaplan_meier([1, 2], [1])
    with pytest.raises(CohortError, match="empty"):
        kaplan_meier([], [])
    with pytest.raises(OptionError, match="'log-log', 'plain'"):
        kaplan_meier(TIME, EVENT, band="logit")
    with pytest.raises(OptionError, match="probability"):
        kaplan_meier(TIME, EVENT, level=95)


def test_the_curve_is_the_published_one_of_a_trial_in_leukaemia() -> None:
    # Weeks in remission under 6-mercaptopurine (Freireich et al. 1963); survival and Greenwood
    # errors as printed by Klein & Moeschberger 2003, table 4.1.
    time = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
    event = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
    curve = kaplan_meier(time, event)
    table = curve.table([6, 7, 10, 13, 16, 22, 23])
    printed = [0.857, 0.807, 0.753, 0.690, 0.628, 0.538, 0.448]
    errors = [0.076, 0.087, 0.096, 0.107, 0.114, 0.128, 0.135]
    assert table["survival"].to_numpy() == pytest.approx(printed, abs=6e-4)
    assert table["standard_error"].to_numpy() == pytest.approx(errors, abs=6e-4)
    # The area by hand: weeks at each height.
    weeks, heights = [6, 1, 3, 3, 3, 6, 1, 12], [1.0, *table["survival"]]
    assert curve.restricted_mean(35.0)[0] == pytest.approx(np.dot(weeks, heights))
    with pytest.raises(OptionError, match="nobody was followed until day 36"):
        curve.restricted_mean(36.0)


@pytest.mark.parametrize(
    "value", ["a", None, [0.5], 1j, np.nan, True, 10**400, np.array([0.5, 0.6])]
)
def test_what_is_no_probability_is_refused(value: Any) -> None:
    for ask in (
        lambda: kaplan_meier(TIME, EVENT, level=value),
        lambda: reverse_kaplan_meier(TIME, EVENT, level=value),
        lambda: kaplan_meier(TIME, EVENT).quantile(value),
    ):
        with pytest.raises(OptionError, match="is not a probability between 0 and 1"):
            ask()


def test_what_is_no_day_or_no_band_is_refused() -> None:
    curve = kaplan_meier(TIME, EVENT)
    with pytest.raises(OptionError, match="restricted mean: give one day, not 2"):
        curve.restricted_mean([1, 2])  # type: ignore[arg-type]
    for ask in (curve.at, curve.before, curve.table):
        for days in ("x", None, [1.0, np.nan], [[1], [1, 2]], {}):
            with pytest.raises(OptionError):
                ask(days)  # type: ignore[operator]
    with pytest.raises(OptionError, match="'log-log', 'plain'"):
        kaplan_meier(TIME, EVENT, band=np.array(["plain", "plain"]))  # type: ignore[arg-type]
