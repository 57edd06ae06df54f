"""Fits: what they hold, how they are stored, and what the same seed gives."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pymc as pm
import pytest
import xarray as xr

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.errors import OptionError, StorageError
from twinbayes.inference import CompiledFit, Fit, load_fit, write_tree
from twinbayes.inference.densities.likelihood import patient_loglik
from twinbayes.model import PiecewiseConstant, Spline, Weibull, assemble_plan
from twinbayes.model.baseline import Baseline
from twinbayes.names import LOG_BASELINE_AT_EVENT, PATIENT_WEIGHT
from twinbayes.priors import load_priors

RUN = {"draws": 6, "tune": 6, "chains": 2, "progressbar": False}


@pytest.fixture(scope="module")
def stored(registry_fit: Fit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return registry_fit.save(tmp_path_factory.mktemp("stored") / "registry.fit")


def test_a_fit_says_whether_it_may_be_used_and_where_it_comes_from(registry_fit: Fit) -> None:
    assert not registry_fit.verdict.usable
    assert {"posterior", "sample_stats", "constant_data"} <= set(registry_fit.datatree.children)
    manifest = registry_fit.manifest
    text = str(manifest)
    for part in (
        registry_fit.cohort.fingerprint,
        registry_fit.spec.content_hash,
        registry_fit.priors.content_hash,
    ):
        assert part in text
    assert not any(patient in text for patient in registry_fit.cohort.patient_ids)


def test_a_fit_describes_model_priors_and_verdict(registry_fit: Fit) -> None:
    text = registry_fit.describe()
    assert registry_fit.spec.describe() in text
    for name, entry in registry_fit.priors.items():
        assert f"{name} ~ {entry.text()}" in text
    assert registry_fit.verdict.banner() in text


def test_rows_without_a_place_in_the_graph_are_listed(registry_fit: Fit) -> None:
    assert list(registry_fit.set_aside.columns) == ["table", "row", "rule", "reason"]


def test_a_stored_fit_comes_back_whole(registry_fit: Fit, stored: Path) -> None:
    back = load_fit(stored)
    assert back.spec == registry_fit.spec
    assert back.cohort.fingerprint == registry_fit.cohort.fingerprint
    assert back.priors.content_hash == registry_fit.priors.content_hash
    assert back.manifest == registry_fit.manifest
    assert back.encoding.to_dict() == registry_fit.encoding.to_dict()
    assert back.verdict.usable == registry_fit.verdict.usable
    assert back.verdict.reasons == registry_fit.verdict.reasons
    for mine, theirs in zip(back.edges, registry_fit.edges, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for group in registry_fit.datatree.children:
        xr.testing.assert_identical(
            back.datatree[group].to_dataset().drop_attrs(),
            registry_fit.datatree[group].to_dataset().drop_attrs(),
        )
    assert set(back.datatree.children) == set(registry_fit.datatree.children)


def test_a_stored_fit_forecasts_to_the_bit_as_before(registry_fit: Fit, stored: Path) -> None:
    ids = registry_fit.cohort.patient_ids[:8]
    back = load_fit(stored)
    for at in (0.0, None):
        a = registry_fit.twin(ids, at=at).forecast(1000.0, 12, draws=True)
        b = back.twin(ids, at=at).forecast(1000.0, 12, draws=True)
        xr.testing.assert_identical(a, b)
    np.testing.assert_array_equal(back.log_likelihood(), registry_fit.log_likelihood())


def test_a_foreign_netcdf_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.nc"
    xr.Dataset({"x": ("t", [1.0, 2.0])}).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(StorageError, match=r"foreign\.nc: not a file written by twinbayes"):
        load_fit(path)


def test_a_tree_that_is_no_fit_is_refused(tmp_path: Path) -> None:
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset({"x": ("t", [1.0, 2.0])})})
    path = write_tree(tmp_path / "draws.fit", tree, {})
    with pytest.raises(StorageError, match="holds draws but no twinbayes fit"):
        load_fit(path)


@pytest.mark.requirement("R-033")
def test_the_same_seed_gives_the_same_draws_on_one_core_or_two(
    registry_compiled: CompiledFit,
) -> None:
    one, two = (registry_compiled.compiled.sample(**RUN, seed=7, cores=cores) for cores in (1, 2))
    again = registry_compiled.sample(**RUN, seed=7).datatree
    other = registry_compiled.sample(**RUN, seed=8).datatree
    draws = one["posterior"].to_dataset()
    for tree in (two, again):
        for name, values in tree["posterior"].to_dataset().data_vars.items():
            np.testing.assert_array_equal(values, draws[name], err_msg=str(name))
    assert not np.array_equal(other["posterior"]["beta"], draws["beta"])


def test_weights_are_kept_with_the_fit_and_change_its_draws(registry_compiled: CompiledFit) -> None:
    weights = np.ones(registry_compiled.cohort.n_patients)
    weights[:60] = 0.0
    plain = registry_compiled.sample(**RUN, seed=7)
    weighted = registry_compiled.sample(**RUN, seed=7, weights=weights)
    ones = registry_compiled.sample(**RUN, seed=7, weights=np.ones(len(weights)))
    np.testing.assert_array_equal(weighted.datatree["constant_data"][PATIENT_WEIGHT], weights)
    np.testing.assert_array_equal(
        ones.datatree["posterior"]["beta"], plain.datatree["posterior"]["beta"]
    )
    assert not np.array_equal(
        weighted.datatree["posterior"]["beta"], plain.datatree["posterior"]["beta"]
    )


@pytest.mark.parametrize("weights", [[1.0], np.full(240, -1.0), np.full(240, np.nan), 3.0])
def test_impossible_weights_are_refused(registry_compiled: CompiledFit, weights: object) -> None:
    assert registry_compiled.cohort.n_patients == 240
    with pytest.raises(OptionError, match="weights must be 240 finite numbers"):
        registry_compiled.sample(**RUN, weights=weights)  # type: ignore[arg-type]


def potential_of(model: pm.Model, draw: xr.Dataset, weights: np.ndarray) -> float:
    """The model's own weighted log-likelihood at the free variables of a draw."""
    free = [v for v in model.free_RVs if v.name in draw]  # those of curves are hidden, not used
    value = model.compile_fn(
        model["event_loglik"], inputs=free, mode="FAST_COMPILE", on_unused_input="ignore"
    )
    with model:
        pm.set_data({PATIENT_WEIGHT: weights})
    return float(value({v.name: draw[v.name].to_numpy() for v in free}))


