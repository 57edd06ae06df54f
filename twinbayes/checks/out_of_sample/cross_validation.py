"""Out-of-sample predictions that compile the model once: a fold only changes patient weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from twinbayes.arrays import Bools, Floats
from twinbayes.checks.result import OUT_OF_SAMPLE, CheckResult, CheckVerdict
from twinbayes.errors import CohortError, OptionError, TwinbayesError, require_seed
from twinbayes.estimators.estimate import Estimate
from twinbayes.showing import brief

POOLED: Final = "pooled"


@dataclass(frozen=True)
class Undefined:
    """A score that these patients do not define, and why."""

    reason: str


type Scores = Mapping[str, Estimate | float | Undefined]
type Score = Callable[[tuple[Any, ...], Floats], Scores]


@brief
@dataclass(frozen=True)
class Fold:
    """Patients held out together.

    Examples
    --------
    >>> kfold(["p1", "p2", "p3", "p4"], k=2)[0].name
    'fold 1'
    """

    name: str
    held_out: tuple[Any, ...]


@brief
@dataclass(frozen=True)
class CrossValidation:
    """Out-of-sample predictions, and their scores.

    Attributes
    ----------
    patients
        Labels, in the order asked for.
    predictions
        Shape (patients, ...): each patient predicted by the fit that did not see them.
    folds
        The folds.
    result
        Table with columns ``fold, n, score, value, standard_error, lower, upper``; the fold
        ``pooled`` scores all predictions together. NaN, with its reason in the text, where a fold
        does not define a score.

    Examples
    --------
    >>> outcome = {"p1": 1.0, "p2": 2.0, "p3": 3.0, "p4": 4.0}
    >>> found = cross_validate(
    ...     list(outcome),
    ...     kfold(list(outcome), 2, seed=1),
    ...     refit=lambda weights: weights @ list(outcome.values()) / weights.sum(),
    ...     predict=lambda mean, unseen: np.full(len(unseen), mean),
    ...     score=lambda unseen, predicted: {"largest": float(predicted.max())},
    ... )
    >>> found.predictions
    array([3., 2., 3., 2.])
    """

    patients: tuple[Any, ...]
    predictions: Floats = field(repr=False)
    folds: tuple[Fold, ...] = field(repr=False)
    result: CheckResult

    def _repr_html_(self) -> str:
        return self.result._repr_html_()


def attempt(score: Callable[[], Estimate | float]) -> Estimate | float | Undefined:
    """Return a score, or why there is none."""
    try:
        return score()
    except TwinbayesError as error:
        return Undefined(str(error))


def kfold(
    patients: Sequence[Any],
    k: int = 10,
    *,
    seed: int = 0,
    strata: Sequence[Any] | npt.NDArray[Any] | None = None,
) -> tuple[Fold, ...]:
    """Return `k` random folds of nearly equal size.

    Parameters
    ----------
    patients
        Labels.
    k
        Number of folds, from 2 to the number of patients.
    seed
        Seed of the assignment.
    strata
        One label a patient, e.g. the subgroup: each is spread evenly over the folds.

    Examples
    --------
    >>> folds = kfold(["p1", "p2", "p3", "p4"], k=2, seed=1)
    >>> [len(fold.held_out) for fold in folds]
    [2, 2]
    """
    n = len(patients)
    if not 2 <= k <= n:
        raise OptionError(f"{k} folds of {n} patients: give from 2 to {n}.")
    labels = np.zeros(n, dtype=np.int64)
    if strata is not None:
        labels = pd.factorize(np.asarray(strata))[0]
    if labels.size != n:
        raise CohortError(f"{labels.size} strata labels for {n} patients; give one a patient.")
    shuffled = np.random.default_rng(require_seed(seed)).permutation(n)
    # Sorted by stratum, then dealt like cards: folds differ by one patient at most.
    dealt = shuffled[np.argsort(labels[shuffled], kind="stable")]
    fold = np.empty(n, dtype=np.int64)
    fold[dealt] = np.arange(n) % k
    return tuple(Fold(f"fold {i + 1}", _chosen(patients, fold == i)) for i in range(k))


def leave_one_group_out(
    patients: Sequence[Any], labels: Sequence[Any] | npt.NDArray[Any]
) -> tuple[Fold, ...]:
    """Return one fold a label, e.g. a centre or a trial, largest first.

    Examples
    --------
    >>> folds = leave_one_group_out(["p1", "p2", "p3"], ["north", "south", "north"])
    >>> [(fold.name, fold.held_out) for fold in folds]
    [('north', ('p1', 'p3')), ('south', ('p2',))]
    """
    groups = pd.Series(list(labels))
    if len(groups) != len(patients):
        raise CohortError(f"{len(groups)} labels for {len(patients)} patients; give one a patient.")
    if groups.isna().any():
        raise CohortError(f"{int(groups.isna().sum())} patients have no group; label them.")
    counts = groups.value_counts()
    if len(counts) < 2:
        raise OptionError("leaving one group out needs two groups or more.")
    return tuple(
        Fold(str(label), _chosen(patients, (groups == label).to_numpy())) for label in counts.index
    )


def cross_validate[F](
    patients: Sequence[Any],
    folds: Sequence[Fold],
    *,
    refit: Callable[[Floats], F],
    predict: Callable[[F, tuple[Any, ...]], npt.ArrayLike],
    score: Score,
    usable: Callable[[F], bool] | None = None,
    at_least: Mapping[str, float] | None = None,
    progress: Callable[[str], None] | None = None,
    name: str = "cross-validation",
) -> CrossValidation:
    """Fit without each fold, predict it, and score fold by fold and pooled.

    Parameters
    ----------
    patients
        Labels, in the order of the weights.
    folds
        Each patient in exactly one.
    refit
        From patient weights (1 used, 0 held out) to a fit. Compile before, swap weights here.
    predict
        From a fit and the labels held out to predictions, first axis the patients.
    score
        From labels and predictions to named scores; called for each fold and for all. A score may
        be `Undefined`, which `attempt` makes of an error.
    usable
        Whether a fit may be used; a single unusable fold fails the check.
    at_least
        Bars for pooled scores; without them the verdict is information.
    progress
        Told the name of each fold before it is fitted.
    name
        Name of the check.

    Raises
    ------
    CohortError
        If the folds do not hold out each patient once, or predictions do not match the patients.
    OptionError
        If a bar names an unknown score.

    Examples
    --------
    The mean of the others, as a prediction of each patient:

    >>> outcome = {"p1": 1.0, "p2": 2.0, "p3": 3.0, "p4": 4.0}
    >>> found = cross_validate(
    ...     list(outcome),
    ...     kfold(list(outcome), 2, seed=1),
    ...     refit=lambda weights: weights @ list(outcome.values()) / weights.sum(),
    ...     predict=lambda mean, unseen: np.full(len(unseen), mean),
    ...     score=lambda unseen, predicted: {
    ...         "error": float(np.mean([outcome[p] for p in unseen] - predicted))
    ...     },
    ... )
    >>> found.result.table
         fold  n  score  value
    0  fold 1  2  error   -1.0
    1  fold 2  2  error    1.0
    2  pooled  4  error    0.0
    """
    position = {label: i for i, label in enumerate(patients)}
    held = [label for fold in folds for label in fold.held_out]
    if len(held) != len(position) or set(held) != set(position):
        raise CohortError("the folds must hold out each patient exactly once.")
    predictions: Floats | None = None
    rows: list[dict[str, Any]] = []
    missing: list[str] = []
    unusable = 0
    for fold in folds:
        if progress is not None:
            progress(fold.name)
        places = [position[label] for label in fold.held_out]
        weights = np.ones(len(position))
        weights[places] = 0.0
        fitted = refit(weights)
        unusable += usable is not None and not usable(fitted)
        values = np.asarray(predict(fitted, fold.held_out), dtype=np.float64)
        if values.shape[:1] != (len(places),):
            raise CohortError(
                f"{fold.name}: predictions have shape {values.shape}, expected one row for each "
                f"of {len(places)} patients."
            )
        if predictions is None:
            predictions = np.full((len(position), *values.shape[1:]), np.nan)
        predictions[places] = values
        found = score(fold.held_out, values)
        rows += _rows(fold.name, len(places), found)
        missing += _reasons(fold.name, found)
    assert predictions is not None  # noqa: S101  (no patients were refused above)
    pooled = score(tuple(patients), predictions)
    rows += _rows(POOLED, len(position), pooled)
    missing += _reasons(POOLED, pooled)
    result = _judge(name, pd.DataFrame(rows), len(folds), unusable, at_least or {}, missing)
    return CrossValidation(tuple(patients), predictions, tuple(folds), result)


def _chosen(patients: Sequence[Any], keep: Bools) -> tuple[Any, ...]:
    return tuple(label for label, kept in zip(patients, keep, strict=True) if kept)


def _rows(fold: str, n: int, scores: Scores) -> list[dict[str, Any]]:
    return [
        {"fold": fold, "n": n, "score": name, **_numbers(value)} for name, value in scores.items()
    ]


def _numbers(value: Estimate | float | Undefined) -> dict[str, Any]:
    if isinstance(value, Estimate):
        return value.row()
    return {"value": float("nan") if isinstance(value, Undefined) else float(value)}


def _reasons(fold: str, scores: Scores) -> list[str]:
    """Say which scores a fold does not define, and why."""
    names: dict[str, list[str]] = {}
    for name, value in scores.items():
        if isinstance(value, Undefined):
            names.setdefault(f" ({value.reason.rstrip('.')})", []).append(name)
        elif np.isnan(value.value if isinstance(value, Estimate) else value):
            names.setdefault("", []).append(name)
    return [f"{', '.join(some)} of {fold}{why}" for why, some in names.items()]


def _judge(
    name: str,
    table: pd.DataFrame,
    n_folds: int,
    unusable: int,
    at_least: Mapping[str, float],
    missing: Sequence[str],
) -> CheckResult:
    pooled = table[table["fold"] == POOLED].set_index("score")["value"]
    unknown = set(at_least) - set(pooled.index)
    if unknown:
        raise OptionError(
            f"bars for unknown scores {sorted(unknown)}. Known: {list(pooled.index)}."
        )
    missed = [s for s, bar in at_least.items() if not pooled[s] >= bar]
    verdict: CheckVerdict = "info"
    if at_least:
        verdict = "fail" if missed else "pass"
    if unusable:
        verdict = "fail"
    scored = ", ".join(
        f"{s} {f'{pooled[s]:.3f}' if np.isfinite(pooled[s]) else 'not defined'}"
        + (f" (bar {at_least[s]:g})" if s in at_least else "")
        for s in map(str, pooled.index)
    )
    text = f"{n_folds} folds; out-of-sample, pooled: {scored}."
    if missing:
        text += f" Not defined: {'; '.join(missing)}."
    if unusable:
        text += f" NOT FOR USE: {unusable} of {n_folds} fits did not pass their gate."
    return CheckResult(name, verdict, table, text, OUT_OF_SAMPLE)
