"""The one place where a description, data and priors become a PyMC model."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from twinbayes.cohort import Cohort
from twinbayes.cohort.aggregate import Aggregate
from twinbayes.errors import ModelError
from twinbayes.machine.start import log_densities_at_start
from twinbayes.model.aggregate.spec import AggregateSpec
from twinbayes.model.catalogue import require_storable
from twinbayes.model.curves.association import build_effects, build_trail, unit_of
from twinbayes.model.curves.beside_baselines import beside_baselines
from twinbayes.model.events.crude import CrudeEstimates
from twinbayes.model.spec import Learnt, ModelPlan, ModelSpec
from twinbayes.names import PATIENT, PATIENT_WEIGHT
from twinbayes.priors import PriorSet, chosen_priors
from twinbayes.priors.files.names import require_known_entries
from twinbayes.priors.prior_tags import recorded_use


def assemble(spec: ModelSpec, cohort: Cohort, priors: PriorSet | None = None) -> pm.Model:
    """Build the PyMC model of a disease for a cohort.

    Parameters
    ----------
    spec
        The disease model.
    cohort
        The patients.
    priors
        Default: the disease's file of the prior library.

    Returns
    -------
    pm.Model
        An ordinary model with named dims; sample it with anything.

    Raises
    ------
    ModelError
        The cohort does not fit the model, the start is not finite, or something in the
        description is of a type that no stored fit could be read with.
    PriorError
        An entry of the priors is of nothing in the model, or the model asks for one they lack.

    Examples
    --------
    >>> from twinbayes.diseases.synthetic import synthetic_cohort
    >>> spec = tb.disease("survival", covariates=())
    >>> model = tb.assemble(spec, synthetic_cohort(spec, n_patients=20))
    >>> "log_baseline" in model.named_vars
    True
    """
    require_spec(spec, ModelSpec)
    priors = chosen_priors(priors, spec.priors)
    model = assemble_plan(spec, spec.plan(cohort), priors)
    require_finite_start(model)
    return model


def require_spec(given: object, *kinds: type) -> None:
    """Refuse what is no description of a model, such as its name.

    Raises
    ------
    ModelError
        With what makes one.
    """
    if not isinstance(given, kinds):
        name = repr(given[:40]) if isinstance(given, str) else "'aml'"
        raise ModelError(
            f"The model must be a {' or '.join(k.__name__ for k in kinds)}, not a "
            f"{type(given).__name__}. Describe one: tb.disease({name})."
        )


def assemble_plan(spec: ModelSpec, plan: ModelPlan, priors: PriorSet) -> pm.Model:
    """Build the model from a plan that has been made already; its start is not looked at.

    Raises
    ------
    ModelError
        Something in the description is of a type that no stored fit could be read with.
    PriorError
        An entry of the priors is of nothing in the model.

    Examples
    --------
    >>> from twinbayes.diseases.synthetic import synthetic_cohort
    >>> spec = tb.disease("survival", covariates=())
    >>> plan = spec.plan(synthetic_cohort(spec, n_patients=20))
    >>> model = assemble_plan(spec, plan, tb.load_priors(spec.priors))
    >>> "log_baseline" in model.named_vars
    True
    """
    with recorded_use() as use:
        model = reassemble(spec, plan, priors)
    require_known_entries(priors, use)
    return model


def reassemble(spec: ModelSpec, plan: ModelPlan, priors: PriorSet) -> pm.Model:
    """Build the model of a fit again: as `assemble_plan`, whatever else the priors hold.

    Raises
    ------
    ModelError
        Something in the description is of a type that no stored fit could be read with.
    """
    require_storable(spec, whole=ModelSpec)
    coords = {
        PATIENT: plan.patient_ids,
        **spec.events.coords(plan.events.encoding, plan.events.edges),
    }
    if spec.trajectories is not None and plan.curves is not None:
        coords |= spec.trajectories.coords(plan.curves.learnt)
    with pm.Model(coords=coords) as model:
        weight = pm.Data(PATIENT_WEIGHT, spec.discounts(plan), dims=PATIENT)
        trail, beside = pt.zeros(0), None
        if spec.trajectories is not None and plan.curves is not None:
            drawn = spec.trajectories.build(plan.curves, priors, weight)
            if spec.associations:
                trail = build_trail(
                    spec.features,
                    spec.graph,
                    plan.curves,
                    plan.events.points,
                    plan.multipliers,
                    drawn,
                    priors,
                )
                beside = beside_baselines(
                    spec.features,
                    spec.graph,
                    plan.curves,
                    plan.events.points,
                    plan.multipliers,
                    [len(edges) - 1 for edges in plan.events.edges],
                    model["_association"],
                )
        spec.events.build(plan.events, priors, weight, trail, beside)
    return model


def assemble_population(
    spec: ModelSpec, learnt: Learnt, priors: PriorSet, crude: CrudeEstimates
) -> pm.Model:
    """Build all of a model but its patients: what their likelihood depends on.

    `crude` decides how it is sampled, and nothing else.

    Examples
    --------
    >>> from twinbayes.model.events.crude import Crude
    >>> spec = fit.spec.of_events()
    >>> model = assemble_population(spec, fit.learnt, fit.priors, Crude(fit.plan.events))
    >>> model.potentials
    []
    """
    coords = spec.events.coords(learnt.encoding, learnt.edges)
    if spec.trajectories is not None and learnt.curves is not None:
        coords |= spec.trajectories.coords(learnt.curves)
    with pm.Model(coords=coords) as model:
        if spec.trajectories is not None and learnt.curves is not None:
            spec.trajectories.build_population(learnt.curves, priors)
            if spec.associations:
                units = [unit_of(a, learnt.encoding) for a in spec.associations]
                build_effects(spec.features, learnt.curves, units, priors)
        spec.events.hazards(learnt.encoding, learnt.edges, crude, priors)
    return model


def assemble_aggregate(spec: AggregateSpec, data: Aggregate, priors: PriorSet) -> pm.Model:
    """Build the model of aggregate data; its start is not looked at.

    Raises
    ------
    ModelError
        The data have another outcome, or lack covariates or a subgroup of the pooling; or the
        pooling is of a type that no stored fit could be read with.
    PriorError
        An entry of the priors is of nothing in the model.
    """
    with recorded_use() as use:
        model = reassemble_aggregate(spec, data, priors)
    require_known_entries(priors, use)
    return model


def reassemble_aggregate(spec: AggregateSpec, data: Aggregate, priors: PriorSet) -> pm.Model:
    """Build the model of a fit again: as `assemble_aggregate`, whatever else the priors hold."""
    require_storable(spec, whole=AggregateSpec)
    with pm.Model(coords=spec.coords(data)) as model:
        spec.build(data, priors)
    return model


def require_finite_start(model: pm.Model) -> None:
    """Fail here, not after twenty minutes of sampling.

    Raises
    ------
    ModelError
        Names the terms whose log density is not finite.
    """
    terms = log_densities_at_start(model)
    broken = [name for name, value in terms.items() if not np.all(np.isfinite(value))]
    if broken:
        raise ModelError(
            f"The model has no finite log-density at its start: {', '.join(broken)}. "
            "Check priors and extreme values in the data."
        )
