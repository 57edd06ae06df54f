"""Expected predictive cross-entropy: how much probability a forecast gave to what happened.

Commenges, Liquet & Proust-Lima 2012, within a window after a landmark: minus the mean log
predictive density of what was seen of each patient until the horizon. It is a proper score. Unlike
Brier score and AUC it uses the day of each event, and needs no weights for those who were censored:
it asks only how probable it was to be without an event for so long.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from twinbayes.checks.scores.censoring import followed_from_origin
from twinbayes.checks.scores.predictions import as_probabilities
from twinbayes.errors import CohortError, OptionError
from twinbayes.estimators.counting import CountingProcess
from twinbayes.estimators.estimate import Estimate
from twinbayes.estimators.observed import as_horizon, as_numbers


def predictive_cross_entropy(
    process: CountingProcess,
    event_free: npt.ArrayLike,
    density: npt.ArrayLike,
    horizon: float,
) -> Estimate:
    """Return minus the mean log predictive density of what was seen until the horizon.

    An event is the entry of an absorbing state; each such state is a cause of its own. A patient
    with an event on day T up to the horizon adds ``-log f(T)``, where f is the density of
    that very event: under competing risks the cause-specific hazard on day T times the probability
    of having had no event of any kind before. Everyone else adds ``-log S``, the probability of
    having had no event by the day of censoring or the horizon, whichever comes first.

    Parameters
    ----------
    process
        Counting-process rows since the landmark (`CountingProcess.since`).
    event_free
        Predicted from the landmark, shape (patients,): probability of having had no event by the
        last day of follow-up or the horizon. Read only where there was no event by then.
    density
        Predicted from the landmark, shape (patients,): density, per day, of the event that ended
        the follow-up, on its day. Read only where it came by the horizon. From forecasts: the
        probability of entering the state within a short time up to that day, over that time. For
        a posterior both are means over draws, taken before the logarithm.
    horizon
        Last day of the window, on the clock of the process.

    Returns
    -------
    Estimate
        Lower is better; differences between models are what matters. It has the unit log(day) for
        each event: in years instead of days it is less by log(365.25) times the share of patients
        with an event. Infinite if a forecast ruled out what happened.

    Raises
    ------
    CohortError
        If the predictions do not match the patients, one that is read is not a number, or patients
        enter late.
    OptionError
        If the horizon does not come after the landmark, a probability lies outside [0, 1], or a
        density is negative.

    Examples
    --------
    >>> process = survival_process([100, 200, 300, 400], [1, 0, 1, 0])
    >>> event_free, density = [0.2, 0.8, 0.4, 0.9], [0.004, 0.001, 0.003, 0.001]
    >>> round(predictive_cross_entropy(process, event_free, density, 250).value, 2)
    1.69
    """
    ends = followed_from_origin(process)
    horizon = as_horizon(horizon, "horizon of the cross-entropy", float(ends.entry[0]))
    if not horizon > ends.entry[0]:
        raise OptionError(f"the horizon {horizon:g} is not after the landmark {ends.entry[0]:g}.")
    happened = ~ends.censored & (ends.exit <= horizon)
    free = as_numbers(event_free, "predictions", "event_free")
    dense = as_numbers(density, "predictions", "density")
    for name, values in (("event_free", free), ("density", dense)):
        if values.shape != happened.shape:
            raise CohortError(
                f"{name} has shape {values.shape}, expected ({happened.size},): one number a "
                "patient, in the order of `process.patients`."
            )
    survived = as_probabilities(np.where(happened, 1.0, free), happened.size, 1)[:, 0]
    dense = np.where(happened, dense, 1.0)
    if not np.all(np.isfinite(dense)):
        raise CohortError(f"{int((~np.isfinite(dense)).sum())} densities are not finite.")
    if np.any(dense < 0):
        raise OptionError(f"{int((dense < 0).sum())} densities are negative.")
    with np.errstate(divide="ignore"):
        each = -np.log(np.where(happened, dense, survived))
    value = float(each.mean())
    influence = (each - value) / each.size if np.isfinite(value) else np.full(each.size, np.nan)
    return Estimate(value, influence, -np.inf, np.inf)
