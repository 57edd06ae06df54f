"""A PyMC model as two tapes: log density with gradient, and what is recorded of a draw."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from numpy.typing import ArrayLike, NDArray
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.gradient import DisconnectedInputError, grad
from pytensor.graph.basic import Variable
from pytensor.graph.fg import FrozenFunctionGraph, FunctionGraph
from pytensor.graph.replace import clone_replace
from pytensor.graph.rewriting.utils import rewrite_graph
from pytensor.graph.traversal import graph_inputs

from twinbayes.arrays import Ints
from twinbayes.errors import FitError
from twinbayes.machine.start import InitialPoint
from twinbayes.machine.tape.recorder import Tape
from twinbayes.machine.tape.rules import UnknownOperationError, prepare, record

STARTS: Final = 10
"""Starting points looked at before a model is said to have none."""

type _Variable = Variable[Any, Any]
type _Graphs = tuple[FunctionGraph, FunctionGraph]


@dataclass(frozen=True, eq=False)
class ModelTapes:
    """Tapes of a model for given values of its data.

    Attributes
    ----------
    names
        What the second tape returns: the free variables on the unconstrained scale, then
        everything else to be recorded.
    density
        Log density, then its gradient.
    draw
        The variables of `names`, one after the other.
    start
        Starting points.
    """

    names: tuple[str, ...]
    density: Tape
    draw: Tape
    start: InitialPoint
    graphs: _Graphs
    data: Mapping[str, NDArray[Any]]

    @property
    def n_inputs(self) -> int:
        """Number of free numbers of the model."""
        return self.density.n_inputs

    @property
    def heads(self) -> Ints:
        """Both tapes for native callers, see `player.density_entry`; keep the tapes alive."""
        return np.concatenate([self.density.head, self.draw.head])

    @property
    def starts(self) -> bool:
        """Whether one of a few starting points has a finite density and gradient."""
        for seed in range(STARTS):
            try:
                if np.all(np.isfinite(self.density(self.start(seed)))):
                    return True
            except FitError:  # a condition of the model does not hold there
                continue
        return False

    def with_data(self, updates: Mapping[str, ArrayLike]) -> ModelTapes:
        """Return the tapes for other values of the data; the graphs are those at hand."""
        changed = {
            name: np.array(values, dtype=self.data[name].dtype)
            for name, values in updates.items()
            if name in self.data
        }
        return _recorded(self.names, self.start, self.graphs, {**self.data, **changed})


def record_model(model: pm.Model, kept: Sequence[str]) -> ModelTapes:
    """Record a model.

    Parameters
    ----------
    model
        Any PyMC model of continuous free variables.
    kept
        Variables to be recorded.

    Raises
    ------
    UnknownOperationError
        The model holds an operation that tapes do not have, or one that fails while recorded.
    DisconnectedInputError
        The log density does not depend on some variable: nothing else can sample it either.
    """
    logp = model.logp()
    try:
        return _of_density(model, kept, logp)
    except (UnknownOperationError, DisconnectedInputError):
        raise
    except Exception as error:  # before any operation is recorded: in rewriting or the gradient
        raise UnknownOperationError(f"the graph as a whole ({type(error).__name__})") from error


def _of_density(model: pm.Model, kept: Sequence[str], logp: _Variable) -> ModelTapes:
    """Record a model of this log density."""
    values = [model.rvs_to_values[rv] for rv in model.free_RVs]
    free = {v.name for v in values}
    others = [v for v in model.unobserved_value_vars if v.name not in free and v.name in kept]
    shared = [v for v in graph_inputs([logp, *others]) if isinstance(v, SharedVariable)]
    outline = _Outline.of(model, values, shared, [logp, *others])
    ready = _PREPARED.get(outline)
    if ready is None:
        start = InitialPoint(model)
        ready = (start, _prepared(model, start, values, logp, others))
        if not start.uses_arrays:
            _keep(outline, ready)
    start, graphs = ready
    used = {str(v.name) for graph in graphs for v in graph.inputs[1:]}
    data = {str(v.name): v.get_value() for v in shared if v.name in used}
    names = tuple(str(v.name) for v in [*values, *others])
    return _recorded(names, start, graphs, data)


@dataclass(frozen=True)
class _Outline:
    """What two models have in common if one can be sampled with the other's graphs.

    That is all but the arrays of the data: expressions with their constants, names, and sizes.
    """

    graph: FrozenFunctionGraph
    names: tuple[str | None, ...]
    sizes: tuple[object, ...]
    options: tuple[object, ...]

    @classmethod
    def of(
        cls,
        model: pm.Model,
        values: Sequence[Any],
        shared: Sequence[SharedVariable],
        outputs: Sequence[_Variable],
    ) -> Self:
        numbers = [v.get_value(borrow=True) for v in shared]
        return cls(
            FrozenFunctionGraph.from_io([*values, *shared], outputs, dedup_nodes=True),
            tuple(v.name for v in [*values, *shared, *outputs]),
            tuple(np.shape(x) or np.asarray(x).item() for x in numbers),
            (model.check_bounds, *map(repr, model.rvs_to_initial_values.values())),
        )


# Rewriting a graph takes most of the time before the first draw: that of the last models is kept.
_MOST_PREPARED: Final = 4
_PREPARED: Final[dict[_Outline, tuple[InitialPoint, _Graphs]]] = {}
_KEEPING: Final = threading.Lock()


def _keep(outline: _Outline, ready: tuple[InitialPoint, _Graphs]) -> None:
    """Keep what was made ready, in the place of the oldest; threads may compile side by side."""
    with _KEEPING:
        while len(_PREPARED) >= _MOST_PREPARED:
            _PREPARED.pop(next(iter(_PREPARED)))
        _PREPARED[outline] = ready


def _prepared(
    model: pm.Model,
    start: InitialPoint,
    values: Sequence[Any],
    logp: _Variable,
    others: Sequence[_Variable],
) -> _Graphs:
    """Graphs of the vector of all free numbers: density and gradient, and what is recorded."""
    point = start.by_name(0)
    shapes = [np.shape(point[v.name]) for v in values]
    sizes = [int(np.prod(shape, dtype=int)) for shape in shapes]
    vector = pt.TensorType("float64", shape=(sum(sizes),))("point")
    parts = pt.split(vector, splits_size=sizes) if len(sizes) > 1 else [vector]
    pieces = {
        value: part.reshape(shape).astype(value.dtype)
        for value, part, shape in zip(values, parts, shapes, strict=True)
    }
    simpler = ["canonicalize", "stabilize"]
    if not model.check_bounds:
        simpler.append("local_remove_check_parameter")
    # Before the gradient is taken: that of an unstable form would be unstable too.
    stable: Any = rewrite_graph(logp, include=simpler)
    slopes: Any = grad(stable, values)
    gradient = pt.concatenate([slope.ravel() for slope in slopes])
    return (
        prepare(vector, clone_replace([stable, gradient], pieces)),
        prepare(vector, clone_replace([*values, *others], pieces)),
    )


def _recorded(
    names: tuple[str, ...],
    start: InitialPoint,
    graphs: _Graphs,
    data: Mapping[str, NDArray[Any]],
) -> ModelTapes:
    density, draw = (record(graph, data) for graph in graphs)
    return ModelTapes(names, density, draw, start, graphs, data)
