"""Signatures: who signs what, once, of which version; and whether each of them is kept."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from served_pages import PAYLOADS, TAGS, Text
from twinbayes.errors import StorageError
from twinbayes.serve.language import language_of

NAMES = ["summary", "scores", "prior-sensitivity", "further-evidence", "limits"]


def test_a_line_says_what_was_signed_by_whom_and_when(bench: Any) -> None:
    answer = bench.sign("limits", "adequate")
    assert answer.headers["location"] == "/review/sections/limits/written?lang=en"
    assert "Approve: I have reviewed" in bench.get(answer.headers["location"]).text
    (line,) = bench.lines()
    found = bench.get("/review/signatures.json").json()
    content = {s["section"]: s["content"] for s in found["sections"]}
    assert line["section"] == "limits"
    assert line["person"] == "one reviewer"
    assert line["role"] == "reviewer"
    assert line["decision"] == "approve"
    assert line["sentence"] == language_of("en")("sign.adequate")
    assert line["content"] == content["limits"]
    assert line["fit"] == bench.site.explorer.fit_hash
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", line["created"])


def test_the_gravest_of_everyones_last_decision_stands(bench: Any) -> None:
    bench.sign("limits", "inadequate", text="No.")
    bench.sign("limits", "adequate", "statistician")
    row = next(r for r in Text(bench.get("/review").text).rows if r[0] == "Limits")
    assert row[2].split() == ["rejected", "one", "reviewer"]


def test_what_is_sent_twice_is_written_once(bench: Any) -> None:
    form = bench.form("limits")
    places = [bench.send("limits", "reviewer", form, meaning="adequate") for _ in range(3)]
    assert {p.status_code for p in places} == {303}
    assert len(bench.lines()) == 1
    again = bench.sign("limits", "adequate")
    assert again.status_code == 422
    assert "It was not written again" in again.text
    assert bench.sign("limits", "verified").status_code == 303
    assert bench.sign("limits", "adequate").status_code == 303
    assert [line["meaning"] for line in bench.lines()] == ["adequate", "verified", "adequate"]


def test_reloading_what_was_written_writes_nothing(bench: Any) -> None:
    place = bench.sign("limits", "adequate").headers["location"]
    for _ in range(3):
        assert bench.get(place).status_code == 200
    assert len(bench.lines()) == 1
    assert bench.get("/review/sections/scores/written").status_code == 404


def test_a_signature_does_not_hold_for_a_section_that_has_changed(
    make_bench: Callable[..., Any],
) -> None:
    before = make_bench()
    before.sign("limits", "adequate")
    before.sign("scores", "verified")
    form = before.form("limits")
    after = make_bench(limits="The data are of real people.")
    rows = {row[0]: row[2].strip() for row in Text(after.get("/review").text).rows[1:]}
    assert rows["Limits"] == "signed in an earlier version"
    assert rows["Scores"].startswith("approved")
    assert ["Limits", "signed in an earlier version"] in [row[:2] for row in after.open_items()]
    assert "does not hold for what is shown here" in after.get("/review/sections/limits").text
    late = after.send("limits", "reviewer", {**after.form("limits"), "content": form["content"]},
                      meaning="verified")  # fmt: skip
    assert late.status_code == 422
    assert "has changed since you opened this page" in late.text
    assert len(after.lines()) == 2
    exported = csv.DictReader(io.StringIO(after.get("/review/signatures.csv").text))
    assert [row["version"] for row in exported] == ["earlier", "current"]


@pytest.mark.parametrize("seed", range(2))
def test_any_byte_of_the_signatures_that_is_changed_is_found(bench: Any, seed: int) -> None:
    bench.sign("limits", "adequate")
    bench.sign("scores", "inadequate", text="No.")
    bench.sign("scores", "comment", "statistician", text="Why?")
    whole = bench.signatures.read_bytes()
    rng = np.random.default_rng([seed, len(whole)])
    for k, place in enumerate(rng.integers(len(whole), size=500)):
        spoilt = bytearray(whole)
        spoilt[place] ^= 1 << int(rng.integers(8))
        bench.signatures.write_bytes(bytes(spoilt))
        with pytest.raises(StorageError):
            bench.lines()
        if k < 3:
            for path in ("/review", "/review/open", "/review/sections/limits",
                         "/review/signatures.csv", "/review/signatures.json"):  # fmt: skip
                answer = bench.get(path)
                assert answer.status_code == 503
                assert "The file of signatures is not whole" in answer.text
    bench.signatures.write_bytes(whole[: whole.rindex(b"\n", 0, -1) + 1])
    assert bench.get("/review").status_code == 503
    bench.signatures.write_bytes(whole)
    assert bench.get("/review").status_code == 200


def test_two_people_who_sign_at_once_are_both_kept(bench: Any) -> None:
    forms = [(role, name, bench.form(name, role)) for role in ("reviewer", "statistician")
             for name in NAMES]  # fmt: skip

    def send(one: tuple[str, str, dict[str, str]]) -> int:
        role, name, form = one
        return bench.send(name, role, form, meaning="adequate").status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(send, forms * 2))
    assert statuses == [303] * 20
    lines = bench.lines()
    found = sorted((x["role"], x["section"]) for x in lines)
    assert found == sorted((role, name) for role, name, _ in forms)
    assert [x["record"] for x in lines] == list(range(10))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_payloads_in_comments_come_back_as_text_or_not_at_all(bench: Any, payload: str) -> None:
    plain = {path: bench.get(path).text for path in ("/review/sections/limits", "/review/open")}
    answer = bench.sign("limits", "comment", text=payload)
    kept = payload.replace("\r\n", "\n").strip()  # lines may end, and blanks around are none
    if not kept.replace("\n", "").isprintable():
        assert answer.status_code == 422
        assert bench.lines() == []
        return
    assert answer.status_code == 303
    assert bench.lines()[0]["text"] == kept
    for path, before in plain.items():
        after = bench.get(path).text
        opened = [tag for tag in TAGS if tag.startswith("<")]  # a comment's own words are shown
        for tag in (*opened, "<a href=//", "<!--", "</title>"):
            assert after.count(tag) == before.count(tag)
    rows = list(csv.DictReader(io.StringIO(bench.get("/review/signatures.csv").text)))
    assert rows[0]["text"].lstrip("'") == kept.lstrip("'")
    assert not rows[0]["text"].startswith(("=", "+", "-", "@"))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"meaning": ""}, "Choose what you sign"),
        ({"meaning": "perfect"}, "Choose what you sign"),
        ({"meaning": "changes"}, "in your own words"),
        ({"meaning": "comment", "text": "  \r\n "}, "in your own words"),
        ({"meaning": "comment", "text": "x" * 2001}, "At most 2000 characters"),
        ({"meaning": "comment", "text": "a\x07b"}, "At most 2000 characters"),
        ({"meaning": "adequate", "answers": "0"}, "An answer is a comment"),
        ({"meaning": "comment", "text": "So.", "answers": "0"}, "no comment on this section"),
        ({"meaning": "adequate", "content": "0" * 64}, "has changed"),
    ],
)
def test_what_cannot_be_signed_is_told_and_not_written(
    bench: Any, said: dict[str, str], words: str
) -> None:
    bench.sign("scores", "comment", text="Of another section.")
    answer = bench.send("limits", "reviewer", {**bench.form("limits"), **said})
    assert answer.status_code == 422
    assert words in answer.text
    if said.get("text", "").strip() and len(said["text"]) < 2000:
        assert said["text"].replace("\x07", "") in answer.text.replace("\x07", "")
    assert len(bench.lines()) == 1


def test_forms_that_are_not_from_the_page_are_refused(bench: Any) -> None:
    form = bench.form("limits")
    for name, value in (("token", ""), ("token", bench.form("limits", "statistician")["token"])):
        answer = bench.send("limits", "reviewer", {**form, name: value}, meaning="adequate")
        assert answer.status_code == 403
    for wrong in ({"form": ""}, {"form": "g" * 32}, {"answers": "x"}, {"answers": "٣"}):
        answer = bench.send("limits", "reviewer", {**form, **wrong}, meaning="adequate")
        assert answer.status_code == 400
    assert bench.get("/review/sections/else").status_code == 404
    assert bench.get("/review", method="POST").status_code == 405
    assert bench.lines() == []
