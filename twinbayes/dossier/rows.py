"""Rows of a dossier: each a value from an object with where it is from, a person's words, or none.

A row has one source. If that is the fit or a file, what a person says stands beside it and takes
the place of nothing; without the source the row is NOT PROVIDED, whatever is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from twinbayes.dossier.evidence import Artefact
from twinbayes.dossier.facts import FACTS
from twinbayes.dossier.facts.fact import Subject
from twinbayes.dossier.readers import KINDS
from twinbayes.dossier.tables import Item, dossier_tables
from twinbayes.errors import OptionError, reason
from twinbayes.inference import Fit
from twinbayes.report.required.context import FIELDS, ReviewContext
from twinbayes.showing import brief

type Status = Literal["object", "person", "not provided"]

FIT: Final = "fit"
CONTEXT: Final = "context"
#: The one field whose statements answer rows by their number.
BY_NUMBER: Final = "probast"
_NUMBERED: Final = re.compile(r"([A-Z][0-9]+): *(\S.*)")
_SHORTEST: Final = 4  # characters of an identifier that no word is by chance


@brief
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

    Examples
    --------
    >>> from twinbayes.dossier import write_dossier
    >>> row = write_dossier(fit, "rows").rows[0]
    >>> row.number, row.status, row.where
    ('1', 'object', 'spec')
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
    fit_file
        Name of the file of the fit.
    facts
        Facts that were computed before, or why they could not be.
    """

    fit: Fit
    fit_sha256: str
    evidence: Mapping[str, Artefact]
    context: ReviewContext
    context_sha256: str
    fit_file: str = ""
    facts: dict[str, Mapping[str, str] | str] = field(default_factory=dict)


def dossier_rows(sources: Sources) -> tuple[Row, ...]:
    """Return all rows of all tables, in order.

    Raises
    ------
    OptionError
        An answer by number is to a question that there is not, or what a person or a file says
        holds the identifier of a patient.
    """
    _require_numbers(sources.context)
    who = _identifiers(sources.fit)
    _require_nobody_said(who, sources)
    subject = Subject(sources.fit)
    rows = tuple(
        _row(table.name, item, sources, subject)
        for table in dossier_tables()
        for item in table.items
    )
    _require_nobody(who, rows)
    return rows


def _row(table: str, item: Item, sources: Sources, subject: Subject) -> Row:
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
        told = {name: _fact(name, subject, sources.facts) for name in item.facts}
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
    name: str, subject: Subject, facts: dict[str, Mapping[str, str] | str]
) -> Mapping[str, str] | str:
    """A fact, computed once; the reason why not where it cannot be."""
    if name not in facts:
        try:
            facts[name] = FACTS[name].of(subject)
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


def _identifiers(fit: Fit) -> list[str]:
    return [name for p in fit.cohort.patient_ids if not _is_common(name := str(p).lower())]


def _require_nobody_said(who: list[str], sources: Sources) -> None:
    """Refuse words of people, and files to be copied, in which the identifier of a patient is."""
    for name in sources.context.said:
        if _names(who, sources.context.text(name)):
            raise OptionError(
                f"{name}: holds the identifier of a patient. Take it out of the context."
            )
    for name in (sources.fit_file, *(file.file for file in sources.evidence.values())):
        if _names(who, name):
            raise OptionError(
                "The name of a file holds the identifier of a patient. Give the file another name."
            )
    for kind, file in sources.evidence.items():
        if file.content is not None and _names(who, file.content.decode("utf-8", "replace")):
            raise OptionError(
                f"Evidence {kind}: holds the identifier of a patient, and would be copied. Give "
                f"{KINDS[kind].what} without it."
            )


def _require_nobody(who: list[str], rows: tuple[Row, ...]) -> None:
    """Refuse values with an identifier in them; numbers of the fit can be one by chance."""
    letters = [name for name in who if not name.isdigit()]
    for row in rows:
        said = " ".join(f"{label} {value}" for label, value in row.values.items())
        if _names(letters if row.source == FIT else who, f"{said} {row.where} {row.missing}"):
            raise OptionError(
                f"{row.table}, item {row.number}: holds the identifier of a patient. Take it out "
                f"of the {row.source or 'evidence'}."
            )


def _is_common(name: str) -> bool:
    """Whether an identifier is so short that a word or a number is one by chance."""
    return len(name) < _SHORTEST or (name.isdigit() and len(name) <= _SHORTEST)


def _names(who: Iterable[str], text: str) -> bool:
    """Whether one of these stands in a text, and not within a longer word."""
    said = text.lower()
    return any(
        re.search(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", said) for name in who if name in said
    )
