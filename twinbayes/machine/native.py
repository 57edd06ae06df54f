"""What compiled code needs to call, and to be called by, code that is not Python."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import carray, types  # type: ignore[attr-defined]
from numba.core import cgutils
from numba.extending import intrinsic

_intrinsic: Any = intrinsic  # whose type is that of a call from Python

view: Any = carray
"""``view(pointer, shape, dtype)``: an array over memory that somebody else owns."""


@_intrinsic  # type: ignore[untyped-decorator]
def pointer(typing_context: Any, address: Any) -> Any:
    """Take an integer for a pointer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generate


@_intrinsic  # type: ignore[untyped-decorator]
def call_native(typing_context: Any, address: Any, words: Any) -> Any:
    """Call the C function ``void f(int64_t *words)`` at an address; both are integers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(64)])
        function = builder.inttoptr(arguments[0], kind.as_pointer())
        builder.call(function, [arguments[1]])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate
