"""Prior sensitivity of fits: which priors are scaled, and that forecasts line up with draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pymc as pm
import pytest
import xarray as xr
from scipy import stats

import twinbayes as tb
from twinbayes.checks.sensitivity.power_scaling import ALL_PRIORS, NO_SIGN
from twinbayes.checks.sensitivity.priors import (
    patient_survival,
    population_quantities,
    prior_sensitivity,
)
from twinbayes.errors import FitError, OptionError, TwinError
from twinbayes.inference import Fit
from twinbayes.inference.densities.log_prior import log_prior, summed_likelihood
from twinbayes.inference.densities.prior_density import UNSCALED, log_prior_of
from twinbayes.model import assemble_plan
from twinbayes.names import PATIENT
from twinbayes.priors import load_priors
from twinbayes.priors.prior_tags import note_prior, noted_prior


def some_draws(model: pm.Model, n: int = 3) -> xr.DataTree:
    """Draws of the free variables from the priors, as a posterior."""
    values = pm.draw(model.free_RVs, draws=n, random_seed=1, mode="FAST_COMPILE")
    named = {
        rv.name: (("chain", "draw", *(f"{rv.name}_{k}" for k in range(v.ndim - 1))), v[None])
        for rv, v in zip(model.free_RVs, values, strict=True)
    }
    return xr.DataTree.from_dict({"posterior": xr.Dataset(named)})


def test_log_priors_are_sums_of_the_densities_of_entries() -> None:
    priors = load_priors("registry").override({"subgroup_scale.b": {"arguments": {"sigma": 2.0}}})
    with pm.Model(coords={"row": ["a", "b"], "column": [0, 1, 2]}) as model:
        scale = priors.make("scale", "subgroup_scale", dims=("row",), qualifiers=["a", "b"])
        priors.make("again", "subgroup_scale")
        offset = pm.Normal("offset", 0.0, 1.0, dims=("row", "column"))
        pm.Normal("depends", offset, scale[:, None], dims=("row", "column"))
        start = priors.distribution("baseline_level", ["a", "b"])
        walk = pm.GaussianRandomWalk(
            "walk", sigma=scale, init_dist=start, steps=2, dims=("row", "column")
        )
        note_prior(walk, "baseline_level", start, lambda x: x[..., 0])
    tree = some_draws(model)
    found = log_prior_of(model, tree)
    assert set(found) == {"subgroup_scale", "baseline_level"}
    assert found.attrs[UNSCALED] == ("offset", "depends")
    draws = tree["posterior"].to_dataset()
    sigma = priors["subgroup_scale"].arguments["sigma"]
    wanted = stats.halfnorm.logpdf(draws["scale"][0], scale=[sigma, 2.0]).sum(axis=-1)
    wanted += stats.halfnorm.logpdf(draws["again"][0], scale=sigma)
    np.testing.assert_allclose(found["subgroup_scale"][0], wanted)
    level = priors["baseline_level"].arguments
    first = stats.norm.logpdf(draws["walk"][0, :, :, 0], level["mu"], level["sigma"]).sum(axis=-1)
    np.testing.assert_allclose(found["baseline_level"][0], first)


def test_every_library_prior_of_a_model_is_scaled_and_no_offset_is() -> None:
    spec, cohort = tb.disease("registry"), tb.datasets.registry()
    model = assemble_plan(spec, spec.plan(cohort), load_priors(spec.priors))
    notes = {rv.name: noted_prior(rv) for rv in model.free_RVs}
    without = {name for name, note in notes.items() if note is None}
    others = ("offset", "step", "curve", "partial")
    assert all(any(part in name for part in others) for name in without)
    notes |= {v.name: noted_prior(v) for v in model.deterministics}
    scaled = {note.name for note in notes.values() if note is not None}
    assert "curve_level" in scaled
    assert {"covariate_scale", "subgroup_scale", "treatment_heterogeneity", "patient_sd"} <= scaled
    assert scaled <= {name.partition(".")[0] for name in load_priors("registry")}


def test_the_likelihood_is_that_of_the_patients_as_they_counted(registry_fit: Fit) -> None:
    each = registry_fit.log_likelihood()
    np.testing.assert_allclose(summed_likelihood(registry_fit), each.sum(PATIENT))
    tree = registry_fit.datatree.copy()
    constant = tree["constant_data"].to_dataset()
    tree["constant_data"] = xr.DataTree(
        constant.assign(patient_weight=constant["patient_weight"] / 2)
    )
    half = summed_likelihood(replace(registry_fit, datatree=tree))
    np.testing.assert_allclose(half, each.sum(PATIENT) / 2)


def test_forecasts_line_up_with_the_draws_of_the_fit(registry_fit: Fit) -> None:
    some = registry_fit.cohort.patient_ids[:2]
    found = patient_survival(registry_fit, some, [200.0, 900.0])
    assert found.dims == ("chain", "draw", "patient", "time")
    second = replace(
        registry_fit,
        datatree=xr.DataTree.from_dict(
            {
                name: node.to_dataset().isel(chain=[1], draw=slice(10, 12), missing_dims="ignore")
                for name, node in registry_fit.datatree.children.items()
            }
        ),
    )
    alone = patient_survival(second, some, [200.0, 900.0])
    # The same but for where integrals over time have their nodes, which all draws decide together.
    np.testing.assert_allclose(found[[1], 10:12], alone, atol=1e-3)
    assert float(abs(found[[0], 10:12].to_numpy() - alone.to_numpy()).max()) > 0.02


def test_a_fit_is_diagnosed_on_parameters_and_on_forecasts(registry_fit: Fit) -> None:
    forecasts = patient_survival(registry_fit, registry_fit.cohort.patient_ids[:2], [365.0])
    tags = ("subgroup_scale", "covariate_scale")
    check = prior_sensitivity(registry_fit, forecasts.to_dataset(), tags=tags)
    assert set(check.table["scaled"]) == {ALL_PRIORS, *tags}
    assert set(check.table["quantity"]) == {"survival"}
    assert len(check.table) == 2 * 3
    numbers = check.table[["prior", "likelihood", "prior_k", "likelihood_k"]].to_numpy()
    assert np.isfinite(numbers).all()
    assert "Pareto k" in check.text
    names = set(population_quantities(registry_fit))
    assert "subgroup_scale" in names
    assert "patient_curve" not in names


def test_a_prior_that_the_data_contradict_is_felt_by_all_that_it_is_of(registry_fit: Fit) -> None:
    # A level prior far from what the data say, put in place of the one under which it was fitted.
    # How many levels pass the bar of the diagnosis hangs on chance in so few draws: the bar is held
    # to exact sensitivities of normal draws, in test_power_scaling.
    level = registry_fit.datatree["posterior"]["log_baseline"].isel(window=0, drop=True)
    middle = float(level.mean())
    wrong = registry_fit.priors.override(
        {"baseline_level": {"arguments": {"mu": middle + 6.0, "sigma": 0.8}}}
    )
    few = level.to_dataset(name="first_level")

    def felt(fit: Fit) -> np.ndarray:
        check = prior_sensitivity(fit, few, alphas=(0.999, 1.001), tags=["baseline_level"])
        table = check.table.set_index("scaled").loc["baseline_level"]
        assert len(table) == level.sizes["transition"]
        return table["prior"].to_numpy()

    against, with_them = felt(replace(registry_fit, priors=wrong)), felt(registry_fit)
    # The slope of the log density, |level - mu| / sigma^2, is larger under the wrong prior.
    assert (against > with_them).all()
    assert np.median(against) > 2.0 * np.median(with_them)
    calm = prior_sensitivity(registry_fit, few, tags=["patient_sd"]).table
    alone = calm[calm["scaled"] == "patient_sd"]
    assert alone["prior"].median() < 0.15
    assert NO_SIGN in set(calm["diagnosis"])


def test_bad_input_is_refused_with_a_reason(registry_fit: Fit) -> None:
    with pytest.raises(OptionError, match="subgroup_scale"):
        prior_sensitivity(registry_fit, tags=["subgroup"])
    ids = registry_fit.cohort.patient_ids[:1]
    with pytest.raises(OptionError, match="rise from 0"):
        patient_survival(registry_fit, ids, [100.0, 50.0])
    left_out = registry_fit.datatree.copy()
    constant = left_out["constant_data"].to_dataset()
    left_out["constant_data"] = xr.DataTree(
        constant.assign(patient_weight=0.0 * constant["patient_weight"])
    )
    with pytest.raises(TwinError, match="counted once"):
        patient_survival(replace(registry_fit, datatree=left_out), ids, [100.0])
    lacking = registry_fit.datatree["posterior"].to_dataset().drop_vars("subgroup_scale")
    bare = replace(registry_fit, datatree=xr.DataTree.from_dict({"posterior": lacking}))
    with pytest.raises(FitError, match="no draws"):
        log_prior(bare)
