"""Diseases: one file each, listed in one table."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final, Literal, overload

from twinbayes.diseases.aggregate import basket, historical
from twinbayes.diseases.aml import aml
from twinbayes.diseases.cml import cml
from twinbayes.diseases.hsct import hsct, hsct_illness_death
from twinbayes.diseases.pbc import pbc
from twinbayes.diseases.registry import registry
from twinbayes.diseases.survival import survival
from twinbayes.errors import require_known
from twinbayes.model import ModelSpec
from twinbayes.model.aggregate.spec import AggregateSpec

DISEASES: Final[MappingProxyType[str, Callable[..., ModelSpec]]] = MappingProxyType(
    {
        "aml": aml,
        "cml": cml,
        "hsct": hsct,
        "hsct_illness_death": hsct_illness_death,
        "pbc": pbc,
        "registry": registry,
        "survival": survival,
    }
)
"""Every disease by name; contract tests run over this table."""

AGGREGATES: Final[MappingProxyType[str, Callable[..., AggregateSpec]]] = MappingProxyType(
    {"basket": basket, "historical": historical}
)
"""Every model of aggregate data by name."""

type _Aggregate = Literal["basket", "historical"]


@overload
def disease(name: _Aggregate, **options: Any) -> AggregateSpec: ...


@overload
def disease(name: str, **options: Any) -> ModelSpec: ...


def disease(name: str, **options: Any) -> ModelSpec | AggregateSpec:
    """Return the model of a disease, or of aggregate data.

    Parameters
    ----------
    name
        A key of `DISEASES`: ``aml``, ``cml`` (BCR-ABL1 and treatment-free remission), ``hsct``
        (recovery, adverse events, relapse and death after stem-cell transplantation),
        ``hsct_illness_death``, ``pbc`` (joint model of bilirubin and death in primary biliary
        cirrhosis), ``registry``, ``survival``; or of `AGGREGATES`: ``basket``, ``historical``.
    **options
        Options of that disease's function, such as ``pooling="none"`` for ``aml``.

    Raises
    ------
    OptionError
        The name or an option is unknown; the message lists the known ones.
    """
    models: dict[str, Callable[..., ModelSpec | AggregateSpec]] = {**DISEASES, **AGGREGATES}
    require_known(name, models, "disease")
    known = tuple(inspect.signature(models[name]).parameters)
    for option in options:
        require_known(option, known, f"option of disease {name!r}")
    return models[name](**options)


__all__ = ["AGGREGATES", "DISEASES", "disease"]
