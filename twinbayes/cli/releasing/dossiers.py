"""The commands `twinbayes dossier`: what guidance and law ask of a fit, written and verified."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from twinbayes.cli.answers import NOT_FOR_USE, USABLE, AsJson, print_json, reports_errors
from twinbayes.cli.commands import FitPath

Evidence = Annotated[
    list[str] | None,
    typer.Option(
        help="KIND=FILE, once for each kind: checks, effects, calibration, trace, lock, sbom, "
        "crate, releases, monitor, review, protocol, plan, data_protection, instructions, "
        "declaration."
    ),
]
Context = Annotated[
    Path | None,
    typer.Option(help="YAML file of what only people can say, the same as of `review`."),
]


class _WriteByDefault(TyperGroup):
    """`twinbayes dossier FIT ...` writes one; a first word that names a command runs that."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands:
            args = ["write", *args]
        return super().parse_args(ctx, args)


dossiers = typer.Typer(
    cls=_WriteByDefault,
    help="What guidance and law ask of a fit: a folder with a page, all rows as JSON, and hashes. "
    "Without a command: write it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@dossiers.command(
    "write",
    epilog="Example:  twinbayes dossier aml.nc --context context.yaml --evidence "
    "checks=checks.json --out dossier. The other command:  twinbayes dossier verify --help",
)
@reports_errors
def write(
    fit_path: FitPath,
    out: Annotated[Path, typer.Option(help="Folder to make; nothing may be there.")],
    context: Context = None,
    evidence: Evidence = None,
    as_json: AsJson = False,
) -> int:
    """Write the dossier of a fit: every row computed, said by a person, or NOT PROVIDED."""
    from twinbayes.dossier import write_dossier
    from twinbayes.dossier.evidence import evidence_pairs

    pairs = evidence_pairs(evidence)
    dossier = write_dossier(fit_path, out, context=context, evidence=pairs)
    counts = Counter(row.status for row in dossier.rows)
    if as_json:
        print_json({
            "usable": dossier.usable, "dossier": str(dossier.folder), "head": dossier.head,
            "rows": dict(counts),
        })  # fmt: skip
    else:
        typer.echo("USABLE" if dossier.usable else "NOT FOR USE")
        typer.echo(
            f"{len(dossier.rows)} rows: {counts['object']} computed, {counts['person']} said by "
            f"people, {counts['not provided']} NOT PROVIDED"
        )
        typer.echo(f"Dossier: {dossier.folder}")
        typer.echo(f"Head: {dossier.head}. Keep it elsewhere, to verify with --head.")
    return USABLE if dossier.usable else NOT_FOR_USE


@dossiers.command(
    "verify", epilog="Example:  twinbayes dossier verify dossier --fit aml.nc --head 3f5a…"
)
@reports_errors
def verify(
    folder: Annotated[Path, typer.Argument(help="The folder of a dossier.")],
    fit: Annotated[
        Path | None, typer.Option(help="The fit that it is of: rows are computed again.")
    ] = None,
    context: Context = None,
    evidence: Evidence = None,
    head: Annotated[
        str | None, typer.Option(help="The head as it was printed when it was written.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Look whether a dossier is as it was written; 3 where it is not."""
    from twinbayes.dossier import verify_dossier
    from twinbayes.dossier.evidence import evidence_pairs

    found = verify_dossier(
        folder, fit=fit, context=context, evidence=evidence_pairs(evidence), head=head
    )
    if as_json:
        print_json({
            "verified": found.verified, "problems": list(found.problems),
            "unseen": list(found.unseen), "head": found.head,
        })  # fmt: skip
    else:
        for line in (*found.problems, *found.unseen):
            typer.echo(line)
        said = "as it was written" if found.verified else "NOT as it was written"
        typer.echo(f"The dossier is {said}. Head: {found.head or 'none'}")
    return USABLE if found.verified else NOT_FOR_USE
