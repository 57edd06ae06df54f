"""A family of one's own, with a parameter of its own: one file, registered, from fit to update."""

from __future__ import annotations

import json
import subprocess
import sys
from copy import copy
from dataclasses import replace
from pathlib import Path
from runpy import run_path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from scipy import stats

import twinbayes as tb
from contributing import file_of
from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.errors import ModelError, PriorError
from twinbayes.inference import Fit
from twinbayes.model import ModelSpec, Normal, Polynomial, Trajectories, Trajectory
from twinbayes.model.storing import registration
from twinbayes.priors import PriorEntry, PriorSet

#: Student's t, the degrees of freedom of which are not known.
FAMILY: Final = file_of("A marker family")
#: A process of its own, where nothing but the family's file has been run.
ELSEWHERE: Final = """
import json, runpy, sys
import numpy as np
import twinbayes as tb

runpy.run_path(sys.argv[2])
fit = tb.load_fit(sys.argv[1])
twin = fit.twin(["p00", "p01"], at=250.0)
days = np.array([300.0, 500.0])
print(json.dumps({
    "survival": twin.forecast(until=1000.0, grid=4)["survival"].values.tolist(),
    "measured": twin.curves(1).measured("level", days).tolist(),
}))
"""


@pytest.fixture(autouse=True)
def nothing_stays_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration.OWN_TYPES, "_objects", {})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "heavy_tails.py"
    file.write_text(FAMILY, encoding="utf-8")
    return file


def clinic() -> Cohort:
    """Forty patients with four visits each; every tenth value is off."""
    rng = np.random.default_rng(5)
    ids = [f"p{k:02d}" for k in range(40)]
    level = rng.normal(10.0, 2.0, 40)
    visits = [
        (name, 100.0 * t, marker, a + rng.standard_t(3.0))
        for name, a in zip(ids, level, strict=True)
        for t in range(4)
        for marker in ("plain", "level")
    ]
    tables = {
        "patients": pd.DataFrame(
            {"patient_id": ids, "subgroup": "one", "centre": "one", "age_years": 50.0}
        ),
        "events": pd.DataFrame(
            {
                "patient_id": ids,
                "day": 400.0 + rng.exponential(600.0, 40).round(),
                "event": np.where(rng.random(40) < 0.5, "death", "last_contact"),
            }
        ),
        "visits": pd.DataFrame(visits, columns=["patient_id", "day", "marker", "value"]).assign(
            censored="none"
        ),
        "variables": pd.DataFrame(
            [
                ("age_years", "patients", "covariate", "clinical"),
                ("level", "visits", "marker", "laboratory"),
                ("plain", "visits", "marker", "laboratory"),
            ],
            columns=["name", "table", "role", "group"],
        ),
    }
    return cohort_from_tables("made up", tables, simulated=True)


def described(family: Any) -> ModelSpec:
    survival = replace(tb.disease("survival"), priors="pbc")
    flat = Polynomial(degree=0)
    markers = (
        Trajectory(marker="plain", basis=flat, family=Normal()),
        Trajectory(marker="level", basis=flat, family=family),
    )
    return replace(
        survival,
        events=replace(survival.events, covariates=()),
        trajectories=Trajectories(markers=markers),
    )


def with_degrees_of_freedom(name: str = "marker_df") -> PriorSet:
    plain = tb.load_priors("pbc")
    entry = PriorEntry(
        name=name,
        distribution="Gamma",
        arguments={"alpha": 2.0, "beta": 0.1},
        parameter="Degrees of freedom of a marker's errors.",
        scale="number",
        unit="1",
        population="any",
        rationale="Juárez and Steel (2010).",
        version="1.0.0",
        status="default",
    )
    return PriorSet("own", 1, {**plain.entries, name: entry})


def fitted(spec: ModelSpec, cohort: Cohort) -> Fit:
    return tb.fit(
        spec,
        cohort,
        priors=with_degrees_of_freedom(),
        draws=30,
        tune=60,
        chains=2,
        seed=1,
        progressbar=False,
    )


def test_both_densities_are_those_of_scipy(file: Path) -> None:
    family = run_path(str(file))["HeavyTails"]()
    eta, y, sd, df = np.linspace(-3.0, 4.0, 8), np.full(8, 0.4), 0.7, 2.5
    curve = pt.dvector()
    parameters = pt.as_tensor(np.array([sd, df]))
    codes = family.codes(y, np.full(8, "none"))
    terms = family.loglik(curve, y, codes, parameters[0], parameters[1])
    slope = pt.grad(terms.sum(), curve)
    bend = -pt.grad(slope.sum(), curve)
    run = pytensor.function([curve], [terms, slope, bend], mode="FAST_COMPILE")
    wanted = np.array(run(eta))
    own = np.array([sd, df])
    found = np.array([family.branch(3, np.array([0.4, 0.0]), e, own) for e in eta]).T
    np.testing.assert_allclose(wanted[0], stats.t(df, eta, sd).logpdf(y), rtol=1e-10)
    np.testing.assert_allclose(found[:2], wanted[:2], rtol=1e-10)
    np.testing.assert_allclose(found[2], np.maximum(wanted[2], 0.0), rtol=1e-10)


