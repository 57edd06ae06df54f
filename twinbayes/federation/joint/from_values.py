"""Of models in which patients have effects of their own: from values of likelihoods to a posterior.

Sites integrate these effects out, and tell log-likelihoods at places that the server asks for. A
quadratic function through them leads to the mode, then to a few draws of a posterior, and a last
one, nearest to the values at these draws, stands for the likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

import numpy as np

from twinbayes.arrays import Floats
from twinbayes.errors import FederationError
from twinbayes.federation.joint.approximation import Approximation
from twinbayes.federation.joint.estimation import SCORE, Draws, Estimation, Kept, Place, Scored
from twinbayes.federation.joint.quadratic import Directions, Quadratic, tempered_weights
from twinbayes.federation.likelihood.integrated import MOST_DIRECTIONS, NOWHERE, REMEDY
from twinbayes.names import LOG_BASELINE, LOG_BASELINE_AT_EVENT

MODES: Final = 7
"""Times that points are asked for on the way to the mode, at most."""

CLOSER: Final = 3
"""Of these, times that points closer to the first place are asked for: some had no likelihood."""

NARROWER: Final = (8.0,)
"""Precisions that are added where the first draws missed the mode: a third as wide."""

_FIRST: Final = 0.5  # of the prior's spread, between the points of the first function
_STEP: Final = 0.5  # of the posterior's, between those of the others
_NEAR: Final = 2.0  # of the posterior's, within which the mode has been found
_LONGEST: Final = 2.0  # step, in standard deviations of a rough prior
_SHORTER: Final = 0.25  # after a step that led downwards
_TELL: Final = 2.0  # draws that count, a number of the function nearest to them


@dataclass(frozen=True)
class FromValues(Estimation):
    """Sites tell values of their likelihoods.

    Attributes
    ----------
    place
        Where points are asked for; None where draws are.
    functions
        Quadratic functions so far; those on the way to the mode only until it is found, and then
        the best of them.
    closer
        How often the first points were asked for again, closer to their place.
    narrower
        How often the first draws were made again, closer to the mode.
    drawn
        All draws (draw, coordinate) of posteriors so far, their log-likelihoods (draw,), and what
        stood for it when they were made.

    Examples
    --------
    See `shards.fit_in_shards`.
    """

    place: Directions | None = field(default=None, repr=False)
    functions: tuple[Quadratic, ...] = field(default=(), repr=False)
    closer: int = 0
    narrower: int = 0
    drawn: tuple[tuple[Floats, Floats, Quadratic], ...] = field(default=(), repr=False)

    @cached_property
    def _start(self) -> tuple[Directions, Floats]:
        """The first place, at the mean of a rough prior, and its spread in each direction."""
        of = self.agreement
        prior = of.prior
        centre, rates = np.median(prior, axis=0), of.counts.start(of.coordinates)
        for name in (LOG_BASELINE, LOG_BASELINE_AT_EVENT):
            if name in of.coordinates.places:
                centre[of.coordinates.places[name]] = rates[of.coordinates.places[name]]
        place, spread = Directions.spanned_by(prior, centre)
        if place.size > MOST_DIRECTIONS:
            raise FederationError(
                f"The likelihood of {of.study.spec.name!r} depends on {place.size} numbers; where "
                f"patients have effects of their own, sites can be asked for {MOST_DIRECTIONS}. "
                f"Give hazards fewer windows, covariates or subgroups. {REMEDY}"
            )
        return place, spread

    @property
    def _asked(self) -> Directions:
        return self._start[0] if self.place is None else self.place

    def following(self) -> Place | Draws | None:
        """Ask for values around places, then at draws."""
        if not self.approximations:
            step = _STEP if self.functions else _FIRST
            return Draws(self._asked.stencil(step))
        if len(self.approximations) == 1:
            return Draws(self.last.pilot)
        if len(self.scores) == len(self.approximations) - 1:
            return None
        return Draws(self.last.values)

    def answered(
        self, step: Place | Draws, numbers: Floats, number: int, kept: Kept = None
    ) -> FromValues:
        """Go on with log-likelihoods (draw,)."""
        if isinstance(step, Place):
            raise FederationError("Sites tell values of this model's likelihood, and no expansion.")
        values, totals = step.values, numbers.reshape(len(step.values), 1)
        totals = np.where(totals <= 0.5 * NOWHERE, -np.inf, totals)
        if not self.approximations:
            return self._nearer(values, totals[:, 0], number, kept)
        if len(self.approximations) == 1:
            if self._is_lost(totals[:, 0]):
                return self._again(number, kept)
            return self._standing(values, totals[:, 0], number, kept)
        scored = self._with(Scored(values, totals))
        if len(scored.scores) < len(scored.approximations) - 1 or scored.is_done:
            return scored
        asked = scored.kinds
        return replace(scored._standing(values, totals[:, 0], number, kept), kinds=asked)

    def _nearer(self, values: Floats, totals: Floats, number: int, kept: Kept) -> FromValues:
        """Go on towards the mode, or to the first draws where it has been found."""
        here = self._around(values, totals)
        if here is None:
            return self._closer()
        functions = (*self.functions, here)
        best = int(np.argmax([self._objective(f) for f in functions]))
        found, failed = functions[best], len(functions) - 1 - best
        start = self._start[0].centre
        longest = _LONGEST * _SHORTER**failed
        place, far = found.mode(start, self._precision(found.directions), longest)
        on = replace(self, place=place, functions=functions, kinds=(*self.kinds, SCORE))
        # The first function goes through points as far apart as the prior is wide: it may say that
        # the mode is near, and be right about nothing else.
        if (failed or far > _NEAR or len(functions) == 1) and self.closer + len(functions) < MODES:
            return on
        one = Approximation(self.agreement, found.folded(), self.agreement.counts, number, kept)
        return replace(on, functions=(found,), approximations=(one,))

    def _around(self, values: Floats, totals: Floats) -> Quadratic | None:
        """The function through what was found; where most of it has no likelihood, a failed step.

        None where points closer to the first place are to be asked for: some of them had no
        likelihood, so that a function through the others is not the only one.

        Raises
        ------
        FederationError
            Neither is there a likelihood at points that are ever closer to the first place.
        """
        if not self.functions and self.closer < CLOSER and not np.isfinite(totals).all():
            return None
        try:
            here = Quadratic.through(self._asked, values, totals)
        except FederationError:
            if not self.functions:
                raise
            n = self._asked.size
            return Quadratic(self._asked, -np.inf, np.zeros(n), np.zeros((n, n)))
        if np.isfinite(totals[0]):
            return here
        # A place without a likelihood is no better than the points around it.
        return replace(here, value=min(here.value, float(totals[np.isfinite(totals)].min())))

    def _closer(self) -> FromValues:
        """Ask around the first place again, at points closer to it."""
        asked = self._asked
        place = Directions(asked.centre, _SHORTER * asked.along)
        return replace(self, place=place, kinds=(*self.kinds, SCORE), closer=self.closer + 1)

    def _is_lost(self, totals: Floats) -> bool:
        """Whether the first draws are nowhere near the mode, and some others may be."""
        known = np.isfinite(totals)
        mode = self.functions[-1]
        missed = totals[known].max(initial=-np.inf) < mode.value - mode.directions.size
        return bool(known.mean() < 0.5 or missed) and self.narrower < len(NARROWER)

    def _again(self, number: int, kept: Kept) -> FromValues:
        """Make the first draws again, closer to the mode."""
        around, precision = self._asked, NARROWER[self.narrower]
        stand = self.functions[-1].folded().narrowed(around, precision)
        one = Approximation(self.agreement, stand, self.agreement.counts, number, kept)
        kinds, narrower = (*self.kinds, SCORE), self.narrower + 1
        return replace(self, approximations=(one,), kinds=kinds, narrower=narrower)

    def _precision(self, of: Directions) -> Floats:
        """(direction, direction) precision of the rough prior."""
        first, spread = self._start
        turn = (first.inverse @ of.along) / spread[:, None]
        out: Floats = turn.T @ turn
        return out

    def _objective(self, function: Quadratic) -> float:
        """Log posterior under the rough prior where a function was asked for."""
        first, spread = self._start
        away = first.inward(function.directions.centre[None])[0] / spread
        return function.value - 0.5 * float(away @ away)

    def _standing(self, values: Floats, totals: Floats, number: int, kept: Kept) -> FromValues:
        """Go on with the function nearest to log-likelihoods where the posterior is."""
        stand = self.last.stand
        assert isinstance(stand, Quadratic)  # noqa: S101 - made here
        drawn = (*self.drawn, (values, totals, stand))
        every, known = (np.concatenate([one[k] for one in drawn]) for k in (0, 1))
        # As of one mixture: each function was about as high as the next one where the posterior is.
        made_by = np.logaddexp.reduce([one.at(every) for _, _, one in drawn])
        weights = tempered_weights(known - made_by, _TELL * Directions.among(every).numbers)
        place = Directions.among(every, weights)
        found = Quadratic.through(place, every, known, self.functions[-1], weights)
        of, until = self.agreement, self._until(len(self.approximations) - 1)
        one = Approximation(of, found.concave(), of.counts, number, kept, until)
        return replace(
            self,
            kinds=(*self.kinds, SCORE),
            functions=(*self.functions, found),
            approximations=(*self.approximations, one),
            drawn=drawn,
        )
