"""A small synthetic cohort for any disease, made from its specification alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.diseases import DISEASES
from twinbayes.model import Group, Interaction, ModelSpec, Term
from twinbayes.names import DEATH, LAST_CONTACT

N = 70
CLOSE_OF_STUDY = 1500.0
BUILT_IN = {"age_years", "sex"}  # columns that every patients table may have


def synthetic_cohort(spec: ModelSpec, seed: int = 3) -> Cohort:
    """Draw covariates that suit the terms, and paths at constant hazards through the graph."""
    rng = np.random.default_rng(seed)
    classes = [some for effect in spec.events.time_varying for some in effect.classes]
    middle = classes[0][0] if classes else "middle"
    patients = pd.DataFrame(
        {
            "patient_id": [f"p{i:02d}" for i in range(N)],
            "subgroup": rng.choice(["large", middle, "small"], N, p=[0.6, 0.3, 0.1]),
            "centre": rng.choice(["north", "south"], N),
        }
    )
    variables = []
    for name, (group, values, levels) in _covariates(spec, rng).items():
        patients[name] = values
        table = {"name": name, "table": "patients", "role": "covariate"}
        variables.append(table | {"group": group, "levels": levels})
    events, treatments = [], []
    for patient in patients["patient_id"]:
        record = _record(spec, rng)
        events += [(patient, day, event) for day, event in record[0]]
        treatments += [(patient, day, name) for day, name in record[1]]
    variables += [
        {"name": t.name, "table": "treatments", "role": "treatment"} for t in spec.graph.treatments
    ]
    columns = ["name", "table", "role", "group", "levels"]
    tables = {
        "patients": patients,
        "events": pd.DataFrame(events, columns=["patient_id", "day", "event"]),
        "variables": pd.DataFrame(variables, columns=columns),
    }
    if spec.trajectories is not None:
        tables["visits"] = _visits(spec, tables["events"], rng)
        tables["variables"] = pd.concat(
            [
                tables["variables"],
                pd.DataFrame(
                    [
                        {"name": t.marker, "table": "visits", "role": "marker"}
                        for t in spec.trajectories.markers
                    ]
                ),
            ]
        )
    if spec.graph.treatments:
        tables["treatments"] = pd.DataFrame(
            treatments, columns=["patient_id", "start_day", "treatment"]
        )
    return cohort_from_tables(f"synthetic {spec.name}", tables, simulated=True)


def _visits(spec: ModelSpec, events: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Up to five visits a patient and marker, none after the end of the record."""
    last = events.groupby("patient_id")["day"].max()
    rows = [
        (patient, round(share * day, 1), t.marker, float(np.exp(rng.normal())), "none")
        for patient, day in last.items()
        for t in spec.trajectories.markers
        for share in np.linspace(0, 0.9, int(rng.integers(1, 6)))
    ]
    return pd.DataFrame(rows, columns=["patient_id", "day", "marker", "value", "censored"])


def _covariates(spec: ModelSpec, rng: np.random.Generator) -> dict[str, tuple[Any, ...]]:
    """Name -> (group, values with some missing, levels)."""
    found: dict[str, tuple[Any, ...]] = {}
    lesion_group = "gene"
    curves = () if spec.trajectories is None else spec.trajectories.covariates
    for term in (*spec.events.covariates, *curves):
        if isinstance(term, Term) and (term.transform == "category"):
            levels = ("female", "male") if term.name == "sex" else ("low", "mid", "high")
            found[term.name] = (term.group, rng.choice(levels, N), "|".join(levels))
        elif isinstance(term, Term) and term.transform == "binary":
            found[term.name] = (term.group, _lesion(rng), None)
        elif isinstance(term, Term):
            found[term.name] = (term.group, np.round(rng.uniform(20, 80, N), 1), None)
        elif isinstance(term, Group):
            lesion_group = lesion_group if term.group != "gene" else term.group
            for k in range(2):
                found[f"{term.group}_{k}"] = (term.group, _lesion(rng), None)
    for term in spec.events.covariates:
        if isinstance(term, Interaction):
            for name in term.names:
                found.setdefault(name, (lesion_group, _lesion(rng), None))
    for group, values, _ in found.values():
        if group == "clinical" and values.dtype == float:
            values[rng.random(N) < 0.1] = np.nan
    return found


def _lesion(rng: np.random.Generator) -> np.ndarray:
    return (rng.random(N) < 0.6).astype(float)


def _record(
    spec: ModelSpec, rng: np.random.Generator
) -> tuple[list[tuple[float, str]], list[tuple[float, str]]]:
    graph, state, day = spec.graph, spec.graph.initial, 0.0
    events: list[tuple[float, str]] = []
    starts: list[tuple[float, str]] = []
    while state not in graph.absorbing:
        begun = {name for _, name in starts}
        moves: list[Any] = [
            *graph.leaving(state),
            *(s for s in graph.starts if s.source == state and s.treatment not in begun),
        ]
        waits = rng.exponential(120.0 * len(moves), len(moves))
        day = round(day + float(waits.min()) + 0.1, 1)
        if day >= CLOSE_OF_STUDY:
            break
        move = moves[int(np.argmin(waits))]
        if hasattr(move, "treatment"):
            starts.append((day, move.treatment))
        else:
            events.append((day, move.events[0]))
            state = move.target
    if not events or events[-1][1] != DEATH:
        events.append((min(day, CLOSE_OF_STUDY), LAST_CONTACT))
    return events, starts


@pytest.fixture(scope="session")
def cohort_of() -> Callable[[str], Cohort]:
    """Return the synthetic cohort of a disease by name."""
    return cache(lambda name: synthetic_cohort(DISEASES[name]()))
