"""Accuracy of predicted state probabilities in one table: AUC, Brier and its scaled form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from twinbayes.checks.result import CheckResult
from twinbayes.checks.scores.brier import brier_score, scaled_brier_score
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
    told = ", ".join(f"{name} {value:.2f}" for name, value in mean.items() if np.isfinite(value))
    text = (
        f"Mean time-dependent AUC over {len(days)} horizons: {told}. Weighted by the inverse "
        f"probability of being observed; {level:.0%} intervals from influence functions."
    )
    return CheckResult("accuracy of predictions", "info", table, text)
