"""Types of arrays, under the names that all signatures use."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]
type Reals = NDArray[np.floating[Any]]  # of either precision
type Ints = NDArray[np.int64]
type Bools = NDArray[np.bool_]
