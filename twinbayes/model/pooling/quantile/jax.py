"""JAX version of the quantiles of normal mixtures, for NumPyro and GPUs."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.special import log_ndtr, logsumexp

_HALVINGS = 100


def jax_mixture_quantile(z: Any, weight: Any, mean: Any, sd: Any) -> Any:
    """Solve by halving, then take one step of Newton's method that JAX can differentiate."""
    side = jnp.where(z <= 0.0, 1.0, -1.0)
    log_weight = jnp.log(weight)
    wanted = log_ndtr(side * z)

    def log_tail(x: Any, mean: Any, sd: Any) -> Any:
        return logsumexp(log_weight + log_ndtr((x[:, None] - side[:, None] * mean) / sd), axis=1)

    def halve(_: int, ends: tuple[Any, Any]) -> tuple[Any, Any]:
        low, high = ends
        middle = 0.5 * (low + high)
        above = log_tail(middle, mean, sd) > wanted
        return jnp.where(above, low, middle), jnp.where(above, middle, high)

    own = side[:, None] * mean + sd * (side * z)[:, None]
    used = weight > 0.0
    ends = (
        jnp.min(jnp.where(used, own, jnp.inf), axis=1),
        jnp.max(jnp.where(used, own, -jnp.inf), axis=1),
    )
    low, high = jax.lax.fori_loop(0, _HALVINGS, halve, ends)
    x = jax.lax.stop_gradient(0.5 * (low + high))
    slope = jax.grad(lambda v: log_tail(v, mean, sd).sum())(x)
    step = (wanted - log_tail(x, mean, sd)) / jax.lax.stop_gradient(slope)
    return side * (x + step)
