"""PyTensor expressions that several models share."""

from __future__ import annotations

import math
from typing import Any, Final

import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

type Tensor = TensorVariable[Any, Any]

_ROOT2: Final = math.sqrt(2.0)


def log_ndtr(x: Tensor) -> Tensor:
    """Log of the standard normal distribution function, with a gradient that is finite.

    `machine.special.log_ndtr` is its sibling in compiled code.

    Parameters
    ----------
    x
        Standard normal numbers of any shape.

    Returns
    -------
    TensorVariable
        Shaped as `x`.
    """
    # Either branch is kept in reach where the other is taken: a gradient passes through both.
    left = pt.log(pt.erfcx(pt.maximum(-x, 0.0) / _ROOT2) / 2) - 0.5 * x**2
    right = pt.log1p(-pt.erfc(pt.maximum(x, -1.0) / _ROOT2) / 2)
    out: Tensor = pt.switch(pt.lt(x, 0.0), left, right)
    return out
