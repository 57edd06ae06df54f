import numpy as np
import pytest

from twinbayes.errors import CohortError
from twinbayes.estimators import (
    CountingProcess,
    competing_process,
    spread_same_day,
    survival_process,
)

STATES = ("a", "b", "c")


def process(rows: list[tuple[float, float, int, int, str]]) -> CountingProcess:
    start, stop, origin, target, label = map(np.array, zip(*rows, strict=True))
    return CountingProcess(start, stop, origin, target, STATES, label)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((1.0, 1.0, 0, 1, "p"), "1 rows have no length"),
        ((0.0, np.nan, 0, 1, "p"), "not finite"),
        ((0.0, 1.0, 0, 3, "p"), r"outside 0\.\.2"),
        ((0.0, 1.0, -1, 1, "p"), r"outside 0\.\.2"),
        ((0.0, 1.0, 1, 1, "p"), "into itself"),
    ],
)
def test_a_bad_row_is_refused_with_its_place_and_the_rule(
    row: tuple[float, float, int, int, str], message: str
) -> None:
    with pytest.raises(CohortError, match=message) as caught:
        process([(0.0, 1.0, 0, 1, "secret"), row])
    assert "first at row 1" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(CohortError, match="'to_state' has shape"):
        CountingProcess(np.zeros(2), np.ones(2), np.zeros(2), np.zeros(3), STATES)


def test_the_state_of_each_patient_is_known_while_observed_or_absorbed() -> None:
    rows = [
        (2.0, 5.0, 1, 2, "z"), (0.0, 2.0, 0, 1, "z"),  # ill at 2, dead at 5
        (0.0, 3.0, 0, -1, "a"),  # censored at 3
        (1.0, 2.0, 0, -1, "m"), (2.0, 9.0, 0, 1, "m"), (9.0, 9.5, 1, -1, "m"),  # late entry, split
    ]  # fmt: skip
    own = process(rows)
    assert own.patients.tolist() == ["z", "a", "m"]
    assert own.absorbing == ("c",)
    found = {day: own.state_at(day).tolist() for day in (0.0, 1.0, 2.0, 3.0, 5.0, 9.0, 9.5)}
    assert found == {
        0.0: [0, 0, -1], 1.0: [0, 0, 0], 2.0: [1, 0, 0], 3.0: [1, -1, 0],
        5.0: [2, -1, 0], 9.0: [2, -1, 1], 9.5: [2, -1, -1],
    }  # fmt: skip
    assert own.n_known([0.0, 1.0, 3.0, 9.5]).tolist() == [2, 3, 2, 1]
    ends = own.follow_up()
    assert ends.exit.tolist() == [5.0, 3.0, 9.5]
    assert ends.absorbed_in.tolist() == [2, -1, -1]


def test_patients_come_back_in_the_order_asked_for() -> None:
    own = process([(0.0, 1.0, 0, 2, "x"), (0.0, 2.0, 0, -1, "y"), (0.0, 3.0, 0, 1, "z")])
    chosen = own.of_patients(["z", "x"])
    assert chosen.patients.tolist() == ["z", "x"]
    assert chosen.stop.tolist() == [3.0, 1.0]
    with pytest.raises(CohortError, match="1 of 2 patients have no row"):
        own.of_patients(["x", "nobody"])


def test_what_is_absorbing_is_not_forgotten_in_a_small_selection() -> None:
    own = process([(0.0, 1.0, 0, 1, "x"), (1.0, 2.0, 1, 2, "x"), (0.0, 2.0, 0, 1, "y")])
    assert own.of_patients(["y"]).absorbing == ("c",)
    assert own.of_patients(["y"]).state_at(3.0).tolist() == [-1]


def test_a_landmark_drops_what_came_before_and_cuts_the_row_across_it() -> None:
    own = process([(0.0, 1.0, 0, 1, "x"), (1.0, 4.0, 1, 2, "x"), (0.0, 1.5, 0, 2, "y")]).since(2.0)
    assert own.patients.tolist() == ["x"]
    assert own.start.tolist() == [2.0]


def test_survival_and_competing_risks_are_processes_with_one_transient_state() -> None:
    alive = survival_process([1.0, 2.0], [True, False])
    assert alive.states == ("alive", "dead")
    assert alive.to_state.tolist() == [1, -1]
    risks = competing_process([1.0, 2.0, 3.0], [2, 0, 1], causes=("relapse", "death"))
    assert risks.states == ("event_free", "relapse", "death")
    assert risks.to_state.tolist() == [2, -1, 1]
    with pytest.raises(CohortError, match="Known: alive, dead"):
        alive.state("relapse")
    with pytest.raises(CohortError, match="outside"):
        alive.state(2)


def test_events_of_one_day_are_set_half_a_day_apart_and_push_what_follows() -> None:
    start = [0.0, 5.0, 5.0, 5.0, 0.0, 5.0]
    stop = [5.0, 5.0, 5.0, 9.0, 5.0, 5.2]
    begin, end = spread_same_day(start, stop, ["a", "a", "a", "a", "b", "b"])
    assert begin.tolist() == [0.0, 5.0, 5.5, 6.0, 0.0, 5.0]
    assert end.tolist() == [5.0, 5.5, 6.0, 9.0, 5.0, 5.2]
    assert start == [0.0, 5.0, 5.0, 5.0, 0.0, 5.0]
