"""A person who is not in the cohort: the form, its answer, and what is refused."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

import twinbayes as tb
from served_pages import PAYLOADS, TAGS, Text, numbers
from twinbayes.inference.gate.verdict import Verdict
from twinbayes.names import DAYS_PER_YEAR, PATIENT, TIME
from twinbayes.serve import Explorer
from twinbayes.serve.explorer.inputs import used_of
from twinbayes.serve.guard import FormTokens
from twinbayes.serve.language import language_of

KNOWN = {"age_years": 71.5, "ecog": 2.0, "sex": "female", "TP53": 1.0}
MIDDLE = 3 * DAYS_PER_YEAR


def token_of(site: Any, role: str = "clinician") -> str:
    found = re.search(r'name="token" value="([^"]+)"', site.get("/new", role).text)
    assert found
    return found.group(1)


def send(site: Any, query: str = "", role: str = "clinician", **fields: str) -> httpx.Response:
    fields = {"token": token_of(site, role), **fields}
    answer: httpx.Response = site.get(f"/new{query}", role, "POST", data=fields)
    return answer


def typed(subgroup: str, values: dict[str, Any]) -> dict[str, str]:
    told = {f"v_{k}": v if isinstance(v, str) else f"{v:g}" for k, v in values.items()}
    return {"subgroup": subgroup, **told}


@pytest.fixture
def subgroup(shared_explorer: Explorer) -> str:
    """The first of the fit."""
    return str(shared_explorer.fit.cohort.subgroups[0])


@pytest.fixture
def nearly_known(shared_explorer: Explorer) -> dict[str, Any]:
    """All inputs of a patient of whom all is known, without three."""
    table = shared_explorer.fit.cohort.covariates()
    used = [c for c in table.columns if c in used_of(shared_explorer.fit)]
    one = table[used].dropna().iloc[0]
    return {str(k): v for k, v in one.items() if k not in ("sex", "ldh_u_l", "TP53")}


def test_the_form_asks_for_what_the_model_uses_with_units_and_levels(
    site: Any, shared_explorer: Explorer
) -> None:
    page = site.get("/new").text
    fit = shared_explorer.fit
    wanted = {f"v_{s}" for column in fit.encoding.columns for s in column.sources}
    asked = set(re.findall(r'<(?:input|select)[^>]* name="(\w+)"', page))
    assert asked == wanted | {"subgroup", "centre", "token"}
    assert "age (years)" in page
    assert "white cells (10⁹/L)" in page
    assert 'min="18.0" max="100.0"' in page
    sex = page[page.index('name="v_sex"') :].split("</select>")[0]
    assert re.findall(r'value="(\w*)"', sex) == ["", "female", "male"]
    place = page[page.index('name="subgroup"') :].split("</select>")[0]
    assert re.findall(r'value="(\w+)"', place) == list(fit.cohort.subgroups)
    assert page.count("required") == 1
    assert 'method="post"' in page


def test_the_answer_is_the_forecast_of_that_person(
    site: Any, shared_explorer: Explorer, subgroup: str
) -> None:
    fit = shared_explorer.fit
    centre = fit.cohort.centres[0]
    for place in (None, centre):
        answer = send(site, **typed(subgroup, KNOWN), centre=place or "")
        assert answer.status_code == 200
        person = tb.new_patient(fit.cohort, subgroup=subgroup, covariates=KNOWN, centre=place)
        days = np.array([1.0, 3.0, 5.0]) * DAYS_PER_YEAR
        grid = np.unique([*np.linspace(0.0, shared_explorer.horizon, 61), *days])
        forecast = fit.twin(person).forecast(shared_explorer.horizon, grid).isel({PATIENT: 0})
        row = next(r for r in Text(answer.text).rows if r and r[0] == "Alive")
        for cell, day in zip(row[1:], days, strict=True):
            at = forecast.sel({TIME: day})
            wanted = [round(100 * float(at[f"survival{s}"])) for s in ("", "_lower", "_upper")]
            assert numbers(cell) == wanted
    n_missing = len(used_of(shared_explorer.fit)) - len(KNOWN)
    assert f"{n_missing} inputs of this patient are not known" in answer.text
    assert 'name="v_age_years" type="number" step="any" min="18.0" max="100.0" value="71.5"' in (
        answer.text
    )


def test_effects_of_missing_inputs_are_those_of_the_person_with_each_value(
    site: Any, shared_explorer: Explorer, subgroup: str, nearly_known: dict[str, Any]
) -> None:
    fit = shared_explorer.fit
    ldh = fit.cohort.covariates()["ldh_u_l"].astype(float).quantile([0.1, 0.9])
    tried = {"sex": ("female", "male"), "TP53": (0.0, 1.0), "ldh_u_l": tuple(ldh)}
    wanted = {}
    for name, values in tried.items():
        alive = [
            float(
                fit.twin(
                    tb.new_patient(
                        fit.cohort, subgroup=subgroup, covariates={**nearly_known, name: value}
                    )
                )
                .survival_frame([MIDDLE])
                .iloc[0, 0]
            )
            for value in values
        ]
        wanted[language_of("en").name(name)] = (min(alive), max(alive))
    page = send(site, **typed(subgroup, nearly_known)).text
    table = page[page.index('id="effects"') :].split("</table>")[0]
    rows = [r for r in Text(table).rows if len(r) == 3 and r[0] != "Input"]
    assert {r[0] for r in rows} == set(wanted)
    widths = [numbers(r[2].split(":")[1])[0] - numbers(r[1].split(":")[1])[0] for r in rows]
    assert all(a >= b - 1 for a, b in pairwise(widths))  # each end is rounded
    for label, *cells in rows:
        for cell, share in zip(cells, wanted[label], strict=True):
            # The level of a centre that the fit has not seen is drawn for each name: 200 draws.
            assert numbers(cell.split(":")[1])[0] == pytest.approx(100 * share, abs=3.0)
    sexes = next(r for r in rows if r[0] == "sex")
    assert {cell.split(":")[0] for cell in sexes[1:]} == {"female", "male"}


def test_a_form_without_a_seal_of_this_person_and_time_is_refused(
    site: Any, shared_explorer: Explorer, subgroup: str
) -> None:
    tokens = FormTokens(shared_explorer.secret)
    old = FormTokens(shared_explorer.secret, clock=lambda: time.time() - 1801)
    late = FormTokens(shared_explorer.secret, clock=lambda: time.time() - 1790)
    good = late.issue("one clinician", "new person")
    forged = str(int(good.split(".")[0]) + 600) + "." + good.split(".")[1]
    refused = ["", "x", ".", "9" * 40 + ".x", "١.x", forged, good[:-1],
               old.issue("one clinician", "new person"),
               tokens.issue("one statistician", "new person"),
               tokens.issue("one clinician", "patients"),
               FormTokens(b"another secret").issue("one clinician", "new person")]  # fmt: skip
    for token in refused:
        answer = send(site, token=token, **typed("nobody's", {}))
        assert answer.status_code == 403
        assert "The form is too old, or not from this page." in answer.text
        assert "may not see this page" not in answer.text
        last = site.audit.records()[-1]
        assert (last["action"], last["status"]) == ("new person: sent", 403)
    assert site.get("/new", method="POST", data={"subgroup": subgroup}).status_code == 403
    assert send(site, token=good, subgroup="").status_code == 422


def test_roles_and_the_verdict_hold_for_the_form_and_its_answer(
    site: Any, shared_explorer: Explorer, make_site: Callable[..., Any], subgroup: str
) -> None:
    for role, status in (("reviewer", 403), ("", 401), ("director", 401)):
        token = FormTokens(shared_explorer.secret).issue(f"one {role}", "new person")
        assert site.get("/new", role).status_code == status
        data = {"token": token, "subgroup": subgroup}
        assert site.get("/new", role, "POST", data=data).status_code == status
        assert 'href="/new' not in site.get("/evidence", role).text
    assert send(site, role="statistician", subgroup="").status_code == 422
    assert site.get("/new", method="PUT").status_code == 405
    site.audit.path.unlink()
    site.audit.head_path.unlink()
    verdict = Verdict(False, ("R-hat is 1.3",), pd.DataFrame(), {})
    unusable = replace(shared_explorer, fit=replace(shared_explorer.fit, verdict=verdict))
    site = make_site(unusable)
    token = FormTokens(shared_explorer.secret).issue("one clinician", "new person")
    data = {"token": token, "subgroup": subgroup}
    assert site.get("/new").status_code == 409
    assert site.get("/new", method="POST", data=data).status_code == 409


def test_faults_stand_beside_their_fields_and_what_was_right_is_kept(
    site: Any, subgroup: str
) -> None:
    wrong = {"v_age_years": "171", "v_ecog": "two", "v_sex": "other", "v_hb_g_dl": "7,5",
             "v_TP53": "2", "v_wbc_g_l": "nan", "v_ldh_u_l": "1e999"}  # fmt: skip
    answer = send(site, subgroup="", centre="", v_bm_blasts_pct="42.5", **wrong)
    assert answer.status_code == 422
    said = dict(re.findall(r'class="fault" id="(\w+)_fault">([^<]*)<', answer.text))
    assert set(said) == {"subgroup", *wrong}
    assert said["v_age_years"] == "The value must be from 18 to 100."
    assert said["v_sex"] == "Not known to the model. Choose one of: female, male."
    assert {said[k] for k in ("v_ecog", "v_hb_g_dl", "v_wbc_g_l")} == {
        "A number is expected, with a point as decimal mark, such as 7.5."
    }
    assert answer.text.count('aria-invalid="true"') == len(said)
    assert 'value="42.5"' in answer.text
    assert "of 100" not in answer.text
    italian = send(site, "?lang=it", subgroup=subgroup, v_ecog="two").text
    assert "Serve un numero" in italian


def test_payloads_are_inert_in_every_field(site: Any) -> None:
    page = site.get("/new").text
    names = set(re.findall(r'<(?:input|select)[^>]* name="(\w+)"', page)) - {"token"}

    def check(answer: httpx.Response) -> None:
        assert answer.status_code in (400, 422)
        inside = re.sub(r'value="[^"]*"', "", answer.text)
        for tag in TAGS:
            assert inside.count(tag) <= page.count(tag)
        assert "49" not in re.sub(r'token" value="[^"]*"', "", answer.text)

    token = token_of(site)
    for payload in PAYLOADS:
        everywhere = dict.fromkeys(names, payload)
        check(site.get("/new", method="POST", data={"token": token, **everywhere}))
    for name in names:
        check(site.get("/new", method="POST", data={"token": token, name: '"><b>{{7*7}}'}))
    for payload in PAYLOADS[:4]:
        answer = site.get("/new", method="POST", data={"token": payload})
        assert answer.status_code == 403
        assert payload not in answer.text


def test_bodies_that_are_no_form_are_refused(site: Any, subgroup: str) -> None:
    token = token_of(site)
    kind = {"content-type": "application/x-www-form-urlencoded"}

    def sent(content: Any, headers: dict[str, str] = kind) -> int:
        answer = site.get("/new", method="POST", content=content, headers=headers)
        return int(answer.status_code)

    assert sent(b"{}", {"content-type": "application/json"}) == 400
    assert sent(f"token={token}&subgroup=a&subgroup=b".encode()) == 400
    assert sent(f"token={token}&subgroup=%ff".encode()) == 400
    assert sent(b"token=\xff") == 400
    assert sent("&".join(f"a{k}=1" for k in range(2000)).encode()) == 400
    assert sent(f"token={token}&subgroup={'x' * 101}".encode()) == 400

    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b"x" * 10_000

    async def parts() -> Any:
        for part in endless():
            yield part

    assert sent(parts()) == 413  # no length was announced
    assert site.audit.records()[-1]["status"] == 413
    # Fields of the address are none of the form.
    page = site.get(f"/new?subgroup={subgroup}&v_age_years=71.5").text
    assert "71.5" not in page
    assert "selected" not in page


def test_who_sends_a_form_too_slowly_is_told(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twinbayes.serve.app.SLOWEST", 0.05)

    async def parts() -> Any:
        yield b"token="
        await asyncio.sleep(5.0)
        yield b"x"

    kind = {"content-type": "application/x-www-form-urlencoded"}
    answer = site.get("/new", method="POST", content=parts(), headers=kind)
    assert answer.status_code == 408
    assert site.audit.records()[-1]["status"] == 408


def test_no_value_of_the_person_is_written_or_kept(
    site: Any,
    shared_explorer: Explorer,
    subgroup: str,
    nearly_known: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: Any,
) -> None:
    caplog.set_level(logging.DEBUG)
    kept = list(shared_explorer._answers)
    values = {**nearly_known, "age_years": 71.375}
    assert send(site, **typed(subgroup, values)).status_code == 200
    send(site, **typed(subgroup, {**values, "ecog": "71.375 years"}))

    def broken(_self: Explorer, _cohort: Any) -> None:
        raise KeyError("71.375")

    monkeypatch.setattr(Explorer, "newcomer", broken)
    assert send(site, **typed(subgroup, values)).status_code == 500
    log = site.audit.path.read_text(encoding="utf-8")
    assert "71.375" not in log + caplog.text
    assert {r["patient"] for r in site.audit.records()} == {""}
    assert list(shared_explorer._answers) == kept


def test_the_italian_answer_has_no_english_sentence(
    site: Any, subgroup: str, nearly_known: dict[str, Any]
) -> None:
    english, italian = language_of("en").strings, language_of("it").strings
    sentences = [v for k, v in english.items() if len(v) > 12 and "{" not in v and v != italian[k]]
    for fields in (typed(subgroup, nearly_known), {"subgroup": "", "v_age_years": "x"}):
        answer = send(site, "?lang=it", **fields)
        text = " ".join(Text(answer.text).text)
        assert '<html lang="it">' in answer.text
        assert not [s for s in sentences if s in text]
    assert not re.search(r"\b(must|would|were|is expected|Choose)\b", text)


def test_a_decimal_comma_is_read_where_the_language_has_one(site: Any, subgroup: str) -> None:
    def told(language: str, age: str) -> httpx.Response:
        return send(site, f"?lang={language}", **typed(subgroup, {**KNOWN, "age_years": age}))

    comma, point = told("it", "71,5"), told("it", "71.5")
    assert comma.status_code == point.status_code == 200
    shown = [re.sub(r'value="[^"]*"', "", answer.text) for answer in (comma, point)]
    assert numbers(shown[0]) == numbers(shown[1])
    assert told("it", "1.071,5").status_code == 422
    assert told("en", "71,5").status_code == 422
    for code, text, wanted in (
        ("it", "0,5", "0.5"), ("it", "1,2,3", "1,2,3"), ("it", "1.5", "1.5"), ("en", "0,5", "0,5"),
    ):  # fmt: skip
        assert language_of(code).pointed(text) == wanted
