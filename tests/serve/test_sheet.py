"""The patient sheet: one page with the numbers of the API, and folders of sheets."""

from __future__ import annotations

import re
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.serve.test_pages import Text, numbers
from twinbayes.errors import CohortError, OptionError, StorageError
from twinbayes.names import DAYS_PER_YEAR, PATIENT, STATE, TIME
from twinbayes.report import default_scenarios
from twinbayes.serve import Explorer
from twinbayes.serve.explorer import PatientRow
from twinbayes.serve.language import LANGUAGES, language_of
from twinbayes.serve.pages.page import Reading
from twinbayes.serve.pages.sheet import sheet_html
from twinbayes.serve.sheets import write_sheets
from twinbayes.serve.sheets.printing import BROWSERS, count_pages, pdf_of, require_browser

DAY = datetime(2026, 3, 1)
DAYS = (365.25, 1095.75, 1826.25)
HAS_BROWSER = any(shutil.which(name) for name in BROWSERS)


def reading(explorer: Explorer, code: str = "en", shows_ids: bool = False) -> Reading:
    return Reading(explorer, language_of(code), shows_ids)


@pytest.fixture(scope="module")
def sheet(shared_explorer: Explorer, treatable: PatientRow) -> str:
    return sheet_html(reading(shared_explorer), treatable.pseudonym, DAY)


def answers(explorer: Explorer, row: PatientRow) -> Any:
    """Forecasts and contrast as the API has them, without the explorer."""
    twin = explorer.fit.twin(row.patient_id)
    grid = np.unique([*np.linspace(0.0, DAYS[-1], 61), *DAYS])
    a, b = default_scenarios(twin)
    made = [twin.forecast(DAYS[-1], grid), *(twin.forecast(DAYS[-1], grid, scenario=s)
            for s in (a, b)), twin.contrast(a, b, DAYS[-1], grid)]  # fmt: skip
    labels = ["registry policy", a.label, b.label, f"{a.label} minus {b.label}"]
    return [(label, one.isel({PATIENT: 0})) for label, one in zip(labels, made, strict=True)]


def test_numbers_of_a_sheet_are_those_of_the_forecast_and_the_contrast(
    sheet: str, shared_explorer: Explorer, treatable: PatientRow
) -> None:
    rows = Text(sheet).rows
    (_, policy), (_, a), (_, b), (_, contrast) = answers(shared_explorer, treatable)
    alive = next(r for r in rows if r and r[0] == "Alive")
    for cell, day in zip(alive[1:], DAYS, strict=True):
        at = policy.sel({TIME: day})
        ends = ("survival", "survival_lower", "survival_upper")
        assert numbers(cell) == [round(100 * float(at[name])) for name in ends]
    compared = [r for r in rows if len(r) == 5 and r[1] == "Alive"]
    assert [r[0].split(" (")[0] for r in compared] == ["1 year", "3 years", "5 years"]
    for row, day in zip(compared, DAYS, strict=True):
        first, second = (round(100 * float(x["survival"].sel({TIME: day}))) for x in (a, b))
        assert (numbers(row[2])[0], numbers(row[3])[0]) == (first, second)
        at = contrast.sel({TIME: day})
        low, high = (float(at[f"survival_difference_{end}"]) for end in ("lower", "upper"))
        assert ("◆" in row[4]) == (round(100 * low) > 0 or round(100 * high) < 0)
        shown = [abs(round(100 * end)) for end in (low, high)]
        assert numbers(row[4].replace("no difference", "0"))[1:] == shown


def test_every_state_that_can_be_reached_is_under_both_ways_at_each_horizon(
    sheet: str, shared_explorer: Explorer, treatable: PatientRow
) -> None:
    rows = Text(sheet).rows
    outlook = shared_explorer.outlook(treatable.pseudonym)
    states = [state.replace("_", " ") for state in shared_explorer.reachable(outlook)]
    assert any("death" in state for state in states)
    header = next(k for k, r in enumerate(rows) if "Outcome" in r)
    compared = rows[header + 1 :]
    assert [r[-4] for r in compared] == ["Alive", *states] * 3
    for row in compared:
        assert re.match(r"\d+ (more|fewer)|no difference", row[-1])
        assert len(numbers(row[-2])) == len(numbers(row[-3])) == 3
    start = 1 + next(k for k, r in enumerate(rows) if r and r[0] == "Alive")
    for column in (1, 2, 3):
        forecast = rows[start : start + len(states)]
        assert sum(numbers(r[column])[0] for r in forecast) == 100


