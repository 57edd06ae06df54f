"""Tables and the numbers behind pictures as CSV, in a link that holds the file itself."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape, unescape
from typing import Final

_LINK: Final = re.compile(
    r'<a class="csv" download="([^"]+)" href="data:text/csv;charset=utf-8;base64,([A-Za-z0-9+/=]*)"'
)
#: What programs of spreadsheets take for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def csv_text(rows: Iterable[Sequence[object]], heading: str = "") -> str:
    """Return rows as CSV, after a line that says what they are.

    A cell that a spreadsheet would take for a formula begins with an apostrophe.

    Examples
    --------
    >>> print(csv_text([("n", "name"), (-1.5, "=SUM(A1)")], "Table 3.1"))
    # Table 3.1
    n,name
    -1.5,'=SUM(A1)
    <BLANKLINE>
    """
    out = io.StringIO()
    if heading:
        out.write(f"# {' '.join(heading.split())}\n")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([_plain(cell) for cell in row] for row in rows)
    return out.getvalue()


def _plain(cell: object) -> str:
    if isinstance(cell, float):
        return "" if cell != cell else f"{cell:.6g}"
    text = "" if cell is None else str(cell)
    if text.startswith(_FORMULA) and not _is_number(text):
        return f"'{text}"
    return text


def _is_number(text: str) -> bool:
    try:
        float(text.rstrip("%"))
    except ValueError:
        return False
    return True


def csv_link(name: str, text: str) -> str:
    """Return a link that holds the file itself; nothing is loaded, and no script runs."""
    data = base64.b64encode(text.encode("utf-8")).decode("ascii")
    return (
        f'<a class="csv" download="{escape(name, quote=True)}" '
        f'href="data:text/csv;charset=utf-8;base64,{data}">CSV</a>'
    )


def linked_files(html: str) -> Iterator[tuple[str, str]]:
    """Yield name and text of each CSV file that a page holds."""
    for name, data in _LINK.findall(html):
        yield unescape(name), base64.b64decode(data).decode("utf-8")
