"""A review of a few sections, made by the renderer of reviews in no time."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from twinbayes.checks import CheckResult
from twinbayes.report.html import fragments as f
from twinbayes.report.html.page import PageSection, compose_page, write_page

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
    shown = {
        "Scores": f.block(picture, check("accuracy", "fail")),
        "Prior sensitivity": check("prior sensitivity", "warn"),
        "Further evidence": f.not_provided("None was handed in."),
        "Limits": f.bullets([limits]),
    }
    sections = [PageSection.of(f.banner(True, (), simulated=True), f.glance(shown.items()))]
    for heading, block in shown.items():
        name = heading.lower().replace(" ", "-")
        sections.append(PageSection(heading, name, PageSection.of(block).parts))
    page = compose_page(
        "Model review: a < b", sections, strip="USABLE", colour="usable", simulated=True,
        lead="All of it.", fit=fit,
    )  # fmt: skip
    return write_page(path, page)
