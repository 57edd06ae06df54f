"""Coefficients from what is sampled in their place."""

from __future__ import annotations

import numpy as np

from twinbayes.model.pooling.centring import Told


def offsets(z: np.ndarray, axes: np.ndarray, told: Told, scale: np.ndarray) -> np.ndarray:
    """Coefficients in units of their scale, (row, coefficient), of what is sampled, (row, axis)."""
    width = 1.0 / np.sqrt(1.0 / scale**2 + told.information)
    along = width * z + told.estimate * told.information * width**2
    return np.einsum("rca,ra->rc", axes, along / scale)
