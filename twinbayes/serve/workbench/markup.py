"""HTML of a review, taken apart into sections that can do nothing but be read.

What is shown of a section is written anew from a short list of tags and attributes; tags beyond
it are refused, so that what is signed is all that there is to see.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from html.parser import HTMLParser
from typing import Final

from twinbayes.errors import StorageError
from twinbayes.report.html.page import FIT_META
from twinbayes.report.html.page import HOME as PAGE_FOLDER


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_VOID: Final = _names("br col hr img wbr")
_HTML: Final = _names(
    "a abbr b blockquote caption code col colgroup dd del details div dl dt em figcaption figure "
    "h2 h3 h4 h5 i li ol p pre s section small span strong sub summary sup table tbody td tfoot th "
    "thead tr u ul"
)
_MATH: Final = _names(
    "math mfrac mi mn mo mover mpadded mphantom mroot mrow ms mspace msqrt mstyle msub msubsup "
    "msup mtable mtd mtext mtr munder munderover"
)
_SVG: Final = _names(
    "circle clippath defs desc ellipse g line lineargradient path pattern polygon polyline rect "
    "stop svg text title tspan"
)
_TAGS: Final = _HTML | _MATH | _SVG | _VOID
_ATTRIBUTES: Final = _names(
    "alt aria-hidden aria-label class clip-path colspan cx cy d datetime dir display displaystyle "
    "dominant-baseline download dx dy fill fill-opacity font-family font-size font-weight height "
    "href id lang mathvariant offset open opacity points preserveaspectratio r role rowspan rx ry "
    "scope span src start stop-color stroke stroke-dasharray stroke-linecap stroke-linejoin "
    "stroke-opacity stroke-width tabindex text-anchor title transform viewbox width x x1 x2 y y1 y2"
)
_PICTURE: Final = re.compile(r"data:image/(png|jpeg|svg\+xml)[;,]")
_FILE: Final = "data:text/csv;"
_CSV: Final = re.compile(r"[\w.-]{1,100}\.csv")
_URL: Final = re.compile(r"url\(", re.IGNORECASE)
_OWN_URL: Final = re.compile(r"url\(#[\w.-]+\)")
#: Classes of the style sheet of reviews: those of our own pages would hide text, or look like ours.
_CLASSES: Final = frozenset(
    re.findall(r"\.([a-zA-Z][\w-]*)", (PAGE_FOLDER / "page.css").read_text(encoding="utf-8"))
)
_UNSEEN: Final = frozenset({"script", "style"})  # whose content is no text


@dataclass
class FoundSection:
    """A section as the file has it.

    Attributes
    ----------
    name
        Its anchor; "" of one that has none.
    given
        What the section says of itself: attributes `data-status` and `data-outcome`.
    heading
        Text of its first `h2`.
    n_failed, n_warned, n_missing
        Checks that failed and that warn, and what is NOT PROVIDED.
    """

    name: str
    given: dict[str, str]
    heading: str = ""
    parts: list[str] = field(default_factory=list)
    n_failed: int = 0
    n_warned: int = 0
    n_missing: int = 0

    def take_own_word(self) -> None:
        """Count what the section says of itself, where nothing in it was counted."""
        self.n_failed = self.n_failed or int(self.given.get("data-outcome") == "fail")
        self.n_missing = self.n_missing or int(self.given.get("data-status") == "not-provided")

    @property
    def canonical(self) -> str:
        """Its HTML, written in one way."""
        return "".join(self.parts)


class ReviewReader(HTMLParser):
    """Reads the sections of a review, the fit that it names, and its style sheets.

    Raises
    ------
    StorageError
        A tag is none that reviews have, or is not closed.
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.fit = ""
        self.title = ""
        self.sections: list[FoundSection] = []
        self.styles: list[str] = []
        self._open: list[str] = []  # tags within a section
        self._quiet = ""  # script or style
        self._in: FoundSection | None = None
        self._aside = 0  # depth of a table that repeats other sections
        self._in_heading = self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a tag."""
        given = {name: value or "" for name, value in attrs}
        if tag in _UNSEEN:
            self._quiet = tag
            if tag == "style":
                self.styles.append("")
            return
        if self._in is None:
            self._outside(tag, given)
            return
        if tag not in _TAGS or (tag == "title" and "svg" not in self._open):
            raise StorageError(f"its section {self._in.name or 'without a name'!r} has <{tag}>")
        self._count(tag, given)
        self._in.parts.append(f"<{tag}{_written(tag, given)}>")
        if tag not in _VOID:
            self._open.append(tag)
            self._in_heading |= tag == "h2" and not self._in.heading
            first = len(self.sections) == 1  # the list of all checks is there alone
            if self._aside or (
                first and tag == "table" and "glance" in given.get("class", "").split()
            ):
                self._aside += 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open and close a tag."""
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close a tag."""
        if tag == self._quiet:
            self._quiet = ""
            return
        self._in_title &= tag != "title"
        if self._in is None and tag == "section":
            raise StorageError("it has </section> in a wrong place")
        if self._in is None or tag in _VOID:
            return
        if not self._open:
            if tag != "section":
                raise StorageError(f"its section {self._in.name!r} ends within <{tag}>")
            self._in.take_own_word()
            self._in = None
            return
        if self._open.pop() != tag:
            raise StorageError(f"its section {self._in.name!r} has </{tag}> in a wrong place")
        self._in.parts.append(f"</{tag}>")
        self._in_heading &= tag != "h2"
        self._aside -= self._aside > 0

    def handle_data(self, data: str) -> None:
        """Keep text."""
        if self._quiet == "style":
            self.styles[-1] += data
        elif self._quiet:
            return
        elif self._in is not None:
            self._in.parts.append(escape(data, quote=False))
            if self._in_heading:
                self._in.heading += data
        elif self._in_title:
            self.title += data

    def handle_comment(self, data: str) -> None:
        """Refuse a comment: browsers and this parser do not agree where it ends."""
        raise StorageError(f"it has a comment, of {len(data)} characters")

    def handle_pi(self, data: str) -> None:
        """Refuse an instruction."""
        raise StorageError(f"it has an instruction, of {len(data)} characters")

    def unknown_decl(self, data: str) -> None:
        """Refuse a declaration, such as CDATA."""
        raise StorageError(f"it has a declaration, of {len(data)} characters")

    def close(self) -> None:
        """End; a section that is still open is one that was cut off."""
        super().close()
        if self._in is not None:
            raise StorageError(f"its section {self._in.name!r} does not end")

    def _outside(self, tag: str, given: dict[str, str]) -> None:
        if tag == "section":
            said = {k: v for k, v in given.items() if k in ("data-status", "data-outcome")}
            self._in = FoundSection(given.get("id", ""), said)
            self.sections.append(self._in)
        elif tag == "meta" and given.get("name") == FIT_META:
            self.fit = given.get("content", "")
        self._in_title |= tag == "title"

    def _count(self, tag: str, given: dict[str, str]) -> None:
        """Note outcomes of checks, and what is missing, where they are shown first."""
        if self._in is None or self._aside:
            return
        kinds = given.get("class", "").split()
        if "badge" in kinds:
            self._in.n_failed += "fail" in kinds
            self._in.n_warned += "warn" in kinds
        self._in.n_failed += "verdict" in kinds and "not-for-use" in kinds
        self._in.n_missing += "missing" in kinds


def _written(tag: str, given: dict[str, str]) -> str:
    """Attributes that may stay, in one order."""
    kept = {name: value for name, value in given.items() if name in _ATTRIBUTES}
    if "class" in kept:
        kept["class"] = " ".join(c for c in kept["class"].split() if c in _CLASSES)
    if tag != "math" or kept.get("display") != "block":
        kept.pop("display", None)
    for name in ("opacity", "fill-opacity"):
        if not kept.get(name, "1").strip("0."):  # nobody would see it
            kept.pop(name)
    for name in ("fill", "stroke", "clip-path"):
        if _URL.search(kept.get(name, "")) and not _OWN_URL.fullmatch(kept[name]):
            kept.pop(name)
    if not _PICTURE.match(kept.get("src", "")) or tag != "img":
        kept.pop("src", None)
    if tag != "a" or not kept.get("href", "").startswith(("#", _FILE)):
        kept.pop("href", None)
    if "href" not in kept or kept["href"].startswith("#"):
        kept.pop("download", None)
    elif not _CSV.fullmatch(kept.get("download", "")):
        kept["download"] = "data.csv"
    return "".join(f' {name}="{escape(kept[name])}"' for name in sorted(kept))


def placed(canonical: str, address: Callable[[str], str]) -> str:
    """The HTML of a section within one of our pages: its anchors apart from ours.

    Parameters
    ----------
    canonical
        As `FoundSection` has it.
    address
        From the name of an anchor to where it is now; "" of one within the same section.
    """
    placing = _Placing(address)
    placing.feed(canonical)
    placing.close()
    return "".join(placing.parts)


class _Placing(HTMLParser):
    """Writes a section again, with other anchors."""

    def __init__(self, address: Callable[[str], str]) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._address = address
        self._tables = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a tag."""
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            given["id"] = f"in-{given['id']}"
        if (href := given.get("href", "")).startswith("#"):
            given["href"] = self._address(href[1:]) or f"#in-{href[1:]}"
        if tag == "div":  # what it scrolls is scrolled here by itself
            given = {k: v for k, v in given.items() if k not in ("tabindex", "role", "aria-label")}
        if tag in ("math", "pre"):  # may be wider than the page: the keyboard must reach them
            given["tabindex"] = "0"
        text = "".join(f' {name}="{escape(value)}"' for name, value in given.items())
        if tag == "table":
            self._tables += 1
            label = f"Table {self._tables}"
            self.parts.append(
                f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">'
            )
        self.parts.append(f"<{tag}{text}>")

    def handle_endtag(self, tag: str) -> None:
        """Close a tag."""
        self.parts.append(f"</{tag}>" if tag != "table" else "</table></div>")

    def handle_data(self, data: str) -> None:
        """Keep text."""
        self.parts.append(escape(data, quote=False))
