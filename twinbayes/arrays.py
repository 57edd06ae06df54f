"""Types of arrays, under the names that all signatures use, and what counts as a number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]
type Reals = NDArray[np.floating[Any]]  # of either precision
type Ints = NDArray[np.int64]
type Bools = NDArray[np.bool_]


def is_number(value: object) -> bool:
    """Whether a value is one finite real number; True and False are none."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    return bool(np.isfinite(float(value)))
