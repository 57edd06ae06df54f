"""Groups of a fit's DataTree for ArviZ: what they hold, and that ArviZ takes them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from scipy import stats

import joint_simulator as simulator
import twinbayes as tb
from flat_hazard import RATE, SHAPE, YEAR, counted, fit_of
from joint_settings import SETTINGS
from twinbayes.checks.out_of_sample.loo import patient_loo
from twinbayes.errors import FitError, OptionError
from twinbayes.inference import Fit
from twinbayes.inference.densities.log_prior import log_prior, summed_likelihood
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.inference.groups import GROUPS
from twinbayes.model.assemble import reassemble
from twinbayes.names import CONSTANT_DATA, PATIENT_WEIGHT, POSTERIOR
from twinbayes.priors.prior_tags import noted_prior


@pytest.fixture(scope="module")
def whole(registry_fit: Fit) -> Fit:
    """The registry's fit with every group."""
    return registry_fit.with_groups(prior_draws=300, seed=2)


@pytest.fixture(autouse=True)
def figures_are_closed() -> Iterator[None]:
    yield
    plt.close("all")


def test_a_fit_with_groups_is_the_fit_beside_them(registry_fit: Fit, whole: Fit) -> None:
    assert set(whole.datatree.children) == {*registry_fit.datatree.children, *GROUPS}
    assert whole.datatree.attrs == registry_fit.datatree.attrs
    for name, node in registry_fit.datatree.children.items():
        xr.testing.assert_identical(whole.datatree[name].to_dataset(), node.to_dataset())
    assert not set(registry_fit.datatree.children) & set(GROUPS)
    one = registry_fit.with_groups("observed_data")
    assert set(one.datatree.children) - set(registry_fit.datatree.children) == {"observed_data"}


def test_the_same_seed_makes_the_same_groups(registry_fit: Fit, whole: Fit) -> None:
    names = ("prior", "posterior_predictive")
    again = registry_fit.with_groups(*names, prior_draws=300, seed=2).datatree
    other = registry_fit.with_groups(*names, prior_draws=300, seed=3).datatree
    for name in names:
        xr.testing.assert_identical(again[name].to_dataset(), whole.datatree[name].to_dataset())
        assert not other[name].to_dataset().identical(again[name].to_dataset())


def test_arviz_leaves_patients_out_as_the_package_does(whole: Fit) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Estimated shape parameter of Pareto")
        ours = patient_loo(whole.log_likelihood())
        theirs = az.loo(whole.datatree, pointwise=True, reff=1.0)
    assert theirs.elpd == pytest.approx(ours.total)
    n = whole.cohort.n_patients  # ArviZ divides by n - 1, the package by n
    assert theirs.se == pytest.approx(ours.standard_error * np.sqrt(n / (n - 1)))
    np.testing.assert_allclose(theirs.elpd_i.to_numpy(), ours.elpd)
    np.testing.assert_allclose(theirs.pareto_k.to_numpy(), ours.pareto_k)


def test_log_likelihoods_add_up_to_that_of_the_fit(whole: Fit) -> None:
    total = whole.datatree["log_likelihood"]["record"].sum("patient")
    np.testing.assert_allclose(total, summed_likelihood(whole))


def test_log_priors_are_the_logp_of_the_model_but_for_what_has_no_entry(whole: Fit) -> None:
    # Scales and effects whose prior is an entry itself; walks take theirs at the first step alone.
    model = reassemble(whole.spec, whole.plan, whole.priors)
    plain = [
        rv for rv in model.free_RVs
        if (note := noted_prior(rv)) is not None and note.take is None
    ]  # fmt: skip
    entries = {noted_prior(rv).name for rv in plain}  # type: ignore[union-attr]
    others = {
        note.name
        for v in (*model.free_RVs, *model.deterministics)
        if v not in plain and (note := noted_prior(v)) is not None
    }
    compared = sorted(entries - others)
    assert {"subgroup_scale", "covariate_scale", "treatment_heterogeneity"} <= set(compared)
    found = whole.datatree["log_prior"].to_dataset()
    draws = xr.merge(
        [whole.datatree[g].to_dataset() for g in ("posterior", "hidden_posterior")],
        compat="override", join="override",
    ).isel(chain=1, draw=7)  # fmt: skip
    for entry in compared:
        mine = [rv for rv in plain if noted_prior(rv).name == entry]  # type: ignore[union-attr]
        logp = model.compile_logp(vars=mine, jacobian=False, sum=True, mode="FAST_COMPILE")
        point = model.initial_point()
        for rv in mine:
            value = model.rvs_to_values[rv]
            transform = model.rvs_to_transforms[rv]
            given = draws[str(rv.name)].to_numpy()
            if transform is not None:
                given = transform.forward(given, *rv.owner.inputs).eval()
            point[value.name] = given
        assert float(found[entry][1, 7]) == pytest.approx(float(logp(point)), rel=1e-9), entry
    xr.testing.assert_identical(found, log_prior(whole).drop_attrs())


