"""Misspelt names: which known one was meant, and whether two are one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_LIKE: Final = 0.8  # from 0 to 1
_ABBREVIATED: Final = 3  # characters of the shortest abbreviation
_SHORTEST: Final = 6  # characters: of shorter names one letter makes another word
_LONGEST: Final = 64  # characters: comparing takes their square
# What tells names apart: numbers, single letters, Roman numerals.
_TELLING: Final = re.compile(r"\d+|(?<![a-z])(?:[a-z]|[ivx]+)(?![a-z])")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` is a misspelling or an abbreviation of, or None.

    One is an abbreviation of another that begins with it, if no other does.

    Examples
    --------
    >>> nearest("relaps", ["relapse", "complete_remission"])
    'relapse'
    >>> nearest("dara", ["daratumumab", "lenalidomide"])
    'daratumumab'
    """
    if len(name) > _LONGEST:
        return None
    lower = {k.lower(): k for k in known}
    own = name.strip().lower()
    found = get_close_matches(own, list(lower), n=1, cutoff=_LIKE)
    if not found:
        pairs = ((other, sorted((own, other), key=len)) for other in lower)
        found = [o for o, (a, b) in pairs if len(a) >= _ABBREVIATED and b.startswith(a)]
    return lower[found[0]] if len(found) == 1 else None


def slip(one: str, other: str) -> bool:
    """Tell whether two names differ by one slip: a letter too many, a wrong one, or two exchanged.

    Numbers, single letters and Roman numerals are there to tell names apart, and are no slips.

    Examples
    --------
    >>> slip("relapse", "relaps"), slip("relapse_1", "relapse_2"), slip("stage_ii", "stage_iii")
    (True, False, False)
    """
    a, b = sorted((one.lower(), other.lower()), key=len)
    if a == b or len(a) < _SHORTEST or len(b) > _LONGEST or len(b) - len(a) > 1:
        return False
    if _TELLING.findall(a) != _TELLING.findall(b):
        return False
    start = next((k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(a))
    if len(a) < len(b):
        return a[start:] == b[start + 1 :]
    exchanged = a[start : start + 2] == b[start : start + 2][::-1]
    return a[start + 1 :] == b[start + 1 :] or (exchanged and a[start + 2 :] == b[start + 2 :])
