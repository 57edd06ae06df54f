"""Declarations of states, transitions and treatments, and what contradicts itself."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest

from twinbayes import disease
from twinbayes.errors import ModelError, OptionError
from twinbayes.model import Effect, StateGraph, Transition, Treatment, TreatmentStart
from twinbayes.model.courses.history import phase_of

DRUG = "drug"
FALL_ILL = Transition(source="well", target="ill", event="illness")
DIE = Transition(source="ill", target="dead", event="death", clock="entry")
START = TreatmentStart(source="well", treatment=DRUG)


def graph_of(**changes: Any) -> StateGraph:
    parts: dict[str, Any] = {"states": ("well", "ill", "dead"), "transitions": (FALL_ILL, DIE)}
    return StateGraph(**(parts | changes))


def with_effects(*phases: tuple[str, str], early_days: float | None = 30.0) -> Treatment:
    effects = tuple(Effect(treatment=DRUG, transition=t, phase=p) for t, p in phases)
    return Treatment(name=DRUG, starts=(START,), effects=effects, early_days=early_days)


def test_states_are_sorted_into_initial_transient_and_absorbing() -> None:
    graph = graph_of()
    assert graph.initial == "well"
    assert graph.transient == ("well", "ill")
    assert graph.absorbing == ("dead",)
    assert graph.leaving("ill") == (DIE,)


def test_intensities_are_transitions_and_then_starts() -> None:
    graph = graph_of(treatments=(with_effects(("well->ill", "here")),))
    assert graph.labels == ("well->ill", "ill->dead", "well->start:drug")
    assert [e.label for e in graph.effects] == ["drug:here on well->ill"]
    assert graph.treatment(DRUG).starts == (START,)
    with pytest.raises(OptionError, match=r"treatment 'placebo'. Known: 'drug'"):
        graph.treatment("placebo")


def test_eras_of_entry_are_open_on_the_left_and_cover_all_days() -> None:
    late = replace(DIE, entry_cuts=(100.0, 400.0))
    graph = graph_of(transitions=(FALL_ILL, late))
    assert [(e.first, e.last) for e in graph.entry_eras] == [
        (0.0, 100.0),
        (100.0, 400.0),
        (400.0, np.inf),
    ]
    assert [e.label for e in graph.entry_eras] == [
        "ill->dead, entered by day 100",
        "ill->dead, entered after day 100 up to 400",
        "ill->dead, entered after day 400",
    ]
    days = (0.0, 100.0, 100.5, 400.0, 9999.0)
    assert [graph.entry_era(late, day) for day in days] == [0, 0, 1, 1, 2]
    assert graph.entry_era(FALL_ILL, 50.0) is None


def test_eras_of_all_intensities_are_counted_on_and_their_cuts_joined() -> None:
    late = replace(DIE, entry_cuts=(100.0, 400.0))
    treatment = Treatment(
        name=DRUG,
        starts=(TreatmentStart(source="ill", treatment=DRUG, clock="entry", entry_cuts=(200.0,)),),
        effects=(),
    )
    graph = graph_of(transitions=(FALL_ILL, late), treatments=(treatment,))
    assert graph.entry_cuts == (100.0, 200.0, 400.0)
    (start,) = graph.starts
    assert [graph.entry_era(start, day) for day in (200.0, 201.0)] == [3, 4]
    assert graph.entry_eras[4].label == "ill->start:drug, entered after day 200"


@pytest.mark.parametrize("cuts", [(0.0,), (-5.0, 10.0), (50.0, 50.0), (90.0, 60.0), (np.inf,)])
def test_impossible_cuts_between_eras_are_refused(cuts: tuple[float, ...]) -> None:
    with pytest.raises(ModelError, match="'ill->dead' must be positive, finite, increasing days"):
        replace(DIE, entry_cuts=cuts)


def test_eras_of_entry_are_refused_on_the_origin_clock() -> None:
    with pytest.raises(ModelError, match="'well->ill' has entry_cuts on the 'origin' clock"):
        replace(FALL_ILL, entry_cuts=(100.0,))
    with pytest.raises(ModelError, match="entry_cuts on the 'origin' clock"):
        replace(START, entry_cuts=(100.0,))


def test_a_state_is_split_only_where_an_effect_is() -> None:
    treatment = with_effects(("well->ill", "here_early"), ("ill->dead", "earlier"))
    graph = graph_of(treatments=(treatment,))
    assert graph.is_split(DRUG, "well")
    assert not graph.is_split(DRUG, "ill")


@pytest.mark.parametrize(
    ("state", "day", "left", "phase"),
    [
        ("well", 10.0, False, "here_early"),
        ("well", 39.9, False, "here_early"),
        ("well", 40.0, False, "here_late"),
        ("ill", 12.0, True, "earlier"),
        ("ill", 12.0, False, "here"),
    ],
)
def test_the_phase_follows_from_state_and_day(
    state: str, day: float, left: bool, phase: str
) -> None:
    graph = graph_of(treatments=(with_effects(("well->ill", "here_early")),))
    assert phase_of(graph, DRUG, state, day, 10.0, left) == phase


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"states": ("well", "ill", "ill", "dead")}, ModelError, "Duplicate state: 'ill'"),
        ({"transitions": (FALL_ILL, FALL_ILL)}, ModelError, "Duplicate transition"),
        (
            {"transitions": (FALL_ILL, Transition(source="well", target="dead", event="illness"))},
            ModelError,
            "Duplicate event out of a state",
        ),
        ({"states": ("well", "dead")}, OptionError, "state of transition well->ill 'ill'"),
        (
            {"treatments": (with_effects(), with_effects())},
            ModelError,
            "Duplicate treatment: 'drug'",
        ),
        (
            {"treatments": (with_effects(("well->dead", "here")),)},
            OptionError,
            "Known: 'well->ill', 'ill->dead'",
        ),
        (
            {"treatments": (with_effects(("well->ill", "here"), ("well->ill", "here")),)},
            ModelError,
            "Duplicate treatment effect",
        ),
        (
            {"treatments": (with_effects(("well->ill", "here_early"), early_days=None),)},
            ModelError,
            "needs early_days",
        ),
        (
            {"treatments": (with_effects(("well->ill", "here"), ("well->ill", "here_late")),)},
            ModelError,
            "both 'here' and",
        ),
        (
            {"treatments": (with_effects(("ill->dead", "here_early")),)},
            ModelError,
            "on the entry clock and an early phase",
        ),
        (
            {
                "treatments": (
                    Treatment(
                        name=DRUG,
                        starts=(TreatmentStart(source="dead", treatment=DRUG),),
                        effects=(),
                    ),
                )
            },
            OptionError,
            "state in which a treatment starts 'dead'",
        ),
        (
            {"treatments": (Treatment(name="other", starts=(START,), effects=()),)},
            ModelError,
            "the start in 'well' names 'drug'",
        ),
    ],
)
def test_contradictions_are_refused(
    changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        graph_of(**changes)


def test_unknown_clocks_and_phases_are_refused_with_the_known_ones() -> None:
    with pytest.raises(OptionError, match=r"clock 'wall'. Known: 'origin', 'entry'"):
        Transition(source="a", target="b", event="e", clock="wall")
    with pytest.raises(OptionError, match=r"clock 'wall'. Known: 'origin', 'entry'"):
        TreatmentStart(source="a", treatment=DRUG, clock="wall")
    with pytest.raises(OptionError, match=r"treatment phase 'soon'. Known: 'here'"):
        Effect(treatment=DRUG, transition="a->b", phase="soon")


def test_descriptions_are_frozen() -> None:
    spec = disease("aml")
    for value, name in ((spec, "name"), (spec.graph, "states"), (spec.events, "covariates")):
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, ())
