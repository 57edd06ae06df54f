"""Faults of a cohort: collected while reading, raised together, free of patient identifiers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

import pandas as pd
from pandas import DataFrame

from twinbayes.errors import CohortError

_SHOWN_PER_PLACE: Final = 3  # of one table, column and rule
_SHOWN: Final = 20
FROM_HEADER: Final = "Rows count the header as row 1."
CONTRACT_BROKEN: Final = "The tables break the data contract"

#: Every rule of the data contract with its remedy. Rows are counted with the header as row 1.
RULES: Final[dict[str, str]] = {
    # --- the folder and its files
    "descriptor-missing": "Put a datapackage.json beside the tables; data_schemas/cohort/v1 has "
    "a template.",
    "descriptor-unreadable": "Write datapackage.json as one JSON object in UTF-8.",
    "descriptor-contract": 'Declare "twinbayes": {"contract": "cohort/v1", "simulated": false} '
    "in datapackage.json.",
    "descriptor-path": "Name each table file <table>.csv or <table>.parquet beside the "
    "descriptor, and list only tables that exist.",
    "table-missing": "Add the table: patients, events and variables are required.",
    "table-twice": "Keep the table as CSV or as Parquet, not both.",
    "table-unknown": "Rename or remove the file; a cohort has patients, genomics, visits, events, "
    "treatments, variables and excluded.",
    "encoding": "Save the file as UTF-8.",
    "delimiter": "Separate columns by commas and write decimals with a point.",
    "file-empty": "Write a header row and at least one data row, or remove the optional table.",
    "file-unreadable": "Write the table again as plain CSV or Parquet.",
    "file-irregular": "Put the file itself into the folder: pipes, folders and links that lead out "
    "of it are not read.",
    "not-a-table": "Give a pandas DataFrame, one row a patient, event or visit.",
    "row-length": "Give the row as many cells as the header has; quote cells that contain commas.",
    # --- columns
    "column-missing": "Add the column; see the table's schema in data_schemas/cohort/v1.",
    "column-twice": "Keep one of the columns of the same name.",
    "column-unknown": "Declare the column in the variables table, or remove it.",
    # --- cells
    "blank": "Fill in the cell; this column may not be blank.",
    "padded": "Remove blanks around the text, and control characters within.",
    "too-long": "Shorten the text, and check whether a quotation is left open.",
    "missing-code": "Leave the cell blank; only blank and NA mean missing.",
    "not-a-cell": "Store plain text and numbers in the table: no lists, objects, bytes or integers "
    "beyond all measure.",
    "not-text": "Store the column as text.",
    "not-a-number": "Write a plain number with a decimal point, or leave the cell blank.",
    "calendar-date": "Convert calendar dates to days since the patient's origin.",
    "not-finite": "Write a finite number, or leave the cell blank.",
    "not-whole": "Write a whole number.",
    "before-origin": "Check the day, or declare an earlier origin for the patient.",
    "below-minimum": "Check value and unit, or declare a smaller min in the variables table.",
    "above-maximum": "Check value and unit, or declare a larger max in the variables table.",
    "not-allowed": "Use one of the values that the schema allows.",
    "name-malformed": "Use letters, digits and underscores, starting with a letter.",
    "level-undeclared": "Correct the value, or add the level in the variables table.",
    "not-a-fraction": "Code a lesion 0 (absent), 1 (present) or an allele fraction between them; "
    "divide percentages by 100.",
    "name-of-the-whole": "Choose another name for this part: tables show all patients together "
    "under this one.",
    "identifier": "Say it without the patient's identifier: reports show this text.",
    # --- the dictionary
    "duplicate-variable": "Describe each variable once.",
    "name-reserved": "Choose another name; patient_id, subgroup, centre, entry_day and "
    "entry_state are no variables.",
    "range-inverted": "Exchange min and max.",
    "levels-malformed": "List distinct, non-blank levels separated by |, or none.",
    "levels-and-range": "Give levels for a category, or min and max for a number; not both.",
    "kind-fixed": "Give levels for sex, which is text, and a range for age_years, which is a "
    "number.",
    "role-table": "Covariates live in patients or genomics, markers and qol in visits, "
    "treatments in treatments.",
    "variable-without-column": "Add the column to its table, or remove the variable.",
    # --- rows and patients
    "no-patients": "Add at least one patient.",
    "duplicate-patient": "Keep one row a patient.",
    "duplicate-row": "Keep one of the rows that say the same.",
    "duplicate-visit": "Keep one value a marker, patient and day.",
    "unknown-patient": "Add the patient to the patients table, or remove the row.",
    "unknown-marker": "Declare the marker in the variables table with role marker or qol.",
    "unknown-treatment": "Declare the treatment in the variables table with role treatment.",
    "no-terminal": "Add one events row death or last_contact for the patient.",
    "two-terminals": "Keep exactly one of death and last_contact for the patient.",
    "after-terminal": "Check the day against the patient's death or last contact.",
    "stop-before-start": "Exchange or correct start_day and stop_day.",
    "entry-after-end": "Check the day of entry: observation begins before the record ends, and "
    "before a death.",
    "interval-empty": "Give a day_lower before day, or leave it blank where the day is known.",
    "interval-terminal": "Leave day_lower blank for death and last_contact: their day is known.",
    "interval-overlap": "Begin the interval no earlier than the patient's event before it.",
}


class Fault(NamedTuple):
    """One broken rule at one place; `row` is None if it concerns the whole table."""

    table: str
    row: int | None
    column: str | None
    rule: str
    problem: str


class Faults:
    """Collects faults during one reading, to be raised together at its end.

    `rules` holds the remedy of every rule; those of the cohort contract by default. `what` begins
    the message, and `counted` says how rows are.
    """

    def __init__(
        self,
        rules: Mapping[str, str] = RULES,
        what: str = CONTRACT_BROKEN,
        counted: str = FROM_HEADER,
    ) -> None:
        self._faults: list[Fault] = []
        self._rules = rules
        self._what, self._counted = what, counted

    def add(
        self,
        rule: str,
        table: str,
        problem: str,
        *,
        column: str | None = None,
        rows: Iterable[int] | None = None,
    ) -> None:
        """Note a broken rule, once for the table or once for each of `rows`.

        `problem` never quotes a cell: a shifted column can carry an identifier anywhere.
        """
        places = [None] if rows is None else [int(row) for row in rows]
        self._faults += [Fault(table, row, column, rule, problem) for row in places]

    def __len__(self) -> int:
        """Return the number of faults so far."""
        return len(self._faults)

    @property
    def found(self) -> tuple[Fault, ...]:
        """The faults so far; what several readings of a cell find is one fault."""
        return tuple(dict.fromkeys(self._faults))

    def frame(self, private: Collection[str] = ()) -> DataFrame:
        """Return one row a fault; a column whose name is in `private` is masked."""
        frame = DataFrame(self.found, columns=list(Fault._fields))
        frame["row"] = frame["row"].astype("Int64")
        # A matrix stored with patients as columns must not leak them as column names.
        frame["column"] = frame["column"].mask(frame["column"].isin(list(private)), "(masked)")
        return frame.assign(remedy=frame["rule"].map(dict(self._rules)))

    def raise_if_any(self, private: Collection[str] = ()) -> None:
        """Raise one CohortError that lists every fault, or return if there is none."""
        if self._faults:
            frame = self.frame(private)
            raise CohortError(_message(frame, self._what, self._counted), frame)


def _message(frame: DataFrame, what: str, counted: str) -> str:
    counts = frame["rule"].value_counts()
    place = frame.groupby(["table", "column", "rule"], dropna=False, sort=False)
    shown = frame[place.cumcount() < _SHOWN_PER_PLACE].head(_SHOWN)
    lines = [
        f"{what}: {len(frame)} "
        f"{'fault' if len(frame) == 1 else 'faults'} against {len(counts)} "
        f"{'rule' if len(counts) == 1 else 'rules'}. {counted}"
    ]
    lines += [
        f"  {_where(row.table, row.row, row.column)}: {row.rule}: {row.problem}. {row.remedy}"
        for row in shown.itertuples()
    ]
    if len(shown) < len(frame):
        lines.append(f"  … and {len(frame) - len(shown)} more, all in `.faults` of this error.")
    lines.append("By rule: " + ", ".join(f"{rule} {n}" for rule, n in counts.items()) + ".")
    return "\n".join(lines)


def _where(table: object, row: object, column: object) -> str:
    parts = [str(table)]
    if row is not pd.NA:
        parts.append(f"row {row}")
    if isinstance(column, str):
        parts.append(f"column {column!r}")
    return ", ".join(parts)
