"""The log of a fit's releases: signed lines, chained by hashes, beside the fit.

A line is signed as a whole, but for its own hash: with the number of the line and the hash of the
one before, so that it stands for nothing in another log, at another place, or of another fit.
"""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from twinbayes.errors import ReleaseError, StorageError
from twinbayes.hash_chain import FIRST, HashChain
from twinbayes.hash_chain import FORMAT as CHAIN_FORMAT
from twinbayes.paths import path_of, require_ordinary
from twinbayes.releases.lines import KIND, MEANINGS, MOST_WHY, WITHDRAWN, claim, is_line
from twinbayes.releases.people import Trusted, require_line
from twinbayes.releases.rules import require_step
from twinbayes.signing import SigningKey, is_signed

MOST_BYTES: Final = 1 << 20
"""Largest log that is read: a fit has four lines."""


class ReleaseLog(HashChain):
    """The lines of a log of releases, whole and signed; whose signatures count is asked elsewhere.

    Examples
    --------
    >>> log = ReleaseLog.begin("my_fit.nc.release.jsonl")
    >>> log.records()
    []
    """

    def records(self, *, head: str | None = None) -> list[dict[str, Any]]:
        """Read all lines, and verify the chain and each signature.

        Parameters
        ----------
        head
            Hash of a line that is known to have been there, from elsewhere. An end that was cut
            off on purpose, with the side file made to fit, is found by it alone.

        Raises
        ------
        StorageError
            A line is altered, missing, out of place, or not signed with the key on it; or it is no
            log of releases.
        """
        return self._ours(super().records(head=head))

    def add(
        self, state: str, fit: str | os.PathLike[str], why: str, key: SigningKey, trusted: Trusted
    ) -> dict[str, Any]:
        """Sign that a fit goes on to a state, and append the line.

        Parameters
        ----------
        state
            One of `RELEASE_STATES`.
        fit
            The file of the fit; its hash is computed here.
        why
            The reason, in a line.
        key
            Whose it is, `trusted` says.
        trusted
            The people whose signatures count.

        Returns
        -------
        dict
            The line.

        Raises
        ------
        ReleaseError
            The state does not follow on the present one; who reviewed may not release; the file is
            not that of the log; a line, or this one, is of nobody who counts; the clock is behind
            the log.
        StorageError
            The log is not whole, or cannot be written.
        """
        who = trusted.of_key(key.public.hex())
        reason = require_line(why, "why", MOST_WHY)
        of_log = state == WITHDRAWN  # what was signed is withdrawn, whatever the file is now

        def line(records: list[dict[str, Any]]) -> dict[str, Any]:
            digest = records[0]["fit"] if of_log and self._ours(records) else fit_hash(fit)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            require_step(self._ours(records), state, digest, who, now, trusted)
            content = {
                "format": CHAIN_FORMAT, "record": len(records), "created": now, "kind": KIND,
                "previous": records[-1]["hash"] if records else FIRST, "state": state,
                "fit": digest, "name": who.name, "role": who.role, "key": who.key, "why": reason,
                "meaning": MEANINGS[state],
            }  # fmt: skip
            return {**content, "signature": key.sign(claim(content)).hex()}

        return self._append(line)

    def _ours(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for k, record in enumerate(records, 1):
            if not is_line(record):
                raise StorageError(
                    f"{self.path.name}: line {k} is none of a log of releases. Give the log that "
                    "`twinbayes release` wrote, or restore it from a copy."
                )
            if not is_signed(
                claim(record), bytes.fromhex(record["signature"]), bytes.fromhex(record["key"])
            ):
                raise StorageError(
                    f"{self.path.name}: line {k} is not what the key on it signed: it was made or "
                    "changed by somebody else. Restore the log from a copy."
                )
        return records

    def _whole(self, file: int) -> tuple[list[dict[str, Any]], int]:
        size = os.fstat(file).st_size
        if size > MOST_BYTES:
            raise StorageError(
                f"{self.path.name}: has {size} bytes; at most {MOST_BYTES} are read, and a log of "
                "releases has four lines. Restore it from a copy."
            )
        for path in self._files:
            if path.is_symlink():
                raise StorageError(
                    f"{path.name}: is a link, which may lead to the log of another fit. Put the "
                    "log itself there."
                )
        return super()._whole(file)


def release_log_of(fit: str | os.PathLike[str]) -> Path:
    """Where the log of a fit is: beside the file itself, wherever a link to it lies.

    Raises
    ------
    ReleaseError
        It is no path.

    Examples
    --------
    >>> release_log_of("my_fit.nc").name
    'my_fit.nc.release.jsonl'
    """
    path = Path(os.path.realpath(path_of(fit, ReleaseError, "The fit")))
    return path.with_name(f"{path.name}.release.jsonl")


def fit_hash(fit: str | os.PathLike[str]) -> str:
    """SHA-256 of the file of a fit.

    Raises
    ------
    StorageError
        It cannot be read.
    """
    path = path_of(fit, StorageError, "The fit")
    try:
        with require_ordinary(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StorageError(
            f"{path.name}: cannot be read ({error.strerror or error}). Give the file of a fit."
        ) from error
