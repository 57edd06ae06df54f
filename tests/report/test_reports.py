"""Whole reports: one hostile fit that is not usable, one patient."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pandas as pd
import pytest

import twinbayes as tb
from twinbayes.checks import CheckResult
from twinbayes.checks.result import SIMULATION_BASED
from twinbayes.cohort import new_patient
from twinbayes.effects import Estimand, treatment_effect
from twinbayes.errors import OptionError, TwinError
from twinbayes.inference import Fit
from twinbayes.inference.files.manifest import manifest_hash
from twinbayes.report import collect_patient, twin_report
from twinbayes.report.html import fragments as f
from twinbayes.report.html.page import require_self_contained
from twinbayes.report.html.section import Section
from twinbayes.report.patient import sections as sections_patient
from twinbayes.report.reviewer import sections
from twinbayes.report.reviewer.evidence import ReviewEvidence


def words_of(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", " ", html))


def without_pictures(html: str) -> str:
    return re.sub(r"data:(image/png|text/csv;charset=utf-8);base64,[A-Za-z0-9+/=]+", "", html)


@pytest.fixture(scope="module")
def hostile_review(hostile_fit: Fit, tmp_path_factory: pytest.TempPathFactory) -> str:
    checks = [
        CheckResult(
            "simulation-based calibration", "warn", pd.DataFrame({"<b>x</b>": ["<i>y</i>"]}),
            "<script>alert('check')</script> at https://example.org",
            SIMULATION_BASED,
        )
    ]  # fmt: skip
    out = tmp_path_factory.mktemp("review") / "review.html"
    transplant = Estimand.starting(
        "allogeneic_transplant", landmark=60.0, times=365.25, states=("remission",)
    )
    effect = treatment_effect(hostile_fit, transplant, allow_unsupported=True)
    assert tb.review(hostile_fit, out, checks=checks, effects=[effect]) == out
    return out.read_text(encoding="utf-8")


@pytest.mark.requirement("R-050")
def test_what_is_not_for_use_says_so_first_with_every_reason(
    hostile_review: str, hostile_fit: Fit
) -> None:
    text = without_pictures(hostile_review)
    assert not hostile_fit.verdict.usable
    assert text.index("NOT FOR USE") < text.index("<h1>")
    banner = text.index('class="verdict not-for-use"')
    assert banner < text.index("May I use it?") < text.index("<h2>1 ")
    inside = text[banner : text.index("</div>", banner)]
    assert inside.count("<li>") == len(hostile_fit.verdict.reasons)
    assert 'class="verdict usable"' not in text
    assert "SIMULATED DATA" not in text


def test_names_that_try_to_break_out_stay_text(hostile_review: str) -> None:
    assert "<script" not in hostile_review
    assert "<img src=x" not in hostile_review
    assert "<b>x</b>" not in hostile_review
    assert "&lt;script&gt;" in hostile_review


@pytest.mark.requirement("R-051")
def test_a_review_refers_to_nothing_outside_itself(hostile_review: str) -> None:
    require_self_contained(hostile_review)
    assert not re.search(r"https?://", hostile_review)
    for value in re.findall(r"(?:src|href)\s*=\s*[\"']([^\"']*)", hostile_review):
        assert value.startswith(("#", "data:image/png;base64,", "data:text/csv;"))


def test_a_review_names_no_patient_and_shows_no_code(hostile_review: str, hostile_fit: Fit) -> None:
    text = without_pictures(hostile_review)
    assert not [p for p in hostile_fit.cohort.patient_ids if p in text]
    assert "load_fit" not in text
    assert "fit.nc" not in text


def test_every_picture_of_a_review_has_alt_text(hostile_review: str) -> None:
    pictures = re.findall(r"<img [^>]*>", hostile_review)
    assert len(pictures) >= 8
    assert all(re.search(r'alt="[^"]{40,}"', p) for p in pictures)


def test_every_interval_of_a_review_is_named_by_probability_and_kind(hostile_review: str) -> None:
    text = without_pictures(hostile_review)
    assert "90% equal-tailed interval" in text
    assert "95% confidence band" in text
    assert "Cross-validated scores: NOT PROVIDED" in text


def test_evidence_that_was_handed_in_is_shown(hostile_review: str) -> None:
    assert "simulation-based calibration" in hostile_review
    assert "Simulation-based calibration: NOT PROVIDED" not in hostile_review
    assert 'class="badge warn"' in hostile_review


def test_an_effect_that_was_handed_in_is_shown_with_its_estimand(hostile_review: str) -> None:
    text = without_pictures(hostile_review)
    begin, end = (text.rindex(x) for x in ("Treatment effects by subgroup", "Trajectories</h3>"))
    section = text[begin:end]
    assert "<h3>Risk difference: allogeneic transplant on day 60 in remission</h3>" in section
    assert "Population: all patients who are alive and followed, in remission" in section
    assert "Support by subgroup" in section


def test_provenance_carries_fingerprints_and_versions(
    hostile_review: str, hostile_fit: Fit
) -> None:
    assert hostile_fit.cohort.fingerprint in hostile_review
    assert hostile_fit.spec.content_hash in hostile_review
    assert "versions: xarray" in hostile_review


def test_a_patients_report_speaks_plainly_and_names_nobody(
    fit: Fit, alive: Callable[[str], str], tmp_path: Path
) -> None:
    patient = alive("remission")
    page = twin_report(fit, patient, tmp_path / "twin.html", at=60.0).read_text(encoding="utf-8")
    text = without_pictures(page)
    require_self_contained(page)
    assert patient not in text
    assert "Of 100 people like this one, about" in text
    assert "90% equal-tailed interval" in text
    assert "All data behind this are simulated" in text
    assert "USABLE · SIMULATED DATA" in text
    assert "day 60 since origin, in remission" in text
    assert "borrowed from elsewhere" in text
    # of made-up draws the record so far leaves too few, and the report says so
    assert "The Monte Carlo error of the shares is" in text
    assert len(re.findall(r"<img ", page)) == 3


def test_somebody_new_is_a_cohort_and_is_named_on_request(fit: Fit, tmp_path: Path) -> None:
    person = new_patient(
        fit.cohort, subgroup=fit.cohort.subgroups[0], covariates={"age_years": 50.0},
        patient_id="somebody-new",
    )  # fmt: skip
    out = twin_report(fit, person, tmp_path / "new.html", until=730.5, show_patient_ids=True)
    page = without_pictures(out.read_text(encoding="utf-8"))
    assert "somebody-new" in page
    assert "within 2 years" in page

    evidence = collect_patient(fit, person, until=730.5)
    assert "somebody-new" not in sections_patient.verdict(evidence).html
    rests_on = sections_patient.rests_on(evidence).html
    assert "not in the fit: its levels are drawn" in rests_on  # a new centre
    assert "ecog" in rests_on


def test_the_ward_explorer_takes_a_review_apart_and_loses_nothing(
    hostile_review: str, hostile_fit: Fit, tmp_path: Path
) -> None:
    """Every section of a real review, with names that try to break out of HTML."""
    from twinbayes.serve.workbench.review_page import read_review

    path = tmp_path / "review.html"
    path.write_text(hostile_review, encoding="utf-8")
    found = read_review(path, manifest_hash(hostile_fit.manifest))
    assert [s.heading for s in found.sections if s.heading] == re.findall(
        r"<h2>(.*?)</h2>", hostile_review
    )
    first, *_ = found.sections
    assert (first.name, first.n_failed > 0) == ("section-00-status", True)
    assert len({s.content for s in found.sections}) == len(found.sections)
    for section in found.sections:
        assert "<script" not in section.html
        assert "<img src=x" not in section.html
        assert "style" not in re.findall(r"<(\w+)", section.html)
    body = hostile_review[hostile_review.index("<section") : hostile_review.rindex("</section>")]
    body = re.sub(r"<style>.*?</style>|<nav.*?</nav>", "", body, flags=re.DOTALL)
    shown = " ".join(words_of(s.html) for s in found.sections)
    assert shown.split() == words_of(body).split()
    pictures = re.findall(r'src="(data:image/png[^"]*)"', hostile_review)
    assert re.findall(r'src="(data:image/png[^"]*)"', "".join(s.html for s in found.sections)) == (
        pictures
    )
    path.write_text(hostile_review.replace("Limits", "Limit"), encoding="utf-8")
    pairs = zip(found.sections, read_review(path, found.fit).sections, strict=True)
    changed = [one.name for one, now in pairs if one.content != now.content]
    assert changed == [one.name for one in found.sections if "Limits" in one.html] != []


def test_a_report_needs_none_of_the_packages_of_notebooks(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("IPython", "jupytext", "markdown_it", "nbformat", "papermill"):
        monkeypatch.setitem(sys.modules, name, None)
    patient = fit.cohort.patient_ids[0]
    page = twin_report(fit, patient, tmp_path / "twin.html", at=0.0, until=365.25)
    assert "<h2>In plain words</h2>" in page.read_text(encoding="utf-8")


def test_the_code_of_every_section_is_shown_on_request(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = (sections.REVIEW[1], sections.REVIEW[-2])
    monkeypatch.setattr(sections, "REVIEW", few)
    plain, coded = (
        tb.review(fit, tmp_path / "review.html", show_code=shown).read_text(encoding="utf-8")
        for shown in (False, True)
    )
    assert "def data(evidence" not in plain
    assert coded.count("<summary>Code</summary>") == 2
    assert "def data(evidence" in coded
    headings = re.findall(r"<h3>(.*?)</h3>", coded)
    assert headings.index("Data and exclusions") < headings.index("Manifest of the fit")


def test_warnings_are_shown_at_the_end_of_the_page(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loud(_: ReviewEvidence) -> f.Block:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("<b>careful</b>", RuntimeWarning, stacklevel=1)
        return f.paragraph("shown")

    monkeypatch.setattr(sections, "REVIEW", (Section(number=9, show=loud),))
    page = tb.review(fit, tmp_path / "review.html").read_text(encoding="utf-8")
    assert page.index("shown") < page.index("Messages while computing")
    assert "RuntimeWarning: &lt;b&gt;careful&lt;/b&gt;" in page


def test_what_cannot_be_reported_is_refused_and_leaves_no_page(fit: Fit, tmp_path: Path) -> None:
    with pytest.raises(TwinError, match="not in the fitted cohort"):
        twin_report(fit, "nobody", tmp_path / "x.html")
    with pytest.raises(OptionError, match="interval"):
        tb.review(fit, tmp_path / "x.html", interval=90.0)
    assert not (tmp_path / "x.html").exists()
