"""Time-dependent area under the ROC curve, for any state of a process.

Cumulative cases and dynamic controls at a horizon, weighted by the inverse probability of being
known; the variance accounts for the estimated weights (Blanche, Dartigues & Jacqmin-Gadda 2013).
Or, with weights of the model, everybody, those censored in part as case and in part as control.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from twinbayes.arrays import Floats
from twinbayes.checks.scores.censoring import HorizonOutcome, outcomes_at
from twinbayes.checks.scores.predictions import as_scores
from twinbayes.errors import OptionError
from twinbayes.estimators.counting import CountingProcess
from twinbayes.estimators.estimate import Estimate
from twinbayes.estimators.observed import as_horizons


def time_dependent_auc(
    process: CountingProcess,
    marker: npt.ArrayLike,
    horizons: npt.ArrayLike,
    target: str | Sequence[str],
    *,
    controls: str = "all_others",
    weights: str = "ipcw",
    conditional: npt.ArrayLike | None = None,
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
    weights
        ``"ipcw"``, or ``"model"``: those censored before the horizon count as case with the
        probability `conditional` and as control with the rest; controls then are ``"all_others"``.
    conditional
        With ``weights="model"``: probability of the target at each horizon given the record up to
        the patient's last day, shape (patients, horizons); read only for those censored by then.
    strata
        With ``weights="ipcw"``: strata of the censoring distribution, one label a patient.

    Returns
    -------
    tuple of Estimate
        One a horizon; NaN where there are no cases or no controls.

    Examples
    --------
    >>> process = survival_process([100, 200, 300, 400], [1, 0, 1, 0])
    >>> [e.value for e in time_dependent_auc(process, [0.9, 0.2, 0.6, 0.1], [250], "dead")]
    [1.0]
    """
    days = as_horizons(horizons, "horizons of a score", float(process.start.min()))
    outcomes = outcomes_at(
        process,
        days,
        target,
        weights=weights,
        conditional=conditional,
        strata=strata,
        controls=controls,
    )
    m = as_scores(marker, outcomes[0].case.size, days.size)
    return tuple(_area(m[:, k], outcome) for k, outcome in enumerate(outcomes))


def roc_curve(
    process: CountingProcess,
    marker: npt.ArrayLike,
    horizon: float,
    target: str | Sequence[str],
    *,
    controls: str = "all_others",
    weights: str = "ipcw",
    conditional: npt.ArrayLike | None = None,
    strata: Sequence[Any] | npt.NDArray[Any] | None = None,
) -> pd.DataFrame:
    """Return the ROC curve at a horizon; parameters as for `time_dependent_auc`.

    Returns
    -------
    DataFrame
        Columns ``cut`` (called a case if the marker is at least this), ``false_positive``,
        ``true_positive``; from (0, 0) to (1, 1).

    Examples
    --------
    >>> process = survival_process([100, 200, 300, 400], [1, 0, 1, 0])
    >>> roc_curve(process, [0.9, 0.2, 0.6, 0.1], 250, "dead").columns.tolist()
    ['cut', 'false_positive', 'true_positive']
    """
    (outcome,) = outcomes_at(
        process,
        horizon,
        target,
        weights=weights,
        conditional=conditional,
        strata=strata,
        controls=controls,
    )
    m = as_scores(marker, outcome.case.size, 1)[:, 0]
    cuts = np.unique(m)[::-1]
    position = np.searchsorted(-cuts, -m)
    curve = {"cut": np.concatenate([[np.inf], cuts])}
    for name, group in (("false_positive", outcome.control), ("true_positive", outcome.case)):
        mass = np.bincount(position, weights=group, minlength=cuts.size)
        if mass.sum() == 0.0:
            raise OptionError(f"no ROC curve at {horizon:g}: it needs cases and controls.")
        curve[name] = np.concatenate([[0.0], np.cumsum(mass) / mass.sum()])
    return pd.DataFrame(curve)


def _area(m: Floats, outcome: HorizonOutcome) -> Estimate:
    case, control = outcome.case, outcome.control
    if case.sum() == 0.0 or control.sum() == 0.0:
        return Estimate.undefined(m.size)
    beaten = _share_below(m, control)  # controls ranked below each patient
    beats = 1.0 - _share_below(m, case)  # cases ranked above each patient
    value = float(case @ beaten / case.sum())
    part = case * (beaten - value) / case.sum() + control * (beats - value) / control.sum()
    return Estimate(value, part + outcome.influence(part))


def _share_below(m: Floats, weight: Floats) -> Floats:
    """Weighted share of a group with a marker below each patient's, ties counting one half."""
    group = weight > 0.0
    order = np.argsort(m[group], kind="stable")
    sorted_m = m[group][order]
    mass = np.concatenate([[0.0], np.cumsum(weight[group][order])])
    below = mass[np.searchsorted(sorted_m, m, side="left")]
    up_to = mass[np.searchsorted(sorted_m, m, side="right")]
    return np.asarray((below + up_to) / (2.0 * mass[-1]), dtype=np.float64)
