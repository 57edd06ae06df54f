from typing import Any

import numpy as np
import pytest

from twinbayes.errors import CohortError, OptionError
from twinbayes.estimators import (
    aalen_johansen,
    competing_process,
    spread_same_day,
    survival_process,
)


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


@pytest.mark.parametrize(
    ("causes", "message"),
    [
        (("event_free", "b"), "'event_free', the state of those to whom nothing has happened"),
        (("a", "a"), "'causes' has 'a' more than once"),
        (("a", 2), "'causes' must be texts in a row"),
        ("ab", "'causes' must be texts in a row"),
        (None, "'causes' must be texts in a row"),
    ],
)
def test_causes_are_texts_that_differ_and_none_is_to_be_free_of_events(
    causes: Any, message: str
) -> None:
    with pytest.raises(CohortError, match=message):
        competing_process([1, 2, 3, 4], [1, 2, 1, 0], causes=causes)


def test_with_somebody_event_free_at_the_end_nothing_is_known_later() -> None:
    found = aalen_johansen(competing_process([1, 2, 3, 4], [1, 2, 1, 0], causes=("a", "b")))
    assert found.known_until == 4.0
    assert found.at([4.0])[0] == pytest.approx([1 / 4, 1 / 2, 1 / 4])


def test_events_of_one_day_are_set_half_a_day_apart_and_push_what_follows() -> None:
    start = [0.0, 5.0, 5.0, 5.0, 0.0, 5.0]
    stop = [5.0, 5.0, 5.0, 9.0, 5.0, 5.2]
    begin, end = spread_same_day(start, stop, ["a", "a", "a", "a", "b", "b"])
    assert begin.tolist() == [0.0, 5.0, 5.5, 6.0, 0.0, 5.0]
    assert end.tolist() == [5.0, 5.5, 6.0, 9.0, 5.0, 5.2]
    assert start == [0.0, 5.0, 5.0, 5.0, 0.0, 5.0]


def test_arrays_that_are_given_are_left_as_they_were() -> None:
    start, stop = np.array([0.0, 5.0, 5.0]), np.array([5.0, 5.0, 9.0])
    begin, end = spread_same_day(start, stop, ["a", "a", "a"])
    assert (begin.tolist(), end.tolist()) == ([0.0, 5.0, 5.5], [5.0, 5.5, 9.0])
    assert (start.tolist(), stop.tolist()) == ([0.0, 5.0, 5.0], [5.0, 5.0, 9.0])


@pytest.mark.parametrize("gap", [-1, 0, np.nan, np.inf, "x", None, True, 10**400])
def test_a_gap_is_a_length(gap: Any) -> None:
    with pytest.raises(OptionError, match="gap must be a number of days above 0"):
        spread_same_day([0, 1], [1, 1], [1, 1], gap=gap)


@pytest.mark.parametrize(
    ("start", "stop", "patient", "message"),
    [
        ([0, 1, 2], [1, 1], [1, 1], "shapes differ"),
        ([[0, 1]], [[1, 1]], [1, 1], "shapes differ"),
        ([0, np.nan], [1, 1], ["secret", "b"], "1 rows have a time that is not finite"),
        ([0, 1], [1, np.inf], ["secret", "b"], "first at row 1"),
        ([5, 1], [3, 1], ["secret", "b"], "1 rows end before they begin"),
        ([0, 0, 1], [1, 1, 2], ["secret", "b", "secret"], "apart from those of the same patient"),
        ([5, 0], [9, 5], ["secret", "secret"], "begin before the row above"),
        ([0, 3], [5, 9], ["secret", "secret"], "begin before the row above"),
        ([0, 3], [5, 9], ["secret", None], "have no patient"),
        (["0", "3"], [5, 9], ["secret", "b"], "'start'"),
    ],
)
def test_rows_that_are_in_no_order_are_refused_and_not_moved(
    start: Any, stop: Any, patient: Any, message: str
) -> None:
    with pytest.raises(CohortError, match=message) as caught:
        spread_same_day(start, stop, patient)
    assert "secret" not in str(caught.value)
