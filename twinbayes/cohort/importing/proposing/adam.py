"""What CDISC ADaM says of its columns, as a draft of a mapping."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from twinbayes import names
from twinbayes.cohort.importing.proposing.headers import PATIENT, UNTOLD, name_of
from twinbayes.cohort.importing.proposing.sketch import Sketch, counted, first_of
from twinbayes.cohort.importing.source import SourceTable

_ORIGINS: Final = ("DIAGDTM", "DIAGDT", "RANDDTM", "RANDDT", "TRTSDTM", "TRTSDT", "RFSTDTC")
_DAYS: Final = ("ADTM", "ADT", "ADTC")
_STARTS: Final = ("ASTDTM", "ASTDT", "EXSTDTC", "CMSTDTC")
_STOPS: Final = ("AENDTM", "AENDT", "EXENDTC", "CMENDTC")
_TREATMENTS: Final = ("EXTRT", "CMDECOD", "CMTRT", "ATRT", "TRTA", "TRTP")
_DOSES: Final = ("EXDOSE", "CMDOSE", "ADOSE")
_VALUES: Final = ("LBSTRESC", "AVALC")
# Variables of ADSL that are identifiers, dates, flags, codes and groups, and no covariates.
_NO_COVARIATE: Final = re.compile(
    r"STUDYID|(U?SUBJ|SITE|INV)(ID|NAM)|AGEU?|AGEGR.*|SEXN?|DTHCAUS|.*(FL|FN|DT|TM|DTM|DTC|N|DTF)"
    r"|(TRT|ARM|ACTARM|AP|EOS|DC|TR).*|DOMAIN"
)
# Events of which a parameter of time to event is made, where it is made of one.
_EVENTS: Final = {
    "OS": names.DEATH, "DEATH": names.DEATH, "TTDEATH": names.DEATH, "TTP": "progression",
    "TTPROG": "progression", "TTR": "relapse", "TTRELAPS": "relapse", "TTREL": "relapse",
    "TTCR": "complete_remission",
}  # fmt: skip
_COMPOSITE: Final = re.compile(r"(PFS|DFS|EFS|RFS|LFS|MFS|TTF|TTNT|DOR).*")


def draft_adam(tables: Sequence[SourceTable], name: str) -> dict[str, Any]:
    """Draft a mapping of ADaM data sets."""
    sketch = Sketch(name, tables)
    people = sketch.table("adsl")
    if people is None:
        sketch.add(names.PATIENTS, {"table": UNTOLD, "columns": {PATIENT: UNTOLD}})
    else:
        _subjects(sketch, people)
    for table in tables:
        if table is people or not table.places("USUBJID"):
            continue
        if table.places("CNSR"):
            _events(sketch, table)
        elif table.places("PARAMCD") and first_of(table, *_DAYS):
            _visits(sketch, table)
        elif first_of(table, *_STARTS) and first_of(table, *_TREATMENTS):
            _treatments(sketch, table)
    if people is not None:
        _ends(sketch, people)
        start = first_of(people, "TRTSDTM", "TRTSDT")
        given = first_of(people, "TRT01A", "TRT01P")
        if names.TREATMENTS not in sketch.parts and start and given:
            columns = {PATIENT: "USUBJID", "start_day": start}
            if (stop := first_of(people, "TRTEDTM", "TRTEDT")) is not None:
                columns["stop_day"] = stop
            _treated(sketch, people, given, columns)
    return sketch.mapping(dates=_form(sketch))


def _form(sketch: Sketch) -> str:
    """The format of dates that are text, most often; dates of transport files go with any."""
    forms = Counter(
        kind.form
        for table in sketch.tables
        for column in {*_ORIGINS, *_DAYS, *_STARTS}
        if table.name.endswith(".csv") and table.places(column)
        if (kind := sketch.kind(table, column)).form is not None
    )
    return forms.most_common(1)[0][0] if forms else "%Y-%m-%d"


def _subjects(sketch: Sketch, people: SourceTable) -> None:
    columns: dict[str, Any] = {PATIENT: "USUBJID", "subgroup": {"constant": names.WHOLE}}
    columns["centre"] = first_of(people, "SITEID") or {"constant": names.WHOLE}
    if first_of(people, "AGE"):
        columns["age_years"] = "AGE"
        sketch.declare("age_years", names.PATIENTS, unit="a")
    if first_of(people, "SEX"):
        columns["sex"] = sketch.worded(people, "SEX", "sex")
        sketch.declare("sex", names.PATIENTS, levels=["female", "male"])
    rest = [c for c in people.header if c and not _NO_COVARIATE.fullmatch(c.upper())]
    columns |= sketch.covariates(people, rest)
    origin = first_of(people, *_ORIGINS) or UNTOLD
    sketch.add(names.PATIENTS, {"table": people.name, "origin": origin, "columns": columns})


def _events(sketch: Sketch, table: SourceTable) -> None:
    """Events of parameters of one event each; what happened in composite ones is told by others."""
    codes = [c for c in counted(table, "PARAMCD") if not _COMPOSITE.fullmatch(c.upper())]
    day = first_of(table, *_DAYS)
    if not codes or day is None:
        return
    said = {code: _EVENTS.get(code.upper()) or name_of(code, set(), event=True) for code in codes}
    columns: dict[str, Any] = {PATIENT: "USUBJID", "day": day}
    event = {"column": "PARAMCD", "values": said}
    where = {"CNSR": [0], "PARAMCD": codes}
    part = {"table": table.name, "where": where, "columns": {**columns, "event": event}}
    sketch.add(names.EVENTS, part)
    deaths = [code for code, to in said.items() if to == names.DEATH]
    censored = [int(c) for c in counted(table, "CNSR") if c.isdecimal() and c != "0"]
    if deaths and censored:
        columns["event"] = {"constant": names.LAST_CONTACT}
        where = {"PARAMCD": deaths[:1], "CNSR": censored}
        sketch.add(names.EVENTS, {"table": table.name, "where": where, "columns": columns})


def _ends(sketch: Sketch, people: SourceTable) -> None:
    """How records end, unless a parameter says when people died."""
    parts = sketch.parts.get(names.EVENTS, [])
    if any(part["columns"]["event"] == {"constant": names.LAST_CONTACT} for part in parts):
        return
    died = first_of(people, "DTHDTM", "DTHDT", "DTHDTC")
    seen = first_of(people, "LSTALVDT", "LSTALVDTM", "EOSDT", "RFPENDTC", "TRTEDT")
    closing = {k: v for k, v in (("death", died), ("last_contact", seen)) if v is not None}
    if closing:
        part = {"table": people.name, "columns": {PATIENT: "USUBJID"}, "closing": closing}
        sketch.add(names.EVENTS, part)


def _visits(sketch: Sketch, table: SourceTable) -> None:
    value = "AVAL"
    numbers = table.places("AVAL")
    for column in _VALUES:  # text has limits of detection, where it has every number
        if (at := table.places(column)) and any(
            isinstance(cell, str) and cell.strip()[:1] in ("<", ">")
            for cell in (row[at[0]] for row in table.rows)
        ):
            full = all(row[at[0]] for row in table.rows if numbers and row[numbers[0]] is not None)
            value = column if full else value
    codes = counted(table, "PARAMCD")
    said = sketch.declared(codes, names.VISITS, _words_of(table))
    columns: dict[str, Any] = {
        PATIENT: "USUBJID",
        "day": first_of(table, *_DAYS),
        "marker": {"column": "PARAMCD", "values": said},
        "value": value,
    }
    if (unit := first_of(table, "AVALU", "LBSTRESU")) is not None:
        columns["unit"] = unit
        _declare_units(sketch, table, said, unit)
    where = {"PARAMCD": codes}
    sketch.add(names.VISITS, {"table": table.name, "where": where, "columns": columns})


def _words_of(table: SourceTable) -> dict[str, str]:
    """Code of a parameter -> its words, such as ``Haemoglobin (g/dL)``."""
    if not table.places("PARAM"):
        return {}
    code, words = table.places("PARAMCD")[0], table.places("PARAM")[0]
    return {str(row[code]).strip(): str(row[words]) for row in table.rows if row[words]}


def _declare_units(sketch: Sketch, table: SourceTable, said: dict[str, str], unit: str) -> None:
    code, own = table.places("PARAMCD")[0], table.places(unit)[0]
    for row in table.rows:
        marker = said.get(str(row[code]).strip())
        if marker is not None and (said_unit := str(row[own] or "").strip()):
            sketch.variables[marker].setdefault("unit", said_unit)


def _treatments(sketch: Sketch, table: SourceTable) -> None:
    columns: dict[str, Any] = {PATIENT: "USUBJID", "start_day": first_of(table, *_STARTS)}
    for key, several in (("stop_day", _STOPS), ("dose", _DOSES)):
        if (column := first_of(table, *several)) is not None:
            columns[key] = column
    _treated(sketch, table, first_of(table, *_TREATMENTS) or UNTOLD, columns)


def _treated(sketch: Sketch, table: SourceTable, given: str, columns: dict[str, Any]) -> None:
    said = sketch.declared(counted(table, given), names.TREATMENTS)
    columns["treatment"] = {"column": given, "values": said}
    part = {"table": table.name, "where": {given: list(said)}, "columns": columns}
    sketch.add(names.TREATMENTS, part)
