"""JAX version of the fused event likelihood, for NumPyro and GPUs.

The same formula as `kernel`, written with segment sums; tests hold both against the
plain PyMC expression.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from twinbayes.model.events.packed import EventData, unpack


def jax_event_likelihood(
    log_event: Any,
    log_mean: Any,
    coef: Any,
    effect: Any,
    trail: Any,
    weight: Any,
    index: Any,
    values: Any,
) -> tuple[Any, ...]:
    """Return ``(loglik, gradients)`` like `EventLikelihood`; data must be concrete arrays."""
    data = unpack(np.asarray(index), np.asarray(values))
    value, gradients = jax.value_and_grad(_loglik, argnums=(0, 1, 2, 3, 4))(
        log_event, log_mean, coef, effect, trail, weight, data
    )
    return (value, *gradients)


def _loglik(
    log_event: Any,
    log_mean: Any,
    coef: Any,
    effect: Any,
    trail: Any,
    weight: Any,
    data: EventData,
) -> Any:
    columns = coef.shape[0]
    design = _dense(data.column_start, data.column, data.value, columns)
    design[:, data.dense_column] = data.dense.reshape(len(data.dense_column), -1).T
    eta = (design - data.shift) @ coef
    moments = _dense(data.moment_start, data.moment_column, data.moment, columns)
    eta = eta + 0.5 * moments @ coef**2
    predictor = eta[data.patient, data.intensity]
    if len(data.acting):
        group = data.subgroup[data.patient[data.acting_row]]
        shift = effect[data.acting, group]
        predictor = predictor + jax.ops.segment_sum(shift, data.acting_row, data.n_rows)
    # (row, window) exposures, from one (window, row) block an intensity
    days = np.concatenate([data.days_at_risk(e).T for e in range(coef.shape[1])])
    cumulative = jnp.sum(days * jnp.exp(log_mean)[data.intensity], axis=1) * jnp.exp(predictor)
    if len(data.node_row):
        rate = log_mean[data.intensity[data.node_row], data.node_window]
        along = rate + predictor[data.node_row] + trail[: len(data.node_row)]
        own = jnp.exp(along) * data.node_days
        cumulative = cumulative + jax.ops.segment_sum(own, data.node_row, data.n_rows)
    fired = data.event_row
    at_event = log_event[data.intensity[fired], data.event_window] + predictor[fired]
    if len(trail):
        moved = data.event_point >= 0
        at_event = at_event + jnp.where(moved, trail[data.event_point], 0.0)
    if not len(data.course_patient):
        return jnp.sum(weight[data.patient[fired]] * at_event) - jnp.sum(
            weight[data.patient] * cumulative
        )
    n_courses = len(data.course_patient)
    each = jax.ops.segment_sum(at_event, data.patient[fired], n_courses) + data.log_share
    each = each - jax.ops.segment_sum(cumulative, data.patient, n_courses)
    top = jax.ops.segment_max(each, data.course_patient, data.n_patients)
    spread = jnp.exp(each - top[data.course_patient])
    total = top + jnp.log(jax.ops.segment_sum(spread, data.course_patient, data.n_patients))
    return jnp.sum(weight * total)


def _dense(starts: np.ndarray, columns: np.ndarray, values: np.ndarray, width: int) -> np.ndarray:
    out = np.zeros((len(starts) - 1, width))
    out[np.repeat(np.arange(len(starts) - 1), np.diff(starts)), columns] = values
    return out
