"""From what experts say to a prior: one distribution an expert, and their pool.

==============  ===================================================================================
method          an expert's distribution, of one declared family
==============  ===================================================================================
``interval``    that of maximum entropy with the stated mass between two values (PreliZ, `maxent`)
``quantiles``   closest to the stated probabilities below the values, by least squares (the rule of
                the SHELF protocol: O'Hagan et al. 2006, Uncertain Judgements); PreliZ's start
``roulette``    the same, of the share of chips up to the edge of each bin
==============  ===================================================================================

A linear pool is the mixture of the experts' distributions. A logarithmic pool multiplies their
densities, each to the power of its weight; for an exponential family that is a member of the
family again, with the weighted mean of the natural parameters (Genest & Zidek 1986).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType, ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from twinbayes.errors import OptionError, PriorError, require_known
from twinbayes.priors.density import MIXED, Component, Density
from twinbayes.priors.distributions import FAMILIES
from twinbayes.priors.dossier import POOLINGS, Elicitation, Expert
from twinbayes.priors.entry import PriorEntry
from twinbayes.priors.records import listed

ELICITED: Final = (
    "Normal", "HalfNormal", "Laplace", "LogNormal", "Gamma", "InverseGamma", "Exponential", "Beta",
)  # fmt: skip
"""Families of which experts' distributions may be."""

MISSED: Final = 0.02
"""How far a fitted probability may be off the stated one before `elicit` refuses an interval."""

_DIGITS: Final = 5
_NOISE: Final = 1e-9  # of the largest argument: what is smaller is 0
_AGREES: Final = 0.01  # of a recomputed argument, relative to it
_SPREAD: Final = 400  # points that stand for what an expert said, for the start of the fit

Arguments = Mapping[str, float]


def elicit(elicitation: Elicitation, family: str) -> Density:
    """Turn what experts said into one distribution.

    Parameters
    ----------
    elicitation
        Their statements, the method, and how they are pooled.
    family
        One of ``ELICITED``.

    Returns
    -------
    Density
        Of one expert, or of a logarithmic pool: a distribution. Of a linear pool: a mixture.
        Arguments are rounded to five digits.

    Raises
    ------
    PriorError
        If PreliZ is not installed, no distribution of the family does what was stated, or the
        pool of the family is none that a prior can be.
    OptionError
        Unknown family.

    Examples
    --------
    >>> one = Expert(
    ...     role="haematologist", values=(0.1, 0.2, 0.4), probabilities=(0.05, 0.5, 0.95)
    ... )
    >>> asked = Elicitation(protocol="SHELF", method="quantiles", experts=(one,))
    >>> elicit(asked, "Beta").distribution
    'Beta'
    """
    require_known(family, ELICITED, "family for elicitation")
    fits = [fit_expert(expert, elicitation.method, family) for expert in elicitation.experts]
    return combine(elicitation, family, fits)


def combine(elicitation: Elicitation, family: str, fits: Sequence[Arguments]) -> Density:
    """Pool the fits of `fit_expert`, one an expert, as the elicitation has it; see `elicit`."""
    if len(fits) == 1:
        return Density(distribution=family, arguments=_rounded(fits[0]))
    pooled = pool(fits, [e.weight for e in elicitation.experts], family, elicitation.pooling)
    if not pooled.mixture:
        return replace(pooled, arguments=_rounded(pooled.arguments))
    parts = tuple(
        Component(weight=c.weight, arguments=_rounded(c.arguments)) for c in pooled.mixture
    )
    return replace(pooled, mixture=parts)


def fit_expert(expert: Expert, method: str, family: str) -> dict[str, float]:
    """Return the arguments of one expert's distribution, by PyMC's names.

    Raises
    ------
    PriorError
        If PreliZ is not installed, or no distribution of the family does what was stated.
    """
    preliz = _preliz()
    if faults := expert.faults(method):
        raise PriorError(" ".join(faults))
    low, high = (float(x) for x in getattr(preliz, family)().support)
    if method == "interval":
        return _maximum_entropy(preliz, expert, family, low, high)
    values, shares = np.array(expert.values), np.array(expert.probabilities)
    if method == "roulette":
        inside = np.cumsum(shares) / shares.sum()
        at, below = values[1:-1], inside[:-1]
        # Chips end at the outer edges: they say nothing of where within a bin.
        spread = np.interp(np.linspace(0, 1, _SPREAD), np.r_[0.0, inside], values)
    else:
        at, below = values, shares
        spread = np.interp(np.linspace(0, 1, _SPREAD), shares, values)
    _require_support(expert, np.asarray(values), family, low, high)
    if len(at) < len(FAMILIES[family].arguments):
        raise PriorError(
            f"expert {expert.role!r}: {family} has {len(FAMILIES[family].arguments)} arguments, "
            f"but only {len(at)} probabilities say something of them. Ask for more."
        )
    return _least_squares(preliz, family, at, below, spread, expert.role)


