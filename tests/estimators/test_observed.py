from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from twinbayes.checks import hazard_slope
from twinbayes.errors import CohortError, OptionError
from twinbayes.estimators import (
    CountingProcess,
    aalen_johansen,
    competing_process,
    kaplan_meier,
    pseudo_values,
    restricted_mean_time,
    reverse_kaplan_meier,
    survival_process,
)

type Reader = Callable[[npt.ArrayLike, npt.ArrayLike], object]


def _slope(time: npt.ArrayLike, event: npt.ArrayLike) -> object:
    return hazard_slope(time, event, [0.2, 0.4, 0.6, 0.5], 8.0)


READERS: dict[str, Reader] = {
    "kaplan_meier": kaplan_meier,
    "reverse_kaplan_meier": reverse_kaplan_meier,
    "survival_process": survival_process,
    "hazard_slope": _slope,
}
TIME = [2.0, 3.0, 5.0, 8.0]
EVENT = [1, 0, 1, 0]


@pytest.mark.parametrize("reader", READERS.values(), ids=list(READERS))
@pytest.mark.parametrize(
    "event",
    [
        [1, 2, 1, 2],
        [1.0, np.nan, 1.0, 0.0],
        [1, -1, 1, 0],
        ["1", "0", "1", "0"],
        [1.7, 0.0, 1.0, 0.0],
        np.array(["dead", "", "dead", ""], dtype=object),
        [True, None, True, False],
        pd.array([1, None, 1, 0], dtype="Int64"),
        np.ma.array([1, 0, 1, 0], mask=[0, 1, 0, 0]),
        np.array([1, 0, 1, 0], dtype="timedelta64[D]"),
        [1j, 0, 1, 0],
    ],
    ids=str,
)
def test_an_event_that_is_neither_one_nor_zero_is_refused(reader: Reader, event: Any) -> None:
    with pytest.raises(CohortError, match=r"neither 0 nor 1 in|'event' that is neither 0 nor 1"):
        reader(TIME, event)


@pytest.mark.parametrize("reader", READERS.values(), ids=list(READERS))
@pytest.mark.parametrize(
    "time",
    [
        [2.0, -3.0, 5.0, 8.0],
        [2.0, np.nan, 5.0, 8.0],
        [2.0, np.inf, 5.0, 8.0],
        ["2", "3", "5", "8"],
        [True, True, False, True],
        [2.0, None, 5.0, 8.0],
        np.array(["2020-01-01"] * 4, dtype="datetime64[D]"),
        np.array([1, 2, 3, 4], dtype="timedelta64[D]"),
        np.ma.array(TIME, mask=[0, 1, 0, 0]),
    ],
    ids=str,
)
def test_a_time_that_is_no_day_is_refused(reader: Reader, time: Any) -> None:
    with pytest.raises(CohortError, match="'time'"):
        reader(time, EVENT)


@pytest.mark.parametrize("reader", READERS.values(), ids=list(READERS))
def test_true_and_false_are_one_and_zero_of_whatever_type(reader: Reader) -> None:
    for event in (
        [True, False, True, False],
        np.array([1.0, 0.0, 1.0, 0.0]),
        np.array([True, False, 1, 0], dtype=object),
        pd.Series([True, False, True, False], dtype="boolean"),
        pd.Series(EVENT, dtype="Int64"),
    ):
        assert str(reader(TIME, event)) == str(reader(TIME, EVENT))


@pytest.mark.parametrize(
    "entry", [[0.0, 3.0, 0.0, 0.0], [0, 4, 0, 0], [0, np.nan, 0, 0], [0, -9, 0, 0], ["0"] * 4]
)
def test_an_entry_that_is_not_before_the_end_is_refused(entry: Any) -> None:
    for reader in (kaplan_meier, reverse_kaplan_meier, survival_process):
        with pytest.raises(CohortError, match="entry"):
            reader(TIME, EVENT, entry=entry)
    with pytest.raises(CohortError, match="entry"):
        competing_process(TIME, EVENT, causes=["a"], entry=entry)


@pytest.mark.parametrize(
    "cause", [[1, 0, 3, 0], [1, 0, -1, 0], [1, 0, 1.7, 0], [1, 0, np.nan, 0], ["1", "0", "2", "0"]]
)
def test_a_cause_that_is_none_is_refused(cause: Any) -> None:
    with pytest.raises(CohortError, match="'cause'"):
        competing_process(TIME, cause, causes=["a", "b"])


@pytest.mark.parametrize("codes", [[0, 1.5], [0, np.nan], ["0", "1"], [True, False]])
def test_a_state_that_is_no_whole_number_is_refused(codes: Any) -> None:
    with pytest.raises(CohortError, match="'from_state'"):
        CountingProcess([0, 0], [1, 1], codes, [-1, -1], ("a", "b", "c"))
    with pytest.raises(CohortError, match="have no patient"):
        CountingProcess([0, 0], [1, 1], [0, 0], [1, 1], ("a", "b"), np.array(["x", None]))


def _of_process(ask: Callable[[CountingProcess, Any], object]) -> Callable[[Any], object]:
    return lambda day: ask(survival_process([100.0, 400.0], [1, 0]), day)


ANSWERS: dict[str, Callable[[Any], object]] = {
    "restricted mean": lambda day: kaplan_meier([100.0, 400.0], [1, 0]).restricted_mean(day),
    "survival": lambda day: kaplan_meier([100.0, 400.0], [1, 0]).table([day]),
    "median follow-up": lambda day: reverse_kaplan_meier([100.0, 400.0], [0, 1]).table([day]),
    "occupation": _of_process(lambda p, day: aalen_johansen(p).at([day])),
    "occupation, in a table": _of_process(lambda p, day: aalen_johansen(p).dataset([day])),
    "mean times": _of_process(restricted_mean_time),
    "pseudo-values": _of_process(pseudo_values),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=list(ANSWERS))
def test_a_day_of_which_nothing_is_known_is_refused(answer: Callable[[Any], object]) -> None:
    answer(400.0)
    with pytest.raises(OptionError, match=r"nobody was followed until day 2000; .* is 400"):
        answer(2000.0)
    for day in (-5.0, np.nan, np.inf, "400"):
        with pytest.raises(OptionError):
            answer(day)


def test_where_all_have_died_every_later_day_is_known() -> None:
    # Deaths on days 100 and 400; one of three lost on day 200, who cannot have outlived both.
    time, event = [100.0, 200.0, 400.0], [1, 0, 1]
    curve = kaplan_meier(time, event)
    assert curve.at([2000.0]) == pytest.approx([0.0])
    wanted = 100.0 + 300.0 * 2 / 3
    assert curve.restricted_mean(2000.0)[0] == pytest.approx(wanted)
    process = survival_process(time, event)
    assert aalen_johansen(process).at([2000.0])[0] == pytest.approx([0.0, 1.0])
    times = restricted_mean_time(process, 2000.0)["restricted_mean_time"]
    assert times.to_numpy() == pytest.approx([wanted, 2000.0 - wanted])
    assert pseudo_values(process, 2000.0).mean(axis=0) == pytest.approx([0.0, 1.0])


def test_a_number_without_end_and_masked_text_are_refused_with_their_place() -> None:
    with pytest.raises(CohortError, match="'time' has a number that is too large"):
        kaplan_meier([1, 10**400], [1, 0])
    with pytest.raises(CohortError, match="1 rows have an 'event' that is neither"):
        kaplan_meier([1, 2], [1, 10**400])
    with pytest.raises(CohortError, match="2 rows have a 'time' that is no number"):
        kaplan_meier(np.ma.array(["1", "2"], mask=[1, 0]), [1, 0])
