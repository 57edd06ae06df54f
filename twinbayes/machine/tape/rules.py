"""How each PyTensor operation is recorded, and the graphs of a model that are.

What is not here, or fails while it is recorded, cannot be: `UnknownOperationError` names it, and
samplers then compile the model in the ordinary way. An Op from elsewhere brings its own machine
code by being a `NativeOp`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pytensor.compile.builders import OpFromGraph
from pytensor.compile.mode import optdb
from pytensor.compile.ops import TypeCastingOp
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.db import RewriteDatabaseQuery
from pytensor.graph.traversal import graph_inputs
from pytensor.raise_op import CheckAndRaise
from pytensor.scalar.basic import Composite, ScalarOp
from pytensor.tensor import basic, elemwise, extra_ops, math, subtensor
from pytensor.tensor.linalg.solvers.triangular import SolveTriangular
from pytensor.tensor.shape import Reshape, Shape, Shape_i, SpecifyShape

from twinbayes.arrays import Ints
from twinbayes.errors import TwinbayesError
from twinbayes.machine.tape import instructions as tape_code
from twinbayes.machine.tape.linalg import solve_entry
from twinbayes.machine.tape.recorder import Tape, TapeRecorder


class UnknownOperationError(TwinbayesError, RuntimeError):
    """The graph holds an operation that a tape cannot record; the message names it."""


@runtime_checkable
class NativeOp(Protocol):
    """An Op with its own machine code; its outputs are shaped as `native_shapes` says."""

    def native_address(self) -> int:
        """Address of ``void f(int64_t *frame)``, see `TapeRecorder.call`."""

    def native_shapes(self, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Shapes of the outputs, given those of the inputs."""


def prepare(vector: Variable[Any, Any], outputs: Sequence[Variable[Any, Any]]) -> FunctionGraph:
    """Simplify a graph for recording: stable forms, nothing computed twice, nothing in place.

    The inputs of the result are the vector, then every shared variable.
    """
    shared = [v for v in graph_inputs(outputs) if isinstance(v, SharedVariable)]
    graph = FunctionGraph([vector, *shared], list(outputs), clone=True)
    names = [str(v.name) for v in shared]
    if "None" in names or len(set(names)) < len(names):
        raise UnknownOperationError("data without a name of their own")
    query = RewriteDatabaseQuery(
        include=["fast_run", "py_only"], exclude=["fusion", "inplace", "BlasOpt", "cxx_only"]
    )
    optdb.query(query).rewrite(graph)
    return graph


def record(graph: FunctionGraph, data: Mapping[str, NDArray[Any]]) -> Tape:
    """Record a graph that has been prepared, for values of its shared variables.

    Raises
    ------
    UnknownOperationError
        The graph cannot be recorded.
    """
    return _Walk(TapeRecorder(graph.inputs[0].type.shape[0])).through(graph, data)


class _Walk:
    """Values of one graph's variables: arrays where they are known, places where they are not."""

    def __init__(self, tape: TapeRecorder) -> None:
        self.tape = tape
        self.known: dict[Variable[Any, Any], NDArray[Any]] = {}
        self.moving: dict[Variable[Any, Any], Ints] = {}

    def through(self, graph: FunctionGraph, data: Mapping[str, NDArray[Any]]) -> Tape:
        """Record every node, and what the graph returns."""
        vector, *shared = graph.inputs
        self.moving[vector] = np.arange(self.tape.n_inputs, dtype=np.int64)
        self.known |= {variable: data[str(variable.name)] for variable in shared}
        return self.tape.finish(self.over(graph))

    def over(self, graph: FunctionGraph) -> list[Ints]:
        """Record every node of a graph whose inputs are there; return places of its outputs."""
        for node in graph.toposort():
            try:
                if all(self._is_known(v) for v in node.inputs):
                    self._compute(node)
                else:
                    self._record(node)
            except UnknownOperationError:
                raise
            except Exception as error:  # of the Op's own code, or of a rule that it does not fit
                raise UnknownOperationError(f"{node.op} ({type(error).__name__})") from error
        return [self.places(v) for v in graph.outputs]

    def inside(self, node: Apply[Any]) -> list[Ints]:
        """Record the graph within a node as if it stood in its place."""
        inner = _Walk(self.tape)
        for variable, outer in zip(node.op.fgraph.inputs, node.inputs, strict=True):
            if self._is_known(outer):
                inner.known[variable] = self.value(outer)
            else:
                inner.moving[variable] = self.moving[outer]
        return inner.over(node.op.fgraph)

    def places(self, variable: Variable[Any, Any]) -> Ints:
        """Places of a variable's numbers; known ones become constants of the tape."""
        if self._is_known(variable):
            return self.tape.constant(self.value(variable))
        return self.moving[variable]

    def value(self, variable: Variable[Any, Any]) -> NDArray[Any]:
        """Value of a variable that has to be known, such as an index or a shape."""
        if isinstance(variable, Constant):
            return np.asarray(variable.data)
        if variable not in self.known:
            source = "" if variable.owner is None else f", by {variable.owner.op}"
            raise UnknownOperationError(f"an index or shape that depends on parameters{source}")
        return self.known[variable]

    def _is_known(self, variable: Variable[Any, Any]) -> bool:
        return isinstance(variable, Constant) or variable in self.known

    def _compute(self, node: Apply[Any]) -> None:
        """Evaluate a node that depends on no input."""
        self.known |= zip(
            node.outputs, _performed(node, [_raw(v, self.known) for v in node.inputs]), strict=True
        )

    def _record(self, node: Apply[Any]) -> None:
        if isinstance(node.op, NativeOp):
            self._call(node.op, node)
            return
        rule = next((r for kind, r in RULES.items() if isinstance(node.op, kind)), None)
        if rule is None:
            raise UnknownOperationError(str(node.op))
        out = rule(self, node)
        parts = out if isinstance(out, list) else [out]
        self.moving |= zip(node.outputs, parts, strict=True)

    def _call(self, op: NativeOp, node: Apply[Any]) -> None:
        known = [self._is_known(v) for v in node.inputs]
        inputs = [
            self.value(v) if k else self.moving[v] for v, k in zip(node.inputs, known, strict=True)
        ]
        shapes = op.native_shapes([x.shape for x in inputs])
        outputs = self.tape.call(op.native_address(), inputs, known, shapes)
        self.moving |= zip(node.outputs, outputs, strict=True)


