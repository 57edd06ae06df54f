"""Diseases: one file each, YAML in the folder ``diseases``, or Python here where it has options.

A Python file declares what it adds, ``DISEASES: Final = {"aml": aml}``; shared courses declare
nothing. The priors of a disease are what its description names: a set of the library, or its own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, overload

from twinbayes.discovery import collect
from twinbayes.errors import OptionError, require_known
from twinbayes.model import ModelSpec
from twinbayes.model.aggregate.spec import AggregateSpec
from twinbayes.model.files.reading import is_model_file, read_model
from twinbayes.paths import path_of
from twinbayes.resources import disease_files


def _from_file(path: Path) -> Callable[[], ModelSpec]:
    def described() -> ModelSpec:
        return read_model(path)

    return described


def _every() -> dict[str, Callable[..., ModelSpec]]:
    """All diseases by name, whether in Python or a file."""
    found: dict[str, Callable[..., ModelSpec]] = collect(__name__, "DISEASES")
    for name, path in disease_files().items():
        if name in found:
            raise OptionError(f"{path.name}: a Python file declares {name!r} already. Rename one.")
        found[name] = _from_file(path)
    return dict(sorted(found.items()))


DISEASES: Final[Mapping[str, Callable[..., ModelSpec]]] = MappingProxyType(_every())
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
def disease(name: str | Path, **options: Any) -> ModelSpec: ...


def disease(name: str | Path, **options: Any) -> ModelSpec | AggregateSpec:
    """Return the model of a disease, or of aggregate data.

    Parameters
    ----------
    name
        A key of `DISEASES`, such as ``aml`` or ``pbc`` (each file says what it describes), or of
        `AGGREGATES`: ``basket``, ``historical``; or the path of a disease file of your own, which
        ends in ``.yaml``.
    **options
        Options of that disease's function, such as ``pooling="none"`` for ``aml``. Files have
        none.

    Raises
    ------
    OptionError
        The name or an option is unknown; the message lists the known ones.
    ModelFileError
        The file breaks its rules: all faults, each with its line.

    Examples
    --------
    >>> tb.disease("aml", pooling="horseshoe").title
    'Acute myeloid leukaemia, intensively treated adults'
    """
    if not isinstance(name, str) or is_model_file(name):
        path = path_of(name, OptionError, "disease")
        if options:
            raise OptionError(
                f"A disease file has no options, and {', '.join(map(repr, options))} was given. "
                "Write it into the file."
            )
        return read_model(path)
    models: dict[str, Callable[..., ModelSpec | AggregateSpec]] = {**DISEASES, **AGGREGATES}
    require_known(name, models, "disease")
    known = tuple(inspect.signature(models[name]).parameters)
    for option in options:
        require_known(option, known, f"option of disease {name!r}")
    return models[name](**options)


__all__ = ["AGGREGATES", "DISEASES", "disease"]
