"""The truth of the simulated registry, against closed forms and against the model's own rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from twinbayes import datasets
from twinbayes.cohort import Cohort
from twinbayes.datasets.simulated.paths import STATES, Intensity
from twinbayes.datasets.simulated.simulate import simulate_registry
from twinbayes.datasets.simulated.truth import RegistryTruth
from twinbayes.diseases import disease
from twinbayes.errors import CohortError
from twinbayes.model.courses.history import trace_histories
from twinbayes.model.events.rows import RowTable, rows_at_risk

Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def truth() -> RegistryTruth:
    return datasets.registry_truth()


def cumulative(intensity: Intensity) -> Callable[[Floats], Floats]:
    """Cumulative baseline hazard at times on the clock, written out by integration of steps."""
    edges = np.append(intensity.edges, 1e5)
    hazard = np.exp(intensity.log_hazard)
    knots = np.concatenate([[0.0], np.cumsum(hazard * np.diff(edges))])
    return lambda time: np.interp(time, edges, knots)


def test_effects_of_subgroups_centres_and_deviations_sum_to_zero(truth: RegistryTruth) -> None:
    for table in (truth.subgroup_effect, truth.centre_effect, truth.treatment_deviation):
        np.testing.assert_allclose(table.sum(axis=1), 0, atol=1e-9)
    total = truth.treatment_subgroup_effect
    np.testing.assert_allclose(total.mean(axis=1), list(truth.treatment_effect.values()))


def test_the_registry_model_has_the_labels_of_the_truth(truth: RegistryTruth) -> None:
    graph = disease("registry").graph
    assert graph.labels == truth.transitions
    assert graph.states == STATES
    assert {effect.label for effect in graph.effects} == set(truth.treatment_effect)
    clocks = {i.label: i.clock for i in truth.intensities}
    assert {i.label: i.clock for i in graph.intensities} == clocks
    (treatment,) = graph.treatments
    assert treatment.early_days == truth.early_days


def test_state_occupation_of_like_patients_without_transplant_is_the_closed_form(
    truth: RegistryTruth,
) -> None:
    alike = replace(
        truth,
        beta=truth.beta * 0,
        subgroup_effect=truth.subgroup_effect * 0,
        centre_effect=truth.centre_effect * 0,
    )
    h = {i.label: cumulative(i) for i in truth.intensities}
    days = np.arange(0, 2001.0)

    def stay(*labels: str) -> Floats:
        return np.exp(-np.sum([h[label](days) for label in labels], axis=0))

    induction = stay("induction->remission", "induction->death_without_remission")
    # Probability of entering a state within each day, at the day's middle.
    entry = (induction[:-1] + induction[1:]) / 2 * np.diff(h["induction->remission"](days))
    leave = stay("remission->relapse", "remission->death_in_remission")
    remission = leave[1:] * np.cumsum(entry * 2 / (leave[:-1] + leave[1:]))
    remission = np.concatenate([[0.0], remission])
    into = (remission[:-1] + remission[1:]) / 2 * np.diff(h["remission->relapse"](days))
    survive = stay("relapse->death_after_relapse")
    relapse = np.concatenate([[0.0], np.convolve(into, (survive[:-1] + survive[1:]) / 2)[:2000]])

    times = [40, 100, 400, 1000, 2000]
    n = 100_000
    simulated = alike.state_occupation(times, transplant=False, n=n, seed=3)
    for state, exact in (("induction", induction), ("remission", remission), ("relapse", relapse)):
        p = exact[times]
        # four standard errors, and what the daily grid of the check leaves
        assert (abs(simulated[state] - p) < 4 * np.sqrt(p * (1 - p) / n) + 5e-4).all(), state
    np.testing.assert_allclose(simulated.sum(axis=1), 1)


@pytest.fixture(scope="module")
def traced(truth: RegistryTruth) -> tuple[Cohort, RowTable, Floats]:
    """A large complete registry, its rows at risk by the model, and each row's expected events."""
    cohort, _ = simulate_registry(seed=100, n_patients=6000, complete=True, visits=False)
    graph = disease("registry").graph
    rows = rows_at_risk(graph, trace_histories(graph, cohort))
    assert cohort.genomics is not None
    people = cohort.patients.merge(cohort.genomics, on="patient_id")
    ratios = truth.log_hazard_ratio(people)
    subgroup = people["subgroup"].to_numpy()
    effects = [
        truth.treatment_subgroup_effect.loc[e.label].reindex(subgroup).to_numpy()
        for e in graph.effects
    ]
    effects += [np.zeros(len(people)) for _ in graph.entry_eras]  # the truth knows no eras
    expected = np.zeros(len(rows.patient))
    for k, intensity in enumerate(truth.intensities):
        mine = rows.intensity == k
        who = rows.patient[mine]
        hazard = cumulative(intensity)
        score = ratios[intensity.label][who] + np.array(
            [
                sum(effects[e][i] for e in acting)
                for i, acting in zip(who, np.array(rows.effects, dtype=object)[mine], strict=True)
            ]
        )
        expected[mine] = (hazard(rows.stop[mine]) - hazard(rows.start[mine])) * np.exp(score)
    return cohort, rows, expected


