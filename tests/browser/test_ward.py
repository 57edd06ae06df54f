"""The ward explorer in a real browser: tasks, accessibility, small screens; `make browser`."""

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

from twinbayes.inference import Fit
from twinbayes.inference.gate.verdict import Verdict
from twinbayes.serve import AuditLog, Explorer, ProxyAccess, create_app
from twinbayes.serve.explorer import PatientRow, UpdateLog

sync_api = pytest.importorskip("playwright.sync_api", reason="make browser installs Playwright")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="make browser has axe")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
if CHROMIUM is None:
    pytest.skip("Chromium is not installed", allow_module_level=True)

SECRET = "what a proxy of tests sends"  # noqa: S105 - of tests
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PICTURES = os.environ.get("TWINBAYES_PICTURES")  # a folder to look at what was seen


@pytest.fixture(scope="module")
def explorer(registry_fit: Fit, tmp_path_factory: pytest.TempPathFactory) -> Explorer:
    fit = replace(registry_fit, verdict=Verdict(True, (), pd.DataFrame(), {}))
    updates = UpdateLog.begin(tmp_path_factory.mktemp("kept") / "updates.jsonl")
    return Explorer(fit, fit.cohort, b"a secret of tests in a browser....", updates)


@pytest.fixture(scope="module")
def treatable(explorer: Explorer) -> PatientRow:
    for row in explorer.rows:
        if not row.has_ended and explorer.treatments(explorer.fit.twin(row.patient_id)):
            return row
    raise LookupError("nobody")


@pytest.fixture(scope="module")
def address(explorer: Explorer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    audit = AuditLog.begin(tmp_path_factory.mktemp("served") / "audit.jsonl")
    app = create_app(explorer, ProxyAccess(SECRET), audit, most_a_minute=10_000)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=30)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def opened(
    chromium: Any, role: str = "clinician", *, scripts: bool = True, width: int = 1280,
    scale: float = 1.0,
) -> Any:  # fmt: skip
    context = chromium.new_context(
        java_script_enabled=scripts,
        viewport={"width": width, "height": 900},
        device_scale_factor=scale,
        locale="en-GB",
        extra_http_headers={"x-proxy-secret": SECRET, "x-user": f"one {role}", "x-role": role},
    )
    page = context.new_page()
    page.set_default_timeout(120_000)
    return page


@pytest.fixture(scope="module")
def another(explorer: Explorer, treatable: PatientRow) -> PatientRow:
    return next(r for r in explorer.rows if not r.has_ended and r is not treatable)


def pages_of(treatable: PatientRow, another: PatientRow) -> dict[str, tuple[str, str]]:
    """Name, then role and path."""
    one = f"/patients/{treatable.pseudonym}"
    return {
        "patients": ("clinician", "/"),
        "patient": ("clinician", one),
        "what if": ("clinician", f"{one}/what-if?wait=60"),
        "weighed": ("clinician", f"{one}/what-if?wait=60&u0=0.5&u1=1&u2=0.3"),
        "update": ("clinician", f"{one}/update"),
        "beside": ("clinician", f"{one}/beside/{another.pseudonym}"),
        "new person": ("clinician", "/new"),
        "sheet": ("clinician", f"{one}/sheet"),
        "evidence": ("reviewer", "/evidence"),
        "audit": ("reviewer", "/audit"),
        "nothing": ("clinician", "/nothing"),
        "refused": ("reviewer", one),
        "italian": ("clinician", f"{one}/what-if?lang=it"),
    }


NAMES = (
    "patients", "patient", "what if", "weighed", "update", "beside", "new person", "sheet",
    "evidence", "audit", "nothing",
    "refused", "italian",
)  # fmt: skip


@pytest.mark.parametrize("width", [320, 640, 1280])
@pytest.mark.parametrize("name", NAMES)
def test_no_violation_of_accessibility_and_no_sideways_scroll(
    chromium: Any, address: str, treatable: PatientRow, another: PatientRow, name: str, width: int
) -> None:
    """640 at a scale of 2 is a screen of 1280 at a zoom of 200 %."""
    role, path = pages_of(treatable, another)[name]
    page = opened(chromium, role, width=width, scale=2.0 if width == 640 else 1.0)
    page.goto(address + path)
    found = axe.Axe().run(page, options={"runOnly": RULES})
    assert found.violations_count == 0, found.generate_report()
    assert len(found.response["passes"]) >= 8  # the rules did run
    assert page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth")
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}-{width}.png", full_page=True)
    page.context.close()


