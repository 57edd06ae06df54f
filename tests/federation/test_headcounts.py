"""What fewer than a minimum of patients stand behind is joined with others, or held back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import twinbayes as tb
from federation_attacks import View
from federation_study import Told, network
from twinbayes.federation.agreement.headcounts import (
    Counted,
    behind,
    joined_cells,
    too_few,
    with_company,
)
from twinbayes.federation.joint.compensator import Expansion
from twinbayes.federation.joint.crude import Counts
from twinbayes.federation.likelihood.coordinates import Coordinates
from twinbayes.federation.message import unpacked
from twinbayes.model.assemble import assemble_population
from twinbayes.model.events.crude import Crude
from twinbayes.names import SUBGROUP_EFFECT, TREATMENT_SUBGROUP_EFFECT


@given(st.lists(st.integers(0, 12), min_size=1, max_size=8), st.integers(1, 8))
def test_no_difference_is_of_fewer_patients_than_the_minimum(counts: list[int], least: int) -> None:
    patients = np.array(counts, dtype=float)
    held = with_company(patients, patients < least, least)
    assert held[patients < least].all()
    together = patients[held].sum()
    assert together == 0 or together >= least or held.all()


def test_cells_of_few_are_counted_with_the_largest_of_their_window() -> None:
    at_risk = np.array([[[10.0, 8.0, 1.0], [9.0, 6.0, 7.0]]])
    rng = np.random.default_rng(0)
    spread = (np.zeros((2, 2)),)
    given_numbers = Expansion(
        point=np.zeros(2), spread=spread, value=0.0, score=np.zeros(2), moment=np.zeros(2),
        expected=rng.random((1, 6)), slope=(rng.random((6, 2)),), information=spread,
    )  # fmt: skip
    joined = joined_cells(given_numbers, at_risk, 5)
    assert joined.expected[0, 2] == 0.0
    assert (joined.slope[0][2] == 0.0).all()
    assert joined.expected[0, 5] == given_numbers.expected[0, [2, 5]].sum()
    np.testing.assert_array_equal(joined.slope[0][5], given_numbers.slope[0][[2, 5]].sum(axis=0))
    untouched = [0, 1, 3, 4]
    np.testing.assert_array_equal(
        joined.expected[0, untouched], given_numbers.expected[0, untouched]
    )
    np.testing.assert_array_equal(
        joined_cells(given_numbers, at_risk, 1).expected, given_numbers.expected
    )


def test_patients_at_risk_are_those_who_are_followed_up_as_long(early: Told) -> None:
    view, together = View(early), pd.concat(list(network().values()))
    body = early.question("expansion").body
    edges, subgroups = view.learnt.edges[0], view.learnt.encoding.subgroups
    found = unpacked(body["behind"], None)[: len(subgroups) * (len(edges) - 1)]
    expected = [
        ((together.subgroup == g) & (together.days > low)).sum()
        for g in subgroups
        for low in edges[:-1]
    ]
    np.testing.assert_array_equal(found, expected)


def test_effects_of_treatments_of_few_are_held_back() -> None:
    cohort = tb.datasets.simulated_registry()
    spec = replace(tb.disease("registry"), trajectories=None, associations=())
    plan = spec.plan(cohort)
    crude, subgroups = Crude(plan.events), plan.learnt.encoding.subgroups
    counts = Counts(crude.events, crude.days, len(subgroups))
    priors = tb.load_priors("registry")
    model = assemble_population(spec, plan.learnt, priors, counts)
    coordinates = Coordinates.of(spec, plan.learnt, model)
    acting = behind(plan.events, coordinates, cohort)[-coordinates.size :]
    place = coordinates.places[TREATMENT_SUBGROUP_EFFECT]
    treated = cohort.treatments.query("treatment == 'allogeneic_transplant'").patient_id.unique()
    patients = cohort.patients
    most = patients[patients.patient_id.isin(treated)].groupby("subgroup").size()
    by_effect = acting[place].reshape(-1, len(subgroups))
    for k, subgroup in enumerate(subgroups):
        assert by_effect[:, k].max() <= most.get(subgroup, 0)
        assert by_effect[:, k].max() > 0.5 * most.get(subgroup, 0)
    sizes = np.array([(patients.subgroup == g).sum() for g in subgroups], dtype=float)
    counted = Counted(float(len(patients)), sizes, {}, {}, {}, np.zeros(0), np.zeros(0))
    held = too_few(coordinates, counted, acting, 5)
    thin = np.flatnonzero((acting < 5) & (np.arange(coordinates.size) >= place.start))
    assert set(thin[thin < place.stop]) <= set(held)
    rare = coordinates.by_column(SUBGROUP_EFFECT)[:, sizes < 5].ravel()
    assert set(rare) <= set(held)


@pytest.mark.parametrize("minimum", [0, 5])
def test_nothing_is_held_back_of_what_many_have(minimum: int, early: Told) -> None:
    view = View(early)
    counted = Counted(120.0, np.array([60.0, 60.0]), {}, {}, {}, np.array([70.0]), np.zeros(0))
    assert len(too_few(view.coordinates, counted, np.zeros(view.coordinates.size), minimum)) == 0


def test_the_posterior_names_what_no_site_tells(whole: Told) -> None:
    assert whole.posterior is not None
    coordinates, told = View(whole).coordinates, whole.posterior.manifest["federation"]
    assert told["held_back"] == []
    counted = Counted(24.0, np.array([20.0, 4.0]), {}, {}, {}, np.array([20.0]), np.zeros(0))
    held = too_few(coordinates, counted, np.zeros(coordinates.size), 5)
    assert {coordinates.labels[k] for k in held} == {
        f"subgroup_effect[alive->dead, {g}]" for g in ("one", "two")
    }
