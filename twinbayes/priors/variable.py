"""The step from mixture entries to PyMC: one variable, whose entries may differ in components."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twinbayes.priors.density import Component
from twinbayes.priors.entry import PriorEntry

if TYPE_CHECKING:
    from pytensor.tensor.variable import TensorVariable


def mixture_variable(
    rv_name: str | None,
    entries: Sequence[PriorEntry],
    dims: tuple[str, ...] | None,
    shape: Sequence[int] | None,
) -> TensorVariable[Any, Any]:
    """Add one mixture to the current PyMC model, or make an unnamed one.

    Parameters
    ----------
    rv_name
        Its name; None for a distribution of no model.
    entries
        (entry,) of one distribution; those with fewer components, or a single distribution, are
        filled up with components of weight 0.
    dims
        Its dims in the model.
    shape
        The shape in which the entries lie, -1 for all of them; None for one that serves all.
    """
    import pymc as pm

    weights, arguments = _parts(entries)
    whole = (*(shape or ()), weights.shape[-1])
    weights = weights.reshape(whole)
    arguments = {key: value.reshape(whole) for key, value in arguments.items()}
    distribution = entries[0].distribution
    given: dict[str, Any]
    if distribution == "Normal":
        family, given = pm.NormalMixture, {"w": weights, **arguments}
    else:
        parts = getattr(pm, distribution).dist(**arguments)
        family, given = pm.Mixture, {"w": weights, "comp_dists": parts}
    variable: TensorVariable[Any, Any] = (
        family.dist(**given) if rv_name is None else family(rv_name, dims=dims, **given)
    )
    return variable


def _parts(
    entries: Sequence[PriorEntry],
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """(entry, component) weights, and arguments of the same shape."""
    parts = [
        entry.mixture or (Component(weight=1.0, arguments=entry.arguments),) for entry in entries
    ]
    most = max(map(len, parts))
    weights = np.zeros((len(parts), most))
    arguments = {key: np.empty((len(parts), most)) for key in parts[0][0].arguments}
    for row, components in enumerate(parts):
        for column in range(most):
            component = components[min(column, len(components) - 1)]
            if column < len(components):
                weights[row, column] = component.weight
            for key, values in arguments.items():
                values[row, column] = component.arguments[key]
    return weights, arguments