def _raw(variable: Variable[Any, Any], known: Mapping[Variable[Any, Any], Any]) -> Any:
    return variable.data if isinstance(variable, Constant) else known[variable]


def _performed(node: Apply[Any], values: Sequence[Any]) -> list[Any]:
    """Outputs of a node by its Python implementation."""
    storage: list[list[Any]] = [[None] for _ in node.outputs]
    node.op.perform(node, list(values), storage)
    return [slot[0] for slot in storage]


def _elementwise(walk: _Walk, node: Apply[Any]) -> Ints:
    op = node.op.scalar_op if isinstance(node.op, elemwise.Elemwise) else node.op
    parts = [walk.places(v) for v in node.inputs]
    return _scalar(walk.tape, op, parts, str(node.outputs[0].type.dtype))


def _scalar(tape: TapeRecorder, op: Any, parts: list[Ints], dtype: str) -> Ints:
    """Apply a scalar operation to arrays."""
    name = type(op).__name__
    if isinstance(op, Composite):
        return _composite(tape, op, parts)
    if name in _LOGICAL and dtype != "bool":
        raise UnknownOperationError(f"{name} of whole numbers")
    if name in _NESTED:
        out = parts[0]
        for part in parts[1:]:
            out = tape.binary(name, out, part)
        return out
    if name in ("Identity", "Second", "Cast"):
        out = np.broadcast_arrays(*parts)[-1]
        if name == "Cast" and not dtype.startswith("float"):
            return tape.unary("Truth" if dtype == "bool" else "Truncate", out)
        return out
    if name == "Switch":
        return tape.select(*parts)
    if name == "Clip":
        low = tape.binary("Maximum", parts[0], parts[1])
        return tape.binary("Minimum", low, parts[2])
    if name in tape_code.UNARY_FUNCTIONS and len(parts) == 1:
        return tape.unary(name, parts[0])
    if name in tape_code.BINARY_FUNCTIONS and len(parts) == 2:
        return tape.binary(name, *parts)
    raise UnknownOperationError(name)


def _composite(tape: TapeRecorder, op: Composite, parts: list[Ints]) -> Ints:
    if len(op.outputs) != 1:
        raise UnknownOperationError("Composite of several outputs")
    inner: dict[Any, Ints] = dict(zip(op.fgraph.inputs, parts, strict=True))
    for node in op.fgraph.toposort():
        values = [
            tape.constant(v.data) if isinstance(v, Constant) else inner[v] for v in node.inputs
        ]
        inner[node.outputs[0]] = _scalar(tape, node.op, values, str(node.outputs[0].type.dtype))
    return inner[op.fgraph.outputs[0]]


def _reduction(walk: _Walk, node: Apply[Any]) -> Ints:
    name = type(node.op.scalar_op).__name__
    if name not in _REDUCTIONS:
        raise UnknownOperationError(str(node.op))
    a = walk.places(node.inputs[0])
    axes = range(a.ndim) if node.op.axis is None else [k % a.ndim for k in node.op.axis]
    if name != "Add" and a.size == 0:
        raise UnknownOperationError(f"{node.op} of nothing")
    return walk.tape.reduce(_REDUCTIONS[name], a, list(axes))


def _cumulation(walk: _Walk, node: Apply[Any]) -> Ints:
    a = walk.places(node.inputs[0])
    mode = tape_code.SUM if node.op.mode == "add" else tape_code.PRODUCT
    if node.op.axis is None:
        return walk.tape.cumulate(mode, a.ravel(), 0)
    return walk.tape.cumulate(mode, a, node.op.axis)


def _dot(walk: _Walk, node: Apply[Any]) -> Ints:
    return walk.tape.matmul(*(walk.places(v) for v in node.inputs))