def largest_miss(expert: Expert, method: str, family: str, fit: Arguments) -> float:
    """Return the largest difference between a fitted and a stated probability.

    Of `interval`, the mass between its ends; of the others, the probability below each value or
    inner edge.
    """
    frozen = FAMILIES[family].frozen(*(fit[key] for key in FAMILIES[family].arguments))
    values, shares = np.array(expert.values), np.array(expert.probabilities)
    below = np.asarray(frozen.cdf(values))
    if method == "interval":
        return float(abs(below[1] - below[0] - shares[0]))
    if method == "roulette":
        below, shares = below[1:-1], (np.cumsum(shares) / shares.sum())[:-1]
    return float(np.max(np.abs(below - shares)))


def pool(fits: Sequence[Arguments], weights: Sequence[float], family: str, pooling: str) -> Density:
    """Pool distributions of one family.

    Parameters
    ----------
    fits
        Arguments of each.
    weights
        One each, 0 or more; relative to their sum.
    family
        One of ``ELICITED``.
    pooling
        ``"linear"`` (a mixture; of Beta, Normal and Gamma) or ``"logarithmic"`` (of exponential
        families).

    Raises
    ------
    PriorError
        If a family has no such pool, or the weights do not suit.
    OptionError
        Unknown family or pooling.
    """
    require_known(family, ELICITED, "family for elicitation")
    require_known(pooling, POOLINGS, "pooling")
    share = np.asarray(weights, dtype=float)
    if len(share) != len(fits) or np.any(share < 0) or not share.sum() > 0:
        raise PriorError("A pool needs one weight a distribution, 0 or more, not all 0.")
    share = share / share.sum()
    if pooling == "linear":
        if family not in MIXED:
            raise PriorError(
                f"A linear pool of {family} distributions is no prior here. Use a family among "
                f"{listed(tuple(MIXED))}, or a logarithmic pool."
            )
        parts = tuple(
            Component(weight=float(w), arguments=dict(fit))
            for w, fit in zip(share, fits, strict=True)
        )
        return Density(distribution=family, arguments={}, mixture=parts)
    if family not in _NATURAL:
        raise PriorError(
            f"A logarithmic pool of {family} distributions is no {family} distribution. Known: "
            f"{listed(_NATURAL)}."
        )
    there, back = _NATURAL[family]
    natural = share @ np.array([there(fit) for fit in fits])
    return Density(distribution=family, arguments=back(natural))


def elicitation_faults(entry: PriorEntry) -> list[str]:
    """Say where an entry is not what its experts said; the last, vague component is set aside."""
    if entry.elicitation is None:
        return []
    try:
        found = elicit(entry.elicitation, entry.distribution)
    except (PriorError, OptionError) as error:
        return [f"elicitation: {error}"]
    stated = entry.density
    if entry.robustness is not None:
        stated = _without_last(stated)
    if _alike(stated, found):
        return []
    return [f"elicitation: the experts' statements give {found.text()}, not {stated.text()}."]


def _preliz() -> ModuleType:
    try:
        import preliz
    except ImportError as error:
        raise PriorError(
            "Elicitation needs PreliZ, which is not installed. Install the extra 'elicit': "
            "pip install 'twinbayes[elicit]'."
        ) from error
    module: ModuleType = preliz
    return module


def _maximum_entropy(
    preliz: ModuleType, expert: Expert, family: str, low: float, high: float
) -> dict[str, float]:
    lower, upper = expert.values
    (mass,) = expert.probabilities
    _require_support(expert, np.array([lower, upper]), family, low, high)
    arguments, reached = {}, math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the mass is looked at below
        with suppress(ArithmeticError, LookupError, ValueError):  # it gives up in these ways
            found = preliz.maxent(getattr(preliz, family)(), lower, upper, mass, plot=False)
            arguments = {key: float(getattr(found, key)) for key in FAMILIES[family].arguments}
            frozen = FAMILIES[family].frozen(*arguments.values())
            reached = float(frozen.cdf(upper) - frozen.cdf(lower))
    if not all(map(math.isfinite, arguments.values())) or not abs(reached - mass) <= MISSED:
        raise PriorError(
            f"expert {expert.role!r}: no {family} distribution was found with probability "
            f"{mass:g} from {lower:g} to {upper:g} (reached: {reached:.3g}). Try another family, "
            "or ask for other values."
        )
    return arguments


