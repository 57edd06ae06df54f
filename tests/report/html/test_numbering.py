"""Numbers of tables and figures, and CSV files that hold what the page shows."""

from __future__ import annotations

import csv
import io

import pandas as pd
from matplotlib.figure import Figure

from twinbayes.report.figures.csv_links import csv_text, linked_files
from twinbayes.report.figures.picture import Picture
from twinbayes.report.html import fragments as f
from twinbayes.report.html.numbering import number_pieces
from twinbayes.report.required.rendering import write_tables


def read(text: str) -> list[list[str]]:
    assert text.startswith("# ")
    return list(csv.reader(io.StringIO(text.partition("\n")[2])))


def test_each_table_and_figure_has_a_number_a_title_and_its_csv(tmp_path: str) -> None:
    frame = pd.DataFrame({"group": ["a<b", "=SUM(A1)"], "n": ["<5", "12"], "mean": [0.123456, -2]})
    picture = Picture(Figure(), alt="x", caption="Two dots.").backed(pd.DataFrame({"y": [1.23456]}))
    shown = f.block(
        f.heading("Sizes & more"), f.table(frame), f.folded("Table (1 rows)", f.pairs({"k": 1})),
        picture, f.table(frame, caption="Again"),
    )  # fmt: skip
    html = number_pieces(shown.html, 9, "NOT FOR USE.")
    assert "<caption>Table 9.1. Sizes &amp; more " in html
    assert "<caption>Table 9.2. Sizes &amp; more " in html
    assert "<caption>Table 9.3. Again " in html
    assert "<figcaption><strong>Figure 9.1.</strong> Two dots. " in html
    files = dict(linked_files(html))
    assert list(files) == [
        "table-09-01.csv", "table-09-02.csv", "figure-09-01.csv", "table-09-03.csv",
    ]  # fmt: skip
    assert files["table-09-01.csv"].startswith("# Table 9.1. Sizes & more. NOT FOR USE.\n")
    assert read(files["table-09-01.csv"]) == [
        ["group", "n", "mean"], ["a<b", "<5", "0.1235"], ["'=SUM(A1)", "12", "-2"],
    ]  # fmt: skip
    assert read(files["figure-09-01.csv"]) == [["y"], ["1.23456"]]
    written = write_tables(html, tmp_path)
    assert [p.name for p in written] == list(files)
    assert written[0].read_text(encoding="utf-8") == files["table-09-01.csv"]
    assert written[0].stat().st_mode & 0o077 == 0  # for its owner alone


def test_numbers_are_no_formulas_and_nothing_is_left_of_what_is_not_known() -> None:
    assert csv_text([(-1.5, "-12%", float("nan"), None, "-x", "@y")]) == "-1.5,-12%,,,'-x,'@y\n"
