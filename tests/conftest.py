"""Fixtures shared by all tests; with TWINBAYES_REQUIRE_ALL=1 a skipped test has failed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Before numpy is imported: chains and test workers already use every core.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest

if TYPE_CHECKING:
    import xarray as xr

    from twinbayes.cohort import Cohort
    from twinbayes.inference import CompiledFit, Fit
    from twinbayes.model import ModelSpec
    from twinbayes.model.spec import ModelPlan
    from twinbayes.priors import PriorSet

# Fixtures that tests of several rooms take; the modules lie in tests/support.
pytest_plugins = ("conjugate_model", "flat_hazard", "illness_death", "known_twins")

ROOT = Path(__file__).resolve().parents[1]


def _require_all() -> bool:
    return os.environ.get("TWINBAYES_REQUIRE_ALL", "0") == "1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With TWINBAYES_REQUIRE_ALL=1 a skipped test is a failed test."""
    report = yield
    if report.skipped and _require_all() and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped although TWINBAYES_REQUIRE_ALL=1: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference cases and published data; the test is skipped where it is absent."""
    folder = Path(os.environ.get("TWINBAYES_SHARED", ROOT.parent / "shared"))
    if not (folder / "reference").is_dir():
        pytest.skip("no reference data: set TWINBAYES_SHARED to the folder that has them")
    return folder


@pytest.fixture(scope="session")
def reference(shared: Path) -> Callable[[str], dict[str, Any]]:
    """Return the reference case of a name, e.g. ``reference("rmst_pbc")``."""

    def load(name: str) -> dict[str, Any]:
        path = shared / "reference" / f"{name}.json"
        case: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return case

    return load


@pytest.fixture(scope="session")
def stored_evidence(root: Path) -> Callable[..., dict[str, Any]]:
    """Return the committed figures of a name, e.g. ``stored_evidence("sbc")``.

    Given a model, too, they must be of that model and of its priors (default: those that its
    disease ships with) as these are now.
    """

    from twinbayes.priors import load_priors

    def load(
        name: str, spec: ModelSpec | None = None, priors: PriorSet | None = None
    ) -> dict[str, Any]:
        path = root / "docs" / "evidence" / f"{name}.json"
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if spec is not None:
            current = (spec.content_hash, (priors or load_priors(spec.priors)).distribution_hash)
            assert (found["model"], found["priors"]) == current, (
                f"The model or its priors have changed: run benchmarks/{name}.py --write."
            )
        return found

    return load


@pytest.fixture(scope="session")
def registry_compiled() -> CompiledFit:
    """The registry's model, compiled once for all tests."""
    import twinbayes as tb
    from twinbayes.inference import compile_fit

    return compile_fit(tb.disease("registry"), tb.datasets.registry())


@pytest.fixture(scope="session")
def registry_fit(registry_compiled: CompiledFit) -> Fit:
    """A short fit of the registry: 2 chains of 100 draws, enough for tests of plumbing.

    What tests say of it holds for any seed: TWINBAYES_TEST_SEED draws it anew.
    """
    seed = int(os.environ.get("TWINBAYES_TEST_SEED", "1"))
    return registry_compiled.sample(draws=100, tune=100, chains=2, seed=seed, progressbar=False)


