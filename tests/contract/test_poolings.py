"""Every pooling strategy with every kind of outcome: one contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest

import twinbayes as tb
from twinbayes.cohort import Aggregate, Cohort
from twinbayes.errors import ModelError
from twinbayes.inference import compile_fit
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.model import (
    R2D2,
    BMAExchangeability,
    Commensurate,
    Complete,
    Exchangeable,
    ExNex,
    Horseshoe,
    ModelSpec,
    NoPooling,
    PowerPrior,
    RobustMap,
)
from twinbayes.model.assemble import assemble_aggregate
from twinbayes.model.pooling.protocol import Pooling
from twinbayes.model.pooling.table import POOLINGS, pooling_of
from twinbayes.priors import PriorSet

GROUPS: Final = ("one", "two", "three")
#: 600 patients a subgroup, or as much: what the data say alone outweighs any vague prior.
TABLES: Final = {
    "response": pd.DataFrame({"responders": [240, 330, 360], "n": [600, 600, 600]}),
    "mean": pd.DataFrame({"mean": [-0.3, 0.1, 0.4], "se": [0.05, 0.04, 0.05]}),
    "rate": pd.DataFrame({"events": [250, 300, 420], "time": [600.0, 500.0, 500.0]}),
    "log_hazard_ratio": pd.DataFrame({"estimate": [-0.5, -0.1, 0.2], "se": [0.06, 0.05, 0.06]}),
}
#: The strategies do not know the outcome: the quick tests go through one.
OUTCOMES: Final = [
    "response",
    *(pytest.param(name, marks=pytest.mark.slow) for name in TABLES if name != "response"),
]
PATIENT_OUTCOMES: Final = ("hazard", "trajectory")


def data_of(outcome: str, groups: tuple[str, ...] = GROUPS) -> Aggregate:
    table = TABLES[outcome].iloc[: len(groups)].assign(subgroup=groups)
    return tb.read_aggregate(table, outcome=outcome)


def priors_with(heterogeneity: float) -> PriorSet:
    return tb.load_priors("basket").override(
        {
            "effect_mean": {"arguments": {"mu": 0.0, "sigma": 20.0}},
            "effect_heterogeneity": {"arguments": {"sigma": heterogeneity}},
        }
    )


def with_source(kind: str, source: str) -> Pooling:
    """Return the strategy, with a source or target where it needs one."""
    strategy: Any = pooling_of(kind)
    for role in ("source", "target"):
        if hasattr(strategy, role):
            strategy = replace(strategy, **{role: source})
    pooling: Pooling = strategy
    return pooling


def values(pooling: Pooling, outcome: str, heterogeneity: float, **options: Any) -> np.ndarray:
    """Posterior means of the subgroups on the scale of the priors."""
    groups = options.pop("groups", GROUPS)
    fit = tb.fit(
        tb.disease("basket", outcome=outcome, pooling=pooling),
        data_of(outcome, groups),
        priors=priors_with(heterogeneity),
        draws=600,
        tune=500,
        chains=4,
        seed=1,
        progressbar=False,
        **options,
    )
    effect = fit.datatree["posterior"]["effect"].mean(("chain", "draw")).to_numpy()[0]
    return np.asarray(effect)


@pytest.fixture(scope="module")
def limits() -> Callable[[str], tuple[np.ndarray, np.ndarray]]:
    """Posterior means under complete pooling, and under none."""
    return cache(
        lambda outcome: (values(Complete(), outcome, 1.0), values(NoPooling(), outcome, 1.0))
    )


#: Strategies with so little heterogeneity that they pool completely, and so much that they do not.
NEXT_TO_COMPLETE: Final[dict[str, tuple[Pooling, float]]] = {
    "exchangeable": (Exchangeable(), 1e-3),
    "Student's t": (Exchangeable(nu=4.0), 1e-9),
    "exnex": (ExNex(weights=(1.0, 0.0)), 1e-3),
    "horseshoe": (Horseshoe(), 1e-9),
    "r2d2": (R2D2(), 1e-9),
    "commensurate": (Commensurate(source="two", spike=1.0, spike_precision=1e6), 1.0),
    "robust_map": (RobustMap(target="two", weight=1.0), 1e-3),
    "bma_exchangeability": (BMAExchangeability(tolerance=0.01, log_weight=-60.0), 1.0),
    "power_prior": (PowerPrior(source="one", power=1.0), 1.0),
}
NEXT_TO_NONE: Final[dict[str, tuple[Pooling, float]]] = {
    "exchangeable": (Exchangeable(), 50.0),
    "Student's t": (Exchangeable(nu=4.0), 50.0),
    "exnex": (ExNex(weights=(0.0, 1.0), own_sd=20.0), 1.0),
    "horseshoe": (Horseshoe(slab_scale=50.0), 50.0),
    "r2d2": (R2D2(), 50.0),
    "commensurate": (Commensurate(source="two", spike=0.0, slab_precision=1e-3), 1.0),
    "robust_map": (RobustMap(target="two", own_sd=20.0), 50.0),
    "bma_exchangeability": (BMAExchangeability(log_weight=60.0), 1.0),
}


def test_the_limits_cover_every_strategy() -> None:
    named = set(NEXT_TO_COMPLETE) | {"complete", "none"}
    assert named - {"Student's t"} == set(POOLINGS)
    assert set(NEXT_TO_COMPLETE) - set(NEXT_TO_NONE) == {"power_prior"}


#: Strategies whose models of patients are sampled among the quick tests.
QUICK: Final = ("exchangeable", "exnex", "robust_map", "complete")


@pytest.mark.requirement("R-028")
@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("name", NEXT_TO_COMPLETE)
def test_without_heterogeneity_every_strategy_pools_completely(
    name: str, outcome: str, limits: Callable[[str], tuple[np.ndarray, np.ndarray]]
) -> None:
    pooling, heterogeneity = NEXT_TO_COMPLETE[name]
    found = values(pooling, outcome, heterogeneity)
    np.testing.assert_allclose(found, limits(outcome)[0], atol=0.02)


@pytest.mark.requirement("R-028")
@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("name", NEXT_TO_NONE)
def test_with_unbounded_heterogeneity_no_strategy_pools(
    name: str, outcome: str, limits: Callable[[str], tuple[np.ndarray, np.ndarray]]
) -> None:
    pooling, heterogeneity = NEXT_TO_NONE[name]
    found = values(pooling, outcome, heterogeneity)
    np.testing.assert_allclose(found, limits(outcome)[1], atol=0.02)
    assert np.ptp(limits(outcome)[1]) > 5 * np.ptp(limits(outcome)[0])


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_source_of_power_zero_leaves_the_other_alone(outcome: str) -> None:
    two = GROUPS[:2]
    found = values(PowerPrior(source="one", power=0.0), outcome, 1.0, groups=two)
    alone = values(NoPooling(), outcome, 1.0, groups=two)
    assert found[1] == pytest.approx(alone[1], abs=0.02)


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("kind", POOLINGS)
def test_priors_of_aggregate_models_allow_much_and_not_everything(kind: str, outcome: str) -> None:
    """The prior predictive of the subgroups' values is centred, and neither narrow nor absurd."""
    import pymc as pm

    spec = tb.disease("basket", outcome=outcome, pooling=with_source(kind, "two"))
    model = assemble_aggregate(spec, data_of(outcome), tb.load_priors("basket"))
    drawn = pm.draw(model["effect"], 1500, random_seed=1, mode="FAST_COMPILE")
    assert np.isfinite(drawn).all()
    assert drawn.shape[1:] == (1, 3)
    middle, spread = np.median(drawn), np.quantile(drawn, 0.9) - np.quantile(drawn, 0.1)
    assert abs(middle) < 0.4
    assert 2.0 < spread < 12.0