def test_a_sheet_says_what_it_rests_on_before_and_after_the_numbers(
    sheet: str, shared_explorer: Explorer, treatable: PatientRow
) -> None:
    text = " ".join(" ".join(Text(sheet).text).split())
    assert text.index("Before you read the numbers") < text.index("People of 100")
    for part in ("Printed on 1 March 2026", f"last known on day {treatable.day:,.0f}",
                 shared_explorer.fit_hash, "The sampler's checks passed", "SIMULATED DATA",
                 "Research software", "did not draw lots"):  # fmt: skip
        assert part in text, part
    twin = shared_explorer.fit.twin(treatable.patient_id)
    known = twin.cohort.covariates().iloc[0]
    age = f"{float(known['age_years']):g}"
    assert f"age: {age} years" in text
    assert "10⁹/L" in text
    assert "TP53: no" in text or "TP53: yes" in text or "TP53" in text.split("Not known")[1]
    last = twin.cohort.visits.query("marker == 'residual_disease_pct'").iloc[-1]
    assert f"(day {last['day']:,.0f})" in text


def test_a_sheet_needs_nothing_beside_itself_and_is_read_without_colours(sheet: str) -> None:
    assert "<script" not in sheet
    bare = sheet.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|src=|<link|url\(|@import|href=", bare)
    assert "default-src 'none'" in sheet
    assert "@page { size: A4" in sheet
    assert sheet.count('stroke-dasharray="7 4"') == 1  # of two curves
    assert 'class="line dashed"' in sheet


def test_the_page_of_the_explorer_is_the_sheet_with_its_style_as_a_file(
    site: Any, shared_explorer: Explorer, treatable: PatientRow
) -> None:
    page = site.get(f"/patients/{treatable.pseudonym}/sheet", "statistician").text
    alone = sheet_html(reading(shared_explorer), treatable.pseudonym, datetime.now())
    assert Text(page).rows == Text(alone).rows
    assert "<style" not in page
    assert "@page" in site.get("/sheet.css").text
    assert (
        f"/patients/{treatable.pseudonym}/sheet"
        in site.get(f"/patients/{treatable.pseudonym}").text
    )
    assert treatable.patient_id in site.get(f"/patients/{treatable.pseudonym}/sheet").text


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.skipif(not HAS_BROWSER, reason=f"none of {', '.join(BROWSERS)} is on the PATH")
def test_the_longest_sheets_of_the_registry_are_one_page(
    shared_explorer: Explorer, code: str
) -> None:
    """Most states, most inputs unknown: at day 25, in induction; and at the last day."""
    early = Explorer(shared_explorer.fit, shared_explorer.fit.cohort.until(25.0), b"secret")
    for explorer, state in ((early, "induction"), (shared_explorer, "remission")):
        alive = [row for row in explorer.rows if row.state == state]
        by_missing = sorted(alive, key=lambda row: row.n_missing)
        can = [r for r in by_missing if explorer.treatments(explorer.outlook(r.pseudonym).twin)]
        for row in {by_missing[0], by_missing[-1], *can[:1], *can[-1:]}:
            html = sheet_html(reading(explorer, code), row.pseudonym, DAY)
            assert count_pages(pdf_of(html, require_browser())) == 1


def test_the_italian_sheet_has_no_english_sentence(
    shared_explorer: Explorer, treatable: PatientRow
) -> None:
    text = " ".join(Text(sheet_html(reading(shared_explorer, "it"), treatable.pseudonym, DAY)).text)
    english, italian = language_of("en").strings, language_of("it").strings
    sentences = [v for k, v in english.items() if len(v) > 9 and "{" not in v and v != italian[k]]
    assert not [s for s in sentences if s in text]
    assert "1 marzo 2026" in text


def test_the_table_equals_forecast_and_contrast_to_the_last_bit(
    shared_explorer: Explorer, treatable: PatientRow, tmp_path: Path
) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text(treatable.patient_id, encoding="utf-8")
    write_sheets(reading(shared_explorer), tmp_path / "out", ids, file_format="csv")
    table = pd.read_csv(tmp_path / "out" / "forecasts.csv", dtype=str)
    for column in ("day", "mean", "lower", "upper", "landmark"):
        table[column] = [float(text) for text in table[column]]
    assert [*table.columns[:7]] == [
        "patient", "day", "outcome", "mean", "lower", "upper", "scenario",
    ]  # fmt: skip
    assert set(table["patient"]) == {treatable.pseudonym}
    assert set(table["landmark"]) == {treatable.day}
    assert set(table["verdict"]) == {"usable"}
    found = table.set_index(["scenario", "day", "outcome"])
    states = shared_explorer.reachable(shared_explorer.outlook(treatable.pseudonym))
    wanted = answers(shared_explorer, treatable)
    assert len(found) == len(wanted) * len(DAYS) * (1 + len(states))
    for label, answer in wanted:
        middle = "_difference" if "minus" in label else ""
        for day in DAYS:
            at = answer.sel({TIME: day})
            for outcome in ("survival", *states):
                one = at if outcome == "survival" else at.sel({STATE: outcome})
                name = "survival" if outcome == "survival" else "state_probability"
                exact = [float(one[f"{name}{middle}{e}"]) for e in ("", "_lower", "_upper")]
                row = found.loc[(label, day, outcome), ["mean", "lower", "upper"]]
                assert [*row] == exact


def test_faults_of_a_file_of_identifiers_are_told_at_once_without_them(
    shared_explorer: Explorer, treatable: PatientRow, tmp_path: Path
) -> None:
    ended = next(row.patient_id for row in shared_explorer.rows if row.has_ended)
    ids, one = tmp_path / "ids.txt", treatable.patient_id
    ids.write_text(f"{one}\n\n  nobody\n{ended}\r\n{one}\n", encoding="utf-8")
    with pytest.raises(CohortError) as refused:
        write_sheets(reading(shared_explorer), tmp_path / "out", ids)
    told = str(refused.value)
    for line, part in ((3, "nobody has this identifier"), (4, "the record has ended"),
                       (5, "names the patient of line 1")):  # fmt: skip
        assert f"line {line}: {part}" in told
    assert one not in told
    assert ended not in told
    assert refused.value.faults is not None
    assert [*refused.value.faults["row"]] == [3, 4, 5]
    assert [*tmp_path.iterdir()] == [ids]
    for content, said in ((b"\n \n", "names nobody"), (b"\xff\xfe\x00", "UTF-8")):
        ids.write_bytes(content)
        with pytest.raises((CohortError, StorageError), match=said):
            write_sheets(reading(shared_explorer), tmp_path / "out", ids)


def test_a_folder_names_nobody_unless_asked_to_and_is_for_its_owner(
    shared_explorer: Explorer, treatable: PatientRow, tmp_path: Path
) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text(treatable.patient_id, encoding="utf-8")
    everybody = [row.patient_id for row in shared_explorer.rows]
    for file_format in ("html", "csv"):
        out = tmp_path / file_format
        write_sheets(reading(shared_explorer), out, ids, file_format=file_format)
        assert out.stat().st_mode & 0o777 == 0o700
        for file in out.iterdir():
            assert file.stat().st_mode & 0o777 == 0o600
            content = file.name + file.read_text(encoding="utf-8")
            assert not [one for one in everybody if one in content]
    assert {f.name for f in (tmp_path / "html").iterdir()} == {
        "index.html", f"{treatable.pseudonym}.html",
    }  # fmt: skip
    named = write_sheets(reading(shared_explorer, shows_ids=True), tmp_path / "named", ids)
    assert named.files == (f"patient-{treatable.patient_id}.html",)
    page = (tmp_path / "named" / named.files[0]).read_text(encoding="utf-8")
    assert f"<h1>Patient {treatable.patient_id}</h1>" in page
    assert f'href="{named.files[0]}"' in (tmp_path / "named" / "index.html").read_text("utf-8")
    with pytest.raises(StorageError, match="not an empty folder"):
        write_sheets(reading(shared_explorer), tmp_path / "html", ids)


def test_a_folder_is_there_whole_or_not_at_all(
    shared_explorer: Explorer, treatable: PatientRow, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    ids = tmp_path / "ids.txt"
    ids.write_text(treatable.patient_id, encoding="utf-8")

    def stopped(*_arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("twinbayes.serve.sheets.folder._index", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_sheets(reading(shared_explorer), tmp_path / "out", ids)
    assert [*tmp_path.iterdir()] == [ids]


def test_without_a_browser_a_pdf_is_refused_before_anything_is_computed(
    shared_explorer: Explorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(Explorer, "rows", None)
    with pytest.raises(OptionError, match="Install Chromium"):
        write_sheets(reading(shared_explorer), tmp_path / "out", file_format="pdf")
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    broken.chmod(0o700)
    with pytest.raises(OptionError, match="made no PDF"):
        pdf_of("<p>", require_browser())
    with pytest.raises(OptionError, match="'html', 'pdf', 'csv'"):
        write_sheets(reading(shared_explorer), tmp_path / "out", file_format="docx")


def test_units_and_values_are_written_as_people_do() -> None:
    english, italian = language_of("en"), language_of("it")
    assert english.unit("10*9/L") == "10⁹/L"
    assert (english.unit("1"), italian.unit("a"), english.unit("g/dL")) == ("", "anni", "g/dL")
    assert english.told(np.bool_(True)) == "yes"
    assert italian.told(False) == "no"
    assert [english.told(v) for v in (0.0, 0.0042, 0.5, 12.346, -0.69)] == [
        "0", "0.0042", "0.5", "12.35", "-0.69",
    ]  # fmt: skip
    assert DAYS[1] == 3 * DAYS_PER_YEAR
