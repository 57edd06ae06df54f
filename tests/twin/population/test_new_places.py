"""Subgroups and centres that the fit has not seen, and covariates that are missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from twinbayes.cohort import NEW_CENTRE, Cohort, new_patient
from twinbayes.errors import TwinError
from twinbayes.inference import Fit
from twinbayes.model import (
    Complete,
    Encoding,
    EventProcess,
    Exchangeable,
    NoPooling,
    StateGraph,
    Transition,
    Treatment,
    TreatmentStart,
)
from twinbayes.model.courses.graph import Effect
from twinbayes.model.pooling.protocol import Pooling
from twinbayes.twin import Twin
from twinbayes.twin.population.hazards import Population
from twinbayes.twin.population.ratios import patient_ratios

UNTIL = 1000.0


def relabelled(cohort: Cohort, **labels: str) -> Cohort:
    return replace(cohort, patients=cohort.patients.assign(**labels))


def log_ratios(twin: Twin) -> np.ndarray:
    return np.log(twin.ratios(0).hazard)


@pytest.fixture(scope="module")
def somebody(registry_fit: Fit) -> Cohort:
    """A patient of the largest subgroup and centre with every covariate known."""
    cohort = registry_fit.cohort
    complete = cohort.covariates().notna().all(axis=1).to_numpy()
    place = (cohort.patients["subgroup"] == cohort.subgroups[0]) & complete
    return cohort.select([cohort.patients.loc[place, "patient_id"].iloc[0]])


@pytest.mark.parametrize(
    "labels", [{"centre": NEW_CENTRE}, {"subgroup": "a new disease"}], ids=["centre", "subgroup"]
)
def test_a_new_label_is_drawn_reproducibly_and_widens_the_interval(
    registry_fit: Fit, somebody: Cohort, labels: dict[str, str]
) -> None:
    known = registry_fit.twin(somebody, at=0.0)
    elsewhere = relabelled(somebody, **labels)
    twins = [registry_fit.twin(elsewhere, at=0.0) for _ in range(2)]
    first, second = (twin.forecast(UNTIL, 10, draws=True) for twin in twins)
    assert first.equals(second)
    # a centre may be so little known that a new one is hardly less so
    slack = 0.9 if "centre" in labels else 1.0
    assert log_ratios(twins[0]).std(axis=1).sum() > slack * log_ratios(known).std(axis=1).sum()
    mine = known.forecast(UNTIL, 10)

    def width(result: xr.Dataset) -> float:
        return float((result["survival_upper"] - result["survival_lower"]).sum())

    assert width(first) > slack * width(mine)


def test_two_new_centres_of_different_name_are_different(
    registry_fit: Fit, somebody: Cohort
) -> None:
    a, b = (registry_fit.twin(relabelled(somebody, centre=c), at=0.0) for c in ("x", "y"))
    assert not np.array_equal(log_ratios(a), log_ratios(b))


def test_missing_covariates_are_drawn_reproducibly_and_widen_the_interval(
    registry_fit: Fit, somebody: Cohort
) -> None:
    known = somebody.covariates().iloc[0].to_dict()
    place = {"subgroup": somebody.subgroups[0], "centre": somebody.centres[0]}
    some = {k: known[k] for k in ("age_years", "sex")}
    complete, sparse, again = (
        registry_fit.twin(new_patient(registry_fit.cohort, **place, covariates=c))
        for c in (known, some, some)
    )
    np.testing.assert_array_equal(sparse.ratios(0).hazard, again.ratios(0).hazard)
    assert np.all(log_ratios(sparse).std(axis=1) > log_ratios(complete).std(axis=1))


def test_the_ratios_of_a_known_patient_are_the_linear_predictor(
    registry_fit: Fit, somebody: Cohort
) -> None:
    posterior = registry_fit.datatree["posterior"].to_dataset().stack(sample=("chain", "draw"))
    twin = registry_fit.twin(somebody, at=0.0).as_drawn()
    columns = registry_fit.encoding.encode(somebody).values[0][: posterior.sizes["covariate"]]
    expected = (posterior["beta"] * xr.DataArray(columns, dims="covariate")).sum("covariate")
    expected = (
        expected
        + posterior["subgroup_effect"].sel(subgroup=somebody.subgroups[0])
        + posterior["centre_effect"].sel(centre=somebody.centres[0])
    ).transpose("transition", "sample")
    np.testing.assert_allclose(log_ratios(twin), expected, rtol=1e-9, atol=1e-9)
    treatment = posterior["treatment_subgroup_effect"].sel(subgroup=somebody.subgroups[0])
    acting = np.concatenate([treatment.to_numpy(), posterior["entry_era_effect"].to_numpy()])
    np.testing.assert_allclose(np.log(twin.ratios(0).effect), acting, rtol=1e-9, atol=1e-9)


def pooled(*poolings: Pooling) -> StateGraph:
    """One treatment with one effect for each pooling."""
    return StateGraph(
        states=("well", "ill", "dead"),
        transitions=(
            Transition(source="well", target="ill", event="illness"),
            Transition(source="ill", target="dead", event="death"),
        ),
        treatments=(
            Treatment(
                name="t",
                starts=(TreatmentStart(source="well", treatment="t"),),
                effects=tuple(
                    Effect(treatment="t", transition=transition, phase=phase, pooling=pooling)
                    for (transition, phase), pooling in zip(
                        (("well->ill", "here"), ("ill->dead", "earlier"), ("ill->dead", "here")),
                        poolings,
                        strict=False,
                    )
                ),
            ),
        ),
    )


def posterior_of(graph: StateGraph, n: int) -> xr.Dataset:
    """Return draws named as the model names them, each effect's mean and spread known."""
    chain_draw = {"chain": [0], "draw": np.arange(n)}
    labels = [e.label for e in graph.effects]
    kinds = [e.pooling.kind for e in graph.effects]
    data: dict[str, xr.DataArray] = {
        "log_baseline": xr.DataArray(
            np.zeros((1, n, len(graph.labels), 1)),
            dims=("chain", "draw", "transition", "window"),
            coords=chain_draw | {"transition": list(graph.labels)},
        ),
        "treatment_subgroup_effect": xr.DataArray(
            np.zeros((1, n, len(labels), 1)),
            dims=("chain", "draw", "effect", "subgroup"),
            coords=chain_draw | {"effect": labels, "subgroup": ["all"]},
        ),
    }
    for kind in set(kinds):
        suffix = "" if len(set(kinds)) == 1 else f"_{kind}"
        mine = [k for k, other in enumerate(kinds) if other == kind]
        dims = ("chain", "draw", f"effect{suffix}")
        coords = chain_draw | {dims[2]: [labels[k] for k in mine]}
        means = np.broadcast_to([1.0 + k for k in mine], (1, n, len(mine)))
        data[f"treatment_effect{suffix}"] = xr.DataArray(means, dims=dims, coords=coords)
        if kind == "exchangeable":
            data[f"treatment_heterogeneity{suffix}"] = xr.DataArray(
                np.full_like(means, 0.5), dims=dims, coords=coords
            )
    return xr.Dataset(data)


