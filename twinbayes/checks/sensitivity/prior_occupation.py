"""Whether the priors, before any data, allow what was seen and do not dictate it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr

from twinbayes.checks.result import PRIOR_PREDICTIVE, CheckResult, CheckVerdict
from twinbayes.errors import require_level
from twinbayes.estimators.observed import as_horizons
from twinbayes.estimators.state_occupation import StateOccupation
from twinbayes.inference import Fit
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.names import PATIENT, POSTERIOR, SAMPLE, STATE, TIME

_NEAR: Final = 0.01
_DRAWS: Final = 200
_PATIENTS: Final = 12
_WIDE: Final = 0.3  # mean width from which on an interval can hardly be missed


def occupation_under_priors(fit: Fit, grid: np.ndarray) -> xr.DataArray:
    """Return the mean state occupation of a spread of the fitted patients under the priors alone.

    Parameters
    ----------
    fit
        Gives model, patients and priors; its posterior is not used.
    grid
        Days since origin, increasing.

    Returns
    -------
    DataArray
        Dims ``sample, time, state``: one sample a draw of the priors.
    """
    prior = sample_priors(fit.spec, fit.cohort, priors=fit.priors, draws=_DRAWS)
    under_priors = replace(fit, datatree=xr.DataTree.from_dict({POSTERIOR: prior}))
    ids = fit.cohort.patient_ids
    some = [ids[k] for k in np.unique(np.linspace(0, len(ids) - 1, _PATIENTS).astype(int))]
    twin = under_priors.twin(some, at=0.0).as_drawn()  # priors have seen nobody
    forecast = twin.forecast(float(grid[-1]), grid, draws=True)
    mean: xr.DataArray = forecast["state_probability_draws"].mean(PATIENT)
    return mean.transpose(SAMPLE, TIME, STATE).assign_attrs(patients=len(some), of=len(ids))


def prior_occupation(
    draws: xr.DataArray,
    observed: StateOccupation,
    times: Sequence[float],
    *,
    level: float = 0.9,
    labels: Mapping[str, str] | None = None,
) -> CheckResult:
    """Check that observed state occupation is within reach of the priors.

    Parameters
    ----------
    draws
        State occupation under the priors alone, dims ``sample, time, state``; `time` in days since
        the origin.
    observed
        The Aalen–Johansen estimate.
    times
        Days at which to compare, each among the times of `draws`.
    level
        Probability of the equal-tailed prior interval.
    labels
        State → how people read it in the sentence; the table has the names.

    Returns
    -------
    CheckResult
        One row a time and state: ``time, state, prior_median, prior_lower, prior_upper, observed,
        inside``. Warns if an observed value lies more than 0.01 outside the prior interval: the
        priors then pull away from the data. A warning and no failure, because enough data overrule
        a prior. Passes only where the intervals are 0.3 wide or less on average; wider ones can
        hardly be missed, which is information and no test. Where nobody was followed so long, and
        not all had reached an absorbing state, what was observed is NaN and the text says so.

    Raises
    ------
    OptionError
        If `level` is no probability, or a time no day from the origin on.
    """
    require_level(level)
    at = draws.sel({TIME: list(times)}, method="nearest", tolerance=1e-6)
    values = at.transpose(SAMPLE, TIME, STATE).to_numpy()
    tails = (0.5, 0.5 - level / 2, 0.5 + level / 2)
    middle, lower, upper = np.quantile(values, tails, axis=0)
    states = [str(s) for s in draws[STATE].to_numpy()]
    columns = [observed.states.index(s) for s in states]
    days = observed.origin + as_horizons(list(times), "times of a prior predictive")
    known = days <= observed.known_until
    seen = observed.at(np.minimum(days, observed.known_until))[:, columns]
    seen[~known] = np.nan
    # A state that nobody was seen in is not evidence against a prior that gives it next to nothing.
    near = (lower - _NEAR <= seen) & (seen <= upper + _NEAR)
    index = pd.MultiIndex.from_product([list(times), states], names=[TIME, STATE])
    table = pd.DataFrame(
        {
            "prior_median": middle.ravel(),
            "prior_lower": lower.ravel(),
            "prior_upper": upper.ravel(),
            "observed": seen.ravel(),
            "inside": near.ravel(),
        },
        index=index,
    ).reset_index()
    judged = table[table["observed"].notna()]
    outside = judged[~judged["inside"]]
    table["inside"] = table["inside"].astype("boolean").mask(table["observed"].isna())
    width = float((upper - lower).mean())
    allows: CheckVerdict = "info" if width > _WIDE else "pass"
    verdict: CheckVerdict = "warn" if len(outside) else allows if len(judged) else "not_provided"
    text = (
        f"{len(judged) - len(outside)} of {len(judged)} observed state probabilities lie inside "
        f"the {level:.0%} interval of the priors ({values.shape[0]} draws{_of_whom(draws)}), whose "
        f"mean width is {width:.2f}."
    )
    if width > _WIDE:
        text += (
            " Intervals so wide can hardly be missed: this says that the priors rule little out."
        )
    if len(outside):
        read = outside[STATE].map(lambda state: (labels or {}).get(state, state))
        pairs = zip(read, outside[TIME], strict=True)
        named = dict.fromkeys(f"{state} at {time:g} days" for state, time in pairs)
        text += f" Outside: {', '.join(named)}."
    if not len(judged):
        text = ""
    if not known.all():
        unseen = ", ".join(f"{t:g}" for t, k in zip(times, known, strict=True) if not k)
        text = f"{text} NOT PROVIDED at {unseen} days: nobody was followed so long.".strip()
    return CheckResult(
        "prior predictive of state occupation", verdict, table, text, PRIOR_PREDICTIVE
    )


def _of_whom(draws: xr.DataArray) -> str:
    """Of how many patients the mean was taken, where that is known."""
    if "patients" not in draws.attrs:
        return ""
    return f", mean over {draws.attrs['patients']} of {draws.attrs['of']} patients"
