"""Models of aggregate data: basket trials and historical controls."""

from __future__ import annotations

from typing import Final

from twinbayes.cohort.aggregate import RESPONSE
from twinbayes.model.aggregate.spec import AggregateSpec
from twinbayes.model.pooling.protocol import Pooling
from twinbayes.model.pooling.table import pooling_of


def basket(
    *,
    outcome: str = RESPONSE,
    pooling: str | Pooling = "exnex",
    covariates: tuple[str, ...] = (),
    unit: float = 1.0,
) -> AggregateSpec:
    """Describe a basket trial: one treatment, several subgroups that may respond differently.

    Parameters
    ----------
    outcome
        ``response``, ``mean``, ``rate`` or ``log_hazard_ratio``.
    pooling
        How subgroups borrow from each other: a name of `poolings.POOLINGS`, or a strategy.
    covariates, unit
        See `AggregateSpec`.
    """
    return AggregateSpec(
        name="basket",
        title="Basket trial",
        outcome=outcome,
        pooling=pooling_of(pooling),
        covariates=covariates,
        unit=unit,
        priors="basket",
    )


def historical(
    *,
    outcome: str = RESPONSE,
    pooling: str | Pooling = "exchangeable",
    covariates: tuple[str, ...] = (),
    unit: float = 1.0,
) -> AggregateSpec:
    """Describe control arms of earlier studies, and what they say of a new one.

    Parameters
    ----------
    outcome, covariates, unit
        See `AggregateSpec`.
    pooling
        ``exchangeable`` for a meta-analytic-predictive prior; `RobustMap`, `Commensurate` or
        `PowerPrior` where one of the studies is the present one.
    """
    return AggregateSpec(
        name="historical",
        title="Historical controls",
        outcome=outcome,
        pooling=pooling_of(pooling),
        covariates=covariates,
        unit=unit,
        priors="historical",
    )


AGGREGATES: Final = {"basket": basket, "historical": historical}