def standardised_surplus(events: Floats, expected: Floats) -> float:
    """Observed minus expected events, in standard deviations of a counting process."""
    assert expected.sum() > 2
    return float((events.sum() - expected.sum()) / np.sqrt(expected.sum()))


def test_events_are_as_many_as_the_truth_expects_on_every_intensity_and_phase(
    traced: tuple[Cohort, RowTable, Floats],
) -> None:
    _, rows, expected = traced
    graph = disease("registry").graph
    for k, label in enumerate(graph.labels):
        mine = rows.intensity == k
        assert abs(standardised_surplus(rows.is_event[mine], expected[mine])) < 3.5, label
    for k, effect in enumerate(graph.effects):
        mine = np.array([k in acting for acting in rows.effects])
        assert abs(standardised_surplus(rows.is_event[mine], expected[mine])) < 3.5, effect.label


def test_events_are_as_many_as_expected_in_every_subgroup_and_centre(
    traced: tuple[Cohort, RowTable, Floats],
) -> None:
    cohort, rows, expected = traced
    for column in ("subgroup", "centre"):
        place = cohort.patients[column].to_numpy()[rows.patient]
        for name in np.unique(place):
            for k in range(8):
                mine = (place == name) & (rows.intensity == k)
                assert abs(standardised_surplus(rows.is_event[mine], expected[mine])) < 4, name


def test_the_score_of_every_covariate_vanishes_at_the_truth(
    traced: tuple[Cohort, RowTable, Floats], truth: RegistryTruth
) -> None:
    cohort, rows, expected = traced
    table = cohort.covariates()
    surplus = rows.is_event - expected
    for covariate in truth.covariates:
        x = covariate.transformed(table[covariate.source])
        x = ((x - x.mean()) / x.std())[rows.patient]
        for k in range(8):
            mine = rows.intensity == k
            score = (x * surplus)[mine].sum() / np.sqrt((x**2 * expected)[mine].sum())
            assert abs(score) < 4.5, (covariate.label, k)


def test_the_transplant_helps_and_helps_some_entities_more(truth: RegistryTruth) -> None:
    gains = {}
    for subgroup in ("mixed_phenotype", "acute_erythroid"):
        alive = [
            truth.state_occupation(
                [1826.0], subgroup=subgroup, transplant=given, n=20_000, seed=1
            ).iloc[0, :3].sum()
            for given in (True, False)
        ]  # fmt: skip
        gains[subgroup] = alive[0] - alive[1]
    assert gains["mixed_phenotype"] > gains["acute_erythroid"] + 0.05


def test_occupation_refuses_a_subgroup_that_does_not_exist(truth: RegistryTruth) -> None:
    with pytest.raises(CohortError, match=r"Unknown subgroup 'flu'\. Known: 'mixed_phenotype'"):
        truth.state_occupation([1.0], subgroup="flu")


def test_beta_is_rescaled_to_the_units_of_a_model_of_the_cohort(truth: RegistryTruth) -> None:
    cohort = datasets.registry()
    scaled = truth.standardised_beta(cohort)
    table, event = cohort.covariates(), "induction->death_without_remission"
    age = table["age_years"].std(ddof=0)
    assert scaled.loc["age_years", event] == pytest.approx(0.35 * age / 10)
    wbc = np.log(table["wbc_g_l"]).std(ddof=0)
    assert scaled.loc["log_wbc_g_l", event] == pytest.approx(0.15 * wbc)
    assert scaled.loc["TP53", event] == pytest.approx(0.20)
    # The dictionary declares "female|male": a model has a column for men.
    assert scaled.loc["sex=male", event] == pytest.approx(0.05)
    assert "sex=female" not in scaled.index
    assert list(scaled.columns) == list(truth.transitions)
