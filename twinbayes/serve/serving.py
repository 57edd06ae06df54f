"""From a saved fit to a server at an address."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvicorn

from twinbayes.cohort import Cohort
from twinbayes.errors import OptionError, StorageError, TwinbayesError
from twinbayes.inference import Fit
from twinbayes.private_files import write_private
from twinbayes.serve.access import Access
from twinbayes.serve.app import LOOPBACK, create_app
from twinbayes.serve.audit import AuditLog
from twinbayes.serve.explorer import Explorer, UpdateLog
from twinbayes.serve.language import language_of
from twinbayes.serve.workbench.workbench import Workbench


@dataclass(frozen=True)
class Address:
    """Where the explorer is reached.

    Attributes
    ----------
    host, port
        What is listened at.
    names
        Host names of the address that browsers are given; none: those of this machine.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    names: tuple[str, ...] = ()


def serve(
    fit: Fit,
    cohort: Cohort,
    access: Access,
    audit: Path,
    secret: Path,
    updates: Path | None = None,
    address: Address = Address(),
    language: str = "en",
    ready: Callable[[], None] = lambda: None,
    workbench: Callable[[], Workbench | None] = lambda: None,
    in_use: Callable[[], None] = lambda: None,
) -> None:
    """Serve until interrupted.

    Parameters
    ----------
    fit, cohort
        The fit, and the patients that are shown under it.
    access
        Who asks.
    audit
        The audit log: begun where nothing is, else verified, and continued.
    secret
        File of the secret of pseudonyms: made where there is none.
    updates
        Updates of records that people confirm: begun where nothing is, else applied and continued;
        without it nothing is kept.
    address
        Where.
    language
        Of people whose browser asks for none that there is.
    ready
        Called once before people are answered.
    workbench
        Makes what reviewers need: review, signatures and another fit. Called before any other file
        is made.
    in_use
        Called before each page of patients: raises where the fit was withdrawn meanwhile.

    Raises
    ------
    OptionError
        The address is not this machine, and people do not show who they are.
    StorageError
        The audit log is not whole, or a file cannot be written.

    Examples
    --------
    >>> serve(fit, fit.cohort, access, Path("audit.jsonl"), Path("secret"))  # doctest: +SKIP
    """
    if address.host not in (*LOOPBACK, "::1") and not access.is_authenticated:
        raise OptionError(
            f"{address.host} is not this machine, and nobody shows who they are. Put a reverse "
            "proxy that authenticates people before the explorer, and give its secret "
            "(--proxy-secret-file); or serve at 127.0.0.1."
        )
    language_of(language)  # asked for before any file is made
    listening = _bound(address)
    try:
        bench = workbench()
    except TwinbayesError:
        listening.close()
        raise
    kept = None if updates is None else UpdateLog.at(updates)
    explorer = Explorer(fit, cohort, secret_of(secret, make=True), kept)
    app = create_app(
        explorer,
        access,
        AuditLog.at(audit),
        language=language,
        hosts=address.names or LOOPBACK,
        workbench=bench,
        in_use=in_use,
    )
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # the audit log is the only one, and it has no addresses
        server_header=False,
        proxy_headers=False,
    )
    explorer.prepare()
    ready()
    with suppress(KeyboardInterrupt):  # how it ends; it is raised anew after the last answer
        uvicorn.Server(config).run([listening])


def _bound(address: Address) -> socket.socket:
    """A socket at the address.

    Raises
    ------
    OptionError
        Another program is there, or the machine has no such address.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address.host, address.port))
    except OSError as error:
        listening.close()
        raise OptionError(
            f"Nothing can be served at {address.host}, port {address.port} ({error.strerror}). "
            "Give another port (--port), or an address that this machine has (--host)."
        ) from error
    return listening


def fresh_secret() -> str:
    """A secret that nobody guesses."""
    return secrets.token_hex(32)


_FEWEST: Final = 32  # characters of a secret


def secret_of(path: Path, *, make: bool = False) -> bytes:
    """The secret in a file, made where there is none and it may be.

    Raises
    ------
    StorageError
        The file cannot be read or written, or has fewer than 32 characters.
    """
    if make and not os.path.lexists(path):
        write_private(path, fresh_secret(), "\n")
    try:
        found = path.read_bytes().strip()
    except OSError as error:
        raise StorageError(f"{path.name}: cannot be read ({error.strerror}).") from error
    if len(found) < _FEWEST:
        raise StorageError(
            f"{path.name}: a secret has at least {_FEWEST} characters. Make one with: "
            "openssl rand -hex 32"
        )
    return found
