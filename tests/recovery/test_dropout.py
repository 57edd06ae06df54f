"""Quality of life of patients who die sooner the worse they feel: what the living hide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.cohort.contract.validation import cohort_from_tables
from twinbayes.model import Association, ModelSpec, PiecewiseConstant, Trajectory
from twinbayes.names import DAYS_PER_YEAR

YEAR = DAYS_PER_YEAR
END = 5.0  # years
START, DECLINE = 70.0, -6.0  # points, and points a year, of all patients
SPREAD = np.array([10.0, 6.0])
ERROR = 10.0
DEATH = "alive->dead"
RATIO = -0.08  # log hazard ratio of a point
RATE = 0.15  # deaths a year at the score of the start


def failing(n: int, seed: int) -> Cohort:
    """Straight lines of a score, asked once a year while alive; deaths by inversion on a grid."""
    rng = np.random.default_rng(seed)
    level, slope = (rng.normal(size=(n, 2)) * SPREAD + np.array([START, DECLINE])).T
    grid = np.linspace(0.0, END, 2001)
    score = level[:, None] + slope[:, None] * grid
    risen = np.cumsum(RATE * np.exp(RATIO * (score - START)), axis=1) * (grid[1] - grid[0])
    due = rng.exponential(size=n)
    died = risen[:, -1] > due
    years = np.where(died, grid[np.argmax(risen > due[:, None], axis=1)], END)
    years = np.maximum(years, 0.01)
    ids = [f"p{k:03d}" for k in range(n)]
    event = np.where(died, "death", "last_contact")
    visits = [
        (ids[k], t * YEAR, "global_health", rng.normal(level[k] + slope[k] * t, ERROR), "none")
        for k in range(n)
        for t in np.arange(0.0, years[k], 1.0)
    ]
    tables = {
        "patients": pd.DataFrame({"patient_id": ids, "subgroup": "one", "centre": "one"}),
        "events": pd.DataFrame({"patient_id": ids, "day": years * YEAR, "event": event}),
        "visits": pd.DataFrame(
            visits, columns=["patient_id", "day", "marker", "value", "censored"]
        ),
        "variables": pd.DataFrame(
            [("global_health", "visits", "marker", "quality_of_life", None)],
            columns=["name", "table", "role", "group", "levels"],
        ),
    }
    return cohort_from_tables("made up", tables, simulated=True)


def decline(spec: ModelSpec, cohort: Cohort) -> np.ndarray:
    """Draws of the mean slope, in points a year."""
    fit = tb.fit(spec, cohort, draws=400, tune=400, chains=2, seed=1, progressbar=False)
    term = "global_health: year"
    level = fit.datatree["posterior"]["curve_effect"].sel(curve_term=term, curve_covariate="level")
    draws: np.ndarray = level.to_numpy().ravel()
    return draws


@pytest.mark.slow
def test_those_who_drop_out_by_death_do_not_make_the_decline_look_gentler(
    record_property: Callable[[str, object], None],
) -> None:
    """The association tells the model why the worst curves end early; without it, they are lost."""
    cohort = failing(300, seed=21)
    joint = tb.disease(
        "pbc",
        covariates=(),
        baseline=PiecewiseConstant(windows=3),
        markers=(Trajectory(marker="global_health"),),
    )
    joint = replace(
        joint, associations=(Association(marker="global_health", transitions=(DEATH,)),)
    )
    told, untold = (decline(s, cohort) for s in (joint, replace(joint, associations=())))
    for name, draws in (("told", told), ("untold", untold)):
        record_property(
            f"decline_{name}", [round(float(x), 2) for x in (draws.mean(), draws.std())]
        )
    low, high = np.quantile(told, [0.025, 0.975])
    assert low < DECLINE < high
    assert abs(told.mean() - DECLINE) < told.std()
    assert np.quantile(untold, 0.025) > DECLINE  # too healthy, and sure of it
    assert untold.mean() - DECLINE > 2 * abs(told.mean() - DECLINE)
