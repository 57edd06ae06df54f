"""A mapping drafted from a source: what could be told of it, to be checked by a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from twinbayes import names
from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.importing.finding import place_of, read_source, reader_of
from twinbayes.cohort.importing.mapping.description import SCHEMA
from twinbayes.cohort.importing.mapping.unmapped import ENCODINGS, Unmapped
from twinbayes.cohort.importing.proposing.headers import (
    BIRTH,
    DATE,
    IGNORED,
    ORIGIN,
    PATIENT,
    UNTOLD,
    WORDS,
    folded_header,
    given,
    is_kind,
    meaning_of,
    name_of,
    unit_of,
)
from twinbayes.cohort.importing.proposing.kinds import Kind, kind_of
from twinbayes.cohort.importing.proposing.standards import (
    LOOKED_UP,
    codes_of,
    looked_up,
    units_of,
)
from twinbayes.cohort.importing.proposing.unmatched import unmatched
from twinbayes.cohort.importing.rules import import_faults
from twinbayes.cohort.importing.source import SourceTable
from twinbayes.documents import yaml_text
from twinbayes.errors import OptionError, require_known

_HEAD: Final = (
    "# Drafted from headers and cells. Check every line: what {untold!r} stands for could not be "
    "told,\n# units and ranges of variables are yours to add. docs/import.md explains the keys.\n"
)
_UTF_8: Final = "utf-8"
_DATED: Final = (ORIGIN, BIRTH, "death", "last_contact")
_TREATED: Final = ("start_day", "stop_day", "dose", "line", "treatment")


def propose_mapping(source: str | Path, *, encoding: str | None = None) -> str:
    """Draft a mapping from the headers and cells of a source.

    Parameters
    ----------
    source
        As of `import_cohort`.
    encoding
        Of its text files: ``utf-8``, ``utf-16``, ``cp1252`` or ``latin-1``; default: what they look
        like. Where it is not UTF-8, the mapping declares it.

    Returns
    -------
    str
        The mapping as YAML, to be written into a file and checked by a person. Categories stand in
        it as they do in the source: keep it where the source may be. Columns that it does not read
        stand below it as comments, with what their cells look like.

    Raises
    ------
    CohortError
        If a file of the source cannot be read, or its text files are in several encodings.
    OptionError
        If the encoding is unknown, or the source has no text files.

    Examples
    --------
    >>> table = {"id": [1, 2], "diagnosis": ["aml", "apl"], "status": ["dead", "alive"]}
    >>> pd.DataFrame(table | {"last_contact": [310, 505]}).to_csv("export.csv", index=False)
    >>> print(tb.propose_mapping("export.csv"))
    #...
    schema: twinbayes/mapping/v1
    name: export
    ...
        columns:
          patient_id: id
          subgroup: diagnosis
    ...
    """
    place, faults = place_of(source), import_faults("The source is refused")
    reader = reader_of(place, None, faults)
    if encoding is not None:
        require_known(encoding, ENCODINGS, "encoding")
    known = Unmapped(encoding=encoding)
    tables = [] if reader is None else read_source(place, None, known, faults)[0]
    declared = _encoding(known, faults)
    faults.raise_if_any()
    name = "database" if isinstance(place, str) else place.resolve().stem
    name = folded_header(name) or "registry"
    if reader is not None and reader.drafts is not None:
        drafted, rest = reader.drafts(tables, name), ""
    else:
        looked = [_Looked.at(table) for table in tables]
        drafted = _Draft(name=name, tables=looked).mapping()
        own = [(one.table, one.kinds) for one in looked if not one.table.meanings]
        rest = unmatched(own, drafted["tables"])
    if declared is not None:
        first = ("schema", "name", "simulated")
        head = {key: drafted[key] for key in first} | {"encoding": declared}
        drafted = head | {key: part for key, part in drafted.items() if key not in first}
    return _HEAD.format(untold=UNTOLD) + yaml_text(drafted) + rest


def _encoding(known: Unmapped, faults: Faults) -> str | None:
    """The encoding to be declared of text files, if it is not UTF-8; one for all of them."""
    needed = known.needed()
    if known.encoding is not None and not needed:
        raise OptionError("encoding: the source has no text files that it could be of.")
    if len(set(needed.values())) > 1:
        for name, found in needed.items():
            if found != _UTF_8:
                problem = f"it looks like {found.upper()}, and other files do not"
                faults.add("source-encoding", name, problem)
        return None
    return next((found for found in needed.values() if found != _UTF_8), None)


@dataclass(frozen=True, slots=True)
class _Looked:
    """A table, with what its columns mean and look like."""

    table: SourceTable
    kinds: Mapping[str, Kind]
    meant: Mapping[str, str]
    known: frozenset[str]

    @classmethod
    def at(cls, table: SourceTable) -> _Looked:
        named = [(k, name) for k, name in enumerate(table.header) if name]
        kinds = {name: kind_of(table, k) for k, name in reversed(named)}
        meant: dict[str, str] = {}
        known: set[str] = set()
        for _, name in named:
            meaning = table.meanings.get(name) or meaning_of(name)
            if meaning in _DATED and kinds[name].what in ("category", "text"):
                meaning = IGNORED  # whether, and not when
            if meaning is not None:
                meant.setdefault(meaning, name)
                known.add(name)
        kind = next((name for _, name in named if is_kind(name)), None)
        if kind is not None and kinds[kind].what == "category" and "subgroup" not in meant:
            meant["subgroup"] = kind
            known.add(kind)
        return cls(table, kinds, meant, frozenset(known))

    def rest(self) -> list[str]:
        """Columns of no known meaning that hold anything; standards leave none."""
        if self.table.meanings:
            return []
        return [
            name
            for name in dict.fromkeys(self.table.header)
            if name and name not in self.known and self.kinds[name].what != "blank"
        ]


@dataclass(slots=True)
class _Draft:
    name: str
    tables: list[_Looked]
    taken: set[str] = field(default_factory=lambda: {PATIENT, "subgroup", "centre"})
    variables: dict[str, Any] = field(default_factory=dict)
    looked_in: list[_Looked] = field(default_factory=list)
    _form: str | None = None
    _decimal: str = "."

    def mapping(self) -> dict[str, Any]:
        """Return the whole mapping as plain data."""
        kinds = [k for looked in self.tables for k in looked.kinds.values()]
        forms = Counter(k.form for k in kinds if k.form)
        marks = Counter(k.decimal for k in kinds if k.decimal)
        self._form = forms.most_common(1)[0][0] if forms else None
        self._decimal = marks.most_common(1)[0][0] if marks else "."
        missing = sorted({code for k in kinds for code in k.missing})
        people = self._people()
        parts: dict[str, Any] = {names.PATIENTS: {}, names.VISITS: [], names.EVENTS: []}
        parts[names.TREATMENTS] = []
        alone = self.tables[0].table.name if len(self.tables) == 1 else UNTOLD
        if people is None:
            parts[names.PATIENTS] = {"table": alone, "columns": {PATIENT: UNTOLD}}
        else:
            self._add_people(people, parts)
        for looked in self.tables:
            if looked is not people and PATIENT in looked.meant and looked not in self.looked_in:
                self._add_linked(looked, parts)
        if not parts[names.EVENTS]:
            parts[names.EVENTS] = [{
                "table": alone if people is None else people.table.name,
                "columns": {PATIENT: UNTOLD},
                "closing": {"vital_status": UNTOLD, "death": UNTOLD, "last_contact": UNTOLD},
            }]  # fmt: skip
        out: dict[str, Any] = {"schema": SCHEMA, "name": self.name, "simulated": False}
        out["decimal"] = self._decimal
        if self._form is not None:
            out["dates"] = self._form
        if missing:
            out["missing"] = missing
        out["tables"] = {table: part for table, part in parts.items() if part}
        out["variables"] = self.variables
        return out

    def _people(self) -> _Looked | None:
        """The table of one row a patient that says most of them."""
        wanted = ("subgroup", "centre", "sex", "age_years", ORIGIN, BIRTH, "vital_status", "death")
        fitting = [
            (sum(meaning in t.meant for meaning in wanted), -k, t)
            for k, t in enumerate(self.tables)
            if PATIENT in t.meant and t.kinds[t.meant[PATIENT]].distinct
        ]
        return max(fitting)[2] if fitting else None

    def _add_people(self, looked: _Looked, parts: dict[str, Any]) -> None:
        meant, table = looked.meant, looked.table.name
        columns: dict[str, Any] = {PATIENT: meant[PATIENT]}
        for place in ("subgroup", "centre"):
            elsewhere = self._elsewhere(place)
            columns[place] = meant.get(place, elsewhere or {"constant": names.WHOLE})
        part: dict[str, Any] = {"table": table}
        if ORIGIN in meant:
            part["origin"] = self._cell(looked, meant[ORIGIN])
        elif (origin := self._elsewhere(ORIGIN)) is not None:
            part["origin"] = origin
        if "sex" in meant:
            columns["sex"] = self._worded(looked, "sex")
            self._declare("sex", names.PATIENTS, levels=["female", "male"])
        column = meant.get("age_years") or meant.get(BIRTH)
        if column is not None and looked.kinds[column].what != "blank":
            columns["age_years"] = self._cell(looked, column, born="age_years" not in meant)
            self._declare("age_years", names.PATIENTS, unit="a")
        dates: dict[str, Any] = {}
        told = self._treated(looked, parts)
        for column in (name for name in looked.rest() if name not in told):
            kind = looked.kinds[column]
            if kind.what == "date":
                dates[name_of(column, self.taken, event=True)] = self._cell(looked, column)
            elif kind.what in ("number", "category"):
                name = name_of(column, self.taken)
                labels = looked.table.labels.get(column, {})
                levels = list(labels.values()) or list(kind.levels)
                columns[name] = self._cell(looked, column)
                more: dict[str, Any] = {"levels": levels} if levels else _unit(column)
                self._declare(name, names.PATIENTS, **more)
        parts[names.PATIENTS] = {**part, "columns": columns}
        closing = {
            key: self._worded(looked, key)
            if key == "vital_status"
            else self._cell(looked, meant[key])
            for key in ("vital_status", "death", "last_contact")
            if key in meant
        }
        if "last_contact" not in meant and (last := self._elsewhere("last_contact")) is not None:
            closing["last_contact"] = last
        if dates or closing:
            own: dict[str, Any] = {"table": table, "columns": {PATIENT: meant[PATIENT]}}
            own |= {"events": dates} if dates else {}
            own |= {"closing": closing} if closing else {}
            parts[names.EVENTS].append(own)

    def _treated(self, looked: _Looked, parts: dict[str, Any]) -> set[str]:
        """Columns with the first and last days of treatments, which become a part of their own."""
        found: dict[str, dict[str, str]] = {}
        for column in looked.rest():
            said = given(column) if looked.kinds[column].what == "date" else None
            if said is not None:
                found.setdefault(said[1], {}).setdefault(said[0], column)
        begun = {name: own for name, own in found.items() if "start_day" in own}
        if not begun:
            return set()
        part: dict[str, Any] = {"table": looked.table.name}
        part["columns"] = {PATIENT: looked.meant[PATIENT]}
        part["treatments"] = {}
        for name, own in begun.items():
            treatment = name_of(name, self.taken)
            cells = {key: self._cell(looked, column) for key, column in own.items()}
            part["treatments"][treatment] = cells
            self._declare(treatment, names.TREATMENTS)
        parts[names.TREATMENTS].append(part)
        return {column for own in begun.values() for column in own.values()}

    def _elsewhere(self, meaning: str) -> dict[str, Any] | None:
        """A column of another table that means something, where a standard says so."""
        if meaning not in LOOKED_UP:
            return None
        found = looked_up(meaning, [(t.table, t.meant) for t in self.tables])
        if found is not None:
            self.looked_in += [t for t in self.tables if t.table.name == found["table"]]
        return found

    def _add_linked(self, looked: _Looked, parts: dict[str, Any]) -> None:
        """A table of several rows a patient: treatments, events, values, or visits."""
        meant, table = looked.meant, looked.table.name
        columns: dict[str, Any] = {PATIENT: meant[PATIENT]}
        dates = [c for c in looked.rest() if looked.kinds[c].what == "date"]
        day = meant.get(DATE) or meant.get("start_day") or next(iter(dates), None)
        if day is None:
            return
        if "treatment" in meant:
            for key in _TREATED:
                if key in meant:
                    columns[key] = self._cell(looked, meant[key])
            columns.setdefault("start_day", self._cell(looked, day))
            columns["treatment"] = self._named(looked, "treatment", names.TREATMENTS)
            parts[names.TREATMENTS].append(_part(looked, columns, "treatment"))
            return
        columns[names.DAY] = self._cell(looked, day)
        if "event" in meant:
            columns[names.EVENT] = self._events(looked, meant["event"])
            parts[names.EVENTS].append(_part(looked, columns, names.EVENT))
        elif "marker" in meant and "value" in meant:
            columns["marker"] = self._named(looked, "marker", names.VISITS)
            columns["value"] = self._cell(looked, meant["value"])
            columns |= {"unit": meant["unit"]} if "unit" in meant else {}
            parts[names.VISITS].append(_part(looked, columns, "marker"))
        else:
            numbers = [c for c in looked.rest() if looked.kinds[c].what == "number"]
            markers = {name_of(c, self.taken): self._cell(looked, c) for c in numbers}
            for marker, column in zip(markers, numbers, strict=True):
                self._declare(marker, names.VISITS, **_unit(column))
            if markers:
                part = {"table": table, "columns": columns, "markers": markers}
                parts[names.VISITS].append(part)

    def _cell(self, looked: _Looked, column: str, *, born: bool = False) -> Any:
        """A column, with what differs from the rest of the source."""
        kind, out = looked.kinds[column], {}
        if kind.form is not None and (born or kind.form != self._form):
            out["date"] = kind.form
        if kind.decimal is not None and kind.decimal != self._decimal:
            out["decimal"] = kind.decimal
        return {"column": column, **out} if out else column

    def _worded(self, looked: _Looked, meaning: str) -> Any:
        """A column whose values are words of the contract in another spelling."""
        column = looked.meant[meaning]
        labels = looked.table.labels.get(column, {})
        known = WORDS[meaning]
        values = list(labels.values()) or looked.kinds[column].levels
        said = {value: known.get(value.strip().lower(), UNTOLD) for value in values}
        if all(value == to for value, to in said.items()):
            return column
        return {"column": column, "values": said}

    def _named(self, looked: _Looked, meaning: str, table: str) -> Any:
        """A column whose values become names of markers or treatments, which are declared."""
        column = looked.meant[meaning]
        labels = looked.table.labels.get(column, {})
        units: dict[str, str] = {}
        if looked.table.meanings:
            words = codes_of(looked.table, column, looked.meant.get("value"))
            said = {code: name_of(text, self.taken) for code, text in words.items()}
            if (unit := looked.meant.get("unit")) is not None:
                units = units_of(looked.table, column, unit)
        else:
            values = list(labels.values()) or list(looked.kinds[column].levels) or [UNTOLD]
            said = {value: name_of(value, self.taken) for value in values}
        for value, name in said.items():
            self._declare(name, table, **({"unit": units[value]} if value in units else {}))
        same = all(value == name for value, name in said.items())
        return column if same else {"column": column, "values": said}

    def _events(self, looked: _Looked, column: str) -> Any:
        """A column of events; codes of a standard become names."""
        if not looked.table.meanings:
            return column
        taken: set[str] = set()
        words = codes_of(looked.table, column, None)
        said = {code: name_of(text, taken, event=True) for code, text in words.items()}
        return {"column": column, "values": said}

    def _declare(self, name: str, table: str, **more: Any) -> None:
        group = {"group": "clinical"} if table == names.PATIENTS else {}
        self.variables[name] = {"table": table, **group, **more}
        self.taken.add(name)


def _part(looked: _Looked, columns: dict[str, Any], named: str) -> dict[str, Any]:
    """A part; where codes are named one by one, rows of others are left out."""
    part: dict[str, Any] = {"table": looked.table.name, "columns": columns}
    cell = columns[named]
    if looked.table.meanings and isinstance(cell, dict):
        part["where"] = {cell["column"]: list(cell["values"])}
    return part


def _unit(column: str) -> dict[str, Any]:
    unit = unit_of(column)
    return {} if unit is None else {"unit": unit}
