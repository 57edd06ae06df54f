"""The tables of a dossier: what guidance and law ask, item by item, as files that are shipped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from twinbayes.documents import read_yaml
from twinbayes.errors import StorageError
from twinbayes.resources import resource_path
from twinbayes.showing import brief

#: File of each table, in the order of the page.
TABLES: Final = (
    "tripod_ai", "probast_ai", "barg", "fda_ai", "fda_bayes", "ich_e9", "annex_iv", "iec_62304",
    "iso_14971", "law_132",
)  # fmt: skip
_PLACE: Final = ("dossier", "v1")


@brief
@dataclass(frozen=True)
class Item:
    """What is asked in one row.

    Attributes
    ----------
    number
        Of the item, as its source has it.
    topic
        Its heading in English and in Italian.
    asks
        What is asked, in our own words; empty where the source's words may not be repeated and none
        of our own would be more than they are.
    facts
        Names of what answers it: of facts of the fit, or, where there is `evidence`, of that file.
    evidence
        Kind of the file that answers it; empty where the fit does, or a person.
    said
        Fields of the context of use that answer it, or stand beside the answer.

    Examples
    --------
    >>> from twinbayes.dossier import Item
    >>> item = Item("1", ("Title", "Titolo"), facts=("title",))
    >>> item.evidence
    ''
    """

    number: str
    topic: tuple[str, str]
    asks: str = ""
    facts: tuple[str, ...] = ()
    evidence: str = ""
    said: tuple[str, ...] = ()


@brief
@dataclass(frozen=True)
class Table:
    """One source of demands, and its items.

    Attributes
    ----------
    name
        Of its file, in ``data_schemas/dossier/v1``.
    title
        In English and in Italian.
    source, licence
        Where the demands come from, and under which terms its words stand here.
    items
        One for each row.

    Examples
    --------
    >>> from twinbayes.dossier import Table
    >>> table = Table("of_ours", ("Ours", "Nostro"), "Of the house.", "Apache-2.0", ())
    >>> table.name
    'of_ours'
    """

    name: str
    title: tuple[str, str]
    source: str
    licence: str
    items: tuple[Item, ...]


@cache
def dossier_tables() -> tuple[Table, ...]:
    """Return the tables of a dossier, in the order of the page.

    Returns
    -------
    tuple of Table

    Raises
    ------
    StorageError
        A shipped table is missing.

    Examples
    --------
    >>> from twinbayes.dossier import dossier_tables
    >>> [table.name for table in dossier_tables()][:3]
    ['tripod_ai', 'probast_ai', 'barg']
    """
    return tuple(_table(name) for name in TABLES)


def _table(name: str) -> Table:
    found = read_yaml(resource_path("schemas", *_PLACE, f"{name}.yaml"), StorageError)
    return Table(
        name=name,
        title=(found["title"]["en"], found["title"]["it"]),
        source=found["source"],
        licence=found["licence"],
        items=tuple(map(_item, found["items"])),
    )


def _item(row: Mapping[str, Any]) -> Item:
    return Item(
        number=str(row["item"]),
        topic=(row["en"], row["it"]),
        asks=row.get("asks", ""),
        facts=tuple(row.get("facts", ())),
        evidence=row.get("evidence", ""),
        said=tuple(row.get("said", ())),
    )
