"""Labels of states: people read them wherever a state is meant, and programs never do."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import replace

import matplotlib as mpl
import pandas as pd
import pytest
import xarray as xr

import twinbayes as tb
from twinbayes.effects import Estimand, treatment_effect
from twinbayes.inference import Fit
from twinbayes.model.courses.labels import StateLabel
from twinbayes.model.courses.reporting import Reporting
from twinbayes.names import STATE
from twinbayes.report import PatientEvidence, Picture, collect, collect_patient
from twinbayes.report.figures.contrast import icon_array
from twinbayes.report.figures.counts import expected_counts
from twinbayes.report.figures.graph import described_graph
from twinbayes.report.figures.look import StateLook, look_of
from twinbayes.report.figures.occupation import occupation
from twinbayes.report.html import fragments as f
from twinbayes.report.patient.sections import PATIENT_REPORT
from twinbayes.report.reviewer.sections import REVIEW
from twinbayes.report.words import Living, count_sentences, scenario_words

TRANSPLANT = "allogeneic_transplant"
LABELS = {
    "induction": "on first chemotherapy",
    "remission": "in a good phase",
    "relapse": "ill again",
    "death_without_remission": "died early",
    "death_in_remission": "died free of leukaemia",
    "death_after_relapse": "died late",
}
#: What each of the states is called without a label, alone or of a patient.
UNLABELLED = re.compile(
    r"(?<![\w.])(?:induction|remission|relapse|(?:death|dead)[ _](?:without|in|after)[ _]re\w+)"
    r"(?!\w)"
)


def with_labels(fit: Fit, labels: dict[str, str]) -> Fit:
    given = tuple(StateLabel(state=state, text=text) for state, text in labels.items())
    return replace(fit, spec=replace(fit.spec, reporting=Reporting(state_labels=given)))


@pytest.fixture(scope="module")
def labelled(fit: Fit) -> Fit:
    return with_labels(fit, LABELS)


@pytest.fixture(scope="module")
def evidence(labelled: Fit, alive: Callable[[str], str]) -> PatientEvidence:
    return collect_patient(labelled, alive("remission"), at=60.0)


def read(page: str) -> str:
    """What people read of a page, with the words about its pictures."""
    shown = re.sub(r'src="data:[^"]*"', "", page)
    shown = re.sub(
        r"<pre[^>]*>.*?</pre>", "", shown, flags=re.DOTALL
    )  # the model, as its file has it
    return html.unescape(re.sub(r"<(?!img)[^>]*>", " ", shown))


def drawn(picture: Picture) -> list[str]:
    found = picture.figure.findobj(mpl.text.Text)
    return [t.get_text() for t in found if isinstance(t, mpl.text.Text)]


def test_a_report_on_a_patient_calls_states_by_their_labels(evidence: PatientEvidence) -> None:
    page = read("\n".join(section.show(evidence).html for section in PATIENT_REPORT))
    assert UNLABELLED.findall(page) == []
    present = evidence.present
    assert f"day 60 since origin, in a good phase since day {present.entry:g}" in page
    assert re.search(r"of the hundred (in a good phase|ill again) \(interval", page)
    assert "allogeneic transplant after 30 days if then in a good phase" in page
    assert "in a good phase → ill again" in page  # the transitions that the answer rests on
    for state, label in LABELS.items():
        in_reach = float(evidence.forecast["state_probability"].sel(state=state).max()) > 0.0
        assert (label in page) or not in_reach


def test_legends_of_pictures_have_the_labels(evidence: PatientEvidence) -> None:
    picture = occupation(evidence.forecast, evidence.look)
    last = evidence.forecast["state_probability"].isel(patient=0, time=-1)
    shown = {s: float(p) for s, p in zip(LABELS, last.sel(state=list(LABELS)), strict=True)}
    for state, share in shown.items():
        if share >= 0.004:
            assert f"{LABELS[state]}  {share:.0%}" in drawn(picture)
        assert f"{share:.0%} {LABELS[state]}" in picture.alt
    people = icon_array({"early": last}, evidence.look, horizon=1826.25)
    assert {"ill again", "died late"} <= {*drawn(people)}
    assert re.search(r"early: \d+ ill again, \d+ died free of leukaemia, \d+ died late", people.alt)
    assert not UNLABELLED.findall("\n".join([*drawn(picture), *drawn(people), people.alt]))


def test_what_programs_read_keeps_the_names(fit: Fit, evidence: PatientEvidence) -> None:
    assert evidence.forecast[STATE].to_numpy().tolist() == list(LABELS)
    assert evidence.contrast is not None
    assert evidence.contrast.attrs["scenario_a"] == f"{TRANSPLANT} on day 90 in remission"
    assert evidence.rests_on["transition"].isin(fit.spec.graph.labels).all()
    assert evidence.forecast.to_dataframe().reset_index()[STATE].isin(LABELS).all()


def test_a_review_calls_states_by_their_labels(labelled: Fit) -> None:
    asked = Estimand.starting(
        TRANSPLANT, landmark=60.0, times=(365.25,), states=("remission",), endpoint="relapse",
        summary="state_occupation_difference",
    )  # fmt: skip
    effect = treatment_effect(labelled, asked, allow_unsupported=True, draws=40)
    found = collect(labelled, effects=[effect])
    shown = {s.heading: read(s.show(found).html) for s in REVIEW}
    whole = "\n".join(shown.values())
    for label in LABELS.values():
        assert label in whole
    # Names of parameters and priors, and events of the data, keep their spelling.
    kept = {
        "Data and exclusions",
        "Diagnostics",
        "Priors and their evidence",
        "Outcome",
        "Predictors",
        "Manifest of the fit",
    }
    named = {heading: UNLABELLED.findall(page) for heading, page in shown.items()}
    assert {heading for heading, names in named.items() if names} <= kept
    assert "in a good phase → ill again" in shown["The model"]
    for check in found.of("calibration"):
        assert not UNLABELLED.findall(check.text)
        if STATE in check.table:
            assert set(check.table[STATE]) == set(LABELS)


def test_an_effect_is_told_with_the_labels(fit: Fit, labelled: Fit) -> None:
    asked = Estimand.starting(
        TRANSPLANT, landmark=60.0, times=(365.25,), states=("remission",), endpoint="relapse",
        summary="state_occupation_difference",
    )  # fmt: skip
    graph = fit.spec.graph
    told = asked.reading(graph).told(labelled.spec.state_labels)
    assert "who are alive and followed, in a good phase, without" in told
    assert f"'{TRANSPLANT} on day 60 in a good phase' against 'no {TRANSPLANT}'" in told
    assert "Variable: ill again, within" in told
    assert "; died free of leukaemia: while alive" in told
    assert told.endswith("Summary: difference in the probability of being ill again.")
    assert asked.reading(graph).sentence.endswith("probability of being in relapse.")
    effect = treatment_effect(labelled, asked, allow_unsupported=True, draws=40)
    assert effect.attrs["estimand"] == told
    assert effect.attrs["scenario_a"] == f"{TRANSPLANT} on day 60 in a good phase"
    assert "not in a good phase at the landmark" in effect.attrs["left_out"]


def test_scenarios_put_together_are_told_with_the_labels() -> None:
    labels = {"remission": "in a good phase"}
    start = tb.Scenario.start("drug", day=30, states=("remission", "relapse"))
    both = tb.Scenario.given("arm", 1.0) & start & tb.Scenario.none("graft")
    assert both.told(labels) == (
        "arm = 1 and drug on day 30 in a good phase or in relapse and no graft"
    )
    assert both.told({}) == both.label
    look = StateLook.of(("remission", "relapse"), (), labels)
    assert scenario_words(start, 0.0, look) == (
        "drug after 30 days if then in a good phase or in relapse"
    )


def test_ways_between_states_are_told_wherever_a_label_names_them() -> None:
    look = StateLook.of(("a", "a_b", "dead"), ("dead",), {"a": "well", "dead": "died"})
    assert look.way("a->a_b") == "well → a b"
    assert look.way("a_b->start:new_drug") == "a b → start of new drug"
    assert look.way("a->dead, entered by day 9") == "well → died, entered by day 9"
    assert look.way("log_load slope on a_b->dead") == "log load slope on a b → died"
    assert look.way("beta[sex, a->dead] has R-hat") == "beta[sex, well → died] has R-hat"
    assert look.effect("new_drug:here_late on a->dead") == (
        "new drug in this state, late: well → died"
    )
    assert look.noun("a") == "well"
    assert StateLook.of(("a",), (), {"a": "in bed"}).noun("a") == "bed"


def test_tables_of_checks_are_shown_with_the_labels() -> None:
    table = pd.DataFrame({"state": ["a", "b", None], "transition": ["a->b", "b->a", "a->b"]})
    look = StateLook.of(("a", "b"), (), {"a": "well"})
    shown = look.tabled(table)
    assert shown["state"].tolist()[:2] == ["well", "b"]
    assert shown["transition"].tolist() == ["well → b", "b → well", "well → b"]
    assert table["state"].tolist()[0] == "a"
    plain = StateLook.of(("a", "b"), ())
    assert plain.tabled(table) is table
    assert f.table(plain.tabled(table)).html == f.table(table).html


def test_living_and_numbers_of_returns_have_the_labels() -> None:
    labels = {"relapse": "in relapse again", "ward": "in hospital"}
    look = StateLook.of(("home", "ward", "relapse", "dead"), ("dead",), labels)
    living = Living.of(look, ("relapse", "dead"))
    assert living.note.startswith("Deaths after relapse again are not in the model")
    time = [365.25]
    one = xr.Dataset(
        {k: ("time", [v]) for k, v in (("mean", 2.0), ("lower", 1.0), ("upper", 3.0))},
        coords={"time": time},
    )
    forecast = xr.Dataset(
        coords={"time": time},
        attrs={"interval_probability": 0.9, "interval_kind": "equal-tailed"},
    )
    [told] = count_sentences({"ward": one}, forecast, look, time)
    assert told.startswith("Within 1 year, hospital is to be expected 2.0 (1.0 to 3.0) times")
    picture = expected_counts({"ward": one}, look, 0.9, "equal-tailed")
    assert "Hospital" in drawn(picture)


def test_long_labels_leave_pictures_whole(fit: Fit, alive: Callable[[str], str]) -> None:
    long = {
        s: f"{label} and more words to the end of the line"[:59] + "x"
        for s, label in LABELS.items()
    }
    one = collect_patient(with_labels(fit, long), alive("remission"), at=60.0)
    for picture in (
        occupation(one.forecast, one.look),
        described_graph(one.fit.spec),
    ):
        said = " ".join("\n".join(drawn(picture)).split())
        assert long["death_in_remission"] in said
        assert picture.png().startswith(b"\x89PNG")


def test_a_disease_without_labels_looks_as_before(fit: Fit) -> None:
    look = look_of(fit)
    assert look.labels == {}
    for state in look.states:
        assert look.name(state) == state.replace("_", " ")
    assert look.effect(f"{TRANSPLANT}:here on remission->relapse") == (
        "allogeneic transplant in this state, on remission → relapse"
    )