def test_a_thinned_fit_keeps_weights_and_whole_draws(registry_compiled: CompiledFit) -> None:
    weights = np.ones(registry_compiled.cohort.n_patients)
    weights[:3] = 0.5
    fit = registry_compiled.sample(
        draws=30, tune=60, chains=2, seed=1, weights=weights, progressbar=False
    )
    few = fit.thinned(9)
    np.testing.assert_array_equal(few.weights, fit.weights)
    for name, group in few.datatree.children.items():
        whole = fit.datatree[name].to_dataset()
        if "draw" in whole.dims:
            whole = whole.isel(draw=[3, 11, 18, 26])
        xr.testing.assert_identical(group.to_dataset(), whole)
    assert few.population.n_draws == 8
    assert fit.thinned(60) is fit
    assert fit.thinned(1).population.n_draws == 2
    with pytest.raises(OptionError, match="at least 1, not 0"):
        fit.thinned(0)


def test_the_log_likelihood_sums_to_the_models_own_at_a_draw(registry_fit: Fit) -> None:
    fit = registry_fit
    model = assemble_plan(fit.spec, fit.plan, fit.priors)
    by_patient = fit.log_likelihood()
    assert by_patient.dims == ("chain", "draw", "patient")
    posterior = fit.datatree["posterior"].to_dataset()
    generator = np.random.default_rng(2)
    for chain, draw in ((0, 3), (1, 99)):
        at = {"chain": chain, "draw": draw}
        for weights in (np.ones(240), generator.uniform(0, 2, 240)):
            expected = potential_of(model, posterior.isel(at), weights)
            total = float(by_patient.isel(at).to_numpy() @ weights)
            assert total == pytest.approx(expected, rel=1e-10)


def small_survival_cohort() -> Cohort:
    cohort = tb.datasets.registry()
    some = cohort.select(cohort.patient_ids[:40])
    events = some.events[some.events["event"].isin(["death", "last_contact"])]
    return replace(some, events=events.reset_index(drop=True), treatments=None)


@pytest.mark.parametrize("baseline", [PiecewiseConstant(4), Spline(df=5, resolution=9), Weibull()])
def test_the_log_likelihood_of_every_baseline_is_the_models_own(baseline: Baseline) -> None:
    cohort = small_survival_cohort()
    spec = tb.disease("survival", baseline=baseline, covariates=())
    plan = spec.plan(cohort)
    model = assemble_plan(spec, plan, load_priors(spec.priors))
    assert (LOG_BASELINE_AT_EVENT in model.named_vars) == isinstance(baseline, Weibull)
    with model, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The effect of Potentials")
        prior = pm.sample_prior_predictive(
            3, random_seed=4, compile_kwargs={"mode": "FAST_COMPILE"}
        )["prior"].to_dataset()
    by_patient = patient_loglik(prior, plan.events, cohort.patient_ids)
    ones = np.ones(cohort.n_patients)
    for draw in range(3):
        at = {"chain": 0, "draw": draw}
        expected = potential_of(model, prior.isel(at), ones)
        assert float(by_patient.isel(at).sum()) == pytest.approx(expected, rel=1e-10)
