"""Patients made up for any disease, so that a description can be tried before there are data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.errors import OptionError, require_seed
from twinbayes.model import Group, Interaction, ModelSpec, Normal, Term, Trajectory
from twinbayes.model.courses.intensities import Transition, TreatmentStart
from twinbayes.model.curves.families.binary import Binary
from twinbayes.model.curves.families.negative_binomial import NegativeBinomial
from twinbayes.model.curves.families.ordinal import Ordinal
from twinbayes.model.curves.families.poisson import Poisson
from twinbayes.names import DEATH, LAST_CONTACT

_CLOSE_OF_STUDY: Final = 1500.0
_WAIT: Final = 120.0  # days until the next move, on average
_FEWEST: Final = 20
_MOST: Final = 100_000
_SEXES: Final = ("female", "male")
_COUNTS: Final = (Poisson, NegativeBinomial)


def synthetic_cohort(spec: ModelSpec, *, n_patients: int = 70, seed: int = 3) -> Cohort:
    """Draw covariates that suit the terms, paths at constant hazards, and visits.

    The numbers mean nothing: they are there to try whether a description can be fitted, reviewed
    and forecast with before a cohort is at hand.

    Parameters
    ----------
    spec
        The model.
    n_patients
        From 20 on.
    seed
        The same seed gives the same cohort.

    Returns
    -------
    Cohort
        Marked as simulated.

    Raises
    ------
    OptionError
        The number of patients or the seed cannot be.

    Examples
    --------
    >>> synthetic_cohort(tb.disease("pbc"), n_patients=40).n_patients
    40
    """
    if isinstance(n_patients, bool) or not isinstance(n_patients, int | np.integer):
        raise OptionError(f"n_patients must be a whole number, not {n_patients!r}.")
    if not _FEWEST <= n_patients <= _MOST:
        raise OptionError(f"n_patients is {n_patients}; it may be from {_FEWEST} to {_MOST}.")
    rng, n = np.random.default_rng(require_seed(seed)), int(n_patients)
    patients = _patients(spec, rng, n)
    variables: list[dict[str, Any]] = []
    for name, (group, values, levels) in _covariates(spec, rng, n).items():
        patients[name] = values
        table = {"name": name, "table": "patients", "role": "covariate"}
        variables.append(table | {"group": group, "levels": levels})
    records = [_record(spec, rng) for _ in range(n)]
    ids = patients["patient_id"]
    events = [(p, *row) for p, record in zip(ids, records, strict=True) for row in record[0]]
    tables = {
        "patients": patients,
        "events": pd.DataFrame(events, columns=["patient_id", "day", "event"]),
    }
    if spec.trajectories is not None:
        markers = spec.trajectories.markers
        tables["visits"] = _visits(markers, tables["events"], rng)
        variables += [{"name": t.marker, "table": "visits", "role": "marker"} for t in markers]
    if spec.graph.treatments:
        starts = [(p, *row) for p, record in zip(ids, records, strict=True) for row in record[1]]
        columns = ["patient_id", "start_day", "treatment"]
        tables["treatments"] = pd.DataFrame(starts, columns=columns)
        variables += [
            {"name": t.name, "table": "treatments", "role": "treatment"}
            for t in spec.graph.treatments
        ]
    columns = ["name", "table", "role", "group", "levels"]
    tables["variables"] = pd.DataFrame(variables, columns=columns)
    return cohort_from_tables(f"synthetic {spec.name}", tables, simulated=True)


def _patients(spec: ModelSpec, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Three subgroups of different sizes, of the classes that the model names; two centres."""
    classes = [some for effect in spec.events.time_varying for some in effect.classes]
    middle = classes[0][0] if classes else "middle"
    width = len(str(n - 1))
    return pd.DataFrame(
        {
            "patient_id": [f"p{i:0{width}d}" for i in range(n)],
            "subgroup": rng.choice(["large", middle, "small"], n, p=[0.6, 0.3, 0.1]),
            "centre": rng.choice(["north", "south"], n),
        }
    )


