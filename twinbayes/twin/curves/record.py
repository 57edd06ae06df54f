"""What one patient's record says of the patient's curves, under every draw of the population."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from twinbayes.arrays import Floats, Ints
from twinbayes.model import ModelPlan
from twinbayes.model.curves.trajectory import CurvePlan
from twinbayes.twin.population.curves import CurvePopulation
from twinbayes.twin.population.hazards import Population
from twinbayes.twin.population.ratios import PatientRatios

type Single = tuple[Ints, Ints, Floats, Floats, Floats]


@dataclass(frozen=True)
class CurveTerms:
    """Terms of the log density of the coefficients that vary, the others being at their mean.

    See `kernel.sample_curves`, which takes all but the last.

    Attributes
    ----------
    visits, linear
        (term, term, draw) and (term, draw): measured values, summed up; and what events add for
        each unit of a coefficient.
    base, slope
        (node, draw) and (node, term, draw): log cumulative hazards.
    single
        Visits that count one by one: kind, marker, value, (visit, term, draw) basis, and (visit,
        draw) what is added to the curve.
    constant
        (draw,): what visits and events add by themselves.
    """

    visits: Floats
    linear: Floats
    base: Floats
    slope: Floats
    single: Single
    constant: Floats


def what_is_said(
    population: CurvePopulation,
    rates: Population,
    plan: ModelPlan,
    curves: CurvePlan,
    ratios: PatientRatios,
    mean: Floats,
    i: int,
) -> CurveTerms:
    """Gather what visits and course of patient `i` of a plan say of the coefficients.

    `mean` (term, draw) is that of the coefficients before anything is known of the patient.
    """
    n, width = population.n_draws, len(population.varying)
    visits, linear, constant = np.zeros((width, width, n)), np.zeros((width, n)), np.zeros(n)
    for k, (data, own) in enumerate(zip(curves.visits, population.split, strict=True)):
        if not data.count[i]:
            continue
        precision, square = 1.0 / population.parameter[k, 0] ** 2, data.square[i]
        varying, fixed, known, product = own.varying, own.fixed, mean[own.rest], data.product[i]
        visits[own.place, own.place] = square[varying[:, None], varying, None] * precision
        linear[own.place] = precision * product[varying, None]
        if len(fixed):
            linear[own.place] -= precision * (square[varying[:, None], fixed] @ known)
            apart = product[fixed, None] - 0.5 * (square[fixed[:, None], fixed] @ known)
            constant += precision * (known * apart).sum(axis=0)
    event, base, slope, by_itself = _course(population, rates, plan, ratios, mean, i)
    single = _single_visits(population, curves, mean, i)
    return CurveTerms(visits, linear + event, base, slope, single, constant + by_itself)


def _single_visits(population: CurvePopulation, curves: CurvePlan, mean: Floats, i: int) -> Single:
    """Visits of patient `i` that count one by one: kind, marker, value, basis and offset."""
    rows = [data.visits.of(i) for data in curves.visits]
    total, n = sum(len(mine) for mine in rows), population.n_draws
    kind, marker = np.empty((total, 2), dtype=np.int64), np.empty(total, dtype=np.int64)
    value, offset = np.empty((total, 2)), np.empty((total, n))
    basis, first = np.zeros((total, len(population.varying), n)), 0
    for k, (data, mine, own) in enumerate(zip(curves.visits, rows, population.split, strict=True)):
        if not len(mine):
            continue
        here, scale = slice(first, first + len(mine)), data.scale
        kind[here, 0], kind[here, 1] = data.visits.code[mine], scale.family.branch.address
        value[here, 0], value[here, 1] = data.visits.value[mine], scale.family.number
        marker[here], offset[here] = k, scale.offset
        if scale.mean is None:
            columns = data.visits.columns[mine]
            basis[here, own.place] = columns[:, own.varying][..., None]
            offset[here] += columns[:, own.fixed] @ mean[own.rest]
        first = here.stop
    return kind, marker, value, basis, offset


def _pull(
    population: CurvePopulation, plan: ModelPlan, mean: Floats, e: int, at: Ints
) -> tuple[Floats, Floats]:
    """How the log hazard of intensity `e` follows the coefficients at some points of a plan.

    Returns
    -------
    slope, level
        (point, term, draw), per unit of each coefficient that varies; and (point, draw), where
        all of these are 0.
    """
    slope = np.zeros((len(at), len(population.varying), population.n_draws))
    level = np.zeros((len(at), population.n_draws))
    for k, f in population.moves[e]:
        position, scale, mine = population.places[f.association.marker]
        if f.is_bent(scale):  # what mean functions add is in `bent`
            continue
        own, strength = population.split[position], population.association[k]
        weights = plan.weights(f)[at]
        slope[:, own.place] += weights[:, own.varying, None] * strength
        if len(own.fixed):
            level += strength * (weights[:, own.fixed] @ mean[own.rest])
        if f.column is not None:
            level -= strength * (weights @ mean[mine])
    return slope, level


def _course(
    population: CurvePopulation,
    rates: Population,
    plan: ModelPlan,
    ratios: PatientRatios,
    mean: Floats,
    i: int,
) -> tuple[Floats, Floats, Floats, Floats]:
    """What the course so far says: event (term, draw), base, slope and constant."""
    points, data = plan.events.points, plan.events.data
    width, n = len(population.varying), population.n_draws
    nodes, fired = points.nodes_of(i), points.fired_of(i)
    event, constant = np.zeros((width, n)), np.zeros(n)
    for e in np.unique(points.intensity[fired]):
        own_slope, level = _pull(population, plan, mean, e, fired[points.intensity[fired] == e])
        event += own_slope.sum(axis=0)
        constant += level.sum(axis=0)
    base, slope = np.empty((len(nodes), n)), np.empty((len(nodes), width, n))
    for e in np.unique(points.intensity[nodes]):
        at = np.flatnonzero(points.intensity[nodes] == e)
        mine = nodes[at]
        slope[at], base[at] = _pull(population, plan, mean, e, mine)
        window = points.node_window[mine]
        base[at] += rates.log_rate[e][window] + np.log(ratios.hazard[e])
        base[at] += np.log(points.node_days[mine])[:, None]
    row = points.node_row[nodes]
    for r in np.unique(row) if len(data.acting) else ():
        base[row == r] += np.log(ratios.effect[data.acting_in(r)]).sum(axis=0)
    return event, base, slope, constant


def record_seed(plan: ModelPlan, curves: CurvePlan, i: int) -> int:
    """Seed of a patient's random numbers, from identifier and record alone."""
    content = hashlib.sha256(plan.patient_ids[i].encode())
    for data in curves.visits:
        for part in (data.square[i], data.product[i], data.count[i : i + 1]):
            content.update(part.tobytes())
        single = data.visits.of(i)
        for part in (data.visits.columns[single], data.visits.value[single]):
            content.update(part.tobytes())
        content.update(data.visits.code[single].tobytes())
    points = plan.events.points
    for mine in (points.nodes_of(i), points.fired_of(i)):
        content.update(points.day[mine].tobytes())
    content.update(curves.design.values[i].tobytes())
    return int.from_bytes(content.digest()[:8], "little")
