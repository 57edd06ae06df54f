"""Crude estimates from what sites have released: they decide how the server samples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from twinbayes.arrays import Floats, Ints
from twinbayes.federation.joint.compensator import Expansion
from twinbayes.federation.likelihood.coordinates import Coordinates
from twinbayes.model import Learnt
from twinbayes.model.pooling.centring import Told, ToldTogether
from twinbayes.names import (
    BETA,
    CENTRE_EFFECT,
    LOG_BASELINE,
    LOG_BASELINE_AT_EVENT,
    SUBGROUP_EFFECT,
    TREATMENT_SUBGROUP_EFFECT,
)

_TYPICAL: Final = 0.7  # standard deviation of log hazard ratios, for rough estimates alone
_WIDE: Final = 10.0  # of log baselines
_LARGEST: Final = 3.0  # step of Newton's method


@dataclass(frozen=True)
class Counts:
    """Events and days at risk, of each intensity by window, with nothing else told.

    Attributes
    ----------
    events, days
        (window,) each.
    n_subgroups
        Number of subgroups.
    """

    events: tuple[Floats, ...]
    days: tuple[Floats, ...]
    n_subgroups: int

    def told(self, columns: Ints) -> ToldTogether:
        """Nothing, of any column."""
        n, width = len(self.events), len(columns)
        return ToldTogether(np.zeros((n, width, width)), np.zeros((n, width)))

    def by_effect(self, n_effects: int) -> Told:
        """Nothing, of any treatment."""
        return Told.nothing(n_effects, self.n_subgroups)

    def start(self, coordinates: Coordinates) -> Floats:
        """(coordinate,) crude rates, and no effect of anything."""
        out = np.zeros(coordinates.size)
        rates = [
            np.log((e.sum() + 0.5) / (d.sum() + 1.0))
            for e, d in zip(self.events, self.days, strict=True)
        ]
        for name in (LOG_BASELINE, LOG_BASELINE_AT_EVENT):
            if name in coordinates.places:
                width = coordinates.block(name).shape[1]
                out[coordinates.places[name]] = np.repeat(rates, width)
        return out


@dataclass(frozen=True)
class CrudeFromSites:
    """Crude estimates from an expansion of all sites' likelihood, as of `model.events.crude`."""

    counts: Counts
    coordinates: Coordinates
    learnt: Learnt
    expansion: Expansion

    @property
    def events(self) -> tuple[Floats, ...]:
        """Number of events of each intensity in each window of its baseline, (window,) each."""
        return self.counts.events

    @property
    def days(self) -> tuple[Floats, ...]:
        """Days at risk of each intensity in each window, (window,) each."""
        return self.counts.days

    @cached_property
    def _start(self) -> Floats:
        return self.counts.start(self.coordinates)

    @cached_property
    def ridge(self) -> Floats:
        """(coordinate,) precision of rough independent priors."""
        out = np.full(self.coordinates.size, _TYPICAL**-2.0)
        for name in (LOG_BASELINE, LOG_BASELINE_AT_EVENT):
            if name in self.coordinates.places:
                out[self.coordinates.places[name]] = _WIDE**-2.0
        return out

    @cached_property
    def mode(self) -> Floats:
        """(coordinate,) one step of Newton's method from the point, under the rough priors."""
        point = self.expansion.point
        out = point.copy()
        score = self.expansion.score - self.ridge * (point - self._start)
        for own, information in zip(
            self.coordinates.members, self.expansion.information, strict=True
        ):
            step = np.linalg.solve(information + np.diag(self.ridge[own]), score[own])
            out[own] += step * min(1.0, _LARGEST / max(np.abs(step).max(initial=0.0), 1e-300))
        return out

    @cached_property
    def _columns(self) -> Ints:
        """(intensity, column) places of the design's columns; -1 of those without effect."""
        encoding, n = self.learnt.encoding, len(self.coordinates.intensities)
        parts = []
        for name, width in (
            (BETA, len(encoding.columns)),
            (SUBGROUP_EFFECT, len(encoding.subgroups)),
            (CENTRE_EFFECT, len(encoding.centres)),
        ):
            if name == BETA and name in self.coordinates.places:
                parts.append(self.coordinates.by_column(name).reshape(n, width))
            elif name in self.coordinates.places:
                parts.append(self.coordinates.by_column(name))
            else:
                parts.append(np.full((n, width), -1))
        return np.concatenate(parts, axis=1)

    def told(self, columns: Ints) -> ToldTogether:
        """What the data tell of some columns of the design, whatever the others do."""
        n, width = len(self.coordinates.intensities), len(columns)
        information, score = np.zeros((n, width, width)), np.zeros((n, width))
        for e, members in enumerate(self.coordinates.members):
            places = self._columns[e, columns]
            have = np.flatnonzero(places >= 0)
            if not len(have):
                continue
            own = np.searchsorted(members, places[have])
            others = np.setdiff1d(np.arange(len(members)), own)
            known = self.expansion.information[e]
            prior = np.diag(self.ridge[members])
            reached = known @ self.expansion.point[members] + self.expansion.score[members]
            among = (known + prior)[np.ix_(others, others)]
            weights = np.linalg.solve(among, known[np.ix_(others, own)]).T
            left = known[np.ix_(own, own)] - weights @ known[np.ix_(others, own)]
            start = (prior @ self._start[members])[others]
            information[e][np.ix_(have, have)] = _without_negative(left)
            score[e, have] = reached[own] - weights @ (reached[others] + start)
        return ToldTogether(information, score)

    def by_effect(self, n_effects: int) -> Told:
        """Estimate (effect, subgroup) log hazard ratios of treatments."""
        if TREATMENT_SUBGROUP_EFFECT not in self.coordinates.places:
            return Told.nothing(n_effects, self.counts.n_subgroups)
        variance = np.empty(self.coordinates.size)
        for own, known in zip(self.coordinates.members, self.expansion.information, strict=True):
            variance[own] = np.diag(np.linalg.inv(known + np.diag(self.ridge[own])))
        place = self.coordinates.places[TREATMENT_SUBGROUP_EFFECT]
        information = np.maximum(1.0 / variance[place] - self.ridge[place], 0.0)
        some = information > 1e-9
        estimate = np.zeros(len(information))
        estimate[some] = (self.mode[place] / variance[place])[some] / information[some]
        shape = (n_effects, self.counts.n_subgroups)
        return Told(estimate.reshape(shape), information.reshape(shape))


def _without_negative(information: Floats) -> Floats:
    """The nearest information that no direction has less than nothing of."""
    values, axes = np.linalg.eigh(0.5 * (information + information.T))
    out: Floats = (axes * np.maximum(values, 0.0)) @ axes.T
    return out
