"""Pieces of HTML: everything that comes from data is escaped here, and only here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from numbers import Real
from typing import Any, Final, Protocol

import pandas as pd

from twinbayes.checks import CheckResult
from twinbayes.names import TIME
from twinbayes.report.figures.look import StateLook, words

NOTHING: Final = "–"
_SHORT: Final = 30
_DAYS: Final = (TIME, "day", "horizon", "landmark")  # columns of days
_LONG: Final = 100.0  # days, of which parts are not written
_REASONS: Final = 6  # in the banner; the others unfold


class Shown(Protocol):
    """Anything that can show itself as HTML."""

    def _repr_html_(self) -> str: ...


@dataclass(frozen=True)
class Block:
    """A finished piece of HTML, shown as such in notebooks and reports.

    Attributes
    ----------
    html
        The piece.
    checks
        The checks that are shown in it.
    given
        Whether there is evidence in it: a table, a picture, or the outcome of a check. Headings and
        sentences are none.
    gaps
        What is NOT PROVIDED in it, and why.
    """

    html: str
    checks: tuple[CheckResult, ...] = ()
    given: bool = False
    gaps: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        return self.html


def block(*parts: Shown | None) -> Block:
    """Put pieces below each other; None is left out."""
    shown = [part for part in parts if part is not None]
    own = [part for part in shown if isinstance(part, Block)]
    return Block(
        "\n".join(part._repr_html_() for part in shown),
        tuple(c for part in own for c in part.checks),
        # A picture, or whatever else shows itself, is evidence.
        len(own) < len(shown) or any(part.given for part in own),
        tuple(gap for part in own for gap in part.gaps),
    )


def heading(text: str) -> Block:
    """Return a heading within a section."""
    return Block(f"<h3>{escape(text)}</h3>")


def paragraph(text: str, kind: str = "") -> Block:
    """Return a paragraph; `kind` is a class of the style sheet."""
    attribute = f' class="{escape(kind, quote=True)}"' if kind else ""
    return Block(f"<p{attribute}>{escape(text)}</p>")


def bullets(items: Iterable[str]) -> Block:
    """Return a list of sentences."""
    return Block("<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>")


def linked(items: Iterable[tuple[str, str, str]]) -> Block:
    """Return a list of sentences, each of the anchor of a link, its words, and the rest."""
    lines = "".join(
        f'<li><a href="#{escape(anchor, quote=True)}">{escape(name)}</a>{escape(rest)}</li>'
        for anchor, name, rest in items
    )
    return Block(f"<ul>{lines}</ul>")


def preformatted(text: str) -> Block:
    """Return text whose line breaks matter."""
    # Who uses a keyboard alone scrolls what the keyboard can reach.
    return Block(f'<pre tabindex="0">{escape(text)}</pre>', given=True)


def folded(summary: str, *parts: Shown | None) -> Block:
    """Return pieces that the reader may unfold."""
    inside = block(*parts)
    html = f"<details><summary>{escape(summary)}</summary>{inside.html}</details>"
    return Block(html, inside.checks, inside.given, inside.gaps)


def not_provided(why: str) -> Block:
    """Say that a section has no evidence, and why."""
    html = f'<p class="missing"><strong>NOT PROVIDED</strong> {escape(why)}</p>'
    return Block(html, gaps=(why,))


def check(result: CheckResult, look: StateLook | None = None) -> Block:
    """Return a check: its verdict, its sentence, and its table to unfold, small cells hidden.

    Parameters
    ----------
    result
        The check.
    look
        Words for states of which the table speaks; without it they stand as they are.
    """
    line = (
        f'<p class="check">{badge(result).html} '
        f"<strong>{escape(result.name)}</strong>. {escape(words(result.text))}</p>"
    )
    said = Block(line, (result,), given=True)
    if result.verdict == "not_provided":
        none = not_provided(f"{result.name}: {result.text}")
        said = Block(none.html, (result,), gaps=none.gaps)
    if result.table.empty:
        return said
    shown = result.published.table if look is None else look.tabled(result.published.table)
    listed = folded(f"Table ({len(shown)} rows)", table(shown, caption=result.name))
    return Block(said.html + listed.html, said.checks, said.given, said.gaps)


def glance(shown: Iterable[tuple[str, Block]]) -> Block:
    """Return every check that sections show, in one table.

    Parameters
    ----------
    shown
        Heading of each section, and what it shows.
    """
    rows = [
        {"section": section, "check": c.name, "outcome": badge(c), "in words": words(c.text)}
        for section, part in shown
        for c in part.checks
    ]
    found = table(pd.DataFrame(rows), kind="glance") if rows else not_provided("No check was run.")
    return block(heading("Checks at a glance"), found)


def badge(result: CheckResult) -> Block:
    """Return the outcome of a check as a coloured word."""
    return Block(f'<span class="badge {result.verdict}">{escape(result.label)}</span>')


def banner(
    usable: bool,
    reasons: tuple[str, ...],
    *,
    simulated: bool,
    say: Callable[[str], str] = words,
) -> Block:
    """Return the verdict of a fit as a banner: green, or red with every reason.

    Parameters
    ----------
    say
        From a reason, which names parameters, to words.
    """
    label = Block('<div class="simulated">SIMULATED DATA: no row describes a real person.</div>')
    shown = label if simulated else None
    if usable:
        return block(Block('<div class="verdict usable">USABLE</div>'), shown)
    lines = [say(reason) for reason in reasons]
    why = bullets(lines[:_REASONS]).html
    if len(lines) > _REASONS:
        more = f"and {len(lines) - _REASONS} more reasons"
        why += folded(more, bullets(lines[_REASONS:])).html
    return block(Block(f'<div class="verdict not-for-use">NOT FOR USE{why}</div>'), shown)


def definitions(items: Iterable[tuple[str, Shown]]) -> Block:
    """Return terms, each with what there is to say about it."""
    said = list(items)
    rows = "".join(f"<dt>{escape(k)}</dt><dd>{v._repr_html_()}</dd>" for k, v in said)
    return Block(f"<dl>{rows}</dl>", given=True, gaps=block(*(v for _, v in said)).gaps)


def pairs(items: Mapping[str, object]) -> Block:
    """Return names and values as a table of two columns."""
    rows = "".join(
        f'<tr><th scope="row">{escape(str(key))}</th><td>{_cell(value)}</td></tr>'
        for key, value in items.items()
    )
    return Block(_scrolling(f'<table class="pairs"><tbody>{rows}</tbody></table>'), given=True)


def _scrolling(table: str, label: str = "") -> str:
    """A table that may be wider than the page: who uses a keyboard alone scrolls it, too."""
    name = escape(label or "Table")
    return f'<div class="table" tabindex="0" role="group" aria-label="{name}">{table}</div>'


def table(
    frame: pd.DataFrame,
    *,
    formats: Mapping[str, Callable[[Any], str]] | None = None,
    caption: str = "",
    names: Mapping[str, str] | None = None,
    text: Sequence[str] = (),
    kind: str = "",
) -> Block:
    """Return a table, without its index.

    Parameters
    ----------
    frame
        The rows.
    formats
        Column → how to write a value; by default four significant digits.
    caption
        Sentence above the table.
    names
        Column → heading; by default the column's name in words.
    text
        Columns of prose, aligned left.
    kind
        Class of the table in the style sheet.
    """
    formats, names = formats or {}, names or {}
    kinds = {c: "text" if c in text else _kind(frame[c]) for c in frame.columns}
    head = "".join(
        f'<th scope="col"{_class(kinds[c])}>{escape(names.get(str(c), words(str(c))))}</th>'
        for c in frame.columns
    )
    lines = []
    for values in frame.itertuples(index=False, name=None):
        cells = "".join(
            f"<td{_class(kinds[c])}>{_cell(_shown(c, v), formats.get(str(c)))}</td>"
            for c, v in zip(frame.columns, values, strict=True)
        )
        lines.append(f"<tr>{cells}</tr>")
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    shown = (
        f"<table{_class(kind)}>{above}<thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table>"
    )
    return Block(_scrolling(shown, caption), given=True)


def _shown(column: object, value: object) -> object:
    """Return a value as it is written: a number of many days as whole days."""
    is_long = isinstance(value, Real) and _LONG <= abs(float(value)) < math.inf
    return round(float(str(value))) if column in _DAYS and is_long else value


def percent(value: float) -> str:
    """Write a probability as a whole per cent."""
    return NOTHING if not math.isfinite(value) else f"{value:.0%}"


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _kind(column: pd.Series) -> str:
    """``""`` for numbers, ``"short"`` for words that stay on one line, ``"text"`` for prose."""
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
        return ""
    lengths = [len(str(v)) for v in column if not isinstance(v, Block)]
    return "short" if max(lengths, default=0) <= _SHORT else "text"


def _cell(value: object, form: Callable[[Any], str] | None = None) -> str:
    if isinstance(value, Block):
        return value.html
    if form is not None and not (isinstance(value, float) and math.isnan(value)):
        return escape(form(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value is pd.NA:
        return NOTHING
    if isinstance(value, Real):
        number = float(value)
        if math.isnan(number):
            return NOTHING
        if math.isinf(number):
            return "∞" if number > 0 else "−∞"
        if number == int(number) and abs(number) < 1e15:
            return f"{int(number)}"
        return f"{number:.4g}"
    return escape(str(value))
