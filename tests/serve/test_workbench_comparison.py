"""Two fits compared: every number as it is computed here from draws and tables by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import twinbayes as tb
from served_pages import Text
from twinbayes.checks import patient_loo
from twinbayes.inference import Fit
from twinbayes.names import LOG_LIKELIHOOD, PATIENT_DIMS, POSTERIOR
from twinbayes.serve import Explorer
from twinbayes.serve.workbench.comparing import FitComparison, compare_fits
from twinbayes.serve.workbench.workbench import workbench_of


@pytest.fixture(scope="module")
def stored() -> Fit:
    """Ten draws of the registry's model for 16 simulated patients."""
    return tb.load_fit(Path(__file__).parents[1] / "data" / "registry_fit.nc")


@pytest.fixture(scope="module")
def other(stored: Fit) -> Fit:
    """Other draws, another prior, another title, and nobody who was in the first."""
    posterior = stored.datatree[POSTERIOR].to_dataset().copy(deep=True)
    rng = np.random.default_rng(5)
    for name in posterior.data_vars:
        posterior[name] += 0.3 * rng.standard_normal(posterior[name].shape)
    tree = stored.datatree.copy()
    tree[POSTERIOR] = xr.DataTree(posterior)
    registry = tb.datasets.registry()
    cohort = registry.select(list(registry.patient_ids[100:130]))
    priors = stored.priors.override({"baseline_level": {"arguments": {"mu": -6.0, "sigma": 2.0}}})
    spec = replace(stored.spec, title="Another title")
    return replace(stored, datatree=tree, cohort=cohort, priors=priors, spec=spec)


@pytest.fixture(scope="module")
def found(stored: Fit, other: Fit) -> FitComparison:
    return compare_fits(stored, other)


def test_differences_of_estimates_are_those_of_the_draws(
    stored: Fit, other: Fit, found: FitComparison
) -> None:
    expected = {}
    draws = [fit.datatree[POSTERIOR].to_dataset() for fit in (stored, other)]
    for name in draws[0].data_vars:
        dims = draws[0][name].dims[2:]
        if set(dims) & set(PATIENT_DIMS) or str(name).endswith("_offset"):
            continue
        a, b = (d[name].to_numpy().reshape(10, -1) for d in draws)
        for k in range(a.shape[1]):
            spread = np.sqrt((a[:, k].var(ddof=1) + b[:, k].var(ddof=1)) / 2.0)
            far = (b[:, k].mean() - a[:, k].mean()) / spread if spread > 0 else np.nan
            expected.setdefault(str(name), []).append(far)
    for name, values in expected.items():
        mine = [e.difference for e in found.estimates if e.variable == name]
        np.testing.assert_allclose(np.sort(mine), np.sort(values), rtol=1e-9)
    assert {e.variable for e in found.estimates} == set(expected)
    finite = [abs(e.difference) for e in found.estimates if np.isfinite(e.difference)]
    assert finite == sorted(finite, reverse=True)


def test_no_estimate_is_of_a_patient(stored: Fit, found: FitComparison) -> None:
    told = " ".join(f"{e.variable} {e.entry}" for e in found.estimates)
    assert not [one for one in stored.cohort.patient_ids if one in told]


def test_settings_and_priors_that_differ_are_told(found: FitComparison) -> None:
    assert [(p.name, p.b) for p in found.model] == [("title", "Another title")]
    assert [(p.name, p.b) for p in found.priors] == [("baseline_level", "Normal(mu=-6, sigma=2)")]
    assert "mu=-7" in found.priors[0].a


def test_a_part_that_one_model_alone_has_is_one_line(stored: Fit) -> None:
    without = replace(stored, spec=replace(stored.spec, trajectories=None, associations=()))
    lines = [p for p in compare_fits(stored, without).model if p.name.startswith("trajectories")]
    assert all(p.a.endswith("settings") or "." not in p.name for p in lines)
    assert len(lines) < 5


