"""What no forecast may break, whatever the hazards, and what no forecast may look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twinbayes.cohort import Cohort
from twinbayes.inference import Fit
from twinbayes.names import DEATH, LAST_CONTACT
from twinbayes.twin import Scenario, Twin
from twinbayes.twin.occupation import paths

TRANSPLANT = "allogeneic_transplant"
UNTIL, GRID = 1500.0, 25
LANDMARK = 200.0


@pytest.fixture(scope="module")
def followed(registry_fit: Fit) -> tuple[str, ...]:
    """Patients whose state on the landmark day is known."""
    events = registry_fit.cohort.events
    last = events[events["event"].isin([DEATH, LAST_CONTACT])]
    known = (last["day"] >= LANDMARK) | (last["event"] == DEATH)
    return tuple(last.loc[known, "patient_id"])


@pytest.fixture(scope="module")
def forecast(registry_fit: Fit, followed: tuple[str, ...]) -> xr.Dataset:
    """Thirty patients at the landmark, with every draw."""
    return registry_fit.twin(followed[:30], at=LANDMARK).forecast(UNTIL, GRID, draws=True)


def identical(a: xr.Dataset, b: xr.Dataset) -> None:
    for name in a.data_vars:
        np.testing.assert_array_equal(a[name].to_numpy(), b[name].to_numpy(), err_msg=str(name))


def test_probabilities_of_all_states_sum_to_one(forecast: xr.Dataset) -> None:
    for name in ("state_probability", "state_probability_draws"):
        np.testing.assert_allclose(forecast[name].sum("state"), 1.0, atol=2e-5)


def test_every_draw_is_a_probability(forecast: xr.Dataset) -> None:
    draws = forecast["state_probability_draws"].to_numpy()
    assert draws.min() >= 0.0
    assert draws.max() <= 1.0 + 2e-6


def test_survival_never_rises_and_is_what_the_deaths_leave(forecast: xr.Dataset) -> None:
    alive = forecast["survival_draws"]
    assert alive.diff("time").max() <= 1e-7
    deaths = [s for s in forecast["state"].to_numpy() if s.startswith("death")]
    left = 1.0 - forecast["state_probability_draws"].sel(state=deaths).sum("state")
    np.testing.assert_allclose(alive, left, atol=1e-6)
    np.testing.assert_allclose(forecast["survival"], alive.mean("sample"), atol=1e-6)


def test_cumulative_incidence_never_falls_and_exceeds_occupation(forecast: xr.Dataset) -> None:
    risk = forecast["cumulative_incidence"]
    assert np.isnan(risk.sel(state="induction")).all()
    rest = risk.isel(state=slice(1, None))
    assert rest.diff("time").min() >= -1e-7
    at_start = forecast["state_probability"].isel(time=0, drop=True)
    gained = (forecast["state_probability"] - at_start).isel(state=slice(1, None))
    assert float((rest - gained).min()) >= -1e-6


def test_time_in_all_states_adds_up_to_the_horizon(forecast: xr.Dataset) -> None:
    np.testing.assert_allclose(forecast["restricted_mean_time"].sum("state"), UNTIL, rtol=1e-5)
    alive = ["induction", "remission", "relapse"]
    lived = forecast["restricted_mean_time"].sel(state=alive).sum("state")
    np.testing.assert_allclose(forecast["rmst"], lived, atol=0.05)


def test_lower_bounds_lie_below_upper_bounds(forecast: xr.Dataset) -> None:
    for name in ("state_probability", "survival", "restricted_mean_time", "rmst"):
        assert float((forecast[f"{name}_upper"] - forecast[f"{name}_lower"]).min()) >= 0.0


def test_a_patient_alone_and_in_any_batch_has_the_same_forecast_to_the_bit(
    registry_fit: Fit, followed: tuple[str, ...], forecast: xr.Dataset
) -> None:
    backwards = registry_fit.twin(followed[9::-1], at=LANDMARK).forecast(UNTIL, GRID, draws=True)
    identical(forecast.isel(patient=slice(0, 10)), backwards.isel(patient=slice(None, None, -1)))
    for i in (0, 4, 7):
        alone = registry_fit.twin(followed[i], at=LANDMARK).forecast(UNTIL, GRID, draws=True)
        identical(forecast.isel(patient=[i]), alone)


def test_one_thread_or_two_make_no_difference(
    registry_fit: Fit, followed: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    twin = registry_fit.twin(followed[:12], at=LANDMARK)
    results = []
    for cores in (1, 2):
        monkeypatch.setattr(paths, "usable_cores", lambda cores=cores: cores)
        results.append(twin.forecast(UNTIL, GRID, draws=True))
    identical(*results)


FUTURES = st.fixed_dictionaries(
    {
        "last": st.floats(LANDMARK, 4000.0),
        "dies": st.booleans(),
        "relapse": st.none() | st.floats(0.01, 1.0),
        "transplant": st.none() | st.floats(0.01, 1.0),
        "marker": st.floats(0.0, 100.0),
    }
)


def with_future(cohort: Cohort, future: dict[str, float | bool | None]) -> Cohort:
    """Rewrite everything after the landmark of a cohort of one who was then in remission."""
    patient, last = cohort.patient_ids[0], future["last"]
    assert isinstance(last, float)

    def day(share: object) -> float:
        assert isinstance(share, float)
        return LANDMARK + (last - LANDMARK) * share

    events = cohort.events[
        (cohort.events["day"] <= LANDMARK) & ~cohort.events["event"].isin([DEATH, LAST_CONTACT])
    ]
    later = [(patient, last, DEATH if future["dies"] and last > LANDMARK else LAST_CONTACT)]
    if future["relapse"] and day(future["relapse"]) > LANDMARK:
        later.insert(0, (patient, day(future["relapse"]), "relapse"))
    treatments, visits = cohort.treatments, cohort.visits
    assert treatments is not None
    assert visits is not None
    treatments = treatments[treatments["start_day"] <= LANDMARK]
    if future["transplant"] and day(future["transplant"]) > LANDMARK:
        row = pd.DataFrame(
            [(patient, day(future["transplant"]), np.nan, TRANSPLANT, np.nan, np.nan)],
            columns=list(treatments.columns),
        )
        treatments = row if treatments.empty else pd.concat([treatments, row])
    changed = visits.assign(
        value=visits["value"].where(visits["day"] <= LANDMARK, future["marker"])
    )
    return replace(
        cohort,
        events=pd.concat([events, pd.DataFrame(later, columns=list(events.columns))]),
        treatments=treatments,
        visits=changed,
    )


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(future=FUTURES)
def test_nothing_after_the_landmark_changes_a_forecast_by_a_bit(
    registry_fit: Fit, in_remission: str, future: dict[str, float | bool | None]
) -> None:
    cohort = registry_fit.cohort.select([in_remission])
    before = registry_fit.twin(cohort, at=LANDMARK).forecast(UNTIL, GRID)
    after = registry_fit.twin(with_future(cohort, future), at=LANDMARK).forecast(UNTIL, GRID)
    identical(before, after)


@pytest.fixture(scope="module")
def in_remission(registry_fit: Fit, followed: tuple[str, ...]) -> str:
    """Somebody in remission on the landmark day, not transplanted."""
    twin = registry_fit.twin(followed, at=LANDMARK)
    return next(
        patient
        for patient, now in zip(twin.patient_ids, twin.present, strict=True)
        if now.state == "remission" and not now.started
    )


def test_the_past_does_change_a_forecast(registry_fit: Fit, in_remission: str) -> None:
    cohort = registry_fit.cohort.select([in_remission])
    events = cohort.events
    without = replace(cohort, events=events[events["event"].isin([DEATH, LAST_CONTACT])])
    a = registry_fit.twin(cohort, at=LANDMARK).forecast(UNTIL, GRID)
    b = registry_fit.twin(without, at=LANDMARK).forecast(UNTIL, GRID)
    assert float(abs(a["survival"] - b["survival"]).max()) > 0.01


def test_conservation_holds_under_hazards_far_from_any_registry(
    twin_of: Callable[..., Twin], registry_fit: Fit
) -> None:
    graph = registry_fit.spec.graph
    generator = np.random.default_rng(5)
    for _ in range(5):
        rates = {label: float(10 ** generator.uniform(-5, 0)) for label in graph.labels}
        effects = {e.label: float(generator.normal(0, 2)) for e in graph.effects}
        twin = twin_of(graph, rates, effects=effects, scatter=generator.lognormal(0, 1, 40))
        for scenario in (Scenario.policy(), Scenario.start(TRANSPLANT, day=90.0)):
            result = twin.forecast(2000.0, 30, scenario=scenario, draws=True)
            draws = result["state_probability_draws"]
            np.testing.assert_allclose(draws.sum("state"), 1.0, atol=5e-5)
            assert float(draws.min()) >= 0.0
            assert float(result["survival_draws"].diff("time").max()) <= 1e-6
