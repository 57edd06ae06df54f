"""What one patient's record says of the patient's curves, under every draw of the population."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from twinbayes.arrays import Floats, Ints
from twinbayes.model import ModelPlan, ModelSpec
from twinbayes.model.curves.association import acting_on
from twinbayes.model.curves.trajectory import CurvePlan
from twinbayes.twin.population.curves import CurvePopulation
from twinbayes.twin.population.hazards import Population
from twinbayes.twin.population.ratios import PatientRatios

type Single = tuple[Ints, Ints, Floats, Floats, Floats]


@dataclass(frozen=True)
class CurveTerms:
    """Terms of the log density of a patient's coefficients; see `curve_kernel`.

    Attributes
    ----------
    visits, product
        (draw, term, term) and (draw, term): measured values, summed up.
    event
        (draw, term): what events add for each unit of a coefficient.
    base, slope
        (draw, node) and (draw, node, term): log cumulative hazards.
    constant
        (draw,): what events add by themselves.
    single
        Visits that count one by one: kind, marker, value, basis, and (draw, visit) what is added
        to the curve; see `sample_curves`.
    """

    visits: Floats
    product: Floats
    event: Floats
    base: Floats
    slope: Floats
    constant: Floats
    single: Single

    def apart_from(
        self, varying: Ints, mean: Floats
    ) -> tuple[tuple[Floats, Floats, Floats, Floats, Floats, Single], Floats]:
        """Terms of the coefficients that vary, the others being at their (draw, term) mean.

        Returns
        -------
        tuple
            The terms in the order of the attributes, and (draw,) the constant, with what the
            others add by themselves.
        """
        width = mean.shape[1]
        if len(varying) == width:
            terms = (self.visits, self.product, self.event, self.base, self.slope, self.single)
            return terms, self.constant
        fixed = np.setdiff1d(np.arange(width), varying)
        known = mean[:, fixed]
        kind, marker, value, basis, offset = self.single
        pull = np.einsum("dvf,df->dv", self.visits[:, varying][:, :, fixed], known)
        own = np.einsum("df,dfg,dg->d", known, self.visits[:, fixed][:, :, fixed], known)
        constant = ((self.product + self.event)[:, fixed] * known).sum(axis=1) - 0.5 * own
        terms = (
            np.ascontiguousarray(self.visits[:, varying][:, :, varying]),
            self.product[:, varying] - pull,
            np.ascontiguousarray(self.event[:, varying]),
            self.base + np.einsum("dnf,df->dn", self.slope[:, :, fixed], known),
            np.ascontiguousarray(self.slope[:, :, varying]),
            (
                kind,
                marker,
                value,
                np.ascontiguousarray(basis[:, varying]),
                offset + known @ basis[:, fixed].T,
            ),
        )
        return terms, constant + self.constant


def what_is_said(
    population: CurvePopulation,
    rates: Population,
    spec: ModelSpec,
    plan: ModelPlan,
    curves: CurvePlan,
    ratios: PatientRatios,
    mean: Floats,
    i: int,
) -> CurveTerms:
    """Gather what visits and course of patient `i` of a plan say of the coefficients.

    `mean` (draw, term) is that of the coefficients before anything is known of the patient.
    """
    n, width = population.n_draws, len(population.learnt.labels)
    visits, product = np.zeros((n, width, width)), np.zeros((n, width))
    for k, data in enumerate(curves.visits):
        mine = population.learnt.columns(data.scale.marker)
        if data.count[i]:
            precision = 1.0 / population.parameter[k, 0] ** 2
            visits[:, mine, mine] = precision[:, None, None] * data.square[i]
            product[:, mine] = precision[:, None] * data.product[i]
    pull = Pull(
        population=population,
        spec=spec,
        starts=tuple(data.starts[i] for data in curves.visits),
        multipliers=np.array([m.value[i] for m in plan.multipliers]),
        mean=mean,
    )
    course = _course(pull, rates, plan, ratios, i)
    return CurveTerms(visits, product, *course, _single_visits(population, curves, i))


def _single_visits(population: CurvePopulation, curves: CurvePlan, i: int) -> Single:
    """Visits of patient `i` that count one by one: kind, marker, value, basis and offset."""
    learnt = population.learnt
    kind, marker, value, basis, offset = [], [], [], [], []
    for k, data in enumerate(curves.visits):
        mine = data.visits.patient == i
        n = int(mine.sum())
        rows = np.zeros((n, len(learnt.labels)))
        if data.scale.mean is None:
            rows[:, learnt.columns(data.scale.marker)] = data.visits.columns[mine]
        family = data.scale.family
        address = family.branch.address if n else 0
        kind.append(np.c_[data.visits.code[mine], np.full(n, address)])
        marker.append(np.full(n, k))
        value.append(np.c_[data.visits.value[mine], np.full(n, family.number)])
        offset.append(np.full((population.n_draws, n), data.scale.offset))
        basis.append(rows)
    return (
        np.concatenate(kind),
        np.concatenate(marker),
        np.concatenate(value),
        np.concatenate(basis),
        np.concatenate(offset, axis=1),
    )


@dataclass(frozen=True)
class Pull:
    """How log hazards of one patient follow the coefficients; attributes as in `PatientCurves`."""

    population: CurvePopulation
    spec: ModelSpec
    starts: tuple[Floats, ...]
    multipliers: Floats
    mean: Floats

    def on(self, label: str, days: Floats) -> tuple[Floats, Floats]:
        """How the log hazard of one intensity follows the coefficients on days since origin.

        Returns
        -------
        slope, level
            (draw, time, term), per unit of each coefficient; and (draw, time), where all are 0.
        """
        population, learnt = self.population, self.population.learnt
        slope = np.zeros((population.n_draws, len(days), len(learnt.labels)))
        level = np.zeros((population.n_draws, len(days)))
        for k, f in acting_on(self.spec.features, label):
            scale, mine = learnt.get(f.association.marker), learnt.columns(f.association.marker)
            if f.is_bent(scale):  # what mean functions add is in `bent_curves`
                continue
            own = self.starts[learnt.markers.index(scale)]
            weights = f.weights(scale, days, own, self.multipliers[f.position])
            added = population.association[k][:, None, None] * weights
            slope[:, :, mine] += added
            if f.column is not None:
                level -= np.einsum("dtb,db->dt", added, self.mean[:, mine])
        return slope, level


def _course(
    pull: Pull, rates: Population, plan: ModelPlan, ratios: PatientRatios, i: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """What the course so far says: event, base, slope and constant of `CurveTerms`."""
    points, data, labels = plan.events.points, plan.events.data, pull.spec.graph.labels
    n, width = pull.mean.shape
    nodes = np.flatnonzero(points.patient[: len(points.node_row)] == i)
    fired = len(points.node_row) + np.flatnonzero(points.patient[len(points.node_row) :] == i)
    event, constant = np.zeros((n, width)), np.zeros(n)
    for p in fired:
        own_slope, level = pull.on(labels[points.intensity[p]], points.day[p : p + 1])
        event += own_slope[:, 0]
        constant += level[:, 0]
    base, slope = np.empty((n, len(nodes))), np.empty((n, len(nodes), width))
    for e in np.unique(points.intensity[nodes]):
        at = np.flatnonzero(points.intensity[nodes] == e)
        mine = nodes[at]
        slope[:, at], level = pull.on(labels[e], points.day[mine])
        log_rate = np.log(rates.rate[e][points.node_window[mine]]) + np.log(ratios.hazard[e])
        base[:, at] = (log_rate + np.log(points.node_days[mine])[:, None]).T + level
    own_acting = np.flatnonzero(data.patient[data.acting_row] == i)
    for row, f in zip(data.acting_row[own_acting], data.acting[own_acting], strict=True):
        base[:, points.node_row[nodes] == row] += np.log(ratios.effect[f])[:, None]
    return event, base, slope, constant


def record_seed(plan: ModelPlan, curves: CurvePlan, i: int) -> int:
    """Seed of a patient's random numbers, from the record alone."""
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
