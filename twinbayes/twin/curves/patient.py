"""Curves of one patient: what the visits and the course so far say of them, draw by draw."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from twinbayes.arrays import Floats, Ints, Reals
from twinbayes.errors import TwinError
from twinbayes.model import ModelPlan, ModelSpec
from twinbayes.model.courses.graph import StateGraph
from twinbayes.model.curves.families.normal import Normal
from twinbayes.model.curves.marker import MarkerScale
from twinbayes.model.curves.trajectory import CurvePlan
from twinbayes.model.curves.turns import Since
from twinbayes.names import CLOCK_ENTRY
from twinbayes.twin.curves.bent import Bent, bends_of
from twinbayes.twin.curves.kernel import sample_curves
from twinbayes.twin.curves.record import record_seed, what_is_said
from twinbayes.twin.population.curves import CurvePopulation
from twinbayes.twin.population.hazards import Population
from twinbayes.twin.population.ratios import PatientRatios

_PROPOSALS: Final = 8  # per draw of the population, where the normal approximation is close
_MORE_PROPOSALS: Final = 64  # where it is not
_CLOSE: Final = 0.01  # variance of the weights over the square of their mean
_CERTAIN: Final = 1e3  # a hazard per day that nobody outlives; vague priors reach beyond it
_LOG_CERTAIN: Final = 100.0
_LOG_LARGE: Final = 80.0  # within what the forecast kernel can hold


@dataclass(frozen=True)
class PatientCurves:
    """Draws of one patient's coefficients.

    Attributes
    ----------
    coefficients, mean
        (draw, term), on the sampling scale, and what they are on average in patients with the
        same covariates, subgroup and centre.
    log_marginal
        (draw,) what curves add to the log marginal likelihood of the patient's record under each
        population draw; `marginal.record_log_marginal` adds the rest.
    efficiency
        Mean share of the proposals that count; 1 where the normal approximation is exact.
    seed
        Of the patient's random numbers.
    starts
        For each marker (turn,), the days on which its turns begin.
    multipliers
        (association,) what the features of each are multiplied by in this patient.
    """

    population: CurvePopulation
    spec: ModelSpec
    coefficients: Floats
    mean: Floats
    log_marginal: Floats
    efficiency: float
    seed: int
    starts: tuple[Floats, ...]
    multipliers: Floats

    @property
    def pending(self) -> tuple[str, ...]:
        """Events and treatments with which some curve turns, and which have not been yet."""
        markers = zip(self.starts, self.population.learnt.markers, strict=True)
        return tuple(
            dict.fromkeys(
                turn.what
                for starts, m in markers
                for start, turn in zip(starts, m.turns, strict=True)
                if np.isinf(start)
            )
        )

    def turns_to_come(self, marker: str) -> tuple[tuple[Since, Floats], ...]:
        """Turns of a marker that have not begun, each with its coefficient.

        The coefficient (draw,) is on the transformed scale of the marker: a change of level, or of
        slope a year.
        """
        k, scale, mine = self._place(marker)
        natural, first = scale.natural(), len(scale.basis.labels)
        own = self.coefficients[:, mine]
        return tuple(
            (turn, own[:, first + j] * natural[first + j])
            for j, turn in enumerate(scale.turns)
            if np.isinf(self.starts[k][j])
        )

    def marker(self, marker: str, days: Floats) -> Floats:
        """(time, draw) curve of a marker on days since origin, on its transformed scale."""
        k, scale, mine = self._place(marker)
        path = scale.path(days, self.starts[k], self.coefficients[:, mine])
        path *= scale.scale
        path += scale.centre
        return path

    def natural(self, marker: str, days: Floats) -> Floats:
        """(time, draw) what a curve stands for on its marker's own scale: mean, probability."""
        return self.stands_for(marker, self.marker(marker, days))

    def stands_for(self, marker: str, curve: Reals) -> Floats:
        """(..., draw) what values of the curve stand for on the marker's own scale."""
        scale, parameter = self._family(marker)
        values = np.asarray(curve, dtype=np.float64)
        return _untransformed(scale, scale.family.mean(values, parameter))

    def to_average(self, marker: str, curve: Reals) -> Floats:
        """(..., draw) what values of the curve stand for, as paths are averaged.

        Logarithms where the marker is logged: their mean is a geometric one.
        """
        own = self.stands_for(marker, curve)
        return np.log(own) if self._place(marker)[1].transform == "log" else own

    def averaged(self, marker: str, values: Floats) -> Floats:
        """Undo the logarithm of `to_average`."""
        return np.exp(values) if self._place(marker)[1].transform == "log" else values

    def measured(self, marker: str, days: Floats) -> Floats:
        """(time, draw) a measurement on each day, errors included, on the marker's own scale."""
        return self.measured_around(marker, self.marker(marker, days))

    def measured_around(self, marker: str, curve: Floats) -> Floats:
        """(time, draw) a measurement, errors included, where the curve has these values."""
        scale, parameter = self._family(marker)
        values = scale.family.draw(curve, parameter, self.generator(marker))
        return _untransformed(scale, values)

    def generator(self, marker: str, *more: int) -> np.random.Generator:
        """Random numbers of the patient for one marker; `more` tells their purposes apart."""
        return np.random.default_rng([self.seed, self._place(marker)[0], *more])

    def _place(self, marker: str) -> tuple[int, MarkerScale, slice]:
        """Position of a marker, what is learnt of it, and its coefficients."""
        known = self.population.places
        if marker not in known:
            _ = self.population.learnt.columns(marker)  # refuses it, naming those there are
        return known[marker]

    def _family(self, marker: str) -> tuple[MarkerScale, Floats]:
        """A marker, and the (number, draw) parameters of its family on the transformed scale."""
        k, scale, _ = self._place(marker)
        units = scale.parameter_units()
        return scale, self.population.parameter[k][: len(units)] * units[:, None]

    def trail(self, label: str, days: Floats) -> Floats:
        """(time, draw) what the curves add to one log hazard on days since origin."""
        out = np.zeros((len(days), len(self.coefficients)))
        for k, f in self.population.moves[self.spec.graph.labels.index(label)]:
            at, scale, mine = self._place(f.association.marker)
            starts = self.starts[at]
            own = self.coefficients[:, mine]
            if f.is_bent(scale):
                path = scale.path(f.before(days), starts, own, f.association.form)
                out += self.population.association[k] * self.multipliers[f.position] * path
                continue
            weights = f.weights(scale, days, starts, self.multipliers[f.position])
            if f.column is not None:
                own = own - self.mean[:, mine]
            out += self.population.association[k] * (weights @ own.T)
        return out

    def under(self, index: Ints) -> PatientCurves:
        """The same curves, drawn again: slot s has draw ``index[s]``."""
        return replace(
            self,
            population=self.population.forecasting(index),
            coefficients=self.coefficients[index],
            mean=self.mean[index],
            log_marginal=self.log_marginal[index],
        )


