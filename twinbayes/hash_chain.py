"""Records chained by hashes: one JSON line each, appended whole or not at all.

Every record carries the hash of the one before, so that a changed, reordered or removed line
breaks the chain. Lines cut off at the end leave a shorter chain that is whole in itself: no chain
can tell. Therefore a side file ``<ledger>.head`` says how many records and bytes there are and
what the last hash is. Whoever can rewrite both files can still shorten the ledger; against that,
keep the last hash elsewhere (a report, a signed message) and verify with ``head=``.

A crash between the ledger's line and its head leaves one whole record, or a part of one, beyond
the head. The whole one counts; the part is ignored, and removed by the next append.

Appending locks the ledger for itself, and reading locks it against appending, so that nobody reads
a line without its head. A ledger begins once, by `begin`: where its files are missing later,
they were lost, and no new ledger takes their place.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from twinbayes.errors import StorageError
from twinbayes.paths import path_of, require_ordinary
from twinbayes.private_files import FILE_MODE, write_private
from twinbayes.showing import cut, facts

FORMAT: Final = 1
FIRST: Final = "0" * 64  # what the first record has as the hash of the one before


@dataclass(frozen=True, repr=False)
class HashChain:
    """The chained records at a path; `begin` makes an empty chain.

    Whoever keeps records gives them a class and a verb of its own, and appends through `_append`.
    """

    path: Path

    def __init__(self, path: str | os.PathLike[str]) -> None:
        object.__setattr__(self, "path", path_of(path, StorageError, type(self).__name__))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {cut(self.path.name, 80)!r}>"

    def _repr_html_(self) -> str:
        return facts(type(self).__name__, {"file": self.path.name})

    @classmethod
    def begin(cls, path: str | os.PathLike[str]) -> Self:
        """Make an empty ledger: the file and its head.

        Raises
        ------
        StorageError
            One of the two files is there, or the folder cannot be written to.
        """
        ledger = cls(path)
        there = [p.name for p in ledger._files if os.path.lexists(p)]
        if there:
            raise StorageError(
                f"{' and '.join(there)}: already there. Append to the ledger that it belongs to, "
                "or begin another under another name."
            )
        try:
            file = os.open(ledger.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
            os.close(file)
            ledger._write_head(0, 0, FIRST)
        except OSError as error:
            raise StorageError(
                f"{ledger.path.name}: could not be begun ({error.strerror}). Its folder must "
                "exist and have room."
            ) from error
        return ledger

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> Self:
        """The chain at a place: begun where nothing is, else verified.

        Raises
        ------
        StorageError
            It is not whole, or cannot be begun.
        """
        chain = cls(path)
        if not any(os.path.lexists(p) for p in chain._files):
            return cls.begin(path)
        chain.records()
        return chain

    @property
    def head_path(self) -> Path:
        """The side file."""
        return self.path.with_name(f"{self.path.name}.head")

    @property
    def _files(self) -> tuple[Path, Path]:
        return self.path, self.head_path

    def _append(
        self,
        content: Mapping[str, Any] | Callable[[list[dict[str, Any]]], Mapping[str, Any]],
        *,
        unless: Callable[[list[dict[str, Any]]], None] | None = None,
    ) -> dict[str, Any]:
        """Append a record; on return it is on disk, and its `hash` is the new head.

        Parameters
        ----------
        content
            What the record says; or a function of the records so far that says it, called while
            nobody else can append.
        unless
            Given the records so far, while nobody else can append: raises where this one may not
            be.

        Raises
        ------
        StorageError
            The ledger is not whole, or one of its files is missing, or the disk refuses; it is
            then as it was.
        """
        with self._opened(os.O_RDWR | os.O_APPEND, fcntl.LOCK_EX) as file:
            if unless is not None:
                unless(self._whole(file)[0])
            if callable(content):
                content = content(self._whole(file)[0])
            count, size, last = self._end(file)
            record = {
                "format": FORMAT,
                "record": count,
                "previous": last,
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                **content,
            }
            record["hash"] = _hash_of(record)
            line = canonical(record).encode() + b"\n"
            os.ftruncate(file, size)
            try:
                _write(file, line)
                self._write_head(count + 1, size + len(line), record["hash"])
            except OSError as error:
                if self._head()[1] == size:  # else the head has it, and only a flush failed
                    os.ftruncate(file, size)
                why = error.strerror or error
                raise StorageError(
                    f"{self.path.name}: the record could not be written ({why}). Make room, look "
                    "with `records` whether it is there, and append it again if not."
                ) from error
            self._remember(file)
        return record

    def _end(self, file: int) -> tuple[int, int, str]:
        """Number of records, their bytes, and the hash of the last, of a chain that is whole."""
        records, size = self._whole(file)
        return len(records), size, records[-1]["hash"] if records else FIRST

    def _remember(self, file: int) -> None:
        """Take note of how the file was left."""

    def records(self, *, head: str | None = None) -> list[dict[str, Any]]:
        """Read and verify all records, waiting for an append that is under way.

        Parameters
        ----------
        head
            Hash of a record that is known to have been there, from elsewhere.

        Raises
        ------
        StorageError
            A line is altered, missing or out of place, the end has been cut off, or one of the
            files is missing.
        """
        with self._opened(os.O_RDONLY, fcntl.LOCK_SH) as file:
            records, _ = self._whole(file)
        if head is not None and head not in [r["hash"] for r in records]:
            raise StorageError(
                f"{self.path.name}: truncated: the record with the hash that was kept elsewhere is "
                "not among its records. Restore the ledger from a copy."
            )
        return records

    def interrupted(self) -> int:
        """Bytes of an append that was interrupted: no record, and removed by the next append.

        Raises
        ------
        StorageError
            As `records`.
        """
        with self._opened(os.O_RDONLY, fcntl.LOCK_SH) as file:
            _, size = self._whole(file)
            return os.fstat(file).st_size - size

    @contextmanager
    def _opened(self, flags: int, lock: int) -> Iterator[int]:
        """The ledger, open and locked until the end of the block; both files must be there."""
        missing = [p.name for p in self._files if not os.path.exists(p)]
        if missing:
            raise StorageError(
                f"{' and '.join(missing)}: missing. A ledger is two files, and without its head "
                "nobody can tell whether its end was cut off: restore both from a copy. A new "
                f"ledger is made by {type(self).__name__}.begin."
            )
        try:
            file = os.open(require_ordinary(self.path), flags, FILE_MODE)
        except OSError as error:
            raise StorageError(
                f"{self.path.name}: could not be opened ({error.strerror}). Check that it is a "
                "file that you may read, and write to where you append."
            ) from error
        try:
            try:
                fcntl.flock(file, lock)
            except OSError as error:
                raise StorageError(
                    f"{self.path.name}: could not be locked ({error.strerror}). Keep the ledger "
                    "on a disk that has locks."
                ) from error
            yield file
        finally:
            os.close(file)

    def _whole(self, file: int) -> tuple[list[dict[str, Any]], int]:
        """Every record, and how many bytes they take; refuse what is not whole."""
        content, name = _read(file), self.path.name
        count, size, last = self._head()
        if len(content) < size:
            raise StorageError(
                f"{name}: truncated: {len(content)} bytes where the head says {size}. Restore the "
                "ledger from a copy."
            )
        records = _chain(content[:size], name, [])
        if len(records) != count or (records[-1]["hash"] if records else FIRST) != last:
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

    def _head(self) -> tuple[int, int, str]:
        """Number of records, their bytes, and the hash of the last one, as the head has them."""
        try:
            text = require_ordinary(self.head_path).read_text(encoding="utf-8")
            head = json.loads(text)
            found = int(head["records"]), int(head["bytes"]), str(head["hash"])
            if text != _head_text(*found):
                raise ValueError("it is not as it was written")
            return found
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StorageError(
                f"{self.head_path.name}: unreadable. Without it nobody can tell whether the end of "
                "the ledger was cut off: restore both files from a copy."
            ) from error

    def _write_head(self, count: int, size: int, last: str) -> None:
        write_private(self.head_path, _head_text(count, size, last))


def canonical(value: Mapping[str, Any]) -> str:
    """The one way to write a record: sorted keys, no blanks, plain ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _head_text(count: int, size: int, last: str) -> str:
    head = {"format": FORMAT, "records": count, "bytes": size, "hash": last}
    return canonical(head) + "\n"


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
            good = good and type(record["format"]) is type(record["record"]) is int
            good = good and isinstance(record["previous"], str)
        except (ValueError, KeyError, TypeError, RecursionError):
            good = False
        if not good:
            raise StorageError(f"{name}: line {k + 1} is altered. Restore it from a copy.")
        if record["format"] > FORMAT:
            raise StorageError(f"{name}: line {k + 1} is of a newer format. Update twinbayes.")
        previous = records[-1]["hash"] if records else FIRST
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