def patients_spec(spec: ModelSpec, pooling: Pooling, outcome: str) -> ModelSpec:
    """The registry's model with one strategy for treatment effects, or for subgroups of curves."""
    if outcome == "trajectory":
        assert spec.trajectories is not None
        return replace(spec, trajectories=replace(spec.trajectories, subgroup=pooling))
    treatments = tuple(
        replace(t, effects=tuple(replace(e, pooling=pooling) for e in t.effects))
        for t in spec.graph.treatments
    )
    graph = replace(spec.graph, treatments=treatments)
    return replace(spec, events=replace(spec.events, graph=graph, subgroup=pooling))


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        pytest.param(
            kind,
            outcome,
            marks=[pytest.mark.slow] * (outcome == "trajectory" or kind not in QUICK),
        )
        for kind, outcome in product(POOLINGS, PATIENT_OUTCOMES)
    ],
)
def test_every_strategy_builds_and_samples_with_patients(
    kind: str, outcome: str, cohort_of: Callable[[str], Cohort]
) -> None:
    cohort = cohort_of("registry")
    strategy = with_source(kind, cohort.subgroups[0])
    spec = patients_spec(tb.disease("registry"), strategy, outcome)
    assert type(spec).from_dict(spec.to_dict()) == spec
    compiled = compile_fit(spec, cohort)
    assert compiled.compiled.options["backend"] == "tape"
    fit = compiled.sample(draws=10, tune=10, chains=1, seed=1, progressbar=False)
    posterior = fit.datatree["posterior"]
    name = "treatment_subgroup_effect" if outcome == "hazard" else "curve_subgroup_effect"
    if (kind, outcome) not in (("complete", "trajectory"), ("power_prior", "trajectory")):
        effect = posterior[name].to_numpy()
        assert np.isfinite(effect).all()
        if outcome == "trajectory":
            np.testing.assert_allclose(effect.sum(axis=-1), 0.0, atol=1e-9)
    weights = fit.datatree["constant_data"]["patient_weight"].to_numpy()
    from_source = (cohort.patients["subgroup"] == cohort.subgroups[0]).to_numpy()
    np.testing.assert_array_equal(
        weights, np.where(from_source & (kind == "power_prior"), 0.5, 1.0)
    )


