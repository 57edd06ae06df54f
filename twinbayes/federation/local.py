"""What a site computes of its own patients: log-likelihoods and their expansions."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np

from twinbayes.arrays import Floats, Ints
from twinbayes.cohort import Cohort
from twinbayes.federation.compensator import Expansion
from twinbayes.federation.coordinates import Coordinates
from twinbayes.model import Learnt, ModelPlan, ModelSpec
from twinbayes.model.events.draws import EventDraws
from twinbayes.model.events.likelihood.courses import event_loglik
from twinbayes.names import (
    BETA,
    CENTRE_EFFECT,
    ENTRY_ERA_EFFECT,
    LOG_BASELINE,
    LOG_BASELINE_AT_EVENT,
    SUBGROUP_EFFECT,
    TIME_VARYING_EFFECT,
    TRANSITION,
    TREATMENT_SUBGROUP_EFFECT,
)

_STEP: Final = 1e-4  # of central differences of gradients, on the log scale


@dataclass(frozen=True)
class _Slopes:
    """Value, gradient (coordinate,), and expected events (intensity, window) at a point."""

    value: float
    gradient: Floats
    expected: Floats


@dataclass(frozen=True)
class LocalLikelihood:
    """The likelihood of some patients in the coordinates of a model.

    Attributes
    ----------
    spec, learnt
        The model, and what was agreed on: columns, windows, scales.
    coordinates
        Of the model.
    cohort
        The patients.
    held
        Coordinates that these patients are taken not to have: they are 0 whatever is asked.
    """

    spec: ModelSpec
    learnt: Learnt
    coordinates: Coordinates
    cohort: Cohort
    held: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @cached_property
    def plan(self) -> ModelPlan:
        """The patients under what was agreed on."""
        return self.spec.plan(self.cohort, self.learnt)

    @cached_property
    def _packed(self) -> tuple[Ints, Floats, Floats]:
        index, values = self.plan.events.data.pack()
        return index, values, self.spec.discounts(self.plan)

    def draws(self, values: Floats) -> EventDraws:
        """Coordinates (draw, coordinate) as the likelihood reads them."""
        values = values.copy()
        values[:, self.held] = 0.0
        return EventDraws.from_posterior(self.coordinates.dataset(values), self.learnt.encoding)

    def totals(self, values: Floats) -> Floats:
        """Score coordinates (draw, coordinate).

        Returns
        -------
        ndarray
            (draw, 1 + intensity): the log-likelihood of all patients, each as it counts, then the
            expected events of each intensity.
        """
        draws = self.draws(values)
        out = np.empty((len(values), 1 + len(self.coordinates.intensities)))
        for s in range(len(values)):
            slopes = self._slopes(draws, s)
            out[s, 0], out[s, 1:] = slopes.value, slopes.expected.sum(axis=1)
        return out

    def expansion(self, point: Floats) -> Expansion:
        """Expand the likelihood at a point (coordinate,)."""
        here = self._at(point)
        members = self.coordinates.members
        n_windows = here.expected.shape[1]
        slope = [np.zeros((n_windows, len(own))) for own in members]
        information = [np.zeros((len(own), len(own))) for own in members]
        # Likelihoods of intensities have no coordinate in common: one step in each at a time.
        for k in range(max(len(own) for own in members)):
            step = np.zeros_like(point)
            step[[own[k] for own in members if k < len(own)]] = _STEP
            up, down = self._at(point + step), self._at(point - step)
            for e, own in enumerate(members):
                if k < len(own):
                    change = (down.gradient[own] - up.gradient[own]) / (2.0 * _STEP)
                    information[e][k] = change
                    slope[e][:, k] = (up.expected[e] - down.expected[e]) / (2.0 * _STEP)
        return Expansion(
            point,
            here.value,
            here.gradient,
            here.expected,
            self._moments(),
            tuple(slope),
            tuple(0.5 * (m + m.T) for m in information),
        )

    def _moments(self) -> Floats:
        """(coordinate,) summed conditional variances of missing covariates at events."""
        data, weight = self.plan.events.data, self._packed[2]
        out = np.zeros(self.coordinates.size)
        if BETA not in self.coordinates.places or len(data.course_patient):
            return out
        at = self.coordinates.by_column(BETA)
        who = data.patient[data.event_row]
        each = weight[who, None] * self.plan.events.design.variances[who, : at.shape[1]]
        np.add.at(out, at[data.intensity[data.event_row]], each)
        out[self.held] = 0.0
        return out

    def _at(self, point: Floats) -> _Slopes:
        return self._slopes(self.draws(point[None, :]), 0)

    def _slopes(self, draws: EventDraws, s: int) -> _Slopes:
        """Evaluate the likelihood under draw `s`."""
        index, values, weight = self._packed
        inputs = [
            np.ascontiguousarray(x[s])
            for x in (draws.log_at_event, draws.log_baseline, draws.coef, draws.acting)
        ]
        inputs += [np.zeros(0), np.zeros(0)]
        slopes = [np.zeros_like(x) for x in inputs]
        value = event_loglik(*inputs, weight, index, values, *slopes, np.empty(0))
        return _Slopes(float(value), self._collected(draws, slopes), -slopes[1])

    def _collected(self, draws: EventDraws, slopes: list[Floats]) -> Floats:
        """Gradients by the inputs of the likelihood as one of the coordinates."""
        at_event, mean, coef, effect = slopes[:4]
        first = len(self.learnt.encoding.columns)
        second = first + len(self.learnt.encoding.subgroups)
        eras = draws.n_treatments, draws.n_treatments + draws.n_eras
        separate = LOG_BASELINE_AT_EVENT in self.coordinates.places
        parts = {
            LOG_BASELINE: mean if separate else mean + at_event,
            LOG_BASELINE_AT_EVENT: at_event,
            BETA: coef[:first],
            SUBGROUP_EFFECT: coef[first:second],
            CENTRE_EFFECT: coef[second:],
            TREATMENT_SUBGROUP_EFFECT: effect[: eras[0]],
            ENTRY_ERA_EFFECT: effect[eras[0] : eras[1]].sum(axis=1),
            TIME_VARYING_EFFECT: effect[eras[1] :],
        }
        out = np.empty(self.coordinates.size)
        for block in self.coordinates.blocks:
            own = parts[block.name]
            if block.name in (SUBGROUP_EFFECT, CENTRE_EFFECT) and block.dims[0] == TRANSITION:
                own = own.T
            out[self.coordinates.places[block.name]] = own.ravel()
        out[self.held] = 0.0
        return out
