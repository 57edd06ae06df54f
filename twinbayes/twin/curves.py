"""Curves of one patient: what the visits and the course so far say of them, draw by draw."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
import xarray as xr

from twinbayes.model import CurveEncoding, ModelPlan, ModelSpec
from twinbayes.model.association import followed
from twinbayes.model.event_data import Floats, Ints
from twinbayes.model.graph import StateGraph
from twinbayes.model.trajectory import CurvePlan
from twinbayes.names import (
    ASSOCIATION,
    CENTRE,
    CHAIN,
    CURVE_COVARIATE,
    CURVE_TERM,
    CURVE_TERM_AGAIN,
    DRAW,
    MARKER,
    SAMPLE,
    SUBGROUP,
)
from twinbayes.twin.curve_kernel import sample_curves
from twinbayes.twin.population import PatientRatios, Population

_PROPOSALS: Final = 8  # per draw of the population; the normal approximation is close
_CERTAIN: Final = 1e3  # a hazard per day that nobody outlives; vague priors reach beyond it
_LOG_CERTAIN: Final = 100.0


@dataclass(frozen=True)
class CurvePopulation:
    """Draws of what all patients' curves have in common, on the sampling scale.

    Attributes
    ----------
    level, effect
        (term, draw) mean coefficients at covariates of 0; (covariate, term, draw) effects.
    subgroup, centre
        (term, label, draw) deviations, or None where there is one label only.
    root
        (draw, term, term) Cholesky factor of the covariance of patients.
    sigma
        (marker, draw) standard deviation of measurements.
    association
        (association, draw) log hazard ratios per unit of the sampling scale.
    """

    learnt: CurveEncoding
    level: Floats
    effect: Floats
    subgroup: Floats | None
    centre: Floats | None
    root: Floats
    sigma: Floats
    association: Floats

    @classmethod
    def from_posterior(
        cls, posterior: xr.Dataset, learnt: CurveEncoding, spec: ModelSpec
    ) -> CurvePopulation:
        """Lay the posterior of trajectories out for forecasts."""
        stacked = posterior.stack({SAMPLE: (CHAIN, DRAW)})

        def get(name: str, *dims: str) -> Floats:
            out: Floats = stacked[name].transpose(*dims, SAMPLE).to_numpy()
            return out

        natural, columns = learnt.natural(), learnt.encoding.columns
        table = get("curve_effect", CURVE_COVARIATE, CURVE_TERM) / natural[:, None]
        level = table[0] - (learnt.natural_level() / natural)[:, None]
        scale = np.array([c.scale for c in columns])
        spread = get("patient_sd", CURVE_TERM) / natural[:, None]
        correlation = get("patient_correlation", CURVE_TERM, CURVE_TERM_AGAIN)
        covariance = spread[:, None] * spread[None] * correlation
        scales = np.array([m.scale for m in learnt.markers])
        per_unit = [learnt.get(a.marker).scale for a in spec.associations for _ in a.labels]
        n = level.shape[1]
        return cls(
            learnt=learnt,
            level=level,
            effect=table[1:] * scale[:, None, None],
            subgroup=_optional(stacked, "curve_subgroup_effect", SUBGROUP),
            centre=_optional(stacked, "curve_centre_effect", CENTRE),
            root=np.linalg.cholesky(np.moveaxis(covariance, -1, 0)),
            sigma=get("marker_sd", MARKER) / scales[:, None],
            association=(
                get("association", ASSOCIATION) * np.array(per_unit)[:, None]
                if per_unit
                else np.zeros((0, n))
            ),
        )

    @property
    def n_draws(self) -> int:
        """Number of posterior draws."""
        return int(self.level.shape[1])

    def take(self, index: Ints) -> CurvePopulation:
        """Return some of the draws, in the order of `index`."""
        parts = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "learnt"}
        taken: dict[str, Any] = {
            name: np.ascontiguousarray(x[index] if name == "root" else x[..., index])
            for name, x in parts.items()
            if x is not None
        }
        return replace(self, **taken)

    def forecasting(self, index: Ints) -> CurvePopulation:
        """What forecasts along drawn curves read, under other draws; the rest does not move."""
        return replace(self, sigma=self.sigma[:, index], association=self.association[:, index])

    def mean(self, plan: CurvePlan, i: int) -> Floats:
        """(draw, term) prior mean of patient `i`; an unseen subgroup or centre is the average."""
        columns = self.learnt.encoding.columns
        centres = np.array([c.centre / c.scale for c in columns])
        x = plan.design.values[i, : len(columns)] + centres
        mean = self.level + np.tensordot(x, self.effect, 1)
        for by, index in ((self.subgroup, plan.design.subgroup), (self.centre, plan.design.centre)):
            if by is not None and index[i] >= 0:
                mean = mean + by[:, index[i]]
        return np.ascontiguousarray(mean.T)


def _optional(stacked: xr.Dataset, name: str, dim: str) -> Floats | None:
    if name not in stacked:
        return None
    out: Floats = stacked[name].transpose(CURVE_TERM, dim, SAMPLE).to_numpy()
    return out


@dataclass(frozen=True)
class PatientCurves:
    """Draws of one patient's coefficients.

    Attributes
    ----------
    coefficients
        (draw, term), on the sampling scale.
    log_evidence
        (draw,) what curves add to the log marginal likelihood of the patient's record under each
        population draw; `evidence.record_evidence` adds the rest.
    efficiency
        Mean share of the proposals that count; 1 where the normal approximation is exact.
    seed
        Of the patient's random numbers.
    """

    population: CurvePopulation
    spec: ModelSpec
    coefficients: Floats
    log_evidence: Floats
    efficiency: float
    seed: int

    def marker(self, marker: str, days: Floats) -> Floats:
        """(time, draw) curve of a marker on days since origin, on its transformed scale."""
        scale = self.population.learnt.get(marker)
        own = self.coefficients[:, self.population.learnt.columns(marker)]
        out: Floats = scale.columns(days) @ own.T * scale.scale + scale.centre
        return out

    def natural(self, marker: str, days: Floats) -> Floats:
        """(time, draw) curve of a marker on its own scale."""
        return self._untransformed(marker, self.marker(marker, days))

    def measured(self, marker: str, days: Floats) -> Floats:
        """(time, draw) a measurement on each day, errors included, on the marker's own scale."""
        names = [m.marker for m in self.population.learnt.markers]
        k = names.index(marker)
        scale = self.population.learnt.markers[k].scale
        generator = np.random.default_rng([self.seed, k])
        noise = generator.standard_normal((len(days), self.population.n_draws))
        values = self.marker(marker, days) + self.population.sigma[k] * scale * noise
        return self._untransformed(marker, values)

    def _untransformed(self, marker: str, values: Floats) -> Floats:
        is_log = self.population.learnt.get(marker).transform == "log"
        return np.exp(values) if is_log else values

    def trail(self, label: str, days: Floats) -> Floats:
        """(time, draw) what the curves add to one log hazard on days since origin."""
        learnt, out, k = self.population.learnt, np.zeros((len(days), len(self.coefficients))), 0
        for a in self.spec.associations:
            for transition in a.transitions:
                if transition == label:
                    columns = learnt.get(a.marker).columns(days, a.form)
                    own = self.coefficients[:, learnt.columns(a.marker)]
                    out += self.population.association[k] * (columns @ own.T)
                k += 1
        return out

    def under(self, index: Ints) -> PatientCurves:
        """The same curves, drawn again: slot s has draw ``index[s]``."""
        return replace(
            self,
            population=self.population.forecasting(index),
            coefficients=self.coefficients[index],
            log_evidence=self.log_evidence[index],
        )


