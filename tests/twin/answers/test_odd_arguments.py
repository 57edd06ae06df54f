"""What cannot be asked of a twin is refused by an error of the package, naming the remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from flat_hazard import DIED, LOST
from twinbayes.errors import OptionError, ScenarioError, TwinbayesError, TwinError
from twinbayes.inference import Fit
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.twin import Quality, Scenario
from twinbayes.twin.answers.grid import require_finite

YEAR = DAYS_PER_YEAR
POLICY = Scenario.policy()
ODD: tuple[Any, ...] = (
    "x",
    b"x",
    {},
    {"a": 1},
    [],
    [[1.0]],
    [np.nan],
    np.nan,
    -np.inf,
    -1,
    object(),
)


@pytest.mark.parametrize("who", [5, 2.5, {}, {DIED: 1}, [], (), pd.DataFrame({"a": [1]}), object()])
def test_who_is_no_patient_is_refused(exact_fit: Fit, who: Any) -> None:
    with pytest.raises(TwinError):
        exact_fit.twin(who)


def test_a_cohort_of_nobody_is_refused(exact_fit: Fit) -> None:
    with pytest.raises(TwinError, match="no patients"):
        exact_fit.twin(exact_fit.cohort.select([]))


@pytest.mark.parametrize("at", [*ODD, "30", True, np.inf, pd.Timestamp("2020-01-01")])
def test_an_odd_landmark_is_refused(exact_fit: Fit, at: Any) -> None:
    with pytest.raises(TwinError, match=r"at must be one day|last seen before"):
        exact_fit.twin(LOST, at=at)


@pytest.mark.parametrize("draws", [*ODD, "10", True, 1.5, np.array([1, 2]), 10**9])
def test_an_odd_number_of_draws_is_refused(exact_fit: Fit, draws: Any) -> None:
    with pytest.raises(OptionError):
        exact_fit.twin(LOST, draws=draws)


@pytest.mark.parametrize("until", [*ODD, None, 0, True, 1e-9, 1e-300, 1e9, 1e308, np.inf, [5.0]])
@pytest.mark.parametrize("grid", [None, 2])
def test_an_odd_horizon_is_refused(exact_fit: Fit, until: Any, grid: int | None) -> None:
    with pytest.raises(TwinError, match="until must be a positive number of days"):
        exact_fit.twin(LOST).forecast(until, grid)


@pytest.mark.parametrize(
    "grid", [*ODD, 0, True, 1.5, 10**9, [5.0, 5.0], [-1.0, 2.0], [0.0, 20.0], [None], ["x"]]
)
def test_an_odd_grid_is_refused(exact_fit: Fit, grid: Any) -> None:
    with pytest.raises(TwinError, match="grid must be"):
        exact_fit.twin(LOST).forecast(10.0, grid)


@pytest.mark.parametrize("interval", [*ODD, None, 0, 1, True, [0.9]])
def test_an_odd_interval_is_refused(exact_fit: Fit, interval: Any) -> None:
    with pytest.raises(TwinError, match="interval must be a probability"):
        exact_fit.twin(LOST).forecast(10.0, 2, interval=interval)


@pytest.mark.parametrize("horizons", [*ODD, 5, None, [0.0], [-1.0, 5.0], ["a"], [1e-9], [np.inf]])
def test_odd_horizons_are_refused(exact_fit: Fit, horizons: Any) -> None:
    with pytest.raises(TwinError, match=r"horizons|until"):
        exact_fit.twin(LOST).survival_frame(horizons)


@pytest.mark.parametrize("scenario", ["policy", 5, [], {}, Scenario])
def test_what_is_no_scenario_is_refused(exact_fit: Fit, scenario: Any) -> None:
    twin = exact_fit.twin(LOST)
    for ask in (
        lambda: twin.forecast(10.0, 2, scenario=scenario),
        lambda: twin.contrast(scenario, POLICY, 10.0, 2),
        lambda: twin.contrast(POLICY, scenario, 10.0, 2),
        lambda: POLICY & scenario,
    ):
        with pytest.raises(ScenarioError):
            ask()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Scenario.start("x", day="soon"),  # type: ignore[arg-type]
        lambda: Scenario.start("x", day=None),  # type: ignore[arg-type]
        lambda: Scenario.start("x", day=1.0, states=5),  # type: ignore[arg-type]
        lambda: Scenario.given("x", None),  # type: ignore[arg-type]
        lambda: Scenario.given("x", True),
    ],
)
def test_scenarios_of_odd_days_states_and_values_are_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(ScenarioError):
        make()


@pytest.mark.parametrize("quality", ["x", 5, Quality])
def test_what_is_no_quality_is_refused(exact_fit: Fit, quality: Any) -> None:
    twin = exact_fit.twin(LOST)
    with pytest.raises(OptionError, match="must be a Quality"):
        twin.quality_adjusted_time(quality)
    with pytest.raises(OptionError, match="must be a Quality"):
        twin.contrast(POLICY, POLICY, 10.0, 2, quality=quality)


@pytest.mark.parametrize("day", ["x", [1], np.inf, {}])
def test_an_odd_day_of_an_update_is_refused(exact_fit: Fit, day: Any) -> None:
    seen = pd.DataFrame({"day": [20 * YEAR], "event": ["last_contact"]})
    with pytest.raises(TwinbayesError):
        exact_fit.twin(LOST).update(events=seen, day=day)


def test_a_forecast_of_the_dead_says_that_nothing_is_left(exact_fit: Fit) -> None:
    of_dead = exact_fit.twin(DIED).forecast(YEAR, 2)
    assert float(of_dead["survival"].max()) == 0.0
    assert of_dead.attrs["ended"].startswith("1 of 1 patient(s) are in a state that is never left")
    assert "fit.twin(..., at=day)" in of_dead.attrs["ended"]
    assert "ended" not in exact_fit.twin(DIED, at=YEAR).forecast(YEAR, 2).attrs


def test_of_one_patient_alone_what_is_standardised_is_the_patients_own(exact_fit: Fit) -> None:
    found = exact_fit.twin(DIED, at=0.0).contrast(POLICY, POLICY, YEAR, 2)
    xr.testing.assert_allclose(
        found["overall_survival_difference"],
        found["survival_difference"].isel(patient=0, drop=True).drop_vars("beyond_follow_up"),
    )


def test_an_answer_that_is_not_finite_does_not_leave(exact_fit: Fit) -> None:
    good = np.ones((3, 2))
    require_finite({"survival": (("patient", "time"), good)})
    bad = good.copy()
    bad[1, 0] = np.nan
    with pytest.raises(TwinError, match=r"survival of 1 patient\(s\) is not finite"):
        require_finite({"survival": (("patient", "time"), bad)})
    first = np.full((3, 2, 2), 1.0)
    first[..., 0] = np.nan  # nobody enters the initial state
    require_finite({"cumulative_incidence": (("patient", "time", "state"), first)})
    twin = exact_fit.twin(LOST)
    rate = twin.population.rate.copy()
    rate[0, 0, 5] = np.nan
    from dataclasses import replace

    broken = replace(twin, population=replace(twin.population, rate=rate))
    with pytest.raises(TwinError, match="is not finite"):
        broken.forecast(YEAR, 2)
    with pytest.raises(TwinError, match="is not finite"):
        broken.contrast(POLICY, POLICY, YEAR, 2)
