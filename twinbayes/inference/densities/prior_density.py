"""Log densities of the priors of a model under draws of it, one sum for each entry."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import xarray as xr
from pytensor.configdefaults import config

from twinbayes.arrays import Floats
from twinbayes.errors import FitError
from twinbayes.names import CHAIN, DRAW, HIDDEN_POSTERIOR, POSTERIOR
from twinbayes.priors.prior_tags import NotedPrior, noted_prior

UNSCALED: Final = "without_entry"


def log_prior_of(model: pm.Model, tree: xr.DataTree) -> xr.Dataset:
    """Evaluate the priors that are noted on the variables of a model; see `log_prior`."""
    draws = sampled(tree)
    terms: dict[str, Floats] = {}
    left_out = []
    with config.change_flags(mode="FAST_COMPILE", cxx=""):
        for variable in (*model.free_RVs, *model.deterministics):
            note = noted_prior(variable)
            if note is None:
                if variable in model.free_RVs:
                    left_out.append(str(variable.name))
                continue
            if variable.name not in draws:
                raise FitError(
                    f"The fit has no draws of {variable.name}, whose prior is asked for. Fit again."
                )
            value = draws[variable.name].transpose(CHAIN, DRAW, ...).to_numpy()
            chains, n = value.shape[:2]
            found = _summed(note, value.reshape(chains * n, *value.shape[2:]))
            terms[note.name] = terms.get(note.name, 0.0) + found.reshape(chains, n)
    return xr.Dataset(
        {name: ((CHAIN, DRAW), value) for name, value in terms.items()},
        attrs={UNSCALED: tuple(left_out)},
    )


def sampled(tree: xr.DataTree) -> xr.Dataset:
    """All recorded variables, those that are not reported among them."""
    groups = [tree[g].to_dataset() for g in (POSTERIOR, HIDDEN_POSTERIOR) if g in tree]
    return xr.merge(groups, compat="override", join="override")


def _summed(note: NotedPrior, value: Floats) -> Floats:
    """(draw,) log density of values (draw, ...)."""
    value = value if note.take is None else note.take(value)
    at: Any = pt.tensor("value", dtype="float64", shape=(None,) * value.ndim)
    density = pm.logp(note.distribution, at)
    total = density.sum(axis=tuple(range(1, value.ndim))) if value.ndim > 1 else density
    evaluate = pytensor.function([at], total)  # type: ignore[attr-defined]
    return np.asarray(evaluate(value), dtype=np.float64)
