"""The reviewer's workbench in a real browser: tasks, accessibility, small screens."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import uvicorn

import twinbayes as tb
from small_review import small_review
from twinbayes.inference.gate.verdict import Verdict
from twinbayes.serve import AuditLog, Explorer, ProxyAccess, create_app
from twinbayes.serve.workbench.signatures import SignatureLog
from twinbayes.serve.workbench.workbench import workbench_of

sync_api = pytest.importorskip("playwright.sync_api", reason="make browser installs Playwright")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="make browser has axe")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
if CHROMIUM is None:
    pytest.skip("Chromium is not installed", allow_module_level=True)

SECRET = "what a proxy of tests sends"  # noqa: S105 - of tests
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PICTURES = os.environ.get("TWINBAYES_PICTURES")  # a folder to look at what was seen
STORED = Path(__file__).parents[1] / "data" / "registry_fit.nc"
PAGES = {
    "review": "/review",
    "open items": "/review/open",
    "section": "/review/sections/scores",
    "section in Italian": "/review/sections/limits?lang=it",
    "comparison": "/compare",
    "comparison in Italian": "/compare?lang=it",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    stored = tb.load_fit(STORED)
    fit = replace(stored, verdict=Verdict(True, (), pd.DataFrame(), {}))
    explorer = Explorer(fit, fit.cohort, b"a secret of tests in a browser....")
    other = replace(stored, spec=replace(stored.spec, title="Another title"))
    review = small_review(folder / "review.html", explorer.fit_hash)
    bench = workbench_of(fit, review, folder / "signatures.jsonl", other)
    audit = AuditLog.begin(folder / "audit.jsonl")
    app = create_app(explorer, ProxyAccess(SECRET), audit, most_a_minute=10_000, workbench=bench)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=30)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def opened(chromium: Any, *, scripts: bool = True, width: int = 1280, who: str = "one") -> Any:
    context = chromium.new_context(
        java_script_enabled=scripts,
        viewport={"width": width, "height": 900},
        locale="en-GB",
        extra_http_headers={
            "x-proxy-secret": SECRET,
            "x-user": f"{who} reviewer",
            "x-role": "reviewer",
        },
    )
    page = context.new_page()
    page.set_default_timeout(120_000)
    return page


def lines(folder: Path) -> list[tuple[str, str, str]]:
    records = SignatureLog(folder / "signatures.jsonl").records()
    return [(r["person"], r["section"], r["decision"]) for r in records]


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("name", PAGES)
def test_no_violation_of_accessibility_and_no_sideways_scroll(
    chromium: Any, address: str, name: str, width: int
) -> None:
    page = opened(chromium, width=width)
    refused: list[str] = []
    page.on("console", lambda said: refused.append(said.text))
    page.goto(address + PAGES[name])
    assert page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth")
    assert not refused  # nothing that the policy would have refused
    found = axe.Axe().run(page, options={"runOnly": RULES})
    assert found.violations_count == 0, found.generate_report()
    assert len(found.response["passes"]) >= 8  # the rules did run
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}-{width}.png", full_page=True)
    page.context.close()


@pytest.mark.parametrize("scripts", [True, False])
def test_find_the_failed_section_and_sign_it(
    chromium: Any, address: str, folder: Path, scripts: bool
) -> None:
    who = f"scripts {scripts}"
    page = opened(chromium, scripts=scripts, who=who)
    outside: list[str] = []
    known = (address, "data:image/")
    page.on("request", lambda r: None if r.url.startswith(known) else outside.append(r.url))
    page.goto(f"{address}/review")
    page.get_by_label("Which sections").select_option("failed")
    page.get_by_role("button", name="Show").click()
    assert page.get_by_text("1 of 5 sections").is_visible()
    page.get_by_role("link", name="Scores").click()
    picture = page.get_by_role("img", name="One point.")
    assert picture.is_visible()
    assert picture.evaluate("one => one.naturalWidth") == 1 if scripts else True
    page.get_by_label("Reject: I have reviewed").check()
    page.get_by_label("Your words").fill("Accuracy is not good enough.\nSay why.")
    page.get_by_role("button", name="Sign").click()
    assert page.get_by_role("heading", name="Written").is_visible()
    page.reload()
    page.get_by_role("link", name="Back to the section").click()
    assert page.get_by_text("Accuracy is not good enough.").last.is_visible()
    assert lines(folder).count((f"{who} reviewer", "scores", "reject")) == 1
    assert not outside
    page.context.close()


@pytest.mark.parametrize("scripts", [True, False])
def test_comment_and_see_it_among_open_items(chromium: Any, address: str, scripts: bool) -> None:
    page = opened(chromium, scripts=scripts, who=f"scripts {scripts}")
    page.goto(f"{address}/review")
    page.get_by_role("link", name="Prior sensitivity").click()
    page.get_by_label("Comment: I say").check()
    page.get_by_role("button", name="Sign").click()
    if not scripts:
        assert page.get_by_role("heading", name="Nothing was written").is_visible()
    page.get_by_label("Your words").fill(f"Which prior, <b>scripts {scripts}</b>?")
    page.get_by_role("button", name="Sign").click()
    page.get_by_role("link", name="Open items").first.click()
    row = page.get_by_role("row", name="Prior sensitivity")
    assert f"Which prior, <b>scripts {scripts}</b>?" in row.inner_text()
    page.context.close()


@pytest.mark.parametrize("scripts", [True, False])
def test_compare_two_fits(chromium: Any, address: str, scripts: bool) -> None:
    page = opened(chromium, scripts=scripts)
    page.goto(f"{address}/review")
    page.get_by_role("link", name="Two fits compared").click()
    assert page.get_by_text("Both fits are of the same data.").is_visible()
    row = page.get_by_role("row", name="title Rare acute leukaemias").inner_text()
    assert "Another title" in row
    page.get_by_label("Parameter").select_option("beta")
    page.get_by_role("button", name="Show").click()
    assert page.get_by_role("row", name="beta").first.inner_text().split("\t")[-1] == "0"
    page.context.close()


def test_sign_by_keyboard_alone(chromium: Any, address: str, folder: Path) -> None:
    page = opened(chromium, who="keyboard")
    page.goto(f"{address}/review")

    def tab_to(what: str) -> None:
        for _ in range(200):
            page.keyboard.press("Tab")
            active = "document.activeElement"
            if page.evaluate(f"({active}.id || {active}.textContent.trim())") == what:
                return
        raise AssertionError(what)

    tab_to("Limits")
    page.keyboard.press("Enter")
    page.wait_for_url("**/sections/limits**")
    tab_to("meaning-adequate")
    page.keyboard.press("Space")
    tab_to("text")
    tab_to("Sign")
    page.keyboard.press("Enter")
    page.wait_for_url("**/written**")
    assert ("keyboard reviewer", "limits", "approve") in lines(folder)
    page.context.close()
