"""Small cells in the table of a check: what of it may leave the centre."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from twinbayes.cohort.quality.suppression import (
    HIDDEN,
    SUPPRESSED,
    part_words,
    suppress,
    suppress_crossed,
)
from twinbayes.estimators import CountingProcess
from twinbayes.names import CENTRE, DEATH, EFFECT, MARKER, STATE, SUBGROUP, TIME, TRANSITION, WHOLE

#: Whole numbers that count nobody. Every other column of whole numbers is taken to count people.
_NO_COUNTS: Final = (
    TIME, "day", "horizon", "landmark", "year", "window", "fold", "draw", "draws", "chain",
    "chains", "degree", "knots", "rank", "ranks", "bin", "bins", "seed", "simulations", "component",
)  # fmt: skip
#: Columns that count people or their events, also where they are held as floats.
_COUNTS: Final = (
    "n", "patients", "n_treated", "events", "observed", "deaths", "n_risk", "n_event",
)  # fmt: skip
#: By count, the numbers from which it could be worked out where it is hidden.
_TELLING: Final = {
    "observed": ("expected", "raw", "raw_lower", "raw_upper", "borrowed"),
    "n": ("observed", "lower", "upper", "difference", "inside"),
}
#: Columns beside which what was observed is a probability, and no count.
_PREDICTED: Final = frozenset({"predicted", "prior_median"})
#: How many patients a part has: where that is hidden, so is all that is counted of it.
_SIZES: Final = ("n", "patients")
#: Whether what was seen of a state may be shown: a column, and those that would tell of it.
SHOWN: Final = "shown"
_SEEN: Final = ("observed", "difference", "inside", "value", "standard_error", "lower", "upper")
#: Columns that name the parts of a whole, and the name of the whole.
_WHOLES: Final = {SUBGROUP: WHOLE, CENTRE: WHOLE, "fold": "pooled"}
#: Columns that set one breakdown into parts apart from the next.
_KEYS: Final = (TRANSITION, EFFECT, STATE, TIME, MARKER, "target", "horizon", "score")


def publishable(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table that shows no count from 1 to 4, nor a way back to one.

    Every column of whole numbers counts people, unless its name is known to say something else.
    Rows of subgroups that a check itself calls too small to count (column ``counts``) are left
    out; the rows of the whole stay. Of states of which nothing may be shown (column ``shown``)
    what was observed is left out.
    """
    table = without_hidden_states(table).reset_index(drop=True)
    if {"counts", SUBGROUP} <= set(table.columns):
        table = table[table["counts"].astype(bool) | (table[SUBGROUP] == WHOLE)]
    # Beside a prediction what was observed is a probability, even where all are 0 or 1.
    probable = {"observed"} if _PREDICTED & set(table) else set()
    counted = {
        name: counts
        for name in table
        if name not in probable and (counts := _counts(table[name])) is not None
    }
    shown = table.copy()
    for name, counts in counted.items():
        shown[name] = _suppressed(table, counts)
    if EFFECT in table and "n_treated" in counted:
        shown["n_treated"] = _all_or_none(table, shown["n_treated"])
    for name in counted:
        few = shown[name].isin((SUPPRESSED, HIDDEN))
        telling = [c for c in _TELLING.get(str(name), ()) if c in table and c not in counted]
        for column in telling if few.any() else ():
            shown[column] = shown[column].astype(object)
            shown.loc[few, column] = None
    return shown


def states_shown(process: CountingProcess) -> frozenset[str]:
    """Return the states of which a report may show what was seen.

    A probability of a state is as good as a count where the number of patients is known. States
    that 1 to 4 patients were ever in are left out, and as many others as it takes that these
    cannot be told from the rest.

    Examples
    --------
    >>> two = CountingProcess([0] * 30, range(1, 31), [0] * 30, [1, 1] + [-1] * 28, ("well", "ill"))
    >>> sorted(states_shown(two))
    []
    """
    ever = np.zeros(len(process.states))
    for k in range(len(process.states)):
        been = (process.from_state == k) | (process.to_state == k)
        ever[k] = len(set(process.patient[been].tolist()))
    words = part_words(ever)
    return frozenset(s for s, word in zip(process.states, words, strict=True) if word.isdigit())


