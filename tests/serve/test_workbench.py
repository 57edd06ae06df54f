"""The reviewer's workbench: what is shown of a review, what is open, exports."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from served_pages import Text
from small_review import small_review
from twinbayes.errors import OptionError, StorageError
from twinbayes.serve import Explorer
from twinbayes.serve.language import LANGUAGES, language_of
from twinbayes.serve.workbench.review_page import read_review
from twinbayes.serve.workbench.workbench import Workbench, workbench_of

NAMES = ["summary", "scores", "prior-sensitivity", "further-evidence", "limits"]
ROLES = ("clinician", "statistician", "reviewer", "", "director")


def test_each_role_reads_and_signs_what_it_may_and_every_answer_is_in_the_log(bench: Any) -> None:
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
        name = "review section limits" if status == 303 else "review section"
        assert (last["action"], last["status"]) == (f"{name}: sent", status)
    assert [line["role"] for line in bench.lines()] == ["statistician", "reviewer"]
    assert "What you sign" not in bench.get("/review/sections/limits", "clinician").text


def test_sections_have_what_the_review_says_of_them(bench: Any) -> None:
    rows = {row[0]: [c.strip() for c in row[1:]] for row in Text(bench.get("/review").text).rows}
    assert list(rows) == ["Section", "Verdict and checks at a glance", "Scores",
                          "Prior sensitivity", "Further evidence", "Limits"]  # fmt: skip
    assert rows["Scores"] == ["1 failed", "not signed", ""]
    assert rows["Prior sensitivity"][0] == "1 with warnings"
    assert rows["Further evidence"][0] == "1 not provided"
    assert rows["Limits"][0] == rows["Verdict and checks at a glance"][0] == ""


def test_filters_leave_the_sections_that_are_so(bench: Any) -> None:
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


def test_open_items_are_what_failed_is_missing_disputed_or_unanswered(bench: Any) -> None:
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


@pytest.mark.requirement("R-060")
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


def test_what_a_section_shows_can_be_read_and_nothing_else(bench: Any) -> None:
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


def test_exports_are_what_was_signed(bench: Any) -> None:
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
def test_pages_of_the_workbench_are_in_every_language(bench: Any, code: str) -> None:
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
