"""Log hazard ratios of draws, in the order in which rows at risk point at them."""

from __future__ import annotations

import numpy as np
import xarray as xr

from twinbayes.names import EFFECT, ENTRY_ERA, SUBGROUP, TIME_VARYING_WINDOW, TRANSITION, WINDOW


def acting_effects(posterior: xr.Dataset, n_subgroups: int) -> np.ndarray:
    """Return log hazard ratios as rows at risk point at them.

    First those of treatments, then of eras, then of windows of time-varying effects.

    Parameters
    ----------
    posterior
        Draws of an event process, under any dims of their own.
    n_subgroups
        Number of subgroups of the fit.

    Returns
    -------
    ndarray
        Shape (..., effect, subgroup), first the dims of the draws as ``log_baseline`` has them.
    """
    like = posterior["log_baseline"]
    own = [d for d in like.dims if d not in (TRANSITION, WINDOW)]
    shape = tuple(like.sizes[d] for d in own)
    parts = [np.zeros((*shape, 0, n_subgroups))]
    if "treatment_subgroup_effect" in posterior:
        treatment = posterior["treatment_subgroup_effect"]
        parts.append(treatment.transpose(*own, EFFECT, SUBGROUP).to_numpy())
    if "entry_era_effect" in posterior:
        era = posterior["entry_era_effect"].transpose(*own, ENTRY_ERA).to_numpy()
        parts.append(np.repeat(era[..., None], n_subgroups, axis=-1))
    if "time_varying_effect" in posterior:
        walks = posterior["time_varying_effect"]
        parts.append(walks.transpose(*own, TIME_VARYING_WINDOW, SUBGROUP).to_numpy())
    return np.concatenate(parts, axis=-2)