def test_arviz_tells_sensitivities_of_the_fit(whole: Fit) -> None:
    table = az.psense_summary(whole.datatree, var_names=["subgroup_scale"])
    assert len(table) == whole.datatree[POSTERIOR].sizes["transition"]
    assert np.isfinite(table[["prior", "likelihood"]].to_numpy(dtype=float)).all()
    assert (table["prior"].astype(float) > 0).any()


def test_arviz_draws_priors_beside_posteriors(whole: Fit) -> None:
    found = az.plot_prior_posterior(whole.datatree, var_names=["marker_sd"])
    assert isinstance(found, az.PlotCollection)
    prior, posterior = (whole.datatree[g].to_dataset() for g in ("prior", "posterior"))
    assert set(prior.data_vars) == set(posterior.data_vars)
    for name, values in prior.data_vars.items():
        assert values.dims == posterior[name].dims
        for dim in values.dims[2:]:
            np.testing.assert_array_equal(values[dim], posterior[name][dim])


def test_priors_are_drawn_from_the_entries(whole: Fit) -> None:
    scale = whole.datatree["prior"]["subgroup_scale"]
    for label in ("remission->relapse", "relapse->start:allogeneic_transplant"):
        name = f"subgroup_scale.{label}" if "start:" in label else "subgroup_scale"
        law = stats.halfnorm(scale=whole.priors[name].arguments["sigma"])
        drawn = scale.sel(transition=label).to_numpy().ravel()
        assert stats.kstest(drawn, law.cdf).pvalue > 0.001


def test_arviz_draws_measurements_beside_what_is_predicted(whole: Fit) -> None:
    for marker in ("residual_disease_pct", "global_health"):
        found = az.plot_ppc_dist(whole.datatree, var_names=[marker], num_samples=20)
        assert isinstance(found, az.PlotCollection)
        visits = whole.cohort.visits
        assert visits is not None
        mine = visits[visits["marker"] == marker]
        observed = whole.datatree["observed_data"].to_dataset()
        np.testing.assert_array_equal(observed[marker], mine["value"])
        np.testing.assert_array_equal(observed[f"{marker}_patient"], mine["patient_id"])
        predicted = whole.datatree["posterior_predictive"][marker]
        assert predicted.dims == ("chain", "draw", f"{marker}_visit")
        limits = mine.loc[mine["censored"] == "left", "value"]
        if len(limits):  # what lies beyond a limit is at it
            assert float(predicted.min()) == pytest.approx(limits.median())
        else:  # values lie anywhere among their replicates
            assert 0.45 < float((predicted < observed[marker]).mean()) < 0.55


def test_observed_events_are_those_of_the_paths(whole: Fit) -> None:
    found = whole.datatree["observed_data"]["events"]
    labels, ids = whole.spec.graph.labels, whole.cohort.patient_ids
    wanted = np.zeros((len(ids), len(labels)), dtype=int)
    for episode in whole.plan.events.histories.episodes:
        if episode.exit >= 0:
            wanted[episode.patient, episode.exit] += 1
    moves = [k for k, label in enumerate(labels) if "start:" not in label]
    np.testing.assert_array_equal(found.to_numpy()[:, moves], wanted[:, moves])


def test_replicated_events_are_poisson_over_the_time_at_risk(exact_fit: Fit) -> None:
    tree = exact_fit.with_groups("posterior_predictive", "observed_data", seed=5).datatree
    events = tree["posterior_predictive"]["events"].isel(transition=0)
    days = exact_fit.cohort.events["day"].to_numpy() / YEAR
    shape, rate = counted(exact_fit.cohort)
    n = events.sizes["draw"]
    mean = shape / rate * days
    sd = np.sqrt(mean + (np.sqrt(shape) / rate * days) ** 2)
    z = (events.mean(("chain", "draw")).to_numpy() - mean) / (sd / np.sqrt(n))
    assert abs(z).max() < 4.0
    # In all, a gamma mixture of Poisson counts: negative binomial.
    total = events.sum("patient").to_numpy().ravel()
    law = stats.nbinom(shape, rate / (rate + days.sum()))
    assert total.mean() == pytest.approx(law.mean(), abs=4 * law.std() / np.sqrt(n))
    assert total.var() == pytest.approx(law.var(), rel=0.1)
    assert int(tree["observed_data"]["events"].sum()) == shape - SHAPE
    assert rate > RATE


def test_counts_less_what_is_expected_vary_as_those_of_courses_do() -> None:
    # Courses of a flat hazard, censored: what the Poisson counts stand for, in mean and variance.
    rng = np.random.default_rng(3)
    hazard, n = 0.3, 200_000
    end = rng.uniform(0.5, 6.0, n)
    due = rng.exponential(1.0 / hazard, n)
    risen, died = hazard * np.minimum(due, end), due <= end
    left = died - risen
    assert left.mean() == pytest.approx(0.0, abs=4 * np.sqrt(risen.mean() / n))
    replicated = rng.poisson(risen) - risen
    assert left.var() == pytest.approx(replicated.var(), rel=0.02)


