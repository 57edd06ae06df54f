"""What a site computes of its own patients: log-likelihoods and their expansions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

import numpy as np

from twinbayes.arrays import Floats, Ints
from twinbayes.federation.joint.compensator import Expansion
from twinbayes.federation.likelihood.coordinates import places_of_effects
from twinbayes.federation.likelihood.local import LocalLikelihood
from twinbayes.model import ModelPlan
from twinbayes.model.events.draws import EventDraws
from twinbayes.model.events.likelihood.courses import event_loglik
from twinbayes.names import (
    BETA,
    CENTRE_EFFECT,
    ENTRY_ERA_EFFECT,
    LOG_BASELINE,
    LOG_BASELINE_AT_EVENT,
    PATIENT_ID,
    SUBGROUP,
    SUBGROUP_EFFECT,
    TIME_VARYING_EFFECT,
    TRANSITION,
    TREATMENT_SUBGROUP_EFFECT,
)

_LARGEST: Final = 30.0  # log of the average relative hazard of a row
_STEP: Final = 1e-4  # of central differences of gradients, on the log scale


@dataclass(frozen=True)
class _Slopes:
    """Value, gradient (coordinate,), and expected events (intensity, window) at a point."""

    value: float
    gradient: Floats
    expected: Floats


@dataclass(frozen=True)
class EventLikelihood(LocalLikelihood):
    """The likelihood of patients who have no effects of their own.

    Attributes
    ----------
    laid_out
        The patients as the likelihood counts them; None as they are.
    """

    laid_out: ModelPlan | None = field(default=None, repr=False)

    @cached_property
    def plan(self) -> ModelPlan:
        """The patients under what was agreed on."""
        return self.laid_out or self._without_held(self.spec.plan(self.cohort, self.learnt))

    def _without_held(self, plan: ModelPlan) -> ModelPlan:
        """Leave out the time that patients spend under treatments whose effects are held back.

        Deviations of subgroups and centres are 0 on average; effects of treatments are not, and
        whoever has one that is not told of is followed until then.
        """
        if TREATMENT_SUBGROUP_EFFECT not in self.coordinates.places:
            return plan
        data, n_treatments = plan.events.data, len(self.spec.graph.effects)
        acts = data.acting < n_treatments
        row, effect = data.acting_row[acts], data.acting[acts]
        who = data.patient[row]
        if len(data.course_patient):
            who = data.course_patient[who]
        places = places_of_effects(self.coordinates, len(self.learnt.encoding.subgroups))
        untold = np.unique(
            row[np.isin(places[effect, plan.events.design.subgroup[who]], self.held)]
        )
        if not len(untold):
            return plan
        days = [data.days_at_risk(e).copy() for e in range(len(data.row_start) - 1)]
        for first, own in zip(data.row_start, days, strict=False):
            inside = untold[(untold >= first) & (untold < first + own.shape[1])]
            own[:, inside - first] = 0.0
        kept = ~np.isin(data.event_row, untold)
        fewer = replace(
            data,
            exposure=np.concatenate([own.ravel() for own in days]),
            event_row=data.event_row[kept],
            event_window=data.event_window[kept],
            event_point=data.event_point[kept],
        )
        return replace(plan, events=replace(plan.events, data=fewer))

    @cached_property
    def _packed(self) -> tuple[Ints, Floats, Floats]:
        index, values = self.plan.events.data.pack()
        return index, values, self.spec.discounts(self.plan)

    def draws(self, values: Floats) -> EventDraws:
        """Coordinates (draw, coordinate) as the likelihood reads them."""
        told = self.coordinates.dataset(self.told(values))
        return EventDraws.from_posterior(told, self.learnt.encoding)

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

    def expansion(self, point: Floats, spread: tuple[Floats, ...] | None = None) -> Expansion:
        """Expand the likelihood near a point (coordinate,).

        Parameters
        ----------
        point
            Where.
        spread
            Covariance of the coordinates of each intensity, to be averaged over; each subgroup
            then has cells of its own. None: at the point alone, all subgroups together.
        """
        if spread is None:
            return self._expanded(point)
        each = [None if p is None else p._widened(spread)._expanded(point) for p in self._parts]
        some = [e for e in each if e is not None]
        width = some[0].expected.shape[1]
        nobody = Expansion.zero(self.coordinates, point, spread, width)
        every = [nobody if e is None else e for e in each]
        n = len(spread)
        return Expansion(
            point=point,
            spread=spread,
            value=sum(e.value for e in every),
            score=np.sum([e.score for e in every], axis=0),
            expected=np.concatenate([e.expected for e in every], axis=1),
            moment=np.sum([e.moment for e in every], axis=0),
            slope=tuple(np.concatenate([e.slope[k] for e in every]) for k in range(n)),
            information=tuple(np.sum([e.information[k] for e in every], axis=0) for k in range(n)),
        )

    @cached_property
    def _parts(self) -> tuple[EventLikelihood | None, ...]:
        """The patients of each subgroup."""
        return tuple(self._of_subgroup(g) for g in self.learnt.encoding.subgroups)

    def _of_subgroup(self, subgroup: str) -> EventLikelihood | None:
        """The patients of one subgroup; None where there are none."""
        patients = self.cohort.patients
        mine = patients[SUBGROUP].astype(str) == subgroup
        if not mine.any():
            return None
        chosen = self.cohort.select(list(patients.loc[mine, PATIENT_ID]))
        return replace(self, cohort=chosen)

    def _expanded(self, point: Floats) -> Expansion:
        members = self.coordinates.members
        # Likelihoods of intensities have no coordinate in common: one step in each at a time.
        n_steps = max(len(own) for own in members)
        points = np.tile(point, (1 + 2 * n_steps, 1))
        for own in members:
            at = np.arange(len(own))
            points[1 + at, own] += _STEP
            points[1 + n_steps + at, own] -= _STEP
        draws = self.draws(points)
        here, *moved = (self._slopes(draws, s) for s in range(len(points)))
        n_windows = here.expected.shape[1]
        slope = [np.zeros((n_windows, len(own))) for own in members]
        information = [np.zeros((len(own), len(own))) for own in members]
        for e, own in enumerate(members):
            for k in range(len(own)):
                up, down = moved[k], moved[n_steps + k]
                information[e][k] = (down.gradient[own] - up.gradient[own]) / (2.0 * _STEP)
                slope[e][:, k] = (up.expected[e] - down.expected[e]) / (2.0 * _STEP)
        return Expansion(
            point=point,
            spread=tuple(np.zeros((len(own), len(own))) for own in members),
            value=here.value,
            score=here.gradient,
            expected=here.expected,
            moment=self._moments(),
            slope=tuple(slope),
            information=tuple(0.5 * (m + m.T) for m in information),
        )

    def _widened(self, spread: tuple[Floats, ...]) -> EventLikelihood:
        """The same patients, each day at risk weighted by the average of its relative hazard.

        That of exp(z . x), x normal with the covariance `spread`, is exp(z' spread z / 2).
        """
        data = self.plan.events.data
        exposure = data.exposure.copy()
        width = len(exposure) // max(data.n_rows, 1)
        base = self.coordinates.by_column(LOG_BASELINE)
        for e, own in enumerate(self.coordinates.members):
            first, last = data.row_start[e], data.row_start[e + 1]
            z = self._rows(e)
            windows = np.searchsorted(own, base[e])
            shared = 0.5 * np.einsum("rd,rd->r", z @ spread[e], z)
            across = z @ spread[e][:, windows] + 0.5 * np.diag(spread[e])[windows]
            growth = np.exp(np.minimum(shared + across.T, _LARGEST))
            block = slice(width * first, width * last)
            exposure[block] *= growth.ravel()
        events = replace(self.plan.events, data=replace(data, exposure=exposure))
        return replace(self, laid_out=replace(self.plan, events=events))

    def _rows(self, e: int) -> Floats:
        """(row, coordinate of this intensity) what rows at risk multiply coordinates by.

        Without their windows, of which each is a row of its own.
        """
        data, own = self.plan.events.data, self.coordinates.members[e]
        rows = np.arange(data.row_start[e], data.row_start[e + 1])
        who = data.patient[rows]
        if len(data.course_patient):
            who = data.course_patient[who]
        design, encoding = self.plan.events.design, self.learnt.encoding
        z, first = np.zeros((len(rows), len(own))), 0
        for name, n in (
            (BETA, len(encoding.columns)),
            (SUBGROUP_EFFECT, len(encoding.subgroups)),
            (CENTRE_EFFECT, len(encoding.centres)),
        ):
            if name in self.coordinates.places:
                at = np.searchsorted(own, self.coordinates.by_column(name)[e])
                z[:, at] = design.values[who, first : first + n]
            first += n
        acts = (data.acting_row >= rows[0]) & (data.acting_row <= rows[-1]) if len(rows) else []
        if np.any(acts):
            row, effect = data.acting_row[acts] - rows[0], data.acting[acts]
            places = places_of_effects(self.coordinates, len(encoding.subgroups))
            at = places[effect, design.subgroup[who[row]]]
            np.add.at(z, (row, np.searchsorted(own, at)), 1.0)
        z[:, np.isin(own, self.held)] = 0.0
        return z

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
