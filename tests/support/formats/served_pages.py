"""Pages of the explorer, read; and what nobody should send to one."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

PAYLOADS = (
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'><svg/onload=alert(1)>",
    "javascript:alert(1)", "{{7*7}}", "{% for x in y %}", "${7*7}", "<!--", "-->", "</title><b>",
    "' OR 1=1 --", "../../etc/passwd", "%00", "\u202e", "<iframe src=//x>", "&lt;b&gt;",
    "onmouseover=alert(1)", "\"autofocus onfocus=alert(1) x=\"", "<a href=//x>", "`id`",
)  # fmt: skip


class Text(HTMLParser):
    """Rows of tables, and all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.text: list[str] = []
        self._cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
            self._cell = True

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self._cell:
            self.rows[-1][-1] += data

    def handle_endtag(self, tag: str) -> None:
        """Leave a cell."""
        if tag in ("td", "th"):
            self._cell = False


def numbers(cell: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", cell.replace(" of 100", ""))]
