"""Folds of a stack: random ones, or the groups of a column."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from twinbayes.arrays import Bools, Ints
from twinbayes.checks.out_of_sample.cross_validation import Fold, kfold, leave_one_group_out
from twinbayes.cohort import Cohort
from twinbayes.errors import CohortError, OptionError, told
from twinbayes.names import PATIENT_ID, SUBGROUP

MOST_LEVELS: Final = 100
_FEWEST: Final = 2  # patients to learn from
_WHOLE_NUMBERS: Final = 20  # levels of a column of whole numbers that may be labels


def labels_of(cohort: Cohort, column: str, what: str) -> npt.NDArray[Any]:
    """Return the labels of a categorical column, (patient,) texts.

    Raises
    ------
    OptionError
        If there is no such column, it is continuous, or nearly each patient has a label alone.
    CohortError
        If a patient has none.
    """
    covariates = cohort.covariates()
    table = cohort.patients
    known = sorted({*table.columns, *covariates.columns} - {PATIENT_ID})
    if column not in known:
        raise OptionError(f"{what}: no column {column!r} of the patients. Known: {known}.")
    values = table[column] if column in table else covariates[column]
    if values.isna().any():
        raise CohortError(f"{what}: patients have no {column!r}. Label every patient.")
    numbers = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    levels = values.nunique()
    if numbers and ((values % 1 != 0).any() or levels > _WHOLE_NUMBERS):
        raise OptionError(
            f"{what}: {column!r} is continuous. Give a column of labels, such as 'centre'."
        )
    if levels > MOST_LEVELS or 2 * levels > len(values):
        raise OptionError(
            f"{what}: {column!r} has {levels} labels, too many for its patients. Give a number "
            "of folds, or larger groups."
        )
    return np.asarray(values.astype(str), dtype=object)


def made_folds(cohort: Cohort, folds: object, seed: int) -> tuple[tuple[Fold, ...], bool]:
    """Return the folds, and whether they are groups.

    Raises
    ------
    OptionError, CohortError
        If `folds` is neither a column of labels nor a possible number.
    """
    ids = cohort.patient_ids
    if isinstance(folds, str):
        labels = labels_of(cohort, folds, "folds")
        return leave_one_group_out(ids, labels), True
    if isinstance(folds, bool) or not isinstance(folds, int | np.integer):
        raise OptionError(
            f"folds must be a number, or the name of a column of labels, not {told(folds)}."
        )
    strata = cohort.patients[SUBGROUP].tolist()
    return kfold(ids, int(folds), seed=seed, strata=strata), False


def fold_numbers(patients: tuple[str, ...], folds: tuple[Fold, ...]) -> Ints:
    """(patient,) number of the fold that each patient is left out with."""
    number = {label: k for k, fold in enumerate(folds) for label in fold.held_out}
    return np.array([number[p] for p in patients], dtype=np.int64)


def require_learnable(folds: tuple[Fold, ...], fold: Ints, known: Bools, moved: Bools) -> None:
    """Refuse folds without which too little is left.

    Parameters
    ----------
    fold, known, moved
        (patient,) number of the fold; whether anything is known of them at any horizon; whether
        they were seen to leave the state that they were in.
    """
    for k, one in enumerate(folds):
        rest = fold != k
        if int(rest.sum()) < _FEWEST or not moved[rest].any():
            raise CohortError(
                f"{one.name}: without it {int(rest.sum())} patients are left to learn from, and "
                f"{int(moved[rest].sum())} of them had an event. Give fewer or other folds."
            )
    if np.unique(fold[known]).size < 2:
        raise CohortError(
            f"{np.unique(fold[known]).size} of {len(folds)} folds have a patient whose state is "
            "known at a horizon. Give earlier horizons, or other folds."
        )


def inner_parts(fold: Ints, most: int = 5) -> Ints:
    """Parts by which an amount of shrinkage is chosen: folds, joined where they are many.

    Of two folds or fewer, patients in turn.
    """
    _, number = np.unique(fold, return_inverse=True)
    if number.max() >= 2:
        return np.asarray(number % most, dtype=np.int64)
    return np.arange(fold.size, dtype=np.int64) % most
