"""The command `twinbayes import`: a hospital's files and a mapping in, a cohort folder out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from twinbayes.cli.answers import USABLE, AsJson, print_json, reports_errors
from twinbayes.errors import OptionError, StorageError
from twinbayes.private_files import require_writable, write_private

EXAMPLE: Final = "Example:  twinbayes import export --mapping map.yaml --out my_cohort"


@reports_errors
def import_source(
    source: Annotated[
        str | None,
        typer.Argument(
            help="Files or a folder: CSV, Excel, REDCap, FHIR, phenopackets, ADaM, OMOP (also a "
            "connection URL) or a cBioPortal study."
        ),
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="Which columns become what, as YAML; see docs/import.md.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Cohort folder to write: a new one.")] = None,
    propose: Annotated[
        Path | None, typer.Option(help="Draft the mapping from the files into this new file.")
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(
            help="Of text files, for --propose: utf-8, utf-16, cp1252 or latin-1; default: by what "
            "they look like. A mapping declares its own."
        ),
    ] = None,
    template: Annotated[
        Path | None, typer.Option(help="Write a workbook to be filled in, and its mapping (.yaml).")
    ] = None,
    language: Annotated[str, typer.Option(help="Of the template: en or it.")] = "en",
    as_json: AsJson = False,
) -> int:
    """Read a hospital's files as a mapping says; print what became of every row."""
    if encoding is not None and propose is None:
        raise OptionError("import: --encoding goes with --propose; a mapping declares its own.")
    if template is not None and source is None and mapping is None and propose is None:
        return _template(template, language, as_json)
    if propose is not None and mapping is None and source is not None:
        return _propose(source, propose, encoding, as_json)
    if source is None or mapping is None or out is None or propose or template:
        raise OptionError(
            "import: give SOURCE with --mapping and --out, or SOURCE with --propose alone, or "
            "--template alone."
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StorageError(f"{out.name!r} is not an empty folder. Name a new folder.")

    from twinbayes.cohort.importing.running import run_import

    done = run_import(source, mapping)
    written = done.cohort.write(out)
    if as_json:
        print_json({
            "cohort": done.cohort.name, "folder": str(written), "simulated": done.cohort.simulated,
            "patients": done.cohort.n_patients, "fingerprint": done.cohort.fingerprint,
            "ledger": done.ledger.to_dict(),
        })  # fmt: skip
        return USABLE
    typer.echo(str(done.ledger))
    typer.echo(repr(done.cohort))
    typer.echo(f"Cohort: {written}. It holds the patients' records: keep it where they may be.")
    return USABLE


def _propose(source: str, target: Path, encoding: str | None, as_json: bool) -> int:
    if target.exists():
        raise StorageError(
            f"{target.name!r} is there already, and is not written over. Give another --propose."
        )
    require_writable(target)

    from twinbayes.cohort.importing.finding import place_of
    from twinbayes.cohort.importing.proposing.draft import propose_mapping

    write_private(target, propose_mapping(source, encoding=encoding))
    shown = "URL" if isinstance(place_of(source), str) else source  # a URL may hold a password
    if as_json:
        print_json({"mapping": str(target)})
    else:
        typer.echo(
            f"Written: {target}. Check every line of it, then:  twinbayes import {shown} "
            f"--mapping {target} --out my_cohort"
        )
    return USABLE


def _template(target: Path, language: str, as_json: bool) -> int:
    from twinbayes.cohort.importing.template import write_template

    book, mapping = write_template(target, language)
    if as_json:
        print_json({"template": str(book), "mapping": str(mapping)})
    else:
        typer.echo(f"Written: {book} to be filled in, and {mapping}. Then:")
        typer.echo(f"twinbayes import {book} --mapping {mapping} --out my_cohort")
    return USABLE
