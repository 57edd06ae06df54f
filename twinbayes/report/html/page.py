"""From sections, or an executed notebook, to one self-contained HTML file."""

from __future__ import annotations

import inspect
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from html import escape
from html.parser import HTMLParser
from importlib.metadata import version
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from twinbayes.errors import ReportError, TwinbayesError, reason
from twinbayes.private_files import require_writable, write_private
from twinbayes.report.html.fragments import (
    Block,
    Shown,
    folded,
    not_provided,
    paragraph,
    preformatted,
)
from twinbayes.report.html.numbering import number_pieces
from twinbayes.report.html.section import Section

if TYPE_CHECKING:
    from nbformat import NotebookNode

#: Name under which a page says which fit it is of.
FIT_META: Final = "twinbayes-fit"
HOME: Final = Path(__file__).parent
#: Warnings are recorded for the whole process: two reports would take each other's.
_ONE_AT_A_TIME: Final = RLock()
_HIDDEN_TAGS: Final = {"parameters", "injected-parameters", "hidden"}
_FORBIDDEN_TAGS: Final = frozenset(
    {"script", "link", "iframe", "object", "embed", "base", "form", "frame", "applet"}
)
_REFERENCES: Final = frozenset(
    {"src", "href", "srcset", "poster", "data", "action", "background", "xlink:href", "formaction"}
)
_SCHEME: Final = re.compile(r"https?://", re.IGNORECASE)
#: What a numbered section of a review says of itself, and its banner.
_NUMBERED: Final = re.compile(
    r'data-section="(section-(\d\d)-[a-z-]+)" data-status="([a-z-]+)" data-outcome="([a-z_]+)"'
)
_BANNER: Final = re.compile(r'<div class="verdict ([a-z-]+)">([^<]+)')
_IMPORT: Final = re.compile(r"@import|url\((?!\s*['\"]?data:)", re.IGNORECASE)


@dataclass
class PageSection:
    """One heading of a page with everything below it; filled while the page is built."""

    heading: str = ""
    slug: str = ""
    parts: list[Markup] = field(default_factory=list)
    status: str = ""
    outcome: str = ""

    @classmethod
    def of(cls, *shown: Shown) -> PageSection:
        """Return a section of things that show themselves as HTML."""
        return cls(parts=list(map(_markup, shown)))


def render_report[Evidence](
    table: Iterable[Section[Evidence]],
    collect: Callable[[], Evidence],
    *,
    title: str,
    lead: str,
    usable: bool,
    simulated: bool,
    show_code: bool = False,
) -> str:
    """Compute the evidence of a report and show it, section by section.

    Parameters
    ----------
    table
        The sections, in order.
    collect
        Computes the evidence. Its warnings, and those of the sections, are shown at the end of the
        page.
    title, lead
        Heading of the page and a sentence below it.
    usable, simulated
        What the strip at the top of the page says.
    show_code
        Show the function behind each section.

    Raises
    ------
    ReportError
        If there is no evidence, or the page would refer to anything outside itself. A section that
        fails does not lose the page: it says NOT PROVIDED, and why.
    """
    sections = [PageSection()]
    with noted_warnings() as caught:
        evidence = computed(collect)
        for row in table:
            if row.heading:
                sections.append(PageSection(row.heading, _slug(row.heading)))
            shown: list[Block] = [paragraph(row.prose)] if row.prose else []
            if show_code:
                shown.append(folded("Code", preformatted(source_of(row.show))))
            shown.append(guarded(partial(row.show, evidence), sections[-1].heading))
            sections[-1].parts += map(_markup, shown)
    return compose_page(
        title,
        sections,
        strip="USABLE" if usable else "NOT FOR USE",
        colour="usable" if usable else "not-for-use",
        simulated=simulated,
        lead=lead,
        messages=messages_of(caught),
    )


@contextmanager
def noted_warnings() -> Iterator[list[warnings.WarningMessage]]:
    """Record warnings while a page is computed, one page at a time."""
    with _ONE_AT_A_TIME, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        yield caught


def messages_of(caught: Iterable[warnings.WarningMessage]) -> str:
    """Return warnings as lines of text."""
    return "\n".join(f"{one.category.__name__}: {one.message}" for one in caught)


