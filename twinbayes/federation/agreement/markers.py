"""What knots and scales of curves are agreed on from: sums over all visits of all sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import norm

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort
from twinbayes.errors import FederationError
from twinbayes.model import CurveEncoding, Encoding, ModelSpec
from twinbayes.model.covariates.columns import ROUNDING, Column
from twinbayes.model.covariates.missing import NormalModel
from twinbayes.model.covariates.terms import CovariateTerm, Group, Interaction
from twinbayes.model.curves.basis import VALUE
from twinbayes.model.curves.marker import NEVER, MarkerScale, transformed
from twinbayes.model.curves.means.mean_function import MeanFunction
from twinbayes.model.curves.trajectory import Trajectory
from twinbayes.model.curves.turns import first_days
from twinbayes.names import DAY, DAYS_PER_YEAR, PATIENT_ID, VISIT_VALUE

VISIT_GRID: Final = np.concatenate([[0.0], np.geomspace(1.0, 40_000.0, 60)])
"""Days between which visits are counted; earlier ones count with the first."""

_SUMS: Final = 3  # number of values, their sum and that of their squares
_MOST_TIMES: Final = 10_000_000  # more are noise: sums of masks that do not cancel
_QUANTILES: Final = norm.ppf((np.arange(199) + 0.5) / 199)
_NORMAL: Final = _QUANTILES / _QUANTILES.std()


@dataclass(frozen=True)
class MarkerFacts:
    """The order of the numbers of visits that all sites sum up.

    Attributes
    ----------
    spec
        The model.
    """

    spec: ModelSpec

    @property
    def markers(self) -> tuple[Trajectory, ...]:
        """Markers that have curves."""
        curves = self.spec.trajectories
        return () if curves is None else curves.markers

    @property
    def size(self) -> int:
        """Number of the numbers of `of_site`."""
        return sum(map(_size, self.markers))

    def patients(self, cohort: Cohort) -> list[float]:
        """A site's numbers of patients: with values of each marker, and with some on each turn."""
        out = []
        for t in self.markers:
            visits = _visits(t, cohort)
            who = visits[PATIENT_ID].to_numpy()
            days = visits[DAY].to_numpy(dtype=np.float64)
            on = days[:, None] >= _starts(t, cohort, visits)
            out.append(float(len(set(who))))
            out += [float(len(set(who[on[:, k]]))) for k in range(len(t.turns))]
        return out

    @property
    def names(self) -> tuple[str, ...]:
        """What those are numbers of."""
        return tuple(
            name
            for t in self.markers
            for name in (
                f"values of {t.marker}",
                *(f"values of {t.marker} since {turn.what}" for turn in t.turns),
            )
        )

    def of_site(self, cohort: Cohort) -> Floats:
        """Of each marker: values after their transform, squares on its turns, visits by day."""
        parts = [np.zeros(0)]
        for t in self.markers:
            visits = _visits(t, cohort)
            if not len(visits):
                parts.append(np.zeros(_size(t)))
                continue
            values = transformed(t.marker, t.transform, visits[VISIT_VALUE])
            days = visits[DAY].to_numpy(dtype=np.float64)
            parts.append(np.array([float(len(values)), values.sum(), (values**2).sum()]))
            parts.append(_squares_on_turns(t, cohort, visits))
            within = np.clip(days, 0.0, VISIT_GRID[-1])
            parts.append(np.histogram(within, VISIT_GRID)[0].astype(float))
        return np.concatenate(parts)

    def scales(self, total: Floats) -> tuple[MarkerScale, ...]:
        """Knots and scales, from the sums over all sites.

        Raises
        ------
        FederationError
            A marker does not vary.
        """
        ends = np.cumsum([0, *map(_size, self.markers)])
        each = (total[a:b] for a, b in pairwise(ends))
        return tuple(_scale(t, own) for t, own in zip(self.markers, each, strict=True))


def with_curves(
    spec: ModelSpec, encoding: Encoding, scales: Sequence[MarkerScale]
) -> CurveEncoding:
    """Columns that act on curves, which are some of those of hazards, beside knots and scales."""
    terms = () if spec.trajectories is None else spec.trajectories.covariates
    some = [k for k, c in enumerate(encoding.columns) if any(_is_of(c, t) for t in terms)]
    known = encoding.normal
    normal = NormalModel(known.mean[some], known.covariance[np.ix_(some, some)])
    columns = tuple(encoding.columns[k] for k in some)
    own = Encoding(columns, encoding.subgroups, encoding.centres, normal, ())
    return CurveEncoding(own, tuple(scales))


