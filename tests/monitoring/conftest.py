"""A small stored fit, and people whom it has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import twinbayes as tb
from chance import drawn_seed
from fits_of_priors import fit_of_priors
from twinbayes.datasets.simulated.simulate import simulate_registry
from twinbayes.inference import Fit
from twinbayes.model import Term

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


@pytest.fixture(scope="session")
def survival() -> Fit:
    """A usable fit of one hazard to all simulated centres but one."""
    age = Term(name="age_years", group="clinical")
    spec = tb.disease("survival", covariates=(age,)).ignoring("complete_remission", "relapse")
    cohort = tb.datasets.simulated_registry()
    others = cohort.patients["centre"] != "centre_B"
    cohort = cohort.select(cohort.patients.loc[others, "patient_id"].tolist())
    return fit_of_priors(spec, cohort, seed=drawn_seed(__name__))


@pytest.fixture(scope="session")
def there() -> tb.Cohort:
    """The patients of the centre that it has not seen."""
    cohort = tb.datasets.simulated_registry()
    mine = cohort.patients["centre"] == "centre_B"
    return cohort.select(cohort.patients.loc[mine, "patient_id"].tolist())