def test_replicated_events_of_joint_models_follow_the_curves() -> None:
    setting = SETTINGS["competing risks"]
    generator = np.random.default_rng(7)
    truth = simulator.draw_parameters(setting, generator)
    cohort = simulator.draw_record(setting, truth, generator).cohort
    draws = sample_priors(setting.spec, cohort, priors=setting.priors, draws=40, seed=4)
    fit = replace(fit_of(setting.spec, cohort, draws), priors=setting.priors)
    few = xr.concat([draws.isel(draw=[3])] * 400, "draw").assign_coords(draw=range(400))
    fit = replace(fit, datatree=xr.DataTree.from_dict({"posterior": few}))
    events = fit.with_groups("posterior_predictive").datatree["posterior_predictive"]["events"]
    # All draws have the same parameters, and each its own curves: hazards added up day by day.
    twin, labels = fit.twin(), fit.spec.graph.labels
    posterior = few.isel(chain=0, draw=0)
    k = max(range(len(cohort.patient_ids)), key=lambda i: twin.present[i].day)
    curves = twin.curves(k)
    x = fit.plan.events.design.values[k, : posterior.sizes["covariate"]]
    group = cohort.patients["subgroup"].iloc[k]
    for e, label in enumerate(labels):
        mine = [p for p in fit.plan.events.histories.episodes if p.patient == k]
        spans = [p for p in mine if p.state == fit.spec.graph.intensities[e].source]
        expected = np.zeros(400)
        for span in spans:
            middle = np.linspace(span.start, span.stop, 2001)
            middle = 0.5 * (middle[1:] + middle[:-1])
            log = curves.trail(label, middle)
            window = np.searchsorted(fit.edges[e], middle) - 1
            log = log + posterior["log_baseline"].isel(transition=e).to_numpy()[window][:, None]
            log = log + float((posterior["beta"].isel(transition=e) * x).sum())
            log = log + float(posterior["subgroup_effect"].isel(transition=e).sel(subgroup=group))
            expected += np.exp(log).sum(axis=0) * (span.stop - span.start) / 2000
        seen = events.isel(patient=k, transition=e).to_numpy().ravel()
        spread = np.sqrt(expected.sum()) / len(expected)
        assert seen.mean() == pytest.approx(expected.mean(), abs=4 * spread + 1e-9), label


def test_joint_models_with_weights_replicate_no_events(registry_fit: Fit) -> None:
    setting = SETTINGS["competing risks"]
    generator = np.random.default_rng(7)
    truth = simulator.draw_parameters(setting, generator)
    cohort = simulator.draw_record(setting, truth, generator).cohort
    draws = sample_priors(setting.spec, cohort, priors=setting.priors, draws=3, seed=4)
    weight = xr.Dataset({PATIENT_WEIGHT: ("patient", np.full(cohort.n_patients, 0.5))})
    tree = xr.DataTree.from_dict({POSTERIOR: draws, CONSTANT_DATA: weight})
    fit = replace(fit_of(setting.spec, cohort, draws), priors=setting.priors, datatree=tree)
    with pytest.raises(FitError, match=r"count by a weight.*observed_data"):
        fit.with_groups("posterior_predictive")


def test_thinned_fits_have_the_groups_of_their_draws(whole: Fit) -> None:
    few = whole.thinned(20).datatree
    kept = few["posterior"]["draw"]
    for name in ("posterior_predictive", "log_likelihood", "log_prior"):
        xr.testing.assert_identical(
            few[name].to_dataset(), whole.datatree[name].to_dataset().sel(draw=kept)
        )
    xr.testing.assert_identical(few["prior"].to_dataset(), whole.datatree["prior"].to_dataset())


def test_files_leave_the_groups_out(whole: Fit, registry_fit: Fit, tmp_path: Path) -> None:
    again = tb.load_fit(whole.save(tmp_path / "fit.nc"))
    assert set(again.datatree.children) == set(registry_fit.datatree.children)


def test_what_is_no_group_is_refused(exact_fit: Fit) -> None:
    with pytest.raises(OptionError, match=r"Unknown group 'predictions'\. Known: 'prior'"):
        exact_fit.with_groups("predictions")
    with pytest.raises(OptionError, match="prior_draws must be a whole number"):
        exact_fit.with_groups("prior", prior_draws=0)
    with pytest.raises(OptionError, match="seed must be a whole number"):
        exact_fit.with_groups("prior", seed=-1)


def test_federated_fits_have_no_groups_of_records(exact_fit: Fit) -> None:
    told = {**exact_fit.manifest, "federation": {"sites": ["a", "b"]}}
    shared = replace(exact_fit, manifest=told)
    with pytest.raises(FitError, match="Groups of records cannot be told here"):
        shared.with_groups("log_likelihood")
    assert "prior" in shared.with_groups("prior", prior_draws=5).datatree.children
