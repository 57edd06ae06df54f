"""What compiled code needs to call, and to be called by, code that is not Python."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numba

_ir: Any = import_module("llvmlite.ir")
_codegen: Any = import_module("numba.core.cgutils")
_intrinsic: Any = import_module("numba.extending").intrinsic

view: Any = numba.__dict__["carray"]
"""``view(pointer, shape, dtype)``: an array over memory that somebody else owns."""


@_intrinsic  # type: ignore[untyped-decorator]
def pointer(typing_context: Any, address: Any) -> Any:
    """Take an integer for a pointer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], _codegen.voidptr_t)

    return numba.types.voidptr(numba.types.int64), generate


@_intrinsic  # type: ignore[untyped-decorator]
def call_native(typing_context: Any, address: Any, words: Any) -> Any:
    """Call the C function ``void f(int64_t *words)`` at an address; both are integers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = _ir.FunctionType(_ir.VoidType(), [_ir.IntType(64)])
        function = builder.inttoptr(arguments[0], kind.as_pointer())
        builder.call(function, [arguments[1]])
        return context.get_dummy_value()

    return numba.types.void(numba.types.int64, numba.types.int64), generate
