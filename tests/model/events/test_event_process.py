"""The component as a whole: the model's log-density against the formula, and plans."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from scipy import stats

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.errors import ModelError
from twinbayes.model import EventPlan, ModelSpec, assemble
from twinbayes.model.events.crude import Crude
from twinbayes.model.pooling.centring import Told, plane_of_sum_zero
from twinbayes.names import PATIENT_WEIGHT


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return replace(tb.disease("registry"), trajectories=None)


@pytest.fixture(scope="module")
def plan(spec: ModelSpec, registry: Cohort) -> EventPlan:
    return spec.events.plan(registry)


@pytest.fixture(scope="module")
def model(spec: ModelSpec, registry: Cohort) -> pm.Model:
    return assemble(spec, registry)


@pytest.fixture(scope="module")
def drawn(model: pm.Model) -> dict[str, np.ndarray]:
    """One draw from the priors of every sampled variable and of those reported."""
    names = [v.name for v in model.free_RVs] + [
        "beta", "subgroup_effect", "centre_effect", "treatment_subgroup_effect",
        "entry_era_effect", "log_baseline",
    ]  # fmt: skip
    values = pm.draw([model[n] for n in names], random_seed=3, mode="FAST_COMPILE")
    return dict(zip(names, values, strict=True))


def by_hand(plan: EventPlan, cohort: Cohort, value: dict[str, np.ndarray]) -> np.ndarray:
    """Log-likelihood of each patient from the reported variables, row by row."""
    design = plan.encoding.encode(cohort)
    k = len(plan.encoding.columns)
    x, s2, rows = design.values[:, :k], design.variances[:, :k], plan.rows
    eta = x @ value["beta"] + 0.5 * s2 @ value["beta"] ** 2
    eta = eta + value["subgroup_effect"].T[design.subgroup]
    eta = eta + value["centre_effect"].T[design.centre]
    theta, epsilon = value["treatment_subgroup_effect"], value["entry_era_effect"]
    acting = np.vstack([theta, np.repeat(epsilon[:, None], theta.shape[1], axis=1)])
    out = np.zeros(cohort.n_patients)
    for r in range(len(rows.patient)):
        i, e, grid = rows.patient[r], rows.intensity[r], plan.edges[rows.intensity[r]]
        predictor = eta[i, e] + sum(acting[f, design.subgroup[i]] for f in rows.effects[r])
        days = np.minimum(grid[1:], rows.stop[r]) - np.maximum(grid[:-1], rows.start[r])
        hazard = np.exp(value["log_baseline"][e, : len(days)] + predictor)
        out[i] -= hazard @ np.maximum(days, 0.0)
        if rows.is_event[r]:
            window = max(int(np.searchsorted(grid, rows.stop[r], side="left")) - 1, 0)
            out[i] += value["log_baseline"][e, window] + predictor
    return out


def log_widths(told: Told, scale: np.ndarray) -> float:
    """Sum of log standard deviations given the data, of rows with one scale each."""
    return float(-0.5 * np.log(1.0 / scale[:, None] ** 2 + told.information).sum())


@pytest.mark.requirement("R-021")
def test_the_log_density_is_priors_plus_the_formula_of_the_likelihood(
    model: pm.Model, plan: EventPlan, registry: Cohort, drawn: dict[str, np.ndarray]
) -> None:
    value = drawn
    priors = tb.load_priors("registry")
    wanted = by_hand(plan, registry, value).sum()
    for name, prior in (
        ("log_baseline_roughness", "baseline_roughness"),
        ("subgroup_scale", "subgroup_scale"),
        ("centre_scale", "centre_scale"),
    ):
        sigma = priors.arguments(prior, plan_labels(model))["sigma"]
        wanted += stats.halfnorm(scale=sigma).logpdf(value[name]).sum()
    groups = list(model.coords["covariate_group"])
    sigma = priors.arguments("covariate_scale", groups)["sigma"][:, None]
    wanted += stats.halfnorm(scale=sigma).logpdf(value["covariate_scale"]).sum()
    effects = list(model.coords["effect"])
    sigma = priors.arguments("treatment_heterogeneity", effects)["sigma"]
    wanted += stats.halfnorm(scale=sigma).logpdf(value["treatment_heterogeneity"]).sum()
    for name, prior, labels in (
        ("treatment_effect", "treatment_effect", effects),
        ("entry_era_step", "entry_era_step", list(model.coords["entry_cut"])),
    ):
        arguments = priors.arguments(prior, labels)
        wanted += stats.norm(arguments["mu"], arguments["sigma"]).logpdf(value[name]).sum()
    walk = value["log_baseline"]
    arguments = priors.arguments("baseline_level", plan_labels(model))
    wanted += stats.norm(arguments["mu"], arguments["sigma"]).logpdf(walk[:, 0]).sum()
    step = stats.norm(0.0, value["log_baseline_roughness"][:, None])
    wanted += step.logpdf(np.diff(walk, axis=1)).sum()
    # densities of coefficients, each over the width in units of which it is sampled
    crude, columns = Crude(plan), plan.encoding.columns
    for k, group in enumerate(groups):
        mine = np.array([c for c, column in enumerate(columns) if column.group == group])
        scale = value["covariate_scale"][k]
        wanted += stats.norm(0.0, scale).logpdf(value["beta"][mine]).sum()
        wanted += log_widths(crude.told(mine).along_axes(np.eye(len(mine)))[1], scale)
    scale = value["treatment_heterogeneity"]
    own = stats.norm(value["treatment_effect"][:, None], scale[:, None])
    wanted += own.logpdf(value["treatment_subgroup_effect"]).sum()
    wanted += log_widths(crude.by_effect(len(effects)), scale)
    first = len(columns)
    for name, labels in (("subgroup", plan.encoding.subgroups), ("centre", plan.encoding.centres)):
        n = len(labels)
        effect, scale = value[f"{name}_effect"], value[f"{name}_scale"]
        # normal on the plane of sum zero
        squares = np.square(effect).sum(axis=1) / scale**2
        wanted += -0.5 * squares.sum() - (n - 1) * np.log(np.sqrt(2 * np.pi) * scale).sum()
        told = crude.told(first + np.arange(n)).along_axes(plane_of_sum_zero(n))[1]
        wanted += log_widths(told, scale)
        first += n
    logp = model.compile_logp(jacobian=False, mode="FAST_COMPILE")
    assert float(logp(on_value_scale(model, value))) == pytest.approx(wanted, rel=1e-9)


def test_effects_of_eras_walk_by_their_steps_and_sum_to_zero(
    model: pm.Model, spec: ModelSpec, drawn: dict[str, np.ndarray]
) -> None:
    eras, effect = spec.graph.entry_eras, drawn["entry_era_effect"]
    step = dict(zip(model.coords["entry_cut"], drawn["entry_era_step"], strict=True))
    assert len(eras) == 8
    for k, era in enumerate(eras):
        if era.first > 0.0:
            assert effect[k] - effect[k - 1] == pytest.approx(step[era.label])
    for label in {era.intensity for era in eras}:
        mine = [k for k, era in enumerate(eras) if era.intensity == label]
        assert effect[mine].sum() == pytest.approx(0.0, abs=1e-12)


def test_rows_at_risk_point_at_the_era_in_which_their_state_was_entered(
    spec: ModelSpec, plan: EventPlan
) -> None:
    graph, rows = spec.graph, plan.rows
    entries = {(e.patient, e.state): e.entry for e in plan.histories.episodes}
    seen = set()
    for i, e, effects in zip(rows.patient, rows.intensity, rows.effects, strict=True):
        intensity = graph.intensities[e]
        eras = [
            graph.entry_eras[f - len(graph.effects)] for f in effects if f >= len(graph.effects)
        ]
        if not intensity.entry_cuts:
            assert not eras
            continue
        (era,) = eras
        assert era.intensity == intensity.label
        assert era.first < entries[i, intensity.source] <= era.last
        seen.add(era)
    assert {era.first for era in seen} == {0.0, *graph.entry_cuts}


def plan_labels(model: pm.Model) -> list[str]:
    return [str(t) for t in model.coords["transition"]]


def on_value_scale(model: pm.Model, value: dict[str, np.ndarray]) -> dict[str, Any]:
    out = {}
    for variable in model.free_RVs:
        inside, transform = value[variable.name], model.rvs_to_transforms[variable]
        if transform is not None:
            outside = transform.forward(pt.as_tensor_variable(inside), *variable.owner.inputs)
            others = {rv: value[rv.name] for rv in model.free_RVs if rv is not variable}
            inside = pytensor.function(
                list(others), outside, mode="FAST_COMPILE", on_unused_input="ignore"
            )(*others.values())
        out[model.rvs_to_values[variable].name] = inside
    return out


def test_a_weight_of_zero_leaves_a_patient_out(
    registry: Cohort, plan: EventPlan, model: pm.Model, drawn: dict[str, np.ndarray]
) -> None:
    logp = model.compile_logp(jacobian=False, mode="FAST_COMPILE")
    point = on_value_scale(model, drawn)
    everyone = float(logp(point))
    k = int(np.argmax(np.bincount(plan.rows.patient)))
    weight = np.ones(registry.n_patients)
    weight[k] = 0.0
    with model:
        pm.set_data({PATIENT_WEIGHT: weight})
        without = float(logp(point))
        pm.set_data({PATIENT_WEIGHT: np.ones_like(weight)})
    assert everyone - without == pytest.approx(by_hand(plan, registry, drawn)[k], rel=1e-8)


def test_another_cohort_is_planned_under_the_columns_and_windows_of_a_fit(
    spec: ModelSpec, registry: Cohort, plan: EventPlan
) -> None:
    again = spec.events.plan_like(registry, plan.encoding, plan.edges)
    for ours, theirs in zip(again.data.pack(), plan.data.pack(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    few = registry.select(registry.patient_ids[:9])
    part = spec.events.plan_like(few, plan.encoding, plan.edges)
    assert part.encoding is plan.encoding
    assert part.edges is plan.edges
    assert part.data.n_patients == 9


@pytest.mark.requirement("R-027")
def test_a_start_that_is_not_finite_is_refused_before_sampling(
    spec: ModelSpec, registry: Cohort
) -> None:
    priors = tb.load_priors("registry").override(
        {"baseline_level": {"arguments": {"mu": 800.0, "sigma": 1.0}}}
    )
    with pytest.raises(ModelError, match="no finite log-density at its start: event_loglik"):
        assemble(spec, registry, priors)
