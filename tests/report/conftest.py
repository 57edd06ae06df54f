"""A fit whose draws are made up: reports need no sampler."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.inference import Fit, build_manifest, judge
from twinbayes.model import Learnt
from twinbayes.names import CENTRE, COVARIATE, EFFECT, ENTRY_ERA, SUBGROUP, TRANSITION, WINDOW
from twinbayes.report import collect
from twinbayes.report.reviewer.evidence import ReviewEvidence

CHAINS, DRAWS = 4, 250
HOSTILE = "<script>alert('subgroup')</script>"
NAMES = ('a<b & "c"', HOSTILE)


def made_up_posterior(fit_coords: dict[str, list[str]], windows: int) -> xr.Dataset:
    """Independent draws of every variable that reports read."""
    rng = np.random.default_rng(3)
    head = {"chain": range(CHAINS), "draw": range(DRAWS)}
    centres = {
        "log_baseline": (-6.5, (TRANSITION, WINDOW)),
        "beta": (0.0, (COVARIATE, TRANSITION)),
        "subgroup_effect": (0.0, (TRANSITION, SUBGROUP)),
        "subgroup_scale": (0.5, (TRANSITION,)),
        "centre_effect": (0.0, (TRANSITION, CENTRE)),
        "centre_scale": (0.3, (TRANSITION,)),
        "treatment_effect": (-0.3, (EFFECT,)),
        "treatment_heterogeneity": (0.3, (EFFECT,)),
        "treatment_subgroup_effect": (-0.3, (EFFECT, SUBGROUP)),
        "entry_era_effect": (0.0, (ENTRY_ERA,)),
    }
    coords = {**fit_coords, WINDOW: range(windows)}
    variables = {}
    for name, (centre, dims) in centres.items():
        shape = (CHAINS, DRAWS, *(len(coords[d]) for d in dims))
        variables[name] = (("chain", "draw", *dims), centre + 0.1 * rng.standard_normal(shape))
    return xr.Dataset(variables, coords={**head, **coords})


def made_up_fit(cohort: Cohort, *, draws: int = DRAWS) -> Fit:
    """Return a fit of the registry's courses to a cohort, with made-up draws."""
    spec = replace(tb.disease("registry"), trajectories=None)
    priors = tb.load_priors("registry")
    plan = spec.events.plan(cohort)
    coords = {
        k: list(v) for k, v in spec.events.coords(plan.encoding, plan.edges).items() if k != WINDOW
    }
    posterior = made_up_posterior(coords, max(len(e) for e in plan.edges) - 1)
    rng = np.random.default_rng(4)
    stats = xr.Dataset(
        {
            "diverging": (("chain", "draw"), np.zeros((CHAINS, DRAWS), dtype=bool)),
            "energy": (("chain", "draw"), rng.normal(size=(CHAINS, DRAWS))),
        }
    )
    few = slice(0, draws)
    tree = xr.DataTree.from_dict(
        {"posterior": posterior.isel(draw=few), "sample_stats": stats.isel(draw=few)}
    )
    verdict = judge(tree)
    run = {
        "sampler": "none", "sampler_version": "0", "options": "{}", "draws": draws, "tune": 0,
        "chains": CHAINS, "seed": 0, "cores": 1, "compile_seconds": 0.0, "sample_seconds": 0.0,
    }  # fmt: skip
    manifest = build_manifest(
        run=run, cohort_fingerprint=cohort.fingerprint, spec_hash=spec.content_hash,
        prior_ids=priors.ids, prior_hash=priors.content_hash, verdict=verdict,
    )  # fmt: skip
    # The same fit in every process: what one has made of it, another holds against its own.
    manifest["created"] = "2026-01-01T00:00:00+00:00"
    learnt = Learnt(plan.encoding, plan.edges)
    return Fit(spec, cohort, priors, tree, verdict, manifest, learnt)


@pytest.fixture(scope="session")
def cohort() -> Cohort:
    """Fifty patients of two large subgroups and three of a small one."""
    whole = tb.datasets.registry()
    groups = whole.patients[SUBGROUP]
    chosen: list[str] = []
    for name, n in zip((*whole.subgroups[:2], whole.subgroups[-1]), (28, 22, 3), strict=True):
        chosen += list(whole.patients.loc[groups == name, "patient_id"])[:n]
    return whole.select(chosen)


@pytest.fixture(scope="session")
def fit_of() -> Callable[[Cohort], Fit]:
    """Make up a short fit of any part of the registry."""
    return partial(made_up_fit, draws=40)


@pytest.fixture(scope="session")
def make_fit() -> Callable[..., Fit]:
    """Return the maker of fits with made-up draws: of a cohort, with so many draws a chain."""
    return made_up_fit


@pytest.fixture(scope="session")
def fit(cohort: Cohort) -> Fit:
    """A usable fit of simulated data."""
    return made_up_fit(cohort)


@pytest.fixture(scope="session")
def collected(fit: Fit) -> ReviewEvidence:
    """The evidence of a review of that fit."""
    return collect(fit)


@pytest.fixture(scope="session")
def reviewed(fit: Fit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the review of that fit, `review.html`, and its CSV files in `tables`.

    Made once a run, whichever process asks.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    kept = folder / "review_of_a_fit"
    if not kept.exists():
        made = tmp_path_factory.mktemp("reviewed")
        tb.review(fit, made / "review.html", title="A fit", tables=made / "tables")
        with suppress(OSError):  # another process was there first
            made.replace(kept)
    return kept


@pytest.fixture(scope="session")
def hostile_fit(cohort: Cohort) -> Fit:
    """A fit that is not usable, of data called real, with names that try to break out of HTML."""
    renamed = dict(zip(cohort.subgroups[1:], NAMES, strict=True))
    patients = cohort.patients.assign(subgroup=cohort.patients[SUBGROUP].replace(renamed))
    source = {"title": "<img src=x onerror=alert(1)>", "origin": "https://example.org/registry"}
    return made_up_fit(replace(cohort, patients=patients, source=source, simulated=False), draws=40)


@pytest.fixture(scope="session")
def alive(fit: Fit) -> Callable[[str], str]:
    """Return a patient who is in a given state on day 60 and has had no treatment."""

    def find(state: str) -> str:
        last = fit.cohort.events.groupby("patient_id")["day"].max()
        ids = [p for p in fit.cohort.patient_ids if last[p] > 60]
        present = fit.twin(ids, at=60.0).present
        return next(
            p for p, w in zip(ids, present, strict=True) if w.state == state and not w.started
        )

    return find


@pytest.fixture
def levels() -> pd.DataFrame:
    """Table of `checks.shrinkage` for two transitions and three subgroups."""
    rows = [
        (t, s, n, 3, 3.0, raw, raw - 1.0, raw + 1.0, raw / 2, raw / 2 - 0.4, raw / 2 + 0.4, 0.6)
        for t in ("remission->relapse", "remission->death_in_remission")
        for s, n, raw in (("A", 60, 0.3), ("B", 12, -0.5), (HOSTILE, 3, -np.inf))
    ]
    columns = [
        "transition", "subgroup", "n", "observed", "expected", "raw", "raw_lower", "raw_upper",
        "pooled", "pooled_lower", "pooled_upper", "borrowed",
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    none = ~np.isfinite(table["raw"])
    table.loc[none, ["raw_lower", "raw_upper", "pooled", "pooled_lower", "pooled_upper"]] = [
        -np.inf, 1.2, -0.2, -0.9, 0.5,
    ]  # fmt: skip
    return table
