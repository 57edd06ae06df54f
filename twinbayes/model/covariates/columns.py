"""The columns that covariate terms become once a cohort is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twinbayes.arrays import Floats
from twinbayes.errors import ModelError
from twinbayes.estimators.splines import FOUR_KNOTS, natural_spline_term
from twinbayes.model.covariates.terms import CovariateTerm, Group, Interaction, Term

#: Largest range, or spread, of values that differ by rounding alone, as a share of their size.
ROUNDING: Final = 1e-12
_ROWS_NAMED: Final = 5


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
    levels: tuple[str, ...] = ()  # all that the fit has seen, for a level column
    knots: tuple[float, ...] = ()  # of a spline: which of its two columns, then its four knots

    def raw(self, table: pd.DataFrame) -> Floats:
        """Values before centring, NaN where any source is missing.

        Raises
        ------
        ModelError
            A value that the column cannot take: a level that the fit has not seen, or nothing to
            take the logarithm of.
        """
        if self.function == "level":
            return self._indicator(table[self.sources[0]])
        product = np.ones(len(table))
        for source in self.sources:
            product = product * _numeric(table, source)
        if self.function == "log":
            if np.any(product <= 0):
                raise ModelError(
                    f"Covariate {self.sources[0]!r} has values ≤ 0 in {in_rows(product <= 0)} and "
                    "cannot be logged. Correct them, leave them blank, or use "
                    "transform='standardise'."
                )
            logged: Floats = np.log(product)
            return logged
        if self.function == "spline":
            return natural_spline_term(product, self.knots[1:], int(self.knots[0]))
        return product

    def _indicator(self, values: pd.Series) -> Floats:
        known = values.notna().to_numpy()
        unseen = sorted({str(v) for v in values[known]} - set(self.levels))
        if unseen:
            raise ModelError(
                f"Covariate {self.sources[0]!r} has levels that the fit has not seen: "
                f"{', '.join(map(repr, unseen))}, in "
                f"{in_rows(known & ~values.astype(str).isin(self.levels).to_numpy())}. "
                f"Known: {', '.join(map(repr, self.levels))}. "
                "Leave the cell blank to treat it as missing."
            )
        is_level = (values.astype(str) == self.level).to_numpy(dtype=float)
        out: Floats = np.where(known, is_level, np.nan)
        return out

    def encode(self, table: pd.DataFrame) -> Floats:
        """Values after centring and scaling, NaN where any source is missing.

        Raises
        ------
        ModelError
            A value that the column cannot take, or one that says nothing: the covariate did not
            vary in the fit.
        """
        if abs(self.scale) <= ROUNDING * abs(self.centre):
            raise ModelError(
                f"Covariate {self.sources[0]!r} had one and the same value in all patients of the "
                f"fit ({self.centre:g}), which then knows nothing of others. Fit again without it."
            )
        return (self.raw(table) - self.centre) / self.scale


def is_constant(values: Floats) -> bool:
    """Whether known values are one and the same but for rounding, or none."""
    if not len(values):
        return True
    return bool(np.ptp(values) <= ROUNDING * np.max(np.abs(values)))


def in_rows(mask: NDArray[np.bool_]) -> str:
    """Say which rows of a table are meant, as people count in files: the header is row 1."""
    rows = np.flatnonzero(mask) + 2
    more = f" and {len(rows) - _ROWS_NAMED} more" if len(rows) > _ROWS_NAMED else ""
    named = ", ".join(map(str, rows[:_ROWS_NAMED]))
    return f"row {named}{more} of the cohort's table (the header is row 1)"


def learn_columns(
    terms: Sequence[CovariateTerm], table: pd.DataFrame, variables: pd.DataFrame
) -> tuple[list[Column], list[str]]:
    """Fix the columns of these terms from one cohort.

    Parameters
    ----------
    terms
        What enters the model.
    table, variables
        `Cohort.covariates` and the dictionary of variables.

    Returns
    -------
    columns, left_out
        The columns in order, and one sentence for each covariate that was left out.

    Raises
    ------
    ModelError
        A covariate is unknown to the cohort, constant, named twice, or does not suit its
        transform.
    """
    columns: list[Column] = []
    left_out: list[str] = []
    for term in terms:
        if isinstance(term, Group):
            found, rare = _group_columns(term, table, variables)
            columns += found
            left_out += rare
        elif isinstance(term, Interaction):
            columns.append(_interaction_column(term, table))
        else:
            columns += _term_columns(term, table, variables)
    labels = [c.label for c in columns]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ModelError(
            f"Covariates {', '.join(map(repr, twice))} enter more than once. Name each in one term."
        )
    return columns, left_out


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
        _require_binary(known, term.name)
        return [
            Column(
                term.name, term.group, (term.name,), "identity", _mean(known, term.name), 1.0, True
            )
        ]
    if term.transform == "log":
        label = f"log_{term.name}"
        logged = Column(label, term.group, (term.name,), "log", 0.0, 1.0, False).raw(table)
        return [_standardised(label, term, "log", logged[~np.isnan(logged)])]
    columns = [_standardised(term.name, term, "identity", known)]
    if term.transform == "spline":
        q = _spline_knots(known, term.name)
        for k in range(2):
            knots = (float(k), *q)
            curve = natural_spline_term(known, q, k)
            columns.append(
                _standardised(f"{term.name}_spline{k + 1}", term, "spline", curve, knots=knots)
            )
    return columns


def _spline_knots(known: Floats, name: str) -> tuple[float, ...]:
    """Four increasing knots."""
    knots = np.quantile(known, FOUR_KNOTS)
    if not np.all(np.diff(knots) > 0):
        distinct = np.unique(known)
        if len(distinct) <= len(FOUR_KNOTS):
            raise ModelError(
                f"Covariate {name!r} has only {len(distinct)} distinct values, too few for a "
                "spline. Use transform='standardise', or 'category' with declared levels."
            )
        knots = np.quantile(distinct, FOUR_KNOTS)
    return tuple(float(x) for x in knots)


def _standardised(
    label: str, term: Term, function: str, known: Floats, knots: tuple[float, ...] = ()
) -> Column:
    if is_constant(known):
        raise ModelError(
            f"Covariate {term.name!r} is constant in this cohort. {_leave_out(term.name)}"
        )
    centre, scale = float(np.mean(known)), float(np.std(known))
    return Column(label, term.group, (term.name,), function, centre, scale, False, knots=knots)


def _category_columns(term: Term, table: pd.DataFrame, variables: pd.DataFrame) -> list[Column]:
    if term.name not in table.columns:
        raise ModelError(
            f"Covariate {term.name!r} is not in the cohort. "
            f"Known: {', '.join(map(repr, table.columns))}."
        )
    share = table[term.name].value_counts(normalize=True)
    if len(share) < 2:
        raise ModelError(
            f"Covariate {term.name!r} has fewer than two levels in this cohort. "
            f"{_leave_out(term.name)}"
        )
    declared = variables.loc[variables["name"] == term.name, "levels"].dropna()
    order = str(declared.iloc[0]).split("|") if len(declared) else []
    present = [x for x in order if x in share.index]
    reference = present[0] if present else str(share.index[0])
    levels = tuple(sorted(str(x) for x in share.index))
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
            levels=levels,
        )
        for level in levels
        if level != reference
    ]


def _group_columns(
    term: Group, table: pd.DataFrame, variables: pd.DataFrame
) -> tuple[list[Column], list[str]]:
    names = variables.loc[
        (variables["role"] == "covariate") & (variables["group"] == term.group), "name"
    ]
    if not len(names):
        groups = sorted(set(variables["group"].dropna()))
        raise ModelError(
            f"No covariate of the cohort belongs to group {term.group!r}. "
            f"Known groups: {', '.join(map(repr, groups))}."
        )
    columns: list[Column] = []
    rare: list[str] = []
    for name in names:
        values = _numeric(table, name)
        known = values[~np.isnan(values)]
        _require_binary(known, name)
        carriers = float(np.sum(known > 0))
        if min(carriers, len(known) - carriers) < term.min_carriers:
            rare.append(f"{name}: fewer than {term.min_carriers} carriers or non-carriers")
            continue
        columns.append(Column(name, term.group, (name,), "identity", _mean(known, name), 1.0, True))
    return columns, rare


def _interaction_column(term: Interaction, table: pd.DataFrame) -> Column:
    product: Floats = np.ones(len(table))
    for name in term.names:
        product = product * _numeric(table, name)
    known = product[~np.isnan(product)]
    binary = bool(np.all((known == 0) | (known == 1)))
    scale = 1.0 if binary or is_constant(known) else float(np.std(known))
    return Column(
        ":".join(term.names),
        term.group,
        term.names,
        "identity",
        _mean(known, ":".join(term.names)),
        scale,
        binary,
    )


def _require_binary(known: Floats, name: str) -> None:
    if not np.all((known == 0) | (known == 1)):
        raise ModelError(
            f"Covariate {name!r} has values other than 0 and 1. "
            "Name it in a Term with transform='standardise', 'log' or 'spline'."
        )


def _mean(known: Floats, name: str) -> float:
    if is_constant(known):
        raise ModelError(
            f"Covariate {name!r} is constant or missing in every patient. {_leave_out(name)}"
        )
    return float(np.mean(known))


def _leave_out(name: str) -> str:
    return f"Leave it out: spec.without_covariates({name!r}), or `fit --without {name}`."
