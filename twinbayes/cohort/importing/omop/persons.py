"""Persons of an OMOP database, with their day 0, birth, death and last day; values at baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from twinbayes.cohort.importing.cells.values import Problem
from twinbayes.cohort.importing.omop.queries import TableForm
from twinbayes.cohort.importing.source import SourceTable

type _Found = tuple[Sequence[str], Sequence[Sequence[object]]]

# Columns of persons that other tables say.
_ADDED: Final = (
    *("index_date", "index_datetime", "index_concept_id", "birth_date", "death_date"),
    *("death_datetime", "last_date"),
)
_MIDDLE: Final = (7, 1), 15  # of the year, of the month
_NO_DATE: Final = Problem("not-a-date", "year, month and day of birth are no date")
_DEATHS: Final = Problem("several-values", "the person has deaths on several days")


@dataclass(frozen=True, kw_only=True, slots=True)
class Persons:
    """Persons, one row each.

    Attributes
    ----------
    table
        Columns of the table `person`, and then ``index_date``, ``index_datetime`` and
        ``index_concept_id`` of the first condition of the diagnosis, or the first day under
        observation where no diagnosis is given; ``birth_date``; ``death_date``,
        ``death_datetime``; ``last_date``, the last day under observation.
    index
        Person -> day 0, as ISO text.
    """

    table: SourceTable
    index: Mapping[str, str]

    @classmethod
    def of(cls, base: SourceTable, found: Mapping[str, _Found]) -> Persons:
        """Put together what tables say of persons.

        Parameters
        ----------
        base
            The table `person`.
        found
            ``first_diagnosis``, ``observed`` and ``death``, those there are: header and rows.
        """
        first = _by_person(found.get("first_diagnosis"))
        observed = _by_person(found.get("observed"))
        deaths = _by_person(found.get("death"))
        at = {name: k for k, name in reversed(list(enumerate(base.header)))}
        rows, index = [], {}
        for row in base.rows:
            person = str(row[at["person_id"]])
            own = {name: row[k] for name, k in at.items()}
            seen = observed.get(person, [{}])[0]
            if "first_diagnosis" in found:
                begun = first.get(person, [{}])[0]
                day = begun.get("condition_start_date")
                moment = begun.get("condition_start_datetime")
            else:
                begun, day, moment = {}, seen.get("first_date"), None
            index[person] = iso(day)
            died = deaths.get(person, [{}])
            several = len({iso(one.get("death_date")) for one in died}) > 1
            added = (
                *(day, moment if iso(moment) else day, begun.get("condition_concept_id")),
                *(_birth(own), _DEATHS if several else died[0].get("death_date")),
                died[0].get("death_datetime") or died[0].get("death_date"),
                seen.get("last_date"),
            )
            rows.append([*row, *added])
        table = SourceTable(
            name=base.name, header=(*base.header, *_ADDED), rows=rows, numbers=base.numbers,
            blank=base.blank,
        )  # fmt: skip
        return cls(table=table, index=index)


def with_baseline(table: SourceTable, form: TableForm, index: Mapping[str, str]) -> SourceTable:
    """Add ``baseline``: ``Y`` on a person's last value of a concept up to day 0, else ``N``."""
    at = {name: k for k, name in reversed(list(enumerate(table.header)))}
    values = [at[name] for name in at if name.startswith("value_as_")]
    last: dict[tuple[str, str], tuple[str, int]] = {}
    if form.day in at and form.concept in at:
        for k, row in enumerate(table.rows):
            person, day = str(row[at["person_id"]]), iso(row[at[form.day]])
            # 0 is the concept of no concept
            filled = any((row[v] is not None and str(row[v]).strip() not in ("", "0")) or
                         isinstance(row[v], float) for v in values)  # fmt: skip
            if filled and day and day <= index.get(person, ""):
                key = person, str(row[at[form.concept]])
                last[key] = max(last.get(key, ("", -1)), (day, k))
    chosen = {k for _, k in last.values()}
    return SourceTable(
        name=table.name,
        header=(*table.header, "baseline"),
        rows=[[*row, "Y" if k in chosen else "N"] for k, row in enumerate(table.rows)],
        numbers=table.numbers,
        blank=table.blank,
    )


def iso(cell: object) -> str:
    """The day of a date, or of text that begins with one, as ISO text; blank if there is none."""
    if isinstance(cell, date):
        return cell.strftime("%Y-%m-%d")
    return cell.strip()[:10] if isinstance(cell, str) else ""


def _by_person(found: _Found | None) -> dict[str, list[dict[str, object]]]:
    out: dict[str, list[dict[str, object]]] = {}
    if found is not None:
        header, rows = found
        for row in rows:
            own = dict(zip(header, row, strict=True))
            out.setdefault(str(own.get("person_id")), []).append(own)
    return out


def _birth(own: Mapping[str, object]) -> object:
    """Day of birth; where the month or the day is not known, the middle of the year or month."""
    given = own.get("birth_datetime")
    if isinstance(given, datetime):
        return given.date()
    if given is not None and str(given).strip():
        try:
            return date.fromisoformat(iso(given))
        except ValueError:
            return _NO_DATE
    year, month, day = (own.get(f"{part}_of_birth") for part in ("year", "month", "day"))
    if year is None or not str(year).strip():
        return None
    known = [None if one is None or not str(one).strip() else one for one in (month, day)]
    try:
        if known[0] is None:
            return date(int(str(year)), *_MIDDLE[0])
        return date(int(str(year)), int(str(known[0])), int(str(known[1] or _MIDDLE[1])))
    except (ValueError, OverflowError):
        return _NO_DATE
