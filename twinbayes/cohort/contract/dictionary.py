"""The variables table: its own rules, and the columns it declares for other tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from pandas import DataFrame, Series

from twinbayes import names
from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.contract.schema import Field, table_schema
from twinbayes.cohort.tables import PLACE_COLUMNS, ROLE_COVARIATE

LEVEL_SEPARATOR: Final = "|"
_TABLES_OF_ROLE: Final[Mapping[str, tuple[str, ...]]] = {
    ROLE_COVARIATE: (names.PATIENTS, names.GENOMICS),
    "marker": (names.VISITS,),
    "qol": (names.VISITS,),
    "treatment": (names.TREATMENTS,),
}


def split_levels(levels: object) -> tuple[str, ...]:
    """Levels of a variable, the reference first; none if it is a number."""
    return tuple(levels.split(LEVEL_SEPARATOR)) if isinstance(levels, str) else ()


def check_dictionary(variables: DataFrame, faults: Faults) -> None:
    """Note every variable whose description contradicts itself."""

    def note(rule: str, problem: str, column: str, mask: Series) -> None:
        rows = variables.index[mask.to_numpy(dtype=bool)]
        if len(rows):
            faults.add(rule, names.VARIABLES, problem, column=column, rows=rows)

    name, role, levels = variables["name"], variables["role"], variables["levels"]
    ranged = variables["min"].notna() | variables["max"].notna()
    note(
        "duplicate-variable", "the name is there already", "name", name.notna() & name.duplicated()
    )
    note("name-reserved", "the name is a fixed column", "name", name.isin(PLACE_COLUMNS))
    note("range-inverted", "min is above max", "min", variables["min"] > variables["max"])
    note("levels-and-range", "both levels and a range are given", "levels", levels.notna() & ranged)
    for table in (names.PATIENTS, names.GENOMICS):
        fixed = {field.name: field.kind for field in table_schema(table).fields}
        kind = name.map(fixed).where(variables["table"] == table)
        note(
            "kind-fixed",
            "the column holds text by contract, and a range is given",
            "min",
            (kind == "string") & ranged,
        )
        note(
            "kind-fixed",
            "the column holds numbers by contract, and levels are given",
            "levels",
            kind.isin(["number", "integer"]) & levels.notna(),
        )
    malformed = levels.map(_malformed).astype(bool)
    note("levels-malformed", "levels are blank, padded or repeated", "levels", malformed)
    note(
        "blank",
        "a covariate has no group",
        "group",
        (role == ROLE_COVARIATE) & variables["group"].isna(),
    )
    pairs = zip(role, variables["table"], strict=True)
    misplaced = [r in _TABLES_OF_ROLE and t not in _TABLES_OF_ROLE[r] for r, t in pairs]
    note(
        "role-table",
        "the table does not hold this role",
        "table",
        Series(misplaced, index=variables.index, dtype=bool),
    )


def _malformed(levels: object) -> bool:
    split = split_levels(levels)
    return len(set(split)) < len(split) or any(not v or v != v.strip() for v in split)


def declared_fields(variables: DataFrame, table: str) -> tuple[Field, ...]:
    """Columns of `table` (patients or genomics) that the dictionary declares."""
    rows = variables[(variables["table"] == table) & variables["name"].notna()]
    rows = rows[~rows["name"].isin(PLACE_COLUMNS)].drop_duplicates("name")
    return tuple(
        Field(
            name=str(row.name_),
            kind="string" if split_levels(row.levels) else "number",
            minimum=_limit(row.min),
            maximum=_limit(row.max),
            allowed=split_levels(row.levels) or None,
            declared=True,
        )
        for row in rows.rename(columns={"name": "name_"}).itertuples()
    )


def _limit(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and np.isfinite(value) else None


def check_columns_exist(variables: DataFrame, raw: Mapping[str, DataFrame], faults: Faults) -> None:
    """Note variables whose column, or whose whole table, is missing."""
    for table in (names.PATIENTS, names.GENOMICS):
        declared = variables[variables["table"] == table]
        there = set(raw[table].columns) if table in raw else set()
        absent = [isinstance(name, str) and name not in there for name in declared["name"]]
        rows = declared.index[np.array(absent, dtype=bool)]
        if len(rows):
            problem = f"no column of {table} has the name"
            rule = "variable-without-column"
            faults.add(rule, names.VARIABLES, problem, column="name", rows=rows)


def check_ranges(
    frame: DataFrame, table: str, column: str, by: str, variables: DataFrame, faults: Faults
) -> None:
    """Note values of a long table outside the range of the variable that `by` names."""
    limits = variables[variables["table"] == table].drop_duplicates("name").set_index("name")
    # An empty table of text would stay text under `map`.
    low, high = (frame[by].map(limits[side]).astype(float) for side in ("min", "max"))
    for rule, side, mask in (
        ("below-minimum", "below the min", frame[column] < low),
        ("above-maximum", "above the max", frame[column] > high),
    ):
        rows = frame.index[mask.to_numpy(dtype=bool)]
        if len(rows):
            problem = f"the value is {side} of its {by}"
            faults.add(rule, table, problem, column=column, rows=rows)
