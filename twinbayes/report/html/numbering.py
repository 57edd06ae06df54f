"""Numbers of tables and figures, and a CSV of each: of what the page shows, and of nothing else."""

from __future__ import annotations

import re
from html import escape, unescape
from html.parser import HTMLParser
from typing import Final

from twinbayes.report.figures.csv_links import csv_link, csv_text, linked_files

_PIECE: Final = re.compile(
    r"<h[34][^>]*>.*?</h[34]>|<summary>.*?</summary>|<table\b.*?</table>|<figure>.*?</figure>",
    re.DOTALL,
)
_CAPTION: Final = re.compile(r"<caption>(.*?)</caption>", re.DOTALL)
_FIGCAPTION: Final = re.compile(
    r"<figcaption>(.*?)(<a class=\"csv\".*?</a>)?</figcaption>", re.DOTALL
)
_TAGS: Final = re.compile(r"<[^>]*>")
_NO_TITLES: Final = ("Table (", "Code")


def number_pieces(html: str, section: int, marks: str = "") -> str:
    """Number tables and figures of one section of a review, and give each a CSV.

    Parameters
    ----------
    html
        The section, as our own fragments made it.
    section
        Its number: its first table is ``Table 9.1``.
    marks
        What every file says of all numbers, such as NOT FOR USE.

    Returns
    -------
    str
        Captions begin with the number, and end with a link that holds the CSV: of a table the
        cells as they are shown, small counts hidden.
    """
    counts = {"table": 0, "figure": 0}
    title = ""

    def numbered(match: re.Match[str]) -> str:
        nonlocal title
        piece = match[0]
        kind = piece[1:].split(">")[0].split(" ")[0]
        if kind not in counts:
            said = _text(piece)
            title = title if said.startswith(_NO_TITLES) else said
            return piece
        counts[kind] += 1
        place = f"{section}.{counts[kind]}"
        file = f"{kind}-{section:02d}-{counts[kind]:02d}.csv"
        if kind == "table":
            return _table(piece, place, title, file, marks)
        return _figure(piece, place, file, marks)

    return _PIECE.sub(numbered, html)


def _table(piece: str, place: str, title: str, file: str, marks: str) -> str:
    own = _CAPTION.search(piece)
    caption = own[1] if own else escape(title)
    label = f"Table {place}" + (f". {caption}" if caption else "")
    reader = _Cells()
    reader.feed(_CAPTION.sub("", piece))
    text = csv_text(reader.rows, f"{_text(label)}. {marks}".strip())
    said = f"<caption>{label} {csv_link(file, text)}</caption>"
    if own:
        return piece[: own.start()] + said + piece[own.end() :]
    opening, rest = piece.split(">", 1)
    return f"{opening}>{said}{rest}"


def _figure(piece: str, place: str, file: str, marks: str) -> str:
    own = _FIGCAPTION.search(piece)
    caption, link = (own[1].strip(), own[2] or "") if own else ("", "")
    label = f"<strong>Figure {place}.</strong> {caption}".strip()
    for _, text in linked_files(link):
        link = csv_link(file, f"# {_text(label)} {marks}".rstrip() + f"\n{text}")
    said = f"<figcaption>{label} {link}</figcaption>"
    return (
        piece[: own.start()] + said + piece[own.end() :]
        if own
        else (piece.replace("</figure>", f"{said}</figure>"))
    )


def _text(html: str) -> str:
    return " ".join(unescape(_TAGS.sub("", html)).split())


class _Cells(HTMLParser):
    """Reads the cells of one table."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.rows[-1][-1] += data
