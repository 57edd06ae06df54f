"""Joint models of simulated patients: what their hazards follow is found again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.cohort.contract.validation import cohort_from_tables
from twinbayes.model import Association, ModelSpec, PiecewiseConstant
from twinbayes.model.covariates.terms import Term
from twinbayes.names import DAYS_PER_YEAR

YEAR = DAYS_PER_YEAR
LAG = 0.5  # years
END = 6.0


def simulate(form: str, ratios: tuple[float, float], n: int, seed: int) -> Cohort:
    """Straight lines of log bilirubin; deaths by inversion on a fine grid, 0.12 a year at 0."""
    rng = np.random.default_rng(seed)
    female = (np.arange(n) % 2).astype(float)
    deviation = rng.normal(size=(n, 2)) * np.array([0.7, 0.25])
    level, rise = (deviation + np.array([0.5, 0.15])).T
    grid = np.linspace(0.0, END, 1201)
    first, second = ratios
    if form == "effects":
        follows = (deviation @ np.array(ratios))[:, None] + 0.0 * grid
    else:
        then = np.maximum(grid - LAG, 0.0)
        follows = (first + second * female)[:, None] * (level[:, None] + rise[:, None] * then)
    area = np.cumsum(0.12 * np.exp(follows), axis=1) * (grid[1] - grid[0])
    due = rng.exponential(size=n)
    died = area[:, -1] > due
    years = np.where(died, grid[np.argmax(area > due[:, None], axis=1)], END)
    years = np.maximum(years, 0.01)
    ids = [f"p{k:03d}" for k in range(n)]
    patients = pd.DataFrame(
        {"patient_id": ids, "subgroup": "one", "centre": "one", "female": female}
    )
    events = pd.DataFrame(
        {
            "patient_id": ids,
            "day": years * YEAR,
            "event": np.where(died, "death", "last_contact"),
        }
    )
    visits = pd.DataFrame(
        [
            (ids[k], t * YEAR, "bilirubin", np.exp(rng.normal(level[k] + rise[k] * t, 0.2)), "none")
            for k in range(n)
            for t in np.arange(0.0, years[k], 0.5)
        ],
        columns=["patient_id", "day", "marker", "value", "censored"],
    )
    variables = pd.DataFrame(
        [
            ("female", "patients", "covariate", "clinical", None),
            ("bilirubin", "visits", "marker", "laboratory", None),
        ],
        columns=["name", "table", "role", "group", "levels"],
    )
    tables = {"patients": patients, "events": events, "visits": visits, "variables": variables}
    return cohort_from_tables("made up", tables, simulated=True)


def spec_of(form: str) -> ModelSpec:
    base = tb.disease(
        "pbc",
        covariates=(Term(name="female", group="clinical", transform="binary"),),
        baseline=PiecewiseConstant(windows=4),
    )
    one = Association(marker="bilirubin", transitions=("alive->dead",), form=form)
    if form == "effects":
        return replace(base, associations=(one,))
    lagged = replace(one, lag_days=LAG * YEAR)
    return replace(base, associations=(lagged, replace(lagged, by="female")))


@pytest.mark.slow
@pytest.mark.parametrize(("form", "ratios"), [("value", (1.2, -0.8)), ("effects", (1.0, -2.5))])
def test_hazard_ratios_of_lags_products_and_effects_are_found_again(
    form: str, ratios: tuple[float, float]
) -> None:
    cohort = simulate(form, ratios, 300, seed=11)
    fit = tb.fit(spec_of(form), cohort, draws=300, tune=400, chains=2, seed=1, progressbar=False)
    found = fit.datatree["posterior"]["association"]
    mean, sd = (getattr(found, f)(("chain", "draw")).to_numpy() for f in ("mean", "std"))
    assert np.all(np.abs(mean - ratios) < 3 * sd)
    assert np.all(sd < 0.35 * np.abs(ratios))
