"""The simulated registry that every example runs on."""

from __future__ import annotations

from twinbayes.cohort import Cohort
from twinbayes.datasets.simulated.numbers import registry_truth
from twinbayes.datasets.simulated.simulate import simulate_registry
from twinbayes.datasets.simulated.truth import RegistryTruth

__all__ = ["RegistryTruth", "registry_truth", "simulated_registry"]


def simulated_registry(seed: int = 20260101) -> Cohort:
    """Return the simulated registry of rare acute leukaemias; nobody in it exists.

    240 patients, 8 subgroups of 6 to 70, 5 centres. Always marked ``simulated``. What a fit
    should find is in `registry_truth`.

    Parameters
    ----------
    seed
        Another seed gives another registry from the same truth.

    Examples
    --------
    >>> tb.datasets.simulated_registry().n_patients
    240
    """
    cohort, _ = simulate_registry(seed=seed)
    return cohort
