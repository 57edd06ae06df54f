"""A covariate missing at random in a third of patients: its effect is found all the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import twinbayes as tb
from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.model import PiecewiseConstant, Term

N = 1500
BETA = {"marker": 0.8, "stage": -0.5, "lesion": 0.7}
TERMS = (
    Term(name="marker", group="clinical"),
    Term(name="stage", group="clinical"),
    Term(name="lesion", group="clinical", transform="binary"),
)


def simulated(seed: int) -> Cohort:
    """Exponential survival; the marker is missing the more often the higher the stage."""
    rng = np.random.default_rng(seed)
    stage = rng.standard_normal(N)
    marker = 0.6 * stage + 0.8 * rng.standard_normal(N)
    lesion = (rng.random(N) < 0.3).astype(float)
    eta = BETA["marker"] * marker + BETA["stage"] * stage + BETA["lesion"] * lesion
    days = np.round(rng.exponential(600 * np.exp(-eta)) + 0.1, 1)
    hidden = rng.random(N) < 1 / (1 + np.exp(-(1.2 * stage - 1.0)))
    assert 0.25 < hidden.mean() < 0.4
    ids = [f"p{i}" for i in range(N)]
    patients = pd.DataFrame(
        {
            "patient_id": ids,
            "subgroup": "all",
            "centre": "only",
            "marker": np.where(hidden, np.nan, marker),
            "stage": stage,
            "lesion": np.where(rng.random(N) < 0.2, np.nan, lesion),
        }
    )
    events = pd.DataFrame(
        {
            "patient_id": ids,
            "day": np.minimum(days, 1500.0),
            "event": np.where(days < 1500.0, "death", "last_contact"),
        }
    )
    variables = pd.DataFrame(
        [{"name": n, "table": "patients", "role": "covariate", "group": "clinical"} for n in BETA]
    )
    tables = {"patients": patients, "events": events, "variables": variables}
    return cohort_from_tables("missing at random", tables, simulated=True)


@pytest.mark.requirement("R-024")
@pytest.mark.slow
def test_effects_are_recovered_with_a_third_of_a_covariate_missing_at_random(
    record_property: Callable[[str, object], None],
) -> None:
    spec = tb.disease(
        "survival",
        baseline=PiecewiseConstant(windows=1),
        covariates=TERMS,
        unshrunk=("clinical",),
    )
    cohort = simulated(3)
    fit = tb.fit(spec, cohort, draws=1000, tune=600, chains=2, seed=3, progressbar=False)
    assert fit.verdict.usable, fit.verdict.reasons
    beta = fit.datatree["posterior"]["beta"].isel(transition=0)
    for name, truth in BETA.items():
        column = fit.encoding.columns[fit.encoding.labels.index(name)]
        draws = beta.sel(covariate=name) / (1.0 if column.is_binary else column.scale)
        z = (float(draws.mean()) - truth) / float(draws.std())
        record_property(f"z_{name}", round(z, 2))
        assert abs(z) < 3
