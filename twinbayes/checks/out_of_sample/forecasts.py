"""Cross-validation of forecasts: compiled once, refitted with other patient weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from twinbayes.checks.calibration.expected_events import counting_process
from twinbayes.checks.calibration.hazard_slope import hazard_slope
from twinbayes.checks.out_of_sample.cross_validation import (
    POOLED,
    CrossValidation,
    Fold,
    Scores,
    attempt,
    cross_validate,
)
from twinbayes.checks.out_of_sample.landmark import Landmark
from twinbayes.checks.scores.concordance import concordance
from twinbayes.inference import CompiledFit, Fit
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.twin import Twin

#: Chains that are mixed well enough for a posterior mean, if not for the tails of an interval.
_RHAT_OF_MEANS: Final = 1.05


def cross_validate_survival(
    compiled: CompiledFit,
    folds: Sequence[Fold],
    *,
    horizon: float = 3 * DAYS_PER_YEAR,
    draws: int = 500,
    tune: int = 500,
    chains: int = 2,
    seed: int = 0,
    at_least: dict[str, float] | None = None,
    progress: Callable[[str], None] | None = None,
    name: str = "cross-validation of survival",
) -> CrossValidation:
    """Predict each fold's survival, from origin, with a fit that has not seen the fold.

    Only posterior means are predicted, so short chains do; a fit whose R-hat exceeds 1.05
    anywhere fails the check.

    Parameters
    ----------
    compiled
        From `compile_fit`; nothing is compiled again.
    folds
        From `kfold` or `leave_one_group_out`; each patient held out once.
    horizon
        Day of the forecast, since origin.
    draws, tune, chains, seed
        Of each fit.
    at_least
        Bars for pooled scores: ``concordance``, ``slope``.
    progress
        Told the name of each fold before it is fitted.

    Returns
    -------
    CrossValidation
        Scores by fold and pooled: Harrell's ``concordance`` of all deaths and the calibration
        ``slope`` of the cumulative hazard at the horizon. NaN where a fold does not define one,
        such as without a death by the horizon; the text says so.

    Examples
    --------
    >>> cohort = tb.datasets.simulated_registry()
    >>> spec = tb.disease("survival", covariates=()).ignoring("complete_remission", "relapse")
    >>> compiled = compile_fit(spec, cohort)  # doctest: +SKIP
    >>> folds = kfold(cohort.patient_ids, 2)
    >>> found = cross_validate_survival(compiled, folds).result  # doctest: +SKIP
    >>> found.table.query("fold == 'pooled'")[["n", "score"]]  # doctest: +SKIP
         n        score
    4  240  concordance
    5  240        slope
    """
    ids = compiled.cohort.patient_ids

    def refit(weights: np.ndarray) -> Fit:
        return compiled.sample(
            draws=draws, tune=tune, chains=chains, seed=seed, progressbar=False, weights=weights
        )

    def predict(fit: Fit, held_out: tuple[Any, ...]) -> np.ndarray:
        twin: Twin = fit.twin([str(x) for x in held_out], at=0.0)
        return twin.survival_frame([horizon]).to_numpy()[:, 0]

    process = counting_process(compiled)
    ended = process.follow_up()
    position = {str(p): k for k, p in enumerate(process.patients)}
    graph = compiled.spec.graph
    deaths = graph.deaths
    codes = [graph.states.index(s) for s in deaths]

    def score(held_out: tuple[Any, ...], survival: np.ndarray) -> Scores:
        mine = process.of_patients(list(held_out))
        rows = [position[str(x)] for x in held_out]
        died = np.isin(ended.absorbed_in[rows], codes)
        return {
            "concordance": concordance(mine, 1 - survival, deaths),
            "slope": attempt(
                lambda: hazard_slope(ended.exit[rows], died, 1 - survival, horizon)[0]
            ),
        }

    return cross_validate(
        ids,
        folds,
        refit=refit,
        predict=predict,
        score=score,
        usable=_mixed,
        at_least=at_least,
        progress=progress,
        name=name,
    )


def cross_validate_landmark(
    compiled: CompiledFit,
    folds: Sequence[Fold],
    landmark: float,
    horizons: Sequence[float],
    *,
    state: str | Sequence[str] | None = None,
    targets: Mapping[str, Sequence[str]] | None = None,
    weights: str = "model",
    draws: int = 500,
    tune: int = 500,
    chains: int = 2,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
    name: str = "cross-validation at a landmark",
) -> CrossValidation:
    """Score what each fold's patients are told at a landmark by a fit that has not seen them.

    A fold is left out by giving its patients no weight, so all draws of the population (baselines,
    effects, spread of the curves) come from the other folds. A held-out patient's own record up to
    the landmark, visits and events, then conditions that patient's forecast as it would in the
    clinic; with weights of the model the whole record of one censored conditions the second
    forecast, which only says how that patient counts. What is laid down before sampling (windows
    of baselines, knots, scales and centring of covariates and markers) is learnt from all patients.

    Only posterior means are predicted, so short chains do; a fit whose R-hat exceeds 1.05
    anywhere fails the check.

    Parameters
    ----------
    compiled
        From `compile_fit`; nothing is compiled again.
    folds
        From `kfold` or `leave_one_group_out`; each patient of the cohort held out once, at risk
        at the landmark or not.
    landmark, horizons, state, targets, weights
        As for `landmark_accuracy`.
    draws, tune, chains, seed
        Of each fit.
    progress
        Told the name of each fold before it is fitted.

    Returns
    -------
    CrossValidation
        Its table has one row a fold, target, horizon and score, as `landmark_accuracy`; `n` counts
        the patients at risk; the fold ``pooled`` scores all predictions together. Predictions as
        `Landmark.forecast`, NaN for patients who were not at risk.

    Raises
    ------
    CohortError, OptionError
        As `Landmark.of`; and, before anything is sampled, if nobody of a fold is at risk and
        followed beyond the first horizon. Scores of a fold at a later horizon that nobody of it was
        followed beyond are NaN, and told.

    Examples
    --------
    >>> cohort = tb.datasets.simulated_registry()
    >>> spec = tb.disease("survival", covariates=()).ignoring("complete_remission", "relapse")
    >>> compiled = compile_fit(spec, cohort)  # doctest: +SKIP
    >>> folds = kfold(cohort.patient_ids, 2)
    >>> found = cross_validate_landmark(compiled, folds, 365.0, [730.0])  # doctest: +SKIP
    >>> found.result.table["fold"].unique().tolist()  # doctest: +SKIP
    ['fold 1', 'fold 2', 'pooled']
    """
    asked = Landmark.of(compiled, landmark, horizons, state=state, targets=targets, weights=weights)
    at_risk = set(asked.patients)
    for fold in folds:
        asked.require_followed(fold.held_out, fold.name)

    def refit(weight: np.ndarray) -> Fit:
        return compiled.sample(
            draws=draws, tune=tune, chains=chains, seed=seed, progressbar=False, weights=weight
        )

    def predict(fit: Fit, held_out: tuple[Any, ...]) -> np.ndarray:
        rows = np.array([x in at_risk for x in held_out])
        found = asked.forecast(fit, [str(x) for x in held_out if x in at_risk])
        out = np.full((len(held_out), found.shape[1]), np.nan)
        out[rows] = found
        return out

    keys: dict[str, tuple[str, float, str]] = {}

    def score(held_out: tuple[Any, ...], forecast: np.ndarray) -> Scores:
        rows = np.array([x in at_risk for x in held_out])
        mine = [str(x) for x in held_out if x in at_risk]
        found = asked.scores(mine, forecast[rows])
        named = {f"{s} of {t} at {h:g} days": (t, h, s) for t, h, s in found}
        keys.update(named)
        return {label: found[key] for label, key in named.items()}

    done = cross_validate(
        compiled.cohort.patient_ids,
        folds,
        refit=refit,
        predict=predict,
        score=score,
        usable=_mixed,
        progress=progress,
        name=name,
    )
    table = done.result.table.rename(columns={"score": "label"})
    counts = {fold.name: len(at_risk & set(fold.held_out)) for fold in folds}
    table["n"] = table["fold"].map(counts | {POOLED: len(at_risk)})
    for k, column in enumerate(("target", "horizon", "score")):
        table.insert(k + 1, column, [keys[label][k] for label in table["label"]])
    return replace(done, result=replace(done.result, table=table.drop(columns="label")))


def _mixed(fit: Fit) -> bool:
    return bool(fit.verdict.summary["max_rhat"] <= _RHAT_OF_MEANS)
