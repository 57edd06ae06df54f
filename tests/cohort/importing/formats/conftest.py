"""Small registries, and what of them no message may hold."""

from __future__ import annotations

import pytest

from twinbayes.cohort import Cohort
from twinbayes.datasets.simulated.simulate import simulate_registry


@pytest.fixture(scope="session")
def small() -> Cohort:
    whole = simulate_registry(seed=5, n_patients=40)[0]
    return whole.select(whole.patient_ids[:12])


@pytest.fixture(scope="session")
def private(small: Cohort) -> list[str]:
    """Identifiers of patients, and the first of persons."""
    return [*small.patient_ids, *(str(7_700_001 + k) for k in range(small.n_patients)), "77900"]
