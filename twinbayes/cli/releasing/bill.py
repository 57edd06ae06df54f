"""The command `twinbayes sbom`: what the software is made with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twinbayes.cli.answers import USABLE, AsJson, print_json, reports_errors
from twinbayes.cli.commands import Out, require_places

SBOM_EXAMPLE = "Example:  twinbayes sbom --out sbom.json"


@reports_errors
def sbom(
    out: Out = Path("sbom.json"),
    lock: Annotated[
        Path | None, typer.Option(help="Lock of requirements; default: that of the package.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Write the software bill of materials: CycloneDX 1.6, made from the lock."""
    require_places(out, lock=lock)

    from twinbayes.releases import write_sbom

    page = write_sbom(out, lock)
    if as_json:
        print_json({"sbom": str(page)})
    else:
        typer.echo(f"Bill of materials: {page}")
    return USABLE
