"""One cohort laid out for the event process: histories, rows at risk, windows, covariates."""

from __future__ import annotations

from dataclasses import dataclass

from twinbayes.arrays import Floats
from twinbayes.model.courses.history import Histories
from twinbayes.model.covariates.design import DesignMatrix, Encoding
from twinbayes.model.events.packed import EventData
from twinbayes.model.events.quadrature import TrailPoints
from twinbayes.model.events.rows import RowTable
from twinbayes.showing import brief


@brief
@dataclass(frozen=True)
class EventPlan:
    """Everything about one cohort that the event process needs, and nothing sampled.

    Attributes
    ----------
    encoding
        How covariates become columns.
    edges
        Window edges of each intensity's baseline, in days.
    histories
        The patients' paths, and the rows set aside. Events between two days are in the middle.
    rows
        Rows at risk on these paths.
    points
        Where trajectories move hazards, on every course that the records leave open.
    design
        Covariates of the patients.
    data
        The rows of these courses, cut into windows and joined with the design.

    Examples
    --------
    >>> fit.plan.events.design.values.shape
    (16, 22)
    """

    encoding: Encoding
    edges: tuple[Floats, ...]
    histories: Histories
    rows: RowTable
    points: TrailPoints
    design: DesignMatrix
    data: EventData
