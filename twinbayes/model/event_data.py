"""Event histories as flat arrays: what the fused likelihood reads.

One *row* is one episode of one patient seen by one intensity that could have ended it. Its
exposure is spread over the windows of that intensity's baseline (*cells*). All arrays are
packed into one integer and one float vector, so that a compiled model takes them as two data
inputs and never needs recompiling for other patients.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinbayes.model.design import Design
from twinbayes.model.graph import StateGraph, Transition
from twinbayes.model.history import Histories
from twinbayes.names import CLOCK_ENTRY

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Order of the packed arrays; the kernels read them by position.
_INT_FIELDS: Final = (
    "column_start",
    "column",
    "moment_start",
    "moment_column",
    "subgroup",
    "row_start",
    "intensity",
    "is_event",
    "event_window",
    "effect_start",
    "effect",
    "cell_start",
    "window",
)
_FLOAT_FIELDS: Final = ("value", "moment", "exposure", "shift")


@dataclass(frozen=True)
class EventData:
    """Flat arrays of the event likelihood.

    Attributes
    ----------
    column_start, column, value
        The design matrix in compressed rows: patient i owns entries
        ``column_start[i]:column_start[i + 1]``.
    shift
        Subtracted from every patient's value of each column: 0/1 columns are stored as 0/1, so
        that the many zeros cost nothing, and centred here.
    moment_start, moment_column, moment
        The same for the conditional variances of missing covariates.
    subgroup
        Subgroup of each patient, -1 if the fit has not seen it.
    row_start
        Rows of patient i are ``row_start[i]:row_start[i + 1]``.
    intensity, is_event, event_window
        Per row: which intensity, whether it ended the episode, in which window (-1 if not).
    effect_start, effect
        Treatment effects acting on each row, in compressed rows.
    cell_start, window, exposure
        Days of exposure of each row in each window, in compressed rows.
    """

    column_start: Ints
    column: Ints
    value: Floats
    moment_start: Ints
    moment_column: Ints
    moment: Floats
    subgroup: Ints
    row_start: Ints
    intensity: Ints
    is_event: Ints
    event_window: Ints
    effect_start: Ints
    effect: Ints
    cell_start: Ints
    window: Ints
    exposure: Floats
    shift: Floats

    @property
    def n_patients(self) -> int:
        return len(self.subgroup)

    @property
    def n_rows(self) -> int:
        return len(self.intensity)

    def pack(self) -> tuple[Ints, Floats]:
        """Return ``(index, values)``: every array behind a header of its offsets."""
        return _pack([getattr(self, f) for f in _INT_FIELDS], np.int64), _pack(
            [getattr(self, f) for f in _FLOAT_FIELDS], np.float64
        )


def _pack(arrays: list[NDArray[np.generic]], dtype: type) -> NDArray[np.generic]:
    header = np.zeros(len(arrays) + 1)
    header[0] = len(header)
    header[1:] = len(header) + np.cumsum([len(a) for a in arrays])
    return np.concatenate([header, *arrays]).astype(dtype)


def unpack(index: Ints, values: Floats) -> EventData:
    """Undo `EventData.pack`."""
    parts: dict[str, NDArray[np.generic]] = {}
    for names, packed in ((_INT_FIELDS, index), (_FLOAT_FIELDS, values)):
        offsets = packed[: len(names) + 1].astype(np.int64)
        for k, name in enumerate(names):
            parts[name] = packed[offsets[k] : offsets[k + 1]]
    return EventData(**{f.name: parts[f.name] for f in fields(EventData)})  # type: ignore[arg-type]


@dataclass(frozen=True)
class RowTable:
    """Rows before they meet a baseline: times on each intensity's clock.

    Attributes
    ----------
    patient, intensity
        Index of the patient and of the intensity.
    start, stop
        Exposure ``(start, stop]`` in days on the intensity's clock.
    is_event
        Whether the intensity fired at `stop`.
    effects
        For each row, the indices of the treatment effects that act.
    """

    patient: Ints
    intensity: Ints
    start: Floats
    stop: Floats
    is_event: NDArray[np.bool_]
    effects: tuple[tuple[int, ...], ...]


def rows_at_risk(graph: StateGraph, histories: Histories) -> RowTable:
    """Spread every episode over the intensities that could have ended it."""
    intensities = graph.intensities
    by_state: dict[str, list[int]] = {s: [] for s in graph.states}
    for k, intensity in enumerate(intensities):
        by_state[intensity.source].append(k)
    effect_of = {(e.treatment, e.transition, e.phase): k for k, e in enumerate(graph.effects)}
    patient, which, start, stop, event, effects = [], [], [], [], [], []
    for episode in histories.episodes:
        begun = dict(episode.phases)
        for k in by_state[episode.state]:
            intensity = intensities[k]
            if not isinstance(intensity, Transition) and intensity.treatment in begun:
                continue
            shift = episode.entry if intensity.clock == CLOCK_ENTRY else 0.0
            patient.append(episode.patient)
            which.append(k)
            start.append(episode.start - shift)
            stop.append(episode.stop - shift)
            event.append(episode.exit == k)
            effects.append(
                tuple(
                    effect_of[name, intensity.label, phase]
                    for name, phase in episode.phases
                    if (name, intensity.label, phase) in effect_of
                )
            )
    return RowTable(
        np.array(patient, dtype=np.int64),
        np.array(which, dtype=np.int64),
        np.array(start, dtype=float),
        np.array(stop, dtype=float),
        np.array(event, dtype=bool),
        tuple(effects),
    )


def window_edges(graph: StateGraph, rows: RowTable) -> tuple[Floats, ...]:
    """Window edges of every intensity's baseline, learnt from its own rows, in days."""
    out = []
    for k, intensity in enumerate(graph.intensities):
        mine = rows.intensity == k
        times = np.concatenate([rows.start[mine], rows.stop[mine]])
        out.append(intensity.baseline.edges(rows.stop[mine & rows.is_event], times))
    return tuple(out)


