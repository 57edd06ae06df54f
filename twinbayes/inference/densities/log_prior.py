"""Log densities of the priors under posterior draws, one sum for each entry of the prior set."""

from __future__ import annotations

import xarray as xr

from twinbayes.inference.aggregate_fit import AggregateFit
from twinbayes.inference.densities.prior_density import log_prior_of
from twinbayes.inference.fit import Fit
from twinbayes.model.assemble import reassemble, reassemble_aggregate
from twinbayes.names import CONSTANT_DATA, PATIENT, PATIENT_WEIGHT
from twinbayes.priors.prior_tags import recorded_use


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
