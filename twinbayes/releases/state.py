"""The state of a fit, from its log; and who may use it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from twinbayes.errors import ReleaseError
from twinbayes.paths import path_of
from twinbayes.releases.lines import RELEASED, WITHDRAWN
from twinbayes.releases.log import ReleaseLog, fit_hash, release_log_of
from twinbayes.releases.people import Trusted
from twinbayes.releases.rules import faults_of
from twinbayes.showing import brief

NO_STATE: Final = "none"
"""State of a fit that has no log, or an empty one."""


@brief
@dataclass(frozen=True)
class ReleaseState:
    """What a log says of a fit.

    Attributes
    ----------
    state
        ``"none"``, ``"draft"``, ``"reviewed"``, ``"released"`` or ``"withdrawn"``: that of the last
        line. A fit that was withdrawn once stays so.
    fit
        SHA-256 of the file as it is.
    lines
        The lines, each with ``state``, ``name``, ``role``, ``key``, ``created``, ``why``,
        ``meaning``, ``fit``, ``hash`` and ``signature``.
    is_trusted
        Whether signatures were held against a file of people. Without it a state is what somebody
        signed with some key.
    faults
        What is wrong with the lines; empty where the state counts.

    Examples
    --------
    >>> path = fit.save("my_fit.nc")
    >>> release_state(path).state
    'none'
    """

    state: str
    fit: str
    lines: tuple[Mapping[str, Any], ...] = field(repr=False)
    is_trusted: bool
    faults: tuple[str, ...] = ()

    @property
    def is_released(self) -> bool:
        """Whether two people who are trusted stand for this file, and nobody has withdrawn it."""
        return self.state == RELEASED and self.is_trusted and not self.faults

    @property
    def head(self) -> str | None:
        """Hash of the last line, to be kept elsewhere; None where there is none."""
        return str(self.lines[-1]["hash"]) if self.lines else None

    def __str__(self) -> str:
        if not self.lines:
            return "Not released: nobody has signed for this fit."
        last = self.lines[-1]
        whose = f"{last['name']} ({last['role']}), {last['created'][:10]}: {last['why']}"
        label = "Released" if self.state == RELEASED and not self.faults else self.state.upper()
        if self.state not in (RELEASED, WITHDRAWN):
            label = f"Not released ({self.state})"
        unsure = "" if self.is_trusted else " Signatures were held against no file of people."
        return f"{label} by {whose}.{unsure}"


def release_state(
    fit: str | os.PathLike[str],
    *,
    trusted: Trusted | None = None,
    log: str | os.PathLike[str] | None = None,
    head: str | None = None,
) -> ReleaseState:
    """Read the state of a fit; its hash is computed, and each signature verified.

    Parameters
    ----------
    fit
        The file of the fit.
    trusted
        The people whose signatures count; None: the state is what somebody signed.
    log
        The log; default: `release_log_of` the fit.
    head
        Hash of a line that is known to have been there.

    Returns
    -------
    ReleaseState
        With what is wrong in it as `faults`: a line of somebody who does not count, a step that
        does not follow, another file than the one that was signed.

    Raises
    ------
    StorageError
        The log is not whole: a line is altered, missing, out of place or not signed with the key on
        it. Or the fit cannot be read.
    ReleaseError
        A log is named that is not there, or a `head` without a log.

    Examples
    --------
    >>> path = fit.save("my_fit.nc")
    >>> release_state(path).is_released
    False
    """
    digest = fit_hash(fit)
    place = release_log_of(fit) if log is None else path_of(log, ReleaseError, "The log")
    chain = ReleaseLog(place)
    if not any(os.path.lexists(path) for path in (chain.path, chain.head_path)):
        if log is not None or head is not None:
            raise ReleaseError(f"{place.name}: there is no log here. Give the path of one.")
        return ReleaseState(NO_STATE, digest, (), trusted is not None)
    records = chain.records(head=head)
    states = [r["state"] for r in records]
    last = states[-1] if states else NO_STATE
    return ReleaseState(
        WITHDRAWN if WITHDRAWN in states else last,
        digest,
        tuple(records),
        trusted is not None,
        tuple(faults_of(records, trusted, digest)),
    )


def require_in_use(fit: str | os.PathLike[str]) -> None:
    """Refuse a fit that was withdrawn, or is not the file that its log speaks of.

    Whoever reads fits asks this first. Whoever signed a withdrawal, it counts here: a doubt is
    cleared by people, and not by going on. A fit without a log passes.

    Raises
    ------
    ReleaseError
        It was withdrawn, or changed after it was signed.
    StorageError
        Its log is not whole.

    Examples
    --------
    >>> require_in_use(fit.save("my_fit.nc"))
    """
    log = release_log_of(fit)
    if not any(os.path.lexists(path) for path in (log, ReleaseLog(log).head_path)):
        return
    found = release_state(fit)
    name = Path(os.fspath(fit)).name
    if found.state == WITHDRAWN:
        line = next(r for r in found.lines if r["state"] == WITHDRAWN)
        raise ReleaseError(
            f"{name}: was withdrawn on {line['created'][:10]} by {line['name']} ({line['role']}): "
            f"{line['why']}. Use the fit that has taken its place."
        )
    if any(line["fit"] != found.fit for line in found.lines):
        raise ReleaseError(f"{name}: {found.faults[-1]}")
