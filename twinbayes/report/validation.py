"""Cross-validation of survival forecasts: compiled once, refitted with other patient weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from twinbayes.checks import (
    concordance,
    cross_validate,
    hazard_slope,
)
from twinbayes.checks.crossvalidation import CrossValidation, Fold
from twinbayes.checks.estimate import Estimate
from twinbayes.inference import CompiledFit, Fit
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.report.expected import counting_process
from twinbayes.twin.forecast import fatal_states

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
        ``slope`` of the cumulative hazard at the horizon.
    """
    ids = compiled.cohort.patient_ids

    def refit(weights: np.ndarray) -> Fit:
        return compiled.sample(
            draws=draws, tune=tune, chains=chains, seed=seed, progressbar=False, weights=weights
        )

    def predict(fit: Fit, held_out: tuple[Any, ...]) -> np.ndarray:
        frame = fit.twin([str(x) for x in held_out], at=0.0).survival_frame([horizon])
        return frame.to_numpy()[:, 0]

    process = counting_process(compiled)
    ended = process.follow_up()
    position = {str(p): k for k, p in enumerate(process.patients)}
    states = compiled.spec.graph.states
    codes = fatal_states(compiled.spec.graph)
    deaths = [states[k] for k in codes]

    def score(held_out: tuple[Any, ...], survival: np.ndarray) -> dict[str, Estimate | float]:
        mine = process.of_patients(list(held_out))
        rows = [position[str(x)] for x in held_out]
        slope, _ = hazard_slope(
            ended.exit[rows], np.isin(ended.absorbed_in[rows], codes), 1 - survival, horizon
        )
        return {"concordance": concordance(mine, 1 - survival, deaths), "slope": slope}

    return cross_validate(
        ids,
        folds,
        refit=refit,
        predict=predict,
        score=score,
        usable=lambda fit: fit.verdict.summary["max_rhat"] <= _RHAT_OF_MEANS,
        at_least=at_least,
        progress=progress,
        name=name,
    )
