"""Quantiles of normal mixtures as an Op: a standard normal number in, a draw of the mixture out.

A parameter under a mixture of a narrow and a wide normal distribution traps samplers in the narrow
one. Written as theta = Q(Phi(z)), with Q the quantile function of the mixture and z standard
normal, it has exactly that prior, and no funnel: no label of a component is ever drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

import numba
import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_grad
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch import basic as numba_basic

from twinbayes.machine.jit import jit, kernel_version, native
from twinbayes.machine.native import pointer, view
from twinbayes.machine.special import log_ndtr
from twinbayes.tensors import Tensor

_ROOT2: Final = math.sqrt(2.0)
_LOG_ROOT_2PI: Final = 0.5 * math.log(2.0 * math.pi)
_STEPS: Final = 200
_CLOSE: Final = 1e-14

_jit: Any = jit()


@_jit
def _log_sum(weight, mean, sd, side, x, tails):  # type: ignore[no-untyped-def]
    """Log of the mixture's lower tail at x, and its slope; `side` -1 mirrors the mixture.

    `tails` is room for one number a component.
    """
    largest = -np.inf
    for k in range(len(weight)):
        if weight[k] > 0.0:
            tails[k] = log_ndtr((x - side * mean[k]) / sd[k])
            largest = max(largest, math.log(weight[k]) + tails[k])
    tail, density = 0.0, 0.0
    for k in range(len(weight)):
        if weight[k] > 0.0:
            u = (x - side * mean[k]) / sd[k]
            tail += weight[k] * math.exp(tails[k] - largest)
            density += weight[k] / sd[k] * math.exp(-0.5 * u * u - _LOG_ROOT_2PI - largest)
    return largest + math.log(tail), density / tail


@_jit
def _quantile(z, weight, mean, sd, tails):  # type: ignore[no-untyped-def]
    """Solve G(x) = Phi(z) within the components' own quantiles: Newton's method, kept inside."""
    if not math.isfinite(z):
        return np.nan
    side = 1.0 if z <= 0.0 else -1.0
    low, high = np.inf, -np.inf
    for k in range(len(weight)):
        if weight[k] > 0.0:
            own = side * mean[k] + sd[k] * side * z
            low, high = min(low, own), max(high, own)
    if not (math.isfinite(low) and math.isfinite(high)):
        return np.nan
    wanted = log_ndtr(side * z)
    x = 0.5 * (low + high)
    for _ in range(_STEPS):
        if high - low <= _CLOSE * (1.0 + abs(low) + abs(high)):
            break
        value, slope = _log_sum(weight, mean, sd, side, x, tails)
        if value > wanted:
            high = x
        else:
            low = x
        step = (wanted - value) / slope if slope > 0.0 else np.inf
        # Before the bracket is asked: at the root, rounding alone puts a step outside of it.
        if abs(step) <= _CLOSE * (1.0 + abs(x)):
            break
        x = x + step if low < x + step < high else 0.5 * (low + high)
    return side * x


@_jit
def _quantiles(z, weight, mean, sd, out):  # type: ignore[no-untyped-def]
    tails = np.empty(weight.shape[1])
    for i in range(len(z)):
        out[i] = _quantile(z[i], weight[i], mean[i], sd[i], tails)


def _from_frame(words):  # type: ignore[no-untyped-def]
    frame = view(words, (13,))
    n, k = frame[1], frame[4]
    z = view(pointer(frame[0]), (n,), np.float64)
    weight = view(pointer(frame[2]), (n, k), np.float64)
    mean = view(pointer(frame[5]), (n, k), np.float64)
    sd = view(pointer(frame[8]), (n, k), np.float64)
    out = view(pointer(frame[11]), (n,), np.float64)
    _quantiles(z, weight, mean, sd, out)


@cache
def _native_entry() -> Any:
    signature = numba.types.void(numba.types.CPointer(numba.types.int64))
    return native(signature, _from_frame)


class NormalMixtureQuantile(Op):
    """``(z, weight, mean, sd) -> theta``: (n,), and (n, component) three times, to (n,).

    The gradient by the weights is right along weights that sum to one, and only there.
    """

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply[Any]:
        """Type the inputs."""
        typed = [pt.as_tensor(x, dtype="float64") for x in inputs]
        return Apply(self, typed, [typed[0].type()])

    def perform(
        self, node: Apply[Any], inputs: Sequence[Any], output_storage: Sequence[list[Any]]
    ) -> None:
        """Call the kernel from Python, for graphs that are not compiled to numba."""
        z, weight, mean, sd = (np.ascontiguousarray(x) for x in inputs)
        out = np.empty_like(z)
        _quantiles(z, weight, mean, sd, out)
        output_storage[0][0] = out

    def native_address(self) -> int:
        """Address of the kernel's entry point for native callers."""
        address: int = _native_entry().address
        return address

    def native_shapes(self, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Shapes of the outputs, given those of the inputs."""
        return [shapes[0]]

    def infer_shape(
        self, node: Apply[Any], shapes: list[tuple[Variable[Any, Any], ...]]
    ) -> list[tuple[Variable[Any, Any], ...]]:
        """Shapes of the outputs without evaluating them."""
        return [shapes[0]]

    def connection_pattern(self, node: Apply[Any]) -> list[list[bool]]:
        """Say that the value depends, differentiably, on everything."""
        return [[True]] * 4

    def pullback(
        self,
        inputs: Sequence[Variable[Any, Any]],
        outputs: Sequence[Variable[Any, Any]],
        output_grads: Sequence[Variable[Any, Any]],
    ) -> list[Variable[Any, Any]]:
        """Differentiate G(theta; mean, sd) = Phi(z) implicitly."""
        z, weight, mean, sd = (pt.as_tensor_variable(x) for x in inputs)
        theta, scale = pt.as_tensor_variable(outputs[0]), pt.as_tensor_variable(output_grads[0])
        u = (theta[:, None] - mean) / sd
        log_parts = pt.log(weight) - pt.log(sd) - 0.5 * u**2
        log_density = log_sum_exp(log_parts)
        by_mean = scale[:, None] * pt.exp(log_parts - log_density)
        # Of the two tails take the one that z lies in: the other is 1 to the last digit.
        side = pt.switch(pt.le(z, 0.0), 1.0, -1.0)[:, None]
        tail = 0.5 * pt.erfc(-side * u / _ROOT2)
        return [
            scale * pt.exp(-0.5 * z**2 - log_density[:, 0]),
            -scale[:, None] * side * tail * pt.exp(_LOG_ROOT_2PI - log_density),
            by_mean,
            by_mean * u,
        ]


@numba_basic.register_funcify_default_op_cache_key(NormalMixtureQuantile)  # type: ignore[untyped-decorator]
def _to_numba(op: NormalMixtureQuantile, **_: Any) -> Any:
    @numba_basic.numba_njit
    def normal_mixture_quantile(z, weight, mean, sd):  # type: ignore[no-untyped-def]
        out = np.empty(len(z))
        _quantiles(z, weight, mean, sd, out)
        return out

    return normal_mixture_quantile, kernel_version()


def mixture_quantile(z: Tensor, weight: np.ndarray | Tensor, mean: Tensor, sd: Tensor) -> Tensor:
    """Return theta with ``sum_k weight_k Phi((theta - mean_k) / sd_k) = Phi(z)``.

    Parameters
    ----------
    z
        Standard normal numbers of any shape.
    weight
        Weights of the components, which sum to one, along a last axis; the rest broadcasts.
    mean, sd
        Means and standard deviations of the components, laid out like `weight`.

    Returns
    -------
    TensorVariable
        Shaped as `z`.
    """
    n_components = weight.shape[-1]
    like = pt.zeros_like(z)[..., None]
    parts = [(like + x).reshape((-1, n_components)) for x in (pt.as_tensor(weight), mean, sd)]
    node = NormalMixtureQuantile().make_node(z.ravel(), *parts)
    flat: Tensor = pt.as_tensor_variable(node.outputs[0]).reshape(z.shape)
    return flat


def log_memberships(theta: Tensor, weight: np.ndarray, mean: Tensor, sd: Tensor) -> Tensor:
    """Log probability that `theta` came from each component, along the last axis."""
    u = (theta[..., None] - mean) / sd
    log_parts = pt.log(pt.as_tensor(weight)) - pt.log(sd) - 0.5 * u**2
    log_probability: Tensor = log_parts - log_sum_exp(log_parts)
    return log_probability


def log_sum_exp(x: Tensor) -> Tensor:
    """Log of the sum of exponentials along the last axis, which stays."""
    largest = disconnected_grad(pt.max(x, axis=-1, keepdims=True))
    total: Tensor = largest + pt.log(pt.sum(pt.exp(x - largest), axis=-1, keepdims=True))
    return total


def register_jax() -> None:
    """Teach PyTensor the JAX version of the Op; needs the optional package ``jax``."""
    from pytensor.link.jax.dispatch.basic import jax_funcify

    @jax_funcify.register(NormalMixtureQuantile)
    def _to_jax(op: NormalMixtureQuantile, **_: Any) -> Callable[..., Any]:
        from twinbayes.model.pooling.quantile.jax import jax_mixture_quantile

        return jax_mixture_quantile
