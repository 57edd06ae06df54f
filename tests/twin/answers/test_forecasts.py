"""What comes out of a forecast, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from twinbayes.cohort import new_patient
from twinbayes.errors import TwinError
from twinbayes.inference import Fit
from twinbayes.model import StateGraph, Transition
from twinbayes.names import DEATH, LAST_CONTACT
from twinbayes.twin import Twin
from twinbayes.twin.answers import grid
from twinbayes.twin.answers.summaries import restricted_means, summarise
from twinbayes.twin.occupation.paths import time_nodes

UNTIL = 1000.0
ALIVE_DEAD = StateGraph(
    states=("alive", "dead"),
    transitions=(Transition(source="alive", target="dead", event="death"),),
)


@pytest.fixture(scope="module")
def twin(registry_fit: Fit) -> Twin:
    return registry_fit.twin(registry_fit.cohort.patient_ids[:6], at=0.0)


@pytest.mark.parametrize("n", [1, 2, 3, 50, 777, 4000])
@pytest.mark.parametrize("interval", [0.5, 0.9, 0.99])
def test_means_and_bounds_are_those_of_numpy(n: int, interval: float) -> None:
    generator = np.random.default_rng(n)
    tails = ((1 - interval) / 2, (1 + interval) / 2)
    rows = [
        generator.random(n),
        generator.beta(0.2, 0.2, n),
        generator.lognormal(0, 3, n),
        generator.integers(0, 3, n),  # many ties
        np.full(n, 0.25),
        np.where(np.arange(n) == 0, 1e6, generator.random(n)),  # one far away
        -generator.random(n),
    ]
    values = np.array(rows, dtype=np.float32)[None]
    got = summarise(values, *tails)[0]
    exact = values[0].astype(float)
    np.testing.assert_allclose(got[:, 0], exact.mean(axis=1), rtol=2e-5)
    for k, tail in enumerate(tails, start=1):
        np.testing.assert_allclose(
            got[:, k], np.quantile(exact, tail, axis=1), rtol=1e-6, atol=1e-9
        )


def test_restricted_means_are_areas_under_the_path() -> None:
    generator = np.random.default_rng(3)
    path, nodes = generator.random((6, 2, 9)), np.array([0.0, 1.0, 4.0, 4.5, 7.0, 10.0])
    np.testing.assert_allclose(
        restricted_means(path, nodes), np.trapezoid(path, nodes, axis=0), rtol=1e-12
    )


@pytest.mark.parametrize("interval", [0.5, 0.9])
def test_bounds_are_quantiles_of_the_draws(twin: Twin, interval: float) -> None:
    result = twin.forecast(UNTIL, [0.0, 90.0, 365.0, 1000.0], interval=interval, draws=True)
    draws = result["state_probability_draws"]
    assert draws.sizes["sample"] == 200
    np.testing.assert_allclose(result["state_probability"], draws.mean("sample"), atol=1e-6)
    for side, tail in (("lower", (1 - interval) / 2), ("upper", (1 + interval) / 2)):
        np.testing.assert_allclose(
            result[f"state_probability_{side}"], np.quantile(draws, tail, axis=-1), atol=1e-6
        )
        np.testing.assert_allclose(
            result[f"survival_{side}"],
            np.quantile(result["survival_draws"], tail, axis=-1),
            atol=1e-6,
        )
    assert result.attrs["interval_probability"] == interval
    assert result.attrs["interval_kind"] == "equal-tailed"


def test_bounds_of_known_draws_are_known(twin_of: Callable[..., Twin]) -> None:
    scatter = np.linspace(0.5, 1.5, 101)
    twin = twin_of(ALIVE_DEAD, {"alive->dead": 0.001}, scatter=scatter)
    result = twin.forecast(UNTIL, [250.0, 1000.0], interval=0.9)
    for k, t in enumerate((250.0, 1000.0)):
        for name, quantile in (("lower", 1.45), ("upper", 0.55)):
            bound = float(result[f"survival_{name}"][0, k])
            assert bound == pytest.approx(np.exp(-0.001 * quantile * t), abs=1e-5)


def test_between_nodes_a_forecast_is_close_to_the_exact_curve(
    twin_of: Callable[..., Twin],
) -> None:
    for rate, tolerance in ((1 / 30, 3e-3), (1 / 300, 1.5e-3), (1 / 3000, 2e-4)):
        twin = twin_of(ALIVE_DEAD, {"alive->dead": rate})
        result = twin.forecast(1826.0, 200)
        exact = np.exp(-rate * result["time"].to_numpy())
        np.testing.assert_allclose(result["survival"][0], exact, atol=tolerance)


def test_the_dataset_says_what_it_is(twin: Twin) -> None:
    result = twin.forecast(UNTIL)
    assert dict(result["survival"].sizes) == {"patient": 6, "time": 61}
    assert result["time"].attrs["units"] == "days"
    assert result["rmst"].attrs["units"] == result["restricted_mean_time"].attrs["units"] == "days"
    assert result.attrs["verdict"] == "not for use"  # 200 draws are too few
    assert result.attrs["simulated_data"] == 1
    assert result.attrs["disease"] == "registry"
    assert tuple(result["state"].to_numpy()) == twin.spec.graph.states
    assert result["subgroup"].dims == result["centre"].dims == ("patient",)
    assert "state_probability_draws" not in result


def test_few_output_times_are_nodes_and_many_are_interpolated(twin: Twin) -> None:
    few = twin.forecast(UNTIL, [123.4, 777.7])
    many = twin.forecast(UNTIL, np.unique([123.4, 777.7, *np.linspace(1, 999, 40)]))
    difference = abs(few["survival"] - many["survival"].sel(time=[123.4, 777.7]))
    assert 0.0 < float(difference.max()) < 2e-3


def test_the_time_grid_is_fine_early_and_ends_at_the_horizon() -> None:
    nodes = time_nodes(400.0, cuts=[33.0, 400.0, 900.0])
    assert nodes[0] == 0.0
    assert nodes[-1] == 400.0
    assert 33.0 in nodes
    assert np.all(np.diff(nodes) > 0)
    assert np.max(np.diff(nodes[nodes <= 60.0])) <= 5.0 + 1e-9


def test_survival_frame_has_patients_as_rows_and_horizons_as_asked(twin: Twin) -> None:
    frame = twin.survival_frame([730.0, 365.0, 1461.0])
    assert list(frame.columns) == [730.0, 365.0, 1461.0]
    assert tuple(frame.index) == twin.patient_ids
    assert frame.index.name == "patient"
    result = twin.forecast(1461.0, [365.0, 730.0, 1461.0])["survival"]
    np.testing.assert_array_equal(frame[730.0], result.sel(time=730.0))
    assert bool((frame[365.0] > frame[1461.0]).all())


@pytest.mark.parametrize("until", [0.0, -3.0, np.nan, np.inf])
def test_an_impossible_horizon_is_refused(twin: Twin, until: float) -> None:
    with pytest.raises(TwinError, match="until must be a positive number of days"):
        twin.forecast(until)


@pytest.mark.parametrize("interval", [0.0, 1.0, -0.5, 90.0, np.nan])
def test_an_impossible_interval_is_refused(twin: Twin, interval: float) -> None:
    with pytest.raises(TwinError, match="interval must be a probability"):
        twin.forecast(UNTIL, interval=interval)


@pytest.mark.parametrize(
    "grid", [0, -4, [], [5.0, 5.0], [9.0, 3.0], [-1.0, 5.0], [5.0, 2000.0], [[1.0, 2.0]], [np.nan]]
)
def test_an_impossible_grid_is_refused(twin: Twin, grid: object) -> None:
    with pytest.raises(TwinError, match="grid must be"):
        twin.forecast(UNTIL, grid)  # type: ignore[arg-type]


@pytest.mark.parametrize("horizons", [[], 365.0])
def test_impossible_horizons_of_a_frame_are_refused(twin: Twin, horizons: object) -> None:
    with pytest.raises(TwinError, match="horizons must be a sequence"):
        twin.survival_frame(horizons)  # type: ignore[arg-type]


def test_draws_that_would_not_fit_in_memory_are_refused(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = 8 * 6 * 11 * 6 * 200
    monkeypatch.setattr(grid, "_MAX_DRAWS_BYTES", needed)
    assert twin.forecast(UNTIL, 10, draws=True)["survival_draws"].sizes["sample"] == 200
    monkeypatch.setattr(grid, "_MAX_DRAWS_BYTES", needed - 1)
    with pytest.raises(TwinError, match="fewer patients or times, or leave draws=False"):
        twin.forecast(UNTIL, 10, draws=True)
    assert twin.forecast(UNTIL, 10)["survival"].sizes["time"] == 11


@pytest.mark.requirement("R-042")
def test_an_unknown_patient_is_refused_without_being_named(registry_fit: Fit) -> None:
    known = registry_fit.cohort.patient_ids[0]
    with pytest.raises(TwinError, match="2 of 3 patients asked for") as caught:
        registry_fit.twin([known, "Jane Doe", "John Doe"])
    assert "Doe" not in str(caught.value)
    with pytest.raises(TwinError, match="No patient is named"):
        registry_fit.twin([])


@pytest.mark.requirement("R-042")
def test_a_patient_no_longer_followed_is_refused_without_being_named(registry_fit: Fit) -> None:
    events = registry_fit.cohort.events
    lost = events[events["event"] == LAST_CONTACT].sort_values("day").iloc[0]
    assert registry_fit.twin(lost["patient_id"], at=lost["day"]).present[0].day == lost["day"]
    with pytest.raises(TwinError, match=r"1 patient\(s\) were last seen before day") as caught:
        registry_fit.twin(lost["patient_id"], at=lost["day"] + 1.0)
    assert lost["patient_id"] not in str(caught.value)


@pytest.mark.parametrize("at", [-1.0, np.nan])
def test_an_impossible_landmark_is_refused(registry_fit: Fit, at: float) -> None:
    with pytest.raises(TwinError, match="at must be one day since origin"):
        registry_fit.twin(registry_fit.cohort.patient_ids[0], at=at)


def test_the_dead_stay_dead(registry_fit: Fit) -> None:
    events = registry_fit.cohort.events
    dead = events.loc[events["event"] == DEATH].iloc[0]
    later = float(dead["day"]) + 10.0
    for twin in (
        registry_fit.twin(dead["patient_id"]),
        registry_fit.twin(dead["patient_id"], at=later),
    ):
        result = twin.forecast(UNTIL, 5, draws=True)
        state = twin.present[0].state
        assert state in twin.spec.graph.absorbing
        np.testing.assert_array_equal(result["state_probability"].sel(state=state), 1.0)
        np.testing.assert_array_equal(result["survival_upper"], 0.0)
        np.testing.assert_array_equal(result["rmst"], 0.0)
        np.testing.assert_array_equal(result["cumulative_incidence"][0, :, 1:], 0.0)
        assert float(result["landmark_day"][0]) == dead["day"]


def test_a_new_patient_is_forecast_from_the_state_described(registry_fit: Fit) -> None:
    cohort = registry_fit.cohort
    person = new_patient(
        cohort,
        subgroup=cohort.subgroups[0],
        centre=cohort.centres[0],
        covariates={"age_years": 61.0, "sex": "female"},
        events=[(35.0, "complete_remission")],
        day=90.0,
    )
    twin = registry_fit.twin(person)
    assert (twin.present[0].state, twin.present[0].day) == ("remission", 90.0)
    result = twin.forecast(UNTIL, 10)
    assert float(result["state_probability"].sel(state="remission")[0, 0]) == 1.0
    assert float(result["landmark_day"][0]) == 90.0
    assert 0.0 < float(result["survival"][0, -1]) < 1.0
