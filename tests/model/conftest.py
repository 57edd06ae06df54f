"""Small cohorts written by hand, and the simulated registry without its visits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import pytest

from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.datasets.simulated.simulate import simulate_registry

Row = tuple[str, float, str]
TRANSPLANT = "allogeneic_transplant"


def hand_written(
    events: Sequence[Row],
    treatments: Sequence[Row] = (),
    *,
    subgroup: Mapping[str, str] | None = None,
    covariates: Mapping[str, Sequence[object]] | None = None,
    groups: Mapping[str, str] | None = None,
) -> Cohort:
    """Return a cohort of the patients named in `events`, in their order.

    `covariates` holds one value a patient, text for categories; `groups` says to which covariate
    group each belongs ("clinical" unless named).
    """
    ids = list(dict.fromkeys(patient for patient, _, _ in events))
    covariates, groups, subgroup = covariates or {}, groups or {}, subgroup or {}
    patients = pd.DataFrame(
        {
            "patient_id": ids,
            "subgroup": [subgroup.get(p, "all") for p in ids],
            "centre": "only",
            **covariates,
        }
    )
    variables = [
        {
            "name": name,
            "table": "patients",
            "role": "covariate",
            "group": groups.get(name, "clinical"),
            "levels": _levels(values),
        }
        for name, values in covariates.items()
    ] + [
        {"name": name, "table": "treatments", "role": "treatment", "group": None, "levels": None}
        for name in dict.fromkeys(what for _, _, what in treatments)
    ]
    columns = ["name", "table", "role", "group", "levels"]
    tables = {
        "patients": patients,
        "events": pd.DataFrame(events, columns=["patient_id", "day", "event"]),
        "variables": pd.DataFrame(variables, columns=columns),
    }
    if treatments:
        tables["treatments"] = pd.DataFrame(
            treatments, columns=["patient_id", "start_day", "treatment"]
        )
    return cohort_from_tables("by hand", tables, simulated=True)


def _levels(values: Sequence[object]) -> str | None:
    text = sorted({v for v in values if isinstance(v, str)})
    return "|".join(text) or None


@pytest.fixture(scope="session")
def make_cohort() -> Callable[..., Cohort]:
    return hand_written


@pytest.fixture(scope="session")
def registry() -> Cohort:
    cohort, _ = simulate_registry(seed=7, n_patients=80, visits=False)
    return cohort
