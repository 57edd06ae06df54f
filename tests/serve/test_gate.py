"""The gate before every page: who may see what, and that every answer is written down."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from twinbayes.errors import OptionError, ReleaseError, StorageError
from twinbayes.inference.gate.verdict import Verdict
from twinbayes.serve import AuditLog, Explorer, LocalAccess, Person, ProxyAccess, Role, create_app
from twinbayes.serve.explorer import PatientRow
from twinbayes.serve.guard import FormTokens

PAGES = (
    "/",
    "/patients/{p}",
    "/patients/{p}/what-if",
    "/patients/{p}/sheet",
    "/patients/{p}/beside/{o}",
    "/patients/{p}/update",
    "/evidence",
    "/audit",
)
SEEN = {
    "clinician": (200, 200, 200, 200, 200, 200, 200, 403),
    "statistician": (200, 200, 200, 200, 200, 403, 200, 200),
    "reviewer": (303, 403, 403, 403, 403, 403, 200, 200),
    "": (401,) * 8,
    "director": (401,) * 8,
}


@pytest.mark.requirement("R-059")
@pytest.mark.parametrize("role", SEEN)
def test_each_role_sees_its_pages_and_every_answer_is_in_the_log(
    site: Any, treatable: PatientRow, another: PatientRow, role: str
) -> None:
    for path, status in zip(PAGES, SEEN[role], strict=True):
        address = path.format(p=treatable.pseudonym, o=another.pseudonym)
        assert site.get(address, role).status_code == status
    records = site.audit.records()
    assert [r["status"] for r in records] == list(SEEN[role])
    known = role in set(Role)
    assert {r["person"] for r in records} == ({f"one {role}"} if known else {""})
    assert [bool(r["patient"]) for r in records] == ["{p}" in path for path in PAGES]


def test_who_may_not_see_patients_begins_elsewhere(site: Any, bench: Any) -> None:
    for asked, first in ((site.get, "/evidence"), (bench.get, "/review")):
        answer = asked("/?lang=it", "reviewer")
        assert (answer.status_code, answer.headers["location"]) == (303, f"{first}?lang=it")
        assert "p-" not in answer.text
        assert asked("/", "reviewer", method="POST").status_code == 403


def test_a_header_that_comes_twice_is_nobodys(site: Any, treatable: PatientRow) -> None:
    good = [("x-proxy-secret", site.secret), ("x-user", "dr"), ("x-role", "clinician")]
    assert site.get("/", "", headers=httpx.Headers(good)).status_code == 200
    for name, value in [*good, ("x-user", "other"), ("x-role", "reviewer")]:
        for both in ([*good, (name, value)], [(name, value), *good]):
            answer = site.get(f"/patients/{treatable.pseudonym}", "", headers=httpx.Headers(both))
            assert answer.status_code == 401
    assert {r["person"] for r in site.audit.records()[1:]} == {""}


@pytest.mark.requirement("R-059")
def test_a_request_that_comes_past_the_proxy_is_nobody(site: Any) -> None:
    headers = {"x-user": "dr", "x-role": "clinician", "x-proxy-secret": "a guess of the secret"}
    for given in (headers, {**headers, "x-proxy-secret": ""}, {"x-user": "dr"}):
        assert site.get("/", "", headers=given).status_code == 401


@pytest.mark.requirement("R-059")
def test_a_role_without_identifiers_meets_none(
    site: Any, treatable: PatientRow, another: PatientRow
) -> None:
    ids = [row.patient_id for row in site.explorer.rows]
    for path in PAGES:
        address = path.format(p=treatable.pseudonym, o=another.pseudonym)
        for role in ("statistician", "reviewer"):
            page = site.get(f"{address}?who=everyone", role).text
            assert not [one for one in ids if one in page]
    assert treatable.patient_id in site.get("/").text
    log = site.audit.path.read_text(encoding="utf-8")
    assert not [one for one in ids if one in log]


def test_a_search_for_an_identifier_tells_others_nothing_and_is_in_no_address(
    site: Any, treatable: PatientRow
) -> None:
    tokens = FormTokens(site.explorer.secret)

    def sought(role: str) -> str:
        data = {"token": tokens.issue(f"one {role}", "patients"), "q": treatable.patient_id}
        return str(site.get("/", role, "POST", data=data).text)

    assert treatable.pseudonym not in sought("statistician")
    found = sought("clinician")
    assert treatable.pseudonym in found
    assert not [a for a in re.findall(r'(?:href|action)="([^"]*)"', found)
                if treatable.patient_id in a]  # fmt: skip
    # An address does not search: nobody is led to write an identifier into one.
    assert "1 of " not in site.get(f"/?q={treatable.patient_id}").text
    assert 'method="post"' in site.get("/").text


@pytest.mark.requirement("R-058")
def test_a_fit_that_is_not_for_use_shows_no_patient(
    shared_explorer: Explorer,
    make_site: Callable[..., Any],
    treatable: PatientRow,
    another: PatientRow,
) -> None:
    verdict = Verdict(False, ("R-hat is 1.3",), pd.DataFrame(), {})
    explorer = replace(shared_explorer, fit=replace(shared_explorer.fit, verdict=verdict))
    site = make_site(explorer)
    for path in PAGES[:4]:
        answer = site.get(path.format(p=treatable.pseudonym, o=another.pseudonym))
        assert answer.status_code == 409
        assert "R-hat is 1.3" in answer.text
        assert treatable.pseudonym not in answer.text
    assert site.get("/evidence").status_code == 200


def test_a_fit_that_was_withdrawn_meanwhile_shows_no_patient(
    shared_explorer: Explorer, make_site: Callable[..., Any], treatable: PatientRow
) -> None:
    def in_use() -> None:
        raise ReleaseError("aml.nc: was withdrawn on 2026-01-02 by Author A (head): an alarm.")

    site = make_site(shared_explorer, in_use=in_use)
    for path in ("/", f"/patients/{treatable.pseudonym}", f"/patients/{treatable.pseudonym}/sheet"):
        answer = site.get(path)
        assert answer.status_code == 422
        assert "was withdrawn on 2026-01-02" in answer.text
        assert treatable.patient_id not in answer.text
    assert site.get("/evidence", "reviewer").status_code == 200


def test_nothing_is_shown_that_cannot_be_written_down(site: Any) -> None:
    site.audit.head_path.unlink()
    answer = site.get("/")
    assert answer.status_code == 503
    assert "p-" not in answer.text


@pytest.mark.parametrize("seed", range(3))
def test_any_byte_of_the_log_that_is_changed_is_found(site: Any, seed: int) -> None:
    import numpy as np

    for _ in range(3):
        site.get("/evidence")
    whole = site.audit.path.read_bytes()
    rng = np.random.default_rng([seed, len(whole)])
    for place in rng.integers(len(whole), size=334):
        spoilt = bytearray(whole)
        spoilt[place] ^= 1 << int(rng.integers(8))
        site.audit.path.write_bytes(bytes(spoilt))
        with pytest.raises(StorageError):
            site.audit.records()
    site.audit.path.write_bytes(whole)
    assert len(site.audit.records()) == 3


def test_a_log_that_goes_on_for_years_takes_no_longer_a_line(tmp_path: Path) -> None:
    """Reads of the whole log, counted: one for the first line of an object, and no more."""
    counted = []

    class Counted(AuditLog):
        def _whole(self, file: int) -> Any:
            counted.append(file)
            return super()._whole(file)

    log = Counted.begin(tmp_path / "audit.jsonl")
    for k in range(50):
        log.add(None, "patient", status=401, patient=str(k))
    assert len(counted) == 1
    AuditLog(log.path).add(None, "another process", status=401)
    log.add(None, "patient", status=401)
    assert len(counted) == 2
    records = log.records()
    assert [r["record"] for r in records] == list(range(52))
    spoilt = log.path.read_bytes().replace(b"another", b"no such", 1)
    time.sleep(0.05)
    log.path.write_bytes(spoilt)
    with pytest.raises(StorageError, match="line 51 is altered"):
        log.add(None, "patient", status=401)


def test_one_person_may_ask_so_often_and_others_are_not_kept_waiting(
    shared_explorer: Explorer, make_site: Callable[..., Any]
) -> None:
    site = make_site(shared_explorer, most_a_minute=3)
    assert [site.get("/evidence").status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    assert site.get("/evidence", "reviewer").status_code == 200
    assert [site.get("/", "").status_code for _ in range(5)] == [401, 401, 401, 429, 429]
    statuses = [r["status"] for r in site.audit.records()]
    assert statuses == [200, 200, 200, 429, 429, 200, 401, 401, 401]


def test_answers_keep_a_browser_to_this_page(
    site: Any, treatable: PatientRow, another: PatientRow
) -> None:
    for path in (*PAGES, "/nothing", "/style.css"):
        headers = site.get(path.format(p=treatable.pseudonym, o=another.pseudonym)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert "set-cookie" not in headers


def test_what_is_not_authenticated_is_for_this_machine_alone(
    shared_explorer: Explorer, site: Any, person: Person
) -> None:
    with pytest.raises(OptionError, match="this machine alone"):
        create_app(shared_explorer, LocalAccess(person), site.audit, hosts=("twins.example.org",))
    assert site.get("/", headers={"host": "elsewhere.example.org"}).status_code == 400
    with pytest.raises(OptionError, match="16 characters"):
        ProxyAccess("short")


def test_the_log_is_shown_verified_the_newest_first(site: Any) -> None:
    site.get("/evidence")
    site.get("/nothing")
    page = site.get("/audit", "reviewer").text
    head = site.audit.records()[1]["hash"]
    assert head in page
    assert page.index(">404<") < page.index(">200<")
    lines = site.audit.path.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["status"] for line in lines] == [200, 404, 200]
