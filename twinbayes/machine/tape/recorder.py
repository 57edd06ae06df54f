"""Tapes: a PyTensor graph as a list of array instructions, ready to run without compiling.

Recording walks the graph once, with every shape known. An array that depends on the inputs is
known by the *places* of its numbers in memory, an integer array of its shape. Operations that
only move numbers about (slices, transposes, reshapes, broadcasts, joins) move places and cost
nothing at run time. Whatever depends on constants and data alone is computed while recording.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twinbayes.arrays import Floats, Ints
from twinbayes.errors import FitError
from twinbayes.machine.tape import instructions as op
from twinbayes.machine.tape.memory import Layout, Span
from twinbayes.machine.tape.player import evaluate


@dataclass(frozen=True, eq=False)
class Tape:
    """Instructions and everything that they refer to.

    Attributes
    ----------
    n_inputs
        Length of the vector of inputs.
    code, constants, integers
        As `player.play` takes them.
    n_work
        Numbers in the workspace.
    output
        Where in memory each number of the output is.
    shapes
        Shape of each output.
    head
        The above for native callers, see `player.evaluate`.
    keep
        Arrays that native operations read in place.
    """

    n_inputs: int
    code: Ints
    constants: Floats
    integers: Ints
    n_work: int
    output: Ints
    shapes: tuple[tuple[int, ...], ...]
    keep: tuple[NDArray[Any], ...] = ()
    head: Ints = field(init=False)

    def __post_init__(self) -> None:
        sizes = [
            self.n_inputs,
            len(self.output),
            len(self.code),
            len(self.constants),
            len(self.integers),
            self.n_work,
        ]
        arrays = (self.code, self.constants, self.integers, self.output)
        head = np.array(sizes + [a.ctypes.data for a in arrays], dtype=np.int64)
        object.__setattr__(self, "head", head)

    def __call__(self, point: ArrayLike) -> Floats:
        """Evaluate the tape at one point; all outputs, one after the other."""
        x = np.ascontiguousarray(point, dtype=np.float64)
        if x.shape != (self.n_inputs,):
            raise FitError(f"The point has shape {x.shape} instead of ({self.n_inputs},).")
        out = np.empty(len(self.output))
        if evaluate(self.head, x, out) != 0:
            raise FitError("A condition of the model does not hold at this point.")
        return out


@dataclass
class TapeRecorder:
    """Records instructions; rules for the operations are in `rules`."""

    n_inputs: int
    code: list[tuple[int, ...]] = field(default_factory=list)
    constants: list[Floats] = field(default_factory=lambda: [np.zeros(1)])
    integers: list[Ints] = field(default_factory=lambda: [np.zeros(1, dtype=np.int64)])
    keep: list[NDArray[Any]] = field(default_factory=list)
    n_work: int = 0
    _n_constants: int = 1
    _n_integers: int = 1
    _known: dict[bytes, Ints] = field(default_factory=dict)
    _starts: list[int] = field(default_factory=list)
    _frames: dict[int, list[Span]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.n_work = self.n_inputs

    def reserve(self, shape: Sequence[int]) -> Ints:
        """Places of a new array in the workspace."""
        n = int(np.prod(shape, dtype=np.int64))
        places = np.arange(self.n_work, self.n_work + n, dtype=np.int64).reshape(shape)
        self._starts.append(self.n_work)
        self.n_work += n
        return places

    def constant(self, values: ArrayLike) -> Ints:
        """Places of numbers that do not change."""
        array = np.asarray(values, dtype=np.float64)
        key = repr(array.shape).encode() + array.tobytes()
        if key not in self._known:
            start = self._n_constants
            places = -1 - np.arange(start, start + array.size, dtype=np.int64)
            self._known[key] = places.reshape(array.shape)
            self.constants.append(array.ravel())
            self._n_constants += array.size
        return self._known[key]

    def index(self, values: Ints) -> int:
        """Offset of integers that an instruction reads."""
        start = self._n_integers
        self.integers.append(np.asarray(values, dtype=np.int64).ravel())
        self._n_integers += values.size
        return start

    def emit(
        self, operation: int, function: int = 0, to: int = 0, a: int = 0, b: int = 0,
        n: int = 0, p: int = 0, q: int = 0,
    ) -> None:  # fmt: skip
        """Append one instruction."""
        self.code.append((operation, function, to, a, b, n, p, q))

    def in_one_piece(self, places: Ints) -> int:
        """Offset of the numbers at `places` in row-major order, gathered where they are not."""
        flat = places.ravel()
        if flat.size and not _is_run(flat):
            to = self.reserve(flat.shape)
            self.emit(op.GATHER, to=int(to[0]), n=flat.size, p=self.index(flat))
            return int(to[0])
        return int(flat[0]) if flat.size else 0

    def operand(self, places: Ints) -> tuple[int, int]:
        """Offset and stride (1, or 0 where all are one number) of an elementwise operand."""
        flat = places.ravel()
        if flat.size and np.all(flat == flat[0]):
            return int(flat[0]), 0
        return self.in_one_piece(places), 1

    def unary(self, function: str, a: Ints) -> Ints:
        """Apply a function of one number to every element."""
        out = self.reserve(a.shape)
        if out.size:
            f = op.UNARY_FUNCTIONS.index(function)
            self.emit(op.UNARY, f, int(out.flat[0]), self.in_one_piece(a), n=out.size)
        return out

    def binary(self, function: str, a: Ints, b: Ints) -> Ints:
        """Apply a function of two numbers to every pair of elements, with broadcasting."""
        a, b = np.broadcast_arrays(a, b)
        out = self.reserve(a.shape)
        if out.size:
            f = op.BINARY_FUNCTIONS.index(function)
            (left, p), (right, q) = self.operand(a), self.operand(b)
            self.emit(op.BINARY, f, int(out.flat[0]), left, right, out.size, p, q)
        return out

    def select(self, condition: Ints, then: Ints, otherwise: Ints) -> Ints:
        """Choose between two arrays, element by element."""
        parts = np.broadcast_arrays(condition, then, otherwise)
        out = self.reserve(parts[0].shape)
        if out.size:
            c, a, b = (self.in_one_piece(x) for x in parts)
            self.emit(op.SELECT, 0, int(out.flat[0]), c, a, out.size, b)
        return out

    def reduce(self, function: int, a: Ints, axes: Sequence[int]) -> Ints:
        """Sum, multiply … over axes."""
        kept = [k for k in range(a.ndim) if k not in axes]
        out = self.reserve([a.shape[k] for k in kept])
        rows = a.transpose([*kept, *axes]).reshape(out.size, -1)
        if not out.size:
            return out
        if min(rows.shape) > 1 and _is_run(rows.T.ravel()):
            operation, start = op.REDUCE_COLUMNS, int(rows[0, 0])
        else:
            operation, start = op.REDUCE_ROWS, self.in_one_piece(rows)
        self.emit(operation, function, int(out.flat[0]), start, n=out.size, p=rows.shape[1])
        return out

    def cumulate(self, function: int, a: Ints, axis: int) -> Ints:
        """Run a sum or product along one axis."""
        rows = np.moveaxis(a, axis, -1)
        out = self.reserve(rows.shape)
        if out.size:
            p = rows.shape[-1]
            self.emit(
                op.CUMULATE, function, int(out.flat[0]), self.in_one_piece(rows),
                n=out.size // p, p=p,
            )  # fmt: skip
        return np.moveaxis(out, -1, axis)

    def matmul(self, a: Ints, b: Ints) -> Ints:
        """Multiply matrices or vectors."""
        left = a if a.ndim == 2 else a[None, :]
        right = b if b.ndim == 2 else b[:, None]
        (n, p), q = left.shape, right.shape[1]
        out = self.reserve((n, q))
        if out.size:
            start, other = self.in_one_piece(left), self.in_one_piece(right)
            self.emit(op.MATMUL, 0, int(out.flat[0]), start, other, n, p, q)
        return out.reshape((*a.shape[:-1], *b.shape[1:]))

    def add_at(self, a: Ints, where: Ints, values: Ints) -> Ints:
        """Return a copy of `a` with values added at flat positions, which may repeat."""
        out = self.reserve(a.shape)
        if out.size:
            start = int(out.flat[0])
            self.emit(op.GATHER, to=start, n=out.size, p=self.index(a.ravel()))
            if where.size:
                self.emit(
                    op.SCATTER_ADD, 0, start, self.in_one_piece(values),
                    n=where.size, p=self.index(where),
                )  # fmt: skip
        return out

    def require(self, condition: Ints) -> None:
        """Stop unless every element is true."""
        if condition.size:
            start = self.in_one_piece(condition)
            self.emit(op.REQUIRE, a=start, n=condition.size)

    def call(
        self, address: int, inputs: Sequence[Ints | NDArray[Any]], is_known: Sequence[bool],
        shapes: Sequence[Sequence[int]],
    ) -> list[Ints]:  # fmt: skip
        """Call native code on ``[address, *shape]`` of every input and output, in one frame.

        Known integers are passed as 64-bit integers, everything else as double precision.
        """
        words: list[int] = []
        spans: list[Span] = []
        for array, known in zip(inputs, is_known, strict=True):
            if known:
                kept = np.ascontiguousarray(array, dtype=_word_type(array))
                self.keep.append(kept)
                words += [0, kept.ctypes.data]
            else:
                words += [1, self.in_one_piece(array)]
                spans.append((words[-1], array.size))
            for size in array.shape:
                words += [0, size]
        outputs = [self.reserve(shape) for shape in shapes]
        for out in outputs:
            words += [1, int(out.flat[0]) if out.size else 0]
            spans.append((words[-1], out.size))
            for size in out.shape:
                words += [0, size]
        start = self.index(np.array(words, dtype=np.int64))
        self._frames[start] = [span for span in spans if span[0] >= 0]
        self.emit(op.CALL, b=address, n=len(words), p=start)
        return outputs

    def finish(self, outputs: Sequence[Ints]) -> Tape:
        """Close the tape; its output is all `outputs` one after the other."""
        output = np.concatenate([np.zeros(0, dtype=np.int64), *(o.ravel() for o in outputs)])
        layout = Layout(
            np.array(self.code, dtype=np.int64).reshape(-1, 8),
            np.concatenate(self.integers),
            output,
            starts=self._starts,
            n_work=self.n_work,
            frames=self._frames,
        )
        return Tape(
            self.n_inputs,
            layout.code(),
            np.concatenate(self.constants),
            layout.integers(),
            layout.n_work,
            layout.places(output),
            tuple(o.shape for o in outputs),
            tuple(self.keep),
        )


def _word_type(array: NDArray[Any]) -> type[np.int64] | type[np.float64]:
    return np.int64 if array.dtype.kind in "iub" else np.float64


def _is_run(flat: Ints) -> bool:
    """Tell whether places follow each other in memory; those of constants count downwards."""
    step = 1 if flat[0] >= 0 else -1
    return bool(np.all(np.diff(flat) == step)) and bool((flat[-1] >= 0) == (flat[0] >= 0))
