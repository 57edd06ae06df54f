"""What drafts of mappings know of formats whose names a standard defines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from twinbayes.cohort.importing.cells.values import spelt
from twinbayes.cohort.importing.proposing.headers import ORIGIN, PATIENT
from twinbayes.cohort.importing.source import SourceTable

_WORDS: Final = ("_text", "_label")
_MOST: Final = 200  # codes of one column
#: Meaning of a column that is looked up -> which of several rows is taken.
LOOKED_UP: Final = {"subgroup": "first", ORIGIN: "first", "last_contact": "last"}


def looked_up(
    meaning: str, tables: Sequence[tuple[SourceTable, Mapping[str, str]]]
) -> dict[str, Any] | None:
    """A column of another table that means something, or None.

    Parameters
    ----------
    meaning
        One of `LOOKED_UP`.
    tables
        Each table with its columns by meaning.
    """
    for table, meant in tables:
        if meaning in meant and PATIENT in meant and table.meanings:
            order = meant.get(ORIGIN, meant[meaning])
            out: dict[str, Any] = {"table": table.name, "column": meant[meaning]}
            if meant[PATIENT] not in ("patient_id", "subject_id"):
                out["patient"] = meant[PATIENT]
            return {**out, LOOKED_UP[meaning]: order}
    return None


def codes_of(table: SourceTable, column: str, beside: str | None) -> dict[str, str]:
    """Codes of a column, the most frequent first, each with its words.

    Parameters
    ----------
    table
        A table of a format that says codes and words in columns of their own.
    column
        The codes.
    beside
        A column that must not be blank in the row, or None.
    """
    at = table.header.index(column)
    words = next((table.header.index(column + w) for w in _WORDS if column + w in table.header), at)
    also = None if beside is None else table.header.index(beside)
    counts: Counter[str] = Counter()
    said: dict[str, str] = {}
    for row in table.rows:
        code = spelt(row[at])
        if code is None or (also is not None and spelt(row[also]) is None):
            continue
        counts[str(code)] += 1
        said.setdefault(str(code), str(spelt(row[words]) or code).rpartition("|")[2])
    return {code: said[code] for code, _ in counts.most_common(_MOST)}


def units_of(table: SourceTable, column: str, unit: str) -> dict[str, str]:
    """The unit that is most frequent with each code of a column."""
    at, own = table.header.index(column), table.header.index(unit)
    counts: dict[str, Counter[str]] = {}
    for row in table.rows:
        code, said = spelt(row[at]), spelt(row[own])
        if code is not None and said is not None:
            counts.setdefault(str(code), Counter())[str(said)] += 1
    return {code: of.most_common(1)[0][0] for code, of in counts.items()}
