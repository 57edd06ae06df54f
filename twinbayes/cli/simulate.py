"""The command `twinbayes simulate`: a study in, its operating characteristics out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from twinbayes.cli.answers import NOT_FOR_USE, USABLE, AsJson, print_json, reports_errors
from twinbayes.cli.commands import as_file
from twinbayes.private_files import require_writable

EXAMPLE: Final = "Example:  twinbayes simulate study.yaml --out results.json --workers 2"
ENOUGH: Final = 0.95
"""Share of the fits of every analysis that have to pass the gate for exit code 0."""


@reports_errors
def simulate(
    study: Annotated[Path, typer.Argument(help="The study, as YAML; see docs/simulation.md.")],
    out: Annotated[Path, typer.Option(help="File to write.")] = Path("results.json"),
    workers: Annotated[int, typer.Option(help="Processes of this machine.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler, such as tcp://10.0.0.5:8786.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Simulate trials and say how often an analysis is right. Exit code 3: too few usable fits."""
    require_writable(out, reads=(study,))

    from twinbayes.trials.simulated.study_file import read_study, write_results

    read = read_study(study)
    require_writable(out, reads=(as_file(read.named_priors),))
    found = read.run(workers=workers, scheduler=scheduler)
    written = write_results(found, out, name=read.name)
    share = found.fits["usable"] / found.fits["trials"]
    if as_json:
        print_json({"results": str(written), **found.to_dict()})
    else:
        overall = found.table()
        shown = overall[overall["place"] == "overall"].drop(columns="place")
        typer.echo(shown.to_string(index=False, float_format="{:.3f}".format))
        for row in found.fits.to_dict("records"):
            typer.echo(
                f"{row['analysis']}: {row['usable']} of {row['trials']} fits usable, "
                f"{row['unusable']} not, {row['failed']} failed"
            )
        typer.echo(f"Results: {written}")
    return USABLE if (share >= ENOUGH).all() else NOT_FOR_USE