def _slopes(population: CurvePopulation, spec: ModelSpec, label: str, days: Floats) -> Floats:
    """(draw, time, term): the log hazard of one intensity per unit of each coefficient."""
    learnt = population.learnt
    out = np.zeros((population.n_draws, len(days), len(learnt.labels)))
    k = 0
    for a in spec.associations:
        for transition in a.transitions:
            if transition == label:
                columns = learnt.get(a.marker).columns(days, a.form)
                strength = population.association[k][:, None, None]
                out[:, :, learnt.columns(a.marker)] += strength * columns
            k += 1
    return out


def patient_curves(
    population: CurvePopulation,
    rates: Population,
    spec: ModelSpec,
    plan: ModelPlan,
    curves: CurvePlan,
    ratios: PatientRatios,
    i: int,
) -> PatientCurves:
    """Draw the curves of patient `i` of a plan given visits and course up to the landmark.

    All random numbers are seeded by the patient's own record, so the result is the same whoever
    else is in the batch.
    """
    n, width = population.n_draws, len(population.learnt.labels)
    visits, product = np.zeros((n, width, width)), np.zeros((n, width))
    for k, data in enumerate(curves.visits):
        mine = population.learnt.columns(data.scale.marker)
        precision = 1.0 / population.sigma[k] ** 2
        visits[:, mine, mine] = precision[:, None, None] * data.square[i]
        product[:, mine] = precision[:, None] * data.product[i]
    event, base, slope = _course(population, rates, spec, plan, ratios, i)
    inverse = np.linalg.inv(population.root)
    seed = _seed(plan, curves, i)
    generator = np.random.default_rng(seed)
    out, evidence, spread = np.empty((n, width)), np.empty(n), np.empty(n)
    sample_curves(
        population.mean(curves, i),
        np.ascontiguousarray(np.swapaxes(inverse, 1, 2) @ inverse),
        -np.log(np.diagonal(population.root, axis1=1, axis2=2)).sum(axis=1),
        visits,
        product,
        event,
        base,
        slope,
        generator.standard_normal((n, _PROPOSALS, width)),
        generator.random(n),
        out,
        evidence,
        spread,
    )
    efficiency = float(np.mean(1.0 / (1.0 + spread)))
    return PatientCurves(population, spec, out, evidence, efficiency, seed)


