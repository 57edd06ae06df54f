"""Quicker to compile entry points between nutpie and a numba-compiled model.

nutpie copies the gradient, and the values to record, with `out[...] = values`. numba compiles such
a copy into its general slice assignment, whose message about unequal shapes alone costs four
seconds of the first compilation in every process. The loops here copy the same numbers, and tests
hold the draws identical. The codes returned are nutpie's: negative ones end sampling, positive
ones make the step a divergence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np

EntryPoint = tuple[Callable[..., int], Any]


@contextmanager
def quick_entry_points() -> Iterator[None]:
    """Let nutpie compile models through the entry points of this module.

    They stand in for private functions; a nutpie that no longer has these is left as it is.
    """
    target = import_module("nutpie.compile_pymc")
    ours = {"_make_c_logp_func": _logp_entry, "_make_c_expand_func": _expand_entry}
    theirs = {name: getattr(target, name) for name in ours if hasattr(target, name)}
    for name in theirs:
        setattr(target, name, ours[name])
    try:
        yield
    finally:
        for name, original in theirs.items():
            setattr(target, name, original)


def _logp_entry(
    n_dim: int, logp_fn: Any, user_data: Any, shared_keys: Any, shared_data: Any
) -> EntryPoint:
    from nutpie.compile_pymc import make_extraction_fn

    numba: Any = import_module("numba")

    evaluate = make_extraction_fn(logp_fn, shared_data, shared_keys, user_data.dtype)
    types = numba.types
    double = types.CPointer(types.double)
    signature = types.int64(types.uint64, double, double, double, types.voidptr)

    def entry(size, point, gradient, logp, data):  # type: ignore[no-untyped-def]
        if size != n_dim:
            return -1
        try:
            value, slope = evaluate(numba.carray(point, (n_dim,)), data)
            numba.carray(logp, (1,))[0] = value[()]
            out = numba.carray(gradient, (n_dim,))
            for i in range(n_dim):
                out[i] = slope[i]
                if not np.isfinite(slope[i]):
                    return 3
            if not np.isfinite(value[()]):
                return 4
        except Exception:
            return 1
        return 0

    return entry, signature


def _expand_entry(
    n_dim: int,
    n_expanded: int,
    expand_fn: Any,
    user_data: Any,
    shared_keys: Any,
    shared_data: Any,
) -> EntryPoint:
    from nutpie.compile_pymc import make_extraction_fn

    numba: Any = import_module("numba")

    evaluate = make_extraction_fn(expand_fn, shared_data, shared_keys, user_data.dtype)
    types = numba.types
    double = types.CPointer(types.double)
    signature = types.int64(types.uint64, types.uint64, double, double, types.voidptr)

    def entry(size, expanded, point, values, data):  # type: ignore[no-untyped-def]
        if size != n_dim or expanded != n_expanded:
            return -1
        try:
            (found,) = evaluate(numba.carray(point, (n_dim,)), data)
            out = numba.carray(values, (n_expanded,))
            for i in range(n_expanded):
                out[i] = found[i]
        except Exception:
            return -2
        return 0

    return entry, signature
