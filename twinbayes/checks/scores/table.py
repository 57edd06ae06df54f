"""Accuracy of predicted state probabilities in one table: AUC, Brier and its scaled form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from twinbayes.checks.result import SCORES, CheckResult
from twinbayes.checks.scores.brier import brier_score, scaled_brier_score
from twinbayes.checks.scores.censoring import censoring_model
from twinbayes.checks.scores.concordance import concordance
from twinbayes.checks.scores.discrimination import time_dependent_auc
from twinbayes.errors import CohortError, OptionError
from twinbayes.estimators.counting import CountingProcess
from twinbayes.estimators.estimate import Estimate
from twinbayes.estimators.observed import as_horizons
from twinbayes.names import PATIENT, STATE, TIME

_NAME: Final = "accuracy of predictions"
_SCORES: Final[Mapping[str, Callable[..., tuple[Estimate, ...]]]] = {
    "auc": time_dependent_auc,
    "brier": brier_score,
    "scaled_brier": scaled_brier_score,
}
_NUMBERS: Final = ("value", "standard_error", "lower", "upper")


def prediction_scores(
    predicted: xr.DataArray,
    process: CountingProcess,
    horizons: Sequence[float],
    *,
    combined: Mapping[str, Sequence[str]] | None = None,
    strata: Sequence[Any] | npt.NDArray[Any] | None = None,
    level: float = 0.95,
    labels: Mapping[str, str] | None = None,
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
    labels
        State → how people read it in the sentence; the table has the names.

    Returns
    -------
    CheckResult
        One row a target, horizon and score (``auc``, ``brier``, ``scaled_brier``): ``target,
        horizon, score, value, standard_error, lower, upper, n``. Information, without a bar. Each
        horizon is judged by itself: NaN, with the reason in the text, where nobody (of a stratum)
        is followed so long and the last follow-up was censored.

    Raises
    ------
    CohortError, OptionError
        If predictions and process are not of the same patients, or a horizon is no day from the
        origin on or was not predicted.

    Examples
    --------
    >>> import xarray as xr
    >>> process = survival_process([100, 200, 300, 400], [1, 0, 1, 0])
    >>> dead = np.array([0.9, 0.2, 0.6, 0.1])
    >>> predicted = xr.DataArray(
    ...     np.stack([1 - dead, dead], axis=-1)[:, None],
    ...     dims=("patient", "time", "state"),
    ...     coords={"patient": process.patients, "time": [250.0], "state": ["alive", "dead"]},
    ... )
    >>> found = prediction_scores(predicted, process, [250]).table.query("target == 'dead'")
    >>> found[["score", "value"]].round(3)
              score  value
    3           auc  1.000
    4         brier  0.141
    5  scaled_brier  0.247
    """
    patients = predicted[PATIENT].to_numpy()
    if set(patients.tolist()) != set(process.patients.tolist()):
        raise CohortError("predictions and counting process are not of the same patients.")
    own = process.of_patients(patients)
    origin = float(own.start.min())
    asked = [float(h) for h in as_horizons(list(horizons), "horizons of a score")]
    missing = _not_followed(own, origin, asked, strata)
    known = [h for h in asked if h not in missing]
    targets: dict[str, tuple[str, ...]] = {
        str(s): (str(s),) for s in predicted[STATE].to_numpy()
    } | {name: tuple(states) for name, states in (combined or {}).items()}
    at = predicted.sel({TIME: known}, method="nearest", tolerance=1e-6)
    rows = []
    for name, states in targets.items():
        p = at.sel({STATE: list(states)}).sum(STATE).transpose(PATIENT, TIME).to_numpy()
        for score, of in _SCORES.items():
            found = of(own, p, [origin + h for h in known], states, strata=strata) if known else ()
            numbers = dict(zip(known, found, strict=True))
            rows += [
                {"target": name, "horizon": h, "score": score, **_row(numbers.get(h), level)}
                for h in asked
            ]
    table = pd.DataFrame(rows).assign(n=len(patients))
    none = " ".join(f"NOT PROVIDED at {h:g} days: {why}" for h, why in missing.items())
    if not known:
        return CheckResult(_NAME, "not_provided", table, none, SCORES)
    mean = table[table["score"] == "auc"].groupby("target", sort=False)["value"].mean()
    read = labels or {}
    means = ", ".join(
        f"{read.get(str(name), name)} {value:.2f}"
        for name, value in mean.items()
        if np.isfinite(value)
    )
    text = (
        f"Mean time-dependent AUC over {len(known)} horizons: {means or 'not defined'}. Weighted "
        f"by the inverse probability of being observed; {level:.0%} intervals from influence "
        f"functions. {none}"
    )
    return CheckResult(_NAME, "info", table, text.strip(), SCORES)


def _not_followed(
    process: CountingProcess,
    origin: float,
    horizons: Sequence[float],
    strata: Sequence[Any] | npt.NDArray[Any] | None,
) -> dict[float, str]:
    """Horizons beyond the follow-up of all, or of a stratum, and what is said of each."""
    model, out = censoring_model(process, strata), {}
    for horizon in horizons:
        try:
            model.require_followed(origin + horizon)
        except OptionError as error:
            out[horizon] = str(error)
    return out


def _row(estimate: Estimate | None, level: float) -> dict[str, Any]:
    return dict.fromkeys(_NUMBERS, np.nan) if estimate is None else estimate.row(level)


def concordance_check(
    predicted: xr.DataArray,
    process: CountingProcess,
    dead: Sequence[str],
    horizon: float,
    *,
    level: float = 0.95,
    labels: Mapping[str, str] | None = None,
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
    labels
        State → how people read it in the sentence; the table has the names.

    Returns
    -------
    CheckResult
        One row a kind of weights, ``harrell`` and ``uno``. Information, without a bar; not provided
        where no two patients can be compared.
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
    if not np.isfinite(table["value"].iloc[0]):
        none = "No two patients can be compared: nobody died while another was still followed."
        return CheckResult("concordance", "not_provided", table, none, SCORES)
    risks = " or ".join((labels or {}).get(s, s.replace("_", " ")) for s in dead)
    text = (
        f"Concordance of the predicted risk of {risks} with the "
        f"order of the events {table['value'].iloc[0]:.3f} ({level:.0%} interval "
        f"{table['lower'].iloc[0]:.3f} to {table['upper'].iloc[0]:.3f}), on the patients the model "
        "was fitted to."
    )
    return CheckResult("concordance", "info", table, text, SCORES)