def _course(
    population: CurvePopulation,
    rates: Population,
    spec: ModelSpec,
    plan: ModelPlan,
    ratios: PatientRatios,
    i: int,
) -> tuple[Floats, Floats, Floats]:
    """What the course so far says: (draw, term) of events; (draw, node) and (draw, node, term)."""
    points, data, labels = plan.events.points, plan.events.data, spec.graph.labels
    n, width = population.n_draws, len(population.learnt.labels)
    nodes = np.flatnonzero(points.patient[: len(points.node_row)] == i)
    fired = len(points.node_row) + np.flatnonzero(points.patient[len(points.node_row) :] == i)
    event = np.zeros((n, width))
    for p in fired:
        label = labels[points.intensity[p]]
        event += _slopes(population, spec, label, points.day[p : p + 1])[:, 0]
    base, slope = np.empty((n, len(nodes))), np.empty((n, len(nodes), width))
    for e in np.unique(points.intensity[nodes]):
        at = np.flatnonzero(points.intensity[nodes] == e)
        mine = nodes[at]
        slope[:, at] = _slopes(population, spec, labels[e], points.day[mine])
        log_rate = np.log(rates.rate[e][points.node_window[mine]]) + np.log(ratios.hazard[e])
        base[:, at] = (log_rate + np.log(points.node_days[mine])[:, None]).T
    for row, f in zip(data.acting_row, data.acting, strict=True):
        base[:, points.node_row[nodes] == row] += np.log(ratios.effect[f])[:, None]
    return event, base, slope


def _seed(plan: ModelPlan, curves: CurvePlan, i: int) -> int:
    content = hashlib.sha256()
    for data in curves.visits:
        for part in (data.square[i], data.product[i], data.count[i : i + 1]):
            content.update(part.tobytes())
    mine = plan.events.points.patient == i
    content.update(plan.events.points.day[mine].tobytes())
    content.update(curves.design.values[i].tobytes())
    return int.from_bytes(content.digest()[:8], "little")


def along_curves(
    population: Population, curves: PatientCurves, graph: StateGraph, days: Floats
) -> Population:
    """Replace the baselines that curves move by that patient's own, one rate a step of `days`.

    Within a step the rate is the mean of the baseline over it, times the exponential of what the
    curves add in its middle.
    """
    moved = followed(curves.spec.associations, graph)
    n_windows = max(population.edges.shape[1], len(days)) - 1
    rate = np.repeat(population.rate[:, -1:], n_windows, axis=1)
    rate[:, : population.rate.shape[1]] = population.rate
    edges = np.full((len(population.edges), n_windows + 1), np.inf)
    edges[:, : population.edges.shape[1]] = population.edges
    middle = 0.5 * (days[:-1] + days[1:])
    for e in moved:
        own = np.append(population.edges[e][:-1], max(days[-1], population.edges[e][-2]) + 1.0)
        overlap = np.minimum(days[1:, None], own[1:]) - np.maximum(days[:-1, None], own[:-1])
        share = np.maximum(overlap, 0.0) / np.diff(days)[:, None]
        mean = share @ population.rate[e]
        edges[e] = np.inf
        edges[e, : len(days)] = days
        edges[e, 0] = 0.0
        rate[e] = mean[-1]
        trail = curves.trail(graph.labels[e], middle)
        own_rate = mean * np.exp(np.minimum(trail, _LOG_CERTAIN))
        rate[e, : len(days) - 1] = np.minimum(own_rate, _CERTAIN)
    return replace(population, rate=rate, edges=edges)
