"""Functions of time that trajectories are made of, with their slopes and areas.

Time is in years since the patient's origin. Slopes and areas are exact. Knots that are not given
are learnt from the visits of one cohort.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final, Protocol, Self, runtime_checkable

import numpy as np
from scipy.interpolate import BSpline

from twinbayes.arrays import Floats
from twinbayes.errors import ModelError
from twinbayes.model.storing.fields import UNSET_IS_ABSENT
from twinbayes.model.storing.typed import typed

VALUE: Final = "value"
SLOPE: Final = "slope"
AREA: Final = "area"
FORMS: Final = (VALUE, SLOPE, AREA)


@runtime_checkable
class TimeBasis(Protocol):
    """Columns that are functions of time; the first is constant."""

    @property
    def kind(self) -> str:
        """Short name, as printed in reports."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the columns."""

    @property
    def shared(self) -> tuple[str, ...]:
        """Names of the columns in which patients do not differ."""

    def learn(self, years: Floats) -> Self:
        """Fix what is not given, from the times of visits."""

    def columns(self, years: Floats, form: str = VALUE) -> Floats:
        """Values, slopes a year, or areas from the origin, shape (time, column)."""


@dataclass(frozen=True, slots=True)
@typed
class Polynomial:
    """Powers of time, from 0 to `degree`; degree 1 is a straight line.

    Parameters
    ----------
    degree
        The highest power.
    own_degree
        The highest power in which patients differ; the others all patients share. Default: all
        differ. With few values a patient, ``own_degree=0`` leaves each a level of their own on a
        course that is common to all.

    Examples
    --------
    >>> Trajectory(marker="load", basis=Polynomial(degree=2)).basis.degree
    2
    >>> Polynomial(degree=1, own_degree=0).shared
    ('year',)
    """

    degree: int = 1
    kind: str = "polynomial"
    own_degree: int | None = field(default=None, metadata=UNSET_IS_ABSENT)

    def __post_init__(self) -> None:
        if self.degree < 0:
            raise ModelError(f"A polynomial of degree {self.degree} does not exist.")
        if self.own_degree is not None and not 0 <= self.own_degree < self.degree:
            raise ModelError(
                f"Patients cannot differ up to degree {self.own_degree} in a polynomial of degree "
                f"{self.degree}. Give an own_degree from 0 to {self.degree - 1}, or none: then "
                "patients differ in all powers."
            )

    @property
    def labels(self) -> tuple[str, ...]:
        """``level``, then powers of years."""
        powers = ("year", *(f"year^{k}" for k in range(2, self.degree + 1)))
        return ("level", *powers[: self.degree])

    @property
    def shared(self) -> tuple[str, ...]:
        """Powers above `own_degree`."""
        return () if self.own_degree is None else self.labels[self.own_degree + 1 :]

    def learn(self, years: Floats) -> Self:
        """Nothing to learn."""
        return self

    def columns(self, years: Floats, form: str = VALUE) -> Floats:
        """Powers, their derivatives, or their integrals from 0."""
        t = np.asarray(years, dtype=np.float64)[:, None]
        k = np.arange(self.degree + 1)
        if form == VALUE:
            return np.asarray(t**k)
        if form == AREA:
            return np.asarray(t ** (k + 1) / (k + 1))
        return np.asarray(np.where(k > 0, k * t ** np.maximum(k - 1, 0), 0.0))


@dataclass(frozen=True, slots=True)
@typed
class Biphasic:
    """A fast change that wears off, and a steady one: decay of two compartments on the log scale.

    Parameters
    ----------
    half_time
        Years in which half of the fast change has happened.

    Examples
    --------
    >>> Trajectory(marker="load", basis=Biphasic(half_time=0.1)).basis.half_time
    0.1
    """

    shared: ClassVar[tuple[str, ...]] = ()
    half_time: float = 0.25
    kind: str = "biphasic"

    def __post_init__(self) -> None:
        if not self.half_time > 0:
            raise ModelError(f"The half time must be positive, not {self.half_time!r} years.")

    @property
    def labels(self) -> tuple[str, ...]:
        """``level``, all of the ``fast`` change, and the steady one a ``year``."""
        return ("level", "fast", "year")

    def learn(self, years: Floats) -> Self:
        """Nothing to learn."""
        return self

    def columns(self, years: Floats, form: str = VALUE) -> Floats:
        """Values, slopes, or areas from 0."""
        t = np.asarray(years, dtype=np.float64)
        rate = np.log(2.0) / self.half_time
        left = np.exp(-rate * t)
        if form == VALUE:
            return np.column_stack([np.ones_like(t), 1.0 - left, t])
        if form == SLOPE:
            return np.column_stack([np.zeros_like(t), rate * left, np.ones_like(t)])
        return np.column_stack([t, t - (1.0 - left) / rate, t**2 / 2])


