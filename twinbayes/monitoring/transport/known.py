"""By how much the centres that a fit knows differ: what a new one may be off by."""

from __future__ import annotations

from typing import Final

import numpy as np

from twinbayes.arrays import Floats
from twinbayes.inference import Fit, SharedFit
from twinbayes.monitoring.cells import known_centres
from twinbayes.names import DAYS_PER_YEAR, SURVIVAL

_DRAWS: Final = 400


def nothing_yet(fit: Fit | SharedFit) -> str:
    """What to say where nothing has happened at a new place."""
    said = (
        "No event has happened at the new place yet: its level is what the prior and the time "
        "without events say."
    )
    apart = differences(fit)
    if not len(apart):
        return f"{said} The fit has not learnt how centres differ, and a new one may differ more."
    return (
        f"{said} Of the {len(apart)} centres that the fit knows, one differed from their mean by "
        f"up to {np.max(np.abs(apart)):.0f} points in survival to one year, and so may a new one."
    )


def differences(fit: Fit | SharedFit) -> Floats:
    """(centre,) survival to one year of somebody at each known centre, less the mean, in points.

    Of a person of the first subgroup of whom nothing else is known; empty where hazards do not
    depend on centres.
    """
    centres = sorted(known_centres(fit) or ())
    if len(centres) < 2:
        return np.zeros(0)
    shared = fit.without_patients()
    subgroup = shared.learnt.encoding.subgroups[0]
    n = min(_DRAWS, shared.datatree["posterior"]["draw"].size)
    alive = []
    for centre in centres:
        person = shared.new_patient(subgroup=subgroup, covariates={}, centre=centre)
        forecast = shared.twin(person, draws=n).forecast(until=DAYS_PER_YEAR)
        alive.append(100.0 * float(forecast[SURVIVAL].to_numpy()[0, -1]))
    out: Floats = np.array(alive) - np.mean(alive)
    return out