@pytest.mark.parametrize("kind", ["exnex", "horseshoe", "bma_exchangeability"])
def test_priors_of_treatment_effects_stay_within_reason(
    kind: str, cohort_of: Callable[[str], Cohort]
) -> None:
    cohort = cohort_of("registry")
    spec = patients_spec(tb.disease("registry"), pooling_of(kind), "hazard")
    drawn = sample_priors(spec, cohort, draws=50, seed=1)["treatment_subgroup_effect"].to_numpy()
    assert np.isfinite(drawn).all()
    assert 0.5 < np.quantile(np.abs(drawn), 0.9) < 5.0


def test_a_subgroup_that_is_not_there_cannot_be_source_or_target() -> None:
    for pooling in (Commensurate(source="four"), RobustMap(), PowerPrior(source="five")):
        spec = tb.disease("basket", pooling=pooling)
        with pytest.raises(ModelError, match="Known: 'one', 'two', 'three'"):
            tb.fit(spec, data_of("response"), progressbar=False)


def test_a_power_that_is_learnt_is_refused_for_patients(
    cohort_of: Callable[[str], Cohort],
) -> None:
    cohort = cohort_of("registry")
    learnt = PowerPrior(source=cohort.subgroups[0], power=None)
    with pytest.raises(ModelError, match="which aggregate models have"):
        compile_fit(patients_spec(tb.disease("registry"), learnt, "hazard"), cohort)


def test_partitions_of_many_subgroups_are_refused_with_a_way_out() -> None:
    many = pd.DataFrame({"subgroup": [f"s{k}" for k in range(9)], "n": 10, "responders": 3})
    spec = tb.disease("basket", pooling="bma_exchangeability")
    with pytest.raises(ModelError, match="Use 'exnex'"):
        tb.fit(spec, tb.read_aggregate(many), progressbar=False)
