"""A ledger of updates: one JSON line each, chained by hashes, appended whole or not at all.

Every record carries the hash of the one before, so that a changed, reordered or removed line
breaks the chain. Lines cut off at the end leave a shorter chain that is whole in itself: no chain
can tell. Therefore a side file ``<ledger>.head`` says how many records and bytes there are and
what the last hash is. Whoever can rewrite both files can still shorten the ledger; against that,
keep the last hash elsewhere (a report, a signed message) and verify with ``head=``.

A crash between the ledger's line and its head leaves one whole record, or a part of one, beyond
the head. The whole one counts; the part is ignored, and removed by the next append.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from twinbayes.errors import StorageError
from twinbayes.private_files import FILE_MODE, write_private
from twinbayes.twin.patients import Patients
from twinbayes.twin.updates.replay import describe_update

FORMAT: Final = 1
_FIRST: Final = "0" * 64  # what the first record has as the hash of the one before


@dataclass(frozen=True)
class Ledger:
    """The ledger at a path; the file is made by the first `append`.

    It names no patient, but holds days and forecasts of single patients: keep it where their
    records may be.
    """

    path: Path

    def __init__(self, path: str | os.PathLike[str]) -> None:
        object.__setattr__(self, "path", Path(path))

    @property
    def head_path(self) -> Path:
        """The side file."""
        return self.path.with_name(f"{self.path.name}.head")

    def append(self, twin: Patients) -> dict[str, Any]:
        """Append the last update of a twin; on return it is on disk.

        Parameters
        ----------
        twin
            What `Twin.update` returned.

        Returns
        -------
        dict
            The record. Its `hash` is the new head of the ledger.

        Raises
        ------
        TwinError
            The twin was not updated, or does not come from a fit.
        StorageError
            The ledger is not whole, or the disk refuses; it is then as it was.
        """
        content = describe_update(twin)
        with self._locked() as file:
            records, size = self._whole(file)
            record = {
                "format": FORMAT,
                "record": len(records),
                "previous": records[-1]["hash"] if records else _FIRST,
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                **content,
            }
            record["hash"] = _hash_of(record)
            line = canonical(record).encode() + b"\n"
            os.ftruncate(file, size)
            try:
                _write(file, line)
            except OSError as error:
                os.ftruncate(file, size)
                raise StorageError(
                    f"{self.path.name}: the record could not be written ({error.strerror}); the "
                    "ledger is as it was. Make room and append again."
                ) from error
            self._write_head(len(records) + 1, size + len(line), record["hash"])
        return record

    def records(self, *, head: str | None = None) -> list[dict[str, Any]]:
        """Read and verify all records.

        Parameters
        ----------
        head
            Hash of a record that is known to have been there, from elsewhere.

        Raises
        ------
        StorageError
            A line is altered, missing or out of place, or the end has been cut off.
        """
        try:
            file = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise StorageError(
                f"{self.path.name}: could not be read ({error.strerror})."
            ) from error
        try:
            records, _ = self._whole(file)
        finally:
            os.close(file)
        if head is not None and head not in [r["hash"] for r in records]:
            raise StorageError(
                f"{self.path.name}: truncated: the record with the hash that was kept elsewhere is "
                "not among its records. Restore the ledger from a copy."
            )
        return records

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The open ledger, for this process alone; made with an empty head if there is none."""
        try:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, FILE_MODE)
        except OSError as error:
            raise StorageError(
                f"{self.path.name}: could not be opened ({error.strerror}). Its folder must exist."
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not os.fstat(file).st_size and not self.head_path.exists():
                self._write_head(0, 0, _FIRST)
            yield file
        finally:
            os.close(file)

    def _whole(self, file: int) -> tuple[list[dict[str, Any]], int]:
        """Every record, and how many bytes they take; refuse what is not whole."""
        content, name = _read(file), self.path.name
        try:
            head = json.loads(self.head_path.read_text(encoding="utf-8"))
            count, size, last = int(head["records"]), int(head["bytes"]), str(head["hash"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StorageError(
                f"{self.head_path.name}: missing or unreadable. Without it nobody can tell "
                "whether the end of the ledger was cut off: restore both files from a copy."
            ) from error
        if len(content) < size:
            raise StorageError(
                f"{name}: truncated: {len(content)} bytes where the head says {size}. Restore the "
                "ledger from a copy."
            )
        records = _chain(content[:size], name, [])
        if len(records) != count or (records[-1]["hash"] if records else _FIRST) != last:
            raise StorageError(
                f"{name}: altered: its records are not those that {self.head_path.name} counts. "
                "Restore both files from a copy."
            )
        beyond = content[size:]
        if b"\n" not in beyond:  # nothing, or an append that was interrupted
            return records, size
        records = _chain(beyond, name, records)
        if len(records) != count + 1:
            raise StorageError(
                f"{name}: {len(records) - count} records beyond the head, where an interrupted "
                "append leaves one. Restore both files from a copy."
            )
        return records, len(content)

    def _write_head(self, count: int, size: int, last: str) -> None:
        text = canonical({"format": FORMAT, "records": count, "bytes": size, "hash": last})
        write_private(self.head_path, text, "\n")


def canonical(value: Mapping[str, Any]) -> str:
    """The one way to write a record: sorted keys, no blanks, plain ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _hash_of(record: Mapping[str, Any]) -> str:
    unsigned = {key: value for key, value in record.items() if key != "hash"}
    return hashlib.sha256(canonical(unsigned).encode()).hexdigest()


def _chain(content: bytes, name: str, before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records of some whole lines, behind those before them."""
    records = list(before)
    lines = content.split(b"\n")
    if lines.pop():
        raise StorageError(f"{name}: altered: the last line does not end. Restore it from a copy.")
    for line in lines:
        k = len(records)
        try:
            record = json.loads(line)
            good = canonical(record).encode() == line and record["hash"] == _hash_of(record)
        except (ValueError, KeyError, TypeError):
            good = False
        if not good:
            raise StorageError(f"{name}: line {k + 1} is altered. Restore it from a copy.")
        if record["format"] > FORMAT:
            raise StorageError(f"{name}: line {k + 1} is of a newer format. Update twinbayes.")
        previous = records[-1]["hash"] if records else _FIRST
        if record["record"] != k or record["previous"] != previous:
            raise StorageError(
                f"{name}: line {k + 1} does not follow the one before: lines were removed, added "
                "or reordered. Restore the ledger from a copy."
            )
        records.append(record)
    return records


def _read(file: int) -> bytes:
    parts = []
    os.lseek(file, 0, os.SEEK_SET)
    while part := os.read(file, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _write(file: int, content: bytes) -> None:
    """Write everything at the end of the file, through to the disk."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(file, rest) :]
    os.fsync(file)
