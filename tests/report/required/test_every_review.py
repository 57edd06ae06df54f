"""Every review has the twenty sections, in order, each with its status and its evidence."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pymc as pm
import pytest

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.inference import Fit
from twinbayes.report.figures.csv_links import linked_files
from twinbayes.report.html.page import require_self_contained
from twinbayes.report.required.checklists import ITEMS
from twinbayes.report.required.demands import DEMANDS

#: Written out here: others rely on these anchors.
ANCHORS = [
    "section-00-status", "section-01-context-of-use", "section-02-model-risk", "section-03-data",
    "section-04-outcome-and-predictors", "section-05-model", "section-06-priors",
    "section-07-computation", "section-08-verification", "section-09-results",
    "section-10-sensitivity", "section-11-validation", "section-12-fairness",
    "section-13-operating-characteristics", "section-14-patient-outputs",
    "section-15-limitations", "section-16-provenance", "section-17-privacy",
    "section-18-maintenance", "section-19-checklists",
]  # fmt: skip
_SECTION = re.compile(
    r'<section id="(section-[0-9a-z-]+)" data-status="([a-z-]+)" data-outcome="([a-z_]+)">(.*?)'
    r"</section>",
    re.DOTALL,
)


@pytest.fixture(scope="module", params=["patients", "ten draws", "aggregate", "PyMC model"])
def page(
    request: pytest.FixtureRequest,
    reviewed: Path,
    cohort: Cohort,
    make_fit: Callable[..., Fit],
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    if request.param == "patients":
        return (reviewed / "review.html").read_text(encoding="utf-8")
    if request.param == "ten draws":
        made: object = make_fit(cohort, draws=10)
    elif request.param == "aggregate":
        table = pd.DataFrame({"subgroup": ["x", "y"], "n": [15, 13], "responders": [2, 7]})
        made = tb.fit(
            tb.disease("basket"), tb.read_aggregate(table), draws=50, tune=100, progressbar=False
        )
    else:
        with pm.Model() as model:
            pm.Normal("effect")
        made = tb.fit(model, draws=50, tune=50, seed=1, progressbar=False)
    out = tmp_path_factory.mktemp("page") / "review.html"
    return tb.review(made, out).read_text(encoding="utf-8")  # type: ignore[arg-type]


def test_all_twenty_sections_are_there_in_order_each_with_a_status(page: str) -> None:
    require_self_contained(page)
    found = _SECTION.findall(page)
    assert [anchor for anchor, *_ in found] == ANCHORS
    assert re.findall(r"<h2>(.*?)</h2>", page)[:20] == [d.title for d in DEMANDS]
    for anchor, status, outcome, inside in found:
        assert status in ("provided", "partial", "not-provided"), anchor
        assert outcome in ("fail", "warn", "pass", "info", "none"), anchor
        assert ("NOT PROVIDED" in inside) or status == "provided", anchor
        assert page.count(f'id="{anchor}"') == 1
    status_of = {anchor: status for anchor, status, *_ in found}
    for number in (1, 2, 18):  # nobody but the author can fill them
        assert status_of[ANCHORS[number]] == "not-provided"


def test_the_first_screen_answers_four_questions_before_anything_else(page: str) -> None:
    first = page[: page.index('id="section-01-context-of-use" ')]
    asked = ["May I use it?", "For whom, or for what, not?", "Why?", "What is missing?"]
    places = [first.index(f"<h3>{question}</h3>") for question in asked]
    assert places == sorted(places)
    assert places[-1] < first.index("Checks at a glance")
    assert "Its author has not said what it is for (NOT PROVIDED)" in first
    n_missing = sum(status == "not-provided" for _, status, *_ in _SECTION.findall(page))
    assert f"and {n_missing} NOT PROVIDED:" in first


@pytest.mark.requirement("R-050")
def test_usable_is_never_the_only_word_of_the_banner(page: str) -> None:
    [(colour, text)] = re.findall(r'<div class="verdict ([a-z-]+)">([^<]+)', page)
    failed = page.count('<span class="badge fail">') // 2  # at a glance, and in its section
    assert text != "USABLE"
    if "NOT FOR USE" not in text:
        assert text.startswith("CONVERGED")
        assert (f"{failed} CHECK" in text) == (failed > 0)
    assert colour != "usable"  # nothing here was validated on unseen patients
    assert f'<div class="strip {colour}">{text}' in page


def test_tables_and_figures_are_numbered_within_their_section(page: str) -> None:
    for number, (anchor, _, _, inside) in enumerate(_SECTION.findall(page)):
        tables = re.findall(r"<caption>Table (\d+\.\d+)", inside)
        figures = re.findall(r"<strong>Figure (\d+\.\d+)\.</strong>", inside)
        assert tables == [f"{number}.{k + 1}" for k in range(inside.count("<table"))], anchor
        assert figures == [f"{number}.{k + 1}" for k in range(inside.count("<figure"))], anchor
        links = re.findall(r'download="([a-z]+-\d\d-\d\d)\.csv"', inside)
        assert len(links) == len(set(links)) == len(tables) + len(figures), anchor


def test_checklists_refer_to_sections_that_exist_and_proposals_of_others_by_number() -> None:
    assert {k for _, _, _, sections in ITEMS for k in sections} <= set(range(20))
    assert [i for name, i, _, _ in ITEMS if name == "TRIPOD+AI"] == [str(k) for k in range(1, 28)]
    assert [i for name, i, _, _ in ITEMS if name == "BARG"] == [str(k) for k in range(1, 7)]
    assert {about for name, _, about, _ in ITEMS if name == "PROBAST+AI"} == {""}


def test_the_files_hold_what_the_page_holds_and_nothing_of_single_patients(
    reviewed: Path, cohort: Cohort
) -> None:
    page = (reviewed / "review.html").read_text(encoding="utf-8")
    files = dict(linked_files(page))
    assert {p.name for p in (reviewed / "tables").iterdir()} == set(files)
    assert len(files) > 40
    for name, text in files.items():
        assert text == (reviewed / "tables" / name).read_text(encoding="utf-8")
        assert not [p for p in cohort.patient_ids if p in text], name
        first, header, *rows = list(csv.reader(io.StringIO(text)))
        assert "SIMULATED DATA" in ",".join(first)
        if header[0] == "quantity":  # numbers of subgroups and centres, not of people
            continue
        for k, column in enumerate(header):
            if column in ("n", "patients", "deaths", "events", "n treated", "n_treated"):
                small = [r[k] for r in rows if len(r) > k and r[k] in ("1", "2", "3", "4")]
                assert not small, (name, column)
