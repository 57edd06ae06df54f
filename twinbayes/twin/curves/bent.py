"""Posterior of one patient's parameters where some curve is a mean function.

Linear predictors of visits, log hazards at nodes of quadrature, and what events add are then

    eta_p(c) = linear part + sum over bends of  strength_p m(t_p; c)

where m is the value of a mean function, or its slope. For Newton's method each m is taken as
straight at the present c (Gauss-Newton), so that the kernel of linear curves gives step and
curvature; step lengths, proposals and their weights are those of the exact density. All draws of
the population go along together, each on its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import lgamma
from typing import Final

import numpy as np

from twinbayes.arrays import Floats, Ints
from twinbayes.model import ModelPlan
from twinbayes.model.curves.basis import VALUE
from twinbayes.model.curves.marker import MarkerScale
from twinbayes.model.curves.trajectory import CurvePlan
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.twin.curves.kernel import away_from, log_densities, newton_steps
from twinbayes.twin.curves.record import Single
from twinbayes.twin.population.curves import CurvePopulation

_STEPS: Final = 60
_CLOSE: Final = 1e-6  # of the mode, in squared standard deviations
_SHORTEST: Final = 1e-6  # of a step's length
_DF: Final = 5.0  # of heavy proposals, whose tails hold those of skewed posteriors

type Terms = tuple[Floats, Floats, Floats, Floats, Single]


@dataclass(frozen=True)
class Bend:
    """Where one mean function enters a patient's record.

    Attributes
    ----------
    scale, columns
        The marker, and which coefficients are its parameters.
    form
        Its value, or its slope.
    years
        (point,) since the origin.
    place
        (point,) which linear predictor: visits that count one by one, then nodes, then one for
        all events.
    strength
        (draw, point) by what the curve is multiplied there.
    """

    scale: MarkerScale
    columns: slice
    form: str
    years: Floats
    place: Ints
    strength: Floats

    def at(self, n_predictors: int) -> Floats:
        """(point, predictor) 1 where a point belongs, else 0."""
        out = np.zeros((len(self.place), n_predictors))
        out[np.arange(len(self.place)), self.place] = 1.0
        return out


def bends_of(
    population: CurvePopulation, plan: ModelPlan, curves: CurvePlan, i: int
) -> tuple[Bend, ...]:
    """Gather where mean functions enter the record of patient `i`; empty where there are none."""
    learnt, points = population.learnt, plan.events.points
    n = population.n_draws
    if all(m.mean is None for m in learnt.markers):
        return ()
    nodes, fired = points.nodes_of(i), points.fired_of(i)
    n_visits = sum(len(data.visits.of(i)) for data in curves.visits)
    out, first = [], 0
    for data in curves.visits:
        scale, columns = data.scale, learnt.columns(data.scale.marker)
        mine = data.visits.of(i)
        own = np.arange(first, first + len(mine))
        first += len(own)
        if scale.mean is None:
            continue
        if len(own):
            years = data.visits.columns[mine][:, 0]
            out.append(Bend(scale, columns, VALUE, years, own, np.ones((n, len(own)))))
        for at, where in (
            (nodes, n_visits + np.arange(len(nodes))),
            (fired, np.full(len(fired), n_visits + len(nodes))),
        ):
            for e in np.unique(points.intensity[at]):
                here = points.intensity[at] == e
                for k, f in population.moves[e]:
                    if f.association.marker != scale.marker or not f.is_bent(scale):
                        continue
                    years = f.before(points.day[at[here]]) / DAYS_PER_YEAR
                    strength = population.association[k] * plan.multipliers[f.position].value[i]
                    every = np.repeat(strength[:, None], len(years), axis=1)
                    out.append(Bend(scale, columns, f.association.form, years, where[here], every))
    return _joined(out)


def _joined(bends: Sequence[Bend]) -> tuple[Bend, ...]:
    """Put together what is one function of one curve: few long evaluations are the cheapest."""
    kinds: dict[tuple[str, str], list[Bend]] = {}
    for bend in bends:
        kinds.setdefault((bend.scale.marker, bend.form), []).append(bend)
    return tuple(
        replace(
            some[0],
            years=np.concatenate([b.years for b in some]),
            place=np.concatenate([b.place for b in some]),
            strength=np.concatenate([b.strength for b in some], axis=1),
        )
        for some in kinds.values()
    )


@dataclass(frozen=True)
class Mode:
    """Mode (draw, term), log density there (draw,), and factors of the curvature around it."""

    mode: Floats
    top: Floats
    root: Floats


@dataclass(frozen=True)
class Bent:
    """Log density of the coefficients of a patient that vary, under every draw.

    Attributes
    ----------
    mean, precision, half_log_det, parameter
        As in `kernel.sample_curves`.
    terms
        Linear parts, as there: visits, linear, base, slope and single visits.
    bends
        What mean functions add.
    varying
        Indices of the coefficients that vary.
    whole
        (term, draw) all coefficients; those that do not vary stay there.
    """

    mean: Floats
    precision: Floats
    half_log_det: Floats
    terms: Terms
    parameter: Floats
    bends: Sequence[Bend]
    varying: Ints
    whole: Floats

    def added(self, c: Floats) -> Floats:
        """(draw, predictor) what mean functions add to each linear predictor."""
        out = np.zeros((len(c), self._n_predictors))
        for bend, own in self._parameters(c):
            with np.errstate(all="ignore"):
                out += (bend.strength * bend.scale.follow(bend.years, own, bend.form)) @ bend.at(
                    out.shape[1]
                )
        return out

    def slopes(self, c: Floats) -> Floats:
        """(draw, predictor, term) derivatives of `added` in the coefficients that vary."""
        out = np.zeros((len(c), self._n_predictors, len(self.whole)))
        for bend, own in self._parameters(c):
            with np.errstate(all="ignore"):
                slope = bend.strength[:, :, None] * bend.scale.bend(bend.years, own, bend.form)
                out[:, :, bend.columns] += bend.at(out.shape[1]).T @ slope
        return np.ascontiguousarray(out[:, :, self.varying])

    @property
    def _n_predictors(self) -> int:
        return len(self.terms[4][4]) + len(self.terms[2]) + 1

    def _parameters(self, c: Floats) -> Iterator[tuple[Bend, list[Floats]]]:
        """Each bend with its parameters, (draw, 1) each."""
        whole = self.whole.copy()
        whole[self.varying] = c.T
        for bend in self.bends:
            yield bend, [x[:, None] for x in whole[bend.columns]]

    def density(self, c: Floats) -> Floats:
        """(draw,) log p(c), -inf where it is nothing or no number."""
        visits, linear, base, slope, (kind, marker, measured, basis, offset) = self.terms
        added, value, n_visits = self.added(c), np.empty(len(c)), len(offset)
        level = np.ascontiguousarray(added.T)
        log_densities(
            self.mean,
            self.precision,
            visits,
            linear,
            base + level[n_visits:-1],
            slope,
            (kind, marker, measured, basis, offset + level[:n_visits]),
            self.parameter,
            np.ascontiguousarray(c.T),
            value,
        )
        value += level[-1]
        return np.where(np.isnan(value), -np.inf, value)

    def _steps(self, c: Floats) -> tuple[Floats, Floats, Floats]:
        """Newton's step (draw, term), its gain (draw,), and the roots, mean functions straight."""
        visits, linear, base, slope, (kind, marker, measured, basis, offset) = self.terms
        slopes, n_visits = self.slopes(c), len(offset)
        level = np.ascontiguousarray((self.added(c) - np.einsum("dpq,dq->dp", slopes, c)).T)
        rise = np.ascontiguousarray(np.moveaxis(slopes, 0, -1))
        gain, step = np.empty(len(c)), np.empty(c.T.shape)
        root = np.empty((len(step), *step.shape))
        newton_steps(
            self.mean,
            self.precision,
            visits,
            linear + rise[-1],
            base + level[n_visits:-1],
            slope + rise[n_visits:-1],
            (kind, marker, measured, basis + rise[:n_visits], offset + level[:n_visits]),
            self.parameter,
            np.ascontiguousarray(c.T),
            step,
            gain,
            root,
        )
        return np.ascontiguousarray(step.T), gain, root

    def climb(self) -> Mode:
        """Take every draw to its mode."""
        c = self.mean.T.copy()
        value = self.density(c)
        step, gain, root = self._steps(c)
        moving = gain > _CLOSE
        for _ in range(_STEPS):
            if not moving.any():
                break
            length = np.where(moving, 1.0, 0.0)
            while True:
                tried = c + length[:, None] * step
                new = self.density(tried)
                short = moving & ~(new >= value - 1e-9 * np.abs(value)) & (length > _SHORTEST)
                if not short.any():
                    break
                length[short] *= 0.5
            taken = moving & (new >= value - 1e-9 * np.abs(value))
            c = np.where(taken[:, None], tried, c)
            value = np.where(taken, new, value)
            step, gain, root = self._steps(c)
            moving = taken & (gain > _CLOSE)
        return Mode(c, value, root)

    def sample(
        self, at: Mode, generator: np.random.Generator, n_proposals: int, *, heavy: bool
    ) -> tuple[Floats, Floats, Floats]:
        """Draw coefficients for every draw of the population.

        Parameters
        ----------
        at
            Where `climb` led.
        generator
            Of random numbers.
        n_proposals
            Proposals a draw.
        heavy
            Whether they are Student's t around the mode, and not normal.

        Returns
        -------
        tuple
            Coefficients (term, draw), log marginal likelihood (draw,), and the variance of the
            weights over the square of their mean (draw,).
        """
        q, n = self.mean.shape
        mode, top, root = at.mode, at.top, at.root
        proposals, log_weight = np.empty((n_proposals, n, q)), np.empty((n_proposals, n))
        for j in range(n_proposals):
            noise = generator.standard_normal((n, q))
            if heavy:
                noise /= np.sqrt(generator.chisquare(_DF, n) / _DF)[:, None]
            square = (noise**2).sum(axis=1)
            away = np.ascontiguousarray(noise.T)
            away_from(root, away)
            proposals[j] = mode + away.T
            density = self.density(proposals[j])
            thin = 0.5 * (_DF + q) * np.log1p(square / _DF) if heavy else 0.5 * square
            log_weight[j] = density - top + thin
        largest = log_weight.max(axis=0)
        weight = np.exp(log_weight - largest)
        total = weight.sum(axis=0)
        spread = n_proposals * (weight**2).sum(axis=0) / total**2 - 1.0
        log_det = np.log(np.diagonal(root, axis1=0, axis2=1)).sum(axis=1)
        evidence = top + self.half_log_det - log_det + largest + np.log(total / n_proposals)
        if heavy:  # what the integral of the proposals' density has beside a normal one's
            evidence += lgamma(0.5 * _DF) - lgamma(0.5 * (_DF + q)) + 0.5 * q * np.log(0.5 * _DF)
        reached = np.cumsum(weight, axis=0) < generator.random(n) * total
        chosen = np.minimum(reached.sum(axis=0), n_proposals - 1)
        return proposals[chosen, np.arange(n)].T, evidence, spread
