"""The reviewer's workbench: who signs what, once, of which version; what is open; exports."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from served_pages import PAYLOADS, Text
from small_review import small_review
from twinbayes.errors import OptionError, StorageError
from twinbayes.serve import Explorer
from twinbayes.serve.language import LANGUAGES, language_of
from twinbayes.serve.workbench.review_page import read_review
from twinbayes.serve.workbench.signatures import SignatureLog
from twinbayes.serve.workbench.workbench import Workbench, workbench_of

NAMES = ["summary", "scores", "prior-sensitivity", "further-evidence", "limits"]
ROLES = ("clinician", "statistician", "reviewer", "", "director")


@dataclass(frozen=True)
class Bench:
    """A site with a workbench, and what its files are."""

    site: Any
    review: Path
    signatures: Path

    def get(self, path: str, role: str = "reviewer", **options: Any) -> httpx.Response:
        answer: httpx.Response = self.site.get(path, role, **options)
        return answer

    def form(self, section: str, role: str = "reviewer") -> dict[str, str]:
        """The hidden fields of a section's form."""
        page = self.get(f"/review/sections/{section}", role).text
        return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))

    def send(self, section: str, role: str, form: dict[str, str], **said: str) -> httpx.Response:
        address = f"/review/sections/{section}"
        return self.get(address, role, method="POST", data={**form, **said})

    def sign(self, section: str, meaning: str, role: str = "reviewer", **said: str) -> Any:
        form = self.form(section, role)
        return self.send(section, role, form, meaning=meaning, **said)

    def lines(self) -> list[dict[str, Any]]:
        return SignatureLog(self.signatures).records()

    def open_items(self) -> list[list[str]]:
        return [[c.strip() for c in row] for row in Text(self.get("/review/open").text).rows[1:]]


@pytest.fixture
def make_bench(
    shared_explorer: Explorer, make_site: Callable[..., Any], tmp_path: Path
) -> Callable[..., Bench]:
    """Serve a review; a second time on the same files."""

    def make(limits: str = "The data are simulated.", **options: Any) -> Bench:
        (tmp_path / "audit.jsonl").unlink(missing_ok=True)
        (tmp_path / "audit.jsonl.head").unlink(missing_ok=True)
        review = small_review(tmp_path / "review.html", shared_explorer.fit_hash, limits=limits)
        signatures = tmp_path / "signatures.jsonl"
        bench = workbench_of(shared_explorer.fit, review, signatures, options.pop("other", None))
        return Bench(make_site(shared_explorer, workbench=bench, **options), review, signatures)

    return make


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    """A review that nobody has signed."""
    return make_bench()


def test_each_role_reads_and_signs_what_it_may_and_every_answer_is_in_the_log(bench: Bench) -> None:
    paths = ("/review", "/review/open", "/review/page", "/review/sections/limits",
             "/review/signatures.csv", "/review/signatures.json")  # fmt: skip
    for role, read, audited in zip(
        ROLES, (200, 200, 200, 401, 401), (403, 200, 200, 401, 401), strict=True
    ):
        assert [bench.get(path, role).status_code for path in paths] == [read] * 4 + [audited] * 2
    of_reviewer = bench.form("limits")
    for role, status in zip(ROLES, (403, 303, 303, 401, 401), strict=True):
        form = bench.form("limits", role) if status == 303 else of_reviewer
        assert bench.send("limits", role, form, meaning="adequate").status_code == status
        last = bench.site.audit.records()[-1]
        assert (last["action"], last["status"]) == ("review section: sent", status)
    assert [line["role"] for line in bench.lines()] == ["statistician", "reviewer"]
    assert "What you sign" not in bench.get("/review/sections/limits", "clinician").text


def test_a_line_says_what_was_signed_by_whom_and_when(bench: Bench) -> None:
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


def test_sections_have_what_the_review_says_of_them(bench: Bench) -> None:
    rows = {row[0]: [c.strip() for c in row[1:]] for row in Text(bench.get("/review").text).rows}
    assert list(rows) == ["Section", "Verdict and checks at a glance", "Scores",
                          "Prior sensitivity", "Further evidence", "Limits"]  # fmt: skip
    assert rows["Scores"] == ["1 failed", "not signed", ""]
    assert rows["Prior sensitivity"][0] == "1 with warnings"
    assert rows["Further evidence"][0] == "1 not provided"
    assert rows["Limits"][0] == rows["Verdict and checks at a glance"][0] == ""


