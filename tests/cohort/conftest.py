"""A small valid cohort with every table, whose identifiers are easy to find in a message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from pandas import DataFrame

from twinbayes.cohort import Cohort, cohort_from_tables

N = 12


def small_tables() -> dict[str, DataFrame]:
    ids = [f"SECRET-{i:03d}" for i in range(N)]
    patients = DataFrame(
        {
            "patient_id": ids,
            "subgroup": ["npm1"] * 6 + ["inv16"] * 4 + ["t6_9"] * 2,
            "centre": ["north", "south"] * (N // 2),
            "age_years": [30.0 + 3 * i for i in range(N)],
            "sex": ["female", "male", None] * (N // 3),
            "wbc": [1.5 * (i + 1) for i in range(N)],
            "stage": ["early", "late", None] * (N // 3),
        }
    )
    genomics = DataFrame(
        {"patient_id": ids, "NPM1": [1, 0, None] * (N // 3), "TP53": [0, 0.31] * (N // 2)}
    )
    events = DataFrame(
        [
            row
            for i, p in enumerate(ids)
            for row in (
                (p, 30.0 + i, "complete_remission"),
                (p, 200.0 + i, "relapse"),
                (p, 400.0 + i, "death" if i % 2 else "last_contact"),
            )
        ],
        columns=["patient_id", "day", "event"],
    )
    visits = DataFrame(
        [
            (p, day, marker, value, "left" if marker == "mrd" and day else "none")
            for i, p in enumerate(ids)
            for day in (0.0, 100.0)
            for marker, value in (("mrd", 0.001), ("qol_global", 50.0 + i))
        ],
        columns=["patient_id", "day", "marker", "value", "censored"],
    )
    treatments = DataFrame(
        [(p, 90.0 + i, 150.0 if i % 2 else None, "chemo", 2.5, 1) for i, p in enumerate(ids)],
        columns=["patient_id", "start_day", "stop_day", "treatment", "dose", "line"],
    )
    columns = ["name", "table", "role", "group", "unit", "min", "max", "levels", "description"]
    variables = DataFrame(
        [
            ("age_years", "patients", "covariate", "clinical", "a", 18, 100, None, "age"),
            ("sex", "patients", "covariate", "clinical", None, None, None, "female|male", "sex"),
            ("wbc", "patients", "covariate", "clinical", "10*9/L", 0.1, 500, None, "cells"),
            ("stage", "patients", "covariate", "clinical", None, None, None, "early|late", ""),
            ("NPM1", "genomics", "covariate", "gene", "1", None, None, None, "mutation"),
            ("TP53", "genomics", "covariate", "gene", "1", None, None, None, "allele fraction"),
            ("mrd", "visits", "marker", None, "1", 0, 1, None, "residual disease"),
            ("qol_global", "visits", "qol", None, "{score}", 0, 100, None, "global health"),
            ("chemo", "treatments", "treatment", None, "g", 0, 10, None, "chemotherapy"),
        ],
        columns=columns,
    )
    return {
        "patients": patients,
        "genomics": genomics,
        "visits": visits,
        "events": events,
        "treatments": treatments,
        "variables": variables,
    }


@pytest.fixture
def tables() -> dict[str, DataFrame]:
    return small_tables()


@pytest.fixture
def cohort(tables: dict[str, DataFrame]) -> Cohort:
    return cohort_from_tables("small", tables, simulated=True, source={"title": "Small & valid"})


@pytest.fixture(scope="session")
def valid_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `Cohort.write` makes it."""
    return cohort_from_tables("small", small_tables()).write(
        tmp_path_factory.mktemp("valid") / "cohort"
    )


@pytest.fixture
def edit() -> Callable[..., None]:
    """Change a table of a folder in place, as text."""

    def change(folder: Path, table: str, how: Callable[[DataFrame], DataFrame]) -> None:
        path = folder / f"{table}.csv"
        frame = pd.read_csv(path, dtype=object, keep_default_na=False)
        how(frame).to_csv(path, index=False, lineterminator="\n")

    return change
