"""How many recorded starts of each treatment a model uses, and nothing of a few patients."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest

from twinbayes.cohort.quality.suppression import HIDDEN, part_words
from twinbayes.report.reviewer.fit import starts_used

LATE, TWICE, OTHER = "drug cannot start in ill", "drug has already started", "other cannot start"


def told(recorded: dict[str, int], aside: list[tuple[str, int]]) -> list[tuple[Any, ...]]:
    """Starts in blocks of one treatment; `aside`: why, and how many of its first are not used."""
    given = [name for name, n in recorded.items() for _ in range(n)]
    rows, taken = [], dict.fromkeys(recorded, 0)
    for reason, n in aside:
        name = reason.split()[0]
        first = given.index(name) + taken[name]
        rows += [("treatments", row, "outside", reason) for row in range(first, first + n)]
        taken[name] += n
    frame = pd.DataFrame(rows, columns=["table", "row", "rule", "reason"])
    counted = pd.DataFrame(
        [("treatments", reason, n) for reason, n in aside], columns=["table", "reason", "rows"]
    )
    counted["rows"] = part_words(counted["rows"])
    cohort = cast(Any, SimpleNamespace(treatments=pd.DataFrame({"treatment": given})))
    table = starts_used(cohort, list(recorded), frame, counted)
    return list(table.itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("recorded", "aside", "wanted"),
    [
        ({"drug": 86}, [], [("drug", "86", "86")]),
        ({"drug": 86, "other": 20}, [(LATE, 9)], [("drug", "77", "86"), ("other", "20", "20")]),
        ({"drug": 86}, [(LATE, 3)], [("drug", HIDDEN, HIDDEN)]),
        ({"drug": 12}, [(LATE, 9)], [("drug", HIDDEN, HIDDEN)]),
        ({"drug": 86}, [(LATE, 9), (TWICE, 3)], [("drug", HIDDEN, HIDDEN)]),
        ({"drug": 86, "other": 20}, [(LATE, 9), (OTHER, 3)],
         [("drug", HIDDEN, HIDDEN), ("other", HIDDEN, HIDDEN)]),
        ({"drug": 3}, [], [("drug", HIDDEN, HIDDEN)]),
    ],
)  # fmt: skip
def test_starts_used_stand_beside_those_recorded_unless_a_few_could_be_told(
    recorded: dict[str, int], aside: list[tuple[str, int]], wanted: list[tuple[str, str, str]]
) -> None:
    assert told(recorded, aside) == wanted
