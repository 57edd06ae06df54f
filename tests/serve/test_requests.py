"""Requests that nobody meant: injections, malformed fields, wrong methods."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from served_pages import PAYLOADS, TAGS
from twinbayes.serve.explorer import PatientRow

FIELDS = ("q", "subgroup", "centre", "state", "who", "lang", "treatment", "wait")


@pytest.mark.parametrize("field", FIELDS)
def test_payloads_in_fields_come_back_as_text_or_not_at_all(
    site: Any, treatable: PatientRow, field: str
) -> None:
    path = f"/patients/{treatable.pseudonym}/what-if" if field in ("treatment", "wait") else "/"
    plain = site.get(path).text
    for payload in PAYLOADS:
        answer = site.get(f"{path}?{field}={quote(payload)}")
        assert answer.status_code in (200, 400, 422)
        for tag in TAGS:
            inside = re.sub(r'value="[^"]*"', "", answer.text)
            assert inside.count(tag) <= plain.count(tag)
        if payload == "{{7*7}}":
            assert "49" not in re.sub(r"\d+,?\d* of|p-\w+", "", answer.text) or "49" in plain


def test_a_thousand_malformed_requests_never_end_in_a_fault(
    site: Any, treatable: PatientRow
) -> None:
    from twinbayes.serve.guard import RateLimit

    house = next(
        cell.cell_contents
        for route in site.app.routes
        for cell in (getattr(route.endpoint, "__closure__", None) or ())
        if hasattr(cell.cell_contents, "limit")
    )
    object.__setattr__(house, "limit", RateLimit(10_000))
    rng = np.random.default_rng(int(np.random.SeedSequence().generate_state(1)[0]))
    methods = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD")
    one = f"/patients/{treatable.pseudonym}"
    paths = ("/", "/patients", one, "/evidence", "/audit", "/%", f"{one}/what-if",
             "/patients//what-if", "/..", "//")  # fmt: skip
    statuses = set()
    for _ in range(1000):
        junk = "".join(chr(c) for c in rng.integers(1, 0x2FFF, rng.integers(1, 130)))
        path = f"{rng.choice(paths)}?{rng.choice(FIELDS)}={quote(junk, errors='replace')}"
        method = "GET" if rng.random() < 0.5 else str(rng.choice(methods))
        answer = site.get(path, str(rng.choice(["clinician", "statistician", ""])), method)
        statuses.add(answer.status_code)
        assert answer.status_code < 500, (method, path)
    assert {200, 401} <= statuses


@pytest.mark.parametrize("wait", ["-1", "1.5", "1e3", "", " ", "99999999999", "٣", "3651", "NaN"])
def test_days_from_now_are_a_whole_number_in_range(
    site: Any, treatable: PatientRow, wait: str
) -> None:
    answer = site.get(f"/patients/{treatable.pseudonym}/what-if?wait={quote(wait)}")
    assert answer.status_code == 422
    assert f"{int(site.explorer.horizon)}." in answer.text


def test_what_is_unknown_is_not_found_and_what_is_too_large_is_not_read(
    site: Any, treatable: PatientRow
) -> None:
    assert site.get("/patients/p-nobody").status_code == 404
    assert site.get(f"/patients/{treatable.patient_id}").status_code == 404
    answer = site.get(f"/patients/{treatable.pseudonym}/what-if?treatment=bloodletting")
    assert answer.status_code == 422
    assert site.get("/", method="POST", content=b"x" * 100_000).status_code == 413
    assert site.get("/evidence", method="POST").status_code == 405
    assert site.get("/?q=" + "x" * 3000).status_code == 413


def test_a_fault_of_ours_tells_nothing_of_a_record(
    site: Any, treatable: PatientRow, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    from twinbayes.serve.explorer import Explorer

    def broken(_self: Explorer, _pseudonym: str) -> None:
        raise KeyError(treatable.patient_id)

    monkeypatch.setattr(Explorer, "outlook", broken)
    answer = site.get(f"/patients/{treatable.pseudonym}")
    assert answer.status_code == 500
    assert treatable.patient_id not in answer.text + caplog.text
    assert "KeyError" in caplog.text
