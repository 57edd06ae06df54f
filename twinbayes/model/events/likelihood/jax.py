"""JAX version of the fused event likelihood, for NumPyro and GPUs.

The same formula as `kernel`, written with segment sums; tests hold both against the
plain PyMC expression.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from twinbayes.model.events.likelihood.frailty import (
    LOG_WEIGHTS,
    LONGEST_STEP,
    N_STEPS,
    NODES,
)
from twinbayes.model.events.packed import EventData, unpack


def jax_event_likelihood(
    log_event: Any,
    log_mean: Any,
    coef: Any,
    effect: Any,
    trail: Any,
    frailty: Any,
    weight: Any,
    index: Any,
    values: Any,
) -> tuple[Any, ...]:
    """Return ``(loglik, gradients)`` like `EventLikelihood`; data must be concrete arrays."""
    data = unpack(np.asarray(index), np.asarray(values))
    value, gradients = jax.value_and_grad(_loglik, argnums=(0, 1, 2, 3, 4, 5))(
        log_event, log_mean, coef, effect, trail, frailty, weight, data
    )
    return (value, *gradients)


def _loglik(
    log_event: Any,
    log_mean: Any,
    coef: Any,
    effect: Any,
    trail: Any,
    frailty: Any,
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
    n_courses = len(data.subgroup)
    each = jax.ops.segment_sum(at_event, data.patient[fired], n_courses)
    if len(frailty):
        each = each + _integrals(frailty, cumulative, data)
    else:
        each = each - jax.ops.segment_sum(cumulative, data.patient, n_courses)
    if not len(data.course_patient):
        return jnp.sum(weight * each)
    each = each + data.log_share
    top = jax.ops.segment_max(each, data.course_patient, data.n_patients)
    spread = jnp.exp(each - top[data.course_patient])
    total = top + jnp.log(jax.ops.segment_sum(spread, data.course_patient, data.n_patients))
    return jnp.sum(weight * total)


def _integrals(frailty: Any, cumulative: Any, data: EventData) -> Any:
    """(course,) log integrals over the frailty; nodes lie where the record puts them."""
    n, width = len(data.subgroup), len(frailty)
    cell = data.patient * width + data.intensity
    hazard = jax.ops.segment_sum(cumulative, cell, n * width).reshape(n, width)
    fired = np.bincount(cell[data.event_row], minlength=n * width).reshape(n, width)
    pull = fired @ frailty
    fixed = jax.lax.stop_gradient((pull, hazard, frailty))
    middle, spread = _mode(*fixed)
    b = middle[:, None] + spread[:, None] * NODES
    moved = jnp.exp(b[:, :, None] * frailty)
    value = LOG_WEIGHTS + pull[:, None] * b - 0.5 * b**2 - jnp.einsum("ie,ike->ik", hazard, moved)
    return jax.nn.logsumexp(value, axis=1) + jnp.log(spread) - 0.5 * jnp.log(jnp.pi)


def _mode(pull: Any, hazard: Any, frailty: Any) -> tuple[Any, Any]:
    """(course,) mode of the integrand and its standard deviation there; see `frailty.mode_of`."""

    def bend(b: Any) -> tuple[Any, Any]:
        own = hazard * frailty * jnp.exp(b[:, None] * frailty)
        return pull - b - own.sum(axis=1), 1.0 + (own * frailty).sum(axis=1)

    def step(_: Any, b: Any) -> Any:
        slope, curvature = bend(b)
        return b + jnp.clip(slope / curvature, -LONGEST_STEP, LONGEST_STEP)

    b = jax.lax.fori_loop(0, N_STEPS, step, jnp.zeros_like(pull))
    return b, 1.0 / jnp.sqrt(bend(b)[1])


def _dense(starts: np.ndarray, columns: np.ndarray, values: np.ndarray, width: int) -> np.ndarray:
    out = np.zeros((len(starts) - 1, width))
    out[np.repeat(np.arange(len(starts) - 1), np.diff(starts)), columns] = values
    return out