@pytest.fixture(scope="session")
def every_hazard_term() -> tuple[Cohort, ModelSpec, ModelPlan, xr.Dataset]:
    """Registry patients, a model whose hazards have every term, and random values of the terms.

    Covariates, some missing; subgroups, centres, treatments, eras of entry; an effect of subgroups
    that changes with time; hazards at events that are not the means. Two chains of three draws.
    """
    from dataclasses import replace

    import numpy as np
    import xarray as xr

    import twinbayes as tb
    from twinbayes.model import TimeVarying

    registry = tb.datasets.registry()
    cohort = registry.select(list(registry.patient_ids[:80]))
    spec = replace(tb.disease("registry"), trajectories=None)
    changing = TimeVarying(of="subgroup", on="remission->relapse")
    spec = replace(spec, events=replace(spec.events, time_varying=(changing,)))
    plan = spec.plan(cohort)
    labels = {
        k: list(v) for k, v in spec.events.coords(plan.events.encoding, plan.events.edges).items()
    }
    rng = np.random.default_rng(11)
    posterior = {}
    for name, spread, *dims in (
        ("log_baseline", 0.3, "transition", "window"),
        ("log_baseline_at_event", 0.3, "window", "transition"),
        ("beta", 0.2, "covariate", "transition"),
        ("subgroup_effect", 0.2, "transition", "subgroup"),
        ("centre_effect", 0.2, "transition", "centre"),
        ("subgroup_scale", 0.2, "transition"),
        ("centre_scale", 0.2, "transition"),
        ("treatment_subgroup_effect", 0.2, "effect", "subgroup"),
        ("treatment_effect", 0.2, "effect"),
        ("treatment_heterogeneity", 0.2, "effect"),
        ("entry_era_effect", 0.2, "entry_era"),
        ("time_varying_effect", 0.2, "time_varying_window", "subgroup"),
        ("time_varying_step", 0.2, "time_varying"),
    ):
        shape = (2, 3, *(len(labels[d]) for d in dims))
        mean = -7.0 if name.startswith("log_baseline") else 0.0
        posterior[name] = (("chain", "draw", *dims), mean + spread * rng.standard_normal(shape))
    used = {d for dims, _ in posterior.values() for d in dims[2:]}
    coords = {"chain": range(2), "draw": range(3), **{d: labels[d] for d in used}}
    return cohort, spec, plan, xr.Dataset(posterior, coords)


@pytest.fixture(scope="session")
def make_tumours() -> Callable[..., Cohort]:
    """Build cohorts of tumours that shrink and grow again; small ones are not seen."""
    return simulate_tumours


def simulate_tumours(
    n: int, *, seed: int = 2, prefix: str = "p", limit: float = 12.0, strength: float = 0.0
) -> Cohort:
    """Stein-Fojo curves with a mean of 3.0, 0.4, -0.7 and deviations of 0.4, 0.5, 0.6.

    Measurements are log-normal (0.3) and made every 0.4 years; a score has a level for each
    patient. The hazard of death is 0.3 a year times ``(tumour / 20) ** strength``.
    """
    import numpy as np
    import pandas as pd

    from twinbayes.cohort.contract.validation import cohort_from_tables
    from twinbayes.names import DAYS_PER_YEAR as YEAR

    rng = np.random.default_rng(seed)
    ids = [f"{prefix}{k:02d}" for k in range(n)]
    grid, rows, ends, died = np.linspace(0.0, 4.0, 801), [], [], []
    for name in ids:
        start, d, g = np.exp(rng.normal([3.0, 0.4, -0.7], [0.4, 0.5, 0.6]))
        level, lost = rng.normal(), rng.uniform(1.5, 4.0)
        curve = start * (np.exp(-d * grid) + np.exp(g * grid) - 1.0)
        risen = np.cumsum(0.3 * (curve / 20.0) ** strength) * grid[1]
        due = np.append(grid, np.inf)[np.searchsorted(risen, rng.exponential())]
        ends.append(max(min(lost, due), 0.05))
        died.append(due < lost)
        for t in np.arange(0.0, ends[-1], 0.4):
            seen = float(np.interp(t, grid, curve) * np.exp(rng.normal(0.0, 0.3)))
            side = "left" if seen < limit else "none"
            rows.append((name, t * YEAR, "tumour", max(seen, limit), side))
            rows.append((name, t * YEAR, "score", level + rng.normal(0.0, 0.5), "none"))
    patients = {"patient_id": ids, "subgroup": "one", "centre": "one"}
    covariates = {
        "sex": rng.choice(["male", "female"], n),
        "d_penicillamine": (np.arange(n) % 2).astype(float),
    }
    events = {
        "patient_id": ids,
        "day": np.array(ends) * YEAR,
        "event": np.where(died, "death", "last_contact"),
    }
    columns = ["patient_id", "day", "marker", "value", "censored"]
    variables = [
        ("sex", "patients", "covariate", "clinical", "male|female"),
        ("d_penicillamine", "patients", "covariate", "treatment", None),
        ("tumour", "visits", "marker", "laboratory", None),
        ("score", "visits", "marker", "laboratory", None),
    ]
    tables = {
        "patients": pd.DataFrame({**patients, **covariates}),
        "events": pd.DataFrame(events),
        "visits": pd.DataFrame(rows, columns=columns),
        "variables": pd.DataFrame(variables, columns=["name", "table", "role", "group", "levels"]),
    }
    return cohort_from_tables("made up", tables, simulated=True)
