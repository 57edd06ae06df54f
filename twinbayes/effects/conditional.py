"""Hazard ratios as the model has them: of one treatment, by transition, phase and subgroup."""

from __future__ import annotations

import numpy as np
import xarray as xr

from twinbayes.arrays import is_number
from twinbayes.errors import TwinError, told
from twinbayes.inference import Fit
from twinbayes.names import EFFECT, SUBGROUP
from twinbayes.twin.answers.summaries import summarise


def conditional_hazard_ratios(fit: Fit, treatment: str, *, interval: float = 0.9) -> xr.Dataset:
    """Return the hazard ratios of a treatment, given all covariates of a patient.

    They are parameters of the model, and not the ratio of the hazards of two groups of patients:
    for that, and for anything that depends on more than one transition, see `treatment_effect`.

    Parameters
    ----------
    fit
        A fit whose graph has the treatment.
    treatment
        Its name.
    interval
        Probability of the equal-tailed intervals.

    Returns
    -------
    Dataset
        `hazard_ratio` (effect, subgroup), exponential of the posterior mean logarithm, with
        ``_lower`` and ``_upper``.

    Raises
    ------
    OptionError, TwinError
        An unknown treatment, one without effects, or an impossible interval.

    Examples
    --------
    >>> found = conditional_hazard_ratios(fit, "allogeneic_transplant")
    >>> found["hazard_ratio"].dims
    ('effect', 'subgroup')
    """
    graph = fit.spec.graph
    graph.treatment(treatment)
    rows = [k for k, e in enumerate(graph.effects) if e.treatment == treatment]
    if not rows:
        raise TwinError(f"{treatment!r} has no effect on any transition of this model.")
    if not is_number(interval) or not 0.0 < interval < 1.0:
        raise TwinError(f"interval must be a probability between 0 and 1, not {told(interval)}.")
    tails = (1 - interval) / 2, (1 + interval) / 2
    found = np.exp(summarise(np.ascontiguousarray(fit.population.effect[rows]), *tails))
    names = ("hazard_ratio", "hazard_ratio_lower", "hazard_ratio_upper")
    return xr.Dataset(
        {name: ((EFFECT, SUBGROUP), found[..., k]) for k, name in enumerate(names)},
        coords={
            EFFECT: [graph.effects[k].label for k in rows],
            SUBGROUP: list(fit.encoding.subgroups),
        },
        attrs={
            "interval_probability": interval,
            "interval_kind": "equal-tailed",
            "disease": fit.spec.name,
            "verdict": "usable" if fit.verdict.usable else "not for use",
        },
    )
