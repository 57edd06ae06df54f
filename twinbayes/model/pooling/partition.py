"""Pooling by partitions: which subgroups share an effect, averaged over every way to group them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from twinbayes.errors import ModelError
from twinbayes.model.pooling.protocol import (
    BELONGS,
    EffectNames,
    report,
    require_positive,
    unknown_group,
)
from twinbayes.model.pooling.quantile.op import log_sum_exp, mixture_quantile
from twinbayes.model.storing.typed import typed
from twinbayes.priors import PriorSet
from twinbayes.tensors import Tensor

#: Seven subgroups can be grouped in 877 ways, eight in 4,140, fourteen in 190,899,322.
MOST_GROUPS: Final = 8


@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class BMAExchangeability:
    """Bayesian model averaging over all partitions of the subgroups.

    Subgroups of one block share an effect, up to a normal scatter of standard deviation
    `tolerance`; blocks have independent effects, drawn from the block's mean prior (normal with
    standard deviation `own_sd` where the mean is carried elsewhere). Partitions are summed over.

    Parameters
    ----------
    tolerance
        What still counts as the same effect, on its own scale.
    log_weight
        The prior weight of a partition is ``exp(log_weight * number of blocks)``: 0 makes all
        partitions alike, less favours pooling.
    own_sd
        Spread of blocks whose mean is carried elsewhere.

    Notes
    -----
    At most 8 subgroups. Sources: Kaizer, Koopmeiners & Hobbs (2018), Biostatistics 19, 169-184;
    Psioda, Xu, Jiang, Ke, Yang & Ibrahim (2021), Biostatistics 22, 19-34.

    Examples
    --------
    >>> tb.disease("basket", pooling=BMAExchangeability()).title
    'Basket trial'
    """

    tolerance: float = 0.1
    log_weight: float = 0.0
    own_sd: float = 2.0
    kind: str = "bma_exchangeability"
    reaches_new_subgroups: bool = False

    def __post_init__(self) -> None:
        require_positive(self.tolerance, "BMAExchangeability: tolerance")
        require_positive(self.own_sd, "BMAExchangeability: own_sd")
        if not np.isfinite(self.log_weight):
            raise ModelError(f"BMAExchangeability: log_weight {self.log_weight!r} is not finite.")

    def build(
        self,
        names: EffectNames,
        dims: tuple[str, str],
        rows: Sequence[str],
        n_groups: int,
        priors: PriorSet,
    ) -> Tensor:
        """Return effects, (rows, groups); records the probability of sharing with any other."""
        if n_groups > MOST_GROUPS:
            raise ModelError(
                f"Pooling {self.kind!r} sums over all ways to group the subgroups, at most "
                f"{MOST_GROUPS} of them; there are {n_groups}. Use 'exnex', which lets each "
                "subgroup belong with the others or stand alone."
            )
        mean, sd = self._blocks(names, rows, priors)
        z = pm.Normal(names.offset, 0.0, 1.0, dims=dims)
        columns: list[Tensor] = []
        for j in range(n_groups):
            columns.append(self._next(z[:, j], columns, mean, sd, n_groups))
        theta = pt.stack(columns, axis=1)
        blocks, members, log_prior = partitions(n_groups, n_groups, self.log_weight)
        deviation = theta - mean[:, None]
        terms = _log_blocks(deviation, sd[:, None], members, self.tolerance) @ blocks.T + log_prior
        alone = np.stack([blocks[:, _singleton(members, j)] for j in range(n_groups)], axis=1)
        weight = pt.exp(terms - log_sum_exp(terms))
        pm.Deterministic(f"{names.total}_{BELONGS}", 1.0 - weight @ alone, dims=dims)
        if names.mean_prior is None:
            theta = theta - theta.mean(axis=1, keepdims=True)
        else:
            pm.Deterministic(names.mean, theta.mean(axis=1), dims=dims[:1])
        return report(names.total, theta, dims)

    def _next(
        self, z: Tensor, before: list[Tensor], mean: np.ndarray, sd: np.ndarray, n_groups: int
    ) -> Tensor:
        """Effect of one more group, (row,), given those before it.

        It joins a block of theirs or starts one of its own: a mixture of normal distributions,
        whose quantile at a standard normal number has exactly the prior that is wanted.
        """
        if not before:
            first: Tensor = mean + np.sqrt(sd**2 + self.tolerance**2) * z
            return first
        j = len(before)
        blocks, members, log_prior = partitions(j + 1, n_groups, self.log_weight)
        joined = _joined(blocks, members)
        deviation = pt.stack(before, axis=1) - mean[:, None]
        rest = members[:, :j]  # what is left of a block without the newcomer
        log_block = _log_blocks(deviation, sd[:, None], rest, self.tolerance)
        terms = log_block @ blocks.T + log_prior
        choices = np.unique(joined)
        log_weight = pt.stack(
            [log_sum_exp(terms[:, np.flatnonzero(joined == k)])[:, 0] for k in choices], axis=1
        )
        size = rest[choices].sum(axis=1)
        shared = 1.0 / (1.0 / sd[:, None] ** 2 + size / self.tolerance**2)
        centre = shared / self.tolerance**2 * (deviation @ rest[choices].T)
        weight = pt.exp(log_weight - log_sum_exp(log_weight))
        spread = np.sqrt(shared + self.tolerance**2)
        drawn: Tensor = mean + mixture_quantile(z, weight, centre, pt.as_tensor(spread))
        return drawn

    def _blocks(
        self, names: EffectNames, rows: Sequence[str], priors: PriorSet
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of what a block has in common, one a row."""
        if names.mean_prior is None:
            return np.zeros(len(rows)), np.full(len(rows), self.own_sd)
        entries = [priors.get_entry(names.mean_prior, row) for row in rows]
        other = sorted({e.distribution for e in entries} - {"Normal"})
        if other:
            raise ModelError(
                f"Pooling {self.kind!r} integrates over a normal prior {names.mean_prior!r}; found "
                f"{', '.join(other)}. Override it by a Normal entry."
            )
        return (
            np.array([e.arguments["mu"] for e in entries]),
            np.array([e.arguments["sigma"] for e in entries]),
        )

    def draw_new(
        self, mean: np.ndarray, scale: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        """Refuse: whose block another subgroup belongs to, its own data would have to say."""
        raise unknown_group(self.kind)


@cache
def partitions(
    n_first: int, n_groups: int, log_weight: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """List every partition of the first of some groups.

    Returns
    -------
    tuple
        (partition, block) 0/1, which blocks make up a partition; (block, group) 0/1, who is in a
        block; (partition,) log prior weight, that of all partitions of all groups which agree.
    """
    members = np.array(
        [[code >> j & 1 for j in range(n_first)] for code in range(1, 2**n_first)], dtype=float
    )
    rows = list(_grown(n_first))
    blocks = np.zeros((len(rows), len(members)))
    for row, codes in zip(blocks, rows, strict=True):
        row[[code - 1 for code in codes]] = 1.0
    where = {frozenset(codes): k for k, codes in enumerate(rows)}
    mask = 2**n_first - 1
    log_prior = np.full(len(rows), -np.inf)
    for whole in _grown(n_groups):
        k = where[frozenset(code & mask for code in whole if code & mask)]
        log_prior[k] = np.logaddexp(log_prior[k], log_weight * len(whole))
    return blocks, members, log_prior - np.logaddexp.reduce(log_prior)


def _joined(blocks: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Of each partition, the index of the block that the last group is in."""
    return np.asarray(np.argmax(blocks * members[:, -1], axis=1))


def _grown(n_groups: int) -> Iterator[tuple[int, ...]]:
    """Partitions as tuples of blocks, a block as the bits of its members."""
    if n_groups == 0:
        yield ()
        return
    bit = 1 << (n_groups - 1)
    for smaller in _grown(n_groups - 1):
        yield (*smaller, bit)
        for k, block in enumerate(smaller):
            yield (*smaller[:k], block | bit, *smaller[k + 1 :])


def _log_blocks(deviation: Tensor, sd: np.ndarray, members: np.ndarray, tolerance: float) -> Tensor:
    """(row, block) log density of the members' deviations when they share one normal value."""
    n = members.sum(axis=1)
    own = tolerance**2
    shared = own + n * sd**2
    total, squares = deviation @ members.T, deviation**2 @ members.T
    distance = (squares - sd**2 * total**2 / shared) / own
    # a block of nobody has density 1
    constant = n * np.log(2.0 * np.pi) + (n - 1.0) * np.log(own) + np.log(shared)
    log_density: Tensor = -0.5 * (constant + distance)
    return log_density


def _singleton(members: np.ndarray, group: int) -> int:
    return int(np.flatnonzero((members.sum(axis=1) == 1) & (members[:, group] == 1))[0])
