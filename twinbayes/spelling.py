"""Misspelt names: which known one was meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_LIKE: Final = 0.8  # from 0 to 1
_LONGEST: Final = 64  # characters: comparing takes their square


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` is a misspelling of, or None.

    Examples
    --------
    >>> nearest("relaps", ["relapse", "complete_remission"])
    'relapse'
    """
    if len(name) > _LONGEST:
        return None
    lower = {k.lower(): k for k in known}
    found = get_close_matches(name.strip().lower(), list(lower), n=1, cutoff=_LIKE)
    return lower[found[0]] if found else None
