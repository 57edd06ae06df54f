"""An attacker who has read everything: what follows from all published numbers together.

Every count is an integer unknown. What is printed of it, and how counts hang together, are linear
constraints; the smallest and the largest value that they leave of a count are found by integer
programming.
"""

from __future__ import annotations

import html
import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

FEW, HIDDEN = "<5", "hidden"
MOST = 10_000

type Cell = Hashable


def tables_of(page: str) -> list[list[list[str]]]:
    """Every table of a page: rows of cells as they are read, the first row the heads."""
    found = []
    for table in re.findall(r"<table.*?</table>", page, re.DOTALL):
        rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
        cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
        found.append([[html.unescape(re.sub(r"<.*?>", "", c)).strip() for c in r] for r in cells])
    return found


def table_with(tables: Iterable[list[list[str]]], *heads: str) -> list[dict[str, str]]:
    """Rows of the first table that has these columns, by column; none if there is no such table."""
    for table in tables:
        if table and {*heads} <= {*table[0]}:
            return [dict(zip(table[0], row, strict=True)) for row in table[1:]]
    return []


@dataclass
class Attacker:
    """What is known of counts, and what of them is printed as hidden.

    Attributes
    ----------
    truth
        What the counts are, to see that nothing is known that is not so.
    """

    truth: Mapping[Cell, int]
    suppressed: dict[Cell, str] = field(default_factory=dict)
    _lines: list[tuple[dict[Cell, float], float, float]] = field(default_factory=list)

    def reads(self, cell: Cell, printed: str) -> None:
        """Note what is printed of a count: a number, ``<5``, ``hidden``, or nothing."""
        if printed == FEW:
            self.suppressed[cell] = printed
            self.knows({cell: 1.0}, 1, 4)
        elif printed == HIDDEN:
            self.suppressed.setdefault(cell, printed)
            self.knows({cell: 1.0}, 0)
        elif printed.isdigit():
            self.knows({cell: 1.0}, int(printed), int(printed))

    def knows(self, terms: Mapping[Cell, float], low: float, high: float = MOST) -> None:
        """Note that a sum of multiples of counts lies between two numbers."""
        true = sum(by * self.truth[cell] for cell, by in terms.items())
        assert low - 1e-9 <= true <= high + 1e-9, (
            f"not so: {low} <= {dict(terms)} <= {high}: {true}"
        )
        self._lines.append((dict(terms), low, high))

    def range_of(self, cell: Cell) -> tuple[int, int]:
        """The smallest and the largest value of a count that all that is known leaves possible."""
        cells = list(dict.fromkeys(c for terms, _, _ in self._lines for c in terms))
        place = {c: k for k, c in enumerate(cells)}
        rows = [(r, place[c], by) for r, (t, _, _) in enumerate(self._lines) for c, by in t.items()]
        r, c, by = (np.array(x) for x in zip(*rows, strict=True))
        matrix = csr_array((by, (r, c)), shape=(len(self._lines), len(cells)))
        low, high = (np.array([line[k] for line in self._lines], float) for k in (1, 2))
        ends = []
        for sign in (1.0, -1.0):
            aim = np.zeros(len(cells))
            aim[place[cell]] = sign
            found = milp(
                aim,
                constraints=LinearConstraint(matrix, low, high),
                integrality=np.ones(len(cells)),
                bounds=Bounds(0, MOST),
            )
            assert found.success, found.message
            ends.append(round(sign * found.fun))
        return ends[0], ends[1]

    def narrowed(self) -> dict[Cell, tuple[str, int, int]]:
        """Suppressed counts of which less than a range of four values is left; ``<5``: 1 to 4."""
        out = {}
        for cell, printed in self.suppressed.items():
            low, high = self.range_of(cell)
            whole = low <= 1 and high >= 4 if printed == FEW else high - low >= 3
            if not whole:
                out[cell] = (printed, low, high)
        return out
