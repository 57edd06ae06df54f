"""A check of one's own, with a section of its own: one file, and one line of the table."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

import twinbayes as tb
from contributing import file_of
from twinbayes.inference import Fit
from twinbayes.report.html.page import require_self_contained
from twinbayes.report.required.demands import DEMANDS
from twinbayes.report.reviewer import sections

ONE_FILE = file_of("A check, and its section in reviews")


def test_a_check_with_its_section_is_one_file_and_one_line_of_the_table(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "centres.py"
    path.write_text(ONE_FILE, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("centres", path)
    assert spec is not None
    assert spec.loader is not None
    centres = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "centres", centres)
    spec.loader.exec_module(centres)
    table = (sections.REVIEW[0], sections.REVIEW[1], centres.CENTRES, *sections.REVIEW[-2:])
    monkeypatch.setattr(sections, "REVIEW", table)

    page = tb.review(fit, tmp_path / "review.html", show_code=True).read_text(encoding="utf-8")

    require_self_contained(page)
    assert re.findall(r"<h2>(.*?)</h2>", page) == [d.title for d in DEMANDS]
    begin, end = (page.index(f'<section id="{DEMANDS[k].anchor}"') for k in (3, 4))
    section = page[begin:end]
    headings = re.findall(r"<h3>(.*?)</h3>", section)
    assert headings.index("Data and exclusions") < headings.index("Centres")
    assert "Whether &lt;one&gt; centre speaks for all." in section
    assert "<strong>sizes of centres</strong>. " in section
    assert "def show(evidence: ReviewEvidence)" in section
    sizes = fit.cohort.patients["centre"].value_counts()
    largest = sizes.max() / sizes.sum()
    assert f"{len(sizes)} centres; the largest has {largest:.0%}" in section
    first = page[: page.index(f'<section id="{DEMANDS[1].anchor}"')]
    assert "Checks at a glance" in first
    assert "sizes of centres" in first
