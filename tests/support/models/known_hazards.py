"""Survival models whose truth is known, and cohorts drawn from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import twinbayes as tb
from twinbayes.names import CENTRE, DAY, EVENT, LAST_CONTACT, PATIENT_ID, SUBGROUP


@dataclass(frozen=True)
class KnownHazard:
    """A constant hazard, by day, that one covariate multiplies."""

    rate: float
    slope: float = 0.0

    def predict_survival(self, patients: pd.DataFrame, days: np.ndarray) -> np.ndarray:
        """Survival, (patient, day)."""
        hazard = self.rate * np.exp(self.slope * patients["x1"].to_numpy(dtype=float))
        return np.exp(-np.outer(hazard, days))


def drawn_cohort(
    n: int,
    survival: Callable[[pd.DataFrame, np.ndarray], np.ndarray],
    rng: np.random.Generator,
    *,
    censored: float = 1500.0,
    longest: float = 2000.0,
) -> tb.Cohort:
    """Patients whose survival is that of a function of a table and days; some are censored."""
    x = pd.DataFrame({"x1": rng.standard_normal(n), "age": rng.uniform(20.0, 80.0, n)})
    subgroup = rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    grid = np.linspace(0.0, 9000.0, 4001)
    curve = survival(x.assign(subgroup=subgroup), grid)
    u = rng.uniform(size=n)
    died = np.array([np.interp(-v, -s, grid) for v, s in zip(u, curve, strict=True)])
    lost = np.minimum(rng.exponential(censored, n), longest)
    ids = [f"SECRET{k:04d}" for k in range(n)]
    places: dict[str, Any] = {
        PATIENT_ID: ids,
        SUBGROUP: subgroup,
        CENTRE: rng.choice(["north", "south", "east", "west"], n),
    }
    event = np.where(died <= lost, "death", LAST_CONTACT)
    day = np.maximum(np.minimum(died, lost), 0.5)
    variables = pd.DataFrame(
        [(name, "patients", "covariate", "clinical", "1") for name in x],
        columns=["name", "table", "role", "group", "unit"],
    )
    tables = {
        "patients": x.assign(**places),
        "events": pd.DataFrame({PATIENT_ID: ids, DAY: day, EVENT: event}),
        "variables": variables,
    }
    return tb.cohort_from_tables("drawn", tables, simulated=True, source={"title": "Drawn"})
