"""Raw columns to typed columns, with every cell that breaks its field noted as a fault."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame, Series

from twinbayes import names
from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.contract.schema import Field, TableSchema
from twinbayes.cohort.contract.unknown_columns import note_unknown_columns
from twinbayes.documents import is_writable

# No two parts of it can match the same digits, so that a long cell takes no longer than its length.
_NUMBER: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[+-]?(inf|infinity)", re.IGNORECASE)
_DATE: Final = re.compile(
    r"([0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2,4})([ T].*)?"
)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_BLANKS: Final = (type(None), type(pd.NA), type(pd.NaT))
_NUMBERS: Final = (bool, np.bool_, int, np.integer, float, np.floating, Decimal)
_FRACTIONAL: Final = (float, np.floating, Decimal)
_CELLS: Final = (str, date, *_NUMBERS, *_BLANKS)
_LONGEST: Final = 2000  # characters of a text: labels are printed in messages and reports
_COUNTABLE: Final = 10**300  # beyond it an integer is no float
# What other programs write for "missing". Refused, not guessed: "none" may be a category.
_MISSING_CODES: Final = frozenset({"nan", "null", "none", "n/a", "#n/a", "na", ".", "?", "-"})
_DAY_COLUMNS: Final = frozenset(
    {names.DAY, names.DAY_LOWER, "start_day", "stop_day", names.ENTRY_DAY}
)
_NO_COVARIATES: Final = (names.ENTRY_DAY, names.ENTRY_STATE)


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
    extra = {field.name: field for field in declared}
    fields = {**extra, **{field.name: field for field in schema.fields}}
    note_unknown_columns(list(raw.columns), list(fields), schema, faults)
    if missing:
        return None
    for name, field in fields.items():
        if name in raw.columns and _undeclared(raw[name], field, schema, extra):
            problem = "the variables table does not declare the column"
            faults.add("column-unknown", schema.table, problem, column=name)
    order = [*schema.columns, *(name for name in extra if name not in schema.columns)]
    columns = {}
    for name in order:
        field = fields[name]
        if name not in raw.columns:
            columns[name] = _series(np.full(len(raw), np.nan, dtype=object), field, raw.index)
            continue
        cells = _Cells(raw[name], schema, name, faults)
        values = cells.text() if field.kind == "string" else cells.number()
        cells.check(values, field)
        if name in extra and not field.declared and extra[name].kind == field.kind:
            cells.check(values, extra[name])
        columns[name] = _series(values, field, raw.index)
    return DataFrame(columns, index=raw.index)


def _undeclared(raw: Series, field: Field, schema: TableSchema, extra: Mapping[str, Field]) -> bool:
    # Age and sex are columns of the contract that a cohort may leave blank; with values they
    # are covariates, and a covariate needs its unit and group.
    if field.name in _NO_COVARIATES:
        return False
    optional = schema.open and not field.required and field.name not in extra
    return optional and not bool((raw.isna() | raw.isin(list(schema.missing))).all())


def _series(values: NDArray[Any], field: Field, rows: pd.Index) -> Series:
    if field.kind == "string":
        return Series(values, index=rows, dtype="str")
    number = Series(values.astype(float), index=rows)
    if field.kind == "integer":
        return number.where(_is_whole(number.to_numpy())).astype("Int64")
    return number


def _is_whole(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell whole numbers; beyond 2^53 a float cannot say whether it is one."""
    out: NDArray[np.bool_] = (values == np.round(values)) & (np.abs(values) < 2.0**53)
    return out


