"""Diseases: one file each, found in this folder.

A file declares what it adds, ``DISEASES: Final = {"aml": aml}``; shared courses declare nothing.
The priors of a disease are the set of the library that its description names.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, overload

from twinbayes.discovery import collect
from twinbayes.errors import OptionError, require_known
from twinbayes.model import ModelSpec
from twinbayes.model.aggregate.spec import AggregateSpec

DISEASES: Final[Mapping[str, Callable[..., ModelSpec]]] = MappingProxyType(
    collect(__name__, "DISEASES")
)
"""Every disease by name; contract tests run over this table."""

AGGREGATES: Final[Mapping[str, Callable[..., AggregateSpec]]] = MappingProxyType(
    collect(__name__, "AGGREGATES")
)
"""Every model of aggregate data by name."""

for _name in DISEASES.keys() & AGGREGATES.keys():
    raise OptionError(f"{_name!r} is declared as a disease and as a model of aggregate data.")

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
        A key of `DISEASES`, such as ``aml`` or ``pbc`` (each file says what it describes), or of
        `AGGREGATES`: ``basket``, ``historical``.
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
