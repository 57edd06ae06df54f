"""The tables that reports are made from, and the notebooks that loop over them."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import twinbayes as tb
from twinbayes.checks.result import OUT_OF_SAMPLE, TOPICS
from twinbayes.inference import Fit
from twinbayes.report import twin_report
from twinbayes.report.html.notebook import run_template
from twinbayes.report.html.page import FIT_META, render_page
from twinbayes.report.html.section import Section
from twinbayes.report.patient.sections import PATIENT_REPORT
from twinbayes.report.reviewer.aggregate import BASKET_REVIEW
from twinbayes.report.reviewer.plain_model import MODEL_REVIEW
from twinbayes.report.reviewer.sections import REVIEW


def as_read(page: str) -> str:
    """The page without what a reader does not see: how text is escaped and broken into lines.

    Nor the tag that says which fit it is of, for the ward explorer: a notebook is no review of it.
    """
    page = re.sub(rf'<meta name="{FIT_META}"[^>]*>', "", page)
    return re.sub(r"\s+", "", html.unescape(page))


@pytest.mark.parametrize("table", [REVIEW, BASKET_REVIEW, MODEL_REVIEW, PATIENT_REPORT])
def test_a_report_begins_with_its_verdict_and_no_heading_comes_twice(
    table: tuple[Section[object], ...],
) -> None:
    first, *others = table
    assert (first.heading, first.show.__name__) == ("", "verdict")
    headings = [s.heading for s in others if s.heading]
    assert len(set(headings)) == len(headings)
    assert len({s.show for s in table}) == len(table)


def test_every_topic_has_one_section_but_those_shown_with_another() -> None:
    shown = [s.topic for s in REVIEW if s.topic is not None]
    assert sorted(shown) == sorted(set(TOPICS) - {OUT_OF_SAMPLE})


def test_a_notebook_of_a_patient_shows_what_the_report_shows(
    fit: Fit, alive: Callable[[str], str], tmp_path: Path
) -> None:
    patient = alive("remission")
    ours = twin_report(fit, patient, tmp_path / "twin.html", at=60.0, until=730.5)
    notebook = run_template(
        "patient_twin",
        {
            "fit_path": str(fit.save(tmp_path / "fit.nc")),
            "patient": patient,
            "at": 60,
            "until": 730.5,
        },
    )
    theirs = render_page(notebook, usable=True, simulated=True)
    assert as_read(theirs) == as_read(ours.read_text(encoding="utf-8"))


def test_a_notebook_of_a_basket_shows_what_the_review_shows(tmp_path: Path) -> None:
    table = pd.DataFrame({"subgroup": ["x", "y"], "n": [15, 13], "responders": [2, 7]})
    basket = tb.fit(
        tb.disease("basket"), tb.read_aggregate(table), draws=50, tune=100, progressbar=False
    )
    title = "A basket"
    ours = tb.review(basket, tmp_path / "review.html", title=title)
    notebook = run_template("basket_review", {"fit_path": str(basket.save(tmp_path / "fit.nc"))})
    theirs = render_page(notebook, usable=basket.verdict.usable, simulated=False, title=title)
    assert as_read(theirs) == as_read(ours.read_text(encoding="utf-8"))


def test_a_notebook_of_a_fit_shows_what_the_review_shows(
    fit: Fit, reviewed: Path, tmp_path: Path
) -> None:
    notebook = run_template("model_review", {"fit_path": str(fit.save(tmp_path / "fit.nc"))})
    theirs = render_page(notebook, usable=True, simulated=True, title="A fit")
    ours = (reviewed / "review.html").read_text(encoding="utf-8")
    assert as_read(theirs) == as_read(ours)
