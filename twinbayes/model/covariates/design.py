"""Baseline covariates as a matrix, with what is known about the missing entries.

`Encoding.learn` looks at one cohort; `Encoding.encode` then turns any cohort into the same
columns. Missing entries are not filled in and forgotten: under a multivariate normal model of
the columns each has a conditional mean and variance given what the patient does have, and the
likelihood integrates it out (see `event_kernel`); forecasts draw it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort
from twinbayes.errors import ModelError
from twinbayes.model.covariates.columns import Column, learn_columns
from twinbayes.model.covariates.missing import NormalModel
from twinbayes.model.covariates.terms import CovariateTerm
from twinbayes.names import CENTRE, SUBGROUP
from twinbayes.showing import brief


@dataclass(frozen=True)
class DesignMatrix:
    """Encoded covariates of some patients.

    Attributes
    ----------
    values
        (patient, column), missing entries at their conditional mean. The covariates come
        first, then one 0/1 column per subgroup, then one per centre.
    variances
        (patient, column), conditional variance of missing entries, 0 where observed.
    shift
        (column,), what to add to a column so that a 0/1 covariate is stored as 0/1.
    subgroup, centre
        Index of each patient's subgroup and centre, -1 if the encoding has not seen it.
    subgroup_label
        (patient,) the subgroups by name, seen or not.
    """

    values: Floats
    variances: Floats
    shift: Floats
    subgroup: NDArray[np.int64]
    centre: NDArray[np.int64]
    subgroup_label: NDArray[np.str_]

    @property
    def n_patients(self) -> int:
        """Number of patients."""
        return len(self.values)

    def take(self, patients: NDArray[np.int64]) -> DesignMatrix:
        """Return the rows of some patients, each as often as it is named."""
        parts = ("values", "variances", "subgroup", "centre", "subgroup_label")
        return replace(self, **{name: getattr(self, name)[patients] for name in parts})


@brief
@dataclass(frozen=True)
class Encoding:
    """The columns of a design, as learnt from one cohort.

    Attributes
    ----------
    columns
        Covariate columns, in order.
    subgroups, centres
        Labels known to the fit.
    normal
        Multivariate normal model of the columns, for missing entries.
    left_out
        Covariates of a `Group` with too few carriers, and the rule.

    Examples
    --------
    >>> [column.label for column in fit.learnt.encoding.columns][:2]
    ['age_years', 'sex=male']
    """

    columns: tuple[Column, ...]
    subgroups: tuple[str, ...]
    centres: tuple[str, ...]
    normal: NormalModel
    left_out: tuple[str, ...] = ()

    @classmethod
    def learn(cls, terms: Sequence[CovariateTerm], cohort: Cohort) -> Encoding:
        """Fix columns, centring and the model of missingness from one cohort.

        Raises
        ------
        ModelError
            A covariate is unknown to the cohort, or constant.
        """
        table = cohort.covariates()
        columns, left_out = learn_columns(terms, table, cohort.variables)
        return cls(
            tuple(columns),
            cohort.subgroups,
            cohort.centres,
            NormalModel.learn(_encode(columns, table)),
            tuple(left_out),
        )

    def coarse(self, cohort: Cohort) -> Encoding:
        """The same with covariances that tell of no patient of the cohort; see `NormalModel`."""
        if not self.columns:
            return self
        return replace(self, normal=self.normal.coarse(self.observed(cohort)))

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the columns: the coordinate of the covariate dim."""
        return tuple(c.label for c in self.columns)

    @property
    def groups(self) -> tuple[str, ...]:
        """Covariate groups in order of first appearance."""
        return tuple(dict.fromkeys(c.group for c in self.columns))

    @property
    def is_binary(self) -> NDArray[np.bool_]:
        """Which columns are 0/1 before centring."""
        return np.array([c.is_binary for c in self.columns], dtype=bool)

    @property
    def shift(self) -> Floats:
        """Centring of 0/1 columns, 0 for the others."""
        return np.array([c.centre / c.scale if c.is_binary else 0.0 for c in self.columns])

    def encode(self, cohort: Cohort) -> DesignMatrix:
        """Encode the patients of any cohort that has the same covariates.

        Raises
        ------
        ModelError
            A covariate of the encoding is not in the cohort.
        """
        observed = self.observed(cohort)
        mean, variance = self.normal.conditional(observed)
        mean, variance = self._respect_binary(mean, variance, np.isnan(observed))
        subgroup = _positions(cohort.patients[SUBGROUP], self.subgroups)
        centre = _positions(cohort.patients[CENTRE], self.centres)
        one_hot = np.column_stack(
            [_one_hot(subgroup, len(self.subgroups)), _one_hot(centre, len(self.centres))]
        )
        return DesignMatrix(
            np.column_stack([mean, one_hot]),
            np.column_stack([variance, np.zeros_like(one_hot)]),
            np.concatenate([self.shift, np.zeros(one_hot.shape[1])]),
            subgroup,
            centre,
            cohort.patients[SUBGROUP].to_numpy(dtype=np.str_),
        )

    def observed(self, cohort: Cohort) -> Floats:
        """Columns of the patients of a cohort as they are, NaN where missing, (patient, column).

        Raises
        ------
        ModelError
            A covariate of the encoding is not in the cohort.
        """
        table = cohort.covariates()
        self._require_columns(table)
        return _encode(self.columns, table)

    def _respect_binary(
        self, mean: Floats, variance: Floats, missing: NDArray[np.bool_]
    ) -> tuple[Floats, Floats]:
        """A missing 0/1 entry is a Bernoulli: mean within [0, 1], variance p (1 - p)."""
        mean, variance = mean.copy(), variance.copy()
        for k in np.flatnonzero(self.is_binary):
            column, rows = self.columns[k], missing[:, k]
            p = np.clip(mean[rows, k] * column.scale + column.centre, 0.005, 0.995)
            mean[rows, k] = (p - column.centre) / column.scale
            variance[rows, k] = p * (1 - p) / column.scale**2
        return mean, variance

    def _require_columns(self, table: pd.DataFrame) -> None:
        absent = sorted({s for c in self.columns for s in c.sources} - set(table.columns))
        if absent:
            raise ModelError(
                f"patients/genomics: the covariates {', '.join(map(repr, absent))} of this model "
                "are not in the cohort. Add the columns (blank where unknown), or choose a model "
                "without them."
            )

    def missing_inputs(self, cohort: Cohort) -> list[tuple[str, ...]]:
        """For each patient, the labels of the columns that are missing."""
        table = cohort.covariates()
        self._require_columns(table)
        missing = [np.isnan(c.raw(table)) for c in self.columns]
        return [
            tuple(label for label, m in zip(self.labels, missing, strict=True) if m[i])
            for i in range(len(table))
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for storage; `from_dict` undoes it."""
        return {
            "columns": [{f: getattr(c, f) for f in Column.__slots__} for c in self.columns],
            "subgroups": list(self.subgroups),
            "centres": list(self.centres),
            "normal": self.normal.to_dict(),
            "left_out": list(self.left_out),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Encoding:
        """Rebuild an encoding that `to_dict` wrote."""
        columns = tuple(
            Column(**{**c, **{key: tuple(c[key]) for key in ("sources", "levels", "knots")}})
            for c in data["columns"]
        )
        return cls(
            columns,
            tuple(data["subgroups"]),
            tuple(data["centres"]),
            NormalModel.from_dict(data["normal"]),
            tuple(data["left_out"]),
        )


def _encode(columns: Sequence[Column], table: pd.DataFrame) -> Floats:
    """(patient, column) values, NaN where missing."""
    if not columns:
        return np.zeros((len(table), 0))
    return np.column_stack([c.encode(table) for c in columns])


def _positions(labels: pd.Series, known: tuple[str, ...]) -> NDArray[np.int64]:
    order = {label: k for k, label in enumerate(known)}
    return np.array([order.get(str(x), -1) for x in labels], dtype=np.int64)


def _one_hot(index: NDArray[np.int64], width: int) -> Floats:
    out = np.zeros((len(index), width))
    rows = np.flatnonzero(index >= 0)
    out[rows, index[rows]] = 1.0
    return out
