"""The rows of an update as plain JSON, and adding them to a record again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from twinbayes.names import (
    CENSORED,
    DAY,
    EVENT,
    EVENTS,
    MARKER,
    TREATMENT,
    TREATMENTS,
    VISIT_VALUE,
    VISITS,
)

if TYPE_CHECKING:
    from twinbayes.twin.twin import Twin

_COLUMNS: Final = {
    VISITS: (DAY, MARKER, VISIT_VALUE, CENSORED),
    EVENTS: (DAY, EVENT),
    TREATMENTS: ("start_day", TREATMENT),
}


def rows_of(twin: Twin) -> dict[str, list[list[Any]]]:
    """Return the rows of a twin's last update, by table; none where it was not updated.

    Parameters
    ----------
    twin
        Of one patient.
    """
    change = twin.change
    found: dict[str, list[list[Any]]] = {}
    for table, columns in _COLUMNS.items():
        frame = pd.DataFrame(columns=list(columns)) if change is None else getattr(change, table)
        found[table] = [
            [float(x) if isinstance(x, int | float) else str(x) for x in row]
            for row in frame[list(columns)].astype(object).itertuples(index=False)
        ]
    return found


def with_rows(twin: Twin, rows: Mapping[str, Any]) -> Twin:
    """Return the twin of one patient, updated by rows of each table, as `rows_of` gives them.

    Raises
    ------
    TwinbayesError
        As `Twin.update`.
    """
    frames = {
        table: pd.DataFrame([list(row) for row in rows[table]], columns=list(columns))
        for table, columns in _COLUMNS.items()
    }
    return twin.update(frames[VISITS], events=frames[EVENTS], treatments=frames[TREATMENTS])
