"""Ways in which the explorer was broken once: mixed records, lost lines, hidden text, names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from served_pages import Text
from small_review import small_review
from twinbayes.errors import StorageError
from twinbayes.inference import Fit
from twinbayes.serve import Explorer, Person, ProxyAccess, Role
from twinbayes.serve.explorer import News, PatientRow, UpdateLog
from twinbayes.serve.guard import FormTokens
from twinbayes.serve.language import language_of
from twinbayes.serve.workbench.pages import heading
from twinbayes.serve.workbench.review_page import read_review
from twinbayes.twin.updates.replay import record_fingerprint

FIT = "0" * 64


def test_a_comparison_is_of_the_record_that_the_page_has_begun_with(
    shown_fit: Fit, treatable: PatientRow, tmp_path: Path
) -> None:
    log = UpdateLog.begin(tmp_path / "updates.jsonl")
    explorer = Explorer(shown_fit, shown_fit.cohort, b"a secret of tests of the explorer", log)
    before = explorer.outlook(treatable.pseudonym)
    person, news = Person("ward 3", Role.CLINICIAN), News(treatable.day + 40.0, {})
    explorer.keep(treatable.pseudonym, news, record_fingerprint(before.twin.cohort), person)
    name = explorer.treatments(before.twin)[0]
    for outlook, day in ((before, treatable.day), (explorer.outlook(treatable.pseudonym),
                                                   treatable.day + 40.0)):  # fmt: skip
        for compared in (explorer.comparison(outlook, name, 30.0),
                         explorer.default_comparison(outlook)):  # fmt: skip
            assert compared is not None
            assert compared.outlook is outlook
            assert compared.outlook.row.day == day


def test_nothing_is_kept_that_the_audit_log_could_not_begin(
    shown_fit: Fit, treatable: PatientRow, tmp_path: Path, make_site: Callable[..., Any]
) -> None:
    log = UpdateLog.begin(tmp_path / "updates.jsonl")
    explorer = Explorer(shown_fit, shown_fit.cohort, b"a secret of tests of the explorer", log)
    site = make_site(explorer)
    record = record_fingerprint(explorer.outlook(treatable.pseudonym).twin.cohort)
    token = FormTokens(explorer.secret).issue("one clinician", "update")
    form = {"token": token, "day": f"{treatable.day + 10:g}", "confirm": "1", "record": record}
    path = f"/patients/{treatable.pseudonym}/update"
    site.audit.head_path.rename(tmp_path / "away")
    assert site.get(path, method="POST", data=form).status_code == 503
    assert log.records() == []
    (tmp_path / "away").rename(site.audit.head_path)
    assert site.get(path, method="POST", data=form).status_code == 201
    assert [r["status"] for r in site.audit.records()] == [102, 201]
    assert len(log.records()) == 1


@pytest.mark.parametrize("name", ["José", "Nicolò", "È", "Dvořák", "Niccolà Rossi", "Ольга", "李"])
def test_names_come_in_utf_8_and_in_latin_1(name: str) -> None:
    proxy = ProxyAccess("a secret of the proxy")
    rest = {"x-role": "reviewer", "x-proxy-secret": "a secret of the proxy"}
    on_the_way = name.encode().decode("latin-1")
    assert proxy.person({**rest, "x-user": on_the_way}) == Person(name, Role.REVIEWER)
    if name in ("José", "È"):
        assert proxy.person({**rest, "x-user": name}) == Person(name, Role.REVIEWER)


@pytest.mark.parametrize("wait", ["0036509999999", "1827", "3651", "00000000000000001", "9" * 90])
def test_no_wait_is_longer_than_the_longest(site: Any, treatable: PatientRow, wait: str) -> None:
    assert site.get(f"/patients/{treatable.pseudonym}/what-if?wait={wait}").status_code == 422


def test_the_order_of_the_list_tells_nobody_who_is_who(site: Any) -> None:
    def order(role: str) -> list[str]:
        rows = [r[0].strip() for r in Text(site.get("/?who=everyone", role).text).rows[1:]]
        known = {row.pseudonym: row for row in site.explorer.rows}
        return [known[name].patient_id for name in rows]

    ids = order("statistician")
    missing = {row.patient_id: (row.has_ended, -row.n_missing) for row in site.explorer.rows}
    blocks: dict[Any, list[str]] = {}
    for one in ids:
        blocks.setdefault(missing[one], []).append(one)
    longest = max(blocks.values(), key=len)
    assert len(longest) > 10
    assert longest != sorted(longest)


def test_a_form_that_was_used_writes_nothing_else(bench: Any) -> None:
    form = bench.form("limits")
    assert bench.send("limits", "reviewer", form, meaning="adequate").status_code == 303
    other = bench.send("limits", "reviewer", form, meaning="inadequate", text="No.")
    assert other.status_code == 422
    assert "This form was used before, for another line" in other.text
    assert [line["meaning"] for line in bench.lines()] == ["adequate"]


def test_an_objection_of_before_stays_open_though_others_approve(
    make_bench: Callable[..., Any],
) -> None:
    make_bench().sign("limits", "inadequate", text="No.")
    bench = make_bench("They are all simulated.")
    bench.sign("limits", "adequate", "statistician")
    assert "Limits" in [item[0] for item in bench.open_items()]
    bench.sign("limits", "adequate")
    assert "Limits" not in [item[0] for item in bench.open_items()]


@pytest.mark.parametrize(
    "hidden",
    ["<!--><b>seen</b>-->", "<svg><![CDATA[x]]></svg>", "<title>x</title>", "<?php x ?>"],
)
def test_text_that_browsers_may_see_otherwise_is_refused(tmp_path: Path, hidden: str) -> None:
    path = small_review(tmp_path / "review.html", FIT)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("<h2>Limits", f"{hidden}<h2>Limits"), encoding="utf-8")
    with pytest.raises(StorageError):
        read_review(path, FIT)


def test_what_is_signed_can_be_seen(tmp_path: Path) -> None:
    path = small_review(tmp_path / "review.html", FIT)
    text = path.read_text(encoding="utf-8")
    more = (
        '<p class="skip badge fail">FAILED</p><svg><text display="none" opacity="0.0">a</text>'
        '<rect fill="url(https://x/y#a)" clip-path="url(//x/y)" stroke="url(#own)"/></svg>'
        '<p class="mark approve">approved</p>'
        '<a download="setup.bat" href="data:text/csv;charset=utf-8,a">CSV</a>'
    )
    path.write_text(text.replace("<h2>Limits", f"{more}<h2>Limits"), encoding="utf-8")
    section = read_review(path, FIT).section("limits")
    assert section is not None
    for gone in ("skip", "display", "opacity", "//x", "mark", "setup.bat"):
        assert gone not in section.html, gone
    assert 'stroke="url(#own)"' in section.html
    assert section.n_failed == 1


def test_a_section_without_a_heading_has_a_page(make_bench: Callable[..., Any]) -> None:
    bench = make_bench()
    text = bench.review.read_text(encoding="utf-8").replace("<h2>Limits</h2>", "")
    bench.review.write_text(text, encoding="utf-8")
    page = read_review(bench.review, bench.site.explorer.fit_hash)
    assert [heading(language_of("en"), section) for section in page.sections][-1] == "limits"
