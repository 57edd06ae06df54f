"""Data sets that come with the package."""

from __future__ import annotations

from twinbayes.cohort import Cohort
from twinbayes.cohort.registry import simulate_registry
from twinbayes.cohort.registry_numbers import registry_truth
from twinbayes.cohort.registry_truth import RegistryTruth

__all__ = ["RegistryTruth", "registry", "registry_truth"]


def registry(seed: int = 20260101) -> Cohort:
    """Return the simulated registry of rare acute leukaemias; nobody in it exists.

    240 patients, 8 subgroups of 6 to 70, 5 centres. Always marked ``simulated``. What a fit
    should find is in `registry_truth`.

    Parameters
    ----------
    seed
        Another seed gives another registry from the same truth.
    """
    cohort, _ = simulate_registry(seed=seed)
    return cohort
