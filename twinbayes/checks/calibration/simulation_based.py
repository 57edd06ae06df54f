"""Simulation-based calibration: whether posteriors hold the truth as often as they should.

Draw parameters from the prior and data from the parameters, fit, and rank the true value of each
quantity among its posterior draws. Where prior, simulator, likelihood and sampler agree, ranks are
uniform (Talts et al. 2018). Quantities that look at the data too, above all the joint
log-likelihood, find faults that parameters alone do not show (Modrák et al. 2025). Uniformity is
judged by the ECDF of the ranks at all of its points at once (Säilynoja, Bürkner & Vehtari 2022).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import binom

from twinbayes.arrays import Floats, Ints
from twinbayes.checks.result import SIMULATION_BASED, CheckResult
from twinbayes.errors import OptionError
from twinbayes.inference.thinning import evenly_spaced

_POINTS: Final = 50  # at which an ECDF is looked at, where there are more ranks than that
_SIMULATIONS: Final = 50_000
_SEED: Final = 20180416


def thin(draws: ArrayLike, keep: int) -> Floats:
    """Keep evenly spaced draws of every chain, so that those kept are nearly independent.

    Parameters
    ----------
    draws
        (chain, draw, ...) of any quantity.
    keep
        How many to keep of all chains together, a multiple of their number.

    Returns
    -------
    ndarray
        (keep, ...), chain by chain.

    Raises
    ------
    OptionError
        `keep` is not a multiple of the number of chains, or more than there are.
    """
    values = np.asarray(draws, dtype=np.float64)
    chains, length = values.shape[:2]
    if keep < chains or keep % chains or keep > chains * length:
        raise OptionError(
            f"keep must be a multiple of the {chains} chains and at most {chains * length} draws, "
            f"not {keep}."
        )
    at = evenly_spaced(length, keep // chains)
    kept: Floats = values[:, at].reshape(keep, *values.shape[2:])
    return kept


def rank(truth: ArrayLike, draws: ArrayLike, generator: np.random.Generator) -> Ints:
    """Count the posterior draws below a true value; ties fall to either side at random.

    Parameters
    ----------
    truth
        (...) true values.
    draws
        (draw, ...) posterior draws of the same.
    generator
        Decides ties.

    Returns
    -------
    ndarray
        (...) ranks from 0 to the number of draws.
    """
    true, sample = np.asarray(truth), np.asarray(draws)
    below, equal = (sample < true).sum(axis=0), (sample == true).sum(axis=0)
    ranks: Ints = below + generator.integers(0, equal + 1)
    return ranks


def points(levels: int) -> Ints:
    """Return the ranks at which an ECDF of `levels` different ranks is looked at."""
    if levels < 2:
        raise OptionError(f"levels is the number of possible ranks, at least 2, not {levels}.")
    count = min(_POINTS, levels)
    cuts: Ints = np.unique(np.arange(1, count) * levels // count - 1)
    return cuts


@lru_cache(maxsize=64)
def _tails(n: int, levels: int) -> Floats:
    """(point, count) two-sided tail probability of each count of ranks up to each point."""
    share = (points(levels)[:, None] + 1) / levels
    count = np.arange(n + 1)
    both = np.minimum(binom.cdf(count, n, share), binom.sf(count - 1, n, share))
    tails: Floats = np.minimum(2 * both, 1.0)
    return tails


@lru_cache(maxsize=64)
def _smallest_tails(n: int, levels: int) -> Floats:
    """Smallest tail of the whole ECDF in simulated sets of `n` uniform ranks, in order."""
    cuts = np.r_[0, points(levels) + 1, levels]
    generator = np.random.default_rng([_SEED, n, levels])
    cells = generator.multinomial(n, np.diff(cuts) / levels, size=_SIMULATIONS)
    counts = cells.cumsum(axis=1)[:, :-1]
    smallest: Floats = np.sort(_tails(n, levels)[np.arange(counts.shape[1]), counts].min(axis=1))
    return smallest


def band(n: int, levels: int, probability: float = 0.95) -> tuple[Floats, Floats, Floats]:
    """Simultaneous band of the difference between the ECDF of uniform ranks and a uniform's.

    Parameters
    ----------
    n
        Number of ranks, one a data set.
    levels
        Number of possible ranks, one more than posterior draws.
    probability
        That a calibrated quantity stays inside at every point.

    Returns
    -------
    share, lower, upper
        (point,) each: fractional rank, and bounds of the ECDF minus it.
    """
    if not 0 < probability < 1:
        raise OptionError(f"probability must lie between 0 and 1, not {probability!r}.")
    gamma = float(np.quantile(_smallest_tails(n, levels), 1 - probability, method="lower"))
    share = (points(levels) + 1) / levels
    allowed = _tails(n, levels) >= gamma
    lower = allowed.argmax(axis=1) / n - share
    upper = (n - allowed[:, ::-1].argmax(axis=1)) / n - share
    return share, lower, upper


def uniformity(ranks: ArrayLike, levels: int) -> tuple[float, float]:
    """Smallest pointwise tail of an ECDF of ranks, and how often uniform ranks have a smaller one.

    Parameters
    ----------
    ranks
        (data set,) ranks from 0 to ``levels - 1``.
    levels
        Number of possible ranks.

    Returns
    -------
    gamma, p_value
        The statistic, and its simulated p-value (at least 1 in 50,001).

    Raises
    ------
    OptionError
        No ranks, or ranks that are not among the levels.
    """
    values = np.asarray(ranks)
    if values.ndim != 1 or not len(values):
        raise OptionError("ranks must be one rank a data set, of at least one data set.")
    if values.min() < 0 or values.max() >= levels:
        raise OptionError(f"ranks must lie between 0 and {levels - 1}.")
    cuts = points(levels)
    counts = np.searchsorted(np.sort(values), cuts, side="right")
    gamma = float(_tails(len(values), levels)[np.arange(len(cuts)), counts].min())
    # As small counts as "no tail was smaller": equal tails are ties that count against the ranks.
    smaller = int(np.searchsorted(_smallest_tails(len(values), levels), gamma, side="right"))
    return gamma, (1 + smaller) / (1 + _SIMULATIONS)


def simulation_based_calibration(
    ranks: Mapping[str, ArrayLike], levels: int, *, probability: float = 0.95
) -> CheckResult:
    """Judge the ranks of many quantities together.

    Each quantity gets a simultaneous band. So that a calibrated model keeps all of its quantities
    inside with at least `probability`, that of one band is ``1 - (1 - probability) / quantities``
    (Bonferroni; quantities of one fit are correlated, so it errs towards passing).

    Parameters
    ----------
    ranks
        Quantity -> (data set,) ranks; quantities may differ in the number of data sets.
    levels
        Number of possible ranks, one more than posterior draws.
    probability
        That a calibrated model passes.

    Returns
    -------
    CheckResult
        A row a quantity: ``quantity``, ``n``, ``statistic`` (largest difference between the ECDF
        and a uniform's), ``gamma`` (smallest pointwise tail), ``p_value`` and ``inside``. The
        verdict is ``fail`` where any quantity leaves its band.

    Raises
    ------
    OptionError
        No quantities, or ranks that are not among the levels.

    Examples
    --------
    >>> ranks = np.random.default_rng(1).integers(0, 100, 200)
    >>> simulation_based_calibration({"rate": ranks}, 100).verdict
    'pass'
    """
    if not ranks:
        raise OptionError("There is nothing to judge: give the ranks of one quantity or more.")
    least = (1 - probability) / len(ranks)
    share = (points(levels) + 1) / levels
    rows = []
    for name, values in ranks.items():
        gamma, p_value = uniformity(values, levels)
        ordered = np.sort(np.asarray(values))
        ecdf = np.searchsorted(ordered, points(levels), side="right") / len(ordered)
        rows.append(
            {
                "quantity": name,
                "n": len(ordered),
                "statistic": float(np.abs(ecdf - share).max()),
                "gamma": gamma,
                "p_value": p_value,
                "inside": p_value > least,
            }
        )
    table = pd.DataFrame(rows)
    outside = table.loc[~table["inside"], "quantity"]
    found = (
        f"All {len(table)} quantities stay inside their bands"
        if outside.empty
        else f"{len(outside)} of {len(table)} quantities leave their bands: "
        + ", ".join(outside.head(8))
        + (" and others" if len(outside) > 8 else "")
    )
    return CheckResult(
        "simulation-based calibration",
        "pass" if outside.empty else "fail",
        table,
        f"{found}. Ranks of true values among {levels - 1} posterior draws, "
        f"{table['n'].min()} to {table['n'].max()} data sets; simultaneous ECDF bands that hold "
        f"all quantities of a calibrated model with a probability of at least {probability:g}.",
        SIMULATION_BASED,
    )
