"""What curves add to log hazards at the points of the event likelihood, as an Op.

At point p, a time of patient i at which the hazard of intensity e is wanted,

    trail_p = sum_f strength[which[f, e]] sum_c weight[p, c] curve[i, c],

with f the features that move e, and c the columns of feature f, of which a feature of one straight
line has two. Points are many more than patients: a tape, which takes a long vector through memory
for every product, would need ten times as long as one pass over the points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from functools import cache
from typing import Any, Final

import numba
import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch import basic as numba_basic

from twinbayes.arrays import Floats, Ints
from twinbayes.machine.jit import jit, kernel_version, native
from twinbayes.machine.native import pointer, view
from twinbayes.tensors import Tensor

_jit: Any = jit(fast={"contract", "reassoc", "nsz"})
_N_DATA: Final = 5
_KINDS: Final = ("int64", "int64", "int64", "int64", "float64")


@dataclass(frozen=True)
class TrailDesign:
    """Which curves move which points, and by how much.

    Attributes
    ----------
    patient, intensity
        (point,)
    which
        (feature, intensity) position of the log hazard ratio; -1 where the feature does not act.
    start
        (feature + 1,) first column of each feature, and their number.
    weights
        (point, column) the feature per unit of each column; not read where it does not act.
    """

    patient: Ints
    intensity: Ints
    which: Ints
    start: Ints
    weights: Floats


@_jit
def fill_trail(strength, curve, patient, intensity, which, start, weights, out):  # type: ignore[no-untyped-def]
    """Fill (point,) `out` from (ratio,) `strength` and (patient, column) `curve`."""
    for p in range(len(out)):
        i, e = np.uint64(patient[p]), np.uint64(intensity[p])
        total = 0.0
        for f in range(which.shape[0]):
            if which[f, e] >= 0:
                own = 0.0
                for c in range(start[f], start[f + 1]):
                    own += weights[p, c] * curve[i, c]
                total += strength[which[f, e]] * own
        out[p] = total


@_jit
def fill_gradients(  # type: ignore[no-untyped-def]
    strength, curve, grad, patient, intensity, which, start, weights, grad_strength, grad_curve
):
    """Fill the gradients by `strength` and `curve` of a sum that moves by (point,) `grad`."""
    for k in range(len(grad_strength)):
        grad_strength[k] = 0.0
    for i in range(len(grad_curve)):
        for c in range(grad_curve.shape[1]):
            grad_curve[i, c] = 0.0
    for p in range(len(grad)):
        who, e = np.uint64(patient[p]), np.uint64(intensity[p])
        for f in range(which.shape[0]):
            if which[f, e] >= 0:
                own, pull = 0.0, grad[p] * strength[which[f, e]]
                for c in range(start[f], start[f + 1]):
                    own += weights[p, c] * curve[who, c]
                    grad_curve[who, c] += pull * weights[p, c]
                grad_strength[which[f, e]] += grad[p] * own


@_jit
def _vector(frame, at):  # type: ignore[no-untyped-def]
    return view(pointer(frame[at]), (frame[at + 1],), np.float64)


@_jit
def _matrix(frame, at):  # type: ignore[no-untyped-def]
    return view(pointer(frame[at]), (frame[at + 1], frame[at + 2]), np.float64)


@_jit
def _design(frame, at):  # type: ignore[no-untyped-def]
    return (
        view(pointer(frame[at]), (frame[at + 1],), np.int64),
        view(pointer(frame[at + 2]), (frame[at + 3],), np.int64),
        view(pointer(frame[at + 4]), (frame[at + 5], frame[at + 6]), np.int64),
        view(pointer(frame[at + 7]), (frame[at + 8],), np.int64),
        _matrix(frame, at + 9),
    )


def _trail_native(words):  # type: ignore[no-untyped-def]
    frame = view(words, (19,))
    patient, intensity, which, start, weights = _design(frame, 5)
    fill_trail(
        _vector(frame, 0), _matrix(frame, 2), patient, intensity, which, start, weights,
        _vector(frame, 17),
    )  # fmt: skip


def _gradients_native(words):  # type: ignore[no-untyped-def]
    frame = view(words, (24,))
    patient, intensity, which, start, weights = _design(frame, 7)
    fill_gradients(
        _vector(frame, 0), _matrix(frame, 2), _vector(frame, 5),
        patient, intensity, which, start, weights, _vector(frame, 19), _matrix(frame, 21),
    )  # fmt: skip


@cache
def _entry(function: Callable[..., None]) -> Any:
    signature = numba.types.void(numba.types.CPointer(numba.types.int64))
    return native(signature, function)


class CurveTrail(Op):
    """``(strength, curve, *design) -> trail``; differentiable once by strength and curve."""

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply[Any]:
        """Type the inputs: (ratio,), (patient, column), and the fields of a `TrailDesign`."""
        typed = _typed(inputs, 2)
        return Apply(self, typed, [pt.dvector()])

    def perform(
        self, node: Apply[Any], inputs: Sequence[Any], output_storage: Sequence[list[Any]]
    ) -> None:
        """Call the kernel from Python, for graphs that are not compiled to numba."""
        given = [np.ascontiguousarray(x) for x in inputs]
        out = np.empty(len(given[2]))
        fill_trail(*given, out)
        output_storage[0][0] = out

    def native_address(self) -> int:
        """Address of the kernel's entry point for native callers."""
        address: int = _entry(_trail_native).address
        return address

    def native_shapes(self, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Shapes of the outputs, given those of the inputs."""
        return [shapes[2]]

    def infer_shape(
        self, node: Apply[Any], shapes: list[tuple[Variable[Any, Any], ...]]
    ) -> list[tuple[Variable[Any, Any], ...]]:
        """Shapes of the outputs without evaluating them."""
        return [shapes[2]]

    def connection_pattern(self, node: Apply[Any]) -> list[list[bool]]:
        """Say that the value depends, differentiably, on strength and curve."""
        return [[True], [True], *[[False]] * _N_DATA]

    def pullback(
        self,
        inputs: Sequence[Variable[Any, Any]],
        outputs: Sequence[Variable[Any, Any]],
        output_grads: Sequence[Variable[Any, Any]],
    ) -> list[Variable[Any, Any]]:
        """Carry the gradient of each point back to strength and curve."""
        strength, curve, *design = inputs
        node = CurveTrailGradients().make_node(strength, curve, output_grads[0], *design)
        return [*node.outputs, *(disconnected_type() for _ in design)]


class CurveTrailGradients(Op):
    """``(strength, curve, gradient, *design) -> gradients by strength, and by curve``."""

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply[Any]:
        """Type the inputs; outputs are shaped as strength and curve."""
        typed = _typed(inputs, 3)
        return Apply(self, typed, [typed[0].type(), typed[1].type()])

    def perform(
        self, node: Apply[Any], inputs: Sequence[Any], output_storage: Sequence[list[Any]]
    ) -> None:
        """Call the kernel from Python, for graphs that are not compiled to numba."""
        given = [np.ascontiguousarray(x) for x in inputs]
        out = np.empty_like(given[0]), np.empty_like(given[1])
        fill_gradients(*given, *out)
        for slot, gradient in zip(output_storage, out, strict=True):
            slot[0] = gradient

    def native_address(self) -> int:
        """Address of the kernel's entry point for native callers."""
        address: int = _entry(_gradients_native).address
        return address

    def native_shapes(self, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Shapes of the outputs, given those of the inputs."""
        return list(shapes[:2])

    def infer_shape(
        self, node: Apply[Any], shapes: list[tuple[Variable[Any, Any], ...]]
    ) -> list[tuple[Variable[Any, Any], ...]]:
        """Shapes of the outputs without evaluating them."""
        return list(shapes[:2])


def _typed(inputs: Sequence[Any], n_floats: int) -> list[Any]:
    kinds = (*["float64"] * n_floats, *_KINDS)
    return [pt.as_tensor(x, dtype=kind) for x, kind in zip(inputs, kinds, strict=True)]


@numba_basic.register_funcify_default_op_cache_key(CurveTrail)  # type: ignore[untyped-decorator]
def _to_numba(op: CurveTrail, **_: Any) -> Any:
    @numba_basic.numba_njit
    def curve_trail(strength, curve, patient, intensity, which, start, weights):  # type: ignore[no-untyped-def]
        out = np.empty(len(patient))
        fill_trail(
            np.ascontiguousarray(strength), np.ascontiguousarray(curve),
            np.ascontiguousarray(patient), np.ascontiguousarray(intensity),
            np.ascontiguousarray(which), np.ascontiguousarray(start),
            np.ascontiguousarray(weights), out,
        )  # fmt: skip
        return out

    return curve_trail, kernel_version()


@numba_basic.register_funcify_default_op_cache_key(CurveTrailGradients)  # type: ignore[untyped-decorator]
def _gradients_to_numba(op: CurveTrailGradients, **_: Any) -> Any:
    @numba_basic.numba_njit
    def curve_trail_gradients(  # type: ignore[no-untyped-def]
        strength, curve, grad, patient, intensity, which, start, weights
    ):
        strength, curve = np.ascontiguousarray(strength), np.ascontiguousarray(curve)
        grad_strength, grad_curve = np.empty_like(strength), np.empty_like(curve)
        fill_gradients(
            strength, curve, np.ascontiguousarray(grad),
            np.ascontiguousarray(patient), np.ascontiguousarray(intensity),
            np.ascontiguousarray(which), np.ascontiguousarray(start),
            np.ascontiguousarray(weights), grad_strength, grad_curve,
        )  # fmt: skip
        return grad_strength, grad_curve

    return curve_trail_gradients, kernel_version()


def curve_trail(strength: Tensor, curve: Tensor, design: TrailDesign) -> Tensor:
    """Return (point,) what curves add to log hazards.

    Parameters
    ----------
    strength
        (ratio,) log hazard ratios per unit of a feature.
    curve
        (patient, column) what the columns of all features are, side by side.
    design
        Which of them act where.
    """
    node = CurveTrail().make_node(strength, curve, *astuple(design))
    return pt.as_tensor_variable(node.outputs[0])


def register_jax() -> None:
    """Teach PyTensor the JAX version of the Ops; needs the optional package ``jax``."""
    from pytensor.link.jax.dispatch.basic import jax_funcify

    from twinbayes.model.curves.trail.jax import jax_curve_trail, jax_curve_trail_gradients

    @jax_funcify.register(CurveTrail)
    def _to_jax(op: CurveTrail, **_: Any) -> Callable[..., Any]:
        return jax_curve_trail

    @jax_funcify.register(CurveTrailGradients)
    def _gradients_to_jax(op: CurveTrailGradients, **_: Any) -> Callable[..., Any]:
        return jax_curve_trail_gradients
