"""From what a sampler returns to the one DataTree that the rest of the package reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import numpy as np
import pymc as pm
import xarray as xr

from twinbayes.errors import FitError
from twinbayes.names import CHAIN, DRAW, HIDDEN_POSTERIOR, POSTERIOR, SAMPLE_STATS
from twinbayes.priors.prior_tags import noted_prior

STATISTICS: Final = {
    "diverging": np.bool_,
    "energy": np.float64,
    "lp": np.float64,
    "step_size": np.float64,
    "n_steps": np.int64,
    "tree_depth": np.int64,
    "acceptance_rate": np.float64,
}
"""Statistics kept of every draw, under the names ArviZ expects, and their types."""


def is_hidden(name: str) -> bool:
    """Tell whether a variable is internal to the model: its name starts with an underscore."""
    return name.startswith("_")


def kept_names(model: pm.Model) -> list[str]:
    """Names of what a sampler has to record.

    Sampled variables; and deterministics that are not hidden, or have a prior of the prior set.
    """
    sampled = [rv.name for rv in model.free_RVs]
    return sampled + [
        v.name for v in model.deterministics if not is_hidden(v.name) or noted_prior(v) is not None
    ]


def build_tree(
    model: pm.Model,
    posterior: xr.Dataset,
    statistics: Mapping[str, xr.DataArray],
    run: Mapping[str, object],
) -> xr.DataTree:
    """Assemble the tree: named dims, standard statistics, the run described in the root's attrs.

    Parameters
    ----------
    model
        The sampled model, for names, dims and coords.
    posterior
        Draws with dims (chain, draw, ...) at least of all `kept_names`.
    statistics
        Arrays (chain, draw) by the names of `STATISTICS`.
    run
        What was asked for and how long it took; plain values, nested ones become JSON text.

    Raises
    ------
    FitError
        A variable, a statistic or part of the draws is missing.
    """
    wanted = kept_names(model)
    missing = sorted({*wanted} - {str(n) for n in posterior.data_vars})
    missing += sorted({*STATISTICS} - {*statistics})
    if missing:
        raise FitError(f"The sampler did not return: {', '.join(missing)}.")
    sizes = (posterior.sizes[CHAIN], posterior.sizes[DRAW])
    if sizes != (run["chains"], run["draws"]):
        raise FitError(
            f"The sampler returned {sizes[0]} chains of {sizes[1]} draws instead of "
            f"{run['chains']} of {run['draws']}: it was interrupted. Sample again."
        )
    stats = xr.Dataset({name: statistics[name].astype(kind) for name, kind in STATISTICS.items()})
    groups = {
        POSTERIOR: _select(posterior, [n for n in wanted if not is_hidden(n)]),
        SAMPLE_STATS: _select(stats, list(STATISTICS)),
    }
    hidden = [n for n in wanted if is_hidden(n)]
    if hidden:
        groups[HIDDEN_POSTERIOR] = _select(posterior, hidden)
    attributes = {
        key: json.dumps(dict(value), sort_keys=True) if isinstance(value, Mapping) else value
        for key, value in run.items()
    }
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attributes), **groups})


def _select(dataset: xr.Dataset, names: list[str]) -> xr.Dataset:
    """Take variables in a fixed order, without leftover coordinates and attributes."""
    chosen = dataset[names]
    used = {str(dim) for variable in chosen.data_vars.values() for dim in variable.dims}
    chosen = chosen.drop_vars([name for name in chosen.coords if str(name) not in used])
    # Text of fixed width is what a stored fit is read back with.
    text = {
        str(name): coordinate.astype(str)
        for name, coordinate in chosen.coords.items()
        if coordinate.dtype == object and all(isinstance(v, str) for v in coordinate.values)
    }
    return chosen.assign_coords(text).transpose(CHAIN, DRAW, ...).drop_attrs()
