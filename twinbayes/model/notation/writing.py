"""A model written as a file that reads back to the same model."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from twinbayes.documents import yaml_text
from twinbayes.errors import ModelError, StorageError
from twinbayes.model.courses.labels import StateLabel
from twinbayes.model.covariates.terms import Group, Interaction, Term
from twinbayes.model.curves.means.own import OwnMean
from twinbayes.model.notation.kinds import CHOICES, KIND, kind_of
from twinbayes.model.notation.layout import EVENTS, GRAPH, KEYS, SCHEMA
from twinbayes.paths import path_of
from twinbayes.priors.files.extended import OwnPriors
from twinbayes.private_files import write_private

if TYPE_CHECKING:
    from twinbayes.model.courses.graph import Treatment
    from twinbayes.model.events.process import EventProcess


class Described(Protocol):
    """What of a model is written."""

    @property
    def name(self) -> str:
        """Identifier."""
        ...

    @property
    def title(self) -> str:
        """One line for people."""
        ...

    @property
    def events(self) -> EventProcess:
        """The event process."""
        ...

    @property
    def priors(self) -> str | OwnPriors:
        """Name of a set of the library, or a set of its own."""
        ...


def write_model(spec: Described, path: str | Path) -> Path:
    """Write a disease file.

    Raises
    ------
    ModelError
        The name does not end in ``.yaml``, the place cannot be written to, or a part of the model
        has no kind by which a file could name it.
    """
    path = path_of(path, ModelError, "write")
    if path.suffix not in (".yaml", ".yml"):
        raise ModelError(f"A disease file ends in .yaml, and {path.name[:60]!r} does not.")
    text = text_of(spec)
    try:
        write_private(path, text)
    except StorageError as error:
        raise ModelError(str(error)) from error
    return path


def text_of(spec: Described) -> str:
    """The text of a disease file."""
    events, graph = spec.events, spec.events.graph
    own: dict[str, Any] = {"schema": SCHEMA, "name": spec.name, "title": spec.title}
    own["priors"] = _priors(spec.priors)
    own |= _changed(graph, GRAPH)
    own["treatments"] = [_treatment(t) for t in graph.treatments]
    own |= _changed(events, EVENTS)
    own |= _changed(spec, ("trajectories", "associations", "reporting"))
    ordered: dict[str, Any] = {key: own[key] for key in KEYS if key in own and own[key] != []}
    return yaml_text(ordered)


def _changed(described: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    """Fields that differ from their defaults, as plain data."""
    return {
        f.name: _plain(value)
        for f in fields(described)
        if f.name in keys and not _is_default(f, value := getattr(described, f.name))
    }


def _is_default(f: Any, value: Any) -> bool:
    if f.default is not MISSING:
        return type(f.default) is type(value) and bool(f.default == value)
    return f.default_factory is not MISSING and bool(f.default_factory() == value)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _part(value)
    if isinstance(value, tuple):
        labels = [item for item in value if isinstance(item, StateLabel)]
        if labels:
            return {x.state: x.text if isinstance(x.text, str) else dict(x.text) for x in labels}
        return [_plain(item) for item in value]
    return value


def _part(value: Any) -> Any:
    """Keys and values of a description; of a choice its kind alone where all is as by default."""
    described = type(value)
    is_choice = any(described is known for c in CHOICES for known in c.types.values())
    names = tuple(f.name for f in fields(described) if f.name != KIND or described is OwnMean)
    parts = _changed(value, names)
    if described is OwnMean:
        return {KIND: kind_of(described), "function": parts.pop(KIND), **parts}
    if is_choice:
        return {KIND: kind_of(described), **parts} if parts else kind_of(described)
    if described in (Term, Interaction, Group) or not hasattr(value, KIND):
        return parts
    raise ModelError(
        f"The model has a part of the type {described.__name__!r}, which no disease file can "
        "name: it is none of those known here. Register it before the model is described."
    )


def _treatment(treatment: Treatment) -> dict[str, Any]:
    """A treatment, whose starts and effects do not name it again."""
    out = {"name": treatment.name, **_changed(treatment, ("early_days",))}
    for key in ("starts", "effects"):
        out[key] = [
            {k: v for k, v in _part(part).items() if k != "treatment"}
            for part in getattr(treatment, key)
        ]
    return out


def _priors(source: str | OwnPriors) -> Any:
    if isinstance(source, str):
        return source
    return {**({"extends": source.extends} if source.extends else {}), "entries": source.records}
