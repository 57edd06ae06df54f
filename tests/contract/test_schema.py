"""The page of variables is true: fits and forecasts have what it says, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pymc as pm
import pytest
import xarray as xr

import twinbayes as tb
from twinbayes import names, schema
from twinbayes.cohort import cohort_from_tables
from twinbayes.inference import Fit
from twinbayes.model import ExNex, ModelSpec, Weibull
from twinbayes.names import BOUNDS, CHAIN, DRAW, DRAWS, SAMPLE, TERMINAL_EVENTS
from twinbayes.twin import Quality, Twin

ADAPTED = {"pbc": ("pbc2", "joint_benchmarks"), "cml": ("cml", "cml_bcrabl"),
           "aml": ("amlsg", "aml_amlsg/upstream")}  # fmt: skip


@pytest.fixture(scope="module")
def stored(root: Path) -> Fit:
    found = tb.load_fit(root / "tests" / "data" / "registry_fit.nc")
    assert isinstance(found, Fit)
    return found


@pytest.fixture(scope="module")
def twin(stored: Fit) -> Twin:
    return stored.twin(list(stored.cohort.patient_ids[:2]), at=0)


def unknown(dataset: xr.Dataset, rows: tuple[schema.Variable, ...], less: set[str]) -> list[str]:
    """Variables of a Dataset that no row describes with their dims."""
    return [
        f"{name} {v.dims}"
        for name, v in dataset.data_vars.items()
        if schema.row_of(str(name), tuple(d for d in map(str, v.dims) if d not in less), rows)
        is None
    ]


def recorded(model: pm.Model) -> dict[str, tuple[str, ...]]:
    """Variables of a model that its posterior will hold, and their dims."""
    every = [*model.free_RVs, *model.deterministics]
    dims = model.named_vars_to_dims
    return {v.name: tuple(map(str, dims[v.name] or ())) for v in every if v.name in dims}


def test_the_page_is_written_from_the_table(root: Path) -> None:
    code = "import sys; sys.path.insert(0, 'scripts'); import schema as s; print(s.page(), end='')"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.stdout == (root / "docs" / "schema.md").read_text(encoding="utf-8"), done.stderr


def test_every_group_of_a_fit_is_as_described(stored: Fit) -> None:
    own = {CHAIN, DRAW}
    for group, rows in (
        (names.POSTERIOR, schema.POSTERIOR),
        (names.SAMPLE_STATS, schema.SAMPLE_STATS),
        (names.CONSTANT_DATA, schema.CONSTANTS),
    ):
        assert unknown(stored.datatree[group].to_dataset(), rows, own) == []


@pytest.mark.parametrize("disease", ["pbc", "cml", "aml"])
def test_every_variable_of_a_disease_is_described(disease: str, shared: Path) -> None:
    adapter, folder = ADAPTED[disease]
    cohort = tb.read_cohort(shared / "data" / folder, adapter=adapter)
    spec = tb.disease(disease)
    described(spec, cohort)


def described(spec: ModelSpec, cohort: tb.Cohort) -> None:
    found = recorded(tb.assemble(spec, cohort, tb.load_priors(spec.priors)))
    hidden = {name for name in found if name.startswith("_")}  # the group of what is not reported
    for name in set(found) - hidden:
        assert schema.row_of(name, found[name], schema.POSTERIOR), f"{name} {found[name]}"


@pytest.mark.parametrize("pooling", ["none", "exchangeable", "exnex", "horseshoe", "r2d2"])
def test_every_variable_of_a_pooling_is_described(pooling: str, shared: Path) -> None:
    cohort = tb.read_cohort(shared / "data" / "aml_amlsg" / "upstream", adapter="amlsg")
    described(tb.disease("aml", pooling=pooling), cohort)


def test_every_variable_of_a_weibull_hazard_is_described() -> None:
    registry = tb.datasets.simulated_registry()
    tables = {name: registry.tables[name] for name in ("patients", "events", "variables")}
    ends = tables["events"]["event"].isin(TERMINAL_EVENTS)
    tables["events"] = tables["events"][ends].reset_index(drop=True)
    tables["variables"] = tables["variables"].query("table == 'patients'").reset_index(drop=True)
    cohort = cohort_from_tables("deaths", tables, simulated=True)
    described(tb.disease("survival", baseline=Weibull()), cohort)


@pytest.mark.parametrize("pooling", ["exchangeable", ExNex()])
def test_every_variable_of_aggregate_data_is_described(pooling: Any) -> None:
    table = pd.DataFrame({"subgroup": ["a", "b", "c"], "n": [10, 20, 15], "responders": [2, 5, 4]})
    fit = tb.fit(
        tb.disease("basket", pooling=pooling), tb.read_aggregate(table),
        draws=20, tune=20, chains=2, seed=1, progressbar=False,
    )  # fmt: skip
    found = fit.datatree[names.POSTERIOR].to_dataset()
    assert unknown(found, schema.AGGREGATE, {CHAIN, DRAW}) == []


def with_bounds(rows: tuple[schema.Variable, ...]) -> set[str]:
    return {f"{row.name}{bound}" for row in rows for bound in BOUNDS}


def test_a_forecast_has_just_what_the_page_says(twin: Twin) -> None:
    found = twin.forecast(until=300, grid=2, draws=True)
    drawn = {f"{names.STATE_PROBABILITY}{DRAWS}", f"{names.SURVIVAL}{DRAWS}"}
    assert set(found.data_vars) == with_bounds(schema.FORECAST) | drawn
    for row in schema.FORECAST:
        assert found[row.name].dims == row.dims
    assert found[f"{names.SURVIVAL}{DRAWS}"].dims == (names.PATIENT, names.TIME, SAMPLE)
    told = {names.LANDMARK_DAY, names.NEEDS_REFIT, names.BEYOND_FOLLOW_UP}
    assert told <= set(found.coords)
    assert found[names.BEYOND_FOLLOW_UP].dims == (names.PATIENT, names.TIME)


def test_a_contrast_and_quality_adjusted_time_have_just_what_the_page_says(twin: Twin) -> None:
    early = tb.Scenario.start("allogeneic_transplant", day=120, states=("remission",))
    never = tb.Scenario.none("allogeneic_transplant")
    quality = Quality(marker="global_health")
    pairs = (
        (twin.contrast(early, never, until=300, grid=2, quality=quality), schema.CONTRAST),
        (twin.quality_adjusted_time(quality, until=300, grid=2), schema.QUALITY),
    )
    for found, rows in pairs:
        assert set(found.data_vars) == with_bounds(rows)
        for row in rows:
            assert found[row.name].dims == row.dims


def test_units_of_days_are_on_the_variables_themselves(twin: Twin) -> None:
    found = twin.forecast(until=300, grid=2)
    for row in schema.FORECAST:
        assert (found[row.name].attrs.get("units") == "days") == (row.unit == "days")
