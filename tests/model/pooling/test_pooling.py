"""Pooling strategies: densities, and the two limits of partial pooling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from scipy import optimize, stats

from tests.support.on_line import on_line
from twinbayes import load_priors
from twinbayes.cohort import Cohort
from twinbayes.errors import ModelError
from twinbayes.model import (
    Complete,
    Effect,
    EventProcess,
    Exchangeable,
    ExNex,
    ModelSpec,
    NoPooling,
    PiecewiseConstant,
    RobustMap,
    StateGraph,
    Transition,
    Treatment,
    TreatmentStart,
    assemble,
)
from twinbayes.model.pooling.protocol import EffectNames, Pooling, lean_together
from twinbayes.model.pooling.table import POOLINGS
from twinbayes.priors import PriorSet

ROWS = ("first", "second")
GROUPS = ("a", "b", "c")
TREATED = EffectNames(
    mean="mean", scale="scale", offset="offset", total="total",
    scale_prior="treatment_heterogeneity", mean_prior="treatment_effect",
)  # fmt: skip
LEVELS = EffectNames(
    mean="", scale="scale", offset="offset", total="total", scale_prior="subgroup_scale"
)
DRUG = "drug"
DAYS = {"a": (400.0, 900.0), "b": (150.0, 700.0), "c": (80.0, 60.0)}  # untreated, treated
DEATHS = {"a": (6, 3), "b": (2, 7), "c": (2, 1)}


@pytest.fixture(scope="module")
def priors() -> PriorSet:
    return load_priors("registry").override(
        {
            "treatment_effect": {"arguments": {"mu": 0.2, "sigma": 0.7}},
            "treatment_heterogeneity": {"arguments": {"sigma": 0.3}},
            "subgroup_scale": {"arguments": {"sigma": 0.4}},
        }
    )


def built(pooling: Pooling, names: EffectNames, priors: PriorSet) -> pm.Model:
    with pm.Model(coords={"row": ROWS, "group": GROUPS}) as model:
        pooling.build(names, ("row", "group"), ROWS, len(GROUPS), priors)
    return model


def free(model: pm.Model) -> set[str]:
    return {v.name for v in model.free_RVs}


def test_complete_pooling_gives_every_subgroup_the_same_effect(priors: PriorSet) -> None:
    model = built(Complete(), TREATED, priors)
    assert free(model) == {"mean"}
    total = model["total"].eval({model["mean"]: np.array([0.5, -0.5])}, mode="FAST_COMPILE")
    np.testing.assert_array_equal(total, [[0.5] * 3, [-0.5] * 3])
    assert not free(built(Complete(), LEVELS, priors))


def test_without_pooling_each_subgroup_has_the_prior_of_the_effect(priors: PriorSet) -> None:
    model = built(NoPooling(), TREATED, priors)
    assert free(model) == {"total"}
    total = np.array([[0.1, 0.2, 0.9], [-0.4, 0.0, 0.3]])
    logp = model.compile_logp(mode="FAST_COMPILE")({"total": total})
    assert float(logp) == pytest.approx(stats.norm(0.2, 0.7).logpdf(total).sum())
    mean = model["mean"].eval({model["total"]: total}, mode="FAST_COMPILE")
    np.testing.assert_allclose(mean, total.mean(axis=1))


def test_exchangeable_effects_are_mean_plus_scale_times_offset(priors: PriorSet) -> None:
    model = built(Exchangeable(), TREATED, priors)
    assert free(model) == {"mean", "scale", "offset"}
    mean, scale = np.array([0.5, -0.2]), np.array([0.1, 0.6])
    offset = np.array([[0.1, 0.2, 0.9], [-0.4, 0.0, 0.3]])
    values = {model["mean"]: mean, model["scale"]: scale, model["offset"]: offset}
    total = model["total"].eval(values, mode="FAST_COMPILE")
    np.testing.assert_allclose(total, mean[:, None] + scale[:, None] * offset)
    logp = model.compile_logp(jacobian=False, mode="FAST_COMPILE")(
        {"mean": mean, "scale_line__": on_line(model, "scale", scale), "offset": offset}
    )
    wanted = (
        stats.norm(0.2, 0.7).logpdf(mean).sum()
        + stats.halfnorm(scale=0.3).logpdf(scale).sum()
        + stats.norm.logpdf(offset).sum()
    )
    assert float(logp) == pytest.approx(wanted)


@pytest.mark.parametrize("pooling", [NoPooling(sd=1.5), Exchangeable()])
def test_levels_of_subgroups_sum_to_zero(pooling: Pooling, priors: PriorSet) -> None:
    model = built(pooling, LEVELS, priors)
    draws = pm.draw(model["total"], 200, random_seed=1, mode="FAST_COMPILE")
    np.testing.assert_allclose(draws.sum(axis=2), 0, atol=1e-9)
    assert draws.std() > 0.1


@pytest.mark.requirement("R-030")
def test_only_strategies_with_a_common_law_reach_new_subgroups() -> None:
    reach = {"complete", "exchangeable", "exnex", "robust_map", "power_prior"}
    assert {k for k, p in POOLINGS.items() if p().reaches_new_subgroups} == reach
    for kind, strategy in POOLINGS.items():
        assert strategy().kind == kind
        assert isinstance(strategy(), Pooling)
        if kind not in reach:
            with pytest.raises(ModelError, match="says nothing about a subgroup"):
                strategy().draw_new(np.zeros(1), np.ones(1), np.random.default_rng(0))


@pytest.mark.requirement("R-030")
@pytest.mark.parametrize(
    ("pooling", "law"),
    [
        (Exchangeable(), stats.norm(1.0, 0.5)),
        (Exchangeable(nu=5.0), stats.t(5.0, 1.0, 0.5)),
        (RobustMap(target="a"), stats.norm(1.0, 0.5)),
        (ExNex(weights=(0.7, 0.3), own_mean=-1.0, own_sd=2.0), None),
    ],
)
def test_a_new_subgroup_is_drawn_from_the_law_of_each_draw(pooling: Pooling, law: Any) -> None:
    mean, scale = np.full(100_000, 1.0), np.full(100_000, 0.5)
    drawn = pooling.draw_new(mean, scale, np.random.default_rng(0))
    for x in (-1.0, 0.5, 1.0, 2.0):
        wanted = (
            law.cdf(x)
            if law is not None
            else 0.7 * stats.norm(1.0, 0.5).cdf(x) + 0.3 * stats.norm(-1.0, 2.0).cdf(x)
        )
        assert np.mean(drawn <= x) == pytest.approx(wanted, abs=0.006)


# --- the limits, where the maximum of the likelihood is known ------------------------------


def two_arm_spec(pooling: Pooling) -> ModelSpec:
    """A constant hazard of death, multiplied once a drug is started on the first day."""
    constant = PiecewiseConstant(windows=1)
    effect = Effect(treatment=DRUG, transition="alive->dead", phase="here", pooling=pooling)
    start = TreatmentStart(source="alive", treatment=DRUG, baseline=constant)
    death = Transition(source="alive", target="dead", event="death", baseline=constant)
    graph = StateGraph(
        states=("alive", "dead"),
        transitions=(death,),
        treatments=(Treatment(name=DRUG, starts=(start,), effects=(effect,)),),
    )
    events = EventProcess(graph=graph, subgroup=Complete())
    return ModelSpec(name="two arms", title="Two arms", events=events, priors="registry")


@pytest.fixture(scope="module")
def two_arms(make_cohort: Callable[..., Cohort]) -> Cohort:
    """In each subgroup and arm, `DEATHS` deaths in `DAYS` days, in equal shares."""
    events, starts, subgroup = [], [], {}
    for group in GROUPS:
        for arm in (0, 1):
            for k in range(10):
                patient = f"{group}{arm}{k}"
                what = "death" if k < DEATHS[group][arm] else "last_contact"
                events.append((patient, DAYS[group][arm] / 10, what))
                subgroup[patient] = group
                if arm:
                    starts.append((patient, 0.0, DRUG))
    return make_cohort(events, starts, subgroup=subgroup)


def mode_of(
    pooling: Pooling, cohort: Cohort, heterogeneity: float | None = None
) -> dict[str, np.ndarray]:
    """Posterior mode under flat priors, with the heterogeneity held at a value."""
    flat = {"arguments": {"mu": 0.0, "sigma": 1e3}}
    priors = load_priors("registry").override({"treatment_effect": flat, "baseline_level": flat})
    model = assemble(two_arm_spec(pooling), cohort, priors)
    movable = [v for v in model.free_RVs if "heterogeneity" not in v.name]
    moving = [model.rvs_to_values[v] for v in movable]
    logp = model.compile_logp(mode="FAST_COMPILE", jacobian=False)
    dlogp = model.compile_dlogp(movable, mode="FAST_COMPILE", jacobian=False)
    start = model.initial_point()
    if heterogeneity is not None:
        start["treatment_heterogeneity_line__"][:] = on_line(
            model, "treatment_heterogeneity", [heterogeneity]
        )
    sizes = np.cumsum([start[v.name].size for v in moving])[:-1]

    def unravel(x: np.ndarray) -> dict[str, np.ndarray]:
        parts = zip(moving, np.split(x, sizes), strict=True)
        return start | {v.name: part.reshape(start[v.name].shape) for v, part in parts}

    found = optimize.minimize(
        lambda x: -float(logp(unravel(x))),
        np.concatenate([start[v.name].ravel() for v in moving]),
        jac=lambda x: -dlogp(unravel(x)),
        method="BFGS",
        options={"gtol": 1e-7},
    )
    mode = unravel(found.x)
    if "treatment_subgroup_effect" in model.named_vars and heterogeneity is not None:
        inputs = model.value_vars
        total = model.compile_fn(
            model.replace_rvs_by_values([model["treatment_subgroup_effect"]]),
            inputs=inputs,
            mode="FAST_COMPILE",
            on_unused_input="ignore",
        )
        (mode["effects"],) = total(mode)
    return mode


def maximum_likelihood() -> tuple[float, float, dict[str, float]]:
    """Log hazard without the drug; log hazard ratio in all and in each subgroup."""
    deaths = np.array([DEATHS[g] for g in GROUPS], dtype=float)
    days = np.array([DAYS[g] for g in GROUPS])
    untreated = np.log(deaths[:, 0].sum() / days[:, 0].sum())
    together = np.log(deaths[:, 1].sum() / days[:, 1].sum()) - untreated
    apart = np.log(deaths[:, 1] / days[:, 1]) - untreated
    return untreated, together, dict(zip(GROUPS, apart.tolist(), strict=True))


def test_complete_pooling_finds_the_common_hazard_ratio(two_arms: Cohort) -> None:
    untreated, together, _ = maximum_likelihood()
    mode = mode_of(Complete(), two_arms)
    assert mode["log_baseline"][0, 0] == pytest.approx(untreated, abs=1e-3)
    assert mode["treatment_effect"] == pytest.approx([together], abs=1e-3)


def test_no_pooling_finds_the_hazard_ratio_of_each_subgroup(two_arms: Cohort) -> None:
    _, _, apart = maximum_likelihood()
    mode = mode_of(NoPooling(), two_arms)
    wanted = [apart[g] for g in two_arms.subgroups]
    np.testing.assert_allclose(mode["treatment_subgroup_effect"][0], wanted, atol=1e-3)


def test_without_heterogeneity_partial_pooling_is_complete(two_arms: Cohort) -> None:
    _, together, _ = maximum_likelihood()
    found = mode_of(Exchangeable(), two_arms, 1e-3)["effects"][0]
    np.testing.assert_allclose(found, together, atol=1e-3)


def test_with_boundless_heterogeneity_partial_pooling_is_none(two_arms: Cohort) -> None:
    _, _, apart = maximum_likelihood()
    found = mode_of(Exchangeable(), two_arms, 50.0)["effects"][0]
    np.testing.assert_allclose(found, [apart[g] for g in two_arms.subgroups], atol=2e-3)


def test_in_between_small_subgroups_are_drawn_to_the_mean_the_most(two_arms: Cohort) -> None:
    _, _, apart = maximum_likelihood()
    mode = mode_of(Exchangeable(), two_arms, 0.5)
    found = dict(zip(two_arms.subgroups, mode["effects"][0], strict=True))
    mean = float(mode["treatment_effect"][0])
    kept = {g: (found[g] - mean) / (apart[g] - mean) for g in GROUPS}
    assert all(0 < k < 1 for k in kept.values())
    assert kept["c"] < kept["a"] < kept["b"]  # one, three and seven deaths under the drug


def test_leaning_offsets_are_standard_normal_and_as_correlated_as_said() -> None:
    signs = (1.0, 0.0, -1.0, 1.0)
    root = np.asarray(lean_together(pt.eye(4), pt.as_tensor(0.7), signs).eval())
    shared = 0.7**2 / (1 + 0.7**2)
    expected = np.outer(signs, signs) * shared
    np.fill_diagonal(expected, 1.0)
    np.testing.assert_allclose(root.T @ root, expected, atol=1e-12)


@pytest.mark.parametrize("nu", [None, 4.0])
def test_levels_of_a_subgroup_lean_whatever_their_tails(nu: float | None) -> None:
    rows, signs = ("worse", "other", "better"), (1.0, 0.0, -1.0)
    names = EffectNames(
        mean="", scale="subgroup_scale", offset="offset", total="total",
        scale_prior="subgroup_scale", sharing="subgroup_sharing", signs=signs,
    )  # fmt: skip
    rng = np.random.default_rng(2)
    scale, ratio = np.array([0.5, 1.0, 2.0]), 0.8
    with pm.Model(coords={"row": rows, "group": range(4)}) as model:
        total = Exchangeable(nu=nu).build(names, ("row", "group"), rows, 4, load_priors("aml"))
    inputs = [model["offset"], model["subgroup_scale"], model["subgroup_sharing"]]
    at = pytensor.function(inputs, total, on_unused_input="raise")
    z = rng.standard_normal((3, 4 if nu else 3))
    own, found = at(z, scale, 0.0) / scale[:, None], at(z, scale, ratio)
    np.testing.assert_allclose(own.sum(axis=1), 0.0, atol=1e-12)
    if nu is None:  # independent on the plane of sum zero, whatever its axes
        np.testing.assert_allclose(np.square(own).sum(axis=1), np.square(z).sum(axis=1))
    both = signs[0] * own[0] + signs[2] * own[2]
    along = (np.sqrt(1 + 2 * ratio**2) - 1) / 2 * np.outer(signs, both)
    spread = np.sqrt(1 + (ratio * np.abs(signs)) ** 2)[:, None]
    np.testing.assert_allclose(found, scale[:, None] * (own + along) / spread, atol=1e-12)
