"""Numbers of events that recur, expected against counted."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from recurrent import cohort_of, fit_of, spec_of
from twinbayes.checks import mean_count_calibration
from twinbayes.checks.calibration.expected_events import counting_process, observed_and_expected
from twinbayes.cohort import Cohort
from twinbayes.errors import CohortError, OptionError
from twinbayes.estimators import mean_count
from twinbayes.inference import Fit

DAYS = (180.0, 360.0)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return cohort_of(120)


@pytest.fixture(scope="module")
def fit(cohort: Cohort) -> Fit:
    return fit_of(spec_of(), cohort, draws=20)


def counted(cohort: Cohort, patients: list[str]) -> list[float]:
    """Means from the rows of some patients."""
    events = cohort.events[cohort.events["patient_id"].isin(patients)]
    ends = events[events["event"].isin(["death", "last_contact"])].set_index("patient_id")
    some = events[events["event"] == "infection"]
    found = mean_count(
        ends.loc[patients, "day"],
        ends.loc[patients, "event"] == "death",
        some["patient_id"],
        some["day"],
        times=DAYS,
        patient=patients,
    )
    return [e.value for e in found]


def predicted(cohort: Cohort, factor: float, *, only: str = "") -> xr.DataArray:
    """What was counted in all, times a factor, for everybody or one subgroup."""
    ids = list(cohort.patient_ids)
    groups = cohort.patients["subgroup"].to_numpy()
    means = np.array(counted(cohort, ids))
    times = np.where((groups == only) | (only == ""), factor, 1.0)
    values = times[:, None, None] * means[None, :, None]
    return xr.DataArray(
        values,
        dims=("patient", "time", "recurrent_event"),
        coords={
            "patient": ids, "time": list(DAYS), "recurrent_event": ["infection"],
            "subgroup": ("patient", groups),
        },
    )  # fmt: skip


def test_what_was_counted_passes_and_what_is_far_from_it_fails(cohort: Cohort, fit: Fit) -> None:
    right = mean_count_calibration(predicted(cohort, 1.0), fit, times=DAYS)
    whole = right.table[right.table["subgroup"] == "all"]
    np.testing.assert_allclose(whole["observed"], counted(cohort, list(cohort.patient_ids)))
    np.testing.assert_allclose(whole["predicted"], whole["observed"])
    assert whole["inside"].all()
    assert set(right.table["subgroup"]) == {"all", "one", "two"}
    wrong = mean_count_calibration(predicted(cohort, 2.0), fit, times=DAYS)
    assert wrong.verdict == "fail"
    assert "events a patient expected" in wrong.text
    one = mean_count_calibration(predicted(cohort, 2.0, only="two"), fit, times=DAYS)
    outside = one.table[~one.table["inside"]]
    assert "two" in set(outside["subgroup"])


def test_days_beyond_the_follow_up_are_not_provided(cohort: Cohort, fit: Fit) -> None:
    late = predicted(cohort, 1.0).assign_coords(time=[180.0, 5000.0])
    found = mean_count_calibration(late, fit, times=(180.0, 5000.0))
    assert "all at 5000" in found.text
    assert set(found.table["time"]) == {180.0}
    none = mean_count_calibration(late, fit, times=(5000.0,))
    assert none.verdict == "not_provided"


def test_events_that_recur_leave_patients_where_they_are() -> None:
    fit = fit_of(spec_of(), cohort_of(40))
    process = counting_process(fit)
    assert set(np.unique(process.to_state)) <= {-1, 1}
    deaths = int((fit.cohort.events["event"] == "death").sum())
    assert int((process.to_state == 1).sum()) == deaths
    observed, expected = observed_and_expected(fit)
    infections = int((fit.cohort.events["event"] == "infection").sum())
    assert float(observed.sel(transition="well->well").sum()) == infections
    assert float(expected.sel(transition="well->well").sum()) > 0


def test_a_death_that_the_model_does_not_know_ends_the_follow_up_alone() -> None:
    """In a model without death the count is that of those who are still followed."""
    cohort = cohort_of(120)
    fit = fit_of(spec_of(dies=False), cohort, draws=20)
    found = mean_count_calibration(predicted(cohort, 1.0), fit, times=DAYS).table
    events = cohort.events
    ends = events[events["event"].isin(["death", "last_contact"])]
    some = events[events["event"] == "infection"]
    right = mean_count(
        ends["day"], np.zeros(len(ends)), some["patient_id"], some["day"], times=DAYS,
        patient=ends["patient_id"],
    )  # fmt: skip
    whole = found[found["subgroup"] == "all"]
    np.testing.assert_allclose(whole["observed"], [e.value for e in right])


def test_small_subgroups_do_not_follow_from_the_others(fit: Fit, cohort: Cohort) -> None:
    """Means times sizes are counts: what is left of a total must not be of a few."""
    few = predicted(cohort, 1.0)
    groups = np.where(np.arange(cohort.n_patients) < 3, "rare", "common")
    few = few.assign_coords(subgroup=("patient", groups))
    table = mean_count_calibration(few, fit, times=DAYS).table
    assert set(table["subgroup"]) == {"all"}


def test_what_cannot_be_compared_is_refused(fit: Fit, cohort: Cohort) -> None:
    good = predicted(cohort, 1.0)
    strange = good.assign_coords(patient=["nobody known", *cohort.patient_ids[1:]])
    with pytest.raises(CohortError, match="not of the same patients") as caught:
        mean_count_calibration(strange, fit, times=DAYS)
    assert "nobody" not in str(caught.value)
    for wrong in (good * np.nan, good.isel(patient=[]), 3, good.isel(time=0)):
        with pytest.raises(CohortError):
            mean_count_calibration(wrong, fit, times=DAYS)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="not among the predicted"):
        mean_count_calibration(good, fit, times=(181.0,))
    with pytest.raises(OptionError):
        mean_count_calibration(good, fit, times=(np.nan,))
    with pytest.raises(OptionError, match="that recurs"):
        mean_count_calibration(good.assign_coords(recurrent_event=["relapse"]), fit, times=DAYS)
