"""What writers of clinical formats share: dates of a cohort's days, and its dictionary."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from twinbayes.cohort import Cohort
from twinbayes.cohort.contract.validation import cohort_from_tables
from twinbayes.datasets.simulated.simulate import simulate_registry
from twinbayes.names import TABLES

FIRST = datetime(1998, 11, 3)


def day_zero(patients: tuple[str, ...]) -> dict[str, datetime]:
    """Patient -> date of day 0, over three years."""
    return {p: FIRST + timedelta(days=(37 * k) % 1095) for k, p in enumerate(patients)}


def after(start: datetime, day: float) -> datetime:
    """The moment of a day, to the minute."""
    return start + timedelta(minutes=round(day * 1440))


def variables_of(cohort: Cohort) -> dict[str, Any]:
    """The dictionary as a mapping has it."""
    out: dict[str, Any] = {}
    for row in cohort.variables.to_dict(orient="records"):
        entry = {str(k): v for k, v in row.items() if k != "name" and v == v and v is not None}
        if "levels" in entry:
            entry["levels"] = entry["levels"].split("|")
        out[row["name"]] = entry
    return out


def covariates_of(cohort: Cohort) -> list[str]:
    """Names of the numbers of the patients table."""
    fixed = ("patient_id", "subgroup", "centre", "sex")
    return [name for name in cohort.patients.columns if name not in fixed]


def genes_of(cohort: Cohort) -> list[str]:
    """Names of the lesions."""
    assert cohort.genomics is not None
    return [str(name) for name in cohort.genomics.columns[1:]]


def records(frame: Any) -> list[dict[str, Any]]:
    """Rows of a table as dictionaries, without what is missing."""
    return [
        {str(k): v for k, v in row.items() if v is not None and v == v}
        for row in frame.astype(object).where(frame.notna(), None).to_dict(orient="records")
    ]


def few_patients(n: int) -> Cohort:
    """A small registry: the first patients of a simulated one, and few of its variables."""
    whole = simulate_registry(seed=5, n_patients=40)[0]
    of_tables = {name: getattr(whole, name) for name in TABLES if name != "variables"}
    rest = [*covariates_of(whole)[2:], *genes_of(whole)[2:]]
    tables = {
        name: frame[frame["patient_id"].isin(whole.patient_ids[:n])].drop(
            columns=[column for column in rest if column in frame]
        )
        for name, frame in of_tables.items()
    }
    tables["variables"] = whole.variables[~whole.variables["name"].isin(rest)]
    return cohort_from_tables("few", tables, simulated=True)
