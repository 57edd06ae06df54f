"""Pages are complete in themselves, and whatever comes from data is text."""

from __future__ import annotations

import json
import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat.v4 as nb
import numpy as np
import pandas as pd
import pytest

import twinbayes as tb
from twinbayes.checks import CheckResult
from twinbayes.checks.result import OUT_OF_SAMPLE
from twinbayes.errors import OptionError, ReportError
from twinbayes.report import read_checks, write_checks
from twinbayes.report.html import fragments as f
from twinbayes.report.html.formulae import hazard_formula
from twinbayes.report.html.page import (
    render_page,
    render_report,
    require_self_contained,
    write_page,
)
from twinbayes.report.html.section import Section

EVIL = "<script>alert(1)</script>\"'&"


@pytest.mark.parametrize(
    "html",
    [
        "<script>1</script>",
        "<p onclick='x()'>a</p>",
        "<img src='https://example.org/a.png'>",
        "<img src='//example.org/a.png'>",
        "<img src='a.png'>",
        "<img srcset='a.png 2x'>",
        "<a href='javascript:x()'>a</a>",
        "<a href='https://example.org'>a</a>",
        "<link rel=stylesheet>",
        "<iframe></iframe>",
        "<style>@import 'a.css';</style>",
        "<style>p { background: url(a.png) }</style>",
        "<p style='background:url(https://example.org/a)'>a</p>",
        "<meta http-equiv='refresh' content='0'>",
        "<svg><image xlink:href='a.png'/></svg>",
        "<form action='a'></form>",
        "<object data='a'></object>",
    ],
)
def test_a_page_that_runs_or_loads_anything_is_refused(html: str) -> None:
    with pytest.raises(ReportError, match="self-contained"):
        require_self_contained(f"<html><body>{html}</body></html>")


def test_data_pictures_and_anchors_are_allowed() -> None:
    require_self_contained(
        "<img src='data:image/png;base64,AAAA'><a href='#limits'>Limits</a>"
        "<style>p { background: url('data:image/png;base64,AA') }</style>"
    )


@pytest.mark.requirement("R-051")
@pytest.mark.parametrize(
    "shown",
    [
        f.paragraph(EVIL),
        f.heading(EVIL),
        f.bullets([EVIL]),
        f.preformatted(EVIL),
        f.folded(EVIL, f.paragraph(EVIL)),
        f.not_provided(EVIL),
        f.pairs({EVIL: EVIL}),
        f.definitions([(EVIL, f.paragraph(EVIL))]),
        f.table(pd.DataFrame({EVIL: [EVIL], "n": [1]}), caption=EVIL),
        f.table(pd.DataFrame({"x": [1.0]}), formats={"x": lambda _: EVIL}),
        f.check(CheckResult(EVIL, "warn", pd.DataFrame({EVIL: [EVIL]}), EVIL)),
        f.check(CheckResult.not_provided(EVIL, EVIL)),
    ],
    ids=lambda b: b.html[:20],
)
def test_every_fragment_escapes_what_it_is_given(shown: f.Block) -> None:
    assert "<script" not in shown.html
    assert "alert(1)" in shown.html


def test_numbers_are_written_with_four_digits_and_gaps_as_dashes() -> None:
    frame = pd.DataFrame({"x": [1234.5678, np.nan, np.inf], "b": [True, False, True]})
    html = f.table(frame).html
    assert "<td>1235</td>" in html
    assert "<td>–</td>" in html
    assert "<td>∞</td>" in html
    assert "yes" in html
    assert "no" in html


def test_checks_survive_the_way_into_the_notebook(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "subgroup": ["A", EVIL],
            "value": [0.5, np.nan],
            "limit": [-np.inf, 1.0],
            "n": [12, 3],
            "inside": pd.array([True, pd.NA], dtype="boolean"),
        }
    )
    given = (CheckResult("cross-validation", "pass", table, "text", OUT_OF_SAMPLE),
             CheckResult.not_provided("other", "why"))  # fmt: skip
    back = read_checks(write_checks(tmp_path / "checks.json", given))
    assert [(c.name, c.verdict, c.text, c.topic) for c in back] == [
        (c.name, c.verdict, c.text, c.topic) for c in given
    ]
    assert list(back[0].table["subgroup"]) == ["A", EVIL]
    assert list(back[0].table["n"]) == ["hidden", "<5"]
    assert list(back[0].table["inside"]) == [None, None]  # they would tell the counts
    np.testing.assert_array_equal(back[0].table["value"].astype(float), [0.5, np.nan])
    np.testing.assert_array_equal(back[0].table["limit"], [-np.inf, 1.0])
    assert read_checks("") == ()


def test_a_file_of_checks_without_topics_still_reads_as_further_evidence(tmp_path: Path) -> None:
    old = [{"name": "calibration", "verdict": "pass", "text": "", "columns": ["n"], "rows": [[7]]}]
    path = tmp_path / "checks.json"
    path.write_text(json.dumps(old), encoding="utf-8")
    (check,) = read_checks(path)
    assert check.topic == "further"
    assert check.table["n"].tolist() == [7]


