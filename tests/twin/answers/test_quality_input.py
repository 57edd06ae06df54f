"""What quality-adjusted time refuses, and how it says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from twinbayes.errors import OptionError, ScenarioError, TwinError
from twinbayes.inference import Fit
from twinbayes.model import StateGraph, Transition
from twinbayes.twin import Quality, Scenario, Twin
from twinbayes.twin.answers import grid

UNTIL = 1000.0
SCORE = Quality(marker="global_health")
NEVER = Scenario.none("allogeneic_transplant")
LIVING = ("induction", "remission", "relapse")


@pytest.fixture(scope="module")
def twin(registry_fit: Fit) -> Twin:
    return registry_fit.twin(registry_fit.cohort.patient_ids[:2], at=0.0)


@pytest.mark.parametrize(
    "weight",
    [
        -0.1, 1.1, 70, np.nan, np.inf, "0.5", None, [0.5, 0.1], (0.5,), (0.5, 0.1, 0.1),
        (0.0, 0.1), (1.0, 0.1), (0.5, 0.0), (0.5, -0.1), (0.5, 0.5), (np.nan, 0.1), ("a", 0.1),
    ],
)  # fmt: skip
def test_what_is_no_weight_is_refused_with_its_state(weight: object) -> None:
    with pytest.raises(OptionError, match=r"'ill'.* is no weight\. Give a number from 0"):
        Quality(utilities={"well": 1.0, "ill": weight})  # type: ignore[dict-item]


@pytest.mark.parametrize("weight", [0, 1, 0.0, 1.0, np.float64(0.3), (0.5, 0.49), (0.01, 0.02)])
def test_every_weight_from_0_to_1_is_taken(weight: float | tuple[float, float]) -> None:
    Quality(utilities={"well": weight})


@pytest.mark.parametrize("scale", [(0.0, 0.0), (0.0, np.inf), (1.0,), (0, 50, 100), ("a", "b")])
def test_what_is_no_scale_is_refused(scale: tuple[float, float]) -> None:
    with pytest.raises(OptionError, match=r"two numbers that differ, \(worst, best\)"):
        Quality(marker="x", scale=scale)


@pytest.mark.parametrize("odd", [5, "x", [1.0], ("a", 0.5), {"a"}, object()])
def test_weights_that_are_no_mapping_and_a_scale_in_no_order_are_refused(odd: Any) -> None:
    with pytest.raises(OptionError, match="gives each living state its weight"):
        Quality(utilities=odd)
    with pytest.raises(OptionError, match="two numbers that differ"):
        Quality(marker="x", scale=odd)
    with pytest.raises(OptionError, match="two numbers that differ"):
        Quality(marker="x", scale={0, 100})  # type: ignore[arg-type]
    if not isinstance(odd, str):
        with pytest.raises(OptionError, match="name of a marker"):
            Quality(marker=odd)


def test_a_quality_of_nothing_is_refused() -> None:
    with pytest.raises(OptionError, match="give a `marker`, `utilities` of the states, or both"):
        Quality()
    with pytest.raises(OptionError, match="`scale` is that of a marker"):
        Quality(utilities={"well": 1.0}, scale=(0, 100))


def test_weights_cannot_be_changed_behind_the_check() -> None:
    mine = {"well": 0.5}
    quality = Quality(utilities=mine)
    mine["well"] = 7.0
    assert quality.utilities == {"well": 0.5}


@pytest.mark.parametrize(
    ("quality", "error", "message"),
    [
        (Quality(marker="mood"), OptionError, "'mood'. Known: 'residual_disease_pct', 'global"),
        (
            Quality(marker="residual_disease_pct"),
            TwinError,
            r"no floor and ceiling.*scale=\(worst, best\), or `utilities`",
        ),
        (
            Quality(utilities={**dict.fromkeys(LIVING, 1.0), "cured": 1.0}),
            OptionError,
            "'cured', which is no living state .* Known: 'induction', 'remission', 'relapse'",
        ),
        (
            Quality(utilities={**dict.fromkeys(LIVING, 1.0), "death_in_remission": 0.0}),
            OptionError,
            "deaths count 0",
        ),
        (
            Quality(utilities={"remission": 1.0}),
            OptionError,
            "lack 'induction', 'relapse'. Give a weight for each living state",
        ),
        (Quality(utilities={}), OptionError, "lack 'induction', 'remission', 'relapse'"),
    ],
)
def test_what_does_not_fit_the_model_is_refused_with_the_remedy(
    twin: Twin, quality: Quality, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        twin.quality_adjusted_time(quality, UNTIL)
    with pytest.raises(error, match=message):
        twin.contrast(NEVER, Scenario.policy(), UNTIL, quality=quality)


def test_a_marker_without_bounds_takes_a_scale(twin: Twin) -> None:
    disease = Quality(marker="residual_disease_pct", scale=(100.0, 0.0))
    result = twin.quality_adjusted_time(disease, UNTIL, 4)
    assert bool((result["quality_adjusted_time"] <= result["rmst"]).all())
    assert result.attrs["quality"] == "residual_disease_pct (100 counts 0, 0 counts 1)"


def test_a_model_without_curves_takes_weights_alone(twin_of: Callable[..., Twin]) -> None:
    graph = StateGraph(
        states=("alive", "dead"),
        transitions=(Transition(source="alive", target="dead", event="death"),),
    )
    bare = twin_of(graph, {"alive->dead": 0.001})
    with pytest.raises(TwinError, match=r"no trajectories.*Give `utilities`"):
        bare.quality_adjusted_time(SCORE, UNTIL)
    half = bare.quality_adjusted_time(Quality(utilities={"alive": 0.5}), UNTIL)
    assert float(half["quality_adjusted_time"][0]) == pytest.approx(
        0.5 * float(half["rmst"][0]), rel=1e-6
    )


@pytest.mark.parametrize("until", [0.0, -3.0, np.nan, np.inf])
def test_an_impossible_horizon_is_refused(twin: Twin, until: float) -> None:
    with pytest.raises(TwinError, match="until must be a positive number of days"):
        twin.quality_adjusted_time(SCORE, until)


def test_grid_interval_and_scenario_are_checked_as_in_a_forecast(twin: Twin) -> None:
    with pytest.raises(TwinError, match="grid must be"):
        twin.quality_adjusted_time(SCORE, UNTIL, [5.0, 2000.0])
    with pytest.raises(TwinError, match="interval must be a probability"):
        twin.quality_adjusted_time(SCORE, UNTIL, interval=90.0)
    with pytest.raises(ScenarioError, match="Unknown treatment 'aspirin'"):
        twin.quality_adjusted_time(SCORE, UNTIL, scenario=Scenario.none("aspirin"))


def test_draws_that_would_not_fit_in_memory_are_refused(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = 8 * 2 * 2 * 200
    monkeypatch.setattr(grid, "_MAX_DRAWS_BYTES", needed)
    result = twin.quality_adjusted_time(SCORE, UNTIL, draws=True)
    assert result["rmst_draws"].sizes["sample"] == 200
    monkeypatch.setattr(grid, "_MAX_DRAWS_BYTES", needed - 1)
    with pytest.raises(TwinError, match="fewer patients or times, or leave draws=False"):
        twin.quality_adjusted_time(SCORE, UNTIL, draws=True)
    assert "rmst" in twin.quality_adjusted_time(SCORE, UNTIL)
