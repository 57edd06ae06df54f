"""The command `twinbayes serve`: the ward explorer in a browser."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twinbayes.cli.answers import USABLE, AsJson, print_json, reports_errors
from twinbayes.cli.commands import (
    Adapter,
    FitPath,
    cohort_of,
    of_patients,
    read_fit,
    require_places,
)
from twinbayes.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from twinbayes.serve.access import Access

EXAMPLE = (
    "Example:  twinbayes serve aml.nc --audit audit.jsonl --review review.html "
    "--signatures signatures.jsonl"
)

Shown = Annotated[
    str | None,
    typer.Option(help="Cohort folder of the patients to show; default: those of the fit."),
]
SecretFile = Annotated[
    Path | None,
    typer.Option(
        help="Secret of pseudonyms, made where there is none; default: beside the audit log."
    ),
]
ProxySecretFile = Annotated[
    Path | None,
    typer.Option(
        help="What the reverse proxy that authenticates people sends as "
        "X-Proxy-Secret, beside X-User and X-Role. Needed beyond this machine."
    ),
]
Draws = Annotated[
    int | None,
    typer.Option(min=1, help="Draws that forecasts use, evenly spaced; default: all."),
]
Updates = Annotated[
    Path | None,
    typer.Option(
        help="File of confirmed updates of records, with patients' values: begun where nothing "
        "is, else applied and continued. Without it nothing that is entered is kept."
    ),
]
Review = Annotated[
    Path | None,
    typer.Option(help="Review of this fit, of `twinbayes review`: shown section by section."),
]
Signatures = Annotated[
    Path | None,
    typer.Option(
        help="Sign-offs and comments on the review. Begun where nothing is, else continued; "
        "without it nothing can be signed."
    ),
]
Require = Annotated[
    str | None,
    typer.Option(
        help="'released': serve nothing but a fit that people of --trusted have released."
    ),
]
People = Annotated[
    Path | None,
    typer.Option("--trusted", help="YAML file of the people whose signatures of releases count."),
]
OtherFit = Annotated[Path | None, typer.Option(help="Another fit, to compare this one with.")]


@reports_errors
def serve(
    fit_path: FitPath,
    audit: Annotated[
        Path, typer.Option(help="Audit log: who saw what. Begun where nothing is, else continued.")
    ],
    cohort: Shown = None,
    adapter: Adapter = None,
    draws: Draws = None,
    updates: Updates = None,
    secret_file: SecretFile = None,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535)] = 8000,
    name: Annotated[
        str, typer.Option(help="Who you are, without a proxy: written into the audit log.")
    ] = "local",
    role: Annotated[
        str, typer.Option(help="Without a proxy: clinician, statistician or reviewer.")
    ] = "clinician",
    proxy_secret_file: ProxySecretFile = None,
    hostname: Annotated[
        list[str] | None, typer.Option(help="Name that browsers are given; may be repeated.")
    ] = None,
    language: Annotated[
        str, typer.Option(help="Where a browser asks for none that there is: en, it.")
    ] = "en",
    review: Review = None,
    signatures: Signatures = None,
    other_fit: OtherFit = None,
    require: Require = None,
    trusted: People = None,
) -> int:
    """Show a fit in a browser: patients, forecasts, what-ifs, its review, an audit log."""
    from twinbayes.serve.serving import Address
    from twinbayes.serve.serving import serve as serve_fit
    from twinbayes.serve.workbench.workbench import workbench_of

    secret = audit.with_name(f"{audit.name}.secret") if secret_file is None else secret_file
    if signatures is not None and review is None:
        raise OptionError("--signatures are of sections of a review: give it too (--review).")
    require_places(
        audit, secret, updates, signatures, adapter=adapter, fit=fit_path, cohort=cohort,
        proxy_secret_file=proxy_secret_file, review=review, other_fit=other_fit, trusted=trusted,
    )  # fmt: skip
    in_use = _require_released(fit_path, require, trusted)
    typer.echo(f"Reading {fit_path.name}; its address is printed when it can be asked.", err=True)
    access = _access(proxy_secret_file, name, role)
    fit = of_patients(read_fit(fit_path))
    fit = fit if draws is None else fit.thinned(draws)
    shown = fit.cohort if cohort is None else cohort_of(cohort, adapter)
    address = Address(host, port, tuple(hostname or ()))
    other = None if other_fit is None else of_patients(read_fit(other_fit))
    serve_fit(
        fit, shown, access, audit, secret, updates, address, language,
        lambda: typer.echo(f"http://{host}:{port}/  Ctrl-C ends it.", err=True),
        lambda: workbench_of(fit, review, signatures, other),
        in_use,
    )  # fmt: skip
    return USABLE


@reports_errors
def verify(
    file: Annotated[
        Path, typer.Argument(help="An audit log, updates, signatures or a ledger; its head beside.")
    ],
    head: Annotated[
        str | None,
        typer.Option(help="Hash of a record, kept elsewhere: detects an end cut off on purpose."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Check that a file of chained records is whole: no line changed, removed or moved."""
    from twinbayes.hash_chain import HashChain

    require_places(file=file)
    records = HashChain(file).records(head=head)
    last = records[-1]["hash"] if records else None
    if as_json:
        print_json({"whole": True, "records": len(records), "head": last})
    else:
        typer.echo(f"{len(records)} records, whole. Hash of the last: {last or 'none'}")
    return USABLE


def _require_released(
    fit_path: Path, require: str | None, trusted: Path | None
) -> Callable[[], None]:
    """Say which state a fit is in; refuse one that is not released where that is required.

    What is returned looks again whenever the log has changed.
    """
    from twinbayes.errors import ReleaseError, require_known
    from twinbayes.releases import read_trusted, release_log_of, release_state, require_in_use

    if require is not None:
        require_known(require, ("released",), "state to require")
        if trusted is None:
            raise OptionError("--require released needs --trusted: the people who may release.")
    people = None if trusted is None else read_trusted(trusted)
    log = release_log_of(fit_path)
    seen: list[object] = [None]

    def as_it_is() -> object:
        found = os.stat(log) if os.path.lexists(log) else None
        return found and (found.st_ino, found.st_size, found.st_mtime_ns)

    def look() -> str:
        before = as_it_is()
        require_in_use(fit_path)
        found = release_state(fit_path, trusted=people)
        told = "\n".join((f"{fit_path.name}: {found}", *found.faults))
        if require is not None and not found.is_released:
            raise ReleaseError(f"{told}\nHave it released (`twinbayes release`), or serve another.")
        seen[0] = before
        return told

    def in_use() -> None:
        if as_it_is() != seen[0]:
            look()

    typer.echo(look(), err=True)
    return in_use


def _access(proxy_secret_file: Path | None, name: str, role: str) -> Access:
    """A proxy tells who people are where it has a secret; else all are one person."""
    from twinbayes.serve.access import LocalAccess, Person, ProxyAccess, Role
    from twinbayes.serve.serving import secret_of

    if role not in set(Role):
        raise OptionError(f"--role is {', '.join(Role)}, not {role!r}.")
    if proxy_secret_file is None:
        return LocalAccess(Person(name, Role(role)))
    return ProxyAccess(secret_of(proxy_secret_file).decode())
