"""Small cells: what a table may show of a handful of people."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pandas as pd

from twinbayes.checks import CheckResult
from twinbayes.cohort.quality.report import SMALLEST_CELL
from twinbayes.names import SUBGROUP
from twinbayes.report.figures.look import size_words

#: Columns that count people or their events.
_COUNTS: Final = ("n", "patients", "events", "observed", "deaths", "n_risk", "n_event")
#: Numbers from which a suppressed number of events could be worked out again.
_TELLING: Final = ("expected", "raw", "raw_lower", "raw_upper", "borrowed")


def publishable(check: CheckResult) -> CheckResult:
    """Return a check whose table shows no count from 1 to 4, nor a way back to one.

    Rows of subgroups that a check itself calls too small to count (column ``counts``) are left
    out; the rows of the whole stay.
    """
    table = check.table
    if table.empty:
        return check
    if {"counts", SUBGROUP} <= set(table.columns):
        table = table[table["counts"].astype(bool) | (table[SUBGROUP] == "all")]
    shown = table.astype(object)
    for name in _COUNTS:
        if name in table and pd.api.types.is_integer_dtype(table[name].dtype):
            few = (table[name] > 0) & (table[name] < SMALLEST_CELL)
            shown[name] = [size_words(float(value)) for value in table[name]]
            if name == "observed":
                shown.loc[few, [c for c in _TELLING if c in table]] = None
    unchanged = [c for c in table.columns if c not in _COUNTS and c not in _TELLING]
    shown[unchanged] = table[unchanged]
    return replace(check, table=shown)
