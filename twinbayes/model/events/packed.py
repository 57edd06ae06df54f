"""Event histories as flat arrays: what the fused likelihood reads.

One *row* is one episode of one patient seen by one intensity that could have ended it. Its
exposure is spread over the windows of that intensity's baseline. All arrays are
packed into one integer and one float vector, so that a compiled model takes them as two data
inputs and never needs recompiling for other patients.

Each vector begins with a header, where its parts start and end. Kernels find a part by its number,
a constant below that bears the name of the field; the order of the fields is written once.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinbayes.arrays import Floats, Groups, Ints
from twinbayes.model.courses.open_courses import Courses
from twinbayes.model.covariates.design import DesignMatrix
from twinbayes.model.events.quadrature import TrailPoints
from twinbayes.model.events.rows import RowTable

# Share of non-zero entries above which a column is stored in full.
_DENSE: Final = 0.5
# Order of the packed arrays.
INT_FIELDS: Final = (
    "column_start",
    "column",
    "moment_start",
    "moment_column",
    "subgroup",
    "row_start",
    "patient",
    "event_row",
    "event_window",
    "acting_row",
    "acting",
    "dense_column",
    "node_row",
    "node_window",
    "event_point",
    "course_patient",
)
FLOAT_FIELDS: Final = ("value", "moment", "exposure", "shift", "dense", "node_days", "log_share")

# Number of each part in the packed integers, then in the packed floats. Compiled code takes these
# for literals.
AT_COLUMN_START: Final = INT_FIELDS.index("column_start")
AT_COLUMN: Final = INT_FIELDS.index("column")
AT_MOMENT_START: Final = INT_FIELDS.index("moment_start")
AT_MOMENT_COLUMN: Final = INT_FIELDS.index("moment_column")
AT_SUBGROUP: Final = INT_FIELDS.index("subgroup")
AT_ROW_START: Final = INT_FIELDS.index("row_start")
AT_PATIENT: Final = INT_FIELDS.index("patient")
AT_EVENT_ROW: Final = INT_FIELDS.index("event_row")
AT_EVENT_WINDOW: Final = INT_FIELDS.index("event_window")
AT_ACTING_ROW: Final = INT_FIELDS.index("acting_row")
AT_ACTING: Final = INT_FIELDS.index("acting")
AT_DENSE_COLUMN: Final = INT_FIELDS.index("dense_column")
AT_NODE_ROW: Final = INT_FIELDS.index("node_row")
AT_NODE_WINDOW: Final = INT_FIELDS.index("node_window")
AT_EVENT_POINT: Final = INT_FIELDS.index("event_point")
AT_COURSE_PATIENT: Final = INT_FIELDS.index("course_patient")

AT_VALUE: Final = FLOAT_FIELDS.index("value")
AT_MOMENT: Final = FLOAT_FIELDS.index("moment")
AT_EXPOSURE: Final = FLOAT_FIELDS.index("exposure")
AT_SHIFT: Final = FLOAT_FIELDS.index("shift")
AT_DENSE: Final = FLOAT_FIELDS.index("dense")
AT_NODE_DAYS: Final = FLOAT_FIELDS.index("node_days")
AT_LOG_SHARE: Final = FLOAT_FIELDS.index("log_share")


@dataclass(frozen=True)
class EventData:
    """Flat arrays of the event likelihood; rows are ordered by intensity.

    Attributes
    ----------
    column_start, column, value
        Columns of the design matrix that are mostly zero, in compressed rows: patient i owns
        entries ``column_start[i]:column_start[i + 1]``.
    dense_column, dense
        The other columns, and their values as one block (column, patient).
    shift
        Subtracted from every patient's value of each column: 0/1 columns are stored as 0/1, so
        that the many zeros cost nothing, and centred here.
    moment_start, moment_column, moment
        The conditional variances of missing covariates, in compressed rows.
    subgroup
        Subgroup of each patient.
    row_start
        Rows of intensity e are ``row_start[e]:row_start[e + 1]``.
    patient
        Patient of each row.
    event_row, event_window
        Rows whose intensity fired, in order, and the window in which it did.
    acting_row, acting
        Pairs of a row and an effect that acts on it, of a treatment, an era or a window.
    exposure
        Days at risk: for each intensity in turn a block (window, row); 0 in rows with nodes.
    node_row, node_window, node_days, event_point
        As in `TrailPoints`.
    course_patient, log_share
        As in `Courses`, and what is said of patients above is said of courses; empty where every
        event is dated, and each patient has one.
    """

    column_start: Ints
    column: Ints
    value: Floats
    moment_start: Ints
    moment_column: Ints
    moment: Floats
    subgroup: Ints
    row_start: Ints
    patient: Ints
    event_row: Ints
    event_window: Ints
    acting_row: Ints
    acting: Ints
    dense_column: Ints
    node_row: Ints
    node_window: Ints
    event_point: Ints
    course_patient: Ints
    exposure: Floats
    shift: Floats
    dense: Floats
    node_days: Floats
    log_share: Floats

    @property
    def n_patients(self) -> int:
        """Number of patients."""
        courses = self.course_patient
        return int(courses[-1]) + 1 if len(courses) else len(self.subgroup)

    @property
    def n_rows(self) -> int:
        """Number of rows at risk."""
        return len(self.patient)

    @property
    def intensity(self) -> Ints:
        """Intensity of each row."""
        return np.repeat(np.arange(len(self.row_start) - 1), np.diff(self.row_start))

    @cached_property
    def _groups(self) -> tuple[Groups, Groups]:
        return Groups.of(self.patient), Groups.of(self.patient[self.event_row])

    def rows_of(self, i: int) -> Ints:
        """Rows of patient `i`."""
        return self._groups[0].at(i)

    def events_of(self, i: int) -> Ints:
        """Positions of the events of patient `i` in `event_row`."""
        return self._groups[1].at(i)

    def acting_in(self, row: int) -> Ints:
        """Effects that act in a row."""
        first, last = np.searchsorted(self.acting_row, (row, row + 1))
        return self.acting[first:last]

    def days_at_risk(self, e: int) -> Floats:
        """(window, row) exposure of the rows of intensity `e`; 0 in rows with nodes."""
        first, last = self.row_start[e], self.row_start[e + 1]
        width = len(self.exposure) // max(self.n_rows, 1)
        return self.exposure[width * first : width * last].reshape(width, last - first)

    def pack(self) -> tuple[Ints, Floats]:
        """Return ``(index, values)``: every array behind a header of its offsets."""
        integers = _with_header([getattr(self, f) for f in INT_FIELDS])
        numbers = _with_header([getattr(self, f) for f in FLOAT_FIELDS])
        return integers.astype(np.int64), numbers.astype(np.float64)


def _with_header(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    header = np.zeros(len(arrays) + 1, dtype=np.int64)
    header[0] = len(header)
    header[1:] = len(header) + np.cumsum([len(a) for a in arrays])
    return np.concatenate([header, *arrays])


def unpack(index: Ints, values: Floats) -> EventData:
    """Undo `EventData.pack`."""
    parts: dict[str, NDArray[Any]] = {}
    for names, packed in ((INT_FIELDS, index), (FLOAT_FIELDS, values)):
        offsets = packed[: len(names) + 1].astype(np.int64)
        for k, name in enumerate(names):
            parts[name] = packed[offsets[k] : offsets[k + 1]]
    return EventData(**{f.name: parts[f.name] for f in fields(EventData)})


def event_data(
    rows: RowTable,
    edges: tuple[Floats, ...],
    design: DesignMatrix,
    points: TrailPoints,
    courses: Courses | None = None,
) -> EventData:
    """Cut rows into windows and join them with the design matrix.

    Windows are open on the left: an event at an edge belongs to the window it closes. Rows and
    points are those of the `courses`, where there are any; the design is that of the patients.
    """
    if courses is not None:
        design = design.take(courses.patient)
    width = max(len(e) for e in edges) - 1
    order = np.argsort(rows.intensity, kind="stable")
    row_start = np.searchsorted(rows.intensity[order], np.arange(len(edges) + 1))
    start, stop, fired = rows.start[order], rows.stop[order], rows.is_event[order]
    event_window = np.zeros(len(order), dtype=np.int64)
    exposure = []
    for e, grid in enumerate(edges):
        mine = slice(row_start[e], row_start[e + 1])
        days = np.zeros((width, row_start[e + 1] - row_start[e]))
        cut = np.clip(grid[:, None], start[mine], stop[mine])
        days[: len(grid) - 1] = np.diff(cut, axis=0)
        days[:, np.isin(np.arange(row_start[e], row_start[e + 1]), points.node_row)] = 0.0
        exposure.append(days.ravel())
        event_window[mine] = np.maximum(np.searchsorted(grid, stop[mine], side="left") - 1, 0)
    stored = design.values + design.shift
    is_dense = (stored != 0.0).mean(axis=0) > _DENSE
    column_start, column, value = _compress((stored != 0.0) & ~is_dense, stored)
    moment_start, moment_column, moment = _compress(design.variances > 0.0, design.variances)
    effects = [rows.effects[r] for r in order]
    return EventData(
        column_start=column_start,
        column=column,
        value=value,
        moment_start=moment_start,
        moment_column=moment_column,
        moment=moment,
        subgroup=design.subgroup,
        row_start=row_start.astype(np.int64),
        patient=rows.patient[order],
        event_row=np.flatnonzero(fired),
        event_window=event_window[fired],
        acting_row=np.repeat(np.arange(len(order)), [len(e) for e in effects]),
        acting=np.array([k for some in effects for k in some], dtype=np.int64),
        dense_column=np.flatnonzero(is_dense),
        node_row=points.node_row,
        node_window=points.node_window,
        event_point=points.event_point,
        exposure=np.concatenate(exposure),
        shift=design.shift,
        dense=stored[:, is_dense].T.ravel(),
        node_days=points.node_days,
        course_patient=np.zeros(0, dtype=np.int64) if courses is None else courses.patient,
        log_share=np.zeros(0) if courses is None else courses.log_share,
    )


def _starts(lengths: list[int]) -> Ints:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _compress(mask: NDArray[np.bool_], values: Floats) -> tuple[Ints, Ints, Floats]:
    patient, column = np.nonzero(mask)
    starts = _starts(list(mask.sum(axis=1)))
    return starts, column.astype(np.int64), values[patient, column]