def notebook() -> nb.NotebookNode:
    cell = nb.new_code_cell("secret = 'P0001'", metadata={"tags": ["injected-parameters"]})
    shown = nb.new_code_cell("show()")
    shown.outputs = [
        nb.new_output("display_data", data={"text/html": "<p>ours</p>"}),
        nb.new_output("stream", name="stdout", text=EVIL),
        nb.new_output("stream", name="stderr", text="a warning"),
        nb.new_output("execute_result", data={"text/plain": EVIL}),
    ]
    return nb.new_notebook(
        cells=[
            nb.new_markdown_cell("# Title\nWhat it is."),
            cell,
            nb.new_markdown_cell(f"## First\nText {EVIL} at https://example.org/x"),
            shown,
        ]
    )


def test_a_notebook_becomes_sections_without_code_parameters_or_schemes() -> None:
    page = render_page(notebook(), usable=False, simulated=True)
    assert "NOT FOR USE · SIMULATED DATA" in page
    assert "<p>ours</p>" in page
    assert '<section id="first">' in page
    assert "<script" not in page
    assert "P0001" not in page
    assert "show()" not in page
    assert "http://" not in page
    assert "https://" not in page
    assert "example.org/x" in page
    assert "a warning" in page


def test_code_is_shown_on_request_but_parameters_never() -> None:
    page = render_page(notebook(), usable=True, simulated=False, show_code=True)
    assert "show()" in page
    assert "P0001" not in page
    assert "NOT FOR USE" not in page


def test_an_output_that_reaches_outside_stops_the_report() -> None:
    book = notebook()
    book.cells[-1].outputs[0]["data"]["text/html"] = "<img src='https://example.org/pixel'>"
    with pytest.raises(ReportError, match="self-contained"):
        render_page(book, usable=True, simulated=False)


def test_a_failed_write_leaves_the_old_page_and_no_part_of_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = write_page(tmp_path / "sub" / "page.html", "old")

    def full(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_page(target, "new")
    assert target.read_text(encoding="utf-8") == "old"
    assert [p.name for p in target.parent.iterdir()] == ["page.html"]


def fails() -> f.Block:
    raise ZeroDivisionError("boom")


def test_a_section_that_fails_is_named_and_loses_no_other(caplog: pytest.LogCaptureFixture) -> None:
    def refuses(_: None) -> f.Block:
        raise OptionError("no such <day>. Give another.")

    table = (
        Section(heading="Sizes", show=lambda _: fails()),
        Section(heading="Days", show=refuses),
        Section(heading="Rest", show=lambda _: f.paragraph("still here")),
    )
    page = render_report(table, lambda: None, title="t", lead="", usable=True, simulated=False)
    assert "The section &#x27;Sizes&#x27; failed: ZeroDivisionError" in page
    assert "boom" not in page  # what others say may name a patient
    assert "boom" in caplog.text
    assert "The section &#x27;Days&#x27; failed: no such &lt;day&gt;. Give another." in page
    assert "still here" in page


def test_the_checks_of_every_section_are_listed_at_a_glance() -> None:
    one = CheckResult("outer", "pass", pd.DataFrame(), "all well")
    two = CheckResult("inner", "warn", pd.DataFrame({"x": [1.0]}), "look <here>")
    shown = f.block(f.paragraph("before"), f.check(one), f.folded("more", f.check(two)))
    listed = f.glance([("First", f.paragraph("first")), ("Own", shown)])._repr_html_()
    rows = re.findall(r"<td[^>]*>(.*?)</td>", listed)
    assert [re.sub("<.*?>", "", x) for x in rows] == [
        "Own", "outer", "PASS", "all well", "Own", "inner", "WARNING", "look &lt;here&gt;",
    ]  # fmt: skip


def test_reports_at_the_same_time_leave_the_warnings_of_others_alone() -> None:
    def show(_: None) -> f.Block:
        warnings.warn("in the report", stacklevel=1)
        return f.paragraph("shown")

    table = (Section(heading="Sizes", prose="", show=show),)

    def make() -> str:
        return render_report(table, lambda: None, title="t", lead="", usable=True, simulated=False)

    before = warnings.showwarning
    with ThreadPoolExecutor(4) as pool:
        pages = list(pool.map(lambda _: make(), range(12)))
    assert all("in the report" in page for page in pages)
    assert warnings.showwarning is before
    with pytest.warns(UserWarning, match="outside"):
        warnings.warn("outside", stacklevel=1)


def test_many_days_are_written_whole_in_columns_of_days_alone() -> None:
    frame = pd.DataFrame({"time": [365.25, 0.5], "value": [365.25, 0.5]})
    cells = re.findall(r"<td[^>]*>(.*?)</td>", f.table(frame).html)
    assert cells == ["365", "365.2", "0.5", "0.5"]


def _luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.2."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_white_words_of_outcomes_can_be_read() -> None:
    style = (Path(f.__file__).parent / "page.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"\.badge\.(\w+) \{ background: (#\w{6}); \}", style))
    assert set(colours) == {"pass", "warn", "fail", "info", "not_provided"}
    for outcome, colour in colours.items():
        assert 1.05 / (_luminance(colour) + 0.05) >= 4.5, outcome


def test_what_scrolls_can_be_reached_by_the_keyboard() -> None:
    assert '<pre tabindex="0">' in f.preformatted("long").html
    formula = hazard_formula(tb.disease("survival")).html
    assert formula.count("<math") == formula.count('class="formula" tabindex="0"') == 2


def test_a_missing_number_is_a_dash_however_numbers_are_written() -> None:
    shown = f.table(pd.DataFrame({"x": [1.5, np.nan]}), formats={"x": "{:.3g}".format}).html
    assert "<td>1.5</td>" in shown
    assert "<td>–</td>" in shown
    assert "nan" not in shown
