"""What a model was told of one patient: covariates, measurements, treatments begun."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from twinbayes.inference import Fit
from twinbayes.names import CENSORED, DAY, MARKER, VISIT_VALUE
from twinbayes.twin import Twin


@dataclass(frozen=True)
class Input:
    """Something the model was told of a patient.

    Attributes
    ----------
    name
        As the cohort spells it.
    value
        None where it is not known.
    unit
        In UCUM; "1" or "" of what has none.
    day
        When it was measured, since origin; None of what is told at the origin.
    censored
        Whether the value is a limit: none, left (it is at most that) or right.
    count
        Measurements of it so far.
    """

    name: str
    value: Any
    unit: str
    day: float | None = None
    censored: str = "none"
    count: int = 1


def used_of(fit: Fit) -> frozenset[str]:
    """Names of the covariates that the model uses."""
    return frozenset(s for column in fit.encoding.columns for s in column.sources)


def inputs_of(fit: Fit, twin: Twin) -> list[Input]:
    """What the model was told of a patient at the origin."""
    row, used, units = twin.cohort.covariates().iloc[0], used_of(fit), _units(twin)
    switches = _switches(fit)

    def told(name: str, value: Any) -> Any:
        if pd.isna(value):
            return None
        return bool(value) if name in switches else value

    return [Input(str(n), told(n, row[n]), units[n]) for n in row.index if n in used]


def measured_of(fit: Fit, twin: Twin) -> list[Input]:
    """The last value of each marker of the model."""
    curves, visits, units = fit.learnt.curves, twin.cohort.visits, _units(twin)
    found = []
    for name in () if curves is None else [m.marker for m in curves.markers]:
        if visits is None or (mine := visits[visits[MARKER] == name]).empty:
            found.append(Input(name, None, units[name]))
            continue
        last = mine.sort_values(DAY, kind="stable").iloc[-1]
        value, day = float(last[VISIT_VALUE]), float(last[DAY])
        limit = str(last[CENSORED]) if CENSORED in mine and pd.notna(last[CENSORED]) else "none"
        found.append(Input(name, value, units[name], day, limit, len(mine)))
    return found


def _units(twin: Twin) -> dict[str, str]:
    table = twin.cohort.variables
    told = table["unit"].where(table["unit"].notna(), "").astype(str)
    return dict(zip(table["name"], told, strict=True))


def _switches(fit: Fit) -> frozenset[str]:
    """Covariates declared from 0 to 1, without a unit, of which nobody has a value between."""
    table, values = fit.cohort.variables, fit.cohort.covariates()
    may = table[(table["min"] == 0) & (table["max"] == 1) & (table["unit"] == "1")]["name"]
    names = [n for n in may if n in values]
    known = values[names].to_numpy(dtype=float)
    between = ((known > 0.0) & (known < 1.0)).any(axis=0)  # what is not known is not between
    return frozenset(n for n, some in zip(names, between, strict=True) if not some)
