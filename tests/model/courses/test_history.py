"""Paths of hand-written records, and what has no place in the graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise, permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinbayes import disease, read_cohort
from twinbayes.cohort import Cohort
from twinbayes.errors import ModelError
from twinbayes.model import StateGraph, Transition
from twinbayes.model.courses.history import CENSORED, Histories, trace_histories
from twinbayes.model.courses.same_day import graph_order
from twinbayes.model.events.rows import rows_at_risk

TRANSPLANT = "allogeneic_transplant"
AML = disease("aml").graph


def told(histories: Histories, graph: StateGraph = AML) -> list[tuple[Any, ...]]:
    """Episodes as (state, start, stop, entry, phase of the transplant, what ended it)."""
    return [
        (
            e.state,
            e.start,
            e.stop,
            e.entry,
            dict(e.phases).get(TRANSPLANT, ""),
            "" if e.exit == CENSORED else graph.labels[e.exit],
        )
        for e in histories.episodes
    ]


def test_a_whole_course_is_followed_to_the_death(make_cohort: Callable[..., Cohort]) -> None:
    cohort = make_cohort(
        [("a", 30, "complete_remission"), ("a", 200, "relapse"), ("a", 260, "death")]
    )
    histories = trace_histories(AML, cohort)
    assert told(histories) == [
        ("induction", 0, 30, 0, "", "induction->remission"),
        ("remission", 30, 200, 30, "", "remission->relapse"),
        ("relapse", 200, 260, 200, "", "relapse->death_after_relapse"),
    ]
    (present,) = histories.present
    assert (present.state, present.day, present.entry) == ("death_after_relapse", 260, 260)
    assert histories.set_aside.empty


def test_a_transplant_on_the_day_of_remission_is_one_in_remission(
    make_cohort: Callable[..., Cohort],
) -> None:
    cohort = make_cohort(
        [("a", 40, "complete_remission"), ("a", 100, "last_contact")], [("a", 40, TRANSPLANT)]
    )
    histories = trace_histories(AML, cohort)
    assert told(histories) == [
        ("induction", 0, 40, 0, "", "induction->remission"),
        ("remission", 40, 40, 40, "", "remission->start:allogeneic_transplant"),
        ("remission", 40, 100, 40, "here_early", ""),
    ]
    assert histories.present[0].started == ((TRANSPLANT, 40, False),)


def test_a_remission_and_a_relapse_of_one_day_leave_a_moment_in_between(
    make_cohort: Callable[..., Cohort],
) -> None:
    cohort = make_cohort(
        [("a", 50, "complete_remission"), ("a", 50, "relapse"), ("a", 50, "death")]
    )
    histories = trace_histories(AML, cohort)
    assert [e[1:3] for e in told(histories)] == [(0, 50), (50, 50), (50, 50)]
    rows = rows_at_risk(AML, histories)
    fired = sorted(AML.labels[k] for k in rows.intensity[rows.is_event])
    assert fired == [
        "induction->remission", "relapse->death_after_relapse", "remission->relapse"
    ]  # fmt: skip


def test_the_early_phase_ends_to_the_tenth_of_a_day(make_cohort: Callable[..., Cohort]) -> None:
    cohort = make_cohort(
        [
            ("a", 20, "complete_remission"), ("a", 400, "last_contact"),
            ("b", 20, "complete_remission"), ("b", 210.1, "last_contact"),
            ("c", 20, "complete_remission"), ("c", 210.2, "relapse"), ("c", 300, "last_contact"),
        ],
        [("a", 30.1, TRANSPLANT), ("b", 30.1, TRANSPLANT), ("c", 30.1, TRANSPLANT)],
    )  # fmt: skip
    lines = told(trace_histories(AML, cohort))
    late = [(e[1], e[2]) for e in lines if e[4] == "here_late"]
    early = [(e[1], e[2]) for e in lines if e[4] == "here_early"]
    end = 30.1 + 180.0
    assert early == [(30.1, end), (30.1, 210.1), (30.1, end)]
    assert late == [(end, 400), (end, 210.2)]  # b is censored where the phase ends
    assert lines[-1] == ("relapse", 210.2, 300, 210.2, "earlier", "")


def test_a_transplant_in_relapse_acts_there_without_phases(
    make_cohort: Callable[..., Cohort],
) -> None:
    cohort = make_cohort(
        [("a", 20, "complete_remission"), ("a", 100, "relapse"), ("a", 900, "death")],
        [("a", 150, TRANSPLANT)],
    )
    graph = AML
    histories = trace_histories(graph, cohort)
    assert told(histories)[2:] == [
        ("relapse", 100, 150, 100, "", "relapse->start:allogeneic_transplant"),
        ("relapse", 150, 900, 100, "here", "relapse->death_after_relapse"),
    ]
    rows = rows_at_risk(graph, histories)
    relapse = rows.intensity == graph.labels.index("relapse->death_after_relapse")
    assert list(zip(rows.start[relapse], rows.stop[relapse], strict=True)) == [(0, 50), (50, 800)]
    acting = [rows.effects[r] for r in np.flatnonzero(relapse)]
    here = [e.label for e in graph.effects].index(
        "allogeneic_transplant:here on relapse->death_after_relapse"
    )
    # The relapse on day 100 also belongs to the first era of entry.
    era = len(graph.effects)
    assert acting == [(era,), (here, era)]


def test_who_has_been_treated_is_no_longer_at_risk_of_starting(
    make_cohort: Callable[..., Cohort],
) -> None:
    cohort = make_cohort([("a", 90, "last_contact")], [("a", 60, TRANSPLANT)])
    rows = rows_at_risk(AML, trace_histories(AML, cohort))
    start = rows.intensity == AML.labels.index("induction->start:allogeneic_transplant")
    assert list(zip(rows.start[start], rows.stop[start], strict=True)) == [(0, 60)]
    assert list(rows.is_event[start]) == [True]


def test_rows_without_a_place_are_listed_with_their_row_and_the_rest_is_used(
    make_cohort: Callable[..., Cohort],
) -> None:
    cohort = make_cohort(
        [
            ("a", 10, "relapse"),  # before any remission
            ("a", 30, "complete_remission"), ("a", 80, "last_contact"),
            ("b", 25, "complete_remission"), ("b", 60, "death"),
        ],
        [
            ("a", 35, "autologous_transplant"), ("a", 40, TRANSPLANT), ("a", 70, TRANSPLANT),
            ("b", 60, TRANSPLANT),  # on the day of death
        ],
    )  # fmt: skip
    histories = trace_histories(AML, cohort)
    listed = histories.set_aside
    assert list(listed.columns) == ["table", "row", "rule", "reason"]
    assert list(zip(listed["table"], listed["row"], strict=True)) == [
        ("events", 0), ("treatments", 2), ("treatments", 3)
    ]  # fmt: skip
    assert cohort.treatments is not None
    assert cohort.treatments["start_day"].iloc[2] == 70  # a row of the cohort's own table
    assert list(listed["rule"]) == [
        "event outside the graph", "treatment start outside the graph", "after an absorbing state"
    ]  # fmt: skip
    assert not listed["reason"].str.contains(r"\ba\b|\bb\b").any()
    used = [e for e in told(histories) if e[5]]
    assert len(used) == 4  # two remissions, one transplant, one death


def test_follow_up_ends_at_an_absorbing_state(make_cohort: Callable[..., Cohort]) -> None:
    graph = disease("hsct").graph
    cohort = make_cohort([("a", 30, "relapse"), ("a", 50, "platelet_recovery"), ("a", 99, "death")])
    histories = trace_histories(graph, cohort)
    assert [e[:3] for e in told(histories, graph)] == [("transplanted", 0, 30)]
    assert list(histories.set_aside["rule"]) == ["after an absorbing state"]
    assert histories.present[0].day == 30


def test_a_death_that_the_graph_does_not_model_censors_on_its_day(
    make_cohort: Callable[..., Cohort],
) -> None:
    graph = StateGraph(
        states=("well", "relapsed"),
        transitions=(Transition(source="well", target="relapsed", event="relapse"),),
    )
    histories = trace_histories(graph, make_cohort([("a", 70, "death")]))
    assert [(e.start, e.stop, e.exit) for e in histories.episodes] == [(0, 70, CENSORED)]
    assert list(histories.set_aside["reason"]) == ["death is no way out of state well"]


def test_a_graph_for_other_data_is_refused(make_cohort: Callable[..., Cohort]) -> None:
    cohort = make_cohort([("a", 30, "platelet_recovery"), ("a", 99, "death")])
    with pytest.raises(ModelError, match=r"'platelet_recovery' not known .*'relapse'"):
        trace_histories(AML, cohort)


@pytest.mark.parametrize("name", ["registry", "survival"])
def test_nobody_is_in_two_states_and_no_day_is_lost(
    name: str, registry: Cohort, make_cohort: Callable[..., Cohort]
) -> None:
    cohort = registry
    if name == "survival":
        last = registry.events.groupby("patient_id", sort=False).tail(1)
        cohort = make_cohort(list(last[["patient_id", "day", "event"]].itertuples(index=False)))
    graph = disease(name).graph
    histories = trace_histories(graph, cohort)
    followed = cohort.events.groupby("patient_id")["day"].max()
    for index, patient in enumerate(cohort.patient_ids):
        mine = [e for e in histories.episodes if e.patient == index]
        assert mine[0].start == 0
        assert mine[-1].stop == followed[patient] == histories.present[index].day
        assert all(a.stop == b.start for a, b in pairwise(mine))
    assert histories.set_aside.empty


@pytest.fixture(scope="module")
def amlsg(shared: Path) -> Cohort:
    return read_cohort(shared / "data" / "aml_amlsg" / "upstream", adapter="amlsg")


def test_events_of_the_aml_patients_equal_the_reference(amlsg: Cohort, reference: Any) -> None:
    value = {
        e["quantity"]: e["value"] for e in reference("multistate_amlsg_descriptive")["expected"]
    }
    histories = trace_histories(AML, amlsg)
    rows = rows_at_risk(AML, histories)
    counts = np.bincount(rows.intensity[rows.is_event], minlength=len(AML.labels))
    found = dict(zip(AML.labels, counts.tolist(), strict=True))
    assert amlsg.n_patients == value["patients"]
    assert found["induction->remission"] == value["with CR date"]
    assert found["induction->death_without_remission"] == value["deaths without CR, coding M"]
    assert found["remission->relapse"] == value["relapses after CR"]
    assert found["remission->death_in_remission"] == value["deaths in CR"]
    assert found["relapse->death_after_relapse"] == value["deaths after relapse, coding M"]
    # four relapses have no date of remission
    assert list(histories.set_aside["reason"]) == ["relapse is no way out of state induction"] * 4
    assert amlsg.treatments is not None
    given = (amlsg.treatments["treatment"] == TRANSPLANT).sum()
    assert sum(v for k, v in found.items() if "start:" in k) == given


@pytest.mark.parametrize("patients", [1, 3])
def test_events_of_one_day_are_followed_as_the_graph_allows_in_any_order_of_rows(
    patients: int, make_cohort: Callable[..., Cohort]
) -> None:
    kinds = ("complete_remission", "relapse", "death")
    for order in permutations(kinds):
        rows = [(f"p{i}", 50, kind) for i in range(patients) for kind in order]
        histories = trace_histories(AML, make_cohort(rows))
        assert [AML.labels[e.exit] for e in histories.episodes] == patients * [
            "induction->remission", "remission->relapse", "relapse->death_after_relapse"
        ]  # fmt: skip
        assert histories.set_aside.empty


def test_the_order_of_a_day_follows_from_the_state_before_it(
    make_cohort: Callable[..., Cohort],
) -> None:
    cycle = StateGraph(
        states=("well", "ill"),
        transitions=(
            Transition(source="well", target="ill", event="relapse"),
            Transition(source="ill", target="well", event="recovery"),
        ),
    )
    days = [("a", 10, "relapse"), ("a", 50, "recovery"), ("a", 50, "relapse")]
    for order in ([0, 1, 2], [0, 2, 1]):
        rows = [*(days[k] for k in order), ("a", 90, "last_contact")]
        lines = told(trace_histories(cycle, make_cohort(rows)), cycle)
        assert [(e[0], e[2]) for e in lines] == [
            ("well", 10), ("ill", 50), ("well", 50), ("ill", 90)
        ]  # fmt: skip


def test_events_of_one_day_that_the_graph_allows_in_two_orders_are_refused(
    make_cohort: Callable[..., Cohort],
) -> None:
    graph = disease("hsct").graph
    both = ["platelet_recovery", "adverse_event"]
    for order in (both, both[::-1]):
        rows = [(f"p{i}", 30, kind) for i in range(7) for kind in order]
        rows = [("o", 9, "relapse"), *rows, *((f"p{i}", 99, "death") for i in range(7))]
        rows.insert(1, ("o", 20, "last_contact"))
        with pytest.raises(ModelError, match=r"7 patient\(s\) .*adverse_event, platelet_rec") as e:
            trace_histories(graph, make_cohort(rows))
        assert "number in the cohort: 2, 3, 4, 5, 6, …" in str(e.value)
        assert "Date them apart, half a day" in str(e.value)
    apart = [("a", 30, both[0]), ("a", 30.5, both[1]), ("a", 99, "death")]
    assert told(trace_histories(graph, make_cohort(apart)), graph)[1][0] == "recovered"


def test_of_events_that_cannot_all_be_followed_as_many_as_can_are(
    make_cohort: Callable[..., Cohort],
) -> None:
    graph = disease("hsct").graph
    for order in permutations(["relapse", "platelet_recovery"]):
        rows = [*(("a", 30, kind) for kind in order), ("a", 60, "death")]
        histories = trace_histories(graph, make_cohort(rows))
        assert [e.state for e in histories.episodes] == ["transplanted", "recovered"]
        assert histories.set_aside.empty


@settings(max_examples=60, deadline=None)
@given(
    graph=st.lists(st.tuples(*[st.integers(0, 3)] * 2, st.integers(0, 4)), min_size=1, max_size=9),
    events=st.lists(st.integers(0, 5), min_size=1, max_size=5, unique=True),
)
def test_the_order_found_is_the_one_that_trying_all_finds(
    graph: list[tuple[int, int, int]], events: list[int]
) -> None:
    moves = {(str(source), str(event)): str(target) for source, target, event in graph}
    labels = {key: number for number, key in enumerate(sorted(moves))}

    def step(state: str, event: str) -> tuple[str, int | None, bool]:
        key = (state, event)
        return (moves[key], labels[key], True) if key in moves else (state, None, False)

    def path(order: Sequence[str]) -> tuple[int, ...]:
        state, fired = "0", []
        for event in order:
            state, exit_index, _ = step(state, event)
            fired += [] if exit_index is None else [exit_index]
        return tuple(fired)

    names = [str(event) for event in events]
    tried = {path(order) for order in permutations(names)}
    longest = {p for p in tried if len(p) == max(map(len, tried))}
    found = graph_order("0", names, step)
    if found is None:
        assert len(longest) > 1
    else:
        assert sorted(found) == list(range(len(names)))
        assert {path([names[k] for k in found])} == longest
        again = graph_order("0", names[::-1], step)
        assert again is not None
        assert [names[k] for k in found] == [names[::-1][k] for k in again]
