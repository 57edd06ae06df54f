"""Raw columns to typed columns, with every cell that breaks its field noted as a fault."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame, Series

from twinbayes import names
from twinbayes.cohort.faults import Faults
from twinbayes.cohort.schema import Field, TableSchema

_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[+-]?(inf|infinity)", re.IGNORECASE)
_DATE: Final = re.compile(
    r"([0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2,4})([ T].*)?"
)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
# What other programs write for "missing". Refused, not guessed: "none" may be a category.
_MISSING_CODES: Final = frozenset({"nan", "null", "none", "n/a", "#n/a", "na", ".", "?", "-"})
_DAY_COLUMNS: Final = frozenset({names.DAY, "start_day", "stop_day"})


def typed_table(
    raw: DataFrame, schema: TableSchema, declared: tuple[Field, ...], faults: Faults
) -> DataFrame | None:
    """Return the typed table, or None if a required column is missing.

    Parameters
    ----------
    raw
        Cells as read, indexed by row number.
    schema
        The fixed columns.
    declared
        Columns that the variables table declares for this table. One that is also fixed must
        satisfy both.
    faults
        Where broken rules are noted.
    """
    missing = [f.name for f in schema.fields if f.required and f.name not in raw.columns]
    for name in missing:
        faults.add("column-missing", schema.table, "the column is not there", column=name)
    if missing:
        return None
    extra = {field.name: field for field in declared}
    fields = {**extra, **{field.name: field for field in schema.fields}}
    for name in raw.columns:
        if name not in fields or _undeclared(raw[name], fields[name], schema, extra):
            problem = "the variables table does not declare the column"
            if not schema.open:
                problem = "the column is not in the contract"
            faults.add("column-unknown", schema.table, problem, column=str(name))
    order = [*schema.columns, *(name for name in extra if name not in schema.columns)]
    columns = {}
    for name in order:
        field = fields[name]
        notes = _Notes(faults, schema.table, name, raw.index)
        if name not in raw.columns:
            columns[name] = _all_missing(field, raw.index)
            continue
        columns[name] = _typed_column(raw[name], field, schema, notes)
        if field.declared is False and name in extra:
            _check(columns[name], extra[name], schema, notes)
    return DataFrame(columns, index=raw.index)


def _undeclared(raw: Series, field: Field, schema: TableSchema, extra: Mapping[str, Field]) -> bool:
    # Age and sex are columns of the contract that a cohort may leave blank; with values they
    # are covariates, and a covariate needs its unit and group.
    optional = schema.open and not field.required and field.name not in extra
    return optional and not bool(_blank(raw, schema.missing).all())


def _all_missing(field: Field, rows: pd.Index) -> Series:
    column = Series(np.nan, index=rows, dtype=float)
    if field.kind == "string":
        return column.astype("str")
    return column.astype("Int64") if field.kind == "integer" else column


def _typed_column(raw: Series, field: Field, schema: TableSchema, notes: _Notes) -> Series:
    blank = _blank(raw, schema.missing)
    if field.required:
        notes.add("blank", "the cell is blank", blank)
    typed = (_text if field.kind == "string" else _number)(raw, blank, notes)
    _check(typed, field, schema, notes)
    if field.kind == "integer":
        whole = typed.isna() | (typed == typed.round())
        notes.add("not-whole", "the number is not whole", ~whole)
        return typed.where(whole).astype("Int64")
    return typed


def _check(typed: Series, field: Field, schema: TableSchema, notes: _Notes) -> None:
    if field.kind == "string":
        _check_text(typed, field, notes)
    elif field.declared and schema.table == names.GENOMICS:
        notes.add("not-a-fraction", "the value is not from 0 to 1", (typed < 0) | (typed > 1))
    else:
        _check_range(typed, field, notes)


class _Notes:
    """Adds faults of one column, given masks over its rows."""

    def __init__(self, faults: Faults, table: str, column: str, rows: pd.Index) -> None:
        self._faults, self._table, self._column, self._rows = faults, table, column, rows

    def add(self, rule: str, problem: str, mask: Series | NDArray[np.bool_]) -> None:
        rows = self._rows[np.asarray(mask, dtype=bool)]
        if len(rows):
            self._faults.add(rule, self._table, problem, column=self._column, rows=rows)


def _blank(raw: Series, missing: frozenset[str]) -> Series:
    return raw.isna() | raw.isin(list(missing))


def _text(raw: Series, blank: Series, notes: _Notes) -> Series:
    if pd.api.types.is_datetime64_any_dtype(raw.dtype):
        notes.add("calendar-date", "the column holds calendar dates", ~blank)
    elif pd.api.types.is_float_dtype(raw.dtype):
        notes.add("not-text", "the column holds fractional numbers", ~blank)
    text = raw.astype(object).map(str).mask(blank).astype("str")
    codes, values = pd.factorize(text)
    padded = [v != v.strip() or bool(_CONTROL.search(v)) for v in values]
    problem = "blanks surround the text, or control characters are in it"
    notes.add("padded", problem, np.array([*padded, False])[codes])
    return text


def _check_text(text: Series, field: Field, notes: _Notes) -> None:
    there = text.notna()
    if field.allowed is not None:
        listed = ", ".join(field.allowed)
        rule = "level-undeclared" if field.declared else "not-allowed"
        notes.add(rule, f"the value is not one of {listed}", there & ~text.isin(field.allowed))
        return
    problem = "the cell looks like a code for a missing value"
    notes.add("missing-code", problem, there & text.str.lower().isin(_MISSING_CODES))
    if field.pattern is not None:
        matches = text.str.fullmatch(field.pattern.strip("^$"))
        notes.add("name-malformed", "the name has other characters", there & ~matches.astype(bool))


def _number(raw: Series, blank: Series, notes: _Notes) -> Series:
    if pd.api.types.is_datetime64_any_dtype(raw.dtype):
        notes.add("calendar-date", "the column holds calendar dates", ~blank)
        return Series(np.nan, index=raw.index)
    if pd.api.types.is_numeric_dtype(raw.dtype):
        number = Series(raw.to_numpy(dtype=float, na_value=np.nan), index=raw.index)
    else:
        text = raw.astype(object).map(str).mask(blank)
        codes, values = pd.factorize(text)
        kinds = np.array([_kind(value) for value in values] + [""], dtype=object)[codes]
        notes.add("calendar-date", "the cell is a calendar date", kinds == "date")
        notes.add("not-a-number", "the cell is not a number", kinds == "other")
        # Python's float is exact to the last digit, so writing and reading is a round trip.
        parsed = [float(v) if _kind(v) in ("number", "infinite") else np.nan for v in values]
        number = Series(np.array([*parsed, np.nan])[codes], index=raw.index)
    infinite = np.isinf(number)
    notes.add("not-finite", "the number is infinite", infinite)
    return number.mask(infinite)


def _kind(value: str) -> str:
    if _NUMBER.fullmatch(value):
        return "number"
    if _NOT_FINITE.fullmatch(value):
        return "infinite"
    return "date" if _DATE.fullmatch(value) else "other"


def _check_range(number: Series, field: Field, notes: _Notes) -> None:
    if field.minimum is not None:
        if field.name in _DAY_COLUMNS:
            rule, problem = "before-origin", "the day is negative"
        else:
            rule, problem = "below-minimum", f"the value is below {field.minimum:g}"
        notes.add(rule, problem, number < field.minimum)
    if field.maximum is not None:
        notes.add("above-maximum", f"the value is above {field.maximum:g}", number > field.maximum)
