"""The page of a dossier: the verdict first, then one table for each source of demands."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pandas as pd

from twinbayes.report.html import fragments as f
from twinbayes.report.html.page import HOME, PageSection, compose_page

_SHOWN: Final = 12  # characters of a hash in a row; all of it stands among the artefacts
_REASONS: Final = 5  # in the banner, which is printed too
_MOST: Final = 8  # lines of values before the rest unfolds
_STATUS: Final = {
    "object": ("computed", "calcolato"),
    "person": ("said by a person", "dichiarato"),
    "not provided": ("NOT PROVIDED", "NON FORNITO"),
}
_LEAD: Final = (
    "Values are computed from the fit and from files, or said by people, and are marked so. "
    "Nothing here says that a rule is met: whoever signs judges that."
)


def drawn_by() -> str:
    """SHA-256 of what draws pages: two of the same draw the same page of the same rows."""
    digest = hashlib.sha256(version("twinbayes").encode())
    for file in (Path(__file__), *sorted(HOME.glob("*.py")), *sorted(HOME.glob("page.*"))):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def render_dossier(content: Mapping[str, Any]) -> str:
    """Return the page of the rows of a dossier: the same rows, the same bytes.

    Parameters
    ----------
    content
        Plain data, as ``rows.json`` has them.

    Raises
    ------
    ReportError
        The page would refer to anything outside itself.
    """
    tables = content["tables"]
    sections = [PageSection.of(_status(content)), _section("Summary / Riepilogo", "summary",
                _summary(tables)), _section("Artefacts / Artefatti", "artefacts",
                _artefacts(content))]  # fmt: skip
    sections += [
        _section(f"{table['title'][0]} / {table['title'][1]}", table["name"], _table(table))
        for table in tables
    ]
    usable = content["fit"]["usable"]
    return compose_page(
        content["title"],
        sections,
        strip="USABLE" if usable else "NOT FOR USE",
        colour="usable" if usable else "not-for-use",
        simulated=content["fit"]["simulated"],
        lead=_LEAD,
        fit=content["fit"]["manifest_sha256"],
    )


def _section(heading: str, slug: str, shown: f.Block) -> PageSection:
    section = PageSection.of(shown)
    section.heading, section.slug = heading, slug
    return section


def _status(content: Mapping[str, Any]) -> f.Block:
    fit = content["fit"]
    reasons = tuple(fit["reasons"][:_REASONS])
    if len(fit["reasons"]) > _REASONS:
        rest = len(fit["reasons"]) - _REASONS
        reasons += (f"and {rest} more reasons, which stand in the data of the rows",)
    return f.banner(fit["usable"], reasons, simulated=fit["simulated"])


def _summary(tables: Sequence[Mapping[str, Any]]) -> f.Block:
    counts = [
        {
            "table": _both(*table["title"]),
            "rows": len(table["rows"]),
            **{
                english: sum(row["status"] == key for row in table["rows"])
                for key, (english, _) in _STATUS.items()
            },
        }
        for table in tables
    ]
    return f.table(pd.DataFrame(counts), text=["table"])


def _artefacts(content: Mapping[str, Any]) -> f.Block:
    return f.pairs(
        {
            name: f"{one['file']}, {one['bytes']} bytes, sha256 {one['sha256']}"
            if one["bytes"] is not None
            else f"{one['file']}, sha256 {one['sha256']}"
            for name, one in content["artefacts"].items()
        }
    )


def _table(table: Mapping[str, Any]) -> f.Block:
    rows = pd.DataFrame(
        [
            {
                "no.": f.Block(escape(row["number"])),
                "demand": _demand(row),
                "answer": _answer(row),
                "from": _origin(row),
            }
            for row in table["rows"]
        ]
    )
    return f.block(
        f.paragraph(f"{table['source']}. {table['licence']}", "note"),
        f.table(rows, text=["demand", "answer", "from"], kind="glance"),
    )


def _both(english: str, italian: str) -> f.Block:
    return f.Block(f'{escape(english)}<br><span lang="it">{escape(italian)}</span>')


def _demand(row: Mapping[str, Any]) -> f.Block:
    asks = f"<br>{escape(row['asks'])}" if row["asks"] else ""
    return f.Block(f"<strong>{_both(*row['topic']).html}</strong>{asks}")


def _answer(row: Mapping[str, Any]) -> f.Block:
    parts = []
    if row["status"] == "not provided":
        english, italian = _STATUS["not provided"]
        parts.append(
            f'<strong>{english}</strong> <span lang="it">{italian}</span><br>'
            f"To provide: {escape(row['missing'])}"
        )
    lines = [_line(label, value) for label, value in row["values"].items()]
    parts += lines[:_MOST]
    if len(lines) > _MOST:
        rest = len(lines) - _MOST
        parts.append(
            f"<details><summary>{rest} more</summary>{'<br>'.join(lines[_MOST:])}</details>"
        )
    parts += [
        f"<em>{escape(label)}, as a person says:</em> {escape(text)}"
        for label, text in row["said"].items()
    ]
    return f.Block("<br>".join(parts).replace("<br><details>", "<details>"))


def _line(label: str, value: str) -> str:
    return f"{escape(label)}: {escape(value)}"


def _origin(row: Mapping[str, Any]) -> f.Block:
    if not row["source"]:
        return f.Block(f.NOTHING)
    english, italian = _STATUS[row["status"]]
    return f.Block(
        f'{escape(english)} <span lang="it">{escape(italian)}</span><br>'
        f"{escape(row['source'])}: {escape(row['where'])}<br>"
        f"<code>{escape(row['sha256'][:_SHOWN])}</code>"
    )
