"""Rows that say nothing to the model: refused where they are new, named where they are old."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.errors import TwinError
from twinbayes.inference import Fit
from twinbayes.model.courses.history import trace_histories
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.twin import Twin

YEAR = DAYS_PER_YEAR


def rows(day: float, event: str) -> pd.DataFrame:
    return pd.DataFrame({"day": [day], "event": [event]})


def start(day: float) -> pd.DataFrame:
    return pd.DataFrame({"start_day": [day], "treatment": ["allogeneic_transplant"]})


@pytest.fixture(scope="module")
def stored() -> Fit:
    found = tb.load_fit(Path(__file__).parents[2] / "data" / "registry_fit.nc")
    assert isinstance(found, Fit)
    return found


def somebody(fit: Fit, state: str, *, treated: bool | None = None, at: float | None = None) -> Twin:
    """A patient who is in a state at the landmark, treated, not treated or either."""
    known = fit.cohort.events[fit.cohort.events["event"] == "last_contact"]
    ids = [p for p, day in zip(known["patient_id"], known["day"], strict=True) if day > 100.0]
    for patient in ids:
        twin: Twin = fit.twin(patient, at=at)
        where = twin.present[0]
        if where.state == state and treated in (None, bool(where.started)):
            return twin
    raise AssertionError(state)


@pytest.mark.parametrize("later", [20.0, -5.0])
def test_a_relapse_of_somebody_in_induction_is_refused_with_its_row(
    stored: Fit, later: float
) -> None:
    twin = somebody(stored, "induction", treated=False, at=15.0)
    seen = pd.concat([rows(60.0, "last_contact"), rows(15.0 + later, "relapse")])
    with pytest.raises(
        TwinError, match=r"row 3 .*relapse is no way out of state induction"
    ) as found:
        twin.update(events=seen)
    assert "leave it out" in str(found.value)
    assert twin.patient_ids[0] not in str(found.value)


@pytest.mark.parametrize("later", [20.0, -5.0])
def test_a_second_transplant_is_refused_with_its_row(stored: Fit, later: float) -> None:
    twin = somebody(stored, "remission", treated=True)
    day = twin.present[0].started[0][1] + 5.0 if later < 0 else twin.present[0].day + later
    with pytest.raises(TwinError, match=r"row 2 .*allogeneic_transplant has already started"):
        twin.update(treatments=start(day))


def test_an_event_that_came_late_is_followed_from_its_own_day(stored: Fit) -> None:
    """A relapse known only after the landmark: the state is that of the whole record."""
    twin = somebody(stored, "remission")
    day = twin.present[0].day
    middle = day - 1.0
    after = twin.update(events=rows(middle, "relapse"))
    assert after.present[0].state == "relapse"
    assert after.present[0].entry == middle
    assert after.present[0].day == day


def test_rows_that_lose_their_place_by_new_ones_are_not_dropped(stored: Fit) -> None:
    twin = somebody(stored, "remission")
    day = twin.present[0].day
    relapsed = twin.update(events=rows(day - 1.0, "relapse"))
    with pytest.raises(TwinError, match="known before have no place beside the new ones"):
        relapsed.update(events=rows(day - 2.0, "relapse"))


def test_the_rows_of_a_cohort_that_have_no_place_are_named(stored: Fit) -> None:
    one = somebody(stored, "induction", treated=False, at=15.0).cohort
    patient = one.patient_ids[0]
    events = pd.concat([rows(10.0, "relapse").assign(patient_id=patient), one.events])
    odd = one.with_rows({"events": events[one.events.columns].reset_index(drop=True)})
    twin = stored.twin(odd)
    wanted = trace_histories(stored.spec.graph, odd).set_aside
    assert len(wanted) == 1
    found = twin.set_aside
    assert found[found["table"] == "events"].to_dict("records") == wanted.to_dict("records")


def test_markers_without_a_curve_are_kept_and_named(joint_fit: Fit, strangers: Cohort) -> None:
    one = strangers.select(["q01"])
    declared = one.variables.iloc[[-1]].assign(name="albumin")
    wider = Cohort(
        **{
            **{f: getattr(one, f) for f in ("name", "patients", "events", "visits", "simulated")},
            "variables": pd.concat([one.variables, declared], ignore_index=True),
        }
    )
    twin = joint_fit.twin(wider, at=550.0)
    assert twin.set_aside.empty
    new = pd.DataFrame(
        {"day": [600.0, 600.0], "marker": ["albumin", "bilirubin"], "value": [3.0, 2.0]}
    )
    after = twin.update(new)
    alone = twin.update(new.iloc[1:])
    named = after.set_aside
    assert list(named["table"]) == ["visits"]
    assert list(named["reason"]) == ["the model has no marker albumin"]
    assert after.cohort.visits is not None
    assert after.cohort.visits["marker"].iloc[named["row"].iloc[0]] == "albumin"
    np.testing.assert_array_equal(
        after.forecast(YEAR, 2)["survival"], alone.forecast(YEAR, 2)["survival"]
    )


def test_two_deaths_of_one_patient_are_refused(joint_fit: Fit, strangers: Cohort) -> None:
    twin = joint_fit.twin(strangers.select(["q01"]), at=550.0)
    both = pd.concat([rows(600.0, "death"), rows(610.0, "death")])
    with pytest.raises(TwinError, match=r"row 3 .*the patient's death already"):
        twin.update(events=both)
