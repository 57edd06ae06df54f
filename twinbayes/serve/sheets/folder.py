"""A folder of sheets: made whole, or not at all, and for its owner alone."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

from twinbayes.errors import StorageError, require_known
from twinbayes.private_files import FOLDER_MODE, write_private
from twinbayes.serve.explorer import PatientRow
from twinbayes.serve.pages.page import Reading
from twinbayes.serve.pages.sheet import STYLE, sheet_html
from twinbayes.serve.rendering import ENVIRONMENT, STYLES
from twinbayes.serve.sheets.asked import lines_of, rows_asked
from twinbayes.serve.sheets.printing import count_pages, pdf_of, require_browser
from twinbayes.serve.sheets.table import table_of

FORMATS: Final = ("html", "pdf", "csv")
INDEX: Final = "index.html"
TABLE: Final = "forecasts.csv"


@dataclass(frozen=True)
class Sheets:
    """What was written.

    Attributes
    ----------
    folder
        Where.
    files
        Names of the sheets, or of the table; the index is beside them.
    n_patients
        Whose.
    too_long
        Names of the PDF that have more than one page.
    """

    folder: Path
    files: tuple[str, ...]
    n_patients: int
    too_long: tuple[str, ...] = ()


def write_sheets(
    reading: Reading,
    out: Path,
    ids: Path | None = None,
    *,
    file_format: str = "html",
    printed: datetime | None = None,
) -> Sheets:
    """Write a sheet for each patient, or one table of all, and an index.

    Parameters
    ----------
    reading
        The fit and its patients, in which language, and whether they are named: else files have
        the names of pseudonyms, and no identifier is in the folder.
    out
        A folder that is not there yet, or is empty.
    ids
        A text file with one identifier a line; default: all who can be forecast.
    file_format
        ``html``, ``pdf`` or ``csv``.
    printed
        The date of printing; default: now.

    Raises
    ------
    OptionError
        No such format; or a PDF, and no browser that prints it.
    StorageError
        The folder is not empty, or it cannot be written to, or the file cannot be read.
    CohortError
        All lines of the file of which there is no sheet, before anything is written.

    Examples
    --------
    >>> reading = Reading(explorer, language_of("en"), shows_ids=False)  # doctest: +SKIP
    >>> write_sheets(reading, Path("sheets")).n_patients  # doctest: +SKIP
    66
    """
    require_possible(out, file_format, ids)
    browser = require_browser() if file_format == "pdf" else ""
    rows = rows_asked(reading.explorer, ids)
    printed = datetime.now().astimezone() if printed is None else printed
    too_long: list[str] = []

    def content(row: PatientRow) -> str | bytes:
        html = sheet_html(reading, row.pseudonym, printed)
        if not browser:
            return html
        pdf = pdf_of(html, browser)
        if count_pages(pdf) != 1:
            too_long.append(_name(reading, row, file_format))
        return pdf

    with _made_whole(out) as folder:
        if file_format == "csv":
            files = [TABLE]
            table = table_of(reading.explorer, rows, reading.shows_ids)
            write_private(folder / TABLE, table.to_csv(index=False, lineterminator="\n"))
        else:
            files = [_name(reading, row, file_format) for row in rows]
            _write_each(folder, files, rows, content)
        write_private(folder / INDEX, _index(reading, rows, files, printed))
    return Sheets(out, tuple(files), len(rows), tuple(too_long))


def require_possible(out: Path, file_format: str, ids: Path | None = None) -> None:
    """Refuse, before anything is computed, what could not be written.

    Raises
    ------
    OptionError
        No such format; or a PDF, and no browser that prints it.
    StorageError
        Something is in the folder: an older sheet would stay among the others. Or the file of
        identifiers cannot be read.
    CohortError
        It names nobody.
    """
    require_known(file_format, FORMATS, "format of sheets")
    if file_format == "pdf":
        require_browser()
    if ids is not None:
        lines_of(ids)
    try:
        is_free = not os.path.lexists(out) or (out.is_dir() and not any(out.iterdir()))
    except OSError as error:
        raise StorageError(f"{out.name}: cannot be looked into ({error.strerror}).") from error
    if not is_free:
        raise StorageError(
            f"{out.name}: is not an empty folder. Name a new folder; nothing is overwritten."
        )


@contextmanager
def _made_whole(out: Path) -> Iterator[Path]:
    """A folder that has its name when all is in it; else nothing is left behind."""
    temporary = out.absolute().with_name(f".twinbayes-{secrets.token_hex(8)}.tmp")
    try:
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir(mode=FOLDER_MODE)
        try:
            yield temporary
            os.replace(temporary, out)  # an empty folder gives way
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    except StorageError:  # names the file
        raise
    except OSError as error:
        raise StorageError(
            f"{out.name}: the folder could not be made ({error.strerror or error}). Name one that "
            "is not there yet, where you may write."
        ) from error


def _write_each(
    folder: Path,
    files: Sequence[str],
    rows: Sequence[PatientRow],
    content: Callable[[PatientRow], str | bytes],
) -> None:
    for name, row in zip(files, rows, strict=True):
        write_private(folder / name, content(row))


def _name(reading: Reading, row: PatientRow, ending: str) -> str:
    """A name of a file that is one on every system, and never that of the index."""
    if not reading.shows_ids:
        return f"{row.pseudonym}.{ending}"
    return f"patient-{quote(row.patient_id, safe='')}.{ending}"


def _index(
    reading: Reading, rows: Sequence[PatientRow], files: Sequence[str], printed: datetime
) -> str:
    """The list of what is in the folder."""
    t, fit = reading.language, reading.explorer.fit
    of_each = files if len(files) == len(rows) and TABLE not in files else [""] * len(rows)
    return ENVIRONMENT.get_template("sheets.html.jinja").render(
        t=t,
        reading=reading,
        style=STYLES[STYLE],
        usable=fit.verdict.usable,
        reasons=fit.verdict.reasons,
        simulated=fit.cohort.simulated,
        printed=t.day(printed),
        model=t.name(fit.spec.name),
        hash=reading.explorer.fit_hash,
        table=TABLE if TABLE in files else "",
        # In an address, what is quoted in a name is quoted once more.
        listed=[(row, quote(name)) for row, name in zip(rows, of_each, strict=True)],
    )
