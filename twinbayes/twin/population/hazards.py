"""Posterior draws as the arrays that forecasts read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from twinbayes.arrays import Floats, Ints
from twinbayes.machine.jit import jit
from twinbayes.model.covariates.design import Encoding
from twinbayes.model.events.draws import EventDraws
from twinbayes.model.events.time_varying import VaryingEffect
from twinbayes.twin.population.time_varying import Walks, draws_last

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
    frailty
        (intensity, draw), what one sd of a patient's frailty adds to log hazards; no rows without.
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
    frailty: Floats
    rate_at_event: Floats | None = None
    moving: Mapping[int, Floats] = field(default_factory=dict)
    walks: Walks | None = None

    @cached_property
    def log_rate(self) -> Floats:
        """(intensity, window, draw) log baseline hazards."""
        with np.errstate(divide="ignore"):
            out: Floats = np.log(self.rate)
        return out

    @cached_property
    def _in_steps(self) -> dict[tuple[int, bytes], Floats]:
        return {}

    def in_steps(self, e: int, days: Floats) -> Floats:
        """(step, draw) mean of baseline hazard `e` between neighbouring days, on its own clock.

        Those of the last days are kept, for the next patient at the same landmark.
        """
        key = e, days.tobytes()
        found = self._in_steps.get(key)
        if found is None:
            last = self.edges[e][-2]
            own = np.append(self.edges[e][:-1], max(days[-1], last) + 1.0)
            overlap = np.minimum(days[1:, None], own[1:]) - np.maximum(days[:-1, None], own[:-1])
            found = (np.maximum(overlap, 0.0) / np.diff(days)[:, None]) @ self.rate[e]
            if len(self._in_steps) >= len(self.edges):
                self._in_steps.clear()
            self._in_steps[key] = found
        return found

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
        draws = EventDraws.from_posterior(posterior, encoding)
        return cls.from_draws(draws, encoding, edges, varying)

    @classmethod
    def from_draws(
        cls,
        draws: EventDraws,
        encoding: Encoding,
        edges: tuple[Floats, ...],
        varying: Sequence[VaryingEffect] = (),
    ) -> Population:
        """Turn draws round, so that each number of the population has its draws side by side."""
        rate = np.exp(draws_last(draws.log_baseline))
        table = np.full((rate.shape[0], rate.shape[1] + 1), np.inf)
        for row, some in zip(table, edges, strict=True):
            row[: len(some)] = some
        coef = draws_last(draws.coef)
        at_stored_zero = np.zeros(coef.shape[1:])
        add_columns(at_stored_zero, coef, np.flatnonzero(encoding.shift), -encoding.shift)
        own_at_event = draws.has_own_hazards_at_events
        return cls(
            rate=rate,
            edges=table,
            coef=coef,
            at_stored_zero=at_stored_zero,
            effect=draws_last(draws.of_treatments),
            era_effect=draws_last(draws.of_eras),
            subgroup_scale=_optional(draws.subgroup_scale),
            centre_scale=_optional(draws.centre_scale),
            effect_mean=draws_last(draws.treatment_mean),
            effect_scale=draws_last(draws.treatment_scale),
            frailty=draws_last(draws.frailty),
            rate_at_event=np.exp(draws_last(draws.log_at_event)) if own_at_event else None,
            walks=Walks.from_draws(draws, varying) if varying else None,
        )


def _optional(values: Floats | None) -> Floats | None:
    return None if values is None else draws_last(values)


@_jit
def add_columns(predictor: Any, coef: Any, columns: Any, values: Any) -> None:
    """Predictor += sum_k values[k] coef[k], in a fixed order."""
    for k in columns:
        x = values[k]
        for e in range(predictor.shape[0]):
            for d in range(predictor.shape[1]):
                predictor[e, d] += x * coef[k, e, d]
