"""Curves of one patient: what the visits and the course so far say of them, draw by draw."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import xarray as xr

from twinbayes.model import CurveEncoding, ModelPlan, ModelSpec
from twinbayes.model.association import followed
from twinbayes.model.event_data import Floats, Ints
from twinbayes.model.family import SD, SHAPE
from twinbayes.model.family_continuous import Normal
from twinbayes.model.family_discrete import Ordinal
from twinbayes.model.graph import StateGraph
from twinbayes.model.marker_data import MarkerScale
from twinbayes.model.trajectory import CurvePlan
from twinbayes.names import (
    ASSOCIATION,
    CENTRE,
    CHAIN,
    COUNT_MARKER,
    CURVE_COVARIATE,
    CURVE_TERM,
    CURVE_TERM_AGAIN,
    DRAW,
    MARKER_WITH_ERROR,
    SAMPLE,
    SUBGROUP,
)
from twinbayes.twin.curve_kernel import sample_curves
from twinbayes.twin.population import PatientRatios, Population
from twinbayes.twin.scenario import Scenario

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
    parameter
        (marker, number, draw) what families have beside curves: standard deviation of
        measurements, shape of counts, or the cuts between grades.
    association
        (association, draw) log hazard ratios per unit of the sampling scale.
    """

    learnt: CurveEncoding
    level: Floats
    effect: Floats
    subgroup: Floats | None
    centre: Floats | None
    root: Floats
    parameter: Floats
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
        per_unit = [learnt.get(a.marker).scale for a in spec.associations for _ in a.labels]
        n = level.shape[1]
        return cls(
            learnt=learnt,
            level=level,
            effect=table[1:] * scale[:, None, None],
            subgroup=_optional(stacked, "curve_subgroup_effect", SUBGROUP),
            centre=_optional(stacked, "curve_centre_effect", CENTRE),
            root=np.linalg.cholesky(np.moveaxis(covariance, -1, 0)),
            parameter=_parameters(stacked, learnt),
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


def _parameters(stacked: xr.Dataset, learnt: CurveEncoding) -> Floats:
    """Parameters of every family on the sampling scale; those that a family lacks are 0."""
    families = [m.family for m in learnt.markers]
    width = max([1, *(len(f.grades) - 1 for f in families if isinstance(f, Ordinal))])
    out = np.zeros((len(learnt.markers), width, stacked.sizes[SAMPLE]))
    for k, m in enumerate(learnt.markers):
        if m.family.parameter == SD:
            own = stacked["marker_sd"].sel({MARKER_WITH_ERROR: m.marker})
            out[k, 0] = own.to_numpy() / m.scale
        elif m.family.parameter == SHAPE:
            out[k, 0] = stacked["marker_shape"].sel({COUNT_MARKER: m.marker}).to_numpy()
        elif isinstance(m.family, Ordinal):
            gaps = stacked[f"marker_gap_{m.marker}"].transpose(f"{m.marker}_gap", SAMPLE)
            out[k, 1 : len(m.family.grades) - 1] = np.cumsum(gaps.to_numpy(), axis=0)
    return out


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
        (draw,) log marginal likelihood of the patient's record under each population draw.
    efficiency
        Mean share of the proposals that count; 1 where the normal approximation is exact.
    seed
        Of the patient's random numbers.
    starts
        For each marker (turn,), the days on which its turns begin.
    """

    population: CurvePopulation
    spec: ModelSpec
    coefficients: Floats
    log_evidence: Floats
    efficiency: float
    seed: int
    starts: tuple[Floats, ...]

    def under(self, scenario: Scenario) -> PatientCurves:
        """Curves that turn on the days on which a scenario starts its treatments."""
        days = {a.treatment: a.day for a in scenario.assumptions if a.day is not None}
        starts = tuple(
            np.minimum(own, [days.get(turn.what, np.inf) for turn in m.turns])
            for own, m in zip(self.starts, self.population.learnt.markers, strict=True)
        )
        return replace(self, starts=starts)

    def marker(self, marker: str, days: Floats) -> Floats:
        """(time, draw) curve of a marker on days since origin, on its transformed scale."""
        scale = self.population.learnt.get(marker)
        own = self.coefficients[:, self.population.learnt.columns(marker)]
        starts = self.starts[self.population.learnt.markers.index(scale)]
        out: Floats = scale.columns(days, starts) @ own.T * scale.scale + scale.centre
        return out

    def natural(self, marker: str, days: Floats) -> Floats:
        """(time, draw) what a curve stands for on its marker's own scale: mean, probability."""
        scale, parameter = self._family(marker)
        return _untransformed(scale, scale.family.mean(self.marker(marker, days), parameter))

    def measured(self, marker: str, days: Floats) -> Floats:
        """(time, draw) a measurement on each day, errors included, on the marker's own scale."""
        scale, parameter = self._family(marker)
        k = self.population.learnt.markers.index(scale)
        generator = np.random.default_rng([self.seed, k])
        values = scale.family.draw(self.marker(marker, days), parameter, generator)
        return _untransformed(scale, values)

    def _family(self, marker: str) -> tuple[MarkerScale, Floats]:
        """A marker, and the (number, draw) parameters of its family on the transformed scale."""
        learnt = self.population.learnt
        scale = learnt.get(marker)
        parameter = self.population.parameter[learnt.markers.index(scale)]
        return scale, parameter * scale.scale if scale.family.parameter == SD else parameter

    def trail(self, label: str, days: Floats) -> Floats:
        """(time, draw) what the curves add to one log hazard on days since origin."""
        slopes = _slopes(self.population, self.spec, self.starts, label, days)
        out: Floats = np.einsum("dtk,dk->td", slopes, self.coefficients)
        return out


def _untransformed(scale: MarkerScale, values: Floats) -> Floats:
    """Values on the marker's own scale, within its floor and ceiling."""
    own = np.exp(values) if scale.transform == "log" else values
    if isinstance(scale.family, Normal):
        low, high = scale.family.floor, scale.family.ceiling
        if low is not None or high is not None:
            return np.clip(own, low, high)
    return own


def _slopes(
    population: CurvePopulation,
    spec: ModelSpec,
    starts: tuple[Floats, ...],
    label: str,
    days: Floats,
) -> Floats:
    """(draw, time, term): the log hazard of one intensity per unit of each coefficient."""
    learnt = population.learnt
    out = np.zeros((population.n_draws, len(days), len(learnt.labels)))
    k = 0
    for a in spec.associations:
        for transition in a.transitions:
            if transition == label:
                scale = learnt.get(a.marker)
                own = starts[learnt.markers.index(scale)]
                columns = scale.columns(days, own, a.form)
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
        if data.count[i]:
            precision = 1.0 / population.parameter[k, 0] ** 2
            visits[:, mine, mine] = precision[:, None, None] * data.square[i]
            product[:, mine] = precision[:, None] * data.product[i]
    starts = tuple(data.starts[i] for data in curves.visits)
    event, base, slope = _course(population, rates, spec, plan, starts, ratios, i)
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
        _single_visits(population, curves, i),
        np.ascontiguousarray(np.moveaxis(population.parameter, -1, 0)),
        generator.standard_normal((n, _PROPOSALS, width)),
        generator.random(n),
        out,
        evidence,
        spread,
    )
    efficiency = float(np.mean(1.0 / (1.0 + spread)))
    return PatientCurves(population, spec, out, evidence, efficiency, seed, starts)


