"""A review of a few sections, made by the renderer of reviews in no time."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from twinbayes.checks import CheckResult
from twinbayes.report.html import fragments as f
from twinbayes.report.html.page import render_report, write_page
from twinbayes.report.html.section import Section

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWj"
    "R9awAAAABJRU5ErkJggg=="
)
TABLE = pd.DataFrame({"subgroup": ["a<b", "two"], "value": [0.25, 0.5]})


def check(name: str, verdict: str) -> f.Block:
    return f.check(CheckResult(name, verdict, TABLE, f"{name} was looked at."))  # type: ignore[arg-type]


def small_review(path: Path, fit: str, *, limits: str = "The data are simulated.") -> Path:
    """Write a review of five sections: usable, failed, warned, not provided, and sentences."""
    picture = f.Block(f'<figure><img src="{PIXEL}" width="1" alt="One point."></figure>')
    table = (
        Section(show=lambda _: f.banner(True, (), simulated=True)),
        Section(heading="Scores", show=lambda _: f.block(picture, check("accuracy", "fail"))),
        Section(heading="Prior sensitivity", show=lambda _: check("prior sensitivity", "warn")),
        Section(heading="Further evidence", show=lambda _: f.not_provided("None was handed in.")),
        Section(heading="Limits", show=lambda _: f.bullets([limits])),
    )
    page = render_report(
        table, lambda: None, title="Model review: a < b", lead="All of it.", usable=True,
        simulated=True, at_a_glance=True, fit=fit,
    )  # fmt: skip
    return write_page(path, page)
