"""Effects that change with time: how rows are cut, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.errors import ModelError, OptionError
from twinbayes.model import ModelSpec, PiecewiseConstant, Term, TimeVarying
from twinbayes.priors import load_priors

RELAPSE = "remission->relapse"


@pytest.fixture(scope="module")
def registry() -> Cohort:
    return tb.datasets.registry()


def with_effects(*asked: TimeVarying) -> ModelSpec:
    spec = tb.disease("registry")
    return replace(spec, events=replace(spec.events, time_varying=asked))


def survival(
    of: str,
    windows: int = 6,
    covariates: tuple[Term, ...] = (),
    classes: tuple[tuple[str, ...], ...] = (),
) -> ModelSpec:
    """Survival of the registry's patients, whose other events are left aside."""
    spec = tb.disease("survival", baseline=PiecewiseConstant(windows), covariates=covariates)
    graph = replace(spec.graph, ignored_events=("complete_remission", "relapse"))
    varying = (TimeVarying(of=of, on="alive->dead", classes=classes),)
    return replace(spec, events=replace(spec.events, graph=graph, time_varying=varying))


def test_cutting_rows_keeps_days_at_risk_and_events(registry: Cohort) -> None:
    before = tb.disease("registry").plan(registry).events
    spec = with_effects(TimeVarying(of="subgroup", on=RELAPSE))
    after = spec.plan(registry).events
    k = spec.graph.labels.index(RELAPSE)
    first = len(spec.graph.effects) + len(spec.graph.entry_eras)
    for old, new in zip(before.edges, after.edges, strict=True):
        np.testing.assert_array_equal(old, new)
    for e in range(len(spec.graph.labels)):
        old, new = (plan.rows.intensity == e for plan in (before, after))
        days = [
            np.bincount(
                plan.rows.patient[mine],
                weights=(plan.rows.stop - plan.rows.start)[mine],
                minlength=registry.n_patients,
            )
            for plan, mine in ((before, old), (after, new))
        ]
        np.testing.assert_allclose(days[0], days[1], atol=1e-9)
        assert before.rows.is_event[old].sum() == after.rows.is_event[new].sum()
        assert (old.sum() < new.sum()) == (e == k)
    edges = after.edges[k]
    for r in np.flatnonzero(after.rows.intensity == k):
        (w,) = [f - first for f in after.rows.effects[r] if f >= first]
        assert edges[w] <= after.rows.start[r] <= after.rows.stop[r] <= edges[w + 1]
    others = np.flatnonzero(after.rows.intensity != k)
    assert all(f < first for r in others for f in after.rows.effects[r])


def test_only_carriers_are_cut(registry: Cohort) -> None:
    sex = Term(name="sex", group="clinical", transform="category")
    plan = survival("sex", covariates=(sex,)).plan(registry).events
    rows, carrier = plan.rows, (plan.design.values + plan.design.shift)[:, 0] > 0
    assert len(set(registry.covariates()["sex"][carrier])) == 1
    pieces = np.bincount(rows.patient, minlength=registry.n_patients)
    assert pieces[~carrier].max() == 1
    assert pieces[carrier].max() > 1
    assert all(bool(e) == carrier[p] for p, e in zip(rows.patient, rows.effects, strict=True))


def test_only_subgroups_of_a_class_are_cut(registry: Cohort) -> None:
    first, second, third, *_ = registry.subgroups
    classes = ((first, third, "absent here"), (second,))
    plan = survival("subgroup", classes=classes).plan(registry).events
    of_class = registry.patients["subgroup"].isin([first, second, third]).to_numpy()
    assert 0 < of_class.sum() < registry.n_patients
    rows = plan.rows
    assert all(bool(e) == of_class[p] for p, e in zip(rows.patient, rows.effects, strict=True))


@pytest.mark.parametrize(
    ("of", "classes", "text"),
    [
        ("sex", (("a",),), "classes are of subgroups"),
        ("subgroup", (("a", "b"), ("b",)), "a subgroup in two classes"),
        ("subgroup", (("a",), ()), "a class without subgroups"),
        ("subgroup", ("ab",), "classes must be a tuple of tuples of texts"),
    ],
)
def test_classes_that_no_cohort_can_have_are_refused(
    of: str, classes: tuple[tuple[str, ...], ...], text: str
) -> None:
    with pytest.raises(ModelError, match=text):
        TimeVarying(of=of, on=RELAPSE, classes=classes)


def test_a_class_that_nobody_is_of_is_refused(registry: Cohort) -> None:
    with pytest.raises(ModelError, match=r"'here', 'there', and no patient is of it. The cohort's"):
        survival("subgroup", classes=(("here", "there"),)).plan(registry)


@pytest.mark.parametrize(
    ("asked", "error", "text"),
    [
        ((TimeVarying(of="age_years", on=RELAPSE),), ModelError, "0/1 covariate"),
        ((TimeVarying(of="unheard", on=RELAPSE),), ModelError, "0/1 covariate"),
    ],
)
def test_what_cannot_change_with_time_is_refused(
    registry: Cohort, asked: tuple[TimeVarying, ...], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        with_effects(*asked).plan(registry)


def test_what_no_graph_can_have_is_refused_without_data() -> None:
    with pytest.raises(OptionError, match="nowhere"):
        with_effects(TimeVarying(of="subgroup", on="nowhere"))
    with pytest.raises(ModelError, match="there twice"):
        with_effects(*[TimeVarying(of="subgroup", on=RELAPSE)] * 2)


def test_a_baseline_of_one_window_leaves_no_room(registry: Cohort) -> None:
    with pytest.raises(ModelError, match="one window"):
        survival("subgroup", windows=1).plan(registry)


def test_one_subgroup_has_none_to_differ_from(registry: Cohort) -> None:
    patients = registry.patients.assign(subgroup="all")
    with pytest.raises(ModelError, match="there is one"):
        survival("subgroup").plan(replace(registry, patients=patients))


def test_a_covariate_that_is_missing_in_some_is_refused(registry: Cohort) -> None:
    patients = registry.patients.copy()
    patients["arm"] = np.arange(len(patients)) % 2 * 1.0
    patients.loc[patients.index[3], "arm"] = np.nan
    new = registry.variables.iloc[:1].assign(
        name="arm", table="patients", role="covariate", group="treatment", levels=None
    )
    cohort = replace(
        registry, patients=patients, variables=pd.concat([registry.variables, new]), visits=None
    )
    arm = Term(name="arm", group="treatment", transform="binary")
    with pytest.raises(ModelError, match=r"missing in 1 patient\(s\)"):
        survival("arm", covariates=(arm,)).plan(cohort)


def test_the_description_survives_storage_and_is_told() -> None:
    spec = with_effects(TimeVarying(of="subgroup", on=RELAPSE))
    assert ModelSpec.from_dict(spec.to_dict()) == spec
    assert "subgroup on remission->relapse" in spec.describe()
    assert tb.disease("registry").content_hash != spec.content_hash
    shared = with_effects(TimeVarying(of="subgroup", on=RELAPSE, classes=(("a", "b"), ("c",))))
    assert ModelSpec.from_dict(shared.to_dict()) == shared
    assert "(classes that share it: a, b; c)" in shared.describe()


def test_a_prior_set_without_the_step_says_what_is_missing(registry: Cohort) -> None:
    spec = with_effects(TimeVarying(of="subgroup", on=RELAPSE))
    with pytest.raises(Exception, match="time_varying_step"):
        tb.assemble(spec, registry, load_priors("registry"))
