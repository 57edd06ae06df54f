"""Files that only their owner reads: whole or not at all, and their places tried beforehand.

Fits, reports and cohorts hold what is known of patients, whatever the umask of a machine says.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from twinbayes.errors import StorageError
from twinbayes.paths import path_of

FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700


def write_private(path: str | os.PathLike[str], *parts: bytes | memoryview | str) -> Path:
    """Write a file that its owner alone can read, atomically and durably.

    The file appears under its name only when it is complete and on disk; until then an earlier
    file of that name is untouched.

    Parameters
    ----------
    path
        Where to write; its folder must exist.
    *parts
        Bytes, or text that becomes UTF-8, one after the other.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    StorageError
        The path is none, or the place cannot be written to: a folder, below a file, read-only, or
        without space.
    """
    target = path_of(path, StorageError, "The place to write to")
    try:
        temporary = _made_beside(target)
        try:
            with temporary.open("r+b") as file:
                for part in parts:
                    file.write(part.encode("utf-8") if isinstance(part, str) else part)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _flush_entries(target.parent)
    except OSError as error:
        raise _unwritable(target, error) from error
    return target


def require_writable(
    path: str | os.PathLike[str], reads: Iterable[str | os.PathLike[str] | None] = ()
) -> Path:
    """Return a place after trying that a file can be written there; none is left behind.

    For a look before what takes long. Missing folders above the place are made.

    Parameters
    ----------
    path
        Where a file is to be written.
    reads
        Files that are read for it, and folders of such files; None is passed over, and so is what
        is not there.

    Raises
    ------
    StorageError
        As `write_private` would; or the place is one of the files that are read, by whatever name.
    """
    target = path_of(path, StorageError, "The place to write to")
    _require_apart(target, reads)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _made_beside(target).unlink()
    except OSError as error:
        raise _unwritable(target, error) from error
    return target


def private_opener(path: str, flags: int) -> int:
    """Open a file, made for its owner alone where there is none; the `opener` of `open`."""
    return os.open(path, flags, FILE_MODE)


def _require_apart(target: Path, reads: Iterable[str | os.PathLike[str] | None]) -> None:
    """Refuse a target that is a file among those that are read, also through links."""
    written = _identity(target)
    if written is None:
        return
    for place in (path_of(read, StorageError, "reads") for read in reads if read is not None):
        if written in map(_identity, (place, *_inside(place))):
            raise StorageError(
                f"{target.name}: is read for what would be written there, or lies in the folder "
                "that is read, and is not written over. Name another place, or a file that is not "
                "there yet."
            )


def _inside(place: Path) -> list[Path]:
    try:
        return list(place.iterdir())
    except OSError:  # a file, or a folder that may not be listed, of which its reader will tell
        return []


def _identity(path: str | Path) -> tuple[int, int] | None:
    """Device and number of what is at a path, which links share; None where nothing is."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _made_beside(target: Path) -> Path:
    """Make an empty temporary file in the folder of a target that may be written."""
    if target.is_dir():
        raise IsADirectoryError(0, "a folder has this name")
    if target.exists() and not (target.is_file() and os.access(target, os.W_OK)):
        raise PermissionError(0, "what has this name may not be overwritten")
    temporary = target.with_name(f".twinbayes-{secrets.token_hex(8)}.tmp")
    os.close(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, FILE_MODE))
    return temporary


def _flush_entries(folder: Path) -> None:
    entries = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(entries)
    finally:
        os.close(entries)


def _unwritable(target: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{target.name or target}: could not be written ({error.strerror or error}). Check that "
        "the folder exists, may be written to and has space."
    )