def computed[Evidence](collect: Callable[[], Evidence]) -> Evidence:
    """Compute the evidence; what fails is told as such."""
    try:
        return collect()
    except TwinbayesError:
        raise
    except Exception as error:
        raise ReportError(f"The evidence failed: {reason(error)}") from error


def guarded(make: Callable[[], Block], heading: str) -> Block:
    """Make a section; one that fails is told, and loses no other."""
    try:
        return make()
    except Exception as error:  # whatever a section does, the others are shown
        return not_provided(f"The section {heading!r} failed: {reason(error)}")


def render_page(
    notebook: NotebookNode,
    *,
    usable: bool,
    simulated: bool,
    title: str = "",
    show_code: bool = False,
) -> str:
    """Render an executed notebook with our own template.

    Parameters
    ----------
    notebook
        With its outputs. The first heading is the title unless `title` is given.
    usable, simulated
        What the strip at the top of the page says.
    title
        Title of the page.
    show_code
        Show the code cells. Parameters are never shown: they can hold an identifier.

    Raises
    ------
    ReportError
        If the page would refer to anything outside itself.
    """
    heading, lead, sections, messages = _sections(notebook, show_code)
    return compose_page(
        title or heading,
        sections,
        strip="USABLE" if usable else "NOT FOR USE",
        colour="usable" if usable else "not-for-use",
        simulated=simulated,
        lead=lead,
        messages=messages,
    )