@pytest.mark.parametrize("scripts", [True, False])
def test_tasks_of_the_ward(
    chromium: Any, address: str, explorer: Explorer, treatable: PatientRow, scripts: bool
) -> None:
    page = opened(chromium, scripts=scripts)
    outside: list[str] = []
    page.on("request", lambda r: None if r.url.startswith(address) else outside.append(r.url))
    # 1. Find a patient by name.
    page.goto(address)
    page.get_by_label("Search by name or pseudonym").fill(treatable.patient_id)
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name=treatable.patient_id).click()
    # 2. Read what has to be known before, and the forecast.
    assert page.get_by_role("heading", name="Before you read the numbers").is_visible()
    alive = page.get_by_role("row", name="Alive").first.inner_text()
    survival = explorer.outlook(treatable.pseudonym).forecast["survival"].isel(patient=0)
    three = float(survival.sel(time=3 * 365.25, method="nearest"))
    assert f"{round(100 * three)} of 100" in alive
    # 3. Ask what a treatment would do.
    page.get_by_label("Days from now").fill("45")
    page.get_by_role("button", name="Compare with no start").click()
    assert page.get_by_text("after 45 days").first.is_visible()
    assert page.get_by_text("Doctors did not draw lots").is_visible()
    # 4. Read it in Italian, the same comparison.
    page.get_by_role("link", name="Italiano").click()
    assert page.locator("html").get_attribute("lang") == "it"
    assert page.get_by_text("dopo 45 giorni").first.is_visible()
    # 5. See what the answer rests on.
    page.get_by_role("link", name="Il modello e le sue prove").first.click()
    assert page.get_by_role("heading", level=1).inner_text() == "Il modello e le sue prove"
    assert not outside
    page.context.close()


@pytest.mark.parametrize("scripts", [True, False])
def test_tasks_of_a_reviewer(
    chromium: Any, address: str, treatable: PatientRow, scripts: bool
) -> None:
    page = opened(chromium, "reviewer", scripts=scripts)
    page.goto(f"{address}/evidence")
    assert page.get_by_text("calibration and validation").is_visible()
    page.get_by_role("link", name="Audit log").click()
    assert page.get_by_role("row", name="one reviewer").first.is_visible()
    page.goto(f"{address}/patients/{treatable.pseudonym}")
    assert page.get_by_role("heading", name="Not for your role").is_visible()
    page.context.close()


@pytest.mark.parametrize("scripts", [True, False])
def test_a_person_who_is_not_in_the_cohort(chromium: Any, address: str, scripts: bool) -> None:
    page = opened(chromium, scripts=scripts)
    page.goto(f"{address}/new")
    page.get_by_label("Subgroup").select_option(index=1)
    page.locator("#v_age_years").fill("61")
    page.get_by_role("button", name="Show the forecast").click()
    assert page.get_by_role("heading", name="Where 100 people like this one would be").is_visible()
    assert page.get_by_role("row", name="Alive").first.is_visible()
    assert "61" not in page.url
    if scripts:
        found = axe.Axe().run(page, options={"runOnly": RULES})
        assert found.violations_count == 0, found.generate_report()
    page.context.close()


def test_a_forecast_and_a_comparison_by_keyboard_alone(
    chromium: Any, address: str, treatable: PatientRow
) -> None:
    page = opened(chromium)
    page.goto(address)

    def tab_to(what: str) -> None:
        for _ in range(400):
            page.keyboard.press("Tab")
            active = "document.activeElement"
            if page.evaluate(f"({active}.id || {active}.textContent.trim())") == what:
                return
        raise AssertionError(what)

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    tab_to("q")
    page.keyboard.type(treatable.patient_id)
    page.keyboard.press("Enter")
    page.get_by_text("1 of ").first.wait_for()
    assert treatable.patient_id not in page.url
    tab_to(treatable.patient_id)
    page.keyboard.press("Enter")
    page.wait_for_url("**/patients/**")
    tab_to("wait")
    page.keyboard.press("Control+A")
    page.keyboard.type("10")
    page.keyboard.press("Enter")
    page.wait_for_url("**/what-if**")
    assert page.get_by_text("after 10 days").first.is_visible()
    page.context.close()


@pytest.mark.parametrize("scripts", [True, False])
def test_task_what_became_known_is_looked_at_and_then_kept(
    chromium: Any, address: str, explorer: Explorer, another: PatientRow, scripts: bool
) -> None:
    before = explorer.by_pseudonym[another.pseudonym].day
    page = opened(chromium, scripts=scripts)
    page.goto(f"{address}/patients/{another.pseudonym}")
    page.get_by_role("link", name="Enter what has become known").click()
    page.get_by_label("Day since the origin").fill(f"{before + 20:g}")
    page.get_by_role("button", name="Show what it would move").click()
    assert page.get_by_text("Nothing has been kept so far.").is_visible()
    assert explorer.by_pseudonym[another.pseudonym].day == before
    found = axe.Axe().run(page, options={"runOnly": RULES}) if scripts else None
    assert found is None or found.violations_count == 0, found.generate_report()
    page.get_by_role("button", name="Keep it in the record").click()
    assert page.get_by_role("heading", name="It is kept").is_visible()
    page.get_by_role("link", name="The patient's forecast with it").click()
    assert page.get_by_text(f"last known on day {before + 20:,.0f}").is_visible()
    page.context.close()


def test_task_two_patients_are_set_beside_each_other(
    chromium: Any, address: str, treatable: PatientRow, another: PatientRow
) -> None:
    page = opened(chromium)
    page.goto(f"{address}/patients/{treatable.pseudonym}")
    page.get_by_role("link", name="Set another patient beside").click()
    page.get_by_role("link", name=another.patient_id).click()
    heading = f"{treatable.patient_id} beside {another.patient_id}"
    assert page.get_by_role("heading", name=heading).is_visible()
    page.context.close()