def test_a_branch_sent_to_another_process_leaves_its_address_behind(file: Path) -> None:
    branch = run_path(str(file))["visit"]
    assert branch.address
    sent = copy(branch)
    assert "address" in vars(branch)
    assert "address" not in vars(sent)
    visit = (3, np.array([0.4, 0.0]), 0.1, np.array([0.7, 2.5]))
    assert sent(*visit) == branch(*visit)


def test_it_is_fitted_stored_forecast_elsewhere_and_updated(file: Path, tmp_path: Path) -> None:
    spec, cohort = described(run_path(str(file))["HeavyTails"]()), clinic()
    fit = fitted(spec, cohort)
    posterior = fit.datatree["posterior"]
    assert posterior["marker_df"].dims == ("chain", "draw", "heavy_marker")
    assert posterior["heavy_marker"].to_numpy().tolist() == ["level"]
    assert posterior["marker_with_error"].to_numpy().tolist() == ["plain", "level"]

    twin, days = fit.twin(["p00", "p01"], at=250.0), np.array([300.0, 500.0])
    read = twin.as_drawn().curves(1).population.parameter
    np.testing.assert_array_equal(read[1, 1], posterior["marker_df"].to_numpy().ravel())
    np.testing.assert_array_equal(read[0, 1], 0.0)
    measured = twin.curves(1).measured("level", days)
    path = fit.save(tmp_path / "fit.nc")
    found = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(path), str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    result = json.loads(found.stdout)
    np.testing.assert_array_equal(result["measured"], measured)
    np.testing.assert_array_equal(
        result["survival"], twin.forecast(until=1000.0, grid=4)["survival"]
    )

    stranger = rename(cohort.select(["p03"]), "new")
    start = fit.twin(stranger, at=50.0)
    later = stranger.visits
    assert later is not None
    later = later[(later["day"] > 50.0) & (later["day"] <= 250.0)]
    updated = start.update(later, day=250.0).forecast(until=1000.0, grid=4)
    anew = fit.twin(stranger, at=250.0).forecast(until=1000.0, grid=4)
    xr.testing.assert_identical(updated["survival"], anew["survival"])


def rename(cohort: Cohort, patient: str) -> Cohort:
    """One patient's record under another name."""
    tables = {name: table.copy() for name, table in cohort.tables.items()}
    for name, table in tables.items():
        if name != "variables":
            table["patient_id"] = patient
    return cohort_from_tables("new", tables, simulated=True)


def test_a_parameter_without_a_prior_is_refused_with_the_remedy(file: Path) -> None:
    spec, cohort = described(run_path(str(file))["HeavyTails"]()), clinic()
    with pytest.raises(PriorError, match=r"'level': its family .*'marker_df'.*pbc/v1 no entry"):
        tb.assemble(spec, cohort)
    tb.assemble(spec, cohort, with_degrees_of_freedom())
    own = with_degrees_of_freedom("marker_df.level")
    tb.assemble(spec, cohort, own)


def test_two_families_that_mean_different_things_by_one_name_are_refused(file: Path) -> None:
    other = FAMILY.replace("HeavyTails", "Other").replace(
        'name="marker_df", dim="heavy_marker"', 'name="marker_sd", dim="heavy_marker"'
    )
    file.write_text(other, encoding="utf-8")
    spec = described(run_path(str(file))["Other"]())
    with pytest.raises(ModelError, match="'marker_sd' otherwise than another marker's does"):
        tb.assemble(spec, clinic())


@pytest.mark.parametrize(
    ("written", "instead", "message"),
    [
        ('"marker_df"', '"df"', "cannot be named 'df'. Begin with 'marker_'"),
        ("            STANDARD_DEVIATION,\n", "", "the first of its parameters has to be"),
        ("np.full(len(values), DENSITY)", "0 * values.astype(int)", "the code MEASURED"),
        ("@twin_branch\n", "", "Put @twin_branch above the function"),
    ],
)
def test_a_family_that_breaks_a_rule_is_refused_before_sampling(
    file: Path, written: str, instead: str, message: str
) -> None:
    assert written in FAMILY
    changed = FAMILY.replace(written, instead)
    file.write_text(changed, encoding="utf-8")
    with pytest.raises(ModelError, match=message):
        tb.assemble(described(run_path(str(file))["HeavyTails"]()), clinic())


def test_a_family_that_is_none_is_refused_when_it_is_described() -> None:
    with pytest.raises(ModelError, match="must be a MarkerFamily, such as family=Normal"):
        Trajectory(marker="level", family="skewed")  # type: ignore[arg-type]
