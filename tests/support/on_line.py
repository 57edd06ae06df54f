"""Values of sampled scales on the line on which they are sampled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt


def on_line(model: pm.Model, name: str, value: Any) -> np.ndarray:
    """Where the value variable of a scale of the model is for some values of the scale."""
    transform: Any = model.rvs_to_transforms[model[name]]
    return np.asarray(transform.forward(pt.as_tensor(np.asarray(value, dtype=float))).eval())
