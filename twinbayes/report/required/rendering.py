"""From the evidence of a review to its page, and the CSV files of its tables and figures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from markupsafe import Markup

from twinbayes.errors import StorageError
from twinbayes.paths import path_of
from twinbayes.private_files import require_writable, write_private
from twinbayes.report.figures.csv_links import linked_files
from twinbayes.report.html.page import (
    PageSection,
    compose_page,
    computed,
    messages_of,
    noted_warnings,
)
from twinbayes.report.html.section import Section
from twinbayes.report.required.chapters import HasJudgement, chapters
from twinbayes.report.required.context import ReviewContext


def render_review[Evidence: HasJudgement](
    table: Iterable[Section[Evidence]],
    collect: Callable[[], Evidence],
    context: ReviewContext,
    *,
    title: str,
    lead: str,
    fit: str,
    show_code: bool = False,
) -> str:
    """Compute the evidence of a review and show it in the twenty sections.

    Parameters
    ----------
    table
        What is shown, each row with the number of its section.
    collect
        Computes the evidence. Its warnings, and those of the sections, are shown at the end.
    context
        What the author says.
    title, lead
        Heading of the page and a sentence below it.
    fit
        Hash of the fit that the review is of, which the page says of itself.
    show_code
        Show the function behind each row.

    Raises
    ------
    ReportError
        If there is no evidence, or the page would refer to anything outside itself.
    OptionError
        If a row has no number of a section.
    """
    with noted_warnings() as caught:
        evidence = computed(collect)
        found = chapters(table, evidence, context, show_code=show_code)
    sections = [
        PageSection(c.demand.title, c.demand.anchor, [Markup(c._repr_html_())])  # noqa: S704
        for c in found
    ]
    judged = evidence.judged
    return compose_page(
        title,
        sections,
        strip="" if judged.usable else "NOT FOR USE",
        colour="plain" if judged.usable else "not-for-use",
        simulated=judged.simulated,
        lead=lead,
        messages=messages_of(caught),
        fit=fit,
    )


def require_folder(folder: str | os.PathLike[str]) -> Path:
    """Return a folder in which files can be written; it is made where it is missing.

    Raises
    ------
    StorageError
        If it cannot be.
    """
    place = path_of(folder, StorageError, "The folder of tables")
    require_writable(place / "table.csv")
    return place


def write_tables(page: str, folder: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Write the CSV of every table and figure of a review, such as ``table-09-01.csv``.

    Each holds what the page shows of it, small counts hidden, after a first line that begins with
    ``#`` and says what it is.

    Raises
    ------
    StorageError
        If the folder cannot be made or written to.
    """
    place = require_folder(folder)
    return tuple(
        write_private(require_writable(place / name), text) for name, text in linked_files(page)
    )