def event_data(rows: RowTable, edges: tuple[Floats, ...], design: Design) -> EventData:
    """Cut rows into cells and join them with the design matrix.

    Windows are open on the left: an event at an edge belongs to the window it closes.
    """
    n = len(rows.patient)
    cells: list[tuple[Ints, Floats]] = []
    event_window = np.full(n, -1, dtype=np.int64)
    for r in range(n):
        grid = edges[rows.intensity[r]]
        first = max(int(np.searchsorted(grid, rows.start[r], side="right")) - 1, 0)
        last = max(int(np.searchsorted(grid, rows.stop[r], side="left")) - 1, first)
        cut = np.clip(grid[first : last + 2], rows.start[r], rows.stop[r])
        length = np.diff(cut)
        keep = length > 0
        cells.append((np.arange(first, last + 1)[keep], length[keep]))
        if rows.is_event[r]:
            event_window[r] = last
    stored = design.values + design.shift
    column_start, column, value = _compress(stored != 0.0, stored)
    moment_start, moment_column, moment = _compress(design.variances > 0.0, design.variances)
    return EventData(
        column_start=column_start,
        column=column,
        value=value,
        moment_start=moment_start,
        moment_column=moment_column,
        moment=moment,
        subgroup=design.subgroup,
        row_start=np.searchsorted(rows.patient, np.arange(design.n_patients + 1)).astype(np.int64),
        intensity=rows.intensity,
        is_event=rows.is_event.astype(np.int64),
        event_window=event_window,
        shift=design.shift,
        effect_start=_starts([len(e) for e in rows.effects]),
        effect=np.array([k for e in rows.effects for k in e], dtype=np.int64),
        cell_start=_starts([len(w) for w, _ in cells]),
        window=np.concatenate([w for w, _ in cells]) if cells else np.zeros(0, dtype=np.int64),
        exposure=np.concatenate([x for _, x in cells]) if cells else np.zeros(0),
    )


def _starts(lengths: list[int]) -> Ints:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _compress(mask: NDArray[np.bool_], values: Floats) -> tuple[Ints, Ints, Floats]:
    patient, column = np.nonzero(mask)
    starts = _starts(list(mask.sum(axis=1)))
    return starts, column.astype(np.int64), values[patient, column]
