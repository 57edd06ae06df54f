"""Published results of subgroups as one frozen value: counts, means, rates, or log hazard ratios.

Where no patient's record may leave its centre, or a trial is known from its publication alone,
this is what there is: a row an arm, a subgroup or a pattern of covariates.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from twinbayes.cohort.contract.cells import typed_table
from twinbayes.cohort.contract.faults import RULES as RULES_OF_COHORTS
from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.contract.raw_tables import (
    is_ordinary_file,
    raw_frame,
    read_table_file,
    without_blank_rows,
)
from twinbayes.cohort.contract.schema import Field, TableSchema
from twinbayes.errors import CohortError, OptionError, require_known
from twinbayes.names import SUBGROUP, WHOLE
from twinbayes.paths import path_of
from twinbayes.showing import cut, facts
from twinbayes.spelling import nearest

RESPONSE: Final = "response"
MEAN: Final = "mean"
RATE: Final = "rate"
LOG_HAZARD_RATIO: Final = "log_hazard_ratio"
OUTCOMES: Final[MappingProxyType[str, tuple[str, str]]] = MappingProxyType(
    {
        RESPONSE: ("responders", "n"),
        MEAN: ("mean", "se"),
        RATE: ("events", "time"),
        LOG_HAZARD_RATIO: ("estimate", "se"),
    }
)
"""What can be observed of a subgroup, and the two columns that hold it."""

TABLE: Final = "results"
_OF_TABLES: Final = (
    "encoding", "delimiter", "file-empty", "file-unreadable", "row-length", "column-twice",
    "padded", "not-text", "not-a-cell", "not-a-number", "calendar-date", "not-finite",
)  # fmt: skip
RULES: Final[MappingProxyType[str, str]] = MappingProxyType(
    {rule: remedy for rule, remedy in RULES_OF_COHORTS.items() if rule in _OF_TABLES}
    | {
        "blank": "Fill in the cell, or leave out the row where there is no result.",
        "missing-code": "Name the subgroup in other words: these read as if it were not known.",
        "negative": "Counts and times are 0 or more: check the sign.",
        "count-whole": "Write counts, not percentages.",
        "name-of-the-whole": "Choose another name for this part: tables show all together under "
        "this one.",
        "responders-above-n": "Check whether the two columns are swapped.",
        "time-zero": "Give the time at risk in which the events happened.",
        "se-positive": "Give the standard error of the estimate; a blank is not 0.",
    }
)
"""Every rule of these tables with its remedy: those of a cohort's, and what results must be."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Aggregate:
    """Results of subgroups.

    Attributes
    ----------
    table
        ``subgroup``, the two columns of the outcome, and covariates; several rows may belong to
        one subgroup.
    outcome
        ``response`` (responders among n), ``mean`` (with its standard error), ``rate`` (events in
        a time at risk), ``log_hazard_ratio`` (an estimate with its standard error).
    covariates
        Columns that act on the outcome; finite numbers.
    name
        What the data are called in reports.
    not_read
        Columns that were there and are none of these.

    Examples
    --------
    >>> counts = pd.DataFrame({"subgroup": ["a", "b"], "n": [20, 15], "responders": [4, 2]})
    >>> data = tb.read_aggregate(counts)
    >>> data.outcome, data.subgroups
    ('response', ('a', 'b'))
    """

    table: DataFrame = field(repr=False)
    outcome: str
    covariates: tuple[str, ...] = ()
    name: str = "aggregate data"
    not_read: tuple[str, ...] = ()

    @property
    def subgroups(self) -> tuple[str, ...]:
        """Labels, in the order of their first rows."""
        return tuple(dict.fromkeys(self.table[SUBGROUP]))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all that is in the table."""
        text = self.table.to_csv(index=False, float_format="%.17g")
        return hashlib.sha256(f"{self.outcome}\n{text}".encode()).hexdigest()

    def __repr__(self) -> str:
        return (
            f"<Aggregate {cut(self.name, 80)!r}: {self.outcome} of {len(self.subgroups)} "
            f"subgroups in {len(self.table)} rows>"
        )

    def _repr_html_(self) -> str:
        told = {"outcome": self.outcome, "subgroups": len(self.subgroups), "rows": len(self.table)}
        return facts(f"Aggregate data {self.name}", told)


def read_aggregate(
    data: DataFrame | str | os.PathLike[str],
    *,
    outcome: str = RESPONSE,
    covariates: Sequence[str] = (),
    name: str = "",
) -> Aggregate:
    """Read and check results of subgroups.

    Parameters
    ----------
    data
        A table, or the path of a CSV file: ``subgroup`` and, by outcome, ``responders, n``;
        ``mean, se``; ``events, time``; ``estimate, se``. It is read as the tables of a cohort are.
        Other columns are left out, and lines without any entry are no rows.
    outcome
        A key of `OUTCOMES`.
    covariates
        Further columns, of numbers, that act on the outcome.
    name
        What to call the data; default: the name of the file.

    Raises
    ------
    CohortError
        With every fault of the table: place, rule and remedy.
    OptionError
        The outcome is unknown.

    Notes
    -----
    A subgroup without patients (n of 0, or no time at risk) is allowed: what is said of it is
    what the others and the prior say.

    Examples
    --------
    >>> counts = pd.DataFrame({"subgroup": ["a", "b"], "n": [20, 15], "responders": [4, 2]})
    >>> tb.read_aggregate(counts).subgroups
    ('a', 'b')
    """
    require_known(outcome, OUTCOMES, "outcome")
    _require_covariates(outcome, covariates)
    wanted = (SUBGROUP, *OUTCOMES[outcome], *covariates)
    faults = Faults(RULES)
    raw = _raw(data, faults)
    faults.raise_if_any()
    _require_columns(list(raw.columns), wanted, outcome)
    if raw.empty:
        raise CohortError("The table of results has no rows. Give at least one subgroup.")
    table = _typed(raw[list(wanted)], wanted, faults)
    _check_labels(faults, table)
    first, second = (table[column].to_numpy() for column in OUTCOMES[outcome])
    _check_outcome(faults, outcome, table.index.to_numpy(), first, second)
    faults.raise_if_any()
    return Aggregate(
        table=table.reset_index(drop=True),
        outcome=outcome,
        covariates=tuple(covariates),
        name=name or ("aggregate data" if isinstance(data, DataFrame) else Path(data).stem),
        not_read=tuple(c for c in raw.columns if c not in wanted),
    )


def _check_labels(faults: Faults, table: DataFrame) -> None:
    """No subgroup is called as all of them together are in tables."""
    labels = table[SUBGROUP]
    whole = table.index[labels == WHOLE]
    if 0 < len(whole) < len(table):
        problem = f"{WHOLE!r} names all subgroups together"
        faults.add("name-of-the-whole", TABLE, problem, column=SUBGROUP, rows=whole)


def _raw(data: DataFrame | str | os.PathLike[str], faults: Faults) -> DataFrame:
    """Cells as they were given, indexed by row number."""
    if isinstance(data, DataFrame):
        frame: DataFrame | None = raw_frame(data, TABLE, faults)
    else:
        path = path_of(data, CohortError, "read_aggregate")
        if not is_ordinary_file(path):
            raise CohortError(f"There is no file {path.name!r} at the path given.")
        frame = read_table_file(path, TABLE, faults)
    if frame is None:  # and the fault is noted
        return DataFrame()
    tables, _ = without_blank_rows({TABLE: frame})
    return tables[TABLE]


def _require_columns(found: Sequence[str], wanted: Sequence[str], outcome: str) -> None:
    missing = [column for column in wanted if column not in found]
    if missing:
        others = [column for column in found if column not in wanted]
        meant = [(name, nearest(name, missing)) for name in others]
        slips = "".join(f" Is {name!r} meant for {to!r}?" for name, to in meant if to is not None)
        raise CohortError(
            f"Results with outcome {outcome!r} need the columns {', '.join(wanted)}; missing: "
            f"{', '.join(missing)}. Found beside them: {len(others)} others.{slips}"
        )


def _typed(raw: DataFrame, wanted: Sequence[str], faults: Faults) -> DataFrame:
    """Labels as text and all else as floats, indexed by row number."""
    label, *numbers = wanted
    fields = (
        Field(name=label, kind="string", required=True),
        *(Field(name=column, kind="number", required=True) for column in numbers),
    )
    schema = TableSchema(
        table=TABLE, fields=fields, open=False, key=(), missing=frozenset({"", "NA"})
    )
    typed = cast(DataFrame, typed_table(raw, schema, (), faults))  # every column is there
    return typed.astype({label: object})


def _require_covariates(outcome: str, covariates: Sequence[str]) -> None:
    taken = (SUBGROUP, *OUTCOMES[outcome])
    reserved = [x for x in covariates if x in taken]
    if isinstance(covariates, str) or reserved or len(set(covariates)) < len(covariates):
        raise OptionError(
            f"covariates={covariates!r}: name each further column once, in a tuple; "
            f"{', '.join(taken)} are no covariates."
        )


def _check_outcome(
    faults: Faults,
    outcome: str,
    rows: NDArray[np.int64],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
) -> None:
    def note(rule: str, column: str, bad: NDArray[np.bool_]) -> None:
        if bad.any():
            faults.add(rule, TABLE, _PROBLEMS[rule], column=column, rows=rows[bad])

    one, two = OUTCOMES[outcome]
    counts = {RESPONSE: ((one, first), (two, second)), RATE: ((one, first),)}.get(outcome, ())
    for column, values in counts:
        note("negative", column, values < 0)
        note("count-whole", column, np.isfinite(values) & (values != np.round(values)))
    if outcome == RESPONSE:
        note("responders-above-n", one, first > second)
    elif outcome == RATE:
        note("negative", two, second < 0)
        note("time-zero", two, (second == 0) & (first > 0))
    else:
        note("se-positive", two, second <= 0)


_PROBLEMS: Final = {
    "negative": "below 0",
    "count-whole": "not a whole number",
    "responders-above-n": "more responders than patients",
    "time-zero": "events without any time at risk",
    "se-positive": "a standard error that is not above 0",
}