@pytest.fixture
def new_effects(registry_fit: Fit) -> Callable[[StateGraph], np.ndarray]:
    """Log hazard ratios, (effect, draw), of a subgroup that the fit has not seen."""

    def draw(graph: StateGraph) -> np.ndarray:
        cohort = registry_fit.cohort.select(registry_fit.cohort.patient_ids[:1])
        encoding = Encoding.learn((), relabelled(cohort, subgroup="all"))
        posterior = posterior_of(graph, 4000)
        edges = tuple(np.array([0.0, np.inf]) for _ in graph.labels)
        population = Population.from_posterior(posterior, encoding, edges)
        process = EventProcess(graph=graph, subgroup=Complete())
        design = encoding.encode(cohort)
        ratios = patient_ratios(population, process, encoding, design, 0, ("1", "new", "old"))
        return np.log(ratios.effect)

    return draw


def test_a_new_subgroup_takes_each_effect_from_its_own_pooling_block(
    new_effects: Callable[[StateGraph], np.ndarray],
) -> None:
    effects = new_effects(pooled(Exchangeable(), Complete(), Exchangeable()))
    np.testing.assert_allclose(effects.mean(axis=1), [1.0, 2.0, 3.0], atol=4 * 0.5 / 4000**0.5)
    np.testing.assert_allclose(effects.std(axis=1), [0.5, 0.0, 0.5], atol=0.03)
    assert abs(np.corrcoef(effects[0], effects[2])[0, 1]) < 0.1


@pytest.mark.parametrize(("pooling", "spread"), [(Complete(), 0.0), (Exchangeable(), 0.5)])
def test_a_new_subgroup_takes_effects_of_a_single_block(
    new_effects: Callable[[StateGraph], np.ndarray], pooling: Pooling, spread: float
) -> None:
    effects = new_effects(pooled(pooling))
    assert effects.mean() == pytest.approx(1.0, abs=0.05)
    assert effects.std() == pytest.approx(spread, abs=0.03)


@pytest.mark.parametrize("others", [(), (Exchangeable(),)])
def test_effects_without_pooling_say_nothing_about_a_new_subgroup(
    new_effects: Callable[[StateGraph], np.ndarray], others: tuple[Pooling, ...]
) -> None:
    with pytest.raises(TwinError, match=r"about it: t:here on well->ill\. Refit"):
        new_effects(pooled(NoPooling(), *others))


@pytest.mark.parametrize("what", ["subgroup", "centre"])
def test_levels_without_pooling_say_nothing_about_a_new_label(
    registry_fit: Fit, somebody: Cohort, what: str
) -> None:
    events = registry_fit.spec.events
    spec = replace(
        registry_fit.spec,
        events=replace(events, **{what: NoPooling()}),  # type: ignore[arg-type]
    )
    twin = registry_fit.twin(relabelled(somebody, **{what: "unseen"}), at=0.0)
    population = replace(twin.population, **{f"{what}_scale": None})
    with pytest.raises(TwinError, match=f"This {what} was not in the fit"):
        replace(twin, spec=spec, population=population).forecast(UNTIL, 5)
