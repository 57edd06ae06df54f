"""Visits of one marker as arrays: what the likelihood of a trajectory reads.

A marker with normal errors around a curve that is linear in its coefficients needs no visit by
itself: three sums a patient say all that its measured values say. Values beyond a detection limit,
those of other families, and those around a mean function are kept one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd
import pytensor.tensor as pt

from twinbayes.arrays import Floats, Ints
from twinbayes.cohort import Cohort
from twinbayes.errors import ModelError
from twinbayes.model.covariates.columns import in_rows, is_constant
from twinbayes.model.curves.basis import VALUE, TimeBasis
from twinbayes.model.curves.families.normal import Normal
from twinbayes.model.curves.families.protocol import DENSITY, LEFT, MEASURED, RIGHT, MarkerFamily
from twinbayes.model.curves.means.mean_function import MeanFunction
from twinbayes.model.curves.turns import Since, first_days, require_dated
from twinbayes.model.curves.visit_table import VisitTable
from twinbayes.model.storing.codec import Known, decode, encode
from twinbayes.names import CENSORED, DAY, DAYS_PER_YEAR, PATIENT_ID, VISIT_VALUE
from twinbayes.tensors import Tensor

TRANSFORMS: Final = ("identity", "log")
_KEPT: Final = 4  # times of which the basis is kept
NEVER: Final = 1e-9  # a column that no visit sees keeps its scale


@dataclass(frozen=True)
class MarkerScale:
    """What is learnt of a marker from one cohort, and applied to any other.

    Curves are sampled where the marker has mean 0 and standard deviation 1, in units of the root
    mean square of each basis column; parameters of a mean function in its own standard units.

    Attributes
    ----------
    marker, transform, basis
        As in `Trajectory`, with the knots of the basis, or the standard units, known.
    centre, scale
        Mean and standard deviation of all values after the transform.
    column_scale
        (column,) root mean square of each basis column over the visits; 1 for the constant. Of a
        mean function, `scale` over the unit of each parameter.
    family
        How measurements scatter.
    turns
        What else curves are made of: columns that begin on a day of the patient's own.
    """

    marker: str
    transform: str
    basis: TimeBasis | MeanFunction
    centre: float
    scale: float
    column_scale: tuple[float, ...]
    family: MarkerFamily = field(default_factory=Normal)
    turns: tuple[Since, ...] = ()

    @classmethod
    def learn(
        cls,
        marker: str,
        transform: str,
        basis: TimeBasis | MeanFunction,
        family: MarkerFamily,
        turns: tuple[Since, ...],
        cohort: Cohort,
    ) -> MarkerScale:
        """Fix knots and scales from the visits of a cohort.

        Raises
        ------
        ModelError
            The marker has no values, does not vary, or has values that the transform cannot take.
        """
        visits = visits_of(marker, cohort)
        if not len(visits):
            known = [] if cohort.visits is None else sorted(set(cohort.visits["marker"]))
            raise ModelError(
                f"The cohort has no visits with marker {marker!r}. "
                f"Markers with visits: {', '.join(map(repr, known)) or 'none'}."
            )
        codes = codes_of(marker, family, visits)
        if np.isin(codes, (LEFT, RIGHT)).all():
            raise ModelError(
                f"All {len(codes)} values of marker {marker!r} lie beyond a detection limit or at "
                "an end of the scale: they tell of no curve. Leave the marker out."
            )
        values = transformed(marker, transform, visits[VISIT_VALUE])
        if is_constant(values):
            raise ModelError(f"Marker {marker!r} has one and the same value at all visits.")
        centre, scale = family.standard(values)
        require_dated(turns, cohort, marker)
        days = visits[DAY].to_numpy(dtype=np.float64)
        if isinstance(basis, MeanFunction):
            adapted = basis.adapt(days / DAYS_PER_YEAR, centre, scale, transform)
            per_unit = tuple(scale / unit for _, _, unit in adapted.standard)
            return cls(marker, transform, adapted, centre, scale, per_unit, family)._checked(days)
        learnt = basis.learn(days / DAYS_PER_YEAR)
        width = len(learnt.labels) + len(turns)
        plain = cls(marker, transform, learnt, centre, scale, (1.0,) * width, family, turns)
        return plain.in_units_of(days, first_days(turns, cohort)[_who(visits, cohort)])

    def in_units_of(self, days: Floats, starts: Floats) -> MarkerScale:
        """Take the root mean square of each basis column over visits (time,) as its unit."""
        spread = np.sqrt((self.columns(days, starts)[:, 1:] ** 2).mean(axis=0))
        return replace(self, column_scale=(1.0, *(float(x) if x > NEVER else 1.0 for x in spread)))

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of a patient's coefficients."""
        return (*self.basis.labels, *(turn.label for turn in self.turns))

    @property
    def varies(self) -> tuple[bool, ...]:
        """Whether patients differ in each coefficient."""
        own = (label not in self.basis.shared for label in self.basis.labels)
        return (*own, *(turn.varies for turn in self.turns))

    @cached_property
    def mean(self) -> MeanFunction | None:
        """The mean function; None where the curve is linear in its coefficients."""
        return self.basis if isinstance(self.basis, MeanFunction) else None

    @property
    def offset(self) -> float:
        """What the linear predictor of a visit has beside the curve on the sampling scale."""
        return 0.0 if self.family.transformable else self.centre

    def columns(self, days: Floats, starts: Floats, form: str = VALUE) -> Floats:
        """(time, column) basis on the sampling scale; slopes and areas are per year.

        `starts` (time, turn), or (turn,) of one patient, are the days on which turns begin. All
        that a mean function needs is one column: years.
        """
        days = np.asarray(days, dtype=np.float64)
        if self.mean is not None:
            years: Floats = days[:, None] / DAYS_PER_YEAR
            return years
        if not self.turns:
            return self._of_basis(days, form)
        starts = np.broadcast_to(starts, (len(days), len(self.turns)))
        plain = self._linear().columns(days / DAYS_PER_YEAR, form)
        turned = [t.column(days, starts[:, k], form) for k, t in enumerate(self.turns)]
        scaled: Floats = np.column_stack([plain, *turned]) / np.array(self.column_scale)
        return scaled

    @cached_property
    def _found(self) -> dict[tuple[bytes, str], Floats]:
        return {}

    def _of_basis(self, days: Floats, form: str) -> Floats:
        """`columns` without turns: the same for every patient, so those last asked for are kept."""
        key = days.tobytes(), form
        found = self._found.get(key)
        if found is None:
            found = self._linear().columns(days / DAYS_PER_YEAR, form) / np.array(self.column_scale)
            found.flags.writeable = False
            if len(self._found) >= _KEPT:
                self._found.clear()
            self._found[key] = found
        return found

    def natural(self) -> Floats:
        """Factor (column,) from the sampling scale to the transformed marker's own."""
        return self.scale / np.array(self.column_scale)

    def natural_level(self) -> Floats:
        """What to add to coefficients (column,) on the marker's own scale: means, or centres."""
        if self.mean is not None:
            return np.array([centre for _, centre, _ in self.mean.standard])
        level: Floats = np.r_[self.centre, np.zeros(len(self.column_scale) - 1)]
        return level

    def parameter_units(self) -> Floats:
        """Factor (number,) from the sampling scale to the transformed marker's own."""
        own = self.family.parameters
        units = [np.full(p.width, self.scale if p.is_scaled else 1.0) for p in own]
        return np.concatenate([*units, np.zeros(0)])

    def path(self, days: Floats, starts: Floats, own: Floats, form: str = VALUE) -> Floats:
        """(time, draw) curve on the sampling scale, given coefficients (draw, column)."""
        if self.mean is not None:
            bent: Floats = self.follow(days[:, None] / DAYS_PER_YEAR, list(own.T), form)
            return bent
        out: Floats = self.columns(days, starts, form) @ own.T
        return out

    def follow(self, years: Any, coefficients: Sequence[Any], form: str = VALUE) -> Any:
        """Mean function on the sampling scale, or its slope; arrays or tensors that broadcast."""
        curve = self._mean().curve(years, self._own(coefficients), self.transform, form)
        return (curve - self.centre) / self.scale if form == VALUE else curve / self.scale

    def bend(self, years: Floats, coefficients: Sequence[Floats], form: str = VALUE) -> Floats:
        """(..., coefficient) derivatives of `follow`."""
        own = self._mean().jacobian(years, self._own(coefficients), self.transform, form)
        out: Floats = own / np.array(self.column_scale)
        return out

    def _linear(self) -> TimeBasis:
        if isinstance(self.basis, MeanFunction):
            raise ModelError(f"The curve of marker {self.marker!r} has no linear basis.")
        return self.basis

    def _mean(self) -> MeanFunction:
        if self.mean is None:
            raise ModelError(f"The curve of marker {self.marker!r} has no mean function.")
        return self.mean

    def _own(self, coefficients: Sequence[Any]) -> list[Any]:
        """Parameters of the mean function from coefficients on the sampling scale."""
        units = zip(self.natural_level(), self.natural(), coefficients, strict=True)
        return [level + unit * c for level, unit, c in units]

    def _checked(self, days: Floats) -> MarkerScale:
        """Refuse a mean function without a value at the centre of its parameters."""
        mean, years = self._mean(), days / DAYS_PER_YEAR
        centres = [np.full(len(years), c) for c in self.natural_level()]
        with np.errstate(all="ignore"):
            values = np.asarray(mean.curve(years, centres, self.transform), dtype=np.float64)
        bad = values.shape != years.shape or not np.isfinite(values).all()
        if bad:
            raise ModelError(
                f"Marker {self.marker!r}: at the centre of its parameters the mean function "
                f"{mean.kind!r} has no finite value, after the transform {self.transform!r}, for "
                "each visit. Correct the function, or its `standard`."
            )
        return self

    def read(self, cohort: Cohort) -> MarkerData:
        """Sum up the measured values of each patient of a cohort; keep the other visits."""
        visits = visits_of(self.marker, cohort)
        codes = codes_of(self.marker, self.family, visits)
        y = self._standardised(visits[VISIT_VALUE])
        who, starts = _who(visits, cohort), first_days(self.turns, cohort)
        columns = self.columns(visits[DAY].to_numpy(dtype=np.float64), starts[who])
        n, width = cohort.n_patients, columns.shape[1]
        known = self.family.information(codes, visits[VISIT_VALUE].to_numpy(dtype=np.float64))
        information = np.bincount(who, known, n)
        summed = (codes == MEASURED) & (self.mean is None)
        table = VisitTable(*(a[~summed] for a in (who, columns, y, codes)))
        who, columns, y = (a[summed] for a in (who, columns, y))
        square, product = np.zeros((n, width, width)), np.zeros((n, width))
        np.add.at(square, who, columns[:, :, None] * columns[:, None, :])
        np.add.at(product, who, columns * y[:, None])
        count = np.bincount(who, minlength=n).astype(np.float64)
        total = np.bincount(who, y**2, n)
        return MarkerData(self, square, product, total, count, information, table, starts)

    def _standardised(self, values: pd.Series) -> Floats:
        """Values as the likelihood reads them: standardised, counts, or the rank of grades."""
        numbers = self.family.read(transformed(self.marker, self.transform, values))
        return (numbers - self.centre) / self.scale if self.family.transformable else numbers

    def to_dict(self) -> dict[str, Any]:
        """Plain data for storage; `from_dict` undoes it."""
        return {f.name: encode(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], known: Known) -> MarkerScale:
        """Rebuild what `to_dict` wrote; `known` as for `codec.decode`."""
        return cls(**{name: decode(value, known) for name, value in data.items()})


