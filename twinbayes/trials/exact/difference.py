"""How probable it is that one of two mixtures is larger, and by how much, without simulation.

Of normal mixtures in closed form. Of beta and gamma mixtures by the double-exponential rule of
Takahasi & Mori (1974), Publ. RIMS 9, 721-741, whose nodes crowd at the ends of the range, where
densities may be unbounded, and are close enough for the narrowest density between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import (
    betainc,
    betaincc,
    betaln,
    expit,
    gammainc,
    gammaincc,
    gammainccinv,
    gammaincinv,
    gammaln,
    ndtr,
)

from twinbayes.arrays import Floats, is_number
from twinbayes.errors import PriorError
from twinbayes.priors.mixtures.mixture import BETA, NORMAL, Mixture

_STEP: Final = 0.35  # between nodes, over the square root of the largest count behind a density
_COARSEST: Final = 0.04
_NEGLIGIBLE: Final = 45.0  # minus the log of a probability that is as none
_NOTHING: Final = 1e-18  # probability of what is not looked at
_FURTHEST: Final = 600.0  # log odds of an outermost node
_NEAREST: Final = 8.0  # the same, at an end that has next to nothing


@dataclass(frozen=True)
class Posteriors:
    """Mixtures of one kind, one a row; of counts, those after each outcome from 0 on.

    Attributes
    ----------
    kind
        ``beta``, ``normal`` or ``gamma``.
    weights, first, second
        (row, component). From row to row of beta or gamma mixtures one more patient has responded
        or had an event.
    """

    kind: str
    weights: Floats
    first: Floats
    second: Floats

    @classmethod
    def of(cls, mixture: Mixture) -> Posteriors:
        """A single row."""
        parts = (mixture.weights, mixture.first, mixture.second)
        return cls(mixture.kind, *(part[None, :] for part in parts))

    def above(self, value: float) -> Floats:
        """(row,) probability of more than `value`."""
        a, b = self.first, self.second
        if self.kind == NORMAL:
            each = ndtr((a - value) / b)
        elif self.kind == BETA:
            each = betaincc(a, b, min(max(value, 0.0), 1.0))
        else:
            each = gammaincc(a, b * max(value, 0.0))
        return np.asarray((self.weights * each).sum(axis=1))


def difference_above(first: Mixture, second: Mixture, value: float = 0.0) -> float:
    """Probability that `first` exceeds `second` by more than `value`, both independent.

    Parameters
    ----------
    first, second
        Mixtures of one kind, such as the posteriors of two arms.
    value
        In units of the parameter; may be negative.

    Returns
    -------
    float
        Exact for normal mixtures, else to 1e-8 or better.

    Raises
    ------
    PriorError
        Mixtures of different kinds, or a value that is no number.

    Examples
    --------
    >>> half = Mixture.of("beta", [(1.0, 10.0, 10.0)])
    >>> round(difference_above(half, half), 6)
    0.5
    """
    require_same_kind(first, second)
    if not is_number(value):
        raise PriorError(f"A difference of {value!r} is no number to compare with.")
    return float(differences_above(Posteriors.of(first), Posteriors.of(second), float(value))[0, 0])


def require_mixture(mixture: object) -> None:
    """Refuse what is no mixture."""
    if not isinstance(mixture, Mixture):
        raise PriorError(
            f"Give a Mixture, such as Mixture.of(...) makes, not a {type(mixture).__name__}."
        )


def require_same_kind(first: Mixture, second: Mixture) -> None:
    """Refuse to compare parameters of different kinds."""
    for mixture in (first, second):
        require_mixture(mixture)
    if first.kind != second.kind:
        raise PriorError(
            f"A {first.kind} and a {second.kind} mixture cannot be compared: they are of "
            "different parameters. Give two of one kind."
        )


def differences_above(first: Posteriors, second: Posteriors, value: float) -> Floats:
    """(row of first, row of second) probability of a difference of more than `value`."""
    if first.kind == NORMAL:
        return _normal(first, second, value)
    if first.kind == BETA and abs(value) >= 1.0:
        return np.full((len(first.weights), len(second.weights)), float(value < 0))
    low, high = max(0.0, -value), max(0.0, value)  # where second, and first, start
    skipped = 0.0  # of both, for nothing of second lies there
    if first.kind == BETA:
        length, sharpest = 1.0 - abs(value), max(_counts(first), _counts(second))
    else:
        begin = float((gammaincinv(second.first[0], _NOTHING) / second.second[0]).min())
        end = float((gammainccinv(second.first[-1], _NOTHING) / second.second[-1]).max())
        skipped = max(begin - low, 0.0)
        length = max(end - low - skipped, 1e-12 * end)
        sharpest = max(first.second.max(), second.second.max())
        sharpest *= length**2 / (length + 2.0 * (low + skipped))
    if first.kind == BETA:
        furthest = _furthest(min(second.first.min(), second.second.min(), 1.0))
        share, rest, step = _nodes(sharpest, furthest, furthest)
    else:  # the upper end is where next to nothing is left; so is the lower, but if cut at `low`
        power = float(second.first.min()) if skipped else min(float(second.first.min()), 1.0)
        share, rest, step = _nodes(sharpest, _furthest(power), _NEAREST)
    x, z = low + skipped + length * share, high + skipped + length * share
    # Distances from 1, whose digits a subtraction would lose.
    x_rest, z_rest = high + length * rest, low + length * rest
    exceeds = _exceeds(first, z, z_rest)
    mass = _density(second, x, x_rest) * (length * step)
    total = exceeds @ mass.T
    # Below `low` every value of the other is larger by enough; nodes leave out next to nothing,
    # but where a density is unbounded.
    certain = 1.0 - second.above(low) if low > 0 else np.zeros(len(mass))
    below, beyond = _outside(second, x[0], x_rest[0], x[-1], x_rest[-1])
    total += certain + exceeds[:, :1] * (below - certain)
    if high == 0:
        total += exceeds[:, -1:] * beyond
    return np.asarray(np.clip(total, 0.0, 1.0))


def _normal(first: Posteriors, second: Posteriors, value: float) -> Floats:
    """(row of first, row of second) of normal mixtures, in closed form."""
    w1, m1, s1 = (p[:, None, :, None] for p in (first.weights, first.first, first.second))
    w2, m2, s2 = (p[None, :, None, :] for p in (second.weights, second.first, second.second))
    each = ndtr((m1 - m2 - value) / np.hypot(s1, s2))
    return np.asarray((w1 * w2 * each).sum(axis=(2, 3)))


def _counts(rows: Posteriors) -> float:
    return float((rows.first + rows.second).max())


def _furthest(power: float) -> float:
    """Log odds of an outermost node, at an end where the distribution is a power of the share."""
    return float(np.clip(_NEGLIGIBLE / power, _NEAREST, _FURTHEST))


def _nodes(sharpest: float, below: float, above: float) -> tuple[Floats, Floats, Floats]:
    """Nodes between 0 and 1, their distances from 1, and their weights.

    `below` and `above` are the log odds of the outermost ones.
    """
    step = min(_STEP / np.sqrt(max(sharpest, 1.0)), _COARSEST)
    first, last = (int(np.ceil(np.arcsinh(far / np.pi) / step)) for far in (below, above))
    t = step * np.arange(-first, last + 1)
    u = np.pi * np.sinh(t)
    share, rest = expit(u), expit(-u)
    return share, rest, step * np.pi * np.cosh(t) * share * rest


def _exceeds(rows: Posteriors, z: Floats, rest: Floats) -> Floats:
    """(row, node) probability of more than z.

    Row by row by the recurrences of the incomplete beta and gamma functions, DLMF 8.17.20 and
    8.8.2: one more response adds a positive term.
    """
    out = np.zeros((len(rows.weights), len(z)))
    with np.errstate(divide="ignore"):
        log_z, log_rest = np.log(z), np.log(rest) if rows.kind == BETA else rest
    for w, a, b in zip(rows.weights.T, rows.first.T, rows.second.T, strict=True):
        steps = np.empty_like(out)
        if rows.kind == BETA:
            upper = betainc(b[0], a[0], rest)  # by whichever end is near: a small one keeps digits
            steps[0] = np.where(z < 0.5, betaincc(a[0], b[0], z), upper)
            log_step = np.multiply.outer(a[:-1], log_z) + np.multiply.outer(b[:-1] - 1, log_rest)
            log_step -= (np.log(a[:-1]) + betaln(a[:-1], b[:-1]))[:, None]
        else:
            steps[0] = gammaincc(a[0], b[0] * z)
            log_step = np.multiply.outer(a[:-1], np.log(b[0]) + log_z) - b[0] * z
            log_step -= gammaln(a[:-1] + 1)[:, None]
        np.exp(log_step, out=steps[1:])
        out += w[:, None] * np.cumsum(steps, axis=0)
    return out


def _density(rows: Posteriors, x: Floats, rest: Floats) -> Floats:
    """(row, node) density."""
    out = np.zeros((len(rows.weights), len(x)))
    log_x = np.log(x)
    for w, a, b in zip(rows.weights.T, rows.first.T, rows.second.T, strict=True):
        log_density = np.multiply.outer(a - 1, log_x)
        if rows.kind == BETA:
            log_density += np.multiply.outer(b - 1, np.log(rest)) - betaln(a, b)[:, None]
        else:  # every row has the same time at risk, as in `_exceeds`
            log_density += (a * np.log(b) - gammaln(a))[:, None]
            log_density -= b[0] * x
        np.exp(log_density, out=log_density)
        log_density *= w[:, None]
        out += log_density
    return out


def _outside(
    rows: Posteriors, first: float, first_rest: float, last: float, last_rest: float
) -> tuple[Floats, Floats]:
    """(row,) probability below the first node and beyond the last."""
    a, b, w = rows.first, rows.second, rows.weights
    if rows.kind == BETA:
        below, beyond = betainc(a, b, first), betainc(b, a, last_rest)
    else:
        below, beyond = gammainc(a, b * first), gammaincc(a, b * last)
    return (w * below).sum(axis=1), (w * beyond).sum(axis=1)
