"""Which kind of change the records of a new place bear out: that which foresaw later ones best.

Patients are taken in the order in which they came. Each kind of change learns from the first third
of them, and is scored by the log probability that it gives to what happened to the others: the
difference of two log marginal likelihoods. What has more to learn has to foresee them better by
a margin, so that it is not chosen by chance.

Source: Bürkner, Gabry & Vehtari (2020), Journal of Statistical Computation and Simulation 90,
2499-2523, for leave-future-out validation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd

from twinbayes.arrays import Floats, Ints
from twinbayes.cohort import Cohort
from twinbayes.errors import OptionError, require_known
from twinbayes.inference.thinning import evenly_spaced
from twinbayes.monitoring.transport.learning import (
    LEARNS,
    LEVEL,
    SHAPE,
    SLOPE,
    Level,
    as_is,
    future_score,
)
from twinbayes.monitoring.transport.shapes import Shape
from twinbayes.monitoring.transport.slopes import Slope
from twinbayes.monitoring.transport.tally import Exposure, Tally, one_cell

_FIRST: Final = 1.0 / 3.0
_MARGIN: Final = 1.0
_GROUPS: Final = 3
_PARTS: Final = 3
_EACH: Final = 3.0  # expected events of a stretch of time, at least
_DRAWS: Final = 400  # of scores, which are means over draws


@dataclass(frozen=True)
class Chooser:
    """Ways to learn of a new place, and their scores.

    Attributes
    ----------
    exposure
        The patients, under the draws of the fit.
    level
        The level's prior.
    hazards
        (transition,) whether it is a hazard of the disease; a slope leaves the others alone.
    rank
        (patient,) the order in which they came.
    """

    exposure: Exposure
    level: Level
    hazards: np.ndarray
    rank: Ints

    @property
    def blocks(self) -> Ints:
        """(patient,) 0 for the first third, 1 for the others."""
        return np.asarray(self.rank >= round(_FIRST * len(self.rank)), dtype=np.int64)

    @property
    def groups(self) -> Ints:
        """(patient, transition) thirds of patients by risk, as the mean over draws has it."""
        e, draws = self.exposure, self.exposure.draws
        risk = e.values[:, e.steered] @ draws.coef.mean(axis=0)[e.steered]
        place = np.argsort(np.argsort(risk, axis=0, kind="stable"), axis=0)
        return np.asarray(np.minimum(place * _GROUPS // max(len(risk), 1), _GROUPS - 1), np.int64)

    @property
    def parts(self) -> tuple[Ints, ...]:
        """By transition, (window,) stretches of time with about the same number of events each."""
        n, windows, _ = one_cell(self.exposure)
        each = tuple(np.arange(len(w), dtype=np.int64) for w in windows)
        groups = np.zeros((len(n), self.exposure.n_intensities), dtype=np.int64)
        few = self.exposure.thinned(_DRAWS)
        by_window = few.tally(n, each, groups).expected.mean(axis=0).sum(axis=(0, 3))
        return tuple(_cut(expected) for expected in by_window)

    def tally(self, learns: str, *, slope: float = 1.0, scored: bool = False) -> Tally:
        """Counts in the cells that a way to learn needs, or in all that scores need."""
        block, one, none = one_cell(self.exposure)
        return self.exposure.tally(
            self.blocks if scored else block,
            self.parts if scored or learns == SHAPE else one,
            self.groups if scored or learns == SLOPE else none,
            slope=np.where(self.hazards, slope, 1.0),
        )

    def candidate(self, learns: str, *, scored: bool = False) -> Level | Slope | Shape:
        """One way to learn."""
        prior = self.level.prior
        if learns == SLOPE:
            return Slope.of(
                self.level, prior.slope, lambda b: self.tally(SLOPE, slope=b, scored=scored)
            )
        return Shape(self.level, prior.shape) if learns == SHAPE else self.level

    def scores(self, most: str) -> dict[str, float]:
        """Log scores of all ways up to one, of the patients who came later; empty if none did.

        Those of the fit as it is are among them.
        """
        n = self.exposure.draws.n_draws
        index = evenly_spaced(n, min(n, _DRAWS))
        few = replace(self, exposure=self.exposure.thinned(_DRAWS), level=self.level.taken(index))
        tally = few.tally(most, scored=True)
        if not all(tally.observed[b, self.hazards].any() for b in range(len(tally.observed))):
            return {}
        whole, first = tally.whole, tally.first(1)
        out = {"as is": future_score(as_is(whole), as_is(first))}
        for learns in LEARNS[: LEARNS.index(most) + 1]:
            one = few.candidate(learns, scored=True)
            early = late = one
            if isinstance(one, Slope):
                late, early = one.over(slice(None), slice(None)), one.over(slice(1), slice(None))
            out[learns] = future_score(late.log_evidence(whole), early.log_evidence(first))
        return out

    def chosen(self, scores: dict[str, float]) -> str:
        """The way with the best score; one with more to learn, by a margin over the level."""
        handicap = {k: v - _MARGIN * (k != LEVEL) for k, v in scores.items() if k in LEARNS}
        return max(handicap, key=handicap.__getitem__) if handicap else LEVEL

    def learn(self, learns: str) -> tuple[Level | Slope | Shape, Tally, tuple[Ints, ...]]:
        """One way to learn, its counts, and its stretches of time."""
        parts = self.parts if learns == SHAPE else one_cell(self.exposure)[1]
        return self.candidate(learns), self.tally(learns), parts


def in_order(cohort: Cohort, order: str | None) -> Ints:
    """(patient,) the order in which patients came: by a covariate, or as their rows are.

    Raises
    ------
    OptionError
        There is no such covariate of numbers, or it is missing in somebody.
    """
    n = cohort.n_patients
    if order is None:
        return np.arange(n)
    table = cohort.covariates()
    require_known(order, list(table.columns), "order, a covariate")
    values = pd.to_numeric(table[order], errors="coerce").to_numpy(dtype=float)
    if not np.all(np.isfinite(values)):
        raise OptionError(
            f"order: {order!r} is not a number in every patient. Give a covariate that says when "
            "each patient came, or sort the rows of patients and leave it out."
        )
    rank = np.empty(n, dtype=np.int64)
    rank[np.argsort(values, kind="stable")] = np.arange(n)
    return rank


def _cut(expected: Floats) -> Ints:
    """(window,) numbers of at most so many stretches with enough expected events each."""
    total = float(expected.sum())
    parts = int(np.clip(total // _EACH, 1, _PARTS))
    before = np.concatenate([[0.0], np.cumsum(expected)[:-1]]) + 0.5 * expected
    found = np.minimum((before / max(total, 1e-300) * parts).astype(np.int64), parts - 1)
    return np.unique(found, return_inverse=True)[1].astype(np.int64)
