"""Estimands: what is refused before anything is computed, and what the sentence says."""

from __future__ import annotations

from typing import Any

import pytest

from twinbayes.diseases.leukaemia import TRANSPLANT, acute_leukaemia
from twinbayes.effects import Estimand, Target
from twinbayes.errors import OptionError, TwinError
from twinbayes.model import StateGraph, Transition, Treatment, TreatmentStart
from twinbayes.twin import Quality, Scenario

AML = acute_leukaemia()
START = Scenario.start(TRANSPLANT, day=120, states=("remission",))
NEVER = Scenario.none(TRANSPLANT)
DEATHS = ("death_without_remission", "death_in_remission", "death_after_relapse")
RELAPSING = StateGraph(
    states=("well", "flare", "dead"),
    transitions=(
        Transition(source="well", target="flare", event="flare"),
        Transition(source="flare", target="well", event="recovery"),
        Transition(source="flare", target="dead", event="death"),
    ),
    treatments=(
        Treatment(
            name="drug", effects=(), starts=(TreatmentStart(source="well", treatment="drug"),)
        ),
        Treatment(
            name="rescue", effects=(), starts=(TreatmentStart(source="flare", treatment="rescue"),)
        ),
    ),
)


def of(**others: object) -> Estimand:
    return Estimand(**{"a": START, "b": NEVER, "times": 365.0} | others)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("others", "error", "message"),
    [
        ({"summary": "odds"}, OptionError, r"summary 'odds'\. Known: 'risk_difference'"),
        ({"times": 0.0}, TwinError, "increasing days since the landmark, above 0"),
        ({"times": (365.0, 100.0)}, TwinError, "increasing days"),
        ({"times": ()}, TwinError, "1 to 16"),
        ({"times": tuple(range(1, 20))}, TwinError, "1 to 16"),
        ({"times": float("nan")}, TwinError, "increasing days"),
        ({"endpoint": None}, OptionError, "endpoint must be a sequence of names"),
        ({"endpoint": 5}, OptionError, "endpoint must be a sequence of names"),
        ({"endpoint": [["relapse"]]}, OptionError, "endpoint must be a sequence of names"),
        ({"endpoint": ()}, OptionError, "endpoint names no state"),
        ({"a": 5}, OptionError, "a must be a Scenario"),
        ({"b": None}, OptionError, "b must be a Scenario"),
        ({"target": "all"}, OptionError, "target must be a Target"),
        ({"intercurrent": 5}, OptionError, "intercurrent must give each event its strategy"),
        (
            {"summary": "quality_adjusted_time_difference", "quality": 5},
            OptionError,
            "quality must be a Quality",
        ),
        ({"summary": "quality_adjusted_time_difference"}, OptionError, "give `quality`"),
        ({"quality": Quality(utilities={})}, OptionError, "give `quality`"),
        (
            {
                "summary": "quality_adjusted_time_difference",
                "quality": Quality(utilities={}),
                "endpoint": "relapse",
            },
            OptionError,
            "endpoint is 'death'",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused_at_once(
    others: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        of(**others)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"landmark": -1.0}, "at least 0"),
        ({"landmark": float("inf")}, "at least 0"),
        ({"states": "remission"}, "sequence of names"),
        ({"patients": "p1"}, "sequence of names"),
    ],
)
def test_a_target_that_cannot_be_is_refused(target: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Target(**target)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("others", "error", "message"),
    [
        ({"endpoint": "cured"}, OptionError, r"endpoint 'cured'\. Known: 'death', 'event_free'"),
        ({"endpoint": "event_free"}, TwinError, "give the target one state"),
        (
            {"target": Target(states=("cured",))},
            OptionError,
            "state of the target 'cured'",
        ),
        (
            {"target": Target(untreated=("aspirin",))},
            OptionError,
            "treatment 'aspirin'. Known: 'allogeneic_transplant'",
        ),
        (
            {"endpoint": ("remission", "death_in_remission")},
            TwinError,
            "the first entry cannot be told. Count 'death_after_relapse' and 'relapse' too",
        ),
        (
            {"intercurrent": {"cure": "composite"}},
            OptionError,
            "intercurrent event 'cure'. Known: 'death', 'allogeneic_transplant', 'remission'",
        ),
        (
            {"intercurrent": {"relapse": "principal_stratum"}},
            OptionError,
            r"'principal_stratum'\. Known: 'treatment_policy', 'hypothetical', 'composite'",
        ),
        (
            {"intercurrent": {"relapse": "while_alive"}},
            TwinError,
            r"'while_alive' is not possible .* Possible: 'treatment_policy', 'composite'",
        ),
        (
            {"intercurrent": {TRANSPLANT: "treatment_policy"}},
            TwinError,
            "Possible: 'hypothetical'",
        ),
        ({"intercurrent": {"death": "composite"}}, TwinError, "is the endpoint itself"),
        (
            {"endpoint": "relapse", "intercurrent": {"relapse": "composite"}},
            TwinError,
            "is the endpoint itself",
        ),
        (
            {
                "summary": "quality_adjusted_time_difference",
                "quality": Quality(utilities={}),
                "intercurrent": {"relapse": "composite"},
            },
            TwinError,
            "no composite endpoint",
        ),
    ],
)
def test_what_the_model_cannot_give_is_refused_with_what_it_can(
    others: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        of(**others).reading(AML)


def test_every_event_has_a_strategy_and_the_sentence_says_it() -> None:
    asked = of(target=Target(landmark=120.0, states=("remission",), untreated=(TRANSPLANT,)))
    reading = asked.reading(AML)
    assert dict(reading.handled.strategies) == {
        TRANSPLANT: "hypothetical",
        "relapse": "treatment_policy",
    }
    assert reading.sentence == (
        "Population: all patients who are alive and followed, in remission, without "
        "allogeneic_transplant on day 120. Treatments: 'allogeneic_transplant on day 120 in "
        "remission' against 'no allogeneic_transplant'. Variable: death, within 365 days (1 "
        "years) of the landmark. Intercurrent events: allogeneic_transplant: hypothetical (as the "
        "scenarios have it); relapse: treatment policy (the endpoint counts whether it happens or "
        "not). Summary: difference in risk of death."
    )


def test_a_sentence_counts_selected_patients_and_names_none() -> None:
    said = of(target=Target(patients=("p1", "p2"), subgroups=("rare",))).reading(AML).sentence
    assert "2 patients selected of rare" in said
    assert "p1" not in said


def test_relapse_as_a_composite_makes_relapse_free_survival() -> None:
    reading = of(intercurrent={"relapse": "composite"}).reading(AML)
    assert set(reading.endpoint.states) == {"relapse", *DEATHS}
    assert reading.endpoint.is_closed
    free = of(endpoint="event_free", target=Target(states=("remission",))).reading(AML)
    assert set(free.endpoint.states) == {
        "relapse",
        "death_in_remission",
        "death_after_relapse",
    }


def test_what_comes_after_the_endpoint_is_no_intercurrent_event() -> None:
    reading = of(endpoint="relapse").reading(AML)
    assert "death_after_relapse" not in reading.handled.strategies
    assert reading.handled.strategies["death_in_remission"] == "while_alive"
    occupied = of(endpoint="relapse", summary="state_occupation_difference").reading(AML)
    assert occupied.handled.strategies["death_after_relapse"] == "while_alive"


def test_death_stands_for_all_deaths_that_are_not_the_endpoint() -> None:
    reading = of(endpoint="relapse", intercurrent={"death": "hypothetical"}).reading(AML)
    assert set(reading.handled.blocked) == {"death_without_remission", "death_in_remission"}


def test_another_treatment_is_withheld_where_asked_and_else_follows_the_policy() -> None:
    drug = {"a": Scenario.start("drug", day=0.0), "b": Scenario.none("drug"), "times": 365.0}
    plain = of(**drug).reading(RELAPSING)
    assert plain.handled.strategies["rescue"] == "treatment_policy"
    assert plain.a.named == ("drug",)
    without = of(**drug, intercurrent={"rescue": "hypothetical"}).reading(RELAPSING)
    assert without.a.named == without.b.named == ("drug", "rescue")
    assert without.contrasted == ("drug",)
    with pytest.raises(TwinError, match="Possible: 'treatment_policy', 'hypothetical'"):
        of(**drug, intercurrent={"rescue": "composite"}).reading(RELAPSING)


def test_a_state_that_comes_and_goes_has_no_risk_but_an_occupation() -> None:
    drug = {"a": Scenario.start("drug", day=0.0), "b": Scenario.none("drug"), "times": 365.0}
    with pytest.raises(TwinError, match="first entry cannot be told"):
        of(**drug, endpoint="flare").reading(RELAPSING)
    occupied = of(**drug, endpoint="flare", summary="state_occupation_difference")
    assert occupied.reading(RELAPSING).endpoint.states == ("flare",)


def test_a_later_start_is_compared_at_the_landmark_of_the_earlier() -> None:
    asked = Estimand.starting(
        TRANSPLANT, landmark=100.0, later=200.0, times=365.0, states=("remission",)
    )
    assert asked.target == Target(landmark=100.0, states=("remission",), untreated=(TRANSPLANT,))
    assert [s.assumptions[0].day for s in (asked.a, asked.b)] == [100.0, 200.0]
    with pytest.raises(TwinError, match="must come after the landmark"):
        Estimand.starting(TRANSPLANT, landmark=100.0, later=100.0, times=365.0)


@pytest.mark.parametrize(
    "others",
    [
        {"endpoint": None},
        {"landmark": "x"},
        {"landmark": None},
        {"later": "x"},
        {"states": [[1]]},
        {"subgroups": "AML"},
        {"patients": 5},
        {"treatment": 5},
        {"intercurrent": [1]},
        {"times": "x"},
    ],
    ids=str,
)
def test_a_start_of_what_is_no_name_or_day_is_refused(others: dict[str, Any]) -> None:
    with pytest.raises((OptionError, TwinError)):
        Estimand.starting(**{"treatment": TRANSPLANT, "landmark": 120.0, "times": 365.0} | others)
