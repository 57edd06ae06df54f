"""The first screen: words of the banner, and four answers from what the sections show."""

from __future__ import annotations

import pandas as pd
import pytest

from twinbayes.checks.result import OUT_OF_SAMPLE, CheckResult, CheckVerdict, Topic
from twinbayes.errors import OptionError
from twinbayes.report.html import fragments as f
from twinbayes.report.html.section import Section
from twinbayes.report.required.chapters import chapters
from twinbayes.report.required.context import ReviewContext, context_of
from twinbayes.report.required.demands import DEMANDS
from twinbayes.report.required.first_screen import Judged, first_screen, standing

SOUND = Judged(usable=True, reasons=())


def check(verdict: CheckVerdict, topic: Topic = "further", name: str = "one") -> CheckResult:
    return CheckResult(name, verdict, pd.DataFrame({"x": [1.5]}), "Said so.", topic)


@pytest.mark.parametrize(
    ("judged", "verdicts", "held_out", "text", "colour"),
    [
        (Judged(False, ("R-hat",)), ["pass"], True, "NOT FOR USE", "not-for-use"),
        (SOUND, ["pass", "fail"], True, "CONVERGED, BUT 1 CHECK FAILED", "not-for-use"),
        (SOUND, ["fail", "fail"], False, "CONVERGED, BUT 2 CHECKS FAILED", "not-for-use"),
        (SOUND, ["pass"], False, "CONVERGED, NOT VALIDATED ON UNSEEN PATIENTS", "caution"),
        (SOUND, ["warn", "pass"], True, "CONVERGED, WITH 1 WARNING", "caution"),
        (SOUND, ["pass", "info"], True, "CONVERGED, NO CHECK FAILED", "usable"),
    ],
)
def test_green_is_only_what_nothing_speaks_against_and_unseen_patients_bore_out(
    judged: Judged, verdicts: list[CheckVerdict], held_out: bool, text: str, colour: str
) -> None:
    checks = [check(v) for v in verdicts]
    if held_out:
        checks.append(check("info", OUT_OF_SAMPLE))
    assert standing(judged, checks) == (text, colour)


@pytest.mark.requirement("R-053")
def test_a_held_out_score_that_is_not_provided_validates_nothing() -> None:
    none = CheckResult.not_provided("left out", "no draws", topic=OUT_OF_SAMPLE)
    assert standing(SOUND, [check("pass"), none])[1] == "caution"


def test_each_answer_says_what_the_sections_have() -> None:
    found = [
        (DEMANDS[1], f.not_provided("who uses it")),
        (DEMANDS[9], f.block(f.check(check("fail", name="odd")), f.not_provided("centres"))),
        (DEMANDS[11], f.check(check("pass", OUT_OF_SAMPLE, "even"))),
    ]
    judged = Judged(usable=True, reasons=(), not_for=("Children.",))
    said = context_of({"context_of_use": "Second opinions.", "not_for": "Emergencies."})
    html = first_screen(judged, found, said).html
    assert "Not for what the failed checks are about: odd." in html
    assert "Context of use, as its author says: Second opinions." in html
    assert "<li>As its author says: Emergencies.</li><li>Children.</li>" in html
    assert '<a href="#section-09-results">FAIL: odd (section 9)</a>' in html
    assert "Passed: even." in html
    assert "Of 3 sections 1 are provided in part, and 1 NOT PROVIDED:" in html
    assert '<a href="#section-01-context-of-use">1 Question and context of use</a>' in html
    assert "no context of use" not in html


@pytest.mark.requirement("R-050")
def test_a_fit_not_for_use_is_refused_in_the_first_words() -> None:
    refused = Judged(usable=False, reasons=tuple(f"reason {k}" for k in range(8)))
    html = first_screen(refused, [], ReviewContext()).html
    assert html.index("NOT FOR USE") < html.index("No. The draws do not represent the posterior")
    assert html.count("<li>reason ") == 8
    assert "and 2 more reasons" in html


class Evidence:
    judged = SOUND


def test_a_row_without_the_number_of_a_section_is_refused() -> None:
    for number in (None, -1, 20):
        row = Section[Evidence](heading="Mine", number=number, show=lambda _: f.block())
        with pytest.raises(OptionError, match="'Mine' of a review has the number"):
            chapters([row], Evidence(), ReviewContext())


def test_the_status_of_a_section_follows_from_what_it_shows() -> None:
    rows = [
        Section[Evidence](number=5, show=lambda _: f.pairs({"a": 1})),
        Section[Evidence](number=9, show=lambda _: f.check(check("warn"))),
        Section[Evidence](number=9, show=lambda _: f.not_provided("centres")),
        Section[Evidence](number=12, show=lambda _: f.not_provided("groups")),
        Section[Evidence](number=16, show=lambda _: 1 / 0),  # type: ignore[arg-type, return-value]
    ]
    found = chapters(rows, Evidence(), context_of({"estimand": "risk", "run_by": "a student"}))
    assert [c.demand.number for c in found] == list(range(20))
    assert (found[5].status, found[5].outcome) == ("provided", "none")
    assert (found[9].status, found[9].outcome) == ("partial", "warn")
    assert found[12].status == "not-provided"
    assert found[16].status == "partial"  # the row failed, which is told; the author said something
    assert "failed: ZeroDivisionError" in found[16].shown.html
    assert found[13].shown.gaps[0].startswith("To provide: Simulated trials")


def test_no_context_of_use_is_spoken_of_that_nobody_has_stated() -> None:
    found = [(DEMANDS[11], f.check(check("pass", OUT_OF_SAMPLE, "even")))]
    html = first_screen(SOUND, found, ReviewContext()).html
    assert "Within the limits below, nothing in this report forbids it." in html
    said = context_of({"context_of_use": "Second opinions."})
    assert "Within the context of use and the limits below" in first_screen(SOUND, found, said).html
