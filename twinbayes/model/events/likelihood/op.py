"""The fused event-likelihood Op: value and gradient from one call of the kernel.

The Op returns the gradient beside the value, so its pull-back is a scaling of outputs that the
compiled function already has; nothing is computed twice. A JAX version serves NumPyro.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch import basic as numba_basic

from twinbayes.machine.jit import kernel_version
from twinbayes.model.events.likelihood.courses import event_loglik, native_entry
from twinbayes.tensors import Tensor

# log_event, log_mean, coef, effect, trail, frailty; weight and data carry no gradient
_N_PARAMETERS: Final = 6


class EventLikelihood(Op):
    """The log-likelihood of event histories, and its gradients by all parameters.

    Inputs and their shapes are those of `courses.event_loglik`. Only the first output is
    differentiable, once.
    """

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply[Any]:
        """Type the inputs; outputs are the scalar value and gradients shaped as the parameters."""
        parameters = [pt.as_tensor(x, dtype="float64") for x in inputs[: _N_PARAMETERS + 1]]
        index = pt.as_tensor(inputs[_N_PARAMETERS + 1], dtype="int64")
        values = pt.as_tensor(inputs[_N_PARAMETERS + 2], dtype="float64")
        outputs = [pt.dscalar(), *(p.type() for p in parameters[:_N_PARAMETERS])]
        return Apply(self, [*parameters, index, values], outputs)

    def perform(
        self, node: Apply[Any], inputs: Sequence[Any], output_storage: Sequence[list[Any]]
    ) -> None:
        """Call the kernel from Python, for graphs that are not compiled to numba."""
        results = _call_kernel(*(np.ascontiguousarray(x) for x in inputs))
        for slot, result in zip(output_storage, results, strict=True):
            slot[0] = np.asarray(result)

    def native_address(self) -> int:
        """Address of the kernel's entry point for native callers."""
        address: int = native_entry().address
        return address

    def native_shapes(self, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Shapes of the outputs, given those of the inputs."""
        return [(), *shapes[:_N_PARAMETERS]]

    def infer_shape(
        self, node: Apply[Any], shapes: list[tuple[Variable[Any, Any], ...]]
    ) -> list[tuple[Variable[Any, Any], ...]]:
        """Shapes of the outputs without evaluating them."""
        return [(), *shapes[:_N_PARAMETERS]]

    def connection_pattern(self, node: Apply[Any]) -> list[list[bool]]:
        """Say that only the value depends, differentiably, on the parameters."""
        return [[k < _N_PARAMETERS, *[False] * _N_PARAMETERS] for k in range(_N_PARAMETERS + 3)]

    def pullback(
        self,
        inputs: Sequence[Variable[Any, Any]],
        outputs: Sequence[Variable[Any, Any]],
        output_grads: Sequence[Variable[Any, Any]],
    ) -> list[Variable[Any, Any]]:
        """Scale the gradients that the node has computed already."""
        scale = pt.as_tensor_variable(output_grads[0])
        gradients = [scale * pt.as_tensor_variable(g) for g in outputs[1:]]
        return [*gradients, *(disconnected_type() for _ in inputs[_N_PARAMETERS:])]


def loglik(
    log_event: Tensor,
    log_mean: Tensor,
    coef: Tensor,
    effect: Tensor,
    trail: Tensor,
    frailty: Tensor,
    weight: Tensor,
    index: Tensor,
    values: Tensor,
) -> Tensor:
    """Return the symbolic log-likelihood of packed event data, a scalar.

    Parameters
    ----------
    log_event, log_mean, coef, effect, trail, frailty, weight, index, values
        Shapes as in `courses.event_loglik`.
    """
    inputs = (log_event, log_mean, coef, effect, trail, frailty, weight, index, values)
    node = EventLikelihood().make_node(*inputs)
    return pt.as_tensor_variable(node.outputs[0])


def _call_kernel(
    log_event: NDArray[np.float64],
    log_mean: NDArray[np.float64],
    coef: NDArray[np.float64],
    effect: NDArray[np.float64],
    trail: NDArray[np.float64],
    frailty: NDArray[np.float64],
    weight: NDArray[np.float64],
    index: NDArray[np.int64],
    values: NDArray[np.float64],
) -> tuple[Any, ...]:
    gradients = [np.empty_like(x) for x in (log_event, log_mean, coef, effect, trail, frailty)]
    inputs = (log_event, log_mean, coef, effect, trail, frailty, weight, index, values)
    total = event_loglik(*inputs, *gradients, np.empty(0))
    return (total, *gradients)


@numba_basic.register_funcify_default_op_cache_key(EventLikelihood)  # type: ignore[untyped-decorator]
def _to_numba(op: EventLikelihood, **_: Any) -> Any:
    @numba_basic.numba_njit
    def event_likelihood(  # type: ignore[no-untyped-def]
        log_event, log_mean, coef, effect, trail, frailty, weight, index, values
    ):
        log_event = np.ascontiguousarray(log_event)
        log_mean = np.ascontiguousarray(log_mean)
        coef = np.ascontiguousarray(coef)
        effect = np.ascontiguousarray(effect)
        trail = np.ascontiguousarray(trail)
        frailty = np.ascontiguousarray(frailty)
        grad_event = np.empty_like(log_event)
        grad_mean = np.empty_like(log_mean)
        grad_coef = np.empty_like(coef)
        grad_effect = np.empty_like(effect)
        grad_trail = np.empty_like(trail)
        grad_frailty = np.empty_like(frailty)
        total = event_loglik(
            log_event,
            log_mean,
            coef,
            effect,
            trail,
            frailty,
            np.ascontiguousarray(weight),
            np.ascontiguousarray(index),
            np.ascontiguousarray(values),
            grad_event,
            grad_mean,
            grad_coef,
            grad_effect,
            grad_trail,
            grad_frailty,
            np.empty(0),
        )
        gradients = (grad_event, grad_mean, grad_coef, grad_effect, grad_trail, grad_frailty)
        return (np.asarray(total), *gradients)

    # PyTensor caches compiled graphs with the kernel inside them: another kernel, another key.
    return event_likelihood, kernel_version()


def register_jax() -> None:
    """Teach PyTensor the JAX version of the Op; needs the optional package ``jax``."""
    from pytensor.link.jax.dispatch.basic import jax_funcify

    from twinbayes.model.events.likelihood.jax import jax_event_likelihood

    @jax_funcify.register(EventLikelihood)
    def _to_jax(op: EventLikelihood, **_: Any) -> Callable[..., Any]:
        return jax_event_likelihood