def test_counts_are_those_of_the_cohorts_small_ones_hidden(shown_fit: Fit, stored: Fit) -> None:
    """Fit B without the largest subgroup of fit A."""
    cohort = shown_fit.cohort
    sizes = cohort.patients["subgroup"].value_counts()
    kept = cohort.patients.loc[cohort.patients["subgroup"] != sizes.index[0], "patient_id"]
    other = replace(shown_fit, cohort=cohort.select(list(kept)))
    found = compare_fits(shown_fit, other)
    assert not found.is_withheld
    assert not found.same_data
    assert (found.data[1].a, found.data[1].b) == (str(len(cohort.patients)), str(len(kept)))
    told = {p.name: p for p in found.subgroups}
    assert (told[sizes.index[0]].a, told[sizes.index[0]].b) == (str(sizes.iloc[0]), "")
    assert all(told[n].a == told[n].b == str(size) for n, size in sizes.iloc[1:].items())
    for fit, side in ((shown_fit, "a"), (other, "b")):
        counts = fit.cohort.events["event"].value_counts()
        assert {p.name: getattr(p, side) for p in found.events} == {
            str(name): str(n) for name, n in counts.items()
        }
    small = compare_fits(stored, stored)
    assert {p.a for p in small.subgroups} <= {"<5", "hidden"}
    assert not small.is_withheld


@pytest.mark.parametrize("left_out", [1, 4])
def test_counts_that_would_tell_of_a_few_are_withheld(shown_fit: Fit, left_out: int) -> None:
    """Fit B without a few patients of fit A; and without as many others in their place."""
    ids = list(shown_fit.cohort.patient_ids)
    for a, b in ((ids, ids[left_out:]), (ids[left_out:], ids[:-left_out])):
        fits = [replace(shown_fit, cohort=shown_fit.cohort.select(some)) for some in (a, b)]
        for one, other in (fits, fits[::-1]):
            found = compare_fits(one, other)
            assert found.is_withheld
            told = (found.data[1], *found.subgroups, *found.events)
            assert {p.b for p in told} <= {"hidden", ""}
            assert all(p.a.isdigit() or p.a in ("<5", "hidden", "") for p in told)


def test_scores_are_those_of_the_gate(stored: Fit, other: Fit, found: FitComparison) -> None:
    scores = {name: (a, b) for name, a, b in found.scores}
    assert scores["usable"] == (0.0, 0.0)
    for name in ("max_rhat", "min_ess_bulk", "min_ess_tail", "divergences"):
        assert scores[name][0] == stored.verdict.summary[name]
    assert scores["elpd"] == (None, None)


def test_log_densities_are_told_where_the_file_has_them(stored: Fit) -> None:
    rng = np.random.default_rng(2)
    values = -1.0 + 0.1 * rng.standard_normal((2, 50, 16))
    log_likelihood = xr.DataArray(
        values,
        dims=("chain", "draw", "patient"),
        coords={"patient": list(stored.cohort.patient_ids)},
    )
    tree = stored.datatree.copy()
    tree[LOG_LIKELIHOOD] = xr.DataTree(xr.Dataset({"record": log_likelihood}))
    found = compare_fits(replace(stored, datatree=tree), stored)
    scores = {name: (a, b) for name, a, b in found.scores}
    assert scores["elpd"] == (pytest.approx(patient_loo(log_likelihood).total), None)


def test_the_page_shows_both_fits_to_those_who_may_see_evidence(
    shared_explorer: Explorer, make_site: Callable[..., Any], other: Fit
) -> None:
    bench = workbench_of(shared_explorer.fit, None, None, other)
    site = make_site(shared_explorer, workbench=bench)
    assert site.get("/compare", "").status_code == 401
    for role in ("clinician", "statistician", "reviewer"):
        assert site.get("/compare", role).status_code == 200
    page = site.get("/compare", "reviewer")
    assert not [one for one in other.cohort.patient_ids if one in page.text]
    rows = Text(page.text).rows
    found = bench.comparison
    row = next(r for r in rows if r[0].startswith("Smallest effective sample size, bulk"))
    assert row[1] == str(round(shared_explorer.fit.verdict.summary.get("min_ess_bulk", 0))) or (
        row[1] == "not stored"
    )
    assert [r for r in rows if "baseline_level" in r[0]]
    largest = found.estimates[0]
    listed = [r for r in rows if len(r) == 7 and r[0] != "Parameter"]
    assert len(listed) == 50
    assert float(listed[0][-1].replace(",", "")) == pytest.approx(largest.difference, abs=0.006)
    beta = Text(site.get("/compare?variable=beta", "reviewer").text).rows
    assert {r[0] for r in beta if len(r) == 7} == {"Parameter", "beta"}
    assert site.get("/compare?variable=else", "reviewer").status_code == 400
    assert site.get("/compare?lang=it", "reviewer").status_code == 200
