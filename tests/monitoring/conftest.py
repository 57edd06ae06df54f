"""A small stored fit, and people whom it has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import twinbayes as tb
from chance import drawn_seed
from twinbayes.datasets.simulated.simulate import simulate_registry
from twinbayes.inference import Fit

STORED = Path(__file__).resolve().parents[1] / "data" / "registry_fit.nc"
SEED = drawn_seed(__name__)


@pytest.fixture(scope="module")
def fit() -> Fit:
    found: Any = tb.load_fit(STORED)
    return found


@pytest.fixture(scope="module")
def strangers(fit: Fit) -> tb.Cohort:
    """As many simulated people whom the fit has not seen, under other identifiers."""
    cohort, _ = simulate_registry(seed=SEED, n_patients=120)
    tables = {
        name: frame if name == "variables" else frame.assign(patient_id="X" + frame["patient_id"])
        for name, frame in cohort.tables.items()
    }
    whole = tb.cohort_from_tables("strangers", tables, simulated=True, source={"note": "test"})
    known = whole.patients["subgroup"].isin(fit.encoding.subgroups)
    return whole.select(list(whole.patients.loc[known, "patient_id"]))
