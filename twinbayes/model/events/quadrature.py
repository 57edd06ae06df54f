"""Points in time at which a trajectory moves a hazard: nodes of quadrature, and events.

The cumulative hazard of a row is a sum over the windows of its baseline. Within each window the
trajectory is smooth, so that a Gauss–Legendre rule of a few nodes is exact to many digits. A window
in which a lagged trajectory begins to move has nodes before that day and after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinbayes.arrays import Floats, Groups, Ints
from twinbayes.model.events.rows import RowTable

type Followed = Mapping[int, Sequence[float]]

NODES_PER_WINDOW: Final = 3


@dataclass(frozen=True)
class TrailPoints:
    """The points of some rows: their nodes first, then their events.

    Attributes
    ----------
    node_row, node_window, node_days
        Row of each node (rows ordered by intensity), window it lies in, and its weight in days.
    event_point
        For each event, in the order of the rows, its point; -1 where no trajectory acts.
    event_window
        (event,) window of each event that has a point.
    patient, intensity, day
        Of each point; days since the patient's origin.
    """

    node_row: Ints
    node_window: Ints
    node_days: Floats
    event_point: Ints
    event_window: Ints
    patient: Ints
    intensity: Ints
    day: Floats

    @property
    def n_points(self) -> int:
        """Number of points."""
        return len(self.day)

    @cached_property
    def _groups(self) -> tuple[Groups, Groups]:
        n = len(self.node_row)
        return Groups.of(self.patient[:n]), Groups.of(self.patient[n:])

    def nodes_of(self, i: int) -> Ints:
        """Points of patient `i` that are nodes."""
        return self._groups[0].at(i)

    def fired_of(self, i: int) -> Ints:
        """Points of patient `i` that are events."""
        return len(self.node_row) + self._groups[1].at(i)


def trail_points(rows: RowTable, edges: tuple[Floats, ...], followed: Followed) -> TrailPoints:
    """Place the points of all rows of the intensities in `followed`, given with their lags."""
    order = np.argsort(rows.intensity, kind="stable")
    intensity, start, stop = rows.intensity[order], rows.start[order], rows.stop[order]
    clock_start = rows.clock_start[order]
    at, weights = np.polynomial.legendre.leggauss(NODES_PER_WINDOW)
    node_row, node_window, node_time, node_days = [], [], [], []
    for e in sorted(followed):
        mine = np.flatnonzero(intensity == e)
        grid = np.broadcast_to(edges[e][:, None], (len(edges[e]), len(mine)))
        moving = np.reshape(followed[e], (-1, 1)) - clock_start[mine]
        cut = np.clip(np.sort(np.concatenate([grid, moving]), axis=0), start[mine], stop[mine])
        row, piece = np.nonzero(np.diff(cut, axis=0).T > 0)
        low, high = cut[piece, row], cut[piece + 1, row]
        window = np.searchsorted(edges[e], low, side="right") - 1
        half = (high - low)[:, None] / 2
        node_row.append(np.repeat(mine[row], NODES_PER_WINDOW))
        node_window.append(np.repeat(window, NODES_PER_WINDOW))
        node_time.append(((low + high)[:, None] / 2 + half * at).ravel())
        node_days.append((half * weights).ravel())
    rows_of_nodes = _joined(node_row, np.int64)
    fired = np.flatnonzero(rows.is_event[order])
    is_followed = np.isin(intensity[fired], list(followed))
    event_point = np.full(len(fired), -1)
    event_point[is_followed] = len(rows_of_nodes) + np.arange(is_followed.sum())
    moved = fired[is_followed]
    event_window = np.zeros(len(moved), dtype=np.int64)
    for e in followed:
        mine = intensity[moved] == e
        event_window[mine] = np.searchsorted(edges[e], stop[moved[mine]], side="left") - 1
    point_row = np.concatenate([rows_of_nodes, moved])
    time = np.concatenate([_joined(node_time, np.float64), stop[moved]])
    return TrailPoints(
        node_row=rows_of_nodes,
        node_window=_joined(node_window, np.int64),
        node_days=_joined(node_days, np.float64),
        event_point=event_point,
        event_window=event_window,
        patient=rows.patient[order][point_row],
        intensity=intensity[point_row],
        day=time + clock_start[point_row],
    )


def _joined(parts: list[NDArray[np.float64]] | list[NDArray[np.int64]], kind: type) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype=kind), *parts]).astype(kind)
