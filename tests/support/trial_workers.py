"""Functions that tests of simulation studies give to other processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from twinbayes.cohort import Cohort
from twinbayes.cohort.contract.validation import cohort_from_tables
from twinbayes.trials.simulated.trials import Plan, TrialFit, run_trials

RATE = 0.4  # deaths a year
HORIZON = 365.25


def square(x: int) -> int:
    return x * x


def refuse(x: int) -> int:
    raise ValueError(f"no {x}")


def _die_once(flag: str) -> None:
    try:
        Path(flag).touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def square_after_a_death(flag: str, x: int) -> int:
    if x == 2:
        _die_once(flag)
    return x * x


def always_die(x: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return x


def run_after_a_death(flag: str, plan: Plan, trials: Sequence[int]) -> list[TrialFit]:
    if 2 in trials:
        _die_once(flag)
    return run_trials(plan, trials)


def simulate_patients(seed: int) -> tuple[Cohort, Mapping[str, float]]:
    """A hundred patients with a constant hazard of death, followed for three years."""
    generator = np.random.default_rng(seed)
    n = 100
    day = generator.exponential(365.25 / RATE, n)
    end = 3 * 365.25
    ids = [f"p{k:03d}" for k in range(n)]
    variables = {
        "name": ["age_years", "sex"],
        "table": "patients",
        "role": "covariate",
        "group": "clinical",
        "levels": [None, "female|male"],
    }
    tables = {
        "patients": pd.DataFrame(
            {
                "patient_id": ids,
                "centre": "only",
                "subgroup": np.where(np.arange(n) % 2, "a", "b"),
                "age_years": generator.normal(60, 10, n).round(1),
                "sex": np.where(np.arange(n) % 3, "female", "male"),
            }
        ),
        "events": pd.DataFrame(
            {
                "patient_id": ids,
                "day": np.minimum(day, end).round(2) + 0.01,
                "event": np.where(day < end, "death", "last_contact"),
            }
        ),
        "variables": pd.DataFrame(variables),
    }
    cohort = cohort_from_tables("constant hazard", tables, simulated=True)
    return cohort, {"survival at 1 year": float(np.exp(-RATE))}


def one_year_survival(fit: Any) -> dict[str, np.ndarray]:
    """Mean survival of the patients at one year, one number a draw."""
    forecast = fit.twin(at=0.0).forecast(HORIZON, [0.0, HORIZON], draws=True)
    draws = forecast["state_probability_draws"].sel(state="alive").isel(time=-1)
    return {"survival at 1 year": draws.mean("patient").to_numpy()}
