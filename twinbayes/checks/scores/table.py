"""Accuracy of predicted state probabilities in one table: AUC, Brier and its scaled form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from twinbayes.checks.result import SCORES, CheckResult
from twinbayes.checks.scores.brier import brier_score, scaled_brier_score
from twinbayes.checks.scores.concordance import concordance
from twinbayes.checks.scores.discrimination import time_dependent_auc
from twinbayes.errors import CohortError
from twinbayes.estimators.counting import CountingProcess
from twinbayes.names import PATIENT, STATE, TIME


def prediction_scores(
    predicted: xr.DataArray,
    process: CountingProcess,
    horizons: Sequence[float],
    *,
    combined: Mapping[str, Sequence[str]] | None = None,
    strata: Sequence[Any] | npt.NDArray[Any] | None = None,
    level: float = 0.95,
) -> CheckResult:
    """Score the predicted probability of every state, and of states taken together.

    Parameters
    ----------
    predicted
        State probabilities, dims ``patient, time, state``; `time` in days since the origin of
        the process.
    process
        Counting-process rows of the same patients, matched by label.
    horizons
        Days since the origin, each among the predicted times.
    combined
        Further targets, e.g. ``{"death": ("death_in_remission", "death_after_relapse")}``.
    strata
        Strata of the censoring distribution, one label a patient in the order of `predicted`.
    level
        Probability of the intervals.

    Returns
    -------
    CheckResult
        One row a target, horizon and score (``auc``, ``brier``, ``scaled_brier``): ``target,
        horizon, score, value, standard_error, lower, upper, n``. Information, without a bar.
    """
    labels = predicted[PATIENT].to_numpy()
    if set(labels.tolist()) != set(process.patients.tolist()):
        raise CohortError("predictions and counting process are not of the same patients.")
    own = process.of_patients(labels)
    origin = float(own.start.min())
    days = [origin + float(h) for h in horizons]
    targets: dict[str, tuple[str, ...]] = {
        str(s): (str(s),) for s in predicted[STATE].to_numpy()
    } | {name: tuple(states) for name, states in (combined or {}).items()}
    at = predicted.sel({TIME: list(horizons)}, method="nearest", tolerance=1e-6)
    rows = []
    for name, states in targets.items():
        p = at.sel({STATE: list(states)}).sum(STATE).transpose(PATIENT, TIME).to_numpy()
        scores = {
            "auc": time_dependent_auc(own, p, days, states, strata=strata),
            "brier": brier_score(own, p, days, states, strata=strata),
            "scaled_brier": scaled_brier_score(own, p, days, states, strata=strata),
        }
        rows += [
            {"target": name, "horizon": horizon, "score": score, **estimate.row(level)}
            for score, estimates in scores.items()
            for horizon, estimate in zip(horizons, estimates, strict=True)
        ]
    table = pd.DataFrame(rows).assign(n=len(labels))
    mean = table[table["score"] == "auc"].groupby("target", sort=False)["value"].mean()
    means = ", ".join(f"{name} {value:.2f}" for name, value in mean.items() if np.isfinite(value))
    text = (
        f"Mean time-dependent AUC over {len(days)} horizons: {means}. Weighted by the inverse "
        f"probability of being observed; {level:.0%} intervals from influence functions."
    )
    return CheckResult("accuracy of predictions", "info", table, text, SCORES)


def concordance_check(
    predicted: xr.DataArray,
    process: CountingProcess,
    dead: Sequence[str],
    horizon: float,
    *,
    level: float = 0.95,
) -> CheckResult:
    """Compare the predicted risk of death with the order of the deaths, unweighted and weighted.

    Parameters
    ----------
    predicted
        State occupation, dims ``patient, time, state``; the risk is that at the last time.
    process
        The patients' observed paths.
    dead
        The states that are deaths, together.
    horizon
        Day up to which pairs count where they are weighted.
    level
        Probability of the intervals.

    Returns
    -------
    CheckResult
        One row a kind of weights, ``harrell`` and ``uno``. Information, without a bar.
    """
    risk = predicted.sel({STATE: list(dead)}).sum(STATE).isel({TIME: -1})
    risk = risk.sel({PATIENT: list(process.patients)})
    rows = [
        {
            "weights": weights,
            **concordance(process, risk.to_numpy(), dead, weights=weights, truncation=limit).row(
                level
            ),
        }
        for weights, limit in (("harrell", None), ("uno", horizon))
    ]
    table = pd.DataFrame(rows)
    text = (
        f"Concordance of the predicted risk of {' or '.join(dead).replace('_', ' ')} with the "
        f"order of the events {table['value'].iloc[0]:.3f} ({level:.0%} interval "
        f"{table['lower'].iloc[0]:.3f} to {table['upper'].iloc[0]:.3f}), on the patients the model "
        "was fitted to."
    )
    return CheckResult("concordance", "info", table, text, SCORES)