class _Cells:
    """The cells of one column, judged value by value: a registry repeats few values often."""

    def __init__(self, raw: Series, schema: TableSchema, column: str, faults: Faults) -> None:
        self._faults, self._table, self._column = faults, schema.table, column
        self._dtype, self._rows = raw.dtype, raw.index.to_numpy()
        cells = raw.to_numpy(dtype=object, copy=True)
        strange = np.array([not _is_cell(cell) for cell in cells], dtype=bool)
        cells[strange] = None
        codes, values = pd.factorize(cells)
        odd = np.array([not _can_be_spelt(value) for value in values] + [False])[codes]
        codes = np.where(odd, -1, codes)
        self._given = list(values)
        self._values = ["" if not _can_be_spelt(value) else str(value) for value in values]
        problem = "the cell holds something else than text or a number"
        self._note("not-a-cell", problem, strange | odd)
        # One more value stands for every blank cell, whose code is -1.
        missing = np.array([value in schema.missing for value in self._values] + [True])
        self._codes = np.where(missing[codes], -1, codes)

    def text(self) -> NDArray[Any]:
        """Cells as text, NaN where blank."""
        self._note("not-text", "the cell is a number with a fraction", self._of_kind(_FRACTIONAL))
        self._note("calendar-date", "the cell is a calendar date", self._of_kind((date,)))
        problem = "blanks surround the text, or control characters are in it"
        self._note("padded", problem, self._where(lambda v: v != v.strip() or _CONTROL.search(v)))
        problem = f"the text has more than {_LONGEST} characters"
        self._note("too-long", problem, self._where(lambda v: len(v) > _LONGEST))
        return np.array([*self._values, np.nan], dtype=object)[self._codes]

    def number(self) -> NDArray[Any]:
        """Cells as floats, NaN where blank or not a finite number."""
        if pd.api.types.is_datetime64_any_dtype(self._dtype):
            self._note("calendar-date", "the column holds calendar dates", self._codes >= 0)
            return np.full(len(self._codes), np.nan)
        values = self._values
        if pd.api.types.is_bool_dtype(self._dtype):
            values = [str(int(value == "True")) for value in values]
        # Python's float is exact to the last digit, so writing and reading is a round trip.
        parsed = [float(v) if _kind(v) in ("number", "infinite") else np.nan for v in values]
        number = np.array([*parsed, np.nan])[self._codes]
        self._note("calendar-date", "the cell is a calendar date", self._where_kind(values, "date"))
        self._note("not-a-number", "the cell is not a number", self._where_kind(values, "other"))
        infinite = np.isinf(number)
        self._note("not-finite", "the number is infinite", infinite)
        number[infinite] = np.nan
        return number

    def check(self, values: NDArray[Any], field: Field) -> None:
        """Note cells that break the constraints of a field."""
        if field.required:
            self._note("blank", "the cell is blank", self._codes < 0)
        if field.kind == "string":
            self._check_text(field)
        elif field.declared and self._table == names.GENOMICS:
            outside = (values < 0) | (values > 1)
            self._note("not-a-fraction", "the value is not from 0 to 1", outside)
        else:
            self._check_range(values, field)
        if field.kind == "integer":
            whole = np.isnan(values) | _is_whole(values)
            self._note("not-whole", "the number is not whole, or too large to tell", ~whole)

    def _check_text(self, field: Field) -> None:
        if (allowed := field.allowed) is not None:
            rule = "level-undeclared" if field.declared else "not-allowed"
            # Declared levels are cells of the cohort: whatever was typed there is not repeated.
            known = "the declared levels" if field.declared else ", ".join(allowed)
            problem = f"the value is not one of {known}"
            self._note(rule, problem, self._where(lambda v: v not in allowed))
            return
        problem = "the cell looks like a code for a missing value"
        self._note("missing-code", problem, self._where(lambda v: v.lower() in _MISSING_CODES))
        if (pattern := field.pattern) is not None:
            malformed = self._where(lambda v: not re.fullmatch(pattern, v))
            self._note("name-malformed", "the name has other characters", malformed)

    def _check_range(self, values: NDArray[Any], field: Field) -> None:
        if field.minimum is not None:
            rule, problem = "below-minimum", f"the value is below {field.minimum:g}"
            if field.name in _DAY_COLUMNS:
                rule, problem = "before-origin", "the day is negative"
            self._note(rule, problem, values < field.minimum)
        if field.maximum is not None:
            problem = f"the value is above {field.maximum:g}"
            self._note("above-maximum", problem, values > field.maximum)

    def _where(self, judge: Callable[[str], object]) -> NDArray[np.bool_]:
        judged = [bool(judge(value)) for value in self._values]
        return np.array([*judged, False], dtype=bool)[self._codes]

    def _of_kind(self, kinds: tuple[type, ...]) -> NDArray[np.bool_]:
        judged = [isinstance(value, kinds) for value in self._given]
        return np.array([*judged, False], dtype=bool)[self._codes]

    def _where_kind(self, values: list[str], kind: str) -> NDArray[np.bool_]:
        judged = [_kind(value) == kind for value in values]
        return np.array([*judged, False], dtype=bool)[self._codes]

    def _note(self, rule: str, problem: str, mask: NDArray[np.bool_]) -> None:
        if mask.any():
            rows = self._rows[mask]
            self._faults.add(rule, self._table, problem, column=self._column, rows=rows)


def _is_cell(cell: object) -> bool:
    # A signalling NaN refuses to be compared.
    return isinstance(cell, _CELLS) and not (isinstance(cell, Decimal) and cell.is_snan())


def _can_be_spelt(value: object) -> bool:
    """Tell text that has an encoding, and integers that a float can hold, as everything else."""
    if isinstance(value, str):
        return is_writable(value)
    return not isinstance(value, int) or abs(value) < _COUNTABLE


def _kind(value: str) -> str:
    if _NUMBER.fullmatch(value):
        return "number"
    if _NOT_FINITE.fullmatch(value):
        return "infinite"
    return "date" if _DATE.fullmatch(value) else "other"
