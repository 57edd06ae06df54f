"""Weights of a mixture: those that maximise a weighted log score, for all and by subgroup.

Stacking of predictive distributions (Yao, Vehtari, Simpson & Gelman 2018). The score is concave in
the weights; the EM algorithm of mixtures climbs it, and how far it is from the top is bounded by
its slopes, so that it is known when to end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from twinbayes.arrays import Bools, Floats, Ints

#: How far below the highest score the weights may be, in its own unit.
CLOSE: Final = 1e-7
#: While an amount of shrinkage is chosen.
ROUGH: Final = 1e-5
_MOST: Final = 20_000  # steps
_NONE: Final = 1e-4  # a weight below it is none
FEWEST: Final = 5  # patients of a subgroup that has weights of its own
#: Patients that the common weights count for in a subgroup, from all alike to nearly free.
AMOUNTS: Final = (np.inf, 256.0, 64.0, 16.0)


def mixture_weights(
    likelihood: Floats,
    count: Floats,
    *,
    towards: Floats | None = None,
    amount: float = 0.0,
    close: float = CLOSE,
) -> Floats:
    """Return the weights whose mixture has the highest mean log score.

    They maximise Σᵢ countᵢ log Σₖ aₖ likelihoodᵢₖ + amount · Σₖ towardsₖ log aₖ over all a with
    aₖ ≥ 0, Σ aₖ = 1. The second part is a Dirichlet prior with its mode at `towards`.

    Parameters
    ----------
    likelihood
        (row, member) probabilities of what was seen, above 0.
    count
        (row,) how much each row counts, not negative.
    towards, amount
        Weights to shrink to, and how many rows they count for.
    close
        How far below the highest mean score the result may be.

    Returns
    -------
    array
        (member,), not negative, of sum 1.

    Examples
    --------
    Two members, one right on three rows of four:

    >>> mixture_weights(np.array([[1.0, 0.5]] * 3 + [[0.0, 0.5]]), np.ones(4)).round(2)
    array([0.5, 0.5])
    """
    size = likelihood.shape[1]
    weights: Floats = np.full(size, 1.0 / size)
    total = float(count.sum()) + (amount if towards is not None else 0.0)
    if size == 1 or not total > 0.0:
        return weights
    use = count > 0.0
    rows = np.ascontiguousarray(likelihood[use])
    counts = count[use] / total
    prior = np.zeros(size) if towards is None else amount * towards / total
    if towards is not None:
        weights = 0.5 * weights + 0.5 * towards

    def step(a: Floats) -> tuple[Floats, float]:
        """One step of EM, and how far the score can still rise from `a`."""
        slope = (counts / (rows @ a)) @ rows
        up = a * slope + prior
        # Where the prior has something the weight has too, and the slope of both is finite.
        both = slope + np.divide(prior, a, out=np.zeros(size), where=prior > 0.0)
        return up / up.sum(), float(both.max() - 1.0)

    def score(a: Floats) -> float:
        held = prior > 0.0
        return float(counts @ np.log(rows @ a) + prior[held] @ np.log(a[held]))

    for _ in range(_MOST // 3):
        one, left = step(weights)
        if left <= close:
            break
        two, _ = step(one)
        # Squared extrapolation (Varadhan & Roland 2008), kept only where it climbs.
        first, bend = one - weights, two - 2.0 * one + weights
        norm = float(np.sqrt(bend @ bend))
        if norm > 0.0:
            length = max(float(np.sqrt(first @ first)) / norm, 1.0)
            far = weights + 2.0 * length * first + length**2 * bend
            # None is set to 0, from where EM could not raise it again.
            far = np.maximum(far, 1e-3 * two)
            far = far / far.sum()
            if score(far) >= score(two):
                two = far
        weights = two
    weights = np.where(weights < _NONE, 0.0, weights)
    return np.asarray(weights / weights.sum())


@dataclass(frozen=True)
class Weights:
    """Weights for all, and by subgroup.

    Attributes
    ----------
    common
        (member,).
    by_subgroup
        (subgroup, member); of one with fewer than 5 patients the common ones.
    amount
        Patients that the common weights count for in each subgroup; infinite: no own weights.
    """

    common: Floats
    by_subgroup: Floats
    amount: float

    def mixed(self, likelihood: Floats, subgroup: Ints) -> Floats:
        """Mix (member, cell, patient) probabilities by the weights of each patient's subgroup.

        Subgroup -1 has the common weights.
        """
        table = np.vstack([self.by_subgroup, self.common])
        return np.asarray(np.einsum("mcn,nm->cn", likelihood, table[subgroup]))


def learn(
    likelihood: Floats,
    count: Floats,
    subgroup: Ints,
    n_subgroups: int,
    amount: float,
    *,
    common: Floats | None = None,
    close: float = CLOSE,
) -> Weights:
    """Learn weights, those of subgroups shrunk to the common ones.

    Parameters
    ----------
    likelihood
        (member, cell, patient) probability of what was seen.
    count
        (cell, patient), in patients: a patient whose every cell is known counts about 1.
    subgroup
        (patient,) index.
    amount
        Of the Dirichlet prior, in patients; infinite: all have the common weights.
    common
        The common weights where they are known already.
    """
    if common is None:
        common = mixture_weights(*_rows(likelihood, count), close=close)
    own = np.tile(common, (n_subgroups, 1))
    if np.isfinite(amount):
        for k in range(n_subgroups):
            mine = subgroup == k
            if mine.sum() >= FEWEST:
                rows, counts = _rows(likelihood[:, :, mine], count[:, mine])
                own[k] = mixture_weights(rows, counts, towards=common, amount=amount, close=close)
    return Weights(common, own, amount)


def choose_amount(
    likelihood: Floats,
    count: Floats,
    subgroup: Ints,
    n_subgroups: int,
    part: Ints,
) -> float:
    """Choose how far weights of subgroups are shrunk, by cross-validation over parts.

    Each part is scored with weights that the others give. Own weights are taken only where they
    are better than common ones by more than one standard error (by patient); among those, the
    amount with the highest score.

    Parameters
    ----------
    part
        (patient,) index of the part each is left out with.
    """
    if n_subgroups < 2 or likelihood.shape[0] < 2:
        return float(np.inf)
    parts = np.unique(part)
    score = np.zeros((len(AMOUNTS), part.size))
    for one in parts:
        out: Bools = part == one
        rest = likelihood[:, :, ~out], count[:, ~out], subgroup[~out], n_subgroups
        common = mixture_weights(*_rows(rest[0], rest[1]), close=ROUGH)
        for k, amount in enumerate(AMOUNTS):
            weights = learn(*rest, amount, common=common, close=ROUGH)
            mixed = np.log(weights.mixed(likelihood[:, :, out], subgroup[out]))
            score[k, out] = np.sum(np.where(count[:, out] > 0, count[:, out] * mixed, 0.0), axis=0)
    better = score - score[0]
    error = np.sqrt(((better - better.mean(axis=1, keepdims=True)) ** 2).sum(axis=1))
    total = better.sum(axis=1)
    worth = total > error
    return AMOUNTS[int(np.argmax(np.where(worth, total, -np.inf)))] if worth.any() else np.inf


def _rows(likelihood: Floats, count: Floats) -> tuple[Floats, Floats]:
    """(row, member) probabilities and (row,) counts of the cells that are known."""
    known = count > 0.0
    return likelihood[:, known].T, count[known]
