"""Effects that change with time: likelihood, evidence and forecasts against hazards by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import twinbayes as tb
from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.errors import ScenarioError
from twinbayes.inference.densities.likelihood import patient_loglik
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.model import ModelSpec, PiecewiseConstant, Term, TimeVarying
from twinbayes.model.spec import ModelPlan
from twinbayes.twin import Scenario, Twin
from twinbayes.twin.population.hazards import Population

DEATH = "alive->dead"
ARM = Term(name="arm", group="treatment", transform="binary")
GROUPS = ("a", "b", "c")
UNSEEN = "d"
CLASSES = {"each its own": (), "a class of two, and one unseen": (("a", "c", UNSEEN),)}
TIMES = np.array([90.0, 400.0, 1000.0, 1500.0])


@dataclass(frozen=True)
class Case:
    spec: ModelSpec
    cohort: Cohort
    plan: ModelPlan
    draws: xr.Dataset
    twin: Twin
    classes: tuple[tuple[str, ...], ...]

    def log_hazard(self, i: int, arm: float | None = None) -> np.ndarray:
        """(draw, window) of patient `i`, from the draws and the tables alone."""
        one = self.draws.isel(chain=0).rename(draw="sample")
        row = self.cohort.covariates().iloc[i]
        group = str(self.cohort.patients["subgroup"].iloc[i])
        arm = float(row["arm"]) if arm is None else arm
        mean = float(self.cohort.covariates()["arm"].mean())
        out = one["log_baseline"].isel(transition=0).transpose("sample", "window").to_numpy()
        out = out + ((arm - mean) * one["beta"].isel(covariate=0, transition=0)).to_numpy()[:, None]
        level = one["subgroup_effect"].sel(subgroup=group).isel(transition=0)
        out = out + level.to_numpy()[:, None]
        walk = one["time_varying_effect"].transpose("sample", "time_varying_window", "subgroup")
        n = out.shape[1]
        out = out + walk.sel(subgroup=group).to_numpy()[:, :n]
        return np.asarray(out + arm * walk.isel(subgroup=0).to_numpy()[:, n:])

    def cumulative(self, log_hazard: np.ndarray, day: float) -> np.ndarray:
        edges = self.plan.events.edges[0]
        days = np.clip(np.minimum(edges[1:], day) - edges[:-1], 0.0, None)
        return np.asarray(np.exp(log_hazard) @ days)


@pytest.fixture(scope="module", params=CLASSES.values(), ids=list(CLASSES))
def case(request: pytest.FixtureRequest) -> Case:
    rng = np.random.default_rng(4)
    n = 60
    ids = [f"p{k}" for k in range(n)]
    died = rng.random(n) < 0.7
    tables = {
        "patients": pd.DataFrame(
            {
                "patient_id": ids,
                "subgroup": rng.choice(GROUPS, n),
                "centre": "one",
                "arm": rng.integers(0, 2, n).astype(float),
            }
        ),
        "events": pd.DataFrame(
            {
                "patient_id": ids,
                "day": np.ceil(rng.exponential(700.0, n)),
                "event": np.where(died, "death", "last_contact"),
            }
        ),
        "variables": pd.DataFrame(
            [("arm", "patients", "covariate", "treatment", None)],
            columns=["name", "table", "role", "group", "levels"],
        ),
    }
    cohort = cohort_from_tables("walks", tables, simulated=True)
    spec = tb.disease("survival", baseline=PiecewiseConstant(windows=5), covariates=(ARM,))
    of_subgroups = TimeVarying(of="subgroup", on=DEATH, classes=request.param)
    both = (of_subgroups, TimeVarying(of="arm", on=DEATH))
    spec = replace(spec, events=replace(spec.events, time_varying=both))
    plan = spec.plan(cohort)
    draws = sample_priors(spec, cohort, draws=40, seed=3)
    learnt = plan.learnt
    varying = spec.events.varying(learnt.encoding, learnt.edges)
    population = Population.from_posterior(draws, learnt.encoding, learnt.edges, varying)
    twin = Twin(spec, learnt, population, None, cohort, True)
    return Case(spec, cohort, plan, draws, twin, request.param)


def test_the_likelihood_is_that_of_hazards_by_group_and_window(case: Case) -> None:
    found = patient_loglik(case.draws, case.plan.events, case.cohort.patient_ids)
    events = case.cohort.events.set_index("patient_id")
    for i, patient in enumerate(case.cohort.patient_ids):
        day, event = float(events.loc[patient, "day"]), events.loc[patient, "event"]
        log_hazard = case.log_hazard(i)
        wanted = -case.cumulative(log_hazard, day)
        if event == "death":
            window = np.searchsorted(case.plan.events.edges[0], day, side="left") - 1
            wanted = wanted + log_hazard[:, window]
        np.testing.assert_allclose(found[0, :, i], wanted, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(case.twin.record_log_marginal(i), wanted, rtol=1e-9, atol=1e-9)


def test_walks_average_zero_over_windows_and_are_those_of_ones_class(case: Case) -> None:
    walk = case.draws["time_varying_effect"].isel(chain=0)
    n = len(case.plan.events.edges[0]) - 1
    for part in (slice(None, n), slice(n, None)):
        mean = walk.isel(time_varying_window=part).mean("time_varying_window")
        np.testing.assert_allclose(mean, 0.0, atol=1e-12)
    assert float(np.abs(walk).max()) > 0.1
    own = walk.isel(time_varying_window=slice(None, n))
    still = case.spec.constants(case.plan.learnt)
    if not case.classes:
        np.testing.assert_allclose(own.mean("subgroup"), 0.0, atol=1e-12)
        assert not still
        return
    np.testing.assert_array_equal(own.sel(subgroup="a"), own.sel(subgroup="c"))
    np.testing.assert_array_equal(own.sel(subgroup="b"), 0.0)
    windows = own["time_varying_window"].to_numpy()
    assert set(still) == {f"time_varying_effect[{w}, b]" for w in windows}


@pytest.mark.parametrize("arm", [None, 0.0, 1.0])
def test_forecasts_follow_the_hazards_of_ones_own_group(case: Case, arm: float | None) -> None:
    ids = case.cohort.patient_ids[:6]
    few = replace(case.twin, cohort=case.cohort.select(ids).until(0.0))
    scenario = None if arm is None else Scenario.given("arm", arm)
    found = few.forecast(1600.0, TIMES, scenario=scenario, draws=True)
    for i, patient in enumerate(ids):
        where = case.cohort.patient_ids.index(patient)
        log_hazard = case.log_hazard(where, arm)
        for t in TIMES:
            wanted = np.exp(-case.cumulative(log_hazard, float(t)))
            got = found["survival_draws"].sel(patient=patient, time=t)
            np.testing.assert_allclose(got, wanted, atol=2e-5, err_msg=str((i, t)))


def test_a_subgroup_that_the_fit_has_not_seen_draws_a_walk_of_its_own_or_has_none(
    case: Case,
) -> None:
    patients = case.cohort.patients.iloc[:1].assign(subgroup="unheard of")
    other = replace(case.cohort.select(case.cohort.patient_ids[:1]), patients=patients)
    walks = case.twin.population.walks
    assert walks is not None
    twin = replace(case.twin, cohort=other.until(0.0))
    n = len(case.plan.events.edges[0]) - 1
    own = np.log(twin.ratios(0).effect[-2 * n : -n])
    if case.classes:
        np.testing.assert_array_equal(own, 0.0)
        return
    np.testing.assert_allclose(own.mean(axis=0), 0.0, atol=1e-12)
    for group in range(len(GROUPS)):
        assert np.abs(own - walks.log_ratio[:n, group]).max() > 0.05
    many = replace(walks, step=np.ones((2, 4000)), log_ratio=np.zeros((2 * n, 3, 4000)))
    drawn = many.in_subgroup(-1, "unheard of", np.random.default_rng(1))
    np.testing.assert_allclose(np.diff(drawn[:n], axis=0).std(axis=1), 1.0, rtol=0.05)
    np.testing.assert_array_equal(drawn[n:], 0.0)  # that of a covariate is the same in all


@pytest.mark.parametrize("case", [(("a", "c", UNSEEN),)], indirect=True, ids=["of a class"])
def test_a_subgroup_of_a_class_that_the_fit_has_not_seen_has_the_walk_of_its_class(
    case: Case,
) -> None:
    patients = case.cohort.patients.iloc[:1].assign(subgroup=UNSEEN)
    other = replace(case.cohort.select(case.cohort.patient_ids[:1]), patients=patients)
    n = len(case.plan.events.edges[0]) - 1
    twin = replace(case.twin, cohort=other.until(0.0))
    walk = case.draws["time_varying_effect"].isel(chain=0, time_varying_window=slice(None, n))
    wanted = walk.sel(subgroup="a").transpose("time_varying_window", "draw").to_numpy()
    own = np.log(twin.ratios(0).effect[-2 * n : -n])
    np.testing.assert_allclose(own, wanted, atol=1e-12)
    survival = twin.forecast(1600.0, TIMES, draws=True)["survival_draws"].isel(patient=0)
    constant = np.log(twin.ratios(0).hazard[0])[:, None]
    arm = case.draws["time_varying_effect"].isel(chain=0, time_varying_window=slice(n, None))
    carried = float(other.patients["arm"].iloc[0]) * arm.isel(subgroup=0)
    baseline = case.draws["log_baseline"].isel(chain=0, transition=0).to_numpy()
    effect_of_arm = carried.transpose("draw", "time_varying_window").to_numpy()
    log_hazard = baseline + constant + wanted.T + effect_of_arm
    for t in TIMES:
        alive = np.exp(-case.cumulative(log_hazard, float(t)))
        np.testing.assert_allclose(survival.sel(time=t), alive, atol=2e-5)


def test_a_scenario_gives_a_0_1_covariate_0_or_1(case: Case) -> None:
    few = replace(case.twin, cohort=case.cohort.select(case.cohort.patient_ids[:2]).until(0.0))
    with pytest.raises(ScenarioError, match=r"'arm' is 0 or 1 .* Give 0 or 1"):
        few.forecast(100.0, [100.0], scenario=Scenario.given("arm", 2))