def _untransformed(scale: MarkerScale, values: Floats) -> Floats:
    """Reals on the marker's own scale, within its floor and ceiling."""
    own = np.exp(values) if scale.transform == "log" else values
    if isinstance(scale.family, Normal):
        low, high = scale.family.floor, scale.family.ceiling
        if low is not None or high is not None:
            return np.clip(own, low, high)
    return own


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

    Raises
    ------
    TwinError
        A density or a curve has no value under some draw.
    """
    mean = population.mean(curves, i)
    said = what_is_said(population, rates, plan, curves, ratios, mean, i)
    precision, half_log_det = population.precision_of(curves, i)
    seed = record_seed(plan, curves, i)
    generator = np.random.default_rng(seed)
    n, width = population.n_draws, len(population.varying)
    out, evidence, spread = np.empty((width, n)), np.empty(n), np.empty(n)
    prior = mean[population.varying], precision, half_log_det
    terms = said.visits, said.linear, said.base, said.slope, said.single
    bends = bends_of(population, plan, curves, i)
    bent = Bent(*prior, terms, population.by_draw, bends, population.varying, mean)
    mode = bent.climb() if bends else None
    for proposals in (_PROPOSALS, _MORE_PROPOSALS):
        if mode is not None:
            heavy = proposals == _MORE_PROPOSALS
            out, evidence, spread = bent.sample(mode, generator, proposals, heavy=heavy)
        else:
            noise, uniform = generator.standard_normal((n, proposals, width)), generator.random(n)
            numbers = population.by_draw, noise, np.zeros(proposals), uniform
            sample_curves(*prior, *terms, *numbers, out, evidence, spread)
        if spread.mean() < _CLOSE:
            break
    _require_defined(np.isfinite(out).all() and not np.isnan(evidence).any(), population)
    whole = mean.copy()
    whole[population.varying] = out
    return PatientCurves(
        population=population,
        spec=spec,
        coefficients=whole.T,
        mean=mean.T,
        log_marginal=evidence + said.constant,
        efficiency=float(np.mean(1.0 / (1.0 + spread))),
        seed=seed,
        starts=tuple(data.starts[i] for data in curves.visits),
        multipliers=np.array([m.value[i] for m in plan.multipliers]),
    )


def along_curves(
    population: Population, curves: PatientCurves, graph: StateGraph, days: Floats
) -> Population:
    """Let the hazards that curves move be that patient's own in each step of `days`.

    On the origin clock one rate a step replaces the baseline: its mean over the step, times the
    exponential of what the curves add in its middle. On the entry clock, where those who entered
    on different days have different baselines on the same day, the exponential is kept apart.
    """
    moving, n_steps = {}, len(days) - 1
    n_windows = max(population.edges.shape[1] - 1, n_steps)
    rate = np.repeat(population.rate[:, -1:], n_windows, axis=1)
    rate[:, : population.rate.shape[1]] = population.rate
    edges = np.full((len(population.edges), n_windows + 1), np.inf)
    edges[:, : population.edges.shape[1]] = population.edges
    middle = 0.5 * (days[:-1] + days[1:])
    for e, moves in enumerate(curves.population.moves):
        if not moves:
            continue
        trail = curves.trail(graph.labels[e], middle)
        _require_defined(not np.isnan(trail).any(), curves.population)
        if graph.intensities[e].clock == CLOCK_ENTRY:
            with np.errstate(divide="ignore"):
                certain = np.log(_CERTAIN) - np.log(population.rate[e].max(axis=0))
            moving[e] = np.exp(np.minimum(trail, np.minimum(certain, _LOG_LARGE)))
            continue
        mean = population.in_steps(e, days)
        edges[e] = np.inf
        edges[e, : len(days)] = days
        edges[e, 0] = 0.0
        rate[e, n_steps:] = mean[-1]
        own_rate = np.exp(np.minimum(trail, _LOG_CERTAIN))
        own_rate *= mean
        np.minimum(own_rate, _CERTAIN, out=rate[e, :n_steps])
    return replace(population, rate=rate, edges=edges, moving=moving)


def _require_defined(is_defined: bool | np.bool_, population: CurvePopulation) -> None:
    if not is_defined:
        markers = ", ".join(m.marker for m in population.learnt.markers)
        raise TwinError(
            f"The curves of a patient ({markers}) have no value under some draws of the fit. Look "
            "for measurements that the family of a marker gives no density, and for a mean "
            "function that is not defined on every day asked for."
        )
