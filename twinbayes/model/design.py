"""Baseline covariates as a matrix, with what is known about the missing entries.

`Encoding.learn` looks at one cohort; `Encoding.encode` then turns any cohort into the same
columns. Missing entries are not filled in and forgotten: under a multivariate normal model of
the columns each has a conditional mean and variance given what the patient does have, and the
likelihood integrates it out (see `event_kernel`); forecasts draw it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twinbayes.cohort import Cohort
from twinbayes.errors import ModelError, require_known
from twinbayes.model.missing import NormalModel
from twinbayes.names import CENTRE, SUBGROUP

Floats = NDArray[np.float64]

TRANSFORMS: Final = ("standardise", "log", "binary", "category", "spline")


@dataclass(frozen=True, kw_only=True, slots=True)
class Term:
    """One covariate and how it enters.

    Parameters
    ----------
    name
        Column of the patients or genomics table.
    group
        Covariate group; effects within a group share a shrinkage scale per transition.
    transform
        ``standardise`` (mean 0, sd 1), ``log`` (log, then standardise), ``binary`` (0/1,
        centred), ``category`` (one centred 0/1 column a level but the reference: the first level
        of the variables dictionary, or the commonest where none are declared),
        ``spline`` (standardised, plus two natural cubic spline columns).
    """

    name: str
    group: str
    transform: str = "standardise"

    def __post_init__(self) -> None:
        require_known(self.transform, TRANSFORMS, f"transform of covariate {self.name!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """All 0/1 covariates of one group of the variables dictionary (genes, lesions …).

    Those with fewer than `min_carriers` carriers (or non-carriers) are left out and listed.
    """

    group: str
    min_carriers: int = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Interaction:
    """The product of two or three 0/1 or numeric covariates, beside their own terms."""

    names: tuple[str, ...]
    group: str = "interaction"


CovariateTerm = Term | Group | Interaction


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the design: ``(f(product of sources) - centre) / scale``."""

    label: str
    group: str
    sources: tuple[str, ...]
    function: str  # identity | log | level | spline
    centre: float
    scale: float
    is_binary: bool
    level: str = ""
    knots: tuple[float, ...] = ()

    def raw(self, table: pd.DataFrame) -> Floats:
        """Values before centring, NaN where any source is missing."""
        if self.function == "level":
            values = table[self.sources[0]]
            out = (values.astype(object) == self.level).to_numpy(dtype=float)
            out[values.isna().to_numpy()] = np.nan
            return out
        product = np.ones(len(table))
        for source in self.sources:
            product = product * _numeric(table, source)
        if self.function == "log":
            return np.log(product)
        if self.function == "spline":
            return _natural_spline_column(product, self.knots)
        return product

    def encode(self, table: pd.DataFrame) -> Floats:
        return (self.raw(table) - self.centre) / self.scale


