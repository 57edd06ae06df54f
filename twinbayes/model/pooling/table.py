"""Every pooling strategy by name, and what a model makes of several of them.

=======================  ==========================================================
``complete``             one value for all subgroups
``none``                 each subgroup its own, independent prior
``exchangeable``         subgroups drawn from one normal or Student's t distribution
``exnex``                each is exchangeable with the others, or stands alone
``horseshoe``            most are as the others, a few may differ much
``r2d2``                 heterogeneity is a share of variance, divided among them
``commensurate``         each follows one source, as closely as its data bear out
``power_prior``          one value for all, the source's patients counting for less
``robust_map``           the target follows history, or it does not
``bma_exchangeability``  every way to group them, averaged
=======================  ==========================================================

Aggregate models know one more, `LatentExchangeability`: a source of which some patients belong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from twinbayes.errors import ModelError, OptionError, require_known
from twinbayes.model.pooling.basic import Complete, Exchangeable, NoPooling
from twinbayes.model.pooling.mixture import Commensurate, ExNex, RobustMap
from twinbayes.model.pooling.partition import BMAExchangeability
from twinbayes.model.pooling.power import LatentExchangeability, PowerPrior
from twinbayes.model.pooling.protocol import Pooling
from twinbayes.model.pooling.sparse import R2D2, Horseshoe
from twinbayes.model.registration import is_same_definition

_BY_KIND: Final[dict[str, type[Any]]] = {
    "complete": Complete,
    "none": NoPooling,
    "exchangeable": Exchangeable,
    "exnex": ExNex,
    "horseshoe": Horseshoe,
    "r2d2": R2D2,
    "commensurate": Commensurate,
    "power_prior": PowerPrior,
    "robust_map": RobustMap,
    "bma_exchangeability": BMAExchangeability,
}

POOLINGS: Final[Mapping[str, type[Any]]] = MappingProxyType(_BY_KIND)
"""Every strategy by the name that reports use; contract tests run over this table."""

FOR_AGGREGATES: Final[Mapping[str, type[Any]]] = MappingProxyType(
    {"latent_exchangeability": LatentExchangeability}
)
"""Strategies of aggregate models alone."""


def add_pooling(pooling: type[Any]) -> None:
    """Add a strategy of one's own to `POOLINGS`; `catalogue.register` calls it.

    Raises
    ------
    ModelError
        Its kind is not known from the class alone, or is that of another strategy.
    """
    kind = next((f.default for f in fields(pooling) if f.name == "kind"), None)
    if not isinstance(kind, str):
        raise ModelError(
            f"The pooling {pooling.__name__!r} cannot be registered: its kind, by which it is "
            "chosen and variables are named, is not known. Give it a field such as kind: str = "
            '"half_way".'
        )
    known = {**POOLINGS, **FOR_AGGREGATES}.get(kind, pooling)
    if not is_same_definition(known, pooling):
        raise ModelError(
            f"The pooling {pooling.__name__!r} cannot be registered: another is of the kind "
            f"{kind!r}. Choose another."
        )
    _BY_KIND[kind] = pooling


def pooling_of(strategy: str | Pooling) -> Pooling:
    """Return a strategy, given itself or its name.

    Raises
    ------
    OptionError
        It is neither a strategy nor a known name; the message lists the names.
    """
    if isinstance(strategy, str):
        known: Pooling = POOLINGS[require_known(strategy, POOLINGS, "pooling")]()
        return known
    if not isinstance(strategy, Pooling):
        raise OptionError(
            f"pooling={strategy!r} is neither a strategy nor the name of one. Known: "
            f"{', '.join(map(repr, POOLINGS))}."
        )
    return strategy


def discounts(strategies: Iterable[Pooling], labels: Sequence[str]) -> np.ndarray:
    """Powers of the likelihood of each subgroup under all strategies of a model, (group,).

    Raises
    ------
    ModelError
        Two power priors differ in source or power, or a strategy is for aggregate models only.
    """
    discounting = PowerPrior | LatentExchangeability
    found = list(dict.fromkeys(s for s in strategies if isinstance(s, discounting)))
    if not found:
        return np.ones(len(labels))
    if len(found) > 1:
        raise ModelError(
            "Power priors discount the patients of a subgroup as a whole; found several that "
            "differ in source or power. Use the same one throughout the model."
        )
    return found[0].discounts(labels)
