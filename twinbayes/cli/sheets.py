"""The command `twinbayes twins`: one sheet for each of many patients, in one process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twinbayes.cli.answers import AsJson, print_json, reports_errors
from twinbayes.cli.commands import (
    Adapter,
    FitPath,
    code_of,
    cohort_of,
    of_patients,
    read_fit,
    require_places,
    verdict_of,
)
from twinbayes.errors import OptionError

if TYPE_CHECKING:
    from twinbayes.inference import Fit
    from twinbayes.serve.sheets import Sheets

Updates = Annotated[
    Path | None,
    typer.Option(help="The explorer's file of updates: sheets are of the records with them."),
]
EXAMPLE = (
    "Example:  twinbayes twins aml.nc --ids patients.txt --out sheets --format pdf. "
    "The full report of one patient:  twinbayes twin --help"
)


@reports_errors
def twins(
    fit_path: FitPath,
    out: Annotated[Path, typer.Option(help="Folder to write: a new one, or an empty one.")],
    ids: Annotated[
        Path | None,
        typer.Option(help="Text file, one identifier a line; default: all who can be forecast."),
    ] = None,
    cohort: Annotated[
        str | None,
        typer.Option(help="Cohort folder of the patients; default: those of the fit."),
    ] = None,
    adapter: Adapter = None,
    updates: Updates = None,
    file_format: Annotated[
        str,
        typer.Option(
            "--format", help="html, pdf (through Chromium), or csv: one table of all numbers."
        ),
    ] = "html",
    language: Annotated[str, typer.Option(help="en or it.")] = "en",
    show_ids: Annotated[
        bool, typer.Option("--show-ids", help="Name patients, on sheets and in names of files.")
    ] = False,
    secret_file: Annotated[
        Path | None,
        typer.Option(
            help="Secret of pseudonyms, made where there is none; that of `twinbayes serve` gives "
            "the pseudonyms of the explorer. Default: beside the folder."
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Write a sheet of one A4 page for each of many patients, and an index."""
    secret = out.with_name(f"{out.name}.secret") if secret_file is None else secret_file
    if out.resolve() in secret.resolve().parents:
        raise OptionError("The secret of pseudonyms does not belong among the sheets: name another "
                          "place (--secret-file).")  # fmt: skip
    require_places(None if out.is_dir() else out, secret, adapter=adapter, fit=fit_path,
                   cohort=cohort, ids=ids, updates=updates)  # fmt: skip

    from twinbayes.serve.language import language_of
    from twinbayes.serve.sheets import require_possible

    language_of(language)
    require_possible(out, file_format, ids)
    fit, written = _write(
        (fit_path, cohort, adapter, updates), out, ids, secret, file_format, language, show_ids
    )
    if as_json:
        print_json({
            **verdict_of(fit), "folder": str(out), "patients": written.n_patients,
            "files": list(written.files), "more_than_one_page": list(written.too_long),
        })  # fmt: skip
        return code_of(fit)
    typer.echo(fit.verdict.banner())
    typer.echo(f"{written.n_patients} patients: {out / 'index.html'}")
    for name in written.too_long:
        typer.echo(f"- {name} has more than one page.")
    return code_of(fit)


def _write(
    read: tuple[Path, str | None, str | None, Path | None],
    out: Path,
    ids: Path | None,
    secret: Path,
    file_format: str,
    language: str,
    show_ids: bool,
) -> tuple[Fit, Sheets]:
    """Read the fit and the cohort, and write sheets; then the secret, where there was none."""
    from twinbayes.private_files import write_private
    from twinbayes.serve import Explorer, UpdateLog
    from twinbayes.serve.language import language_of
    from twinbayes.serve.pages.page import Reading
    from twinbayes.serve.serving import fresh_secret, secret_of
    from twinbayes.serve.sheets import write_sheets

    fit_path, cohort, adapter, updates = read
    made = "" if os.path.lexists(secret) else fresh_secret()
    known = made.encode() or secret_of(secret)
    fit = of_patients(read_fit(fit_path))
    shown = fit.cohort if cohort is None else cohort_of(cohort, adapter)
    log = None if updates is None else UpdateLog(updates)
    explorer = Explorer(fit, shown, known, log)
    reading = Reading(explorer, language_of(language), show_ids)
    written = write_sheets(reading, out, ids, file_format=file_format)
    if made and not show_ids:
        write_private(secret, made, "\n")
    return fit, written
