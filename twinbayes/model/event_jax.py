"""JAX version of the fused event likelihood, for NumPyro and GPUs.

The same formula as `event_kernel`, written with segment sums; tests hold both against the
plain PyMC expression.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from twinbayes.model.event_data import EventData, unpack


def jax_event_likelihood(
    log_event: Any, log_mean: Any, coef: Any, effect: Any, weight: Any, index: Any, values: Any
) -> tuple[Any, ...]:
    """Return ``(loglik, gradients)`` like `EventLikelihood`; data must be concrete arrays."""
    data = unpack(np.asarray(index), np.asarray(values))
    value, gradients = jax.value_and_grad(_loglik, argnums=(0, 1, 2, 3))(
        log_event, log_mean, coef, effect, weight, data
    )
    return (value, *gradients)


def _loglik(
    log_event: Any, log_mean: Any, coef: Any, effect: Any, weight: Any, data: EventData
) -> Any:
    n, columns = data.n_patients, coef.shape[0]
    owner = np.repeat(np.arange(n), np.diff(data.row_start))
    eta = _dense(data.column_start, data.column, data.value, columns) @ coef
    eta = eta - data.shift @ coef
    moments = _dense(data.moment_start, data.moment_column, data.moment, columns)
    eta = eta + 0.5 * moments @ coef**2
    predictor = eta[owner, data.intensity]
    if len(data.effect):
        acts_on = np.repeat(np.arange(data.n_rows), np.diff(data.effect_start))
        shift = effect[data.effect, data.subgroup[owner[acts_on]]]
        predictor = predictor + jax.ops.segment_sum(shift, acts_on, data.n_rows)
    row = np.repeat(np.arange(data.n_rows), np.diff(data.cell_start))
    hazard = jnp.exp(log_mean[data.intensity[row], data.window]) * data.exposure
    cumulative = jax.ops.segment_sum(hazard, row, data.n_rows) * jnp.exp(predictor)
    fired = data.is_event == 1
    window = np.where(fired, data.event_window, 0)
    at_event = jnp.where(fired, log_event[data.intensity, window] + predictor, 0.0)
    return jnp.sum(weight[owner] * (at_event - cumulative))


def _dense(starts: np.ndarray, columns: np.ndarray, values: np.ndarray, width: int) -> np.ndarray:
    out = np.zeros((len(starts) - 1, width))
    out[np.repeat(np.arange(len(starts) - 1), np.diff(starts)), columns] = values
    return out