def of_shown(names: pd.Series, process: CountingProcess) -> list[bool]:
    """Whether what was seen of each state may be shown; states together where each may be."""
    shown, states = states_shown(process), set(process.states)
    return [name in shown or (name not in states and shown == states) for name in names]


def without_hidden_states(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out what was seen of states that may not be shown, and the column that says so."""
    if SHOWN not in table:
        return table
    few, left = ~table[SHOWN].astype(bool), table.drop(columns=SHOWN)
    for name in _SEEN:
        if name in left:
            left[name] = left[name].mask(few)
    return left


def ways_of(labels: Sequence[str]) -> list[list[int]]:
    """Positions of transitions that lead to the same: a state, the start of a treatment, or death.

    Their sums are known from tables of events.
    """
    ways: dict[str, list[int]] = {}
    for k, label in enumerate(labels):
        target = label.rpartition("->")[2]
        ways.setdefault(DEATH if target.startswith(DEATH) else target, []).append(k)
    return list(ways.values())


def _all_or_none(table: pd.DataFrame, treated: pd.Series) -> pd.Series:
    """Numbers treated as text: in each part all those of one treatment, or none of them.

    Phases of a treatment are about the same people: one tells of another, and of its starts.
    """
    part = next((c for c in _WHOLES if c in table), None)
    treatment = table[EFFECT].astype(str).str.partition(":")[0]
    blocks = [treatment] if part is None else [treatment, table[part]]
    together = treated.isin((SUPPRESSED, HIDDEN)).groupby(blocks, dropna=False)
    hidden = together.transform("any") & (together.transform("size") > 1)
    return treated.mask(hidden, HIDDEN)


def _counts(column: pd.Series) -> pd.Series | None:
    """A column as counts, None if it is something else."""
    if column.name in _NO_COUNTS or pd.api.types.is_bool_dtype(column.dtype):
        return None
    is_whole = pd.api.types.is_integer_dtype(column.dtype)
    if not is_whole and column.name not in _COUNTS:
        return None
    # Whole numbers may be held as objects, or as floats beside what is missing.
    counts = pd.to_numeric(column, errors="coerce").astype(float)
    known = counts.dropna()
    if (known % 1 != 0).any() or (known < 0).any() or len(known) < column.count():
        return None
    return counts


def _suppressed(table: pd.DataFrame, counts: pd.Series) -> pd.Series:
    """Counts as text, each breakdown into parts by itself."""
    part = next((c for c in _WHOLES if c in table), None)
    if part is None:
        return suppress(counts, pd.Series(True, index=counts.index))
    size = next((table[c] for c in _SIZES if c in table and c != counts.name), None)
    sizes = None if size is None else pd.to_numeric(size, errors="coerce").astype(float)
    keys = [c for c in _KEYS if c in table]
    if (
        part == SUBGROUP
        and keys == [TRANSITION]
        and sizes is not None
        and (texts := _crossed(table, counts, sizes)) is not None
    ):
        return texts
    # Keys that are not known to us: a part that comes again begins the next breakdown.
    again = table.groupby([*keys, part], sort=False, dropna=False).cumcount()
    blocks = [table[c] for c in keys] + [again]
    whole = table[part] == _WHOLES[part]
    pieces = [
        suppress(
            counts.loc[rows.index],
            whole.loc[rows.index],
            sizes=None if sizes is None else sizes.loc[rows.index],
        )
        for _, rows in table.groupby(blocks, sort=False, dropna=False)
    ]
    return pd.Series(pd.concat(pieces).reindex(counts.index))


def _crossed(table: pd.DataFrame, counts: pd.Series, sizes: pd.Series) -> pd.Series | None:
    """Counts by transition and subgroup as text; None unless each pair is there once."""
    way, labels = pd.factorize(table[TRANSITION])
    group, groups = pd.factorize(table[SUBGROUP])
    once = not table.duplicated([TRANSITION, SUBGROUP]).any()
    if not once or len(table) != len(labels) * len(groups) or counts.isna().any():
        return None
    grid = np.zeros((len(labels), len(groups)))
    grid[way, group] = counts
    by_group = np.zeros(len(groups))
    by_group[group] = sizes
    texts = suppress_crossed(grid, by_group, ways_of([str(label) for label in labels]))
    return pd.Series(texts[way, group], counts.index, dtype=object)
