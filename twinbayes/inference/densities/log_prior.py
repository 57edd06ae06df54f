"""Log densities of the priors under posterior draws, one sum for each entry of the prior set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import xarray as xr
from pytensor.configdefaults import config

from twinbayes.arrays import Floats
from twinbayes.errors import FitError
from twinbayes.inference.aggregate_fit import AggregateFit
from twinbayes.inference.fit import Fit
from twinbayes.model.assemble import reassemble, reassemble_aggregate
from twinbayes.names import (
    CHAIN,
    CONSTANT_DATA,
    DRAW,
    HIDDEN_POSTERIOR,
    PATIENT,
    PATIENT_WEIGHT,
    POSTERIOR,
)
from twinbayes.priors.prior_tags import NotedPrior, noted_prior, recorded_use

UNSCALED = "without_entry"


def log_prior(fit: Fit) -> xr.Dataset:
    """Evaluate the priors of a fit under each of its draws.

    Only variables whose prior is an entry of the prior set: levels, effects, and the scales of
    what differs between subgroups, centres and patients. What is drawn given such a scale belongs
    to the model, and is left out, as Kallioinen et al. (2024), Statistics and Computing 34:57,
    section 2.4, advise for hierarchical models.

    Returns
    -------
    Dataset
        One variable (chain, draw) an entry, by its name without qualifier: the sum of the log
        densities on the variables' own scale, without Jacobians. ``attrs["without_entry"]`` lists
        the sampled variables that are left out.

    Raises
    ------
    FitError
        The fit lacks draws of a variable.
    """
    model = reassemble(fit.spec, fit.spec.plan(fit.cohort, fit.learnt), fit.priors)
    return log_prior_of(model, fit.datatree)


def log_prior_of(model: pm.Model, tree: xr.DataTree) -> xr.Dataset:
    """Do the same for a model, its priors noted on its variables, and draws of it."""
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


def used_priors(fit: Fit | AggregateFit) -> frozenset[str]:
    """Names of the entries of the fit's prior set that its model took; the others did nothing."""
    with recorded_use() as use:
        if isinstance(fit, AggregateFit):
            reassemble_aggregate(fit.spec, fit.data, fit.priors)
        else:
            reassemble(fit.spec, fit.spec.plan(fit.cohort, fit.learnt), fit.priors)
    return frozenset(use.used)


def summed_likelihood(fit: Fit) -> xr.DataArray:
    """Log likelihood of all patients together, (chain, draw), each as it counted in the fit.

    Raises
    ------
    FitError
        Records of patients whom the draws have seen are elsewhere.
    """
    fit.require_all_patients("The likelihood of all patients")
    each = fit.log_likelihood()
    if CONSTANT_DATA in fit.datatree and PATIENT_WEIGHT in fit.datatree[CONSTANT_DATA]:
        weight = fit.datatree[CONSTANT_DATA][PATIENT_WEIGHT].to_numpy()
        each = each * xr.DataArray(weight, dims=PATIENT)
    return each.sum(PATIENT)


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