@dataclass(frozen=True)
class Design:
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
    """

    values: Floats
    variances: Floats
    shift: Floats
    subgroup: NDArray[np.int64]
    centre: NDArray[np.int64]

    @property
    def n_patients(self) -> int:
        return len(self.values)


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
        columns: list[Column] = []
        left_out: list[str] = []
        for term in terms:
            if isinstance(term, Group):
                found, rare = _group_columns(term, table, cohort.variables)
                columns += found
                left_out += rare
            elif isinstance(term, Interaction):
                columns.append(_interaction_column(term, table))
            else:
                columns += _term_columns(term, table, cohort.variables)
        encoded = (
            np.column_stack([c.encode(table) for c in columns])
            if columns
            else np.zeros((len(table), 0))
        )
        return cls(
            tuple(columns),
            cohort.subgroups,
            cohort.centres,
            NormalModel.learn(encoded),
            tuple(left_out),
        )

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(c.label for c in self.columns)

    @property
    def groups(self) -> tuple[str, ...]:
        """Covariate groups in order of first appearance."""
        return tuple(dict.fromkeys(c.group for c in self.columns))

    @property
    def group_index(self) -> NDArray[np.int64]:
        """Group of each column."""
        order = {g: k for k, g in enumerate(self.groups)}
        return np.array([order[c.group] for c in self.columns], dtype=np.int64)

    @property
    def is_binary(self) -> NDArray[np.bool_]:
        return np.array([c.is_binary for c in self.columns], dtype=bool)

    @property
    def shift(self) -> Floats:
        """Centring of 0/1 columns, 0 for the others."""
        return np.array([c.centre / c.scale if c.is_binary else 0.0 for c in self.columns])

    def encode(self, cohort: Cohort) -> Design:
        """Encode the patients of any cohort that has the same covariates.

        Raises
        ------
        ModelError
            A covariate of the encoding is not in the cohort.
        """
        table = cohort.covariates()
        self._require_columns(table)
        observed = (
            np.column_stack([c.encode(table) for c in self.columns])
            if self.columns
            else np.zeros((len(table), 0))
        )
        mean, variance = self.normal.conditional(observed)
        mean, variance = self._respect_binary(mean, variance, np.isnan(observed))
        subgroup = _positions(cohort.patients[SUBGROUP], self.subgroups)
        centre = _positions(cohort.patients[CENTRE], self.centres)
        one_hot = np.column_stack(
            [_one_hot(subgroup, len(self.subgroups)), _one_hot(centre, len(self.centres))]
        )
        return Design(
            np.column_stack([mean, one_hot]),
            np.column_stack([variance, np.zeros_like(one_hot)]),
            np.concatenate([self.shift, np.zeros(one_hot.shape[1])]),
            subgroup,
            centre,
        )

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
        columns = tuple(
            Column(**{**c, "sources": tuple(c["sources"]), "knots": tuple(c["knots"])})
            for c in data["columns"]
        )
        return cls(
            columns,
            tuple(data["subgroups"]),
            tuple(data["centres"]),
            NormalModel.from_dict(data["normal"]),
            tuple(data["left_out"]),
        )


def _numeric(table: pd.DataFrame, name: str) -> Floats:
    if name not in table.columns:
        raise ModelError(
            f"Covariate {name!r} is not in the cohort. "
            f"Known: {', '.join(map(repr, table.columns))}."
        )
    values = table[name]
    if values.dtype == object or isinstance(values.dtype, pd.StringDtype | pd.CategoricalDtype):
        raise ModelError(f"Covariate {name!r} has text levels: use transform='category'.")
    return values.to_numpy(dtype=float, na_value=np.nan)


def _term_columns(term: Term, table: pd.DataFrame, variables: pd.DataFrame) -> list[Column]:
    if term.transform == "category":
        return _category_columns(term, table, variables)
    values = _numeric(table, term.name)
    known = values[~np.isnan(values)]
    if term.transform == "binary":
        return [
            Column(
                term.name, term.group, (term.name,), "identity", _mean(known, term.name), 1.0, True
            )
        ]
    if term.transform == "log":
        if np.any(known <= 0):
            raise ModelError(
                f"Covariate {term.name!r} has values ≤ 0 and cannot be logged. "
                "Use transform='standardise'."
            )
        known = np.log(known)
        return [_standardised(f"log_{term.name}", term, "log", known)]
    columns = [_standardised(term.name, term, "identity", known)]
    if term.transform == "spline":
        q = tuple(float(x) for x in np.quantile(known, [0.05, 0.35, 0.65, 0.95]))
        for k in range(2):
            knots = (float(k), *q)
            curve = _natural_spline_column(known, knots)
            columns.append(
                _standardised(f"{term.name}_spline{k + 1}", term, "spline", curve, knots=knots)
            )
    return columns


def _standardised(
    label: str, term: Term, function: str, known: Floats, knots: tuple[float, ...] = ()
) -> Column:
    scale = float(np.std(known)) if len(known) else 0.0
    if scale <= 0:
        raise ModelError(f"Covariate {term.name!r} is constant in this cohort. Leave it out.")
    return Column(
        label, term.group, (term.name,), function, float(np.mean(known)), scale, False, knots=knots
    )


def _category_columns(term: Term, table: pd.DataFrame, variables: pd.DataFrame) -> list[Column]:
    if term.name not in table.columns:
        raise ModelError(
            f"Covariate {term.name!r} is not in the cohort. "
            f"Known: {', '.join(map(repr, table.columns))}."
        )
    share = table[term.name].value_counts(normalize=True)
    if len(share) < 2:
        raise ModelError(
            f"Covariate {term.name!r} has fewer than two levels in this cohort. Leave it out."
        )
    declared = variables.loc[variables["name"] == term.name, "levels"].dropna()
    order = str(declared.iloc[0]).split("|") if len(declared) else []
    present = [x for x in order if x in share.index]
    reference = present[0] if present else str(share.index[0])
    return [
        Column(
            f"{term.name}={level}",
            term.group,
            (term.name,),
            "level",
            float(share[level]),
            1.0,
            True,
            level=level,
        )
        for level in sorted(str(x) for x in share.index)
        if level != reference
    ]


def _group_columns(
    term: Group, table: pd.DataFrame, variables: pd.DataFrame
) -> tuple[list[Column], list[str]]:
    names = variables.loc[
        (variables["role"] == "covariate") & (variables["group"] == term.group), "name"
    ]
    if not len(names):
        known = sorted(set(variables["group"].dropna()))
        raise ModelError(
            f"No covariate of the cohort belongs to group {term.group!r}. "
            f"Known groups: {', '.join(map(repr, known))}."
        )
    columns, rare = [], []
    for name in names:
        values = _numeric(table, name)
        known = values[~np.isnan(values)]
        carriers = float(np.sum(known > 0))
        if min(carriers, len(known) - carriers) < term.min_carriers:
            rare.append(f"{name}: fewer than {term.min_carriers} carriers or non-carriers")
            continue
        columns.append(Column(name, term.group, (name,), "identity", _mean(known, name), 1.0, True))
    return columns, rare


def _interaction_column(term: Interaction, table: pd.DataFrame) -> Column:
    product = np.ones(len(table))
    for name in term.names:
        product = product * _numeric(table, name)
    known = product[~np.isnan(product)]
    binary = bool(np.all((known == 0) | (known == 1)))
    scale = 1.0 if binary else float(np.std(known)) or 1.0
    return Column(
        ":".join(term.names),
        term.group,
        term.names,
        "identity",
        _mean(known, ":".join(term.names)),
        scale,
        binary,
    )


def _mean(known: Floats, name: str) -> float:
    if not len(known) or np.all(known == known[0]):
        raise ModelError(
            f"Covariate {name!r} is constant or missing in every patient. Leave it out."
        )
    return float(np.mean(known))


def _natural_spline_column(x: Floats, knots: tuple[float, ...]) -> Floats:
    """Truncated-power natural cubic spline (Harrell 2001, eq. 2.25).

    `knots` is ``(which, k1, …, k4)``: which of the two non-linear columns, then four knots.
    """
    which, t = int(knots[0]), np.asarray(knots[1:])

    def cube(z: Floats) -> Floats:
        return np.where(z > 0, z, 0.0) ** 3

    last, before = t[-1], t[-2]
    curve = (
        cube(x - t[which])
        - cube(x - before) * (last - t[which]) / (last - before)
        + cube(x - last) * (before - t[which]) / (last - before)
    )
    out: Floats = np.where(np.isnan(x), np.nan, curve / (last - t[0]) ** 2)
    return out


def _positions(labels: pd.Series, known: tuple[str, ...]) -> NDArray[np.int64]:
    order = {label: k for k, label in enumerate(known)}
    return np.array([order.get(str(x), -1) for x in labels], dtype=np.int64)


def _one_hot(index: NDArray[np.int64], width: int) -> Floats:
    out = np.zeros((len(index), width))
    rows = np.flatnonzero(index >= 0)
    out[rows, index[rows]] = 1.0
    return out
