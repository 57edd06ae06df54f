"""The likelihood of patients with effects of their own: curves of markers, or a frailty.

These effects are integrated out of each patient's likelihood, where the patient is, by adaptive
Gauss-Hermite quadrature: points lie around the mode of the patient's own effects, in units of their
spread there. The total is a smooth function of the coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.stats import norm, qmc

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort
from twinbayes.errors import FederationError
from twinbayes.federation.likelihood.local import LocalLikelihood
from twinbayes.model import ModelPlan, ModelSpec, PowerPrior
from twinbayes.model.covariates.terms import Group
from twinbayes.model.curves.means.mean_function import MeanFunction
from twinbayes.twin.population.curves import CurvePopulation
from twinbayes.twin.population.hazards import Population
from twinbayes.twin.population.ratios import fitted_ratios, patient_ratios
from twinbayes.twin.weighting.marginal import marginal_likelihood

_EACH: Final = (1, 11, 7, 5, 4)  # points in each dimension, of so many dimensions
_MANY: Final = 256  # points where there are more
_TOGETHER: Final = 1000  # draws that are scored at one time


MOST_DIRECTIONS: Final = 110
"""Of a model: the points that a quadratic function goes through are about half their square."""

NOWHERE: Final = -1e8
"""The log-likelihood of a patient where there is none: finite, so that sums of it can be masked."""

REMEDY: Final = (
    "Federate the model of events alone: tb.disease(...).of_events().write('events.yaml'), and "
    "--disease events.yaml."
)
"""Of a model that sites cannot answer for."""


@dataclass(frozen=True)
class IntegratedLikelihood(LocalLikelihood):
    """The likelihood of patients whose own effects are integrated out."""

    @cached_property
    def plan(self) -> ModelPlan:
        """The patients under what was agreed on.

        Raises
        ------
        FederationError
            Courses are open.
        """
        require_dated(self.cohort)
        return self.spec.plan(self.cohort, self.learnt)

    def totals(self, values: Floats) -> Floats:
        """Score coordinates (draw, coordinate); return (draw, 1) log-likelihoods of all patients.

        Each patient as they count: power priors discount. `NOWHERE` where one has none, however
        many have none, and however little they count.
        """
        parts = np.array_split(values, max(1, -(-len(values) // _TOGETHER)))
        powers = self.spec.discounts(self.plan)
        return np.concatenate([_summed(powers, self.by_patient(part))[:, None] for part in parts])

    def by_patient(self, values: Floats) -> Floats:
        """(patient, draw) log-likelihoods; `NOWHERE` where there is none."""
        try:
            found = self._by_patient(values)
        except np.linalg.LinAlgError:  # curves of some draw have no distribution
            if len(values) == 1:
                return np.full((len(self.plan.patient_ids), 1), NOWHERE)
            return np.concatenate([self.by_patient(one[None]) for one in values], axis=1)
        return np.where(np.isfinite(found), np.maximum(found, NOWHERE), NOWHERE)

    def _by_patient(self, values: Floats) -> Floats:
        draws = self.coordinates.dataset(self.told(values))
        encoding, edges = self.learnt.encoding, self.learnt.edges
        varying = self.spec.events.varying(encoding, edges)
        rates = Population.from_posterior(draws, encoding, edges, varying)
        curves = None
        if self.learnt.curves is not None:
            curves = CurvePopulation.from_posterior(draws, self.learnt.curves, self.spec)
        width = 0 if curves is None else len(curves.varying)
        rule = normal_rule(width)
        out = np.empty((len(self.plan.patient_ids), len(values)))
        design, patients = self.plan.events.design, self.cohort.patients
        names = patients[["patient_id", "subgroup", "centre"]].astype(str).to_numpy()
        for i in range(len(out)):
            who = (names[i, 0], names[i, 1], names[i, 2])
            drawn = patient_ratios(rates, self.spec.events, encoding, design, i, who)
            ratios = fitted_ratios(rates, drawn, design, i)
            out[i] = marginal_likelihood(rates, curves, self.plan, ratios, rule, i)
        return out


def _summed(powers: Floats, each: Floats) -> Floats:
    """(draw,) sums of log-likelihoods (patient, draw); `NOWHERE` where one that counts is."""
    nowhere = (each[powers > 0.0] <= NOWHERE).any(axis=0)
    out: Floats = np.where(nowhere, NOWHERE, np.maximum(powers @ each, NOWHERE))
    return out


def normal_rule(width: int) -> tuple[Floats, Floats]:
    """Points (point, dimension) and weights (point,) for a standard normal distribution.

    A product of Gauss-Hermite rules in few dimensions, points that count the same in many.

    Examples
    --------
    >>> points, weights = normal_rule(2)
    >>> len(weights), round(float(weights @ points[:, 0] ** 4), 6)
    (49, 3.0)
    """
    if width == 0:
        return np.zeros((1, 0)), np.ones(1)
    if width < len(_EACH):
        one, weight = hermegauss(_EACH[width])
        points = np.stack(np.meshgrid(*[one] * width, indexing="ij"), -1).reshape(-1, width)
        each = np.stack(np.meshgrid(*[weight / weight.sum()] * width, indexing="ij"), -1)
        return points, each.reshape(-1, width).prod(axis=1)
    half = qmc.Sobol(width, seed=0).random(_MANY // 2)
    some = norm.ppf(np.clip(half, 1e-9, 1.0 - 1e-9))
    both = np.concatenate([some, -some])
    root = np.linalg.cholesky(both.T @ both / _MANY)
    return np.linalg.solve(root, both.T).T, np.full(_MANY, 1.0 / _MANY)


def require_federable(spec: ModelSpec) -> None:
    """Refuse models whose likelihood sites cannot answer in.

    Raises
    ------
    FederationError
        Curves that are mean functions, covariates of curves alone, power priors beside curves, or
        too many numbers.
    """
    if not has_own_effects(spec):
        return
    curves = spec.trajectories
    beside = [] if curves is None else curves.covariates
    if alone := [t for t in beside if t not in spec.events.covariates]:
        raise FederationError(
            f"Some covariates act on curves and on no hazard ({', '.join(map(repr, alone))}), and "
            "columns are agreed on for hazards. Let them act on hazards too, or leave them out."
        )
    terms = [t for t in spec.events.covariates if not isinstance(t, Group)]
    at_least = len(spec.graph.labels) * (1 + len(terms)) + len(spec.graph.effects)
    if at_least > MOST_DIRECTIONS:
        raise FederationError(
            f"The likelihood of {spec.name!r} depends on at least {at_least} numbers: baselines, "
            "and effects of covariates and treatments. Where patients have effects of their own, "
            f"curves of markers or a frailty, sites can be asked for {MOST_DIRECTIONS}. {REMEDY}"
        )
    if curves is None:
        return
    effects = [e.pooling for e in spec.graph.effects]
    poolings = spec.events.subgroup, spec.events.centre, curves.subgroup, curves.centre, *effects
    if any(isinstance(p, PowerPrior) for p in poolings):
        raise FederationError(
            "A power prior counts the records of a source's patients for less, and not their "
            "curves, which sites integrate out with the records: what sites tell cannot be "
            f"discounted. Pool in another way, or fit in one place. {REMEDY}"
        )
    for t in curves.markers:
        if isinstance(t.basis, MeanFunction):
            raise FederationError(
                f"The curve of {t.marker!r} is a mean function ({t.basis.kind}), whose parameters "
                f"sites cannot integrate out. {REMEDY}"
            )


def require_dated(cohort: Cohort) -> None:
    """Refuse courses that records leave open, where patients have effects of their own.

    Raises
    ------
    FederationError
        There are some.
    """
    if cohort.has_intervals:
        raise FederationError(
            "Some events are dated by visits that bracket them, and hazards have effects of each "
            "patient's own: sites cannot sum over both. Federate the model of events alone, or "
            "date the events."
        )


def has_own_effects(spec: ModelSpec) -> bool:
    """Whether patients have effects of their own, which sites integrate out."""
    return spec.trajectories is not None or bool(spec.events.frailty)
