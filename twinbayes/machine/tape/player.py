"""The machine that plays a tape: array instructions, one after the other, on one block of memory.

It is compiled once and cached on disk: a new model is new instructions, not new machine code.

An instruction is one row of ``code``::

    [operation, function, out, a, b, n, p, q]

``out`` is an offset into the workspace. ``a`` and ``b`` are offsets of operands: into the
workspace from 0 up, into the constants from -1 down. Every operand lies in one piece; where it is
scattered (a transpose, a slice, a broadcast), a `GATHER` comes first.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, Final

import numba
import numpy as np

from twinbayes.machine.jit import jit, native
from twinbayes.machine.native import call_native, pointer, view
from twinbayes.machine.special import digamma, erfcx, log1mexp
from twinbayes.machine.tape import instructions as op

_PIECE: Final = 128
_plain: Any = jit()
# Sums in any order, so that they vectorise; nothing may assume that numbers are finite.
_fast: Any = jit(fast={"contract", "reassoc", "nsz"})


@_plain
def _of_one(f, x):  # type: ignore[no-untyped-def]
    if f == op.EXP:
        return math.exp(x)
    if f == op.LOG:
        return np.log(x)
    if f == op.SQRT:
        return np.sqrt(x)
    if f == op.LOG1P:
        return np.log1p(x)
    if f == op.EXPM1:
        return math.expm1(x)
    if f == op.ABS:
        return abs(x)
    if f == op.SIGN:
        return math.copysign(1.0, x) if x > 0.0 or x < 0.0 else x
    if f == op.SIGMOID:
        return 1.0 / (1.0 + math.exp(-x))
    if f == op.SOFTPLUS:
        return np.logaddexp(0.0, x)
    if f == op.TANH:
        return math.tanh(x)
    if f == op.ERF:
        return math.erf(x)
    if f == op.ERFC:
        return math.erfc(x)
    if f == op.GAMMALN:
        return math.lgamma(x)
    if f == op.PSI:
        return digamma(x)
    if f == op.LOG1MEXP:
        return log1mexp(x)
    if f == op.INVERT:
        return 1.0 if x == 0.0 else 0.0
    if f == op.ISNAN:
        return 1.0 if math.isnan(x) else 0.0
    if f == op.ISINF:
        return 1.0 if math.isinf(x) else 0.0
    if f == op.TRUNCATE:
        return np.trunc(x)
    if f == op.TRUTH:
        return 1.0 if x != 0.0 else 0.0
    if f == op.ERFCX:
        return erfcx(x)
    return math.atan(x)


@_plain
def _unary(f, a, out):  # type: ignore[no-untyped-def]
    """Fill out[i] = f(a[i]); what vectorises has its own loop."""
    if f == op.NEG:
        for i in range(len(out)):
            out[i] = -a[i]
    elif f == op.SQR:
        for i in range(len(out)):
            out[i] = a[i] * a[i]
    elif f == op.RECIPROCAL:
        for i in range(len(out)):
            out[i] = 1.0 / a[i]
    else:
        for i in range(len(out)):
            out[i] = _of_one(f, a[i])


@_plain
def _of_two(f, x, y):  # type: ignore[no-untyped-def]
    if f == op.DIV:
        return x / y
    if f == op.POW:
        return x**y
    if f == op.MAXIMUM:
        return np.maximum(x, y)
    if f == op.MINIMUM:
        return np.minimum(x, y)
    if f == op.EQ:
        return 1.0 if x == y else 0.0
    if f == op.NEQ:
        return 1.0 if x != y else 0.0
    if f == op.GT:
        return 1.0 if x > y else 0.0
    if f == op.GE:
        return 1.0 if x >= y else 0.0
    if f == op.LT:
        return 1.0 if x < y else 0.0
    if f == op.LE:
        return 1.0 if x <= y else 0.0
    if f == op.AND:
        return 1.0 if x != 0.0 and y != 0.0 else 0.0
    return 1.0 if x != 0.0 or y != 0.0 else 0.0


@_plain
def _binary(f, a, p, b, q, out):  # type: ignore[no-untyped-def]
    """Fill out[i] = f(a[i p], b[i q]); p and q are 0 or 1.

    Piece by piece, a single number repeated to the length of a piece: such loops vectorise.
    """
    left, right = np.empty(0 if p == 1 else _PIECE), np.empty(0 if q == 1 else _PIECE)
    for i in range(len(left)):
        left[i] = a[0]
    for i in range(len(right)):
        right[i] = b[0]
    for start in range(0, len(out), _PIECE):
        to = out[start : start + _PIECE]
        x = a[start : start + len(to)] if p == 1 else left
        y = b[start : start + len(to)] if q == 1 else right
        if f == op.ADD:
            for i in range(len(to)):
                to[i] = x[i] + y[i]
        elif f == op.SUB:
            for i in range(len(to)):
                to[i] = x[i] - y[i]
        elif f == op.MUL:
            for i in range(len(to)):
                to[i] = x[i] * y[i]
        else:
            for i in range(len(to)):
                to[i] = _of_two(f, x[i], y[i])


@_plain
def _at(offset, n, work, constants):  # type: ignore[no-untyped-def]
    """View n numbers at an offset, in the workspace or among the constants."""
    if offset >= 0:
        return work[offset : offset + n]
    return constants[-1 - offset : -1 - offset + n]


@_plain
def _gather(index, out, work, constants):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        k = index[i]
        out[i] = work[np.uint64(k)] if k >= 0 else constants[np.uint64(-1 - k)]


@_fast
def _sum_rows(a, n, p, out):  # type: ignore[no-untyped-def]
    for r in range(n):
        total = 0.0
        for c in range(r * p, r * p + p):
            total += a[np.uint64(c)]
        out[r] = total


@_plain
def _fold(f, x, y):  # type: ignore[no-untyped-def]
    if f == op.SUM:
        return x + y
    if f == op.PRODUCT:
        return x * y
    return np.maximum(x, y) if f == op.LARGEST else np.minimum(x, y)


@_plain
def _reduce_rows(f, a, n, p, out):  # type: ignore[no-untyped-def]
    if f == op.SUM:
        _sum_rows(a, n, p, out)
        return
    for r in range(n):
        total = a[r * p]
        for c in range(r * p + 1, r * p + p):
            total = _fold(f, total, a[c])
        out[r] = total


@_plain
def _reduce_columns(f, a, n, p, out):  # type: ignore[no-untyped-def]
    for c in range(n):
        out[c] = a[c]
    for r in range(1, p):
        row = a[r * n : r * n + n]
        if f == op.SUM:
            for c in range(n):
                out[c] += row[c]
        else:
            for c in range(n):
                out[c] = _fold(f, out[c], row[c])


@_plain
def _cumulate(f, a, n, p, out):  # type: ignore[no-untyped-def]
    for r in range(n):
        total = a[r * p]
        out[r * p] = total
        for c in range(r * p + 1, r * p + p):
            total = _fold(f, total, a[c])
            out[c] = total


@_fast
def _matmul(a, b, n, p, q, out):  # type: ignore[no-untyped-def]
    if q == 1:
        for i in range(n):
            total = 0.0
            for k in range(p):
                total += a[np.uint64(i * p + k)] * b[np.uint64(k)]
            out[i] = total
        return
    for i in range(n):
        row = out[i * q : i * q + q]
        for j in range(q):
            row[j] = 0.0
        for k in range(0, p - 3, 4):  # four at a time: each number of the row is loaded less often
            at, to = i * p + k, k * q
            x, y, z, w = a[at], a[at + 1], a[at + 2], a[at + 3]
            one, two = b[to : to + q], b[to + q : to + 2 * q]
            three, four = b[to + 2 * q : to + 3 * q], b[to + 3 * q : to + 4 * q]
            for j in range(q):
                row[j] += x * one[j] + y * two[j] + z * three[j] + w * four[j]
        for k in range(p - p % 4, p):
            x, other = a[i * p + k], b[k * q : k * q + q]
            for j in range(q):
                row[j] += x * other[j]


@_plain
def _call(address, words, work, constants):  # type: ignore[no-untyped-def]
    """Call native code on words: pairs of 0 and the word, or of 1 and an offset of its address."""
    frame = np.empty(len(words) // 2, dtype=np.int64)
    for i in range(len(frame)):
        kind, word = words[2 * i], words[2 * i + 1]
        if kind == 1 and word >= 0:
            word = work.ctypes.data + 8 * word
        elif kind == 1:
            word = constants.ctypes.data + 8 * (-1 - word)
        frame[i] = word
    call_native(address, frame.ctypes.data)
    return frame[0]  # a use of the frame after the call, so that it lives until then


@_plain
def play(code, constants, integers, work):  # type: ignore[no-untyped-def]
    """Run every instruction; return 0, or `FAILED` where a `REQUIRE` does not hold.

    Parameters
    ----------
    code
        (instruction, 8), int64.
    constants, integers
        Numbers and indices that the instructions refer to.
    work
        The workspace; the inputs of the tape lie at its start.
    """
    for row in range(code.shape[0]):
        operation, f = code[row, 0], code[row, 1]
        to, a, b = code[row, 2], code[row, 3], code[row, 4]
        n, p, q = code[row, 5], code[row, 6], code[row, 7]
        if operation == op.UNARY:
            _unary(f, _at(a, n, work, constants), work[to : to + n])
        elif operation == op.BINARY:
            left = _at(a, n if p == 1 else 1, work, constants)
            right = _at(b, n if q == 1 else 1, work, constants)
            _binary(f, left, p, right, q, work[to : to + n])
        elif operation == op.SELECT:
            chosen, other = _at(b, n, work, constants), _at(p, n, work, constants)
            condition = _at(a, n, work, constants)
            for i in range(n):
                work[to + i] = chosen[i] if condition[i] != 0.0 else other[i]
        elif operation == op.GATHER:
            _gather(integers[p : p + n], work[to : to + n], work, constants)
        elif operation == op.SCATTER_ADD:
            values = _at(a, n, work, constants)
            for i in range(n):
                work[to + integers[p + i]] += values[i]
        elif operation == op.REDUCE_ROWS:
            _reduce_rows(f, _at(a, n * p, work, constants), n, p, work[to : to + n])
        elif operation == op.REDUCE_COLUMNS:
            _reduce_columns(f, _at(a, n * p, work, constants), n, p, work[to : to + n])
        elif operation == op.CUMULATE:
            _cumulate(f, _at(a, n * p, work, constants), n, p, work[to : to + n * p])
        elif operation == op.MATMUL:
            left, right = _at(a, n * p, work, constants), _at(b, p * q, work, constants)
            _matmul(left, right, n, p, q, work[to : to + n * q])
        elif operation == op.CALL:
            _call(b, integers[p : p + n], work, constants)
        elif operation == op.REQUIRE:
            for x in _at(a, n, work, constants):
                if x == 0.0:
                    return op.FAILED
    return 0


@_plain
def evaluate(head, point, out):  # type: ignore[no-untyped-def]
    """Play a tape at a point and fill its outputs; return as `play`.

    Parameters
    ----------
    head
        Where the tape is: inputs, outputs, instructions, constants, integers, workspace (how
        many of each), then the addresses of code, constants, integers and the output index.
    point, out
        Inputs and outputs of the tape.
    """
    n_in, n_out, n_code, n_constants, n_integers, n_work = head[:6]
    code = view(pointer(head[6]), (n_code, 8), np.int64)
    constants = view(pointer(head[7]), (n_constants,), np.float64)
    integers = view(pointer(head[8]), (n_integers,), np.int64)
    index = view(pointer(head[9]), (n_out,), np.int64)
    work = np.empty(n_work)
    for i in range(n_in):
        work[i] = point[i]
    status = play(code, constants, integers, work)
    _gather(index, out, work, constants)
    return status


_DOUBLES: Final = numba.types.CPointer(numba.types.double)
_SIZE, _CODE, _ANY = numba.types.uint64, numba.types.int64, numba.types.voidptr


def _log_density(size, point, gradient, value, data):  # type: ignore[no-untyped-def]
    head = view(data, (op.HEAD_SIZE,), np.int64)
    if size != head[0]:
        return -1
    out = np.empty(size + 1)
    if evaluate(head, view(point, (size,)), out) != 0:
        return op.FAILED
    slope = view(gradient, (size,))
    for i in range(size):
        slope[i] = out[i + 1]
        if not np.isfinite(slope[i]):
            return 3
    view(value, (1,))[0] = out[0]
    return 0 if np.isfinite(out[0]) else 4


def _record(size, n_out, point, values, data):  # type: ignore[no-untyped-def]
    head = view(data, (2 * op.HEAD_SIZE,), np.int64)[op.HEAD_SIZE :]
    if size != head[0] or n_out != head[1]:
        return -1
    status = evaluate(head, view(point, (size,)), view(values, (n_out,)))
    return 0 if status == 0 else -2


@cache
def density_entry() -> Any:
    """C function by which nutpie evaluates a model; its data are two heads, one after the other.

    The first is that of a tape of log density and gradient, the second that of a tape of all
    that is recorded of a draw. The codes returned are nutpie's: negative ones end sampling,
    positive ones make a step a divergence.
    """
    signature = _CODE(_SIZE, _DOUBLES, _DOUBLES, _DOUBLES, _ANY)
    return native(signature, _log_density, error_model="python")


@cache
def record_entry() -> Any:
    """C function by which nutpie computes what is recorded of a draw, of the same data."""
    signature = _CODE(_SIZE, _SIZE, _DOUBLES, _DOUBLES, _ANY)
    return native(signature, _record, error_model="python")
