"""Everything that the package offers is recorded on a tape: no model of its own is compiled."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd
import pymc as pm
import pytest

import twinbayes as tb
from twinbayes import model as models
from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.diseases import AGGREGATES, DISEASES
from twinbayes.inference.samplers.tree import kept_names
from twinbayes.machine.tape.model import record_model
from twinbayes.model import (
    Binary,
    Exchangeable,
    MarkerFamily,
    ModelSpec,
    NegativeBinomial,
    Normal,
    Ordinal,
    Poisson,
    Polynomial,
    StudentT,
    Trajectories,
    Trajectory,
)
from twinbayes.model.assemble import assemble_aggregate
from twinbayes.model.pooling.protocol import Pooling
from twinbayes.model.pooling.table import POOLINGS, pooling_of

GROUPS: Final = ("one", "two", "three")
TABLES: Final = {
    "response": {"responders": [24, 33, 36], "n": [60, 60, 60]},
    "mean": {"mean": [-0.3, 0.1, 0.4], "se": [0.1, 0.1, 0.2]},
    "rate": {"events": [25, 30, 42], "time": [60.0, 50.0, 50.0]},
    "log_hazard_ratio": {"estimate": [-0.5, -0.1, 0.2], "se": [0.1, 0.1, 0.2]},
}
#: Families, and measurements that suit each.
FAMILIES: Final[dict[str, tuple[MarkerFamily, list[float]]]] = {
    "Normal": (Normal(floor=-1.0), [0.3, 1.2, -1.0]),
    "StudentT": (StudentT(), [0.3, 1.2, -1.0]),
    "Binary": (Binary(), [0.0, 1.0, 1.0]),
    "Ordinal": (Ordinal(grades=(0.0, 1.0, 2.0)), [0.0, 2.0, 1.0]),
    "Poisson": (Poisson(), [0.0, 3.0, 7.0]),
    "NegativeBinomial": (NegativeBinomial(), [0.0, 3.0, 17.0]),
}


def some_slow(names: Iterable[str], quick: Collection[str]) -> list[Any]:
    """All names as parameters, those that are not `quick` among the slow tests."""
    return [n if n in quick else pytest.param(n, marks=pytest.mark.slow) for n in names]


def is_recorded(model: pm.Model) -> bool:
    """Whether both tapes can be had and give numbers; an operation that fails raises its name."""
    tapes = record_model(model, kept_names(model))
    point = tapes.start(1)
    return bool(np.isfinite(tapes.density(point)).all() and np.isfinite(tapes.draw(point)).all())


def pooling(kind: str, source: str) -> Pooling:
    strategy: Any = pooling_of(kind)
    roles = {role: source for role in ("source", "target") if hasattr(strategy, role)}
    found: Pooling = replace(strategy, **roles)
    return found


@pytest.mark.parametrize("name", some_slow(DISEASES, ("aml", "cml", "registry", "retinopathy")))
def test_every_disease_is_recorded(name: str, cohort_of: Callable[[str], Cohort]) -> None:
    assert is_recorded(tb.assemble(tb.disease(name), cohort_of(name)))


@pytest.mark.parametrize(
    ("name", "kind", "outcome"),
    [
        # Strategies do not know the outcome.
        *(("basket", kind, "response") for kind in POOLINGS),
        *(("basket", "exchangeable", outcome) for outcome in TABLES if outcome != "response"),
        *((name, "robust_map", "response") for name in AGGREGATES if name != "basket"),
    ],
)
def test_every_model_of_aggregate_data_is_recorded(name: str, kind: str, outcome: str) -> None:
    spec = tb.disease(name, outcome=outcome, pooling=pooling(kind, "two"))
    table = pd.DataFrame(TABLES[outcome]).assign(subgroup=GROUPS)
    data = tb.read_aggregate(table, outcome=outcome)
    assert is_recorded(assemble_aggregate(spec, data, tb.load_priors(spec.priors)))


def measured(values: list[float]) -> Cohort:
    """Twelve patients with a marker that takes these values in turn."""
    ids = [f"p{k:02d}" for k in range(12)]
    rows = [
        (name, 90.0 * t, "marker", values[(k + t) % len(values)], "none")
        for k, name in enumerate(ids)
        for t in range(4)
    ]
    visits = pd.DataFrame(rows, columns=["patient_id", "day", "marker", "value", "censored"])
    tables = {
        "patients": pd.DataFrame({"patient_id": ids, "subgroup": GROUPS * 4, "centre": "one"}),
        "events": pd.DataFrame(
            {"patient_id": ids, "day": 400.0, "event": ["death", "last_contact"] * 6}
        ),
        "visits": visits,
        "variables": pd.DataFrame(
            [("marker", "visits", "marker", "laboratory")],
            columns=["name", "table", "role", "group"],
        ),
    }
    return cohort_from_tables("made up", tables, simulated=True)


def with_marker(family: MarkerFamily, strategy: Pooling) -> ModelSpec:
    """Survival with one marker, and one strategy for subgroups of hazards and of curves."""
    marker = Trajectory(marker="marker", basis=Polynomial(degree=1), family=family)
    survival = replace(tb.disease("survival"), priors="pbc")
    return replace(
        survival,
        events=replace(survival.events, covariates=(), subgroup=strategy),
        trajectories=Trajectories(markers=(marker,), subgroup=strategy),
    )


@pytest.mark.parametrize("kind", some_slow(POOLINGS, ("exchangeable", "horseshoe")))
def test_every_pooling_strategy_of_patients_is_recorded(kind: str) -> None:
    family, values = FAMILIES["Normal"]
    spec = with_marker(family, pooling(kind, "two"))
    assert is_recorded(tb.assemble(spec, measured(values)))


def test_no_family_is_left_out() -> None:
    folder = MarkerFamily.__module__.rsplit(".", 1)[0]
    public = {name: getattr(models, name) for name in models.__all__}
    families = {
        name for name, value in public.items()
        if isinstance(value, type) and value.__module__.startswith(f"{folder}.")
    }  # fmt: skip
    assert families - {"MarkerFamily"} == set(FAMILIES)


@pytest.mark.parametrize("name", some_slow(FAMILIES, ("Normal", "Ordinal")))
def test_every_family_of_markers_is_recorded(name: str) -> None:
    family, values = FAMILIES[name]
    priors = tb.load_priors("pbc")
    # Parameters of families that no disease of the library has, under the prior of one that has.
    missing = {p.name for p in family.parameters} - set(priors)
    others = {n: replace(priors["marker_sd"], name=n) for n in missing}
    priors = replace(priors, entries={**priors.entries, **others})
    assert is_recorded(tb.assemble(with_marker(family, Exchangeable()), measured(values), priors))
