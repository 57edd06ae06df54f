"""Updates: what is new counts once, nothing else moves, and bad input is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from twinbayes.cohort import Cohort
from twinbayes.errors import CohortError, ModelError, TwinbayesError, TwinError
from twinbayes.inference import Fit
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.twin import Twin

YEAR = DAYS_PER_YEAR


def visit(day: float, value: float = 2.0, **more: Any) -> pd.DataFrame:
    return pd.DataFrame([{"day": day, "marker": "bilirubin", "value": value, **more}])


def later(cohort: Cohort, after: float, until: float) -> pd.DataFrame:
    assert cohort.visits is not None
    visits = cohort.visits
    return visits[(visits["day"] > after) & (visits["day"] <= until)]


def numbers(twin: Twin) -> xr.Dataset:
    """Forecast without what tells of the way there."""
    out = twin.forecast(2.0 * YEAR, 4).drop_vars("needs_refit")
    out.attrs.pop("warning", None)
    return out


@pytest.mark.requirement("R-044")
def test_an_updated_stranger_equals_one_built_anew_to_the_last_bit(
    joint_fit: Fit, strangers: Cohort
) -> None:
    for patient in strangers.patient_ids:
        one = strangers.select([patient])
        last = float(one.events["day"].iloc[0])
        day = 0.9 * last
        updated = joint_fit.twin(one, at=0.2 * last).update(later(one, 0.2 * last, day), day=day)
        anew = joint_fit.twin(one, at=day)
        xr.testing.assert_identical(numbers(updated), numbers(anew))
        a, b = updated.reliability(), anew.reliability()
        pd.testing.assert_frame_equal(a[["pareto_k", "ess"]], b[["pareto_k", "ess"]])


def test_two_updates_equal_one(joint_fit: Fit, strangers: Cohort) -> None:
    one = strangers.select(["q01"])
    start = joint_fit.twin(one, at=0.5 * YEAR)
    first = start.update(visit(1.1 * YEAR))
    both = first.update(visit(1.9 * YEAR, 3.0))
    at_once = start.update(pd.concat([visit(1.9 * YEAR, 3.0), visit(1.1 * YEAR)]))
    xr.testing.assert_identical(numbers(both), numbers(at_once))


def test_a_batch_update_equals_single_ones_and_leaves_the_others_alone(
    joint_fit: Fit, strangers: Cohort
) -> None:
    many = joint_fit.twin(strangers, at=0.5 * YEAR)
    new = pd.concat([visit(1.2 * YEAR, 3.0, patient_id=p) for p in ("q03", "q01")])
    updated = many.update(new)
    alone = joint_fit.twin(strangers.select(["q03"]), at=0.5 * YEAR).update(visit(1.2 * YEAR, 3.0))
    k = strangers.patient_ids.index("q03")
    xr.testing.assert_identical(numbers(updated).isel(patient=[k]), numbers(alone))
    same = [i for i, p in enumerate(strangers.patient_ids) if p not in ("q03", "q01")]
    xr.testing.assert_identical(
        numbers(updated).isel(patient=same), numbers(many).isel(patient=same)
    )


def test_an_update_leaves_the_twin_as_it_was(joint_fit: Fit) -> None:
    twin = joint_fit.twin("p02")
    before = numbers(twin)
    assert twin.cohort.visits is not None
    rows = len(twin.cohort.visits)
    updated = twin.update(visit(twin.present[0].day + 30.0))
    assert updated is not twin
    assert len(twin.cohort.visits) == rows
    xr.testing.assert_identical(before, numbers(twin))
    assert updated.present[0].day == twin.present[0].day + 30.0


def test_what_the_fit_has_seen_already_does_not_count_twice(joint_fit: Fit) -> None:
    last = joint_fit.twin("p02").present[0].day
    one = joint_fit.cohort.select(["p02"])
    start = joint_fit.twin("p02", at=0.3 * last)
    part = start.update(later(one, 0.3 * last, 0.9 * last), day=0.9 * last)
    xr.testing.assert_identical(numbers(part), numbers(joint_fit.twin("p02", at=0.9 * last)))
    end = one.events[["day", "event"]]
    whole = start.update(later(one, 0.3 * last, last), events=end)
    assert whole.patient_draws(0).weights is None
    xr.testing.assert_identical(numbers(whole), numbers(joint_fit.twin("p02")))


def test_a_patient_of_the_fit_is_weighted_by_what_is_new(joint_fit: Fit) -> None:
    """New over old evidence; systematic resampling keeps means close to the weighted ones."""
    alive = joint_fit.cohort.events.query("event == 'last_contact'")["patient_id"].iloc[0]
    twin = joint_fit.twin(alive)
    updated = twin.update(visit(twin.present[0].day + 100.0, 4.0))
    log = updated.record_log_marginal(0) - twin.record_log_marginal(0)
    weight = np.exp(log - log.max())
    weights = updated.patient_draws(0).weights
    assert weights is not None
    sigma = twin.curve_population.parameter[0, 0]  # type: ignore[union-attr]
    wanted = (weight * sigma).sum() / weight.sum()
    assert sigma[weights.index].mean() == pytest.approx(wanted, rel=0.02)


def test_a_death_ends_the_forecast(joint_fit: Fit, strangers: Cohort) -> None:
    twin = joint_fit.twin(strangers.select(["q01"]), at=YEAR)
    died = twin.update(events=pd.DataFrame({"day": [1.5 * YEAR], "event": ["death"]}))
    assert died.present[0].state == "dead"
    assert died.present[0].day == 1.5 * YEAR
    assert float(died.forecast(YEAR, 2)["survival"].max()) == 0.0
    with pytest.raises(TwinError, match="after the patient's death"):
        died.update(visit(1.6 * YEAR))


def test_being_seen_alive_is_news(joint_fit: Fit, strangers: Cohort) -> None:
    twin = joint_fit.twin(strangers.select(["q01"]), at=YEAR)
    seen = twin.update(events=pd.DataFrame({"day": [2.5 * YEAR], "event": ["last_contact"]}))
    assert seen.present[0].day == 2.5 * YEAR
    assert not np.array_equal(seen.record_log_marginal(0), twin.record_log_marginal(0))


def test_an_old_result_that_comes_late_does_not_turn_back_the_landmark(
    joint_fit: Fit, strangers: Cohort
) -> None:
    twin = joint_fit.twin(strangers.select(["q01"]), at=1.5 * YEAR)
    updated = twin.update(visit(1.2 * YEAR))
    assert updated.present[0].day == 1.5 * YEAR


def test_a_surprising_visit_is_told_in_standard_deviations_and_asks_for_a_refit(
    joint_fit: Fit, strangers: Cohort
) -> None:
    twin = joint_fit.twin(strangers.select(["q01"]), at=1.5 * YEAR)
    curves = twin.curves(0)
    path = curves.marker("bilirubin", np.array([2.0 * YEAR]))[0]
    sigma = curves.population.parameter[0, 0] * curves.population.learnt.markers[0].scale
    sd = np.sqrt(path.var() + np.mean(sigma**2))
    for z in (1.5, -6.0):
        updated = twin.update(visit(2.0 * YEAR, float(np.exp(path.mean() + z * sd))))
        row = updated.reliability().iloc[0]
        assert row["surprise"] == pytest.approx(abs(z), rel=1e-6)
        forecast = updated.forecast(YEAR, 2)
        assert bool(forecast["needs_refit"][0]) == row["needs_refit"]
        if z == -6.0:
            assert row["needs_refit"]
            assert "standard deviations off" in row["reason"]
            assert forecast.attrs["warning"].startswith("NEEDS REFIT: 1 of 1")
            again = updated.update(visit(2.1 * YEAR, float(np.exp(path.mean()))))
            assert again.reliability()["surprise"].iloc[0] >= 5.9
    assert np.isnan(twin.reliability()["surprise"].iloc[0])


def test_time_beyond_the_follow_up_of_the_fit_asks_for_a_refit(joint_fit: Fit) -> None:
    alive = joint_fit.cohort.events.query("event == 'last_contact'")["patient_id"].iloc[0]
    far = joint_fit.twin(alive).update(visit(30 * YEAR)).reliability().iloc[0]
    assert far["needs_refit"]
    assert "longest follow-up" in far["reason"]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "nothing new"),
    "no rows": ({"visits": visit(600.0).iloc[:0]}, "nothing new"),
    "before the origin": ({"visits": visit(-1.0)}, "before the patient's origin"),
    "after the landmark": ({"visits": visit(700.0), "day": 650.0}, "after the new landmark"),
    "unknown marker": ({"visits": visit(600.0).assign(marker="q01")}, "not known to the cohort"),
    "unknown patient": ({"visits": visit(600.0, patient_id="secret")}, "not in this twin"),
    "not finite": ({"visits": visit(600.0, np.inf)}, "not a finite number"),
    "missing value": ({"visits": visit(600.0, np.nan)}, "not a finite number"),
    "text": ({"visits": visit(600.0).astype({"value": object}).assign(value="x")}, "finite"),
    "missing day": ({"visits": visit(np.nan)}, "not a finite number"),
    "there already": ({"visits": visit(365.25)}, "there already"),
    "twice": ({"visits": pd.concat([visit(600.0), visit(600.0, 3.0)])}, "an earlier row"),
    "unknown column": ({"visits": visit(600.0, valeu=1.0)}, "1 unknown column"),
    "lacking column": ({"visits": visit(600.0).drop(columns="marker")}, "lacks"),
    "not a frame": ({"visits": [(600.0, 2.0)]}, "must be a DataFrame"),
    "day not finite": ({"visits": visit(600.0), "day": np.nan}, "day must be a finite"),
    "backwards": ({"visits": visit(300.0), "day": 400.0}, "before the landmark"),
    "past death": (
        {"events": pd.DataFrame({"day": [300.0], "event": ["death"]})}, "known to be alive"
    ),
    "after a new death": (
        {"visits": visit(700.0), "events": pd.DataFrame({"day": [650.0], "event": ["death"]})},
        "after the patient's death",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_row_and_remedy_and_no_identifier(
    joint_fit: Fit, strangers: Cohort, case: str
) -> None:
    twin = joint_fit.twin(strangers.select(["q01"]), at=550.0)
    arguments, message = BAD[case]
    with pytest.raises(TwinError, match=message) as caught:
        twin.update(**arguments)
    assert "q01" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"visits": visit(600.0, 0.0)}, ModelError),  # has no logarithm
        ({"visits": visit(600.0, 2.0, censored="below")}, CohortError),
        ({"treatments": pd.DataFrame({"start_day": [600.0], "treatment": ["x"]})}, CohortError),
        ({"events": pd.DataFrame({"day": [600.0], "event": ["relapse"]})}, ModelError),
    ],
)
def test_the_rules_of_the_contract_and_of_the_model_hold_for_new_rows(
    joint_fit: Fit, strangers: Cohort, arguments: dict[str, Any], kind: type[TwinbayesError]
) -> None:
    twin = joint_fit.twin(strangers.select(["q01"]), at=550.0)
    with pytest.raises(kind) as caught:
        twin.update(**arguments)
    assert "q01" not in str(caught.value)
    if kind is CohortError:
        assert "row 2" in str(caught.value)  # as the new table counts


def test_rows_of_several_patients_must_say_whose_they_are(
    joint_fit: Fit, strangers: Cohort
) -> None:
    with pytest.raises(TwinError, match="Say whose rows"):
        joint_fit.twin(strangers, at=550.0).update(visit(600.0))


def test_an_update_of_an_update_of_a_patient_of_the_fit_equals_one_built_anew(
    joint_fit: Fit,
) -> None:
    """The quick way to what the fit has seen leads to the same bits as the long one."""
    alive = joint_fit.cohort.events.query("event == 'last_contact'")["patient_id"].iloc[0]
    twin = joint_fit.twin(alive)
    last = twin.present[0].day
    first = twin.update(visit(last + 50.0, 3.0))
    both = first.update(visit(last + 90.0, 4.0))
    assert both.patient_draws(0).weights is not None
    xr.testing.assert_identical(numbers(both), numbers(joint_fit.twin(both.cohort)))
    xr.testing.assert_identical(numbers(first), numbers(joint_fit.twin(first.cohort)))
