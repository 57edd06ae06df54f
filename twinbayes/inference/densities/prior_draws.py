"""Draws of a model's parameters from the priors alone, laid out like a posterior."""

from __future__ import annotations

import logging
import warnings

import pymc as pm
import xarray as xr
from pytensor.configdefaults import config

from twinbayes.cohort import Cohort
from twinbayes.errors import require_seed
from twinbayes.model import ModelSpec, assemble_plan
from twinbayes.model.assemble import require_spec
from twinbayes.priors import PriorSet, chosen_priors


def sample_priors(
    spec: ModelSpec,
    cohort: Cohort,
    *,
    priors: PriorSet | None = None,
    draws: int = 200,
    seed: int = 0,
) -> xr.Dataset:
    """Draw every parameter from its prior, without looking at the outcomes.

    The cohort gives the columns, levels and windows of the model; its events are not used.

    Parameters
    ----------
    spec, cohort, priors
        As for `fit`.
    draws
        Number of draws.
    seed
        The same seed gives the same draws.

    Returns
    -------
    Dataset
        The variables of a fit's posterior, dims chain (of length 1) and draw first.

    Raises
    ------
    ModelError, PriorError, OptionError
        As `assemble`, or the seed is none.
    """
    require_spec(spec, ModelSpec)
    chosen = chosen_priors(priors, spec.priors)
    model = assemble_plan(spec, spec.plan(cohort), chosen)
    return draw_priors(model, draws, seed)


def draw_priors(model: pm.Model, draws: int, seed: int) -> xr.Dataset:
    """Draw every parameter of a model from its prior; as `sample_priors`."""
    with warnings.catch_warnings():
        # The likelihood is a Potential, and ignoring it is what a prior predictive is.
        warnings.filterwarnings("ignore", message="The effect of Potentials")
        logger = logging.getLogger("pymc")
        level = logger.level
        logger.setLevel(logging.WARNING)  # the names of the variables are no news to the reader
        try:
            with config.change_flags(cxx=""):
                tree = pm.sample_prior_predictive(
                    draws,
                    model=model,
                    random_seed=require_seed(seed),
                    compile_kwargs={"mode": "FAST_COMPILE"},
                )
        finally:
            logger.setLevel(level)
    prior: xr.Dataset = tree["prior"].to_dataset()
    return prior.drop_attrs()  # PyMC writes the time of day into them
