"""The likelihood of aggregate data of which one source may count for less than the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from twinbayes.arrays import Floats
from twinbayes.cohort.aggregate import RESPONSE
from twinbayes.model.aggregate.likelihood import row_logp
from twinbayes.model.aggregate.power_limit import NormalSource
from twinbayes.model.aggregate.power_normaliser import LogNormaliser
from twinbayes.model.pooling.power import LatentExchangeability, PowerPrior
from twinbayes.model.pooling.protocol import BELONGS, Pooling
from twinbayes.model.pooling.quantile.op import log_sum_exp
from twinbayes.model.pooling.table import discounts
from twinbayes.names import COEFFICIENT
from twinbayes.priors import PriorSet
from twinbayes.tensors import Tensor

EFFECT_MEAN: Final = "effect_mean"
POWER: Final = "power"
#: Coefficients of those patients of a source who do not belong with the others.
OTHER_CLASS: Final = "effect_other_class"
#: Share of a source's patients who belong.
SHARE: Final = "effect_share"
_MIXED: Final = "effect_mixed"


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of aggregate data, as numbers and as variables of the model that is being built.

    Attributes
    ----------
    outcome, unit
        As in `row_likelihood`.
    coefficients, labels
        Names of the coefficients and of the subgroups.
    group
        (row,) index of the subgroup.
    design, first, second
        (row, coefficient), a first column of 1 included, and (row,).
    terms, observed
        The same as variables: columns of the design but for the first, and the outcome's two.
    """

    outcome: str
    unit: float
    coefficients: Sequence[str]
    labels: Sequence[str]
    group: np.ndarray
    design: Floats
    first: Floats
    second: Floats
    terms: tuple[Tensor, ...]
    observed: tuple[Tensor, Tensor]

    def predictor(self, theta: Tensor) -> Tensor:
        """(row,) linear predictor under coefficients (coefficient, subgroup)."""
        eta: Tensor = theta[0, self.group]
        for k, x in enumerate(self.terms, start=1):
            eta = eta + theta[k, self.group] * x
        return eta

    def logp(self, theta: Tensor) -> Tensor:
        """(row,) log-likelihood under coefficients (coefficient, subgroup)."""
        value: Tensor = row_logp(self.outcome, self.predictor(theta), *self.observed, self.unit)
        return value

    def of(self, source: str) -> np.ndarray:
        """(row,) whether a row is the source's."""
        return np.asarray(self.group == list(self.labels).index(source))


def loglik(rows: Rows, pooling: Pooling, theta: Tensor, priors: PriorSet) -> Tensor:
    """Log-likelihood under coefficients (coefficient, subgroup); may add to the current model.

    Raises
    ------
    ModelError
        The pooling asks for what data or priors do not allow.
    """
    if isinstance(pooling, LatentExchangeability):
        return _of_two_classes(rows, pooling, theta, priors)
    if isinstance(pooling, PowerPrior) and (pooling.power is None or pooling.asymptotic):
        return _discounted(rows, pooling, theta, priors)
    total: Tensor = (rows.logp(theta) * discounts([pooling], rows.labels)[rows.group]).sum()
    return total


def _discounted(rows: Rows, pooling: PowerPrior, theta: Tensor, priors: PriorSet) -> Tensor:
    """The source to a power that is learnt, or as its large-sample limit, or both."""
    source = rows.of(pooling.source)
    entries = [priors.get_entry(EFFECT_MEAN, x) for x in rows.coefficients]
    settings = (rows.outcome, rows.design[source], rows.first[source], rows.second[source])
    fixed = pooling.power
    power: Tensor = pm.Beta(POWER, *pooling.shape) if fixed is None else pt.as_tensor(fixed)
    if not pooling.asymptotic:
        normaliser = LogNormaliser.of(*settings, unit=rows.unit, priors=entries)
        pm.Potential("power_normaliser", -normaliser.at(power))
        total: Tensor = (rows.logp(theta) * pt.switch(pt.as_tensor(source), power, 1.0)).sum()
        return total
    normal = NormalSource.of(*settings, unit=rows.unit)
    if pooling.power is None:
        pm.Potential("power_normaliser", -normal.log_normaliser(power, entries))
    total = (rows.logp(theta) * (~source).astype(float)).sum()
    total += power * normal.logp(theta[:, list(rows.labels).index(pooling.source)])
    return total


def _of_two_classes(
    rows: Rows, pooling: LatentExchangeability, theta: Tensor, priors: PriorSet
) -> Tensor:
    """Each patient of the source is as the others, or of a class with coefficients of its own."""
    other = priors.make(OTHER_CLASS, EFFECT_MEAN, dims=(COEFFICIENT,), qualifiers=rows.coefficients)
    pm.modelcontext(None).add_coord(_MIXED, [pooling.source])
    share = pm.Beta(SHARE, *pooling.shape)
    everywhere = share + pt.zeros((len(rows.coefficients), 1))
    pm.Deterministic(f"effect_{BELONGS}", everywhere, dims=(COEFFICIENT, _MIXED))
    apart = other[:, None] + pt.zeros((1, len(rows.labels)))
    ways = (pt.log(share), theta), (pt.log1p(-share), apart)
    if rows.outcome == RESPONSE:  # a patient responds or not: both chances are those of a mixture
        n, eta = rows.observed[1], [rows.predictor(way) for _, way in ways]
        yes, no = (
            _either(*(w - pt.softplus(sign * e) for (w, _), e in zip(ways, eta, strict=True)))
            for sign in (-1.0, 1.0)
        )
        mixed = rows.observed[0] * yes + (n - rows.observed[0]) * no
    else:
        mixed = _either(*(w + rows.logp(way) for w, way in ways))
    total: Tensor = pt.switch(pt.as_tensor(rows.of(pooling.source)), mixed, rows.logp(theta)).sum()
    return total


def _either(one: Tensor, other: Tensor) -> Tensor:
    """Log of the sum of two probabilities given by their logarithms."""
    total: Tensor = log_sum_exp(pt.stack([one, other], axis=-1))[..., 0]
    return total
