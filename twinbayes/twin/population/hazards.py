"""Posterior draws as the arrays that forecasts read, and hazard ratios of one patient."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from twinbayes.errors import TwinError
from twinbayes.machine.jit import jit
from twinbayes.model.covariates.design import DesignMatrix, Encoding
from twinbayes.model.events.process import LOG_BASELINE_AT_EVENT, EventProcess
from twinbayes.model.events.rows import Floats, Ints
from twinbayes.model.events.time_varying import VaryingEffect
from twinbayes.model.pooling.protocol import Pooling
from twinbayes.model.pooling.table import POOLINGS
from twinbayes.names import (
    CENTRE,
    CHAIN,
    COVARIATE,
    DRAW,
    EFFECT,
    ENTRY_ERA,
    SAMPLE,
    SUBGROUP,
    TRANSITION,
    WINDOW,
)
from twinbayes.twin.occupation.places import Chart
from twinbayes.twin.population.time_varying import Walks

Singles = NDArray[np.float32]

_jit = jit(nogil=True)


@dataclass(frozen=True)
class Population:
    """Draws of the population parameters; draw s means the same parameters for everybody.

    Attributes
    ----------
    rate
        (intensity, window, draw), baseline hazards per day.
    edges
        (intensity, window + 1), window edges in days.
    coef
        (column, intensity, draw); columns are covariates, then subgroups, then centres.
    at_stored_zero
        (intensity, draw), log hazard ratio where every column is stored as 0 (see `EventData`).
    effect
        (effect, subgroup, draw), treatment log hazard ratios.
    era_effect
        (era, draw), log hazard ratios of eras of entry.
    subgroup_scale, centre_scale
        (intensity, draw), spread of levels, for a subgroup or centre that the fit has not seen;
        None if the pooling has none.
    effect_mean, effect_scale
        (effect, draw), mean and spread of treatment effects over subgroups; 0 where all
        subgroups share one effect.
    rate_at_event
        (intensity, window, draw), hazards per day at an event in the window, where these are not
        the means over the window (Weibull); None where they are.
    moving
        For intensities on the entry clock that curves move, (step, draw) hazard ratios of one
        patient in each step of a forecast; empty before it.
    walks
        Effects that change with time, None without.
    """

    rate: Floats
    edges: Floats
    coef: Floats
    at_stored_zero: Floats
    effect: Floats
    era_effect: Floats
    subgroup_scale: Floats | None
    centre_scale: Floats | None
    effect_mean: Floats
    effect_scale: Floats
    rate_at_event: Floats | None = None
    moving: Mapping[int, Floats] = field(default_factory=dict)
    walks: Walks | None = None

    @property
    def n_draws(self) -> int:
        """Number of posterior draws, all chains together."""
        return int(self.rate.shape[2])

    def take(self, index: Ints) -> Population:
        """Return some of the draws, in the order of `index`."""
        by_draw = [f.name for f in fields(self) if f.name not in ("edges", "moving", "walks")]
        parts = {name: getattr(self, name) for name in by_draw}
        taken: dict[str, Any] = {
            k: np.ascontiguousarray(x[..., index]) for k, x in parts.items() if x is not None
        }
        return replace(self, **taken, walks=None if self.walks is None else self.walks.take(index))

    def rates_of(self, index: Ints) -> Population:
        """Baseline hazards under other draws; nothing else moves, for one patient needs no more."""
        return replace(self, rate=np.ascontiguousarray(self.rate[..., index]))

    def under(self, effect: VaryingEffect, walk: Floats) -> Population:
        """Hazards of those on whom a time-varying effect acts, log ratios (window, draw)."""
        window = np.minimum(np.arange(self.rate.shape[1]), len(walk) - 1)
        rate = self.rate.copy()
        rate[effect.intensity] *= np.exp(walk)[window]
        return replace(self, rate=rate)

    @classmethod
    def from_posterior(
        cls,
        posterior: xr.Dataset,
        encoding: Encoding,
        edges: tuple[Floats, ...],
        varying: Sequence[VaryingEffect] = (),
    ) -> Population:
        """Lay the posterior of an event process out for forecasts."""
        stacked = posterior.stack({SAMPLE: (CHAIN, DRAW)})

        def get(name: str, *dims: str) -> Floats | None:
            return _draws(stacked, name, *dims) if name in stacked else None

        rate = _draws(stacked, "log_baseline", TRANSITION, WINDOW)
        at_event = get(LOG_BASELINE_AT_EVENT, TRANSITION, WINDOW)
        n_intensities, width, n = rate.shape
        empty = np.zeros((0, n_intensities, n))
        beta = get("beta", COVARIATE, TRANSITION)
        subgroup = get("subgroup_effect", SUBGROUP, TRANSITION)
        centre = get("centre_effect", CENTRE, TRANSITION)
        effect = get("treatment_subgroup_effect", EFFECT, SUBGROUP)
        era_effect = get("entry_era_effect", ENTRY_ERA)
        table = np.full((n_intensities, width + 1), np.inf)
        for row, some in zip(table, edges, strict=True):
            row[: len(some)] = some
        effect_mean, effect_scale = _over_subgroups(stacked)
        no_levels = [
            np.zeros((len(labels), n_intensities, n))
            for labels in (encoding.subgroups, encoding.centres)
        ]
        coef = np.concatenate(
            [
                empty if beta is None else beta,
                no_levels[0] if subgroup is None else subgroup,
                no_levels[1] if centre is None else centre,
            ]
        )
        at_stored_zero = np.zeros((n_intensities, n))
        _add_columns(at_stored_zero, coef, np.flatnonzero(encoding.shift), -encoding.shift)
        return cls(
            rate=np.exp(rate),
            edges=table,
            coef=coef,
            at_stored_zero=at_stored_zero,
            effect=np.zeros((0, len(encoding.subgroups), n)) if effect is None else effect,
            era_effect=np.zeros((0, n)) if era_effect is None else era_effect,
            subgroup_scale=get("subgroup_scale", TRANSITION),
            centre_scale=get("centre_scale", TRANSITION),
            effect_mean=effect_mean,
            effect_scale=effect_scale,
            rate_at_event=None if at_event is None else np.exp(at_event),
            walks=Walks.from_posterior(stacked, varying) if varying else None,
        )


def _draws(stacked: xr.Dataset, name: str, *dims: str) -> Floats:
    out: Floats = np.ascontiguousarray(stacked[name].transpose(*dims, SAMPLE).to_numpy())
    return out


def _over_subgroups(stacked: xr.Dataset) -> tuple[Floats, Floats]:
    """Mean and spread of every treatment effect, from whichever block it was pooled in."""
    labels = [str(x) for x in stacked[EFFECT].to_numpy()] if EFFECT in stacked else []
    mean = np.zeros((len(labels), stacked.sizes[SAMPLE]))
    scale = np.zeros_like(mean)
    # One block alone has no suffix; several are named after their pooling.
    for suffix in ("", *(f"_{kind}" for kind in POOLINGS)):
        if f"treatment_effect{suffix}" not in stacked:
            continue
        dim = f"{EFFECT}{suffix}"
        rows = [labels.index(str(x)) for x in stacked[dim].to_numpy()]
        mean[rows] = _draws(stacked, f"treatment_effect{suffix}", dim)
        if f"treatment_heterogeneity{suffix}" in stacked:
            scale[rows] = _draws(stacked, f"treatment_heterogeneity{suffix}", dim)
    return mean, scale


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
    labels: tuple[str, str],
) -> PatientRatios:
    """Multiply out covariates, levels and treatment effects for patient `i` of a design.

    Missing covariates are drawn from their conditional distribution, one value a draw. All
    random numbers are seeded by the patient's own content, so the result is the same whoever
    else is in the batch.

    Parameters
    ----------
    labels
        Subgroup and centre of the patient.
    """
    generator = np.random.default_rng(_seed(design, i, labels))
    n, predictor = population.n_draws, population.at_stored_zero.copy()
    values, variances = design.values[i], design.variances[i]
    stored = values + design.shift
    seen = np.flatnonzero((stored != 0.0) & (variances == 0.0))
    _add_columns(predictor, population.coef, seen, stored)
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
        acting.append(population.walks.in_subgroup(design.subgroup[i], labels[0], generator))
    return PatientRatios(np.exp(predictor), np.exp(np.concatenate(acting)))


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


def _seed(design: DesignMatrix, i: int, labels: tuple[str, str]) -> int:
    content = hashlib.sha256(design.values[i].tobytes())
    content.update(design.variances[i].tobytes())
    content.update("\x1f".join(labels).encode())
    return int.from_bytes(content.digest()[:8], "little")


@_jit
def _add_columns(predictor: Any, coef: Any, columns: Any, values: Any) -> None:
    """Predictor += sum_k values[k] coef[k], in a fixed order."""
    for k in columns:
        x = values[k]
        for e in range(predictor.shape[0]):
            for d in range(predictor.shape[1]):
                predictor[e, d] += x * coef[k, e, d]


def acting_ratios(ratios: PatientRatios, chart: Chart) -> Singles:
    """(row, draw) hazard ratios of a chart: of its intensity, times the effects that act."""
    out = np.empty((len(chart.ratio_intensity), ratios.hazard.shape[1]), dtype=np.float32)
    hazard, effect = ratios.hazard.astype(np.float32), ratios.effect.astype(np.float32)
    for row, intensity, acting in zip(out, chart.ratio_intensity, chart.ratio_effects, strict=True):
        row[:] = hazard[intensity]
        for f in acting[acting >= 0]:
            row *= effect[f]
    return out
