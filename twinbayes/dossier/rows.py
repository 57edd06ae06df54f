"""Rows of a dossier: each a value from an object with where it is from, a person's words, or none.

A row has one source. If that is the fit or a file, what a person says stands beside it and takes
the place of nothing; without the source the row is NOT PROVIDED, whatever is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from twinbayes.dossier.evidence import Artefact
from twinbayes.dossier.facts import FACTS
from twinbayes.dossier.readers import KINDS
from twinbayes.dossier.tables import Item, dossier_tables
from twinbayes.errors import OptionError, reason
from twinbayes.inference import Fit
from twinbayes.report.required.context import FIELDS, ReviewContext

type Status = Literal["object", "person", "not provided"]

FIT: Final = "fit"
CONTEXT: Final = "context"
#: The one field whose statements answer rows by their number.
BY_NUMBER: Final = "probast"
_NUMBERED: Final = re.compile(r"([A-Z][0-9]+): *(\S.*)")
_WORD: Final = re.compile(r"[\w.:/-]+")
_SHORTEST: Final = 4  # characters of an identifier that no word is by chance


@dataclass(frozen=True)
class Row:
    """One row of a dossier.

    Attributes
    ----------
    table, number
        Which demand it answers.
    status
        ``"object"``: computed; ``"person"``: said; ``"not provided"``: neither.
    values
        Label → value, in words, computed from the source.
    said
        Label → what a person says.
    source, where
        The fit, the kind of the evidence or the context, and the place in it.
    sha256
        Of the source; empty without one.
    missing
        What would provide it, where nothing does.
    """

    table: str
    number: str
    status: Status
    values: Mapping[str, str]
    said: Mapping[str, str]
    source: str
    where: str
    sha256: str
    missing: str

    def to_dict(self) -> dict[str, Any]:
        """The row as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Sources:
    """What rows are computed from.

    Attributes
    ----------
    fit, fit_sha256
        The fit, and the hash by which it is named.
    evidence
        Files, by kind.
    context, context_sha256
        What people say, and the hash of the file that says it.
    """

    fit: Fit
    fit_sha256: str
    evidence: Mapping[str, Artefact]
    context: ReviewContext
    context_sha256: str


def dossier_rows(sources: Sources) -> tuple[Row, ...]:
    """Return all rows of all tables, in order.

    Raises
    ------
    OptionError
        An answer by number is to a question that there is not, or what a person or a file says
        holds the identifier of a patient.
    """
    _require_numbers(sources.context)
    facts: dict[str, Mapping[str, str] | str] = {}
    rows = tuple(
        _row(table.name, item, sources, facts) for table in dossier_tables() for item in table.items
    )
    _require_nobody(rows, sources)
    return rows


def _row(
    table: str, item: Item, sources: Sources, facts: dict[str, Mapping[str, str] | str]
) -> Row:
    said, where = _said(item, sources.context)
    if item.evidence:
        file = sources.evidence.get(item.evidence)
        if file is None:
            return _none(table, item, said, f"--evidence {item.evidence}=FILE")
        values = {k: v for name in item.facts for k, v in file.answers.get(name, {}).items()}
        if not values:
            lacks = f"{file.file} says nothing of it ({', '.join(item.facts)})"
            return _none(table, item, said, lacks)
        place = f"{file.file}: {', '.join(item.facts)}"
        return Row(
            table, item.number, "object", values, said, item.evidence, place, file.sha256, ""
        )
    if item.facts:
        told = {name: _fact(name, sources.fit, facts) for name in item.facts}
        failed = [f"{name}: {why}" for name, why in told.items() if isinstance(why, str)]
        values = {k: v for each in told.values() if not isinstance(each, str)
                  for k, v in each.items()}  # fmt: skip
        if failed or not values:
            return _none(table, item, said, "; ".join(failed) or "the fit has none")
        place = ", ".join(dict.fromkeys(FACTS[name].where for name in item.facts))
        return Row(table, item.number, "object", values, said, FIT, place, sources.fit_sha256, "")
    if said:
        return Row(
            table, item.number, "person", {}, said, CONTEXT, where, sources.context_sha256, ""
        )
    names = ", ".join(f"`{name}`" for name in item.said)
    return _none(table, item, {}, f"{names} in the file of --context")


def _none(table: str, item: Item, said: Mapping[str, str], missing: str) -> Row:
    return Row(table, item.number, "not provided", {}, said, "", "", "", missing)


def _fact(
    name: str, fit: Fit, facts: dict[str, Mapping[str, str] | str]
) -> Mapping[str, str] | str:
    """A fact, computed once; the reason why not where it cannot be."""
    if name not in facts:
        try:
            facts[name] = FACTS[name].of(fit)
        except Exception as error:  # one that fails loses no other
            facts[name] = reason(error)
    return facts[name]


def _said(item: Item, context: ReviewContext) -> tuple[dict[str, str], str]:
    """What people say to an item by the names of the fields, and which fields these are."""
    if item.said == (BY_NUMBER,):
        answers = _numbered(context)
        found = answers.get(item.number)
        return ({} if found is None else {item.number: found}), BY_NUMBER
    names = [name for name in item.said if name in context]
    return {FIELDS[name][1]: context.text(name) for name in names}, ", ".join(names)


def _numbered(context: ReviewContext) -> dict[str, str]:
    found = (_NUMBERED.fullmatch(text) for text in context.said.get(BY_NUMBER, ()))
    return {match[1]: match[2] for match in found if match}


def _require_numbers(context: ReviewContext) -> None:
    """Refuse answers by number that no row would show."""
    known = {i.number for t in dossier_tables() for i in t.items if i.said == (BY_NUMBER,)}
    seen: set[str] = set()
    for k, text in enumerate(context.said.get(BY_NUMBER, ())):
        match = _NUMBERED.fullmatch(text)
        if match is None or match[1] not in known or match[1] in seen:
            raise OptionError(
                f"{BY_NUMBER}: answer {k + 1} does not begin with the number of a question, such "
                "as 'D1: yes', or with one that was answered before. Numbers: D1 to D16 and E1 "
                "to E18, each once."
            )
        seen.add(match[1])


def _require_nobody(rows: tuple[Row, ...], sources: Sources) -> None:
    """Refuse words in which the identifier of a patient stands."""
    who = {str(p) for p in sources.fit.cohort.patient_ids if len(str(p)) >= _SHORTEST}
    for row in rows:
        if any(who & words_of(text) for text in _texts(row)):
            raise OptionError(
                f"{row.table}, item {row.number}: holds the identifier of a patient. Take it out "
                f"of the {row.source or CONTEXT}."
            )
    for kind, file in sources.evidence.items():
        if file.content is not None and who & words_of(file.content.decode("utf-8", "replace")):
            raise OptionError(
                f"Evidence {kind}: holds the identifier of a patient, and would be copied. Give "
                f"{KINDS[kind].what} without it."
            )


def _texts(row: Row) -> Iterator[str]:
    """What was not computed here: numbers of the fit can be those of identifiers by chance."""
    for label, value in row.said.items():
        yield f"{label} {value}"
    if row.source != FIT:
        yield from (f"{label} {value}" for label, value in row.values.items())


def words_of(text: str) -> set[str]:
    """Words of a text as identifiers could be written, without the point behind them."""
    return {part for word in _WORD.findall(text) for part in (word, word.strip(".:/-"))}