def test_filters_leave_the_sections_that_are_so(bench: Bench) -> None:
    bench.sign("limits", "adequate")
    bench.sign("scores", "comment", text="Which horizon?")

    def shown(name: str) -> list[str]:
        page = bench.get(f"/review?show={name}").text
        return [name for name in NAMES if f"/review/sections/{name}?" in page]

    assert shown("") == NAMES
    assert shown("failed") == ["scores"]
    assert shown("missing") == ["further-evidence"]
    assert shown("open") == ["scores", "further-evidence"]
    assert shown("unsigned") == NAMES[:-1]
    assert bench.get("/review?show=else").status_code == 400


def test_open_items_are_what_failed_is_missing_disputed_or_unanswered(bench: Bench) -> None:
    assert [row[:2] for row in bench.open_items()] == [
        ["Scores", "1 failed"],
        ["Further evidence", "1 not provided"],
    ]
    bench.sign("limits", "changes", text="Say whose data.")
    bench.sign("limits", "inadequate", "statistician", text="No.")
    bench.sign("prior-sensitivity", "comment", text="Why so wide?")
    found = [row[:2] for row in bench.open_items()]
    assert found == [
        ["Scores", "1 failed"],
        ["Prior sensitivity", "1 unansweredone reviewer: Why so wide?"],
        ["Further evidence", "1 not provided"],
        ["Limits", "rejected"],
        ["Limits", "to be revised"],
    ]
    bench.sign("limits", "adequate")
    bench.sign("limits", "adequate", "statistician")
    bench.sign("prior-sensitivity", "comment", "statistician", text="Data.", answers="2")
    assert [row[0] for row in bench.open_items()] == ["Scores", "Further evidence"]
    page = bench.get("/review/sections/limits").text
    assert page.count("The same person has decided anew since.") == 2


def test_the_gravest_of_everyones_last_decision_stands(bench: Bench) -> None:
    bench.sign("limits", "inadequate", text="No.")
    bench.sign("limits", "adequate", "statistician")
    row = next(r for r in Text(bench.get("/review").text).rows if r[0] == "Limits")
    assert row[2].split() == ["rejected", "one", "reviewer"]


def test_what_is_sent_twice_is_written_once(bench: Bench) -> None:
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


def test_reloading_what_was_written_writes_nothing(bench: Bench) -> None:
    place = bench.sign("limits", "adequate").headers["location"]
    for _ in range(3):
        assert bench.get(place).status_code == 200
    assert len(bench.lines()) == 1
    assert bench.get("/review/sections/scores/written").status_code == 404


