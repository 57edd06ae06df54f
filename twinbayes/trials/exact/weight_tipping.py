"""The weight of a vague component at which a decision changes: its tipping point."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from scipy.special import expit

from twinbayes.errors import PriorError
from twinbayes.priors.mixtures.mixture import Mixture, as_floats
from twinbayes.showing import brief
from twinbayes.trials.exact.decisions import ABOVE, Condition, Decision
from twinbayes.trials.exact.difference import difference_above, require_mixture

_WEIGHTS: Final = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@brief
@dataclass(frozen=True)
class Tipping:
    """How a decision depends on the weight of the vague component.

    Attributes
    ----------
    weights
        Prior weights at which the decision changes, rising; none if it never does.
    table
        One row a prior weight: ``weight``, ``weight_after`` the data, the posterior ``mean`` of
        the arm, the posterior probability of each condition, and ``success``.

    Examples
    --------
    >>> prior = Mixture.of("beta", [(1.0, 4.0, 16.0)])
    >>> found = tipping_points(prior, 8, 20, Decision.when(above(0.2, 0.95)))
    >>> [round(weight, 3) for weight in found.weights]
    [0.373]
    """

    weights: tuple[float, ...]
    table: pd.DataFrame


def tipping_points(
    prior: Mixture,
    observed: float,
    size: float,
    decision: Decision,
    *,
    component: tuple[float, float] | None = None,
    treatment: Mixture | None = None,
    weights: Sequence[float] = _WEIGHTS,
) -> Tipping:
    """Find the weight of the vague component of `Mixture.robust` at which a decision changes.

    A posterior probability is the mean of those under the two parts, weighted by prior weight and
    marginal likelihood; where it equals the probability asked for is a linear equation.

    Parameters
    ----------
    prior
        Informative, without the vague component.
    observed, size
        Data, as in `Mixture.after`.
    decision
        On the parameter; with `treatment`, on treatment minus this arm.
    component
        The vague component, as in `Mixture.robust`.
    treatment
        Posterior of the treatment arm, where `prior` is that of the control arm.
    weights
        Prior weights of the rows of the table.

    Raises
    ------
    PriorError
        Data that cannot be, weights outside 0 to 1, or no vague component where one is needed.

    Examples
    --------
    >>> prior = Mixture.of("beta", [(1.0, 4.0, 16.0)])
    >>> tipping_points(prior, 8, 20, Decision.when(above(0.2, 0.95))).table.shape[0]
    12
    """
    require_mixture(prior)
    if not isinstance(decision, Decision):
        raise PriorError("Give a decision: make it by Decision.when(above(...)).")
    at = as_floats(weights, "Weights of the vague component")
    if at.ndim != 1 or not len(at) or not np.all((at >= 0) & (at <= 1)):
        raise PriorError("Weights of the vague component lie between 0 and 1; give at least one.")
    parts = (prior.robust(0.0, component), prior.robust(1.0, component))
    after = [part.after(observed, size) for part in parts]
    evidence = np.array([part.log_marginal(observed, size) for part in parts])
    sure = np.array([[_sure(c, part, treatment) for c in decision.conditions] for part in after])
    asked = np.array([c.probability for c in decision.conditions])

    # Relative to one another; the better part has 1.
    support = np.exp(evidence - evidence.max())
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = support[:, None] * (sure - asked)
        turns = gain[0] / (gain[0] - gain[1])
    inside = sorted({float(t) for t in turns if 0.0 < t < 1.0})
    edges = [0.0, *inside, 1.0]
    middles = np.array([0.5 * (a + b) for a, b in itertools.pairwise(edges)])
    holds = np.all(_mixed(middles, evidence, sure) > asked, axis=1)
    changes = tuple(t for t, a, b in zip(inside, holds[:-1], holds[1:], strict=True) if a != b)

    probability = _mixed(at, evidence, sure)
    table = pd.DataFrame({"weight": at, "weight_after": _after(at, evidence)})
    means = np.array([part.mean for part in after])
    table["mean"] = _mixed(at, evidence, means[:, None])[:, 0]
    for k, c in enumerate(decision.conditions):
        table[f"{c.side} {c.value:g}"] = probability[:, k]
    table["success"] = np.all(probability > asked, axis=1)
    return Tipping(changes, table)


def _sure(condition: Condition, posterior: Mixture, treatment: Mixture | None) -> float:
    """Posterior probability that a condition asks for."""
    over = (
        1.0 - float(posterior.cdf(condition.value))
        if treatment is None
        else difference_above(treatment, posterior, condition.value)
    )
    return over if condition.side == ABOVE else 1.0 - over


def _after(weight: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    """Weight of the vague component after the data."""
    with np.errstate(divide="ignore"):
        odds = np.log(weight) - np.log1p(-weight) + evidence[1] - evidence[0]
    return np.asarray(expit(odds))


def _mixed(weight: np.ndarray, evidence: np.ndarray, of_parts: np.ndarray) -> np.ndarray:
    """(weight, ...) mean of the two parts."""
    share = _after(weight, evidence)[:, None]
    return np.asarray((1 - share) * of_parts[0] + share * of_parts[1])
