"""Natural cubic splines as truncated powers: cubic between knots, straight beyond them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from twinbayes.arrays import Floats

#: Harrell's quantiles for four knots.
FOUR_KNOTS: Final = (0.05, 0.35, 0.65, 0.95)


def natural_spline_term(x: Floats, knots: Sequence[float] | Floats, k: int) -> Floats:
    """Return one column of a natural cubic spline's basis (Harrell 2015, eq. 2.25).

    With an intercept and x itself, the columns of all knots but the last two are the basis.

    Parameters
    ----------
    x
        Shape (value,); NaN stays NaN.
    knots
        Three or more, increasing.
    k
        Which knot the column belongs to, from 0 to the third last.

    Returns
    -------
    ndarray
        Shape (value,), in units of x.
    """
    own, before, last = knots[k], knots[-2], knots[-1]
    term = np.maximum(x - own, 0) ** 3
    term = term - np.maximum(x - before, 0) ** 3 * (last - own) / (last - before)
    term = term + np.maximum(x - last, 0) ** 3 * (before - own) / (last - before)
    return np.asarray(term / (last - knots[0]) ** 2)