def test_a_signature_does_not_hold_for_a_section_that_has_changed(
    make_bench: Callable[..., Bench],
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


def test_a_review_of_another_fit_or_changed_into_something_else_is_refused(
    shared_explorer: Explorer, make_site: Callable[..., Any], tmp_path: Path
) -> None:
    fit, path = shared_explorer.fit, tmp_path / "review.html"

    def refused(text: str, words: str) -> None:
        path.write_text(text, encoding="utf-8")
        with pytest.raises(StorageError, match=words):
            workbench_of(fit, path, None, None)

    small_review(path, "0" * 64)
    with pytest.raises(StorageError, match="another fit"):
        workbench_of(fit, path, None, None)
    small_review(path, "")
    with pytest.raises(StorageError, match="does not say which fit"):
        workbench_of(fit, path, None, None)
    good = small_review(path, shared_explorer.fit_hash).read_text(encoding="utf-8")
    refused(good.replace("<h2>Limits", "<script>alert(1)</script><h2>Limits"), "<script>")
    refused(good.replace("<h2>Limits", "<input form='x'><h2>Limits"), "<input>")
    refused(good.replace("<h2>Limits", '<a href="//x">y</a><h2>Limits'), "<a href>")
    refused(good.replace("<h2>Limits", '<p onclick="x">y</p><h2>Limits'), "<p onclick>")
    refused(
        good.replace("<h2>Limits", "</section></main><h2>Limits"),
        "</section> in a wrong place|ends within",
    )
    refused(good.replace('id="limits"', 'id="scores"'), "'scores' twice")
    refused(good[: good.index("<section")], "no section")
    refused(good[: good.index("<h2>Limits")], "does not end")
    refused("", "does not say")
    refused("\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "does not say")
    bench = Workbench(fit, read_review(small_review(path, "0" * 64), "0" * 64))
    with pytest.raises(OptionError, match="another fit"):
        make_site(shared_explorer, workbench=bench)


def test_what_a_section_shows_can_be_read_and_nothing_else(bench: Bench) -> None:
    answer = bench.get("/review/sections/scores")
    policy = answer.headers["content-security-policy"]
    assert "img-src data:" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "a&lt;b" in answer.text
    whole = bench.get("/review/page")
    assert whole.text == bench.review.read_text(encoding="utf-8")
    policy = whole.headers["content-security-policy"]
    assert re.search(r"style-src 'sha256-[\w+/=]{44}'", policy)
    assert "sandbox" in policy
    assert "unsafe" not in policy
    assert whole.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("seed", range(2))
def test_any_byte_of_the_signatures_that_is_changed_is_found(bench: Bench, seed: int) -> None:
    bench.sign("limits", "adequate")
    bench.sign("scores", "inadequate", text="No.")
    bench.sign("scores", "comment", "statistician", text="Why?")
    whole = bench.signatures.read_bytes()
    rng = np.random.default_rng([seed, len(whole)])
    for k, place in enumerate(rng.choice(len(whole), 60, replace=False)):
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


def test_two_people_who_sign_at_once_are_both_kept(bench: Bench) -> None:
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
def test_payloads_in_comments_come_back_as_text_or_not_at_all(bench: Bench, payload: str) -> None:
    plain = {path: bench.get(path).text for path in ("/review/sections/limits", "/review/open")}
    answer = bench.sign("limits", "comment", text=payload)
    if not payload.isprintable():
        assert answer.status_code == 422
        assert bench.lines() == []
        return
    assert answer.status_code == 303
    assert bench.lines()[0]["text"] == payload
    for path, before in plain.items():
        after = bench.get(path).text
        for tag in ("<script", "<img", "<iframe", "<b>", "<a href=//", "<svg", "<!--", "</title>"):
            assert after.count(tag) == before.count(tag)
    rows = list(csv.DictReader(io.StringIO(bench.get("/review/signatures.csv").text)))
    assert rows[0]["text"].lstrip("'") == payload.lstrip("'")
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
    bench: Bench, said: dict[str, str], words: str
) -> None:
    bench.sign("scores", "comment", text="Of another section.")
    answer = bench.send("limits", "reviewer", {**bench.form("limits"), **said})
    assert answer.status_code == 422
    assert words in answer.text
    if said.get("text", "").strip() and len(said["text"]) < 2000:
        assert said["text"].replace("\x07", "") in answer.text.replace("\x07", "")
    assert len(bench.lines()) == 1


def test_forms_that_are_not_from_the_page_are_refused(bench: Bench) -> None:
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


def test_exports_are_what_was_signed(bench: Bench) -> None:
    bench.sign("limits", "adequate")
    bench.sign("scores", "inadequate", "statistician", text='=1+1, "quoted"\nand a line')
    bench.sign("scores", "comment", text="Why?")
    lines = bench.lines()
    found = bench.get("/review/signatures.json").json()
    assert found["records"] == lines
    assert found["head"] == lines[-1]["hash"]
    assert found["verified"] is True
    rows = list(csv.DictReader(io.StringIO(bench.get("/review/signatures.csv").text)))
    for row, line in zip(rows, lines, strict=True):
        for name, value in row.items():
            if name not in ("version", "text"):
                assert value == ("" if line[name] is None else str(line[name]))
    assert rows[1]["text"] == "'" + lines[1]["text"]
    answer = bench.get("/review/signatures.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    stored = [json.loads(x) for x in bench.signatures.read_text(encoding="utf-8").splitlines()]
    assert stored == lines


def test_without_a_file_of_signatures_nothing_can_be_signed(
    shared_explorer: Explorer, make_site: Callable[..., Any], tmp_path: Path
) -> None:
    review = small_review(tmp_path / "review.html", shared_explorer.fit_hash)
    site = make_site(
        shared_explorer, workbench=workbench_of(shared_explorer.fit, review, None, None)
    )
    assert "nothing can be signed here" in site.get("/review", "reviewer").text
    assert site.get("/review/sections/limits", "reviewer", method="POST").status_code == 405
    assert site.get("/review/signatures.csv", "reviewer").status_code == 404
    assert site.get("/compare", "reviewer").status_code == 404


def test_without_a_workbench_there_is_none(site: Any) -> None:
    assert site.get("/review", "reviewer").status_code == 404
    assert "/review" not in site.get("/evidence", "reviewer").text


@pytest.mark.parametrize("code", LANGUAGES)
def test_pages_of_the_workbench_are_in_every_language(bench: Bench, code: str) -> None:
    t = language_of(code)
    bench.sign("scores", "comment", text="Why?")
    for path, key in (("/review", "review.title"), ("/review/open", "review.open_items"),
                      ("/review/sections/limits", "sign.what")):  # fmt: skip
        page = bench.get(f"{path}?lang={code}").text
        assert f'<html lang="{code}">' in page
        assert t(key) in page
    form = bench.form("limits")
    address = f"/review/sections/limits?lang={code}"
    assert (
        bench.get(address, method="POST", data={**form, "meaning": "adequate"}).status_code == 303
    )
    assert bench.lines()[-1]["sentence"] == t("sign.adequate").replace("&#39;", "'")
    assert bench.lines()[-1]["language"] == code
