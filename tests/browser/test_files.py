"""Files that people open by themselves, in a real browser: reviews, patient reports, sheets."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import twinbayes as tb
from twinbayes.inference import Fit
from twinbayes.inference.gate.verdict import Verdict
from twinbayes.report import twin_report
from twinbayes.serve import Explorer
from twinbayes.serve.language import language_of
from twinbayes.serve.pages.page import Reading
from twinbayes.serve.sheets import write_sheets

sync_api = pytest.importorskip("playwright.sync_api", reason="make browser installs Playwright")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="make browser has axe")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
if CHROMIUM is None:
    pytest.skip("Chromium is not installed", allow_module_level=True)

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.fixture(scope="module")
def files(registry_fit: Fit, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One of each kind, of the small stored fit."""
    folder = tmp_path_factory.mktemp("files")
    fit = replace(registry_fit, verdict=Verdict(True, (), pd.DataFrame(), {}))
    explorer = Explorer(fit, fit.cohort, b"a secret of tests of files.......")
    found = {"refused review": tb.review(registry_fit, folder / "refused.html")}
    found["review"] = tb.review(fit, folder / "review.html")
    who = next(row.patient_id for row in explorer.rows if not row.has_ended)
    found["patient report"] = twin_report(fit, who, folder / "patient.html")
    for code in ("en", "it"):
        sheets = folder / code
        written = write_sheets(Reading(explorer, language_of(code), False), sheets)
        found[f"index of sheets, {code}"] = sheets / "index.html"
        found[f"sheet, {code}"] = sheets / written.files[0]
    return found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.parametrize("width", [320, 640, 1280])
@pytest.mark.parametrize(
    "name",
    ["refused review", "review", "patient report", "index of sheets, en", "sheet, en", "sheet, it"],
)
def test_no_violation_of_accessibility_and_no_sideways_scroll(
    chromium: Any, files: dict[str, Path], name: str, width: int
) -> None:
    """640 at a scale of 2 is a screen of 1280 at a zoom of 200 %."""
    scale = 2.0 if width == 640 else 1.0
    context = chromium.new_context(
        viewport={"width": width, "height": 900}, device_scale_factor=scale
    )
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(files[name].as_uri())
    for folded in page.query_selector_all("details"):
        folded.evaluate("one => one.open = true")
    found = axe.Axe().run(page, options={"runOnly": RULES})
    assert found.violations_count == 0, found.generate_report()
    assert len(found.response["passes"]) >= 8  # the rules did run
    assert page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth")
    assert not [url for url in asked if not url.startswith(("file:", "data:"))]
    context.close()
