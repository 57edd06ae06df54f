"""What every disease, pooling strategy and baseline must keep, whoever adds the next one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pymc as pm
import pytest

import twinbayes as tb
from tests.support.models.standardised import offsets
from twinbayes.cohort import Cohort
from twinbayes.diseases import DISEASES
from twinbayes.errors import ModelError, OptionError, PriorError
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.model import (
    Encoding,
    ModelSpec,
    NoPooling,
    PiecewiseConstant,
    Spline,
    Weibull,
)
from twinbayes.model.baseline import Baseline
from twinbayes.model.events.crude import Crude
from twinbayes.model.pooling.protocol import Pooling
from twinbayes.model.pooling.table import POOLINGS
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.priors import priors_of
from twinbayes.twin import Twin
from twinbayes.twin.curves.patient import CurvePopulation
from twinbayes.twin.population.hazards import Population

BASELINES: dict[str, Baseline] = {
    "centred": PiecewiseConstant(windows=3),
    "steps": PiecewiseConstant(windows=3, centred=False),
    "one window": PiecewiseConstant(windows=1),
    "spline": Spline(df=5, resolution=8),
    "Weibull": Weibull(resolution=40),
}
BASELINE_VARIABLES = {
    "centred": {
        "log_baseline": ("transition", "window"),
        "log_baseline_roughness": ("transition",),
    },
    "steps": {
        "log_baseline": ("transition", "window"),
        "log_baseline_roughness": ("transition",),
    },
    "one window": {"log_baseline": ("transition", "window")},
    "spline": {
        "log_baseline_weight": ("transition", "window_basis"),
        "log_baseline_weight_roughness": ("transition",),
    },
    "Weibull": {"log_baseline_level": ("transition",), "log_baseline_shape": ("transition",)},
}
# Every strategy is built with every kind of outcome in tests/contract/test_poolings.py.
EVERY = list(product(DISEASES, ("complete", "none", "exchangeable"), BASELINES))
# Building all of the product takes minutes and is the same code over and over: the quick tests
# build each disease once, and each strategy and shape in the smallest models.
SMALL = ("survival", "registry")
QUICK = [
    (name, pooling, baseline)
    for name, pooling, baseline in EVERY
    if (pooling == "exchangeable" and baseline == "steps")
    or (name in SMALL and (pooling == "exchangeable") != (baseline == "steps"))
]
BUILT = [c if c in QUICK else pytest.param(*c, marks=pytest.mark.slow) for c in EVERY]


def chosen(name: str, pooling: str, baseline: str) -> ModelSpec:
    """The disease with one strategy for all pooling and one shape for all baselines."""
    spec, strategy, shape = DISEASES[name](), POOLINGS[pooling](), BASELINES[baseline]
    graph = replace(
        spec.graph,
        transitions=tuple(replace(t, baseline=shape) for t in spec.graph.transitions),
        treatments=tuple(
            replace(
                t,
                starts=tuple(replace(s, baseline=shape) for s in t.starts),
                effects=tuple(replace(e, pooling=strategy) for e in t.effects),
            )
            for t in spec.graph.treatments
        ),
    )
    events = replace(spec.events, graph=graph, subgroup=strategy, centre=strategy)
    if baseline == "one window":  # which leaves no effect room to change with time
        events = replace(events, time_varying=())
    return replace(spec, events=events)


@pytest.fixture(scope="module")
def built(cohort_of: Callable[[str], Cohort]) -> Callable[..., tuple[ModelSpec, str, pm.Model]]:
    """Assemble each choice once: (the spec after building, its text before, the model)."""

    def build(name: str, pooling: str, baseline: str) -> tuple[ModelSpec, str, pm.Model]:
        spec = chosen(name, pooling, baseline)
        before = json.dumps(spec.to_dict(), sort_keys=True)
        return spec, before, tb.assemble(spec, cohort_of(name))

    return cache(build)


def expected_variables(spec: ModelSpec, pooling: str, baseline: str) -> dict[str, tuple[str, ...]]:
    """Free variables and their dims, from the description of the model alone."""
    wanted: dict[str, tuple[str, ...]] = dict(BASELINE_VARIABLES[baseline])
    if spec.associations and (roughness := next((n for n in wanted if "roughness" in n), "")):
        walk = roughness.removesuffix("_roughness")
        wanted[f"_{walk}_with_curves"] = wanted.pop(walk)
    if {t.group for t in spec.events.covariates} == set(spec.events.unshrunk) != set():
        wanted["beta"] = ("covariate", "transition")
    elif spec.events.covariates:
        wanted["covariate_scale"] = ("covariate_group", "transition")
        wanted["beta_offset"] = ("principal_axis", "transition")
    if spec.events.worse or spec.events.better:
        wanted["covariate_sharing"] = ("covariate_group",)
        if pooling == "exchangeable":
            wanted["subgroup_sharing"] = ()
    for level in ("subgroup", "centre"):
        if pooling == "exchangeable":
            wanted[f"{level}_scale"] = ("transition",)
            wanted[f"{level}_offset"] = ("transition", f"{level}_axis")
        elif pooling == "none":
            wanted[f"{level}_effect"] = ("transition", level)
    if spec.graph.effects and pooling == "none":
        wanted["treatment_subgroup_effect"] = ("effect", "subgroup")
    elif spec.graph.effects:
        wanted["treatment_effect"] = ("effect",)
        if pooling == "exchangeable":
            wanted["treatment_heterogeneity"] = ("effect",)
            wanted["treatment_offset"] = ("effect", "subgroup")
    if spec.graph.entry_eras:
        wanted["entry_era_step"] = ("entry_cut",)
    if spec.events.frailty:
        wanted["frailty_scale"] = ()
        if len(spec.events.frailty) > 1:
            wanted["frailty_other_effect"] = ("frailty_other",)
    for k, effect in enumerate(spec.events.time_varying):
        assert effect.classes
        wanted["time_varying_step"] = ("time_varying",)
        wanted[f"time_varying_{k}_offset"] = (f"time_varying_{k}_step", f"time_varying_{k}_class")
    if spec.trajectories is not None:
        wanted |= {
            "_curve_level_offset": ("curve_term",),
            "_patient_sd": ("patient_term",),
            "_marker_sd": ("marker_with_error",),
        }
        if spec.associations:
            wanted["_association"] = ("association_term",)
        for level in ("subgroup", "centre"):
            wanted[f"curve_{level}_scale"] = ("patient_term",)
            wanted[f"curve_{level}_offset"] = ("patient_term", f"{level}_axis")
    return wanted


@pytest.mark.requirement("R-022")
@pytest.mark.parametrize(("name", "pooling", "baseline"), BUILT)
def test_a_model_has_exactly_its_free_variables_and_dims(
    name: str, pooling: str, baseline: str, built: Callable[..., Any]
) -> None:
    spec, _, model = built(name, pooling, baseline)
    found = {v.name: tuple(model.named_vars_to_dims.get(v.name, ())) for v in model.free_RVs}
    for k in range(len(model.coords.get("patient_term", ()))):
        assert found.pop(f"_patient_offset_{k}") == ("patient",)
    found.pop("_patient_partial", None)  # pairs of terms have no dim
    assert found == expected_variables(spec, pooling, baseline)


@pytest.mark.parametrize(("name", "pooling", "baseline"), BUILT)
def test_a_model_reports_the_same_variables_whatever_its_strategies(
    name: str, pooling: str, baseline: str, built: Callable[..., Any]
) -> None:
    spec, _, model = built(name, pooling, baseline)
    reported = {"log_baseline": ("transition", "window")}
    if spec.events.covariates:
        reported["beta"] = ("covariate", "transition")
    if pooling != "complete":  # levels that do not differ are not reported as if estimated
        reported["subgroup_effect"] = ("transition", "subgroup")
        reported["centre_effect"] = ("transition", "centre")
    if spec.graph.effects:
        reported["treatment_effect"] = ("effect",)
        reported["treatment_subgroup_effect"] = ("effect", "subgroup")
    if spec.graph.entry_eras:
        reported["entry_era_effect"] = ("entry_era",)
    for variable, dims in reported.items():
        assert tuple(model.named_vars_to_dims[variable]) == dims
    assert ("subgroup_effect" in model.named_vars) == (pooling != "complete")
    assert tuple(model.coords["transition"]) == spec.graph.labels
    if spec.graph.effects:
        assert tuple(model.coords["effect"]) == tuple(e.label for e in spec.graph.effects)


@pytest.mark.requirement("R-022")
@pytest.mark.parametrize(("name", "pooling", "baseline"), BUILT)
def test_building_gives_an_ordinary_model_and_leaves_the_description_unchanged(
    name: str, pooling: str, baseline: str, built: Callable[..., Any]
) -> None:
    spec, before, model = built(name, pooling, baseline)
    assert type(model) is pm.Model
    assert json.dumps(spec.to_dict(), sort_keys=True) == before
    assert spec == chosen(name, pooling, baseline)


@pytest.mark.requirement("R-023")
@pytest.mark.parametrize(("name", "pooling", "baseline"), EVERY)
def test_a_description_survives_storage_and_keeps_its_hash(
    name: str, pooling: str, baseline: str
) -> None:
    spec = chosen(name, pooling, baseline)
    back = ModelSpec.from_dict(json.loads(json.dumps(spec.to_dict())))
    assert back == spec
    assert back.content_hash == spec.content_hash


def test_what_a_description_does_not_use_is_not_stored_and_leaves_its_hash_alone() -> None:
    cuts = {
        name: json.dumps(tb.disease(name).to_dict()).count("entry_cuts")
        for name in ("aml", "registry", "hsct")
    }
    assert cuts == {"aml": 2, "registry": 2, "hsct": 0}


@pytest.mark.requirement("R-023")
def test_different_descriptions_have_different_hashes() -> None:
    assert len({chosen(*choice).content_hash for choice in EVERY}) == len(EVERY)


@pytest.mark.parametrize("name", DISEASES)
def test_a_description_says_every_state_transition_and_covariate_in_words(name: str) -> None:
    spec = tb.disease(name)
    text = spec.describe()
    words = [*spec.graph.states, *spec.graph.labels, *(e.label for e in spec.graph.effects)]
    words += [era.label for era in spec.graph.entry_eras]
    words += [getattr(t, "name", None) or getattr(t, "group", "") for t in spec.events.covariates]
    assert [w for w in words if w not in text] == []


@pytest.mark.parametrize("name", DISEASES)
def test_unknown_options_are_refused(name: str) -> None:
    with pytest.raises(OptionError, match="no_such_option"):
        tb.disease(name, no_such_option=1)


@pytest.mark.parametrize("name", ["aml", "registry"])
def test_an_unknown_pooling_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(OptionError, match=r"pooling 'some'. Known: 'complete', 'none'"):
        tb.disease(name, pooling="some")


def test_an_unknown_disease_is_refused_with_the_known_ones() -> None:
    with pytest.raises(OptionError, match=r"disease 'flu'. Known: 'aml', 'cgd', 'cml'"):
        tb.disease("flu")
    with pytest.raises(OptionError, match=r"option of disease 'pbc'.*'endpoint'"):
        tb.disease("pbc", outcome="death")


@pytest.mark.parametrize("name", DISEASES)
def test_a_disease_has_priors_for_everything_it_needs(name: str) -> None:
    spec = tb.disease(name)
    priors = priors_of(spec.priors)
    for label in spec.graph.labels:
        assert priors.get_entry("baseline_level", label)
    with pytest.raises(PriorError, match="unknown"):
        priors.get_entry("no_such_prior")


@pytest.mark.requirement("R-019")
@pytest.mark.parametrize("name", DISEASES)
def test_prior_predictive_state_occupation_is_possible_and_open_minded(
    name: str, cohort_of: Callable[[str], Cohort]
) -> None:
    spec, cohort = chosen(name, "exchangeable", "steps"), cohort_of(name)
    prior = sample_priors(spec, cohort, draws=150, seed=1)
    learnt = spec.plan(cohort).learnt
    population = Population.from_posterior(prior, learnt.encoding, learnt.edges)
    curves = learnt.curves and CurvePopulation.from_posterior(prior, learnt.curves, spec)
    few = cohort.select(cohort.patient_ids[:3])
    twin = Twin.at_landmark(spec, learnt, (population, curves), few, 0.0, False)
    days = np.array([0.0, 0.25, 1.0, 5.0]) * DAYS_PER_YEAR
    share = twin.forecast(float(days[-1]), days, draws=True)["state_probability_draws"]
    assert np.all(np.isfinite(share))
    assert float(share.min()) >= 0.0
    # Under priors some go round thousands of times, of which single precision keeps seven digits.
    goes_round = any(spec.graph.recurs(t.label) for t in spec.graph.transitions)
    np.testing.assert_allclose(share.sum("state"), 1.0, atol=5e-3 if goes_round else 1e-4)
    start = share.isel(time=0).sel(state=spec.graph.initial)
    np.testing.assert_allclose(start, 1.0)
    if len(spec.graph.states) == 1:  # nobody can be anywhere else
        return
    # after a quarter of a year the priors neither keep everybody in place nor move everybody on
    quarter = share.isel(time=1).sel(state=spec.graph.initial)
    low, high = np.quantile(quarter, [0.05, 0.95])
    assert low < 0.5 < high
    for state in spec.graph.absorbing:
        ends = share.sel(state=state)
        assert np.all(np.diff(ends, axis=ends.dims.index("time")) >= -1e-4)


def test_different_shapes_and_strategies_live_in_one_model(
    cohort_of: Callable[[str], Cohort],
) -> None:
    spec = chosen("registry", "exchangeable", "steps")
    first, *others = spec.graph.transitions
    treatment = spec.graph.treatments[0]
    effect, *rest = treatment.effects
    mixed: Pooling = NoPooling()
    graph = replace(
        spec.graph,
        transitions=(replace(first, baseline=Spline(df=5, resolution=8)), *others),
        treatments=(replace(treatment, effects=(replace(effect, pooling=mixed), *rest)),),
    )
    model = tb.assemble(
        replace(spec, events=replace(spec.events, graph=graph)), cohort_of("registry")
    )
    labels = spec.graph.labels
    assert tuple(model.named_vars_to_dims["log_baseline"]) == ("transition", "window")
    assert tuple(model.coords["transition"]) == labels
    # each row of the joint matrix is the row of its own block
    names = ["log_baseline", "log_baseline_0", "log_baseline_1"]
    names += ["treatment_subgroup_effect", "treatment_subgroup_effect_none"]
    names += ["treatment_subgroup_effect_exchangeable"]
    drawn = pm.draw([model[n] for n in names], random_seed=1, mode="FAST_COMPILE")
    value = dict(zip(names, drawn, strict=True))
    np.testing.assert_array_equal(value["log_baseline"][0], value["log_baseline_0"][0])
    width = value["log_baseline_1"].shape[1]
    np.testing.assert_array_equal(value["log_baseline"][1:, :width], value["log_baseline_1"])
    joint = value["treatment_subgroup_effect"]
    np.testing.assert_array_equal(joint[:1], value["treatment_subgroup_effect_none"])
    np.testing.assert_array_equal(joint[1:], value["treatment_subgroup_effect_exchangeable"])


def test_an_unknown_intensity_cannot_share_effects() -> None:
    with pytest.raises(OptionError, match="intensity with shared covariate effects 'a->b'"):
        replace(DISEASES["registry"]().events, worse=("a->b",))


def test_unshrunk_groups_take_the_fixed_prior_and_have_no_scale(
    cohort_of: Callable[[str], Cohort],
) -> None:
    cohort = cohort_of("registry")
    spec = replace(chosen("registry", "complete", "one window"), trajectories=None)
    some = replace(spec, events=replace(spec.events, unshrunk=("clinical", "gene")))
    priors = tb.load_priors("registry").override(
        {"covariate_effect": {"arguments": {"mu": 0.3, "sigma": 5.0}}}
    )
    model = tb.assemble(some, cohort, priors)
    encoding = Encoding.learn(some.events.covariates, cohort)
    kept = [g for g in encoding.groups if g not in ("clinical", "gene")]
    assert list(model.coords["covariate_group"]) == kept
    names = ("beta", "beta_offset", "covariate_scale")
    beta, z, shrinkage = pm.draw([model[n] for n in names], random_seed=2, mode="FAST_COMPILE")
    crude = Crude(some.events.plan(cohort))
    for group in encoding.groups:
        mine = np.array([k for k, c in enumerate(encoding.columns) if c.group == group])
        mean, scale = (0.0, shrinkage[kept.index(group)]) if group in kept else (0.3, 5.0)
        scale = np.broadcast_to(scale, len(spec.graph.labels))[:, None]
        own = offsets(z[mine].T, *crude.told(mine).along_axes(np.eye(len(mine))), scale)
        np.testing.assert_allclose(beta[mine], mean + (scale * own).T, atol=1e-10)
    every = replace(spec, events=replace(spec.events, unshrunk=encoding.groups))
    model = tb.assemble(every, cohort, priors)
    others = {"log_baseline", "treatment_effect", "entry_era_step"}
    assert {"beta"} == {v.name for v in model.free_RVs} - others
    with pytest.raises(
        ModelError, match=r"without covariates: \['proteins'\]. Known: \['clinical'"
    ):
        tb.assemble(replace(spec, events=replace(spec.events, unshrunk=("proteins",))), cohort)


def test_a_stored_description_of_an_unknown_kind_is_refused() -> None:
    data = tb.disease("survival").to_dict()
    with pytest.raises(ModelError, match="unknown type 'Popen'"):
        ModelSpec.from_dict(data | {"kind_of": "Popen"})
    with pytest.raises(ModelError, match="Expected a ModelSpec, found an EventProcess"):
        ModelSpec.from_dict(data["events"])


def test_an_aml_cohort_names_its_own_favourable_subgroups() -> None:
    (late,) = tb.disease("aml", favourable=("CBF",)).events.time_varying
    assert late.classes == (("CBF",),)
    assert not tb.disease("aml", favourable=()).events.time_varying
