"""Twins of one hand-written patient under known hazards: no model is fitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import pytest

from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.model import Encoding, EventProcess, Learnt, ModelSpec, StateGraph
from twinbayes.twin import Twin
from twinbayes.twin.population import Population

Steps = tuple[Sequence[float], Sequence[float]]
Days = Sequence[tuple[float, str]]


def one_patient(events: Days, treatments: Days = ()) -> Cohort:
    """Return a cohort of one patient without covariates."""
    tables = {
        "patients": pd.DataFrame({"patient_id": ["P1"], "subgroup": ["all"], "centre": ["only"]}),
        "events": pd.DataFrame(
            [("P1", day, event) for day, event in events], columns=["patient_id", "day", "event"]
        ),
        "variables": pd.DataFrame(
            {
                "name": sorted({name for _, name in treatments}) or [],
                "table": "treatments",
                "role": "treatment",
                "group": None,
                "levels": None,
            },
            columns=["name", "table", "role", "group", "levels"],
        ),
    }
    if treatments:
        tables["treatments"] = pd.DataFrame(
            [("P1", day, None, name, None, None) for day, name in treatments],
            columns=["patient_id", "start_day", "stop_day", "treatment", "dose", "line"],
        )
    return cohort_from_tables("one", tables, simulated=True)


def known_population(
    graph: StateGraph,
    rates: Mapping[str, float | Steps],
    effects: Mapping[str, float],
    scatter: np.ndarray,
) -> Population:
    """Hazards per day of every intensity: a number, or ``(inner edges, rates)``.

    Draw d has every hazard multiplied by ``scatter[d]``.
    """
    steps = [
        ((), (rate,)) if isinstance(rate, float) else rate
        for rate in (rates[label] for label in graph.labels)
    ]
    width = max(len(values) for _, values in steps)
    edges = np.full((len(steps), width + 1), np.inf)
    rate = np.zeros((len(steps), width, len(scatter)))
    for k, (inner, values) in enumerate(steps):
        edges[k, : len(inner) + 1] = [0.0, *inner]
        padded = [*values, *[values[-1]] * (width - len(values))]
        rate[k] = np.asarray(padded)[:, None] * scatter
    log_ratios = np.array([effects.get(e.label, 0.0) for e in graph.effects]).reshape(-1, 1, 1)
    era_ratios = np.array([effects.get(e.label, 0.0) for e in graph.entry_eras])
    n_effects, n = len(graph.effects), len(scatter)
    return Population(
        rate=rate,
        edges=edges,
        coef=np.zeros((2, len(steps), n)),
        origin=np.zeros((len(steps), n)),
        effect=log_ratios * np.ones((n_effects, 1, n)),
        era_effect=era_ratios[:, None] * np.ones(n),
        subgroup_scale=None,
        centre_scale=None,
        effect_mean=np.zeros((n_effects, n)),
        effect_scale=np.zeros((n_effects, n)),
    )


@pytest.fixture(scope="session")
def twin_of() -> Callable[..., Twin]:
    """Build the twin of one patient under known hazards."""

    def build(
        graph: StateGraph,
        rates: Mapping[str, float | Steps],
        *,
        effects: Mapping[str, float] | None = None,
        events: Days = ((0.0, "last_contact"),),
        treatments: Days = (),
        scatter: Sequence[float] = (1.0,),
    ) -> Twin:
        cohort = one_patient(events, treatments)
        spec = ModelSpec(name="known", title="Known", priors="x", events=EventProcess(graph=graph))
        population = known_population(graph, rates, effects or {}, np.asarray(scatter))
        learnt = Learnt(Encoding.learn((), cohort), tuple(population.edges))
        return Twin(spec, learnt, population, None, cohort, usable=True)

    return build
