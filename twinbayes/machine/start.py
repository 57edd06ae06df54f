"""Where chains start, and what a model's terms are there: graphs evaluated as they stand.

Both are wanted a few times only. To rewrite a graph first takes a hundred times as long as to
evaluate it once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pymc as pm
from numpy.typing import NDArray
from pymc.initial_point import make_initial_point_expression
from pymc.pytensorf import find_rng_nodes, replace_rng_nodes, reseed_rngs
from pytensor.compile.maker import function
from pytensor.compile.mode import Mode
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.configdefaults import config
from pytensor.graph.basic import Variable
from pytensor.graph.rewriting.db import RewriteDatabaseQuery
from pytensor.graph.traversal import ancestors, graph_inputs
from pytensor.tensor.sharedvar import TensorSharedVariable

from twinbayes.arrays import Floats

_JITTER: Final = "_jitter"

type _Variable = Variable[Any, Any]
type _Evaluated = Callable[..., Sequence[NDArray[Any]]]


class InitialPoint:
    """Starts of chains: the centre of every prior, jittered by up to 1 where it is transformed."""

    def __init__(self, model: pm.Model, *, jitter: bool = True) -> None:
        free = model.free_RVs
        values = replace_rng_nodes(
            make_initial_point_expression(
                free_rvs=free,
                rvs_to_transforms=model.rvs_to_transforms,
                initval_strategies=model.rvs_to_initial_values,
                jitter_rvs=set(free) if jitter else set(),
                return_transformed=True,
            )
        )
        self._generators = _generators(values, [str(rv.name) for rv in free])
        self._evaluate = _as_it_stands([], values)
        self.uses_arrays = any(
            isinstance(v, TensorSharedVariable) and v.ndim > 0 for v in graph_inputs(values)
        )
        self._names = [str(model.rvs_to_values[rv].name) for rv in free]
        self._lock = threading.Lock()

    def __call__(self, seed: Any = None) -> Floats:
        """Return one point, all free variables one after the other on the unconstrained scale."""
        values = self.by_name(seed)
        return np.concatenate([np.ravel(values[n]).astype(np.float64) for n in self._names])

    def by_name(self, seed: Any) -> dict[str, NDArray[Any]]:
        """Return one point by names of value variables; chains may ask at the same time."""
        with self._lock:
            reseed_rngs(self._generators, seed)
            return dict(zip(self._names, self._evaluate(), strict=True))


def log_densities_at_start(model: pm.Model) -> Mapping[str, Floats]:
    """Return the log density of every term of a model where chains start, before any jitter.

    What is not finite as it stands is looked at again in a stable form.
    """
    point = InitialPoint(model, jitter=False).by_name(0)
    terms = model.logp(sum=False)
    names = [str(v.name) for v in (*model.basic_RVs, *model.potentials)]
    inputs = model.value_vars
    values = [point[str(v.name)] for v in inputs]
    try:
        found = _as_it_stands(inputs, terms)(*values)
        if all(np.isfinite(x).all() for x in found):
            return dict(zip(names, found, strict=True))
    except Exception:  # noqa: S110 - a condition that only stable forms express as -inf
        pass
    with config.change_flags(mode="FAST_COMPILE", cxx=""):
        return dict(zip(names, model.compile_fn(terms)(point), strict=True))


def _as_it_stands(inputs: Sequence[_Variable], outputs: Sequence[_Variable]) -> _Evaluated:
    """A function of a graph that is not rewritten."""
    mode = Mode(linker="py", optimizer=RewriteDatabaseQuery(include=[]))
    with config.change_flags(cxx="", mode=mode):
        made: _Evaluated = function(
            list(inputs), list(outputs), mode=mode, on_unused_input="ignore"
        )
    return made


def _generators(values: Sequence[_Variable], names: Sequence[str]) -> list[SharedVariable]:
    """Generators of the jitter, last variable first, as PyMC seeds them; then all others."""
    own = {
        str(v.name).removesuffix(_JITTER): v.owner.inputs[0]
        for v in ancestors(values)
        if v.owner is not None and str(v.name).endswith(_JITTER)
    }
    jitter = [own[name] for name in reversed(names) if name in own]
    return jitter + [v for v in find_rng_nodes(values) if v not in set(jitter)]
