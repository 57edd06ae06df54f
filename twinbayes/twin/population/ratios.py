"""Hazard ratios of one patient, every draw, and what a record and forecasts make of them.

The likelihood of a fit integrates missing covariates out and knows every subgroup and centre; a
twin draws what is missing, and levels that the fit has not seen. So its hazard ratios are its own,
multiplied out here and read by all of the twin; baselines are those of the `Population`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from twinbayes.arrays import Floats
from twinbayes.errors import TwinError
from twinbayes.model.covariates.design import DesignMatrix, Encoding
from twinbayes.model.events.packed import EventData
from twinbayes.model.events.process import EventProcess
from twinbayes.model.pooling.protocol import Pooling
from twinbayes.twin.occupation.places import Chart
from twinbayes.twin.population.frailty import HazardRecord
from twinbayes.twin.population.hazards import Population, add_columns

Singles = NDArray[np.float32]


@dataclass(frozen=True)
class PatientRatios:
    """Hazard ratios of one patient: (intensity, draw), and (effect, draw) of what may act.

    Effects are those of treatments, then of eras of entry, then of windows of time-varying effects.
    """

    hazard: Floats
    effect: Floats


def patient_ratios(
    population: Population,
    process: EventProcess,
    encoding: Encoding,
    design: DesignMatrix,
    i: int,
    who: tuple[str, str, str],
) -> PatientRatios:
    """Multiply out covariates, levels and treatment effects for patient `i` of a design.

    Missing covariates are drawn from their conditional distribution, one value a draw. All
    random numbers are seeded by the patient's own content, so the result is the same whoever
    else is in the batch, and those of two patients who are alike are not the same.

    Parameters
    ----------
    who
        Identifier, subgroup and centre of the patient.
    """
    generator = np.random.default_rng(content_seed(design, i, who))
    n, predictor = population.n_draws, population.at_stored_zero.copy()
    values, variances = design.values[i], design.variances[i]
    stored = values + design.shift
    seen = np.flatnonzero((stored != 0.0) & (variances == 0.0))
    add_columns(predictor, population.coef, seen, stored)
    for k in np.flatnonzero(variances > 0.0):
        column = encoding.columns[k]
        if column.is_binary:
            p = values[k] * column.scale + column.centre
            x = ((generator.random(n) < p) - column.centre) / column.scale
        else:
            x = values[k] + np.sqrt(variances[k]) * generator.standard_normal(n)
        predictor += (x + design.shift[k]) * population.coef[k]
    if design.subgroup[i] < 0:
        predictor += _new_level(
            population.subgroup_scale, process.subgroup, "subgroup", predictor, generator
        )
    if design.centre[i] < 0:
        predictor += _new_level(
            population.centre_scale, process.centre, "centre", predictor, generator
        )
    acting = [
        _effects(population, process, design.subgroup[i], generator),
        population.era_effect,
    ]
    if population.walks is not None:
        acting.append(population.walks.in_subgroup(design.subgroup[i], who[1], generator))
    return PatientRatios(np.exp(predictor), np.exp(np.concatenate(acting)))


def fitted_ratios(
    population: Population, drawn: PatientRatios, design: DesignMatrix, i: int
) -> PatientRatios:
    """Hazard ratios of patient `i` as the likelihood of the fit has them.

    Missing covariates are integrated out there, not drawn: each adds half its variance times the
    square of its effect to a log hazard.

    Parameters
    ----------
    drawn
        From `patient_ratios`, for a patient whose subgroup and centre the fit has seen.
    """
    stored, variances = design.values[i] + design.shift, design.variances[i]
    predictor = population.at_stored_zero.copy()
    add_columns(predictor, population.coef, np.flatnonzero(stored), stored)
    for k in np.flatnonzero(variances > 0.0):
        predictor += 0.5 * variances[k] * population.coef[k] ** 2
    return replace(drawn, hazard=np.exp(predictor))


def own_hazards(
    population: Population, ratios: PatientRatios, design: DesignMatrix, i: int
) -> Population:
    """Baseline hazards of patient `i`, with the time-varying effects that act on them."""
    if population.walks is None:
        return population
    walks = np.log(ratios.effect[-len(population.walks.log_ratio) :])
    for effect in population.walks.effects:
        if effect.carried(design)[i] > 0.0:
            population = population.under(effect, walks[effect.rows])
    return population


def _effects(
    population: Population, process: EventProcess, subgroup: int, generator: np.random.Generator
) -> Floats:
    """(effect, draw) log hazard ratios of the treatments in a subgroup, -1 for an unseen one."""
    if subgroup >= 0:
        return population.effect[:, subgroup]
    silent = [e.label for e in process.graph.effects if not e.pooling.reaches_new_subgroups]
    if silent:
        raise TwinError(
            "This subgroup was not in the fit, and the pooling of these treatment effects says "
            f"nothing about it: {', '.join(silent)}. Refit with pooling 'exchangeable', 'exnex' "
            "or 'complete'."
        )
    blocks: dict[Pooling, list[int]] = {}
    for k, effect in enumerate(process.graph.effects):
        blocks.setdefault(effect.pooling, []).append(k)
    out = np.empty_like(population.effect_mean)
    for pooling, rows in blocks.items():
        mean, scale = population.effect_mean[rows], population.effect_scale[rows]
        out[rows] = pooling.draw_new(mean, scale, generator)
    return out


def _new_level(
    scale: Floats | None, pooling: Pooling, what: str, like: Floats, generator: np.random.Generator
) -> Floats:
    if not pooling.reaches_new_subgroups:
        raise TwinError(
            f"This {what} was not in the fit, and levels under pooling {pooling.kind!r} say "
            f"nothing about it. Refit with pooling 'exchangeable' for the {what}."
        )
    if scale is None:  # one label only in the fit, or no difference: its level is the baseline
        return np.zeros_like(like)
    return pooling.draw_new(np.zeros_like(like), scale, generator)


def content_seed(design: DesignMatrix, i: int, who: tuple[str, str, str]) -> int:
    """Return a number of patient `i` alone, whoever else is in the design; `who` as above."""
    # Means and variances of what is missing are rounded otherwise by another processor.
    content = hashlib.sha256((np.round(design.values[i], 6) + 0.0).tobytes())
    content.update((np.round(design.variances[i], 6) + 0.0).tobytes())
    content.update("\x1f".join(who).encode())
    return int.from_bytes(content.digest()[:8], "little")


def acting_ratios(ratios: PatientRatios, chart: Chart) -> Singles:
    """(row, draw) hazard ratios of a chart: of its intensity, times the effects that act."""
    out = np.empty((len(chart.ratio_intensity), ratios.hazard.shape[1]), dtype=np.float32)
    hazard, effect = ratios.hazard.astype(np.float32), ratios.effect.astype(np.float32)
    for row, intensity, acting in zip(out, chart.ratio_intensity, chart.ratio_effects, strict=True):
        row[:] = hazard[intensity]
        for f in acting[acting >= 0]:
            row *= effect[f]
    return out


def course_record(
    population: Population, ratios: PatientRatios, data: EventData, i: int
) -> HazardRecord:
    """The course of patient `i` under every draw, without what curves add to it.

    Rows whose hazard follows a curve have no exposure of their own: the curves' share has their
    cumulative hazard.

    Parameters
    ----------
    ratios
        At the mean of a frailty.
    """
    at_event = population.rate if population.rate_at_event is None else population.rate_at_event
    log_hazard, log_effect = np.log(ratios.hazard), np.log(ratios.effect)
    at_events, cumulative = np.zeros(population.n_draws), np.zeros_like(ratios.hazard)
    happened = np.zeros(len(ratios.hazard))
    fired = data.events_of(i)
    window_of = dict(zip(data.event_row[fired], data.event_window[fired], strict=True))
    for r in data.rows_of(i):
        e = int(np.searchsorted(data.row_start, r, side="right")) - 1
        days = data.days_at_risk(e)[:, r - data.row_start[e]]
        log_ratio = log_hazard[e] + log_effect[data.acting_in(r)].sum(axis=0)
        passed = np.flatnonzero(days)
        if len(passed):
            cumulative[e] += np.exp(log_ratio) * (days[passed] @ population.rate[e, passed])
        if r in window_of:
            happened[e] += 1
            at_events += log_ratio + np.log(at_event[e, window_of[r]])
    return HazardRecord(at_events, happened, cumulative)


def with_frailty(
    population: Population, ratios: PatientRatios, record: HazardRecord, seed: int
) -> PatientRatios:
    """Hazard ratios of a patient whose frailty is drawn given the record.

    Parameters
    ----------
    ratios
        At the mean of the frailty.
    seed
        From `content_seed`.
    """
    b = record.drawn_frailty(population.frailty, seed)
    return replace(ratios, hazard=ratios.hazard * np.exp(population.frailty * b))