@dataclass(frozen=True, slots=True)
@typed
class NaturalSpline:
    """Natural cubic spline: linear beyond its boundary knots.

    Parameters
    ----------
    df
        Number of columns beside the constant.
    knots, boundary
        Interior and boundary knots in years; by default quantiles of the visit times, and 0 and
        the last visit.

    Examples
    --------
    >>> Trajectory(marker="load", basis=NaturalSpline(df=3)).basis.df
    3
    """

    shared: ClassVar[tuple[str, ...]] = ()
    df: int = 3
    knots: tuple[float, ...] = ()
    boundary: tuple[float, ...] = ()
    kind: str = "natural spline"

    def __post_init__(self) -> None:
        if self.df < 1:
            raise ModelError(f"A natural spline needs df of 1 or more, not {self.df}.")
        if self.knots and len(self.knots) != self.df - 1:
            raise ModelError(
                f"A natural spline of df {self.df} has {self.df - 1} interior knots, "
                f"not {len(self.knots)}."
            )
        if self.boundary:
            edges = (self.boundary[0], *self.knots, self.boundary[-1])
            if len(self.boundary) != 2 or not np.all(np.diff(edges) > 0):
                raise ModelError("Knots must increase from the first to the second boundary knot.")

    @property
    def labels(self) -> tuple[str, ...]:
        """``level``, then one name a column."""
        return ("level", *(f"spline {k + 1}" for k in range(self.df)))

    def learn(self, years: Floats) -> Self:
        """Take knots from the visit times where none are given."""
        if self.boundary:
            return self
        end = float(np.max(years, initial=0.0)) or 1.0
        later = years[(years > 0) & (years < end)]
        share = np.linspace(0, 1, self.df + 1)[1:-1]
        knots = self.knots
        if not knots and len(later):
            knots = tuple(float(q) for q in np.quantile(later, share))
        if not knots or not np.all(np.diff((0.0, *knots, end)) > 0):
            knots = tuple(float(s) * end for s in share)
        return replace(self, knots=knots, boundary=(0.0, end))

    def columns(self, years: Floats, form: str = VALUE) -> Floats:
        """Values, slopes or areas; scaled as ``splines::ns`` of R."""
        low, high = self.boundary
        t = np.asarray(years, dtype=np.float64)
        grid = np.r_[[low] * 4, self.knots, [high] * 4]
        n = len(grid) - 4
        splines = [BSpline(grid, row, 3) for row in np.eye(n)[1:]]
        bend = np.array([[s.derivative(2)(x) for s in splines] for x in (low, high)])
        null = _null_space(bend)
        order = {VALUE: _value, SLOPE: _slope, AREA: _area}[form]
        raw = np.column_stack([order(s, t, low, high) for s in splines]) @ null
        constant = {VALUE: np.ones_like(t), SLOPE: np.zeros_like(t), AREA: t}[form]
        return np.column_stack([constant, raw])


def _value(s: Any, t: Floats, low: float, high: float) -> Floats:
    inside = np.clip(t, low, high)
    end = np.where(t < low, low, high)
    out: Floats = s(inside) + s.derivative()(end) * (t - inside)
    return out


def _slope(s: Any, t: Floats, low: float, high: float) -> Floats:
    out: Floats = s.derivative()(np.clip(t, low, high))
    return out


def _area(s: Any, t: Floats, low: float, high: float) -> Floats:
    """Integral from 0; straight beyond the boundary knots."""

    def up_to(x: Floats) -> Floats:
        inside = np.clip(x, low, high)
        beyond = x - inside
        end = np.where(x < low, low, high)
        out: Floats = (
            s.antiderivative()(inside) + s(end) * beyond + s.derivative()(end) * beyond**2 / 2
        )
        return out

    return up_to(t) - up_to(np.zeros_like(t))


def require_end(end: float) -> None:
    """Refuse a last visit before the origin."""
    if not 0.0 <= end < np.inf:
        raise ModelError(
            f"end is the last visit, in years since the origin, not {end!r}. Leave it at 0 to let "
            "it be learnt."
        )


def _null_space(bend: Floats) -> Floats:
    """Combinations of B-splines without curvature at both ends, signs as R has them."""
    q, _ = np.linalg.qr(bend.T, mode="complete")
    null: Floats = q[:, 2:]
    sign = np.where(null[np.abs(null).argmax(axis=0), range(null.shape[1])] < 0, -1.0, 1.0)
    return null * sign


@dataclass(frozen=True, slots=True)
@typed
class CubicSpline:
    """Cubic B-spline with `df` columns beside the constant, for shapes that bend freely.

    Examples
    --------
    >>> Trajectory(marker="load", basis=CubicSpline(df=5)).basis.df
    5
    """

    shared: ClassVar[tuple[str, ...]] = ()
    df: int = 5
    end: float = 0.0
    kind: str = "cubic B-spline"

    def __post_init__(self) -> None:
        if self.df < 3:
            raise ModelError(f"A cubic B-spline needs df of 3 or more, not {self.df}.")
        require_end(self.end)

    @property
    def labels(self) -> tuple[str, ...]:
        """``level``, then one name a column."""
        return ("level", *(f"B-spline {k + 1}" for k in range(self.df)))

    def learn(self, years: Floats) -> Self:
        """Take the end of the last visit."""
        return self if self.end else replace(self, end=float(np.max(years, initial=0.0)) or 1.0)

    def columns(self, years: Floats, form: str = VALUE) -> Floats:
        """Values, slopes or areas; straight beyond the last visit."""
        t = np.asarray(years, dtype=np.float64)
        inner = np.linspace(0, self.end, self.df - 1)
        grid = np.r_[[0.0] * 3, inner, [self.end] * 3]
        order = {VALUE: _value, SLOPE: _slope, AREA: _area}[form]
        splines = [BSpline(grid, row, 3) for row in np.eye(self.df + 1)[1:]]
        raw = np.column_stack([order(s, t, 0.0, self.end) for s in splines])
        constant = {VALUE: np.ones_like(t), SLOPE: np.zeros_like(t), AREA: t}[form]
        return np.column_stack([constant, raw])


BASES: Final[Sequence[type[Any]]] = (Polynomial, Biphasic, NaturalSpline, CubicSpline)