def _visits(
    markers: tuple[Trajectory, ...], events: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    """Up to five visits a patient and marker, none after the end of the record."""
    last = events.groupby("patient_id")["day"].max()
    rows = [
        (patient, at, t.marker, _value(t, rng), "none")
        for patient, day in last.items()
        for t in markers
        for at in _days(day, int(rng.integers(1, 6)))
    ]
    return pd.DataFrame(rows, columns=["patient_id", "day", "marker", "value", "censored"])


def _days(last: float, number: int) -> list[float]:
    """Days of visits, each once: a short record has fewer."""
    return list(dict.fromkeys(round(share * last, 1) for share in np.linspace(0, 0.9, number)))


def _value(marker: Trajectory, rng: np.random.Generator) -> float:
    """A value that the family of the marker can take."""
    family = marker.family
    if isinstance(family, Binary):
        return float(rng.integers(0, 2))
    if isinstance(family, Ordinal):
        return float(rng.choice(family.grades))
    if isinstance(family, _COUNTS):
        return float(rng.poisson(3.0))
    value = float(np.exp(rng.normal()))
    if isinstance(family, Normal) and None not in (family.floor, family.ceiling):
        low, high = float(family.floor or 0.0), float(family.ceiling or 0.0)
        return low + (high - low) * value / (1.0 + value)
    return value


def _covariates(
    spec: ModelSpec, rng: np.random.Generator, n: int
) -> Mapping[str, tuple[Any, Any, Any]]:
    """Name -> (group, values with some missing, levels)."""
    found: dict[str, tuple[Any, Any, Any]] = {}
    lesion_group = "gene"
    curves = () if spec.trajectories is None else spec.trajectories.covariates
    every = (*spec.events.covariates, *curves)
    for term in every:
        if isinstance(term, Term) and term.transform == "category":
            levels = _SEXES if term.name == "sex" else ("low", "mid", "high")
            found[term.name] = (term.group, rng.choice(levels, n), "|".join(levels))
        elif isinstance(term, Term) and term.transform == "binary":
            found[term.name] = (term.group, _lesion(rng, n), None)
        elif isinstance(term, Term):
            found[term.name] = (term.group, np.round(rng.uniform(20, 80, n), 1), None)
        elif isinstance(term, Group):
            lesion_group = lesion_group if term.group != "gene" else term.group
            for k in range(2):
                found[f"{term.group}_{k}"] = (term.group, _lesion(rng, n), None)
    for term in every:
        if isinstance(term, Interaction):
            for name in term.names:
                if name == "sex":  # a text by the contract, whatever the term makes of it
                    found.setdefault(name, ("clinical", rng.choice(_SEXES, n), "|".join(_SEXES)))
                found.setdefault(name, (lesion_group, _lesion(rng, n), None))
    for group, values, _ in found.values():
        if group == "clinical" and values.dtype == float:
            values[rng.random(n) < 0.1] = np.nan
    return found


def _lesion(rng: np.random.Generator, n: int) -> Floats:
    return (rng.random(n) < 0.6).astype(float)


def _record(
    spec: ModelSpec, rng: np.random.Generator
) -> tuple[list[tuple[float, str]], list[tuple[float, str]]]:
    """Events and treatment starts of one patient, at the same hazard everywhere."""
    graph, state, day = spec.graph, spec.graph.initial, 0.0
    events: list[tuple[float, str]] = []
    starts: list[tuple[float, str]] = []
    while state not in graph.absorbing:
        begun = {name for _, name in starts}
        moves: list[Transition | TreatmentStart] = [
            *graph.leaving(state),
            *(s for s in graph.starts if s.source == state and s.treatment not in begun),
        ]
        waits = rng.exponential(_WAIT * len(moves), len(moves))
        day = round(day + float(waits.min()) + 0.1, 1)
        if day >= _CLOSE_OF_STUDY:
            break
        move = moves[int(np.argmin(waits))]
        if isinstance(move, Transition):
            events.append((day, move.events[0]))
            state = move.target
        else:
            starts.append((day, move.treatment))
    if not events or events[-1][1] != DEATH:
        events.append((min(day, _CLOSE_OF_STUDY), LAST_CONTACT))
    return events, starts
