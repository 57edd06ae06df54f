"""Every field of every description, given something that it cannot be: refused in our words."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Final

import numpy as np
import pytest

import twinbayes as tb
from twinbayes import priors as prior_types
from twinbayes.errors import ModelError, TwinbayesError
from twinbayes.model import (
    Association,
    Effect,
    EventProcess,
    Exchangeable,
    Group,
    Interaction,
    ModelSpec,
    Ordinal,
    OwnMean,
    PiecewiseConstant,
    Since,
    StateGraph,
    Term,
    TimeVarying,
    Trajectories,
    Trajectory,
    Transition,
    Treatment,
    TreatmentStart,
    Weibull,
    register_mean_function,
)
from twinbayes.model.aggregate.spec import AggregateSpec
from twinbayes.model.catalogue import COMPONENTS
from twinbayes.model.courses.labels import StateLabel
from twinbayes.model.courses.reporting import Reporting, Utility
from twinbayes.model.curves.families.parameter import FamilyParameter

WRONG: Final = (
    None, "well", "", 3.5, -1, 0, float("nan"), float("inf"), True, object(), Weibull, Weibull(),
    [], ["well"], [3.5], [None], {}, {"well": 1}, (), ("well",), ("well", 3.5), (None,), ((),),
)  # fmt: skip

START = TreatmentStart(source="well", treatment="drug")
EFFECT = Effect(treatment="drug", transition="well->dead", phase="here")
DRUG = Treatment(name="drug", starts=(START,), effects=(EFFECT,))
DEATH = Transition(source="well", target="dead", event="death")
GRAPH = StateGraph(states=("well", "dead"), transitions=(DEATH,), treatments=(DRUG,))
CURVE = Trajectory(marker="level")
PROCESS = EventProcess(graph=GRAPH)
FOUR = Exchangeable(nu=4.0)
BETA = {"alpha": 1.0, "beta": 1.0}


@register_mean_function("a line, for wrong types")
def line(years: Any, parameters: Any) -> Any:
    return parameters[0] * years


GIVEN: Final = (
    START, EFFECT, DRUG, DEATH, GRAPH, CURVE, PROCESS,
    Trajectories(markers=(CURVE,)),
    Association(marker="level", transitions=("well->dead",)),
    Since(what="drug"),
    Term(name="age_years", group="clinical"),
    Group(group="gene"),
    Interaction(names=("npm1", "flt3_itd")),
    TimeVarying(of="subgroup", on="well->dead"),
    Ordinal(grades=(0.0, 1.0, 2.0)),
    OwnMean(kind="a line, for wrong types", standard=(("slope", 0.0, 1.0),)),
    FamilyParameter(name="marker_df", dim="heavy_marker"),
    Utility(state="well", mean=0.5),
    StateLabel(state="well", text="in good health"),
    Reporting(),
    prior_types.OwnPriors(name="mine", extends="survival"),
    ModelSpec(name="toy", title="Toy", priors="survival", events=PROCESS),
    AggregateSpec(name="basket", title="Basket"),
)  # fmt: skip
MODEL: Final = {type(x).__name__: x for x in GIVEN} | {
    name: kind()
    for name, kind in COMPONENTS.items()
    if name not in {type(x).__name__ for x in GIVEN}
}

ENTRY = tb.load_priors("survival")["baseline_level"]
EXPERT = prior_types.Expert(role="one", values=(0.1, 0.2, 0.4), probabilities=(0.1, 0.5, 0.9))
PRIORS: Final = {
    type(x).__name__: x
    for x in (
        ENTRY,
        tb.load_priors("survival"),
        EXPERT,
        prior_types.Elicitation(protocol="written", method="quantiles", experts=(EXPERT,)),
        prior_types.Component(weight=1.0, arguments=BETA),
        prior_types.Density(distribution="Beta", arguments=BETA),
        prior_types.Alternative(label="w", distribution="Beta", arguments=BETA, rationale="wide"),
        prior_types.Derived(),
        prior_types.Evidence(kind="publication", statement="said", source="somewhere"),
        prior_types.PriorEstimand(endpoint="response", summary="mean", time_point="day 1"),
        prior_types.PriorPredictive(statement="said", numbers={"mean": 1.0}),
        prior_types.Review(role="one", date="2026-01-01", decision="approve"),
        prior_types.Robustness(weight=0.2, component=BETA, reason="unlike"),
        prior_types.Mixture.of("beta", [(1.0, 1.0, 1.0)]),
    )
}  # fmt: skip


def with_effects(*effects: Effect) -> StateGraph:
    return replace(GRAPH, treatments=(replace(DRUG, effects=effects),))


def bare(description: Any) -> list[str]:
    """What is raised that is not ours, by field and value."""
    found = []
    for f in fields(description):
        for value in WRONG:
            try:
                replace(description, **{f.name: value})
            except TwinbayesError:
                continue
            except Exception as error:
                found.append(f"{f.name}={value!r}: {error!r}")
    return found


def test_the_descriptions_here_are_all_that_there_are() -> None:
    assert set(MODEL) >= {*COMPONENTS, "ModelSpec", "AggregateSpec", "FamilyParameter"}


@pytest.mark.requirement("R-070")
@pytest.mark.parametrize("name", sorted(MODEL))
def test_every_field_of_a_model_refuses_other_types_in_our_words(name: str) -> None:
    assert bare(MODEL[name]) == []


@pytest.mark.parametrize("name", sorted(PRIORS))
def test_every_field_of_a_prior_refuses_other_types_in_our_words(name: str) -> None:
    assert bare(PRIORS[name]) == []


@pytest.mark.parametrize("name", sorted(set(MODEL) - {"OwnPriors"}))
def test_no_field_of_a_model_takes_what_nothing_is(name: str) -> None:
    for f in fields(MODEL[name]):
        for value in (object(), {"well": 1}, float("nan")):
            with pytest.raises(ModelError, match=f"{name}.*: {f.name} must be "):
                replace(MODEL[name], **{f.name: value})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: Treatment(name="drug", starts=("well",), effects=()),  # type: ignore[arg-type]
            "Treatment(name='drug'): starts must be a tuple of TreatmentStart, such as "
            "starts=(TreatmentStart(...),); number 1 in it is a str.",
        ),
        (
            lambda: replace(DRUG, effects=EFFECT),
            "Treatment(name='drug'): effects must be a tuple of Effect, such as "
            "effects=(Effect(...),); found an Effect. Put it into a tuple: effects=(...,).",
        ),
        (
            lambda: replace(DEATH, baseline=Weibull),
            "Transition(source='well'): baseline must be a Baseline, such as "
            "baseline=PiecewiseConstant(); found the type Weibull itself. Make one of it: "
            "Weibull().",
        ),
        (
            lambda: replace(PROCESS, covariates=("age_years",)),
            "EventProcess: covariates must be a tuple of Term, Group or Interaction, such as "
            "covariates=(Term(...),); number 1 in it is a str.",
        ),
        (
            lambda: Exchangeable(nu="four"),  # type: ignore[arg-type]
            "Exchangeable: nu must be a number or None, such as nu=0.5; found a str.",
        ),
        (
            lambda: PiecewiseConstant(windows=2.5),  # type: ignore[arg-type]
            "PiecewiseConstant: windows must be a whole number, such as windows=8; found 2.5.",
        ),
        (
            lambda: replace(MODEL["PowerPrior"], shape=(1.0,)),
            "PowerPrior: shape must be a tuple (a number, a number), such as shape=(1.0, 1.0); "
            "found 1 of them.",
        ),
    ],
)  # fmt: skip
def test_a_refusal_names_the_field_its_type_and_what_to_give(make: Any, said: str) -> None:
    with pytest.raises(ModelError) as refused:
        make()
    assert str(refused.value) == said


def test_lists_and_numbers_of_numpy_are_kept_as_a_stored_description_has_them() -> None:
    listed = StateGraph(states=["well", "dead"], transitions=[DEATH], treatments=[DRUG])  # type: ignore[arg-type]
    assert listed == GRAPH
    spec = ModelSpec(name="toy", title="Toy", priors="survival", events=EventProcess(graph=listed))
    assert spec.content_hash == MODEL["ModelSpec"].content_hash
    windows = PiecewiseConstant(windows=np.int64(4)).windows  # type: ignore[arg-type]
    assert (type(windows), windows) == (int, 4)
    nu = Exchangeable(nu=np.float32(4.5)).nu  # type: ignore[arg-type]
    assert (type(nu), nu) == (float, 4.5)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: PiecewiseConstant(windows=0), "at least one window, not windows=0"),
        (lambda: Weibull(resolution=-1), "at least one window, not resolution=-1"),
        (lambda: replace(DRUG, early_days=-3.0), "early_days must be a positive number of days"),
        (lambda: Group(group="gene", min_carriers=-1), "min_carriers must be 0 or more, not -1"),
        (lambda: Interaction(names=("age_years",)), "names must be those of two or three"),
        (lambda: Association(marker="level", transitions=()), "'level' moves no hazard"),
        (lambda: replace(MODEL["NoPooling"], sd=-1.0), "must be a positive number, not -1.0"),
        (lambda: replace(MODEL["CubicSpline"], end=-1.0), "in years since the origin, not -1.0"),
        (
            lambda: with_effects(replace(EFFECT, treatment="other")),
            "the effect 'other:here on well->dead' names 'other'",
        ),
        (
            lambda: with_effects(EFFECT, replace(EFFECT, phase="earlier", pooling=FOUR)),
            "two poolings of the kind 'exchangeable' that differ in their settings",
        ),
    ],
)  # fmt: skip
def test_values_that_no_model_could_be_built_with_are_refused_where_they_are_given(
    make: Any, said: str
) -> None:
    with pytest.raises(ModelError, match=said):
        make()


def test_plain_data_that_is_no_model_is_refused_in_our_words() -> None:
    for data in (None, "well", 3.5, [], PROCESS.graph, MODEL["ModelSpec"].to_dict()["events"]):
        with pytest.raises(ModelError, match="Expected a ModelSpec"):
            ModelSpec.from_dict(data)  # type: ignore[arg-type]
        with pytest.raises(ModelError, match="Expected an AggregateSpec"):
            AggregateSpec.from_dict(data)  # type: ignore[arg-type]
