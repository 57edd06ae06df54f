"""Workspaces laid out anew: what nobody reads any more makes room for what comes next.

A recorder gives each array a place of its own. Of a model of many patients that would be hundreds
of megabytes, fetched anew from the operating system at every evaluation; arrays that are alive at
one time are few, and fit into the caches of the processor.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from twinbayes.arrays import Ints
from twinbayes.machine.tape import instructions as op

type Span = tuple[int, int]  # first place, and how many

_LINE: Final = 8  # numbers in a line of the processor's cache


class Layout:
    """Where each number of a workspace is to lie.

    Parameters
    ----------
    code, integers, output
        As `Tape` has them.
    starts
        First place of each array of the workspace, ascending; they lie side by side. What lies
        before them are the inputs, which stay where they are.
    n_work
        Numbers in the workspace.
    frames
        What each native call reads and writes, by the offset of its words.
    """

    def __init__(
        self, code: Ints, integers: Ints, output: Ints, *, starts: Sequence[int], n_work: int,
        frames: Mapping[int, Sequence[Span]],
    ) -> None:  # fmt: skip
        self._code, self._integers, self._output = code, integers, output
        self._frames = frames
        self._starts = np.unique(np.array([0, *starts], dtype=np.int64))
        self._starts = self._starts[self._starts < max(n_work, 1)]
        self._join()
        sizes = np.diff([*self._starts, n_work])
        self._move, self.n_work = _packed(sizes, *self._lives())
        self._move -= self._starts

    def places(self, old: Ints) -> Ints:
        """New places of numbers; those of constants stay."""
        out: Ints = np.where(old >= 0, old + self._move[self._array_of(old)], old)
        return out

    def code(self) -> Ints:
        """The instructions with their new places."""
        out = self._code.copy()
        for row in out:
            for column in _places_of(row[0]):
                if row[column] >= 0:
                    row[column] += self._move[self._array_of(row[column])]
        return out

    def integers(self) -> Ints:
        """The integers that instructions read, with their new places."""
        out = self._integers.copy()
        for operation, _, _, _, _, n, p, _ in self._code:
            mine = slice(p, p + n)
            if operation == op.GATHER:
                out[mine] = self.places(self._integers[mine])
            elif operation == op.CALL:
                words = self._integers[mine].reshape(-1, 2)
                moved = np.where(words[:, 0] == 1, self.places(words[:, 1]), words[:, 1])
                out[mine] = np.column_stack([words[:, 0], moved]).ravel()
        return out

    def _array_of(self, place: Ints) -> Ints:
        return np.searchsorted(self._starts, place, side="right") - 1

    def _join(self) -> None:
        """Make one array of neighbours that some instruction takes for one."""
        inside = np.zeros(len(self._starts), dtype=bool)
        for row in self._code:
            for first, n in self._spans(row):
                a, b = self._array_of(np.array([first, first + n - 1]))
                inside[a + 1 : b + 1] = True
        self._starts = self._starts[~inside]

    def _lives(self) -> tuple[Ints, Ints]:
        """First and last instruction that touches each array; inputs and outputs outlive all."""
        n, end = len(self._starts), len(self._code)
        first, last = np.full(n, end), np.full(n, -1)
        for k, row in enumerate(self._code):
            touched = [self._array_of(np.array([start for start, _ in self._spans(row)], int))]
            if row[0] == op.GATHER:
                read = self._integers[row[6] : row[6] + row[5]]
                touched.append(np.unique(self._array_of(read[read >= 0])))
            for mine in touched:
                first[mine] = np.minimum(first[mine], k)
                last[mine] = k
        kept = self._array_of(self._output[self._output >= 0])
        last[kept], first[0], last[0] = end, -1, end
        return first, last

    def _spans(self, row: Ints) -> Iterator[Span]:
        """What an instruction reads and writes of the workspace, but for what it gathers."""
        operation, _, to, a, b, n, p, q = (int(x) for x in row)
        if operation == op.CALL:
            yield from (span for span in self._frames[p] if span[1])
            return
        read = {
            op.UNARY: [(a, n)],
            op.BINARY: [(a, n if p else 1), (b, n if q else 1)],
            op.SELECT: [(a, n), (b, n), (p, n)],
            op.SCATTER_ADD: [(a, n)],
            op.REDUCE_ROWS: [(a, n * p)],
            op.REDUCE_COLUMNS: [(a, n * p)],
            op.CUMULATE: [(a, n * p)],
            op.MATMUL: [(a, n * p), (b, p * q)],
            op.REQUIRE: [(a, n)],
        }.get(operation, [])
        written = {
            op.SCATTER_ADD: 1,
            op.CUMULATE: n * p,
            op.MATMUL: n * q,
            op.REQUIRE: 0,
        }.get(operation, n)
        yield from (span for span in (*read, (to, written)) if span[0] >= 0 and span[1])


def _places_of(operation: int) -> tuple[int, ...]:
    """Columns of an instruction that are places in memory."""
    if operation == op.CALL:
        return ()
    if operation == op.REQUIRE:
        return (3,)
    if operation in (op.BINARY, op.MATMUL):
        return (2, 3, 4)
    if operation == op.SELECT:
        return (2, 3, 4, 6)
    return (2,) if operation == op.GATHER else (2, 3)


def _packed(sizes: Ints, first: Ints, last: Ints) -> tuple[Ints, int]:
    """Place arrays so that no two that are alive at one time overlap; the first at 0."""
    place, free, total = np.zeros(len(sizes), dtype=np.int64), _Free(), int(sizes[0])
    leaving: dict[int, list[int]] = {}
    for k in np.argsort(first, kind="stable"):
        if k == 0 or last[k] < 0:
            continue
        for gone in [t for t in leaving if t < first[k]]:
            for j in leaving.pop(gone):
                free.give(int(place[j]), _whole_lines(sizes[j]))
        room = _whole_lines(sizes[k])
        found = free.take(room)
        if found is None:
            found = free.last_of(total)
            total = found + room
        place[k] = found
        leaving.setdefault(int(last[k]), []).append(int(k))
    return place, total


def _whole_lines(size: int) -> int:
    return -(-int(size) // _LINE) * _LINE


class _Free:
    """Pieces of memory that nobody uses, by place; neighbours are one piece."""

    def __init__(self) -> None:
        self._pieces: list[Span] = []

    def take(self, room: int) -> int | None:
        """Return a place with that much room, in the smallest piece that has it."""
        fits = [(n, start, k) for k, (start, n) in enumerate(self._pieces) if n >= room]
        if not fits:
            return None
        n, start, k = min(fits)
        self._pieces[k : k + 1] = [(start + room, n - room)] if n > room else []
        return start

    def last_of(self, total: int) -> int:
        """Take the piece that ends at the end of memory; return where it begins."""
        if self._pieces and sum(self._pieces[-1]) == total:
            return self._pieces.pop()[0]
        return total

    def give(self, start: int, n: int) -> None:
        """Put a piece back."""
        k = bisect_left(self._pieces, (start, 0))
        if k < len(self._pieces) and self._pieces[k][0] == start + n:
            n += self._pieces.pop(k)[1]
        if k and sum(self._pieces[k - 1]) == start:
            k -= 1
            start, n = self._pieces[k][0], self._pieces.pop(k)[1] + n
        self._pieces.insert(k, (start, n))