def _single_visits(
    population: CurvePopulation, curves: CurvePlan, i: int
) -> tuple[Ints, Ints, Floats, Floats]:
    """Visits of patient `i` that count one by one: code, marker, (value, offset, extra), basis."""
    learnt = population.learnt
    code, marker, value, basis = [], [], [], []
    for k, data in enumerate(curves.visits):
        mine = data.visits.patient == i
        n = int(mine.sum())
        rows = np.zeros((n, len(learnt.labels)))
        rows[:, learnt.columns(data.scale.marker)] = data.visits.columns[mine]
        family = data.scale.family
        extra = (
            len(family.grades) - 1 if isinstance(family, Ordinal) else getattr(family, "df", 0.0)
        )
        code.append(data.visits.code[mine])
        marker.append(np.full(n, k))
        value.append(
            np.c_[data.visits.value[mine], np.full(n, data.scale.offset), np.full(n, extra)]
        )
        basis.append(rows)
    return (
        np.concatenate(code),
        np.concatenate(marker),
        np.concatenate(value),
        np.concatenate(basis),
    )


def _course(
    population: CurvePopulation,
    rates: Population,
    spec: ModelSpec,
    plan: ModelPlan,
    starts: tuple[Floats, ...],
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
        event += _slopes(population, spec, starts, label, points.day[p : p + 1])[:, 0]
    base, slope = np.empty((n, len(nodes))), np.empty((n, len(nodes), width))
    for e in np.unique(points.intensity[nodes]):
        at = np.flatnonzero(points.intensity[nodes] == e)
        mine = nodes[at]
        slope[:, at] = _slopes(population, spec, starts, labels[e], points.day[mine])
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
        single = data.visits.patient == i
        for part in (data.visits.columns[single], data.visits.value[single]):
            content.update(part.tobytes())
        content.update(data.visits.code[single].tobytes())
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
