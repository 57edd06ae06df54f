"""Twins of one patient with a quality of life that turns on the way, under drawn hazards.

The graphs are those of the diseases; hazards, effects and curves are drawn from a seed, so that no
model need be fitted. Curves of `hsct` and `aml` are made up: their models have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.cohort.contract.validation import cohort_from_tables
from twinbayes.model import (
    CurveEncoding,
    Encoding,
    EventProcess,
    Learnt,
    ModelSpec,
    Normal,
    Polynomial,
    Since,
    StateGraph,
)
from twinbayes.model.curves.marker import MarkerScale
from twinbayes.twin import Twin
from twinbayes.twin.curves.patient import PatientCurves
from twinbayes.twin.population.curves import CurvePopulation
from twinbayes.twin.population.hazards import Population

SCORE: Final = "score"
TRANSPLANT: Final = "allogeneic_transplant"
EDGES: Final = (0.0, 90.0, 400.0)

# What turns the score: with which spread the coefficient of each is drawn, and around what.
TURNS: Final[dict[str, tuple[tuple[Since, float, float], ...]]] = {
    "registry": (
        (Since(what="complete_remission"), 15.0, 10.0),
        (Since(what="complete_remission", turn="bend"), 4.0, 6.0),
        (Since(what="relapse"), -20.0, 10.0),
        (Since(what="relapse", turn="bend"), -10.0, 10.0),
        (Since(what=TRANSPLANT), -20.0, 10.0),
    ),
    "aml": (
        (Since(what="relapse"), -25.0, 10.0),
        (Since(what="relapse", turn="bend"), -8.0, 8.0),
        (Since(what=TRANSPLANT), -30.0, 10.0),
        (Since(what=TRANSPLANT, turn="approach", half_time=0.5), 35.0, 10.0),
    ),
    "hsct": (
        (Since(what="platelet_recovery", turn="approach", half_time=0.3), 25.0, 10.0),
        (Since(what="adverse_event"), -20.0, 10.0),
        (Since(what="adverse_event", turn="bend"), 8.0, 6.0),
        (Since(what="relapse"), -15.0, 10.0),
        (Since(what="relapse", turn="bend"), -15.0, 10.0),
    ),
}


def drawn_twin(
    disease: str,
    seed: int,
    *,
    draws: int = 1,
    events: Sequence[tuple[float, str]] = ((0.0, "last_contact"),),
    treatments: Sequence[tuple[float, str]] = (),
) -> Twin:
    """Twin of one patient with this record, everything else drawn from the seed."""
    rng, graph = np.random.default_rng(seed), tb.disease(disease).events.graph
    rates = np.exp(rng.uniform(np.log(1 / 1500), np.log(1 / 150), (len(graph.labels), 3, draws)))
    effect = rng.normal(0.0, 0.4, (len(graph.effects), 1, draws))
    era = rng.normal(0.0, 0.3, (len(graph.entry_eras), draws))
    turns = TURNS[disease]
    level, slope = rng.normal(60.0, 15.0, draws), rng.normal(0.0, 4.0, draws)
    lines = [level, slope, *(rng.normal(mean, sd, draws) for _, mean, sd in turns)]
    twin = known_twin(graph, rates, effect, era, one_patient(events, treatments))
    return with_score(twin, np.stack(lines, axis=1), [turn for turn, _, _ in turns])


def one_patient(
    events: Sequence[tuple[float, str]], treatments: Sequence[tuple[float, str]] = ()
) -> Cohort:
    """Return a cohort of one patient without covariates."""
    names = sorted({name for _, name in treatments})
    tables = {
        "patients": pd.DataFrame({"patient_id": ["P1"], "subgroup": ["all"], "centre": ["only"]}),
        "events": pd.DataFrame(
            [("P1", day, event) for day, event in events], columns=["patient_id", "day", "event"]
        ),
        "variables": pd.DataFrame(
            [(name, "treatments", "treatment", None, None) for name in names],
            columns=["name", "table", "role", "group", "levels"],
        ),
    }
    if treatments:
        tables["treatments"] = pd.DataFrame(
            [("P1", day, None, name, None, None) for day, name in treatments],
            columns=["patient_id", "start_day", "stop_day", "treatment", "dose", "line"],
        )
    return cohort_from_tables("one", tables, simulated=True)


def known_twin(
    graph: StateGraph, rates: np.ndarray, effect: np.ndarray, era: np.ndarray, cohort: Cohort
) -> Twin:
    """Twin under hazards a day (intensity, window of `EDGES`, draw) and log hazard ratios."""
    n, n_draws = len(graph.labels), rates.shape[-1]
    edges = np.tile([*EDGES, np.inf], (n, 1))
    population = Population(
        rate=rates,
        edges=edges,
        coef=np.zeros((2, n, n_draws)),
        at_stored_zero=np.zeros((n, n_draws)),
        effect=effect,
        era_effect=era,
        subgroup_scale=None,
        centre_scale=None,
        effect_mean=np.zeros((len(effect), n_draws)),
        effect_scale=np.zeros((len(effect), n_draws)),
        frailty=np.zeros((0, n_draws)),
    )
    spec = ModelSpec(name="known", title="Known", priors="x", events=EventProcess(graph=graph))
    learnt = Learnt(Encoding.learn((), cohort), tuple(edges))
    return Twin(spec, learnt, population, None, cohort, usable=True)


def with_score(
    twin: Twin,
    lines: np.ndarray,
    turns: Sequence[Since],
    *,
    family: Normal | None = None,
    transform: str = "identity",
    error: float = 1.0,
) -> Twin:
    """Give the one patient a score.

    `lines` (draw, coefficient): level, change a year, and what each turn makes of it. Turns have
    begun where the record says so.
    """
    family = Normal(floor=0.0, ceiling=100.0) if family is None else family
    lines = np.array(lines, dtype=float)
    n, width = lines.shape
    scale = MarkerScale(
        SCORE, transform, Polynomial(1), 0.0, 1.0, (1.0,) * width, family, tuple(turns)
    )
    learnt = CurveEncoding(twin.learnt.encoding, (scale,))
    population = CurvePopulation(
        learnt=learnt,
        level=lines.T,
        effect=np.zeros((0, width, n)),
        subgroup=None,
        centre=None,
        root=np.tile(np.eye(width), (n, 1, 1)),
        parameter=np.full((1, 1, n), error),
        association=np.zeros((0, n)),
    )
    starts = (first_known(twin.cohort, turns),)
    curves = PatientCurves(
        population, twin.spec, lines, lines, np.zeros(n), 1.0, 0, starts, np.zeros(0)
    )
    new = replace(twin, learnt=Learnt(twin.learnt.encoding, twin.learnt.edges, learnt))
    new._held[0] = replace(twin.patient_draws(0), curves=curves)
    new._trust[0] = twin.trust(0)
    return new


def first_known(cohort: Cohort, turns: Sequence[Since]) -> np.ndarray:
    """(turn,) days on which turns have begun in the record, infinite where they have not."""
    known = list(zip(cohort.events["event"], cohort.events["day"], strict=True))
    if cohort.treatments is not None:
        mine = cohort.treatments
        known += list(zip(mine["treatment"], mine["start_day"], strict=True))
    return np.array(
        [min((d for what, d in known if what == turn.what), default=np.inf) for turn in turns]
    )
