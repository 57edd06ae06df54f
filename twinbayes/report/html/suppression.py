"""Small cells in the table of a check."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pandas as pd

from twinbayes.checks import CheckResult
from twinbayes.cohort.quality.suppression import HIDDEN, SUPPRESSED, suppress
from twinbayes.names import CENTRE, EFFECT, MARKER, STATE, SUBGROUP, TIME, TRANSITION

#: Columns that count people or their events.
_COUNTS: Final = (
    "n", "patients", "n_treated", "events", "observed", "deaths", "n_risk", "n_event",
)  # fmt: skip
#: Numbers from which a suppressed number of events could be worked out again.
_TELLING: Final = ("expected", "raw", "raw_lower", "raw_upper", "borrowed")
#: Columns beside which what was observed is a probability, and no count.
_PROBABLE: Final = frozenset({"predicted", "prior_median"})
#: Columns that name the parts of a whole, and the name of the whole.
_WHOLES: Final = {SUBGROUP: "all", CENTRE: "all", "fold": "pooled"}
#: Columns that set one breakdown into parts apart from the next.
_KEYS: Final = (TRANSITION, EFFECT, STATE, TIME, MARKER, "target", "horizon", "score")


def publishable(check: CheckResult) -> CheckResult:
    """Return a check whose table shows no count from 1 to 4, nor a way back to one.

    Where a single part of a whole is suppressed, the next smallest is hidden with it. Rows of
    subgroups that a check itself calls too small to count (column ``counts``) are left out; the
    rows of the whole stay.
    """
    if check.table.empty:
        return check
    table = check.table.reset_index(drop=True)
    if {"counts", SUBGROUP} <= set(table.columns):
        table = table[table["counts"].astype(bool) | (table[SUBGROUP] == "all")]
    shown = table.astype(object)
    # Beside a prediction what was observed is a probability, even where all are 0 or 1.
    counted = [
        c for c in _COUNTS if c in table and not (c == "observed" and _PROBABLE & set(table))
    ]
    for name in counted:
        if table[name].notna().any():
            # Whole numbers may be held as objects, or as floats beside what is missing.
            counts = pd.to_numeric(table[name], errors="coerce").astype(float)
            if not (counts.dropna() % 1 == 0).all() or counts.notna().sum() < table[name].count():
                continue
            shown[name] = _suppressed(table, counts)
            if name == "observed":
                few = shown[name].isin((SUPPRESSED, HIDDEN))
                shown.loc[few, [c for c in _TELLING if c in table]] = None
    unchanged = [c for c in table.columns if c not in _COUNTS and c not in _TELLING]
    shown[unchanged] = table[unchanged]
    return replace(check, table=shown)


def _suppressed(table: pd.DataFrame, counts: pd.Series) -> pd.Series:
    """Counts as text, each breakdown into parts by itself."""
    part = next((c for c in _WHOLES if c in table), None)
    if part is None:
        return suppress(counts, pd.Series(True, index=counts.index))
    keys = [c for c in _KEYS if c in table]
    # Keys that are not known to us: a part that comes again begins the next breakdown.
    again = table.groupby([*keys, part], sort=False, dropna=False).cumcount()
    blocks = [table[c] for c in keys] + [again]
    whole = table[part] == _WHOLES[part]
    pieces = [
        suppress(counts.loc[rows.index], whole.loc[rows.index])
        for _, rows in table.groupby(blocks, sort=False, dropna=False)
    ]
    return pd.Series(pd.concat(pieces).reindex(counts.index))
