"""How scales are sampled: on a line on which a scale of next to nothing is not far away.

On the logarithmic scale everything below, say, a hundredth of what is likely is a tail that never
ends, in which a chain gets lost now and then. Here it ends as that of a normal distribution does:
``log s = log unit + y - r(y)² / 2``, where r goes from -y far below 0 smoothly to 0 far above.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytensor.tensor as pt
from pymc.logprob.transforms import Transform

if TYPE_CHECKING:
    from pytensor.tensor.variable import TensorVariable

    from twinbayes.arrays import Floats

OF_SCALES: Final = ("Exponential", "HalfCauchy", "HalfNormal", "HalfStudentT")
"""Distributions of scales whose density does not vanish at zero."""
_STEPS: Final = 12  # of Newton's method


class OnLine(Transform):  # type: ignore[misc]
    """A positive number s as y, see above.

    Parameters
    ----------
    unit
        What broadcasts to the variable: a likely value.
    """

    name = "line"
    ndim_supp = 0

    def __init__(self, unit: Floats | float) -> None:
        self._log_unit = np.log(unit)

    def forward(self, value: TensorVariable[Any, Any], *_: Any) -> TensorVariable[Any, Any]:
        """Return y."""
        wanted = pt.log(value) - self._log_unit
        y = pt.switch(wanted > 0.0, wanted, -pt.sqrt(pt.maximum(-2.0 * wanted, 0.0)))
        for _step in range(_STEPS):
            log_scale, slope = _log_scale(y)
            y = y - (log_scale - wanted) / slope
        found: TensorVariable[Any, Any] = y
        return found

    def backward(self, value: TensorVariable[Any, Any], *_: Any) -> TensorVariable[Any, Any]:
        """Return the scale."""
        scale: TensorVariable[Any, Any] = pt.exp(self._log_unit + _log_scale(value)[0])
        return scale

    def log_jac_det(self, value: TensorVariable[Any, Any], *_: Any) -> TensorVariable[Any, Any]:
        """Log of the derivative of the scale."""
        log_scale, slope = _log_scale(value)
        log_slope: TensorVariable[Any, Any] = self._log_unit + log_scale + pt.log(slope)
        return log_slope


def _log_scale(y: Any) -> tuple[Any, Any]:
    """Log of the scale in its unit, and its derivative."""
    root = pt.sqrt(1.0 + y**2)
    below = 0.5 * (root - y)
    return y - 0.5 * below**2, 1.0 + below**2 / root
