"""Workspaces laid out anew: little room, and the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

from twinbayes.arrays import Ints
from twinbayes.machine.tape import instructions as op
from twinbayes.machine.tape.recorder import TapeRecorder

Recorded = list[tuple[Ints, np.ndarray]]


def grown(arrays: Recorded, tape: TapeRecorder, rng: np.random.Generator) -> None:
    """Append the result of a random instruction on arrays that there are."""
    one, other = (arrays[k] for k in rng.choice(len(arrays), 2))
    kind = rng.integers(8)
    if kind == 0:
        arrays.append((tape.unary("Tanh", one[0]), np.tanh(one[1])))
    elif kind == 1:
        n = min(one[0].size, other[0].size)
        places = tape.binary("Sub", one[0].ravel()[:n], other[0].ravel()[:n])
        arrays.append((places, one[1].ravel()[:n] - other[1].ravel()[:n]))
    elif kind == 2:  # side by side: neighbours in memory are taken for one array
        parts = [x.ravel() for x in (one[0], other[0])]
        places = tape.unary("Neg", np.concatenate(parts))
        arrays.append((places, -np.concatenate([one[1].ravel(), other[1].ravel()])))
    elif kind == 3:
        where = rng.integers(one[0].size, size=5)
        added = one[1].ravel().copy()
        np.add.at(added, where, np.full(5, 0.5))
        arrays.append((tape.add_at(one[0].ravel(), where, tape.constant(np.full(5, 0.5))), added))
    elif kind == 4:
        rows = one[0].ravel()[: 2 * (one[0].size // 2)].reshape(2, -1)
        values = one[1].ravel()[: rows.size].reshape(2, -1)
        axis = int(rng.integers(2))
        arrays.append((tape.reduce(op.SUM, rows, [axis]), values.sum(axis=axis)))
    elif kind == 5:
        rows = one[0].ravel()[:4].reshape(2, 2)
        values = one[1].ravel()[:4].reshape(2, 2)
        arrays.append((np.ravel(tape.matmul(rows, rows)), np.tanh(values @ values).ravel()))
        arrays[-1] = (tape.unary("Tanh", arrays[-1][0]), arrays[-1][1])
    elif kind == 6:
        n = min(one[0].size, other[0].size)
        a, b = one[0].ravel()[:n], other[0].ravel()[:n]
        x, y = one[1].ravel()[:n], other[1].ravel()[:n]
        places = tape.select(tape.binary("GT", a, b), a, b)
        arrays.append((places, np.maximum(x, y)))
    else:
        back = one[0].ravel()[::-1]
        arrays.append((tape.unary("Sqr", back), one[1].ravel()[::-1] ** 2))
    places, values = arrays[-1]
    if places.size < 4 or places.size > 200:
        arrays.pop()
    elif np.abs(values).max() > 10.0:
        arrays[-1] = (tape.unary("Tanh", places), np.tanh(values))


@pytest.mark.parametrize("number", range(60))
def test_random_programs_give_the_numbers_of_numpy(number: int) -> None:
    rng = np.random.default_rng(number)
    point = rng.normal(size=12)
    tape = TapeRecorder(12)
    arrays: Recorded = [(np.arange(12), point), (np.arange(3, 11), point[3:11])]
    for _ in range(60):
        grown(arrays, tape, rng)
    chosen = [arrays[k] for k in rng.choice(len(arrays), 6)]
    laid_out = tape.finish([places for places, _ in chosen])
    expected = np.concatenate([values.ravel() for _, values in chosen])
    np.testing.assert_allclose(laid_out(point), expected, rtol=1e-9, atol=1e-12)
    assert laid_out.n_work <= tape.n_work + 8 * len(tape.code)


def test_a_long_chain_takes_the_room_of_what_is_alive() -> None:
    tape = TapeRecorder(1000)
    places = np.arange(1000)
    for _ in range(200):
        places = tape.unary("Tanh", places)
    laid_out = tape.finish([places])
    assert tape.n_work == 201_000
    assert laid_out.n_work <= 3_000
    x = value = np.linspace(-2.0, 2.0, 1000)
    for _ in range(200):
        value = np.tanh(value)
    np.testing.assert_allclose(laid_out(x), value, rtol=1e-12)


def test_what_is_read_again_at_the_end_is_kept() -> None:
    tape = TapeRecorder(4)
    first = tape.unary("Exp", np.arange(4))
    other = first
    for _ in range(10):
        other = tape.unary("Neg", other)
    laid_out = tape.finish([tape.binary("Add", first, other), np.arange(4)])
    x = np.array([0.1, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(laid_out(x), [*(2 * np.exp(x)), *x])