@dataclass(frozen=True)
class MarkerData:
    """The visits of one marker, on the sampling scale.

    Attributes
    ----------
    scale
        What was learnt of the marker.
    square, product
        Basis columns against each other (patient, column, column), and against the values
        (patient, column).
    total, count
        Sum of squared values, and number of values, of each patient.
    information
        (patient,) how much the visits say of a patient's curve, in measured values.
    visits
        Visits that are not in the sums.
    starts
        (patient, turn) days on which turns begin, infinite where they do not.
    """

    scale: MarkerScale
    square: Floats
    product: Floats
    total: Floats
    count: Floats
    information: Floats
    visits: VisitTable
    starts: Floats

    @property
    def gram(self) -> Floats:
        """(column, column) basis columns against each other, over all visits."""
        own = self.visits.columns
        out: Floats = self.square.sum(axis=0) + own.T @ own
        return out

    def logp(self, curve: Tensor, parameters: Sequence[Tensor], weight: Tensor) -> Tensor:
        """Log density of all visits, given curves (patient, column) and weights (patient,)."""
        total = pt.as_tensor(0.0)
        if self.count.any():
            total += (weight * self._measured(curve, parameters[0])).sum()
        if len(self.visits.value):
            who, columns = self.visits.patient, self.visits.columns
            if self.scale.mean is None:
                # Column by column: long vectors, where rows would be two or three numbers each.
                eta = sum(columns[:, b] * curve[:, b][who] for b in range(columns.shape[1]))
            else:
                own = [curve[:, b][who] for b in range(len(self.scale.labels))]
                eta = self.scale.follow(columns[:, 0], own)
            family = self.scale.family
            terms = family.loglik(
                eta + self.scale.offset, self.visits.value, self.visits.code, *parameters
            )
            total += (weight[who] * (terms - self._unit())).sum()
        return total

    def _measured(self, curve: Tensor, sigma: Tensor) -> Tensor:
        """(patient,) log density of the visits that have been summed up."""
        fitted = (pt.as_tensor(self.square) * curve[:, None, :]).sum(axis=2)
        misfit = self.total + (curve * (fitted - 2 * self.product)).sum(axis=1)
        constant = -self.count * (0.5 * np.log(2 * np.pi) + np.log(self.scale.scale))
        out: Tensor = constant - self.count * pt.log(sigma) - 0.5 * misfit / sigma**2
        return out

    def _unit(self) -> Floats:
        """(visit,) log of the scale for densities, 0 for probabilities."""
        is_density = np.isin(self.visits.code, (MEASURED, DENSITY))
        return np.where(is_density, np.log(self.scale.scale), 0.0)


