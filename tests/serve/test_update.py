"""What has become known of a patient: what it would move, and what is kept of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from chance import drawn_seed
from served_pages import PAYLOADS, TAGS, Text, numbers
from twinbayes.errors import StorageError
from twinbayes.inference import Fit
from twinbayes.names import DAYS_PER_YEAR, PATIENT, TIME
from twinbayes.serve import Explorer, Person, Role
from twinbayes.serve.explorer import News, PatientRow, UpdateLog
from twinbayes.serve.guard import FormTokens
from twinbayes.serve.language import language_of
from twinbayes.twin import replay

SECRET = b"a secret of tests of the explorer"
BLANK = {"event": "", "treatment": "", "confirm": ""}


@pytest.fixture
def log(tmp_path: Path) -> UpdateLog:
    """Nothing kept so far."""
    return UpdateLog.begin(tmp_path / "updates.jsonl")


@pytest.fixture
def ward(shown_fit: Fit, log: UpdateLog, make_site: Callable[..., Any]) -> Any:
    """An explorer that keeps what is confirmed."""
    return make_site(Explorer(shown_fit, shown_fit.cohort, SECRET, log))


@pytest.fixture(scope="module")
def marker(shown_fit: Fit) -> str:
    """A marker of the model."""
    curves = shown_fit.learnt.curves
    assert curves is not None
    return curves.markers[0].marker


def token_of(site: Any, role: str = "clinician") -> str:
    return FormTokens(site.explorer.secret).issue(f"one {role}", "update")


def send(site: Any, row: PatientRow, query: str = "", role: str = "clinician", **fields: str
         ) -> httpx.Response:  # fmt: skip
    data = {"token": token_of(site, role), **BLANK, **fields}
    path = f"/patients/{row.pseudonym}/update{query}"
    answer: httpx.Response = site.get(path, role, "POST", data=data)
    return answer


def other_than(ward: Any, row: PatientRow) -> str:
    rows = [r for r in ward.explorer.rows if not r.has_ended and r.pseudonym != row.pseudonym]
    return str(rows[0].pseudonym)


def signed(cell: str) -> float:
    return float(cell.replace("\N{MINUS SIGN}", "-").replace("+", ""))


def record_in(page: str) -> str:
    found = re.search(r'name="record" value="(\w+)"', page)
    assert found, "there is nothing to confirm"
    return found.group(1)


def measured(row: PatientRow, marker: str, value: str = "7.5") -> dict[str, str]:
    return {"day": f"{row.day + 45:g}", f"m_{marker}": value, f"limit_{marker}": "none"}


def alive_cells(page: str) -> list[list[str]]:
    return [r for r in Text(page).rows if r and r[0] == "Alive"]


def test_what_would_move_is_that_of_the_twin_with_and_without(
    ward: Any, shown_fit: Fit, treatable: PatientRow, marker: str, log: UpdateLog
) -> None:
    day = treatable.day + 45
    page = send(ward, treatable, **measured(treatable, marker))
    assert page.status_code == 200
    visit = pd.DataFrame({"day": [day], "marker": [marker], "value": [7.5]})
    seen = pd.DataFrame({"day": [day], "event": ["last_contact"]})
    twin = shown_fit.twin(treatable.patient_id)
    days = np.array([1.0, 3.0, 5.0]) * DAYS_PER_YEAR
    answers = [
        one.forecast(ward.explorer.horizon, days).isel({PATIENT: 0})
        for one in (twin.update(events=seen), twin.update(visit))
    ]
    rows = alive_cells(page.text)
    assert len(rows) == len(days)
    for cells, at in zip(rows, days, strict=True):
        for cell, answer in zip(cells[1:3], answers, strict=True):
            there = answer.sel({TIME: at})
            wanted = [round(100 * float(there[f"survival{s}"])) for s in ("", "_lower", "_upper")]
            assert numbers(cell) == wanted
        # From numbers that are not rounded: 81 and 82 may lie .2 apart.
        seen_only, with_news = (100 * float(a.sel({TIME: at})["survival"]) for a in answers)
        assert signed(cells[3]) == round(with_news - seen_only, 1)
    horizon, grid = ward.explorer.horizon, ward.explorer.outlook(treatable.pseudonym).forecast[TIME]
    months = [
        [12 * float(lived[name][0]) / DAYS_PER_YEAR for name in ("rmst", "quality_adjusted_time")]
        for lived in (
            one.quality_adjusted_time(ward.explorer.quality, horizon, grid)
            for one in (twin.update(events=seen), twin.update(visit))
        )
    ]
    lines = [r for r in Text(page.text).rows if r and r[0].startswith("Lived, ")]
    assert len(lines) == 2
    for cells, a, b in zip(lines, *months, strict=True):
        assert [signed(cell) for cell in cells[1:]] == [round(x, 1) for x in (a, b, b - a)]
    (now,) = [r for r in Text(page.text).rows if r and r[0] == language_of("en").name(marker)]
    for cell, one in zip(now[1:], (twin.update(events=seen), twin.update(visit)), strict=True):
        today = one.forecast(horizon, [0.0, horizon]).isel({PATIENT: 0, TIME: 0}).sel(marker=marker)
        assert float(cell.split()[0]) == pytest.approx(float(today["marker_curve"]), rel=0.02)
    # Nothing is kept by looking.
    assert log.records() == []
    assert ward.explorer.by_pseudonym[treatable.pseudonym].day == treatable.day


def test_the_value_that_is_far_from_what_was_expected_is_named(
    ward: Any, shown_fit: Fit, treatable: PatientRow
) -> None:
    day, t = treatable.day + 45, language_of("en")
    twin = shown_fit.twin(treatable.patient_id)
    curves = shown_fit.learnt.curves
    assert curves is not None
    names = [m.marker for m in curves.markers]
    assert len(names) == 2
    today = twin.forecast(365.0, [day - treatable.day]).isel({PATIENT: 0, TIME: 0})["marker_curve"]
    usual = {name: float(today.sel(marker=name)) for name in names}
    for odd in names:
        for value in (1.0, 99.0):
            entered = usual | {odd: value}
            fields = {f"m_{n}": f"{v:.6f}" for n, v in entered.items()}
            page = send(ward, treatable, day=f"{day:g}", **fields).text
            for name, number in entered.items():
                visit = pd.DataFrame({"day": [day], "marker": [name], "value": [round(number, 6)]})
                z = float(twin.update(visit).reliability()["surprise"].iloc[0])
                assert (f"{t.name(name)}: the value lies" in page) == (z > 2.5), (name, number, z)


def test_what_is_confirmed_is_in_the_record_today_and_after_a_new_start(
    ward: Any, shown_fit: Fit, treatable: PatientRow, marker: str, log: UpdateLog
) -> None:
    fields = measured(treatable, marker)
    record = record_in(send(ward, treatable, **fields).text)
    kept = send(ward, treatable, **fields | {"confirm": "1", "record": record})
    assert kept.status_code == 201
    (line,) = log.records()
    assert line["hash"] in kept.text
    assert (line["person"], line["role"]) == ("one clinician", "clinician")
    assert ward.audit.records()[-1]["status"] == 201
    assert treatable.patient_id not in ward.audit.path.read_text(encoding="utf-8")
    visit = pd.DataFrame({"day": [treatable.day + 45], "marker": [marker], "value": [7.5]})
    twin = shown_fit.twin(treatable.patient_id).update(visit)
    wanted = twin.forecast(ward.explorer.horizon, [1096.0])["survival"].to_numpy()
    again = Explorer(shown_fit, shown_fit.cohort, SECRET, UpdateLog(log.path))
    for explorer in (ward.explorer, again):
        outlook = explorer.outlook(treatable.pseudonym)
        assert outlook.row.day == treatable.day + 45
        found = outlook.twin.forecast(ward.explorer.horizon, [1096.0])["survival"].to_numpy()
        np.testing.assert_array_equal(found, wanted)
    shown = ward.get(f"/patients/{treatable.pseudonym}").text
    assert f"last known on day {treatable.day + 45:,.0f}" in shown
    (line_of_page,) = [r for r in Text(shown).rows if "one clinician" in r]
    assert line_of_page[0] == f"{treatable.day + 45:,.10g}"
    assert line_of_page[1].startswith(f"{language_of('en').name(marker)}: 7.5")
    elsewhere = ward.get(f"/patients/{other_than(ward, treatable)}").text
    assert "one clinician" not in elsewhere.split("<main")[1]
    # The record of the ledger can be done again from the records alone.
    assert replay(shown_fit, twin.cohort, log.records()) == []
    # The record of the cohort ends before; the rows of the log lead on from there.
    assert replay(shown_fit, shown_fit.cohort, log.records()) == []
    (kept,) = log.records()
    other = {**kept, "rows": {**kept["rows"], "visits": []}}
    assert "no patient" in replay(shown_fit, shown_fit.cohort, [other])[0]


def test_a_second_update_follows_the_first(
    ward: Any, shown_fit: Fit, treatable: PatientRow, marker: str, log: UpdateLog
) -> None:
    person = Person("one clinician", Role.CLINICIAN)
    for step in (30.0, 60.0):
        page = send(ward, treatable, day=f"{treatable.day + step:g}")
        news = News(treatable.day + step, {})
        ward.explorer.keep(treatable.pseudonym, news, record_in(page.text), person)
    assert [r["patients"][0]["last_day"][1] for r in log.records()] == [
        treatable.day + 30,
        treatable.day + 60,
    ]
    again = Explorer(shown_fit, shown_fit.cohort, SECRET, UpdateLog(log.path))
    assert again.by_pseudonym[treatable.pseudonym].day == treatable.day + 60


def test_of_two_people_who_update_one_patient_at_once_one_is_told(
    ward: Any, treatable: PatientRow, marker: str, log: UpdateLog
) -> None:
    answers = []
    for value in ("7.5", "40"):
        fields = measured(treatable, marker, value)
        record = record_in(send(ward, treatable, **fields).text)
        answers.append(fields | {"confirm": "1", "record": record})
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda fields: send(ward, treatable, **fields), answers))
    assert sorted(answer.status_code for answer in both) == [201, 422]
    refused = next(answer for answer in both if answer.status_code == 422)
    assert "The record has changed since you looked at it" in refused.text
    (line,) = log.records()
    first = next(f for f, a in zip(answers, both, strict=True) if a.status_code == 201)
    assert line["rows"]["visits"][0][2] == float(first[f"m_{marker}"])
    # So is somebody who sends the same form again.
    assert send(ward, treatable, **first).status_code == 422
    assert len(log.records()) == 1


def test_an_event_a_treatment_and_a_death_move_the_record(
    ward: Any, shown_fit: Fit, treatable: PatientRow, log: UpdateLog
) -> None:
    day = f"{treatable.day + 30:g}"
    offered = ward.explorer.treatments(shown_fit.twin(treatable.patient_id))
    page = send(ward, treatable, day=day, treatment=offered[0])
    assert page.status_code == 200
    start = pd.DataFrame({"start_day": [treatable.day + 30], "treatment": [offered[0]]})
    twin = shown_fit.twin(treatable.patient_id).update(treatments=start)
    wanted = twin.forecast(ward.explorer.horizon, [DAYS_PER_YEAR]).isel({PATIENT: 0, TIME: 0})
    assert numbers(alive_cells(page.text)[0][2])[0] == round(100 * float(wanted["survival"]))
    page = send(ward, treatable, day=day, event="death")
    assert "The record would end" in page.text
    fields = {"day": day, "event": "death", "confirm": "1", "record": record_in(page.text)}
    assert send(ward, treatable, **fields).status_code == 201
    assert ward.explorer.by_pseudonym[treatable.pseudonym].has_ended
    assert ward.get(f"/patients/{treatable.pseudonym}").status_code == 422
    assert len(log.records()) == 1
    assert replay(
        shown_fit,
        shown_fit.twin(treatable.patient_id)
        .update(events=pd.DataFrame({"day": [treatable.day + 30], "event": ["death"]}))
        .cohort,
        log.records(),
    ) == []  # fmt: skip


def test_only_those_who_treat_may_enter(
    ward: Any, treatable: PatientRow, marker: str, log: UpdateLog
) -> None:
    path = f"/patients/{treatable.pseudonym}/update"
    for role, status in (("statistician", 403), ("reviewer", 403), ("", 401)):
        assert ward.get(path, role).status_code == status
        fields = measured(treatable, marker) | {"confirm": "1", "record": "x"}
        assert send(ward, treatable, role=role, **fields).status_code == status
        assert ward.audit.records()[-1]["status"] == status
    assert "/update" not in ward.get(f"/patients/{treatable.pseudonym}", "statistician").text
    assert ward.get(path, method="POST", data={"day": "1"}).status_code == 403
    assert log.records() == []


def test_without_a_file_of_updates_nothing_can_be_confirmed(
    site: Any, treatable: PatientRow, marker: str
) -> None:
    page = send(site, treatable, **measured(treatable, marker))
    assert page.status_code == 200
    assert "keeps nothing" in page.text
    assert 'name="confirm"' not in page.text
    fields = measured(treatable, marker) | {"confirm": "1", "record": "x"}
    assert send(site, treatable, **fields).status_code == 422


def test_what_cannot_be_is_refused_beside_its_field_and_nothing_is_kept(
    ward: Any, treatable: PatientRow, marker: str, log: UpdateLog
) -> None:
    late, known = f"{treatable.day + 30:g}", f"{treatable.day:g}"
    wrong: list[dict[str, str]] = [
        {"day": ""}, {"day": "nan"}, {"day": "-1"}, {"day": "1e9"}, {"day": known},
        {"day": late, "event": "relapses"}, {"day": late, "treatment": "water"},
        {"day": late, f"m_{marker}": "1e6"}, {"day": late, f"m_{marker}": "7,5"},
        {"day": late, f"m_{marker}": "7.5", f"limit_{marker}": "about"},
        {"day": "0", "event": "death"}, {"day": "1", "event": "relapse"},
    ]  # fmt: skip
    for fields in wrong:
        for more in ({}, {"confirm": "1", "record": "x"}):
            answer = send(ward, treatable, **fields | more)
            assert answer.status_code == 422, fields
            assert 'role="alert"' in answer.text or more
    assert log.records() == []
    assert log.path.stat().st_size == 0


def test_payloads_are_inert_in_every_field(
    ward: Any, treatable: PatientRow, marker: str, log: UpdateLog
) -> None:
    plain = ward.get(f"/patients/{treatable.pseudonym}/update").text
    names = ("day", "event", "treatment", f"m_{marker}", f"limit_{marker}", "record", "confirm")
    clean = {"day": f"{treatable.day + 30:g}"}
    for payload in PAYLOADS:
        answer = send(ward, treatable, **dict.fromkeys(names, payload))
        assert answer.status_code in (400, 422)
        inside = re.sub(r'value="[^"]*"', "", answer.text)
        assert not [tag for tag in TAGS if inside.count(tag) > plain.count(tag)]
    for name in names[1:]:
        answer = send(ward, treatable, **clean | {name: '"><b>{{7*191}}'})
        assert answer.status_code == (200 if name == "record" else 422)
        assert "<b>" not in answer.text
        assert "1337" not in answer.text
    assert log.records() == []


def test_a_file_of_updates_that_is_not_whole_or_of_others_is_not_applied(
    ward: Any, shown_fit: Fit, treatable: PatientRow, marker: str, log: UpdateLog
) -> None:
    fields = measured(treatable, marker)
    record = record_in(send(ward, treatable, **fields).text)
    send(ward, treatable, **fields | {"confirm": "1", "record": record})

    def started(fit: Fit = shown_fit, cohort: Any = None) -> None:
        shown = fit.cohort if cohort is None else cohort
        _ = Explorer(fit, shown, SECRET, UpdateLog(log.path)).rows

    whole = log.path.read_bytes()
    random = np.random.default_rng(drawn_seed())
    for place in random.integers(len(whole), size=1_000):
        flipped = bytearray(whole)
        flipped[place] ^= int(random.integers(1, 256))
        log.path.write_bytes(bytes(flipped))
        with pytest.raises(StorageError):
            UpdateLog(log.path).records()
    log.path.write_bytes(whole)
    started()
    manifest = {**shown_fit.manifest, "seed": -1}
    with pytest.raises(StorageError, match="another fit"):
        started(replace(shown_fit, manifest=manifest))
    others = [p for p in shown_fit.cohort.patient_ids if p != treatable.patient_id]
    with pytest.raises(StorageError, match="whom the cohort does not have"):
        started(cohort=shown_fit.cohort.select(others))
    earlier = shown_fit.cohort.until(treatable.day - 1.0).select([treatable.patient_id])
    with pytest.raises(StorageError, match="another record"):
        started(cohort=earlier)


def test_nothing_is_kept_behind_what_the_explorer_has_not_seen(
    ward: Any, shown_fit: Fit, treatable: PatientRow, log: UpdateLog
) -> None:
    page = send(ward, treatable, day=f"{treatable.day + 30:g}")
    fields = {"day": f"{treatable.day + 30:g}", "confirm": "1", "record": record_in(page.text)}
    other = next(r for r in ward.explorer.rows if not r.has_ended and r != treatable)
    seen = pd.DataFrame({"day": [other.day + 5], "event": ["last_contact"]})
    person = Person("of another explorer", Role.CLINICIAN)
    UpdateLog(log.path).add(person, shown_fit.twin(other.patient_id).update(events=seen))
    answer = send(ward, treatable, **fields)
    assert answer.status_code == 503
    assert "was not kept" in answer.text
    assert len(log.records()) == 1
    assert ward.explorer.by_pseudonym[treatable.pseudonym].day == treatable.day


def test_the_italian_pages_have_no_english_sentence(
    ward: Any, treatable: PatientRow, marker: str
) -> None:
    english, italian = language_of("en").strings, language_of("it").strings
    sentences = [v for k, v in english.items() if len(v) > 12 and "{" not in v and v != italian[k]]
    fields = measured(treatable, marker)
    moved = send(ward, treatable, "?lang=it", **fields)
    sure = {"confirm": "1", "record": record_in(moved.text)}
    path = f"/patients/{treatable.pseudonym}/update?lang=it"
    pages = [ward.get(path), moved, send(ward, treatable, "?lang=it", day="x"),
             send(ward, treatable, "?lang=it", **fields | sure),
             send(ward, treatable, "?lang=it", **fields | sure)]  # fmt: skip
    assert [page.status_code for page in pages] == [200, 200, 422, 201, 422]
    for page in pages:
        text = " ".join(Text(page.text).text)
        assert '<html lang="it">' in page.text
        assert not [s for s in sentences if s in text]
