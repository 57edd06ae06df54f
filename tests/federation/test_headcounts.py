"""What fewer than a minimum of patients stand behind is joined with others, or held back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import twinbayes as tb
from federation_attacks import View
from federation_study import SITES, Told, before, cohort_of, driven, network, spec_of
from twinbayes.federation import Study, next_step
from twinbayes.federation.agreement.headcounts import (
    Counted,
    behind,
    joined_cells,
    too_few,
    with_company,
)
from twinbayes.federation.joint.compensator import Expansion
from twinbayes.federation.joint.crude import Counts
from twinbayes.federation.joint.estimation import FromExpansions
from twinbayes.federation.likelihood.coordinates import Coordinates
from twinbayes.federation.message import unpacked
from twinbayes.federation.study import MINIMUM, learnt_from_dict
from twinbayes.model import TimeVarying
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


def test_the_posterior_names_nothing_where_all_is_told(whole: Told) -> None:
    assert whole.posterior is not None
    assert whole.posterior.manifest["federation"]["held_back"] == []


@dataclass(frozen=True)
class Ended:
    """A posterior without draws."""

    manifest: Mapping[str, Any] = field(default_factory=lambda: {"federation": {}})
    verdict: Any = field(default_factory=lambda: SimpleNamespace(banner=lambda: "usable"))


def test_the_posterior_names_what_no_site_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of small sites, by the default minimum: counted in their tables, whatever is drawn."""
    tables = network(12)
    for site, subgroup in zip(SITES, ("rare", "rare", "rare", "two"), strict=True):
        tables[site].loc[0, "subgroup"] = subgroup
    onset = TimeVarying(of="mark", on="alive->dead")
    spec = spec_of("age_years", "mark")
    spec = replace(spec, events=replace(spec.events, time_varying=(onset,)))
    study = Study(spec, SITES, draws=400)
    cohorts = {site: cohort_of(table) for site, table in tables.items()}
    told = driven(study, cohorts, tmp_path, before("expansion"))
    # The end at once: what is held back is known when patients have been counted.
    monkeypatch.setattr(FromExpansions, "following", lambda _: None)
    monkeypatch.setattr(FromExpansions, "posterior", lambda *_: Ended())
    posterior = next_step(study, told.messages, tmp_path).posterior
    assert posterior is not None

    together = pd.concat(list(tables.values()))
    sizes = together["subgroup"].value_counts().sort_values()
    assert sizes.iloc[0] == 3
    held = [f"subgroup_effect[alive->dead, {g}]" for g in sizes.index[:2]]  # 3, and company
    (edges,) = learnt_from_dict(told.question("moments").body["learnt"]).edges
    expected = set()
    for low in edges[:-1]:
        marked = together[together["mark"].eq(1.0) & (together["days"] > low)]
        few = {g for g in sizes.index if marked["subgroup"].eq(g).sum() < MINIMUM}
        expected |= {(f"{low:g}", g) for g in few}
    assert 0 < len(expected) < 3 * (len(edges) - 1)
    found = posterior.manifest["federation"]["held_back"]
    assert [x for x in found if x.startswith("subgroup_effect")] == sorted(held)
    windows = [x for x in found if x.startswith("time_varying_effect[mark on alive->dead, day ")]
    assert len(found) == len(held) + len(windows)
    named = [re.findall(r"day ([0-9.]+).*, (\w+)\]$", x)[0] for x in windows]
    assert len(named) == len(expected)
    assert set(named) == expected
