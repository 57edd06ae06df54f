"""Answers beyond what anyone was followed say so, each time by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twinbayes as tb
from twinbayes.effects import Estimand
from twinbayes.errors import OptionError, TwinError
from twinbayes.inference import Fit
from twinbayes.report import collect_patient
from twinbayes.report.figures.look import look_of
from twinbayes.report.figures.occupation import occupation
from twinbayes.report.words import Living, forecast_sentences

DATA = Path(__file__).resolve().parents[2] / "data"


@pytest.fixture(scope="module")
def fit() -> Fit:
    found = tb.load_fit(DATA / "registry_fit.nc")
    assert isinstance(found, Fit)
    return found


def followed(fit: Fit) -> dict[str, float]:
    """Longest follow-up of those who were once in each state, from the tables themselves."""
    events = fit.cohort.events
    last = events.groupby("patient_id")["day"].max()
    out = {"induction": float(last.max())}
    for event, state in (("complete_remission", "remission"), ("relapse", "relapse")):
        had = events.loc[events["event"] == event, "patient_id"]
        if len(had):
            out[state] = float(last[had].max())
    return out


@pytest.mark.requirement("R-043")
def test_each_time_is_held_against_the_follow_up_of_those_in_the_state(fit: Fit) -> None:
    wanted = followed(fit)
    twin = fit.twin(at=0.0)
    longest = wanted["induction"]
    times = [10.0, longest - 1.0, longest, longest + 1.0, longest + 2000.0]
    found = twin.forecast(times[-1], times)
    assert found["beyond_follow_up"].dims == ("patient", "time")
    assert {p.state for p in twin.present} == {"induction"}
    assert (found["beyond_follow_up"].to_numpy() == [False, False, False, True, True]).all()
    assert found.attrs["followed_until"] == longest
    assert "BEYOND THE FOLLOW-UP" in found.attrs["warning"]
    within = twin.forecast(longest, 3)
    assert not within["beyond_follow_up"].any()
    assert "followed_until" not in within.attrs
    # The flag is read before the numbers.
    text, html = repr(found), found._repr_html_()
    assert text.index("beyond_follow_up") < text.index("survival ")
    assert html.index("beyond_follow_up") < html.index("survival_lower")


def test_states_and_landmarks_have_a_follow_up_of_their_own(fit: Fit) -> None:
    wanted = followed(fit)
    last = fit.cohort.events.groupby("patient_id")["day"].max()
    ids = [p for p in fit.cohort.patient_ids if last[p] > 100.0]
    twin = fit.twin(ids, at=100.0)
    found = twin.forecast(3000.0, np.arange(0.0, 3000.0, 50.0))
    for k, present in enumerate(twin.present):
        if present.state in wanted:
            days = wanted[present.state] - 100.0
            flags = found["beyond_follow_up"].to_numpy()[k]
            np.testing.assert_array_equal(flags, found["time"].to_numpy() > days)


def test_nothing_more_can_happen_to_the_dead(fit: Fit) -> None:
    twin = fit.twin()
    dead = [p.state in fit.spec.graph.absorbing for p in twin.present]
    assert any(dead)
    flags = twin.forecast(20_000.0, [20_000.0])["beyond_follow_up"].to_numpy()[:, 0]
    np.testing.assert_array_equal(flags, np.logical_not(dead))


def test_contrasts_and_survival_frames_are_flagged_alike(fit: Fit) -> None:
    twin = fit.twin(list(fit.cohort.patient_ids[:2]), at=0.0)
    early = tb.Scenario.start("allogeneic_transplant", day=60.0, states=("remission",))
    never = tb.Scenario.none("allogeneic_transplant")
    found = twin.contrast(early, never, 9000.0, [100.0, 9000.0])
    assert found["beyond_follow_up"].to_numpy().tolist() == [[False, True]] * 2
    assert "BEYOND THE FOLLOW-UP" in twin.survival_frame([100.0, 9000.0]).attrs["warning"]
    assert "FOLLOW-UP" not in twin.survival_frame([100.0]).attrs.get("warning", "")


def test_without_the_fit_nothing_is_claimed(fit: Fit) -> None:
    alone = replace(fit.twin(list(fit.cohort.patient_ids[:1]), at=0.0), seen=None)
    assert "beyond_follow_up" not in alone.forecast(9000.0, [9000.0]).coords


@pytest.mark.parametrize("until", [-5.0, 0.0, np.nan, np.inf, "365", None, True, [1.0, 2.0]])
def test_a_horizon_that_is_no_length_of_time_is_refused(fit: Fit, until: Any) -> None:
    twin = fit.twin(list(fit.cohort.patient_ids[:1]), at=0.0)
    with pytest.raises(TwinError, match="until"):
        twin.forecast(until)
    if until is not None:  # a report then has the horizon of the disease
        with pytest.raises((TwinError, OptionError), match=r"horizon|until"):
            collect_patient(fit, fit.cohort.patient_ids[0], at=0.0, until=until)
    with pytest.raises(TwinError):
        Estimand.starting("drug", landmark=0.0, times=[until])
    with pytest.raises(TwinError):
        twin.survival_frame([until])
    with pytest.raises(TwinError):
        twin.forecast(10.0, ["a"])


@pytest.mark.requirement("R-043")
def test_sentences_and_captions_say_it_before_the_number(fit: Fit) -> None:
    twin = fit.twin(list(fit.cohort.patient_ids[:1]), at=0.0)
    longest = followed(fit)["induction"]
    horizons = [365.25, longest + 3000.0]
    found = twin.forecast(horizons[-1], horizons)
    look = look_of(fit)
    told = list(
        forecast_sentences(found, look, Living.of(look, fit.spec.graph.absorbing), horizons)
    )
    assert [text.startswith("Nobody in these data") for text in told] == [False, True, False]
    assert occupation(found, look).caption.startswith("Beyond ")
    assert not occupation(found.isel(time=[0]), look).caption.startswith("Beyond ")
