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
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame

from twinbayes.cohort.contract.faults import Faults
from twinbayes.errors import CohortError, OptionError, require_known
from twinbayes.names import SUBGROUP

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
RULES: Final[MappingProxyType[str, str]] = MappingProxyType(
    {
        "subgroup-blank": "Name the subgroup of every row.",
        "number": "Write a finite number in every row; leave out rows without a result.",
        "negative": "Counts and times are 0 or more: check the sign.",
        "count-whole": "Write counts, not percentages.",
        "responders-above-n": "Check whether the two columns are swapped.",
        "time-zero": "Give the time at risk in which the events happened.",
        "se-positive": "Give the standard error of the estimate; a blank is not 0.",
    }
)
"""Every rule of these tables with its remedy. Rows are counted with the header as row 1."""


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
            f"<Aggregate {self.name!r}: {self.outcome} of {len(self.subgroups)} subgroups in "
            f"{len(self.table)} rows>"
        )


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
        ``mean, se``; ``events, time``; ``estimate, se``. Other columns are left out.
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
    """
    require_known(outcome, OUTCOMES, "outcome")
    if not isinstance(data, DataFrame):
        path = Path(data)
        if not path.is_file():
            raise CohortError(f"There is no file {path.name!r} at the path given.")
        try:
            data, name = pd.read_csv(path, dtype={SUBGROUP: str}), name or path.stem
        except ValueError as error:  # pandas' own errors, and bytes that are no text
            raise CohortError(
                f"{path.name} cannot be read as a table ({error}). Write plain CSV in UTF-8: a "
                "header, and one row a result."
            ) from error
    _require_covariates(outcome, covariates)
    wanted = (SUBGROUP, *OUTCOMES[outcome], *covariates)
    missing = [column for column in wanted if column not in data.columns]
    if missing:
        raise CohortError(
            f"Results with outcome {outcome!r} need the columns {', '.join(wanted)}; missing: "
            f"{', '.join(missing)}. Found: {', '.join(map(str, data.columns))}."
        )
    if data.empty:
        raise CohortError("The table of results has no rows. Give at least one subgroup.")
    faults = Faults(RULES)
    labels = data[SUBGROUP].astype("string").str.strip()
    _note(faults, "subgroup-blank", SUBGROUP, (labels.isna() | (labels == "")).to_numpy(bool))
    numbers = {c: pd.to_numeric(data[c], errors="coerce").to_numpy(float) for c in wanted[1:]}
    for column, values in numbers.items():
        _note(faults, "number", column, ~np.isfinite(values))
    _check_outcome(faults, outcome, *(numbers[c] for c in OUTCOMES[outcome]))
    faults.raise_if_any()
    table = DataFrame({SUBGROUP: labels.astype(str).to_numpy(object), **numbers})
    return Aggregate(
        table=table,
        outcome=outcome,
        covariates=tuple(covariates),
        name=name or "aggregate data",
        not_read=tuple(str(c) for c in data.columns if c not in wanted),
    )


def _require_covariates(outcome: str, covariates: Sequence[str]) -> None:
    taken = (SUBGROUP, *OUTCOMES[outcome])
    reserved = [x for x in covariates if x in taken]
    if isinstance(covariates, str) or reserved or len(set(covariates)) < len(covariates):
        raise OptionError(
            f"covariates={covariates!r}: name each further column once, in a tuple; "
            f"{', '.join(taken)} are no covariates."
        )


def _note(faults: Faults, rule: str, column: str, bad: NDArray[np.bool_]) -> None:
    if bad.any():
        faults.add(rule, TABLE, _PROBLEMS[rule], column=column, rows=np.flatnonzero(bad) + 2)


def _check_outcome(
    faults: Faults, outcome: str, first: NDArray[np.float64], second: NDArray[np.float64]
) -> None:
    one, two = OUTCOMES[outcome]
    counts = {RESPONSE: ((one, first), (two, second)), RATE: ((one, first),)}.get(outcome, ())
    for column, values in counts:
        _note(faults, "negative", column, values < 0)
        _note(faults, "count-whole", column, np.isfinite(values) & (values != np.round(values)))
    if outcome == RESPONSE:
        _note(faults, "responders-above-n", one, first > second)
    elif outcome == RATE:
        _note(faults, "negative", two, second < 0)
        _note(faults, "time-zero", two, (second == 0) & (first > 0))
    else:
        _note(faults, "se-positive", two, second <= 0)


_PROBLEMS: Final = {
    "subgroup-blank": "a row has no subgroup",
    "number": "not a finite number",
    "negative": "below 0",
    "count-whole": "not a whole number",
    "responders-above-n": "more responders than patients",
    "time-zero": "events without any time at risk",
    "se-positive": "a standard error that is not above 0",
}
