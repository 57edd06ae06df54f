from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from twinbayes.errors import CohortError, OptionError
from twinbayes.estimators import CountingProcess, aalen_johansen, survival_process

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


def test_rows_of_one_patient_may_touch_but_not_overlap() -> None:
    # Two patients, one of them in two overlapping rows: counted twice, 1 of 3 would have moved.
    with pytest.raises(CohortError, match="1 rows begin before another row of the same patient"):
        CountingProcess([0, 0, 0], [5, 5, 3], [0, 0, 0], [-1, -1, 1], ("a", "b"), patient=[1, 1, 2])
    with pytest.raises(CohortError, match="first at row 0") as caught:
        process([(4.0, 9.0, 0, 1, "secret"), (0.0, 1.0, 0, 1, "x"), (0.0, 5.0, 1, -1, "secret")])
    assert "secret" not in str(caught.value)
    once = process([(0.0, 5.0, 0, -1, "x"), (0.0, 3.0, 0, 1, "y"), (5.0, 6.0, 0, -1, "x")])
    assert aalen_johansen(once).at([4.0])[0] == pytest.approx([1 / 2, 1 / 2, 0])
    apart = process([(2.0, 3.0, 0, -1, "x"), (0.0, 1.0, 0, -1, "x")])  # unseen in between
    assert apart.state_at(1.5).tolist() == [-1]


@pytest.mark.parametrize(
    ("states", "absorbing", "message"),
    [
        (("a", "a"), None, "'states' has 'a' more than once"),
        (("a", 1), None, "'states' must be texts in a row"),
        ("ab", None, "'states' must be texts in a row"),
        (None, None, "'states' must be texts in a row"),
        (("a", "b"), ("zz",), "unknown state 'zz'. Known: a, b"),
        (("a", "b"), ("b", "b"), "'absorbing' has 'b' more than once"),
        (("a", "b"), "b", "'absorbing' must be texts in a row"),
        (("a", "b"), ("a",), "2 rows are at risk in an absorbing state, first at row 0"),
    ],
)
def test_names_of_states_are_texts_that_differ(states: Any, absorbing: Any, message: str) -> None:
    with pytest.raises(CohortError, match=message):
        CountingProcess([0, 0], [1, 1], [0, 0], [-1, -1], states, absorbing=absorbing)


def test_labels_of_patients_are_kept_as_they_are() -> None:
    for labels in (["x", 1, "1"], np.array(["x", 1, "1"], dtype=object)):
        own = CountingProcess([0, 0, 0], [1, 2, 3], [0] * 3, [1, -1, 1], ("a", "b"), labels)
        assert own.patients.tolist() == ["x", 1, "1"]
        assert own.follow_up().exit.tolist() == [1, 2, 3]
        assert own.of_patients(["1", 1]).stop.tolist() == [3, 2]
    with pytest.raises(CohortError, match="1 rows have no patient, first at row 1"):
        CountingProcess([0, 0], [1, 2], [0] * 2, [1, -1], ("a", "b"), ["x", np.nan])


def test_a_process_of_nobody_answers_without_a_number_that_it_does_not_have() -> None:
    nobody = process([(0.0, 1.0, 0, 1, "x")]).since(2.0)
    assert nobody.n_rows == 0
    assert nobody.patients.size == nobody.state_at(3.0).size == 0
    assert nobody.n_known([0.0, 3.0]).tolist() == [0, 0]
    with pytest.raises(CohortError, match="there is no row"):
        aalen_johansen(nobody, initial="a")


ASKED: dict[str, tuple[Callable[[CountingProcess, Any], object], type[Exception]]] = {
    "since": (CountingProcess.since, OptionError),
    "present": (CountingProcess.present, OptionError),
    "state_at": (CountingProcess.state_at, OptionError),
    "n_known": (CountingProcess.n_known, OptionError),
    "select": (CountingProcess.select, OptionError),
    "state": (CountingProcess.state, CohortError),
    "of_patients": (CountingProcess.of_patients, CohortError),
}


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("value", ["x", None, [["x"]], [[1], [1, 2]], {}, 1j, np.nan], ids=str)
def test_what_is_asked_of_a_process_is_refused_if_it_is_no_answerable_thing(
    name: str, value: Any
) -> None:
    ask, error = ASKED[name]
    with pytest.raises(error):
        ask(survival_process([1.0, 2.0], [1, 0]), value)


@pytest.mark.parametrize("code", [np.inf, -np.inf, 1e300, -1e300, 7])
def test_an_index_of_no_state_is_refused_whatever_its_size(code: float) -> None:
    with pytest.raises(CohortError, match=r"outside 0\.\.1|no whole number"):
        CountingProcess([0.0], [1.0], [0], [code], ("a", "b"))