def compose_page(
    title: str,
    sections: list[PageSection],
    *,
    strip: str,
    colour: str = "plain",
    simulated: bool = False,
    lead: str = "",
    messages: str = "",
    fit: str = "",
) -> str:
    """Put sections into our template and refuse what is not self-contained.

    Parameters
    ----------
    title, lead
        Heading of the page and a sentence below it.
    sections
        In order; the contents come after the first.
    strip, colour
        Words at the very top, and a class of the style sheet for their background.
    simulated
        Say at the top that no row describes a real person.
    messages
        Warnings while the page was computed.
    fit
        Hash of the fit that the page is of.
    """
    strip, colour = _numbered(sections, strip, colour, simulated=simulated)
    environment = Environment(
        loader=FileSystemLoader(HOME), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    style = (HOME / "page.css").read_text(encoding="utf-8")
    html = environment.get_template("page.html.jinja").render(
        title=title, lead=lead, sections=sections, messages=messages, strip=strip, colour=colour,
        simulated=simulated, version=version("twinbayes"), fit=fit, fit_meta=FIT_META,
        style=Markup(style),  # noqa: S704 (our own file)
    )  # fmt: skip
    # Sources are quoted with their addresses. Without the scheme nothing takes them for links.
    page = _SCHEME.sub("", html)
    require_self_contained(page)
    return page


def _numbered(
    sections: list[PageSection], strip: str, colour: str, *, simulated: bool
) -> tuple[str, str]:
    """Number what sections of a review show, in place; the strip then says what the banner does."""
    for section in sections:
        text = "\n".join(section.parts)
        found = _NUMBERED.search(text)
        if found is None:
            continue
        banner = _BANNER.search(text)
        if banner and int(found[2]) == 0:
            colour, strip = banner[1], banner[2]
        section.slug, section.status, section.outcome = found[1], found[3], found[4]
        marks = " ".join([f"{strip}.", *(["SIMULATED DATA."] if simulated else [])])
        section.parts = [Markup(number_pieces(text, int(found[2]), marks))]  # noqa: S704
    return strip, colour


def require_self_contained(html: str) -> None:
    """Refuse a page that runs anything, or loads anything from outside itself.

    Raises
    ------
    ReportError
        With the first offending tag.
    """
    guard = _Guard()
    guard.feed(html)
    guard.close()
    if guard.found:
        raise ReportError(
            f"The report would not be self-contained: {guard.found[0]}. Remove it from the "
            "template; pictures go in as data."
        )


def write_page(path: str | os.PathLike[str], html: str) -> Path:
    """Write a page whole or not at all, for its owner alone; missing folders are made."""
    return write_private(require_writable(path), html)


class _Guard(HTMLParser):
    """Collects what a self-contained page may not have."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        if tag in _FORBIDDEN_TAGS:
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            text = (value or "").strip()
            inside = text.startswith("#") or (name == "src" and text.startswith("data:image/"))
            inside |= tag == "a" and name == "href" and text.startswith("data:text/csv;")
            if name in _REFERENCES and not inside:
                self.found.append(f"<{tag} {name}>")
            if name.startswith("on") or (name == "style" and _IMPORT.search(text)):
                self.found.append(f"<{tag} {name}>")
            if tag == "meta" and name == "http-equiv" and text.lower() == "refresh":
                self.found.append("<meta refresh>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._in_style = False

    def handle_endtag(self, tag: str) -> None:
        if tag == "style":
            self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style and _IMPORT.search(data):
            self.found.append("a style sheet that loads something")


def _sections(notebook: NotebookNode, show_code: bool) -> tuple[str, str, list[PageSection], str]:
    """Title, the sentence below it, sections in order, and messages of the kernel."""
    title, lead, messages = "", "", []
    sections = [PageSection()]
    for cell in notebook.cells:
        tags = set(cell.metadata.get("tags", ()))
        if cell.cell_type == "markdown":
            text = cell.source
            match = re.match(r"#\s+(.+)\n?", text)
            if match and not title:
                title, text = match[1].strip(), text[match.end() :]
                lead = text.strip().partition("\n\n")[0].replace("\n", " ")
                continue
            _add_markdown(sections, text)
            continue
        if show_code and not tags & _HIDDEN_TAGS and cell.source.strip():
            code = f"<details><summary>Code</summary><pre>{escape(cell.source)}</pre></details>"
            sections[-1].parts.append(Markup(code))  # noqa: S704 (escaped above)
        for output in cell.get("outputs", ()):
            if output.output_type == "stream" and output.name == "stderr":
                messages.append(output.text)
            elif "text/markdown" in output.get("data", ()):
                _add_markdown(sections, output.data["text/markdown"])
            else:
                sections[-1].parts.append(_output(output))
    return title, lead, [s for s in sections if s.parts or s.heading], "".join(messages)


def _add_markdown(sections: list[PageSection], text: str) -> None:
    """Begin a section where the text begins with a heading; else continue the last one."""
    match = re.match(r"##\s+(.+)\n?", text)
    if match:
        sections.append(PageSection(match[1].strip(), _slug(match[1])))
        text = text[match.end() :]
    if text.strip():
        sections[-1].parts.append(_markdown(text))


def source_of(show: Callable[..., Block]) -> str:
    """Return the code of a section, as far as it is at hand."""
    try:
        return inspect.getsource(show)
    except (OSError, TypeError):  # typed at a prompt, or not written in Python
        return f"The source of {show!r} is not at hand."


def _markup(shown: Shown) -> Markup:
    """HTML of our own objects is taken as it is: it was escaped where it was made."""
    return Markup(shown._repr_html_())  # noqa: S704


def _output(output: Any) -> Markup:
    """Return one output as HTML; HTML of our own objects is taken as it is."""
    if output.output_type == "stream":
        return Markup(f"<pre>{escape(output.text)}</pre>")  # noqa: S704 (escaped)
    data = output.get("data", {})
    if "text/html" in data:
        # Escaped where it was made; `require_self_contained` looks at the whole page again.
        return Markup("".join(data["text/html"]))  # noqa: S704
    if "image/png" in data:
        alt = escape(str(output.get("metadata", {}).get("alt", "figure")), quote=True)
        source = f"data:image/png;base64,{data['image/png'].strip()}"
        return Markup(f'<figure><img src="{source}" alt="{alt}"></figure>')  # noqa: S704
    return Markup(f"<pre>{escape(str(data.get('text/plain', '')))}</pre>")  # noqa: S704


def _markdown(text: str) -> Markup:
    from markdown_it import MarkdownIt  # comes with jupytext; only reports need it

    # "html": False: what looks like a tag in a template is text.
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    return Markup(parser.render(text))  # noqa: S704


def _slug(heading: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")
