"""Queries of the OMOP common data model: text from files, values bound and never written into it.

The files are those of ``queries/omop``. ``@cdm.`` stands for the schema, ``{name}?{text}`` for text
that holds where a list of that name is given, as in SqlRender of OHDSI, and ``:name`` for a list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from twinbayes.resources import resource_path

_COMMENT: Final = re.compile(r"^--.*\n", re.MULTILINE)
_GIVEN: Final = re.compile(r"\{(\w+)\}\?\{([^{}]*)\}")
_LIST: Final = re.compile(r":(\w+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class TableForm:
    """What queries ask of a table.

    Attributes
    ----------
    key
        Column that orders its rows.
    day
        Column with the date of a row, where there is one.
    concept
        Column whose concept ids choose rows, where there is one.
    """

    key: str
    day: str | None = None
    concept: str | None = None

    @property
    def needed(self) -> tuple[str, ...]:
        """Columns without which the query fails."""
        return tuple(dict.fromkeys(("person_id", self.key, *filter(None, (self.concept,)))))


#: Tables of version 5.4 that are read.
TABLES: Final[Mapping[str, TableForm]] = {
    "person": TableForm(key="person_id"),
    "observation_period": TableForm(key="observation_period_start_date"),
    "death": TableForm(key="death_date", day="death_date"),
    "visit_occurrence": TableForm(
        key="visit_occurrence_id", day="visit_start_date", concept="visit_concept_id"
    ),
    "condition_occurrence": TableForm(
        key="condition_occurrence_id", day="condition_start_date", concept="condition_concept_id"
    ),
    "drug_exposure": TableForm(
        key="drug_exposure_id", day="drug_exposure_start_date", concept="drug_concept_id"
    ),
    "procedure_occurrence": TableForm(
        key="procedure_occurrence_id", day="procedure_date", concept="procedure_concept_id"
    ),
    "measurement": TableForm(
        key="measurement_id", day="measurement_date", concept="measurement_concept_id"
    ),
    "observation": TableForm(
        key="observation_id", day="observation_date", concept="observation_concept_id"
    ),
    "episode": TableForm(
        key="episode_id", day="episode_start_date", concept="episode_concept_id"
    ),
}  # fmt: skip
CONCEPT: Final = "concept"
PERSON: Final = "person"
#: Column of persons with the identifier of the source.
SOURCE: Final = "person_source_value"


def query(
    name: str,
    lists: Mapping[str, Sequence[str]],
    *,
    schema: str = "",
    mark: str = ":",
    table: str = "person",
) -> tuple[str, dict[str, str]]:
    """Return a query and the values to bind.

    Parameters
    ----------
    name
        File of ``queries/omop``, without its suffix.
    lists
        Concept ids by name; a list that is empty is not given.
    schema
        What stands for ``@cdm.``, quoted by whoever speaks with the database.
    mark
        What begins the name of a bound value.
    table
        One of `TABLES`, or `CONCEPT`, for ``@table``.

    Examples
    --------
    >>> query("count", {}, table="death")[0].split()
    ['SELECT', 'COUNT(*)', 'FROM', 'death']
    """
    if table not in TABLES and table != CONCEPT:
        raise KeyError(table)
    text = _GIVEN.sub(lambda found: found[2] if lists.get(found[1]) else "", _text(name))
    bound: dict[str, str] = {}

    def places(found: re.Match[str]) -> str:
        own = {f"{found[1]}_{k}": value for k, value in enumerate(lists[found[1]])}
        bound.update(own)
        return ", ".join(f"{mark}{key}" for key in own)

    # The schema comes last: nothing in it is taken for a list.
    text = _LIST.sub(places, text)
    return text.replace("@table", table).replace("@cdm.", schema), bound


@cache
def _text(name: str) -> str:
    path = resource_path("queries", "omop", f"{name}.sql")
    return _COMMENT.sub("", path.read_text(encoding="utf-8"))
