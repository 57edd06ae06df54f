"""JAX version of the trail of curves, for NumPyro and GPUs."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def jax_curve_trail(
    strength: Any, curve: Any, patient: Any, intensity: Any, which: Any, start: Any, weights: Any
) -> Any:
    """Return (point,) like `op.CurveTrail`; the design must be concrete arrays."""
    patient, intensity, which, start = (np.asarray(x) for x in (patient, intensity, which, start))
    trail = jnp.zeros(len(patient))
    for f in range(len(which)):
        columns = slice(int(start[f]), int(start[f + 1]))
        acts = np.flatnonzero(which[f][intensity] >= 0)
        own = jnp.sum(np.asarray(weights)[acts, columns] * curve[patient[acts], columns], axis=1)
        trail = trail.at[acts].add(strength[which[f][intensity[acts]]] * own)
    return trail


def jax_curve_trail_gradients(strength: Any, curve: Any, gradient: Any, *design: Any) -> Any:
    """Return the gradients by strength and curve like `op.CurveTrailGradients`."""
    _, pull_back = jax.vjp(lambda s, c: jax_curve_trail(s, c, *design), strength, curve)
    return pull_back(gradient)