def _moves(*, data: slice) -> Rule:
    """Rule of operations that only move numbers: perform them on places.

    `data` says which inputs hold the numbers; the others are indices and shapes.
    """

    def rule(walk: _Walk, node: Apply[Any]) -> list[Ints]:
        zero = walk.tape.constant(0.0)
        moved = set(range(len(node.inputs))[data])
        values = [
            # Shifted, so that what an operation fills with 0 becomes the place of a zero.
            walk.places(v) - zero if k in moved else _raw_known(walk, v)
            for k, v in enumerate(node.inputs)
        ]
        return [np.asarray(x, dtype=np.int64) + zero for x in _performed(node, values)]

    return rule


def _raw_known(walk: _Walk, variable: Variable[Any, Any]) -> Any:
    """An index, shape or slice that has to be known."""
    return variable.data if isinstance(variable, Constant) else walk.value(variable)


def _triangular_solve(walk: _Walk, node: Apply[Any]) -> Ints:
    """Solve a triangular system; an upper one is a lower one read backwards."""
    op = node.op
    a, b = (walk.places(v) for v in node.inputs)
    if op.unit_diagonal or a.ndim != 2 or b.ndim != op.b_ndim:
        raise UnknownOperationError(str(op))
    right = b if b.ndim == 2 else b[:, None]
    if not op.lower:
        a, right = a[::-1, ::-1], right[::-1]
    (out,) = walk.tape.call(solve_entry().address, [a, right], [False, False], [right.shape])
    out = out if op.lower else out[::-1]
    return out if b.ndim == 2 else out[:, 0]


def _joined(walk: _Walk, node: Apply[Any]) -> Ints:
    parts = [walk.places(v) for v in node.inputs]
    if isinstance(node.op, basic.MakeVector):
        return np.array(parts, dtype=np.int64)
    return np.concatenate(parts, axis=node.op.axis)


def _same(walk: _Walk, node: Apply[Any]) -> Ints:
    return walk.places(node.inputs[0])


def _increment(walk: _Walk, node: Apply[Any]) -> Ints:
    """Record ``x[index] = y`` and ``x[index] += y``."""
    x, y = (walk.places(v) for v in node.inputs[:2])
    flat = [_raw_known(walk, v) for v in node.inputs[2:]]
    index = tuple(subtensor.unflatten_index_variables(flat, node.op.idx_list))
    where = np.arange(x.size, dtype=np.int64).reshape(x.shape)[index]
    y = np.broadcast_to(y, where.shape)
    if node.op.set_instead_of_inc:
        out = x.copy()
        out.reshape(-1)[where.ravel()] = y.ravel()
        return out
    return walk.tape.add_at(x, where, y)


def _shape(walk: _Walk, node: Apply[Any]) -> Ints:
    """Shapes are known once the graph is recorded."""
    found = np.array(walk.places(node.inputs[0]).shape, dtype=np.int64)
    walk.known[node.outputs[0]] = found if isinstance(node.op, Shape) else found[node.op.i]
    return walk.tape.constant(walk.known[node.outputs[0]])


def _checked(walk: _Walk, node: Apply[Any]) -> Ints:
    for condition in node.inputs[1:]:
        walk.tape.require(walk.places(condition))
    return walk.places(node.inputs[0])


type Rule = Callable[[_Walk, Apply[Any]], Ints | list[Ints]]

_NESTED: Final = ("Add", "Mul")
_LOGICAL: Final = ("AND", "OR", "Invert")
_REDUCTIONS: Final = {
    "Add": tape_code.SUM,
    "Mul": tape_code.PRODUCT,
    "Maximum": tape_code.LARGEST,
    "Minimum": tape_code.SMALLEST,
    "OR": tape_code.LARGEST,
    "AND": tape_code.SMALLEST,
}
RULES: Final[Mapping[type, Rule]] = {
    elemwise.Elemwise: _elementwise,
    ScalarOp: _elementwise,
    elemwise.CAReduce: _reduction,
    extra_ops.CumOp: _cumulation,
    math.Dot: _dot,
    elemwise.DimShuffle: _moves(data=slice(0, 1)),
    Reshape: _moves(data=slice(0, 1)),
    SpecifyShape: _moves(data=slice(0, 1)),
    subtensor.Subtensor: _moves(data=slice(0, 1)),
    subtensor.AdvancedSubtensor: _moves(data=slice(0, 1)),
    basic.Alloc: _moves(data=slice(0, 1)),
    basic.Split: _moves(data=slice(0, 1)),
    basic.Join: _joined,
    basic.MakeVector: _joined,
    basic.ScalarFromTensor: _same,
    basic.TensorFromScalar: _same,
    basic.ExtractDiag: _moves(data=slice(0, 1)),
    basic.AllocDiag: _moves(data=slice(0, 1)),
    TypeCastingOp: _same,
    subtensor.IncSubtensor: _increment,
    subtensor.AdvancedIncSubtensor: _increment,
    Shape: _shape,
    Shape_i: _shape,
    CheckAndRaise: _checked,
    OpFromGraph: _Walk.inside,
    SolveTriangular: _triangular_solve,
}
