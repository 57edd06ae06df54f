"""What a patient's report compares: from the present state, or as it is asked for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from twinbayes.errors import OptionError, ScenarioError
from twinbayes.model import StateGraph, Transition, Treatment, TreatmentStart
from twinbayes.model.courses.history import Present
from twinbayes.report import default_scenarios, scenario_from_words, scenarios_from_json
from twinbayes.report.patient.scenarios import pair_of
from twinbayes.twin import Scenario, Twin

CHRONIC = StateGraph(
    states=("chronic", "aml", "dead"),
    transitions=(
        Transition(source="chronic", target="aml", event="transformation"),
        Transition(source="chronic", target="dead", event="death"),
        Transition(source="aml", target="dead", event="death"),
    ),
    treatments=(
        Treatment(
            name="transplant",
            starts=(
                TreatmentStart(source="chronic", treatment="transplant"),
                TreatmentStart(source="aml", treatment="transplant"),
            ),
            effects=(),
        ),
    ),
)


def twin(state: str, day: float = 10.5, started: tuple[Any, ...] = ()) -> Twin:
    present = Present(state=state, day=day, entry=0.0, started=started)
    return cast(
        Twin,
        SimpleNamespace(spec=SimpleNamespace(graph=CHRONIC, reporting=None), present=(present,)),
    )


def test_a_chronic_disease_is_treated_from_the_state_that_it_is_in() -> None:
    pair = default_scenarios(twin("chronic"))
    assert pair == (
        Scenario.start("transplant", day=131, states=("chronic", "aml")),
        Scenario.none("transplant"),
    )
    later = default_scenarios(twin("aml"))
    assert later is not None
    assert later[0] == Scenario.start("transplant", day=41, states=("aml",))
    assert default_scenarios(twin("chronic", started=(("transplant", 3.0, "chronic"),))) is None


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario.policy(),
        Scenario.none("drug"),
        Scenario.start("drug", day=0.0),
        Scenario.start("drug", day=12.5, states=("x", "y")) & Scenario.none("b"),
        Scenario.given("arm", 1.0) & Scenario.given("dose", "very high"),
    ],
)
def test_a_scenario_is_read_as_its_label_says_it(scenario: Scenario) -> None:
    assert scenario_from_words(scenario.label) == scenario


@pytest.mark.parametrize(
    "text", ["", "x", "no", "no two words", "a on day x", "a on day nan", "a on day 1 in ",
             " and ", "a and policy", "a on day 1 and no a", "= 1"],
)  # fmt: skip
def test_what_is_no_scenario_is_refused_with_the_forms_that_are(text: str) -> None:
    with pytest.raises(ScenarioError):
        scenario_from_words(text)


@pytest.mark.parametrize(
    "text", ["0", "null", "{}3", "[1]", "[{}]", "false", '[{"assumptions": 3, "settings": []}]',
             "[" * 5000],
)  # fmt: skip
def test_a_parameter_that_is_no_list_of_scenarios_is_refused(text: str) -> None:
    with pytest.raises(ScenarioError):
        scenarios_from_json(text)


def test_two_different_scenarios_are_compared() -> None:
    with pytest.raises(ScenarioError, match="not 1"):
        pair_of([Scenario.policy()])
    with pytest.raises(OptionError, match="the same"):
        pair_of([Scenario.policy(), Scenario.policy()])
