"""Linear algebra for tapes, as native functions of their own."""

from __future__ import annotations

from functools import cache
from typing import Any

import numba
import numpy as np

from twinbayes.machine.jit import native
from twinbayes.machine.native import pointer, view


def _solve_lower(words):  # type: ignore[no-untyped-def]
    frame = view(words, (9,))
    n, m = frame[1], frame[5]
    a = view(pointer(frame[0]), (n, n), np.float64)
    b = view(pointer(frame[3]), (n, m), np.float64)
    x = view(pointer(frame[6]), (n, m), np.float64)
    for i in range(n):
        row = x[i]
        for c in range(m):
            row[c] = b[i, c]
        for j in range(i):
            factor, above = a[i, j], x[j]
            for c in range(m):
                row[c] -= factor * above[c]
        scale = 1.0 / a[i, i]
        for c in range(m):
            row[c] *= scale


@cache
def solve_entry() -> Any:
    """Solve ``a x = b``, a (n, n) lower triangular, b and x (n, m), as a C function of words."""
    signature = numba.types.void(numba.types.CPointer(numba.types.int64))
    return native(signature, _solve_lower)
