"""Twin branches: what one visit says of a curve, compiled, and called by its address.

The kernel of a patient's curves knows no family. It calls the branch of each visit's family
through a pointer, so that a family of one's own is compiled by itself, when a twin first reads a
visit of it, and the kernel as it lies in the cache on disk serves it too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from typing import Any, Final

import numba

from twinbayes.machine.jit import inner, jit

_codegen: Any = import_module("numba.core.cgutils")
_intrinsic: Any = import_module("numba.extending").intrinsic
_Compiled: Any = import_module("numba.core.dispatcher").Dispatcher

_ROW: Any = numba.types.Array(numba.float64, 1, "C")
_RETURNED: Any = numba.types.UniTuple(numba.float64, 3)
_ARGUMENTS: Final = (numba.int64, _ROW, numba.float64, _ROW)
_SIGNATURE: Any = _RETURNED(*_ARGUMENTS)

#: ``(code, value, eta, parameter) -> (log density, slope, curvature)``
type Formula = Callable[..., tuple[float, float, float]]


class TwinBranch:
    """A compiled formula of one visit; call it as the formula itself.

    Attributes
    ----------
    formula
        As written, or compiled.
    """

    def __init__(self, formula: Formula) -> None:
        self.formula = formula
        is_compiled = isinstance(formula, _Compiled)
        self._compiled: Any = formula if is_compiled else jit(nogil=True, on_disk=False)(formula)

    def __call__(self, *arguments: Any) -> tuple[float, float, float]:
        """Log density, slope and curvature of one visit."""
        out: tuple[float, float, float] = self._compiled(*arguments)
        return out

    def __reduce__(self) -> tuple[Any, ...]:
        # The address is that of one process; another has its own.
        return TwinBranch, (self.formula,)

    @cached_property
    def address(self) -> int:
        """Where the machine code is in this process; compiled where it is not there yet."""
        result = self._compiled.get_compile_result(_SIGNATURE)
        return int(result.library.get_pointer_to_function(result.fndesc.llvm_func_name))


def twin_branch(formula: Formula) -> TwinBranch:
    """Take the formula of one visit for twins; it is compiled when one is first needed.

    Parameters
    ----------
    formula
        ``f(code, value, eta, parameter)`` for numba. `code` is what the visit contributes, one of
        those that the family's `codes` returns; ``value[0]`` the measurement as `loglik` reads it
        and ``value[1]`` the family's `number`; `eta` the curve there; `parameter` what the
        family's `parameters` lay out. It returns the log density up to a constant of the data, its
        derivative in eta, and the second derivative negated, 0 where it were below. Those of the
        package are decorated with `jit` too, so that their machine code lies on disk.
    """
    return TwinBranch(formula)


@inner(nogil=True)
def log_logistic(x):  # type: ignore[no-untyped-def]
    """Log of 1 / (1 + exp(-x)), for branches."""
    return -math.log1p(math.exp(-x)) if x > 0.0 else x - math.log1p(math.exp(x))


@_intrinsic  # type: ignore[untyped-decorator]
def call_branch(
    typing_context: Any, address: Any, code: Any, value: Any, eta: Any, parameter: Any
) -> Any:
    """Call the branch at an address, from compiled code."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = context.call_conv.get_function_type(_RETURNED, _ARGUMENTS)
        function = builder.inttoptr(arguments[0], kind.as_pointer())
        status, out = context.call_conv.call_function(
            builder, function, _RETURNED, _ARGUMENTS, arguments[1:]
        )
        with _codegen.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return out

    return _RETURNED(numba.int64, *_ARGUMENTS), generate
