"""Paths that users give, and ordinary files: a pipe would be waited for, a device has no end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from twinbayes.errors import TwinbayesError


def path_of(given: object, error: type[TwinbayesError], what: str) -> Path:
    """Return a path that a file can have; whether there is one is not looked at.

    Parameters
    ----------
    given
        What a user gave; anything.
    error
        What to raise.
    what
        What the message names: ``"load_fit"``.

    Raises
    ------
    TwinbayesError
        Of the type given: neither text nor a `pathlib.Path`, or text that no file can be called.
    """
    found = os.fspath(given) if isinstance(given, str | os.PathLike) else given
    if not isinstance(found, str):
        raise error(
            f"{what}: a path is text or a pathlib.Path, not a {type(given).__name__}. Give the "
            "place of a file."
        )
    try:
        whole = b"\0" not in os.fsencode(found)
    except UnicodeEncodeError:
        whole = False
    if not whole:
        raise error(
            f"{what}: the path holds a zero byte or half of a surrogate pair, which no file has in "
            "its name. Correct it."
        )
    return Path(found)


def require_ordinary(path: Path) -> Path:
    """Return the path of an ordinary file, also through links.

    Raises
    ------
    OSError
        There is none, or it is a folder, a pipe, a socket or a device; with words in `strerror`.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is no ordinary file")
    return path