def _who(visits: pd.DataFrame, cohort: Cohort) -> Ints:
    """(visit,) index of the patient."""
    order = {p: i for i, p in enumerate(cohort.patient_ids)}
    return np.array([order[p] for p in visits[PATIENT_ID]], dtype=np.int64)


def visits_of(marker: str, cohort: Cohort) -> pd.DataFrame:
    """Visits of a cohort with a marker."""
    if cohort.visits is None:
        return pd.DataFrame({PATIENT_ID: [], DAY: [], VISIT_VALUE: [], CENSORED: []})
    return cohort.visits[cohort.visits["marker"] == marker]


def codes_of(marker: str, family: MarkerFamily, visits: pd.DataFrame) -> Ints:
    """(visit,) what each contributes; refuses values that the family cannot have."""
    if not len(visits):
        return np.zeros(0, dtype=np.int64)
    values = visits[VISIT_VALUE].to_numpy(dtype=np.float64)
    try:
        codes = family.codes(values, visits[CENSORED].fillna("none").to_numpy(dtype=str))
    except ModelError as error:
        raise ModelError(f"Marker {marker!r}: {error}") from None
    if MEASURED in codes and not isinstance(family, Normal):
        raise ModelError(
            f"Marker {marker!r}: the {family.kind} family gives visits the code MEASURED, under "
            "which they are summed up as normal ones. Give them DENSITY."
        )
    return codes


def transformed(marker: str, transform: str, values: pd.Series) -> Floats:
    """(visit,) values on the scale of the curve.

    Raises
    ------
    ModelError
        Values that cannot be logged.
    """
    numbers = values.to_numpy(dtype=np.float64)
    if transform == "identity":
        return numbers
    if np.any(numbers <= 0):
        rows = np.zeros(int(values.index.max()) + 1, dtype=bool)
        rows[values.index[numbers <= 0]] = True
        raise ModelError(
            f"Marker {marker!r} has values of 0 or less in {in_rows(rows)}, the visits, and cannot "
            "be logged. Correct them, leave them out, or use transform='identity'."
        )
    logged: Floats = np.log(numbers)
    return logged
