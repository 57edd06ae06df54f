"""The numbers of sheets as one tidy table, as exact as they are computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pandas as pd
import xarray as xr

from twinbayes.names import DIFFERENCE, STATE, STATE_PROBABILITY, SURVIVAL
from twinbayes.serve.explorer import Explorer, PatientRow
from twinbayes.serve.pages.numbers import at

COLUMNS: Final = (
    "patient", "day", "outcome", "mean", "lower", "upper", "scenario", "landmark", "verdict",
)  # fmt: skip


def table_of(explorer: Explorer, rows: Sequence[PatientRow], shows_ids: bool) -> pd.DataFrame:
    """Forecasts under the policy and under two ways, and their difference.

    Parameters
    ----------
    explorer
        The fit and its patients.
    rows
        Whose.
    shows_ids
        Whether patients are named, else pseudonyms are.

    Returns
    -------
    DataFrame
        One row for each patient, scenario, horizon and outcome, in the order of `rows`: `day`
        since the `landmark`, the last day known; `outcome` is ``survival`` or a state; mean and
        ends of the interval are probabilities, or differences of them.
    """
    verdict = "usable" if explorer.fit.verdict.usable else "NOT FOR USE"
    found = []
    for row in rows:
        who = row.patient_id if shows_ids else row.pseudonym
        found += [
            (who, *numbers, scenario, row.day, verdict)
            for scenario, numbers in _numbers(explorer, row)
        ]
    return pd.DataFrame(found, columns=list(COLUMNS))


def _numbers(explorer: Explorer, row: PatientRow) -> Iterator[tuple[str, tuple[Any, ...]]]:
    outlook = explorer.outlook(row.pseudonym)
    compared = explorer.default_comparison(outlook)
    answers = [(str(outlook.forecast.attrs["scenario"]), outlook.forecast, "")]
    if compared is not None:
        first, second = (scenario.label for scenario in compared.pair)
        answers += [(first, compared.a, ""), (second, compared.b, ""),
                    (f"{first} minus {second}", compared.contrast, DIFFERENCE)]  # fmt: skip
    for scenario, answer, suffix in answers:
        for day in outlook.horizons:
            one = at(answer, day)
            yield scenario, (day, SURVIVAL, *_three(one, SURVIVAL + suffix))
            for state in explorer.reachable(outlook):
                numbers = _three(one.sel({STATE: state}), STATE_PROBABILITY + suffix)
                yield scenario, (day, state, *numbers)


def _three(at_day: xr.Dataset, name: str) -> tuple[float, ...]:
    return tuple(float(at_day[f"{name}{end}"]) for end in ("", "_lower", "_upper"))
