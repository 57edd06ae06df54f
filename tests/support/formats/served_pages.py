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
    "<ScRiPt>alert(1)</sCrIpT>", "<script src=//x>", "<svg onload=alert(1)>",
    "<body onload=alert(1)>", "<input autofocus onfocus=alert(1)>",
    "<details open ontoggle=alert(1)>", "<marquee onstart=alert(1)>",
    "<img src=x:alert(1) onerror=eval(src)>", "<math><mi//xlink:href='data:x,<script>'>",
    "<style>*{display:none}</style>", "<link rel=stylesheet href=//x>",
    "<meta http-equiv=refresh content=0>", "<base href=//x>", "<form action=//x>",
    "<object data=//x>", "<embed src=//x>", "<template><b>", "</textarea><b>", "</select><b>",
    "</option><b>", "</script><b>", "</style><b>", "]]><b>", "<![CDATA[<b>", "data:text/html,<b>",
    "vbscript:msgbox(1)", "&#60;b&#62;", "<b>", "%3Cb%3E", "+ADw-b+AD4-", "{{config}}",
    "{{''.__class__.__mro__}}", "{%raw%}", "#{7*7}", "<%= 7*7 %>", "=HYPERLINK(1)", "@SUM(1)",
    "$(id)", "; cat /etc/passwd", "| id", "\r\nSet-Cookie: a=b", "1; DROP TABLE patients",
    "' UNION SELECT 1 --", "..\\..\\x", "file:///etc/passwd", "\ufeff<b>", "\u2028<b>", "\x00<b>",
)  # fmt: skip
TAGS = (
    "<script", "<img", "<iframe", "<b>", "<svg", "<style", "<base", "<object", "<embed", "<math",
    "<marquee", "<template", "http-equiv=refresh", "onerror=", "onload=", "onfocus=", "ontoggle=",
    "onmouseover=", "onstart=",
)  # fmt: skip
"""What a page must not have more of than it has without them."""


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
