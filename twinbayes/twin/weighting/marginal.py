"""How probable one patient's record is under every draw of the population.

The log marginal likelihood of visits and course up to the landmark, the patient's own curves
integrated out; and a frailty, where hazards have one instead of curves:

    log p(record) = log of the integral over curves c of
                      N(c; mean, D)  p(visits | c)  exp(-cumulative hazards | c)  hazards at events

The curves' share, with everything that c enters, comes from `curve_kernel`. What is left is
added here: the visits' own sums, baselines and hazard ratios at the patient's events, and the
cumulative hazards that no curve moves.
"""

from __future__ import annotations

import numpy as np

from twinbayes.arrays import Floats
from twinbayes.model import ModelPlan
from twinbayes.model.curves.families.protocol import MEASURED
from twinbayes.model.curves.marker import MarkerData
from twinbayes.twin.curves.kernel import sample_curves
from twinbayes.twin.curves.patient import PatientCurves
from twinbayes.twin.curves.record import what_is_said
from twinbayes.twin.population.curves import CurvePopulation
from twinbayes.twin.population.hazards import Population
from twinbayes.twin.population.ratios import PatientRatios, course_record


def record_log_marginal(
    population: Population,
    plan: ModelPlan,
    ratios: PatientRatios,
    curves: PatientCurves | None,
    i: int,
) -> Floats:
    """Log marginal likelihood of the record of patient `i` of a plan under every draw.

    Visits count on the transformed scale of their marker, as in the likelihood of the fit.
    Missing covariates, and levels of a subgroup or centre that the fit has not seen, are those
    drawn in `ratios`.

    Parameters
    ----------
    ratios, curves
        Of this patient, one for each draw of the population, drawn from this record.

    Returns
    -------
    ndarray
        Shape (draw,).
    """
    out = course_record(population, ratios, plan.events.data, i).loglik(population.frailty)
    if curves is not None and plan.curves is not None:
        out = out + curves.log_marginal + _visits(curves.population, plan.curves.visits, i)
    return out


def marginal_likelihood(
    population: Population,
    curves: CurvePopulation | None,
    plan: ModelPlan,
    ratios: PatientRatios,
    rule: tuple[Floats, Floats],
    i: int,
) -> Floats:
    """Log marginal likelihood of the record of patient `i`, without a draw of the curves.

    As `record_log_marginal`, but a smooth function of the population's parameters: the curves are
    integrated out around their mode by the same quadrature rule in every draw.

    Parameters
    ----------
    ratios
        Of this patient, as the likelihood of the fit has them.
    rule
        Points (point, term) for the standard normal distribution, and their weights (point,).

    Returns
    -------
    ndarray
        Shape (draw,).
    """
    out = course_record(population, ratios, plan.events.data, i).loglik(population.frailty)
    if curves is None or plan.curves is None:
        return out
    n, width = population.n_draws, len(curves.varying)
    mean = curves.mean(plan.curves, i)
    said = what_is_said(curves, population, plan, plan.curves, ratios, mean, i)
    prior = mean[curves.varying], *curves.precision_of(plan.curves, i)
    terms = said.visits, said.linear, said.base, said.slope, said.single
    points, weights = rule
    noise = np.ascontiguousarray(np.broadcast_to(points, (n, *points.shape)))
    drawn, evidence, spread = np.empty((width, n)), np.empty(n), np.empty(n)
    numbers = curves.by_draw, noise, np.log(len(weights) * weights), np.zeros(n)
    sample_curves(*prior, *terms, *numbers, drawn, evidence, spread)
    return out + evidence + said.constant + _visits(curves, plan.curves.visits, i)


def _visits(population: CurvePopulation, visits: tuple[MarkerData, ...], i: int) -> Floats:
    """What the density of measured values has beside the terms that curves enter."""
    out = np.zeros(population.n_draws)
    for data, parameter in zip(visits, population.parameter, strict=True):
        count, total = data.count[i], data.total[i]
        single = np.count_nonzero(data.visits.code[data.visits.of(i)] == MEASURED)
        out -= single * np.log(data.scale.scale)
        if count == 0:
            continue
        sigma = parameter[0]
        constant = 0.5 * np.log(2 * np.pi) + np.log(data.scale.scale)
        out -= count * (constant + np.log(sigma)) + 0.5 * total / sigma**2
    return out