def _least_squares(
    preliz: ModuleType,
    family: str,
    at: NDArray[np.float64],
    below: NDArray[np.float64],
    spread: NDArray[np.float64],
    role: str,
) -> dict[str, float]:
    """Minimise the squares of fitted less stated probabilities, positive arguments in logs."""
    names = tuple(FAMILIES[family].arguments)
    positive = np.array([FAMILIES[family].arguments[key] == "positive" for key in names])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a start need not match both moments
        start = preliz.match_moments(
            spread, getattr(preliz, family)(), moments="m" if len(names) == 1 else "mv", plot=False
        )
    first = np.array([float(getattr(start, key)) for key in names])
    if not np.all(np.isfinite(first)):
        raise PriorError(f"expert {role!r}: no {family} distribution comes near what was stated.")

    def arguments(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(positive, np.exp(np.clip(x, -50, 50)), x)

    def misses(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(FAMILIES[family].frozen(*arguments(x)).cdf(at) - below)

    begin = np.where(positive, np.log(np.maximum(first, 1e-8)), first)
    found = least_squares(misses, begin, x_scale="jac", xtol=1e-14, ftol=1e-14, gtol=1e-14)
    return dict(zip(names, map(float, arguments(found.x)), strict=True))


def _require_support(
    expert: Expert, values: NDArray[np.float64], family: str, low: float, high: float
) -> None:
    if np.any((values < low) | (values > high)):
        raise PriorError(
            f"expert {expert.role!r}: {family} lies from {low:g} to {high:g}, but the values go "
            f"from {values.min():g} to {values.max():g}. Choose another family or scale."
        )


def _rounded(arguments: Arguments) -> dict[str, float]:
    noise = _NOISE * max(map(abs, arguments.values()))
    return {
        key: float(f"{value:.{_DIGITS}g}") if abs(value) > noise else 0.0
        for key, value in arguments.items()
    }


def _without_last(stated: Density) -> Density:
    """Set the vague component aside, and let the others share its weight."""
    rest = stated.mixture[:-1]
    total = sum(part.weight for part in rest)
    if len(rest) == 1:
        return Density(distribution=stated.distribution, arguments=rest[0].arguments)
    parts = tuple(Component(weight=p.weight / total, arguments=p.arguments) for p in rest)
    return replace(stated, mixture=parts)


def _alike(stated: Density, found: Density) -> bool:
    def rows(density: Density) -> list[list[float]]:
        order = FAMILIES[density.distribution].arguments
        parts = density.mixture or (Component(weight=1.0, arguments=density.arguments),)
        return [[p.weight, *(p.arguments[key] for key in order)] for p in parts]

    a, b = rows(stated), rows(found)
    return len(a) == len(b) and np.allclose(a, b, rtol=_AGREES, atol=1e-3)


_Natural = tuple[Callable[[Arguments], list[float]], Callable[[Any], dict[str, float]]]


def _normal_natural(a: Arguments) -> list[float]:
    return [a["mu"] / a["sigma"] ** 2, 1 / a["sigma"] ** 2]


def _normal_again(n: Any) -> dict[str, float]:
    return {"mu": float(n[0] / n[1]), "sigma": float(n[1] ** -0.5)}


def _plain_pair(a: Arguments) -> list[float]:
    # The parameters less one or with the sign changed are the natural ones: means agree.
    return [a["alpha"], a["beta"]]


def _pair_again(n: Any) -> dict[str, float]:
    return {"alpha": float(n[0]), "beta": float(n[1])}


_NATURAL: Final[Mapping[str, _Natural]] = MappingProxyType({
    "Normal": (_normal_natural, _normal_again),
    "LogNormal": (_normal_natural, _normal_again),
    "HalfNormal": (lambda a: [a["sigma"] ** -2], lambda n: {"sigma": float(n[0] ** -0.5)}),
    "Exponential": (lambda a: [a["lam"]], lambda n: {"lam": float(n[0])}),
    "Beta": (_plain_pair, _pair_again),
    "Gamma": (_plain_pair, _pair_again),
    "InverseGamma": (_plain_pair, _pair_again),
})  # fmt: skip
