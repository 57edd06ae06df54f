"""Time-dependent area under the ROC curve, for any state of a process.

Cumulative cases and dynamic controls at a horizon, weighted by the inverse probability of being
known; the variance accounts for the estimated weights (Blanche, Dartigues & Jacqmin-Gadda 2013).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from twinbayes.checks.censoring import CensoringModel, HorizonOutcome, censoring_model, outcome_at
from twinbayes.checks.counting import BoolArray, CountingProcess, FloatArray
from twinbayes.checks.estimate import Estimate
from twinbayes.checks.predictions import as_scores
from twinbayes.errors import OptionError


def time_dependent_auc(
    process: CountingProcess,
    marker: npt.ArrayLike,
    horizons: npt.ArrayLike,
    target: str | Sequence[str],
    *,
    controls: str = "all_others",
    strata: Sequence[Any] | npt.NDArray[Any] | None = None,
) -> tuple[Estimate, ...]:
    """Return the area under the ROC curve at each horizon; 0.5 is chance.

    Parameters
    ----------
    process
        Counting-process rows; everyone under observation from the origin.
    marker
        Larger means more probably in the target: shape (patients,), or (patients, horizons) for
        predictions made for each horizon. Order of ``process.patients``. Ties count one half.
    horizons
        Days, shape (horizons,).
    target
        State, or states taken together. For survival the dead state; for competing risks the
        cause; for state occupation any state, entered and left any number of times.
    controls
        ``"all_others"``: everyone known not to be in the target (definition of a control that
        includes competing events). ``"event_free"``: only those in no absorbing state.
    strata
        Strata of the censoring distribution, one label a patient.

    Returns
    -------
    tuple of Estimate
        One a horizon; NaN where there are no cases or no controls.
    """
    days = np.atleast_1d(np.asarray(horizons, dtype=np.float64))
    model = censoring_model(process, strata)
    m = as_scores(marker, model.follow_up.exit.size, days.size)
    return tuple(
        _area(m[:, k], outcome_at(process, float(day), target, model, controls=controls), model)
        for k, day in enumerate(days)
    )


def roc_curve(
    process: CountingProcess,
    marker: npt.ArrayLike,
    horizon: float,
    target: str | Sequence[str],
    *,
    controls: str = "all_others",
    strata: Sequence[Any] | npt.NDArray[Any] | None = None,
) -> pd.DataFrame:
    """Return the ROC curve at a horizon; parameters as for `time_dependent_auc`.

    Returns
    -------
    DataFrame
        Columns ``cut`` (called a case if the marker is at least this), ``false_positive``,
        ``true_positive``; from (0, 0) to (1, 1).
    """
    model = censoring_model(process, strata)
    m = as_scores(marker, model.follow_up.exit.size, 1)[:, 0]
    outcome = outcome_at(process, horizon, target, model, controls=controls)
    cuts = np.unique(m)[::-1]
    position = np.searchsorted(-cuts, -m)
    curve = {"cut": np.concatenate([[np.inf], cuts])}
    for name, group in (("false_positive", outcome.control), ("true_positive", outcome.case)):
        mass = np.bincount(position, weights=outcome.weight * group, minlength=cuts.size)
        if mass.sum() == 0.0:
            raise OptionError(f"no ROC curve at {horizon:g}: it needs cases and controls.")
        curve[name] = np.concatenate([[0.0], np.cumsum(mass) / mass.sum()])
    return pd.DataFrame(curve)


def _area(m: FloatArray, outcome: HorizonOutcome, model: CensoringModel) -> Estimate:
    case, control = outcome.weight * outcome.case, outcome.weight * outcome.control
    if case.sum() == 0.0 or control.sum() == 0.0:
        return Estimate.undefined(m.size)
    beaten = _share_below(m, m, control, outcome.control)  # controls ranked below each patient
    beats = 1.0 - _share_below(m, m, case, outcome.case)  # cases ranked above each patient
    value = float(case @ beaten / case.sum())
    part = case * (beaten - value) / case.sum() + control * (beats - value) / control.sum()
    return Estimate(value, part + model.influence(part, outcome.at, outcome.strict))


def _share_below(at: FloatArray, m: FloatArray, weight: FloatArray, group: BoolArray) -> FloatArray:
    """Weighted share of the group with a marker below `at`, ties counting one half."""
    order = np.argsort(m[group], kind="stable")
    sorted_m = m[group][order]
    mass = np.concatenate([[0.0], np.cumsum(weight[group][order])])
    below = mass[np.searchsorted(sorted_m, at, side="left")]
    up_to = mass[np.searchsorted(sorted_m, at, side="right")]
    return np.asarray((below + up_to) / (2.0 * mass[-1]), dtype=np.float64)
