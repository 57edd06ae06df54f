"""One new person described in the variables of a cohort."""

from __future__ import annotations

from dataclasses import replace

import pytest

import twinbayes as tb
from twinbayes.cohort import NEW_CENTRE, Cohort, new_patient
from twinbayes.errors import CohortError, OptionError


def test_a_new_patient_has_the_covariates_of_the_cohort(cohort: Cohort) -> None:
    person = new_patient(
        cohort,
        subgroup="inv16",
        covariates={"age_years": 61, "sex": "female", "wbc": 12.5, "NPM1": True},
        events=[(35, "complete_remission")],
        treatments=[(60, "chemo")],
        day=90,
    )
    assert person.patient_ids == ("new",)
    covariates = person.covariates()
    assert list(covariates.columns) == list(cohort.covariates().columns)
    assert covariates.dtypes.to_dict() == cohort.covariates().dtypes.to_dict()
    assert covariates.loc["new", "NPM1"] == 1.0
    assert covariates.loc["new", ["stage", "TP53"]].isna().all()
    assert person.events[["day", "event"]].to_numpy().tolist() == [
        [35.0, "complete_remission"],
        [90.0, "last_contact"],
    ]
    assert person.treatments is not None
    assert person.treatments["start_day"].tolist() == [60.0]
    assert person.centres == (NEW_CENTRE,)
    assert person.simulated


def test_a_new_patient_may_have_died(cohort: Cohort) -> None:
    person = new_patient(cohort, subgroup="npm1", covariates={}, events=[(12, "death")], day=90)
    assert person.events["event"].tolist() == ["death"]


@pytest.mark.parametrize(
    ("changes", "known"),
    [
        ({"subgroup": "npm2"}, "'npm1', 'inv16', 't6_9'"),
        ({"centre": "west"}, "'north', 'south'"),
        ({"covariates": {"ldh": 200}}, "'age_years', 'sex', 'wbc'"),
        ({"treatments": [(3, "transplant")]}, "'chemo'"),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_ones(
    cohort: Cohort, changes: dict[str, object], known: str
) -> None:
    arguments: dict[str, object] = {"subgroup": "npm1", "covariates": {}} | changes
    with pytest.raises(OptionError, match=known):
        new_patient(cohort, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"covariates": {"wbc": 9999}}, "above-maximum"),
        ({"covariates": {"sex": "F"}}, "not-allowed"),
        ({"covariates": {"stage": "III"}}, "level-undeclared"),
        ({"covariates": {"wbc": "high"}}, "not-a-number"),
        ({"day": -1}, "before-origin"),
        ({"day": 10, "events": [(35, "complete_remission")]}, "after-terminal"),
        ({"day": 10, "treatments": [(35, "chemo")]}, "after-terminal"),
    ],
)
def test_a_value_that_breaks_the_contract_is_refused(
    cohort: Cohort, changes: dict[str, object], rule: str
) -> None:
    arguments: dict[str, object] = {"subgroup": "npm1", "covariates": {}} | changes
    with pytest.raises(CohortError, match=rule):
        new_patient(cohort, patient_id="SECRET-1", **arguments)  # type: ignore[arg-type]


def test_a_new_patient_has_visits(registry_like: Cohort) -> None:
    person = new_patient(
        registry_like,
        subgroup=registry_like.subgroups[0],
        covariates={},
        visits=[(0, "global_health", 60.0), (20, "residual_disease_pct", 0.01, "left")],
        day=30,
    )
    assert person.visits is not None
    assert person.visits[["day", "marker", "value", "censored"]].to_numpy().tolist() == [
        [0.0, "global_health", 60.0, "none"],
        [20.0, "residual_disease_pct", 0.01, "left"],
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"visits": [(0, "globl_health", 1.0)]}, "marker 'globl_health'"),
        ({"visits": [(0, "global_health")]}, "visits: row 1 has to hold 3 or 4 values"),
        ({"visits": 3}, "visits: give a list"),
        ({"events": [("relapse",)]}, "events: row 1 has to hold 2 values"),
        ({"treatments": "drug"}, "treatments: give a list"),
    ],
)
def test_rows_of_a_new_patient_that_are_none_are_refused(
    registry_like: Cohort, changes: dict[str, object], said: str
) -> None:
    arguments: dict[str, object] = {
        "subgroup": registry_like.subgroups[0], "covariates": {}, "day": 30,
    } | changes  # fmt: skip
    with pytest.raises(OptionError, match=said):
        new_patient(registry_like, **arguments)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def registry_like() -> Cohort:
    return tb.datasets.registry()


def test_a_centre_that_is_none_of_the_cohort_is_never_called_like_one(cohort: Cohort) -> None:
    named = replace(cohort, patients=cohort.patients.assign(centre=NEW_CENTRE))
    person = new_patient(named, subgroup="npm1", covariates={})
    assert set(person.centres).isdisjoint(named.centres)