def _is_of(column: Column, term: CovariateTerm) -> bool:
    if isinstance(term, Group):
        return column.group == term.group
    names = term.names if isinstance(term, Interaction) else (term.name,)
    return column.sources == names and column.group == term.group


def _visits(t: Trajectory, cohort: Cohort) -> pd.DataFrame:
    visits = cohort.dated().visits
    if visits is None:
        return pd.DataFrame({PATIENT_ID: [], DAY: [], VISIT_VALUE: []})
    return visits[visits["marker"] == t.marker]


def evenly_spread(counts: Floats, grid: Floats) -> Floats:
    """Times that have these counts (bin,) in the bins of a grid, evenly spread over each.

    Raises
    ------
    FederationError
        Counts that are none.
    """
    if counts.min(initial=0.0) <= -0.5 or counts.sum() > _MOST_TIMES:
        raise FederationError(
            f"Sums over all sites have fewer than 0 or more than {_MOST_TIMES:,} visits, events or "
            "patients: a site has answered with another key than it told, or not what was asked. "
            "Compare the fingerprints of the keys, and begin the study again."
        )
    whole = np.round(counts).astype(np.int64)
    parts = [
        low + (high - low) * (np.arange(n) + 0.5) / n
        for (low, high), n in zip(pairwise(grid), whole, strict=True)
        if n > 0
    ]
    return np.concatenate([*parts, np.zeros(0)])


def _size(t: Trajectory) -> int:
    """Number of the numbers of one marker."""
    return _SUMS + len(t.turns) + len(VISIT_GRID) - 1


def _squares_on_turns(t: Trajectory, cohort: Cohort, visits: pd.DataFrame) -> Floats:
    """(turn,) sums over visits of the squares of each turn's column."""
    starts = _starts(t, cohort, visits)
    days = visits[DAY].to_numpy(dtype=np.float64)
    each = [(x.column(days, starts[:, k], VALUE) ** 2).sum() for k, x in enumerate(t.turns)]
    return np.array(each, dtype=np.float64)


def _starts(t: Trajectory, cohort: Cohort, visits: pd.DataFrame) -> Floats:
    """(visit, turn) day on which each turn begins, infinite where it does not."""
    place = {patient: i for i, patient in enumerate(cohort.patient_ids)}
    who = np.array([place[p] for p in visits[PATIENT_ID]], dtype=np.int64)
    out: Floats = first_days(t.turns, cohort)[who]
    return out


def _scale(t: Trajectory, numbers: Floats) -> MarkerScale:
    """What `MarkerScale.learn` learns, from values and visits that have the same sums."""
    n, total, squares = numbers[:_SUMS]
    mean = total / max(n, 1.0)
    variance = squares / max(n, 1.0) - mean**2
    if n < 1 or variance <= max(ROUNDING * abs(mean), 1e-9) ** 2:
        raise FederationError(
            f"Marker {t.marker!r} has one and the same value at all visits of all sites, or none. "
            "Leave its curve out of the disease file."
        )
    if isinstance(t.basis, MeanFunction):
        raise FederationError(f"The curve of {t.marker!r} is a mean function.")
    centre, scale = t.family.standard(mean + np.sqrt(variance) * _NORMAL)
    squares_on_turns, visits = np.split(numbers[_SUMS:], [len(t.turns)])
    days = evenly_spread(visits, VISIT_GRID)
    basis = t.basis.learn(days / DAYS_PER_YEAR)
    ones = (1.0,) * (len(basis.labels) + len(t.turns))
    plain = MarkerScale(t.marker, t.transform, basis, centre, scale, ones, t.family, t.turns)
    found = plain.in_units_of(days, np.full((len(days), len(t.turns)), np.inf))
    turned = (
        float(x) if x > NEVER else 1.0 for x in np.sqrt(np.maximum(squares_on_turns, 0.0) / n)
    )
    of_basis = found.column_scale[: len(found.column_scale) - len(t.turns)]
    return replace(found, column_scale=(*of_basis, *turned))
