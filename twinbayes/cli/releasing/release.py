"""The commands `twinbayes release`: a fit put forward, reviewed, released and withdrawn."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twinbayes.cli.answers import NOT_FOR_USE, USABLE, AsJson, print_json, reports_errors
from twinbayes.cli.commands import FitPath, require_places

if TYPE_CHECKING:
    from twinbayes.releases import ReleaseState, Trusted

Key = Annotated[Path, typer.Option(help="Your private key, of `twinbayes release key`.")]
Why = Annotated[str, typer.Option(help="The reason, in a line.")]
People = Annotated[
    Path,
    typer.Option("--trusted", help="YAML file of the people whose signatures count: name, role, "
                 "key."),
]  # fmt: skip
MaybePeople = Annotated[
    Path | None,
    typer.Option("--trusted", help="YAML file of the people whose signatures count; without it the "
                 "state is what somebody signed."),
]  # fmt: skip
Log = Annotated[
    Path | None, typer.Option(help="The log; default: beside the fit, FIT.release.jsonl.")
]
Head = Annotated[
    str | None,
    typer.Option(help="Hash of a line, kept elsewhere: detects an end cut off on purpose."),
]

release = typer.Typer(
    help="Who stands for a fit: draft, review, release, withdraw. Two people are needed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@release.command("key", epilog="Example:  twinbayes release key --out author.key")
@reports_errors
def key(
    out: Annotated[Path, typer.Option(help="Where the private key goes: nothing is there.")],
    as_json: AsJson = False,
) -> int:
    """Make a key to sign with, and print what the file of trusted people needs of it."""
    from twinbayes.errors import StorageError
    from twinbayes.signing import SigningKey

    if os.path.lexists(out):
        raise StorageError(f"{out.name}: is there already, and keys are not written over. Name "
                           "another place.")  # fmt: skip
    require_places(out)
    made = SigningKey.new()
    made.write(out)
    if as_json:
        print_json({"key": made.public.hex(), "fingerprint": made.fingerprint, "file": str(out)})
    else:
        typer.echo(f"key: {made.public.hex()}\nFingerprint, to be compared: {made.fingerprint}")
    return USABLE


@release.command(
    "draft",
    epilog="Example:  twinbayes release draft aml.nc --key author.key --trusted people.yaml "
    "--why 'Refit with the data of spring'",
)
@reports_errors
def draft(
    fit_path: FitPath, key: Key, trusted: People, why: Why, log: Log = None, as_json: AsJson = False
) -> int:
    """Put a fit forward for review."""
    return _sign("draft", fit_path, key, trusted, why, log, as_json)


@release.command(
    "review",
    epilog="Example:  twinbayes release review aml.nc --key reviewer.key --trusted people.yaml "
    "--why 'Review of 3 May, all sections signed'",
)
@reports_errors
def review(
    fit_path: FitPath, key: Key, trusted: People, why: Why, log: Log = None, as_json: AsJson = False
) -> int:
    """Approve of a fit that was put forward."""
    return _sign("reviewed", fit_path, key, trusted, why, log, as_json)


@release.command(
    "release",
    epilog="Example:  twinbayes release release aml.nc --key head.key --trusted people.yaml "
    "--why 'For the ward of haematology'",
)
@reports_errors
def release_fit(
    fit_path: FitPath, key: Key, trusted: People, why: Why, log: Log = None, as_json: AsJson = False
) -> int:
    """Release a reviewed fit for use: somebody else than who reviewed it."""
    return _sign("released", fit_path, key, trusted, why, log, as_json)


@release.command(
    "withdraw",
    epilog="Example:  twinbayes release withdraw aml.nc --key author.key --trusted people.yaml "
    "--why 'Alarm of the monitor'",
)
@reports_errors
def withdraw(
    fit_path: FitPath, key: Key, trusted: People, why: Why, log: Log = None, as_json: AsJson = False
) -> int:
    """Withdraw a fit, from any state: one person is enough, and nobody is served any more."""
    return _sign("withdrawn", fit_path, key, trusted, why, log, as_json)


@release.command("show", epilog="Example:  twinbayes release show aml.nc --trusted people.yaml")
@reports_errors
def show(
    fit_path: FitPath,
    trusted: MaybePeople = None,
    log: Log = None,
    as_json: AsJson = False,
) -> int:
    """Say which state a fit is in, and who signed what; code 3 unless it is released."""
    return _tell(*_found(fit_path, trusted, log), as_json)


@release.command(
    "verify",
    epilog="Example:  twinbayes release verify aml.nc --trusted people.yaml --head 3f5a…",
)
@reports_errors
def verify(
    fit_path: FitPath,
    trusted: People,
    log: Log = None,
    head: Head = None,
    as_json: AsJson = False,
) -> int:
    """Check a log: chain, signatures, people, steps, and the file; code 3 where one is wrong."""
    found, _ = _found(fit_path, trusted, log, head)
    _tell(found, None, as_json)
    return NOT_FOR_USE if found.faults else USABLE


def _sign(
    state: str,
    fit_path: Path,
    key: Path,
    trusted: Path,
    why: str,
    log: Path | None,
    as_json: bool,
) -> int:
    """Sign a line, and tell the state."""
    from twinbayes.releases import ReleaseLog, read_trusted, release_log_of, release_state
    from twinbayes.releases.log import fit_hash
    from twinbayes.signing import SigningKey

    require_places(fit=fit_path, key=key, trusted=trusted)
    people, own = read_trusted(trusted), SigningKey.read(key)
    people.of_key(own.public.hex())
    place = release_log_of(fit_path) if log is None else log
    if state == "draft":
        _require_a_fit(fit_path)
    if state != "withdrawn":
        fit_hash(fit_path)
    chain = ReleaseLog(place)
    begun = not any(os.path.lexists(p) for p in (chain.path, chain.head_path))
    if begun and state in ("reviewed", "released"):
        from twinbayes.errors import ReleaseError

        raise ReleaseError(
            f"{place.name}: there is no log, so that nobody has put the fit forward. Begin with "
            "`twinbayes release draft`."
        )
    ReleaseLog.at(place).add(state, fit_path, why, own, people)
    _tell(release_state(fit_path, trusted=people, log=place), people, as_json)
    return USABLE


def _require_a_fit(fit_path: Path) -> None:
    """Refuse to put forward what is no fit."""
    from twinbayes.inference import inspect_fit

    inspect_fit(fit_path)


def _found(
    fit_path: Path, trusted: Path | None, log: Path | None, head: str | None = None
) -> tuple[ReleaseState, Trusted | None]:
    from twinbayes.releases import read_trusted, release_state

    require_places(fit=fit_path, trusted=trusted, log=log)
    people = None if trusted is None else read_trusted(trusted)
    return release_state(fit_path, trusted=people, log=log, head=head), people


def _tell(found: ReleaseState, people: Trusted | None, as_json: bool) -> int:
    """Say the state and the lines, and return the exit code of a fit in this state."""
    code = USABLE if found.is_released or (found.state == "released" and people is None) else None
    if as_json:
        print_json(plain(found))
    else:
        typer.echo(str(found))
        for line in found.lines:
            typer.echo(f"- {line['created']} {line['state']}: {line['name']} ({line['role']}), "
                       f"{line['why']}")  # fmt: skip
        for fault in found.faults:
            typer.echo(f"! {fault}")
        typer.echo(f"Fit: {found.fit}. Head of the log, to be kept elsewhere: {found.head}")
    return NOT_FOR_USE if code is None or found.faults else USABLE


def plain(found: ReleaseState) -> dict[str, Any]:
    """The state as plain JSON values."""
    return {
        "state": found.state, "released": found.is_released, "trusted": found.is_trusted,
        "fit": found.fit, "head": found.head, "faults": list(found.faults),
        "lines": [dict(line) for line in found.lines],
    }  # fmt: skip
