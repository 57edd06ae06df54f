"""A model file read: every fault at once, each with its line, the rule and the remedy."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from twinbayes.documents import Lines, read_yaml_lines
from twinbayes.errors import ModelError, PriorError
from twinbayes.model.courses.graph import Effect, StateGraph, Treatment
from twinbayes.model.courses.intensities import Transition, TreatmentStart
from twinbayes.model.events.process import EventProcess
from twinbayes.model.files.labels import REPORTING, build_reporting, require_reporting_of
from twinbayes.model.files.references import require_known_names
from twinbayes.model.files.values import (
    FAULTY,
    Faults,
    Place,
    build,
    build_part,
    listed,
    make,
    nearest,
    require_list,
    require_mapping,
    shown,
)
from twinbayes.model.notation.layout import (
    DEFAULT_BASELINE,
    EVENTS,
    GRAPH,
    KEYS,
    PRIOR_KEYS,
    REQUIRED,
    SCHEMA,
)
from twinbayes.model.spec import ModelSpec
from twinbayes.model.storing.typed import hints_of
from twinbayes.paths import path_of
from twinbayes.priors.files.extended import OwnPriors
from twinbayes.priors.files.library import library_names

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_SUFFIXES: Final = (".yaml", ".yml")


def is_model_file(name: str | Path) -> bool:
    """Whether a name is that of a file, not of a disease that is known."""
    return Path(name).suffix.lower() in _SUFFIXES


def read_model(path: str | Path) -> ModelSpec:
    """Read the description of a disease from a YAML file.

    Parameters
    ----------
    path
        The file; ``data_schemas/disease/v1.schema.json`` has its form.

    Raises
    ------
    ModelFileError
        All that is wrong with the file, each with its line.
    """
    path = path_of(path, ModelFileError, "disease")
    if not os.path.isfile(path):
        what = "is a folder" if os.path.isdir(path) else "does not exist, or is no ordinary file"
        raise ModelFileError(f"The disease file {path.name[:60]!r} {what}. Give the path of one.")
    document, lines = read_yaml_lines(path, ModelFileError)
    faults = Faults()
    spec = _spec(document, faults)
    if faults.found or not isinstance(spec, ModelSpec):
        raise ModelFileError.of(path.name, faults, lines)
    return spec


class ModelFileError(ModelError):
    """A model file breaks its rules.

    Attributes
    ----------
    faults
        Each fault with its line and place; empty where the file cannot be read at all.
    """

    def __init__(self, message: str, faults: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.faults = faults

    @classmethod
    def of(cls, name: str, faults: Faults, lines: Lines) -> ModelFileError:
        """Put faults in the order of their lines."""
        known = sorted(
            {(_line(place, lines), _words(place), text): None for place, text in faults.found},
            key=lambda fault: fault[0],
        )
        said = tuple(
            f"line {line}, {where}: {text}" if where else f"line {line}: {text}"
            for line, where, text in known
        )
        head = "1 fault" if len(said) == 1 else f"{len(said)} faults"
        return cls("\n".join((f"{name}: {head}.", *(f"  {s}" for s in said))), said)


def _line(place: Place, lines: Lines) -> int:
    """Line of a place, or of the nearest place around it that the file has."""
    while place not in lines:
        place = place[:-1]
    return lines[place]


def _words(place: Place) -> str:
    """``transitions[2].baseline``; positions count from 1."""
    out = ""
    for part in place:
        out += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if out else part
    return out


def _spec(document: Mapping[Any, Any], faults: Faults) -> object:
    record = require_mapping(document, (), faults)
    if record is None:
        return FAULTY
    for key in record:
        if key not in KEYS:
            faults.add((key,), f"unknown key. Known: {listed(KEYS)}{nearest(key, KEYS)}")
    missing = [key for key in REQUIRED if key not in record]
    if missing:
        faults.add((), f"the file lacks {listed(missing)}.")
    if record.get("schema", SCHEMA) != SCHEMA:
        faults.add(("schema",), f"must be {SCHEMA!r}, not {shown(record['schema'])}.")
    parts: dict[str, Any] = {
        key: build(hints_of(ModelSpec)[key], record[key], (key,), faults)
        for key in ("name", "title", "trajectories", "associations")
        if key in record
    }
    if REPORTING in record:
        parts[REPORTING] = build_reporting(record[REPORTING], faults)
    name = parts.get("name")
    if isinstance(name, str) and not _NAME.fullmatch(name):
        faults.add(("name",), f"{shown(name)} is no name. Use letters, digits and underscores.")
    if "priors" in record:
        parts["priors"] = _priors(record["priors"], str(name or "own"), faults)
    graph = _graph(record, faults)
    events = {
        key: build(hints_of(EventProcess)[key], record[key], (key,), faults)
        for key in EVENTS
        if key in record
    }
    if graph is FAULTY or any(part is FAULTY for part in (*events.values(), *parts.values())):
        return FAULTY
    reporting = parts.get(REPORTING)
    if not require_reporting_of(reporting, graph.states, graph.deaths, faults):
        return FAULTY
    process = make(EventProcess, {"graph": graph, **events}, (), faults)
    if process is FAULTY or missing:
        return FAULTY
    return make(ModelSpec, {**parts, "events": process}, (), faults)


def _graph(record: Mapping[str, Any], faults: Faults) -> Any:
    baseline: Any = None
    if DEFAULT_BASELINE in record:
        hint = hints_of(Transition)["baseline"]
        baseline = build(hint, record[DEFAULT_BASELINE], (DEFAULT_BASELINE,), faults)
    default = {} if baseline in (None, FAULTY) else {"baseline": baseline}
    parts = {
        key: build(hints_of(StateGraph)[key], record[key], (key,), faults)
        for key in ("states", "ignored_events")
        if key in record
    }
    moves = _items(record, "transitions", faults)
    parts["transitions"] = tuple(
        _with_default(Transition, m, ("transitions", k), default, faults, "a transition")
        for k, m in enumerate(moves)
    )
    parts["treatments"] = tuple(
        _treatment(t, ("treatments", k), default, faults)
        for k, t in enumerate(_items(record, "treatments", faults))
    )
    whole = [p for part in parts.values() for p in (part if isinstance(part, tuple) else (part,))]
    before = len(faults.found)
    require_known_names(record, faults)
    if len(faults.found) > before or not set(GRAPH[:2]) <= set(record):
        return FAULTY
    if any(p is FAULTY for p in (*whole, baseline)):
        return FAULTY
    return make(StateGraph, parts, ("transitions",), faults)


def _items(record: Mapping[str, Any], key: str, faults: Faults) -> list[Any]:
    if key not in record:
        return []
    found = require_list(record[key], (key,), faults)
    if found == [] and key == "transitions":
        faults.add((key,), "there is none. A disease has at least one way out of its first state.")
    return found or []


def _with_default(
    described: type[Any],
    value: Any,
    place: Place,
    default: Mapping[str, Any],
    faults: Faults,
    name: str,
    **given: Any,
) -> Any:
    """Make a transition or a start, with the baseline of the file unless it has its own."""
    return build_part(described, value, place, faults, name, given=given, default=default)


def _treatment(value: Any, place: Place, default: Mapping[str, Any], faults: Faults) -> Any:
    """Make a treatment: its starts and effects need not name it again."""
    record = require_mapping(value, place, faults)
    if record is None:
        return FAULTY
    name = record.get("name", "")
    name = name if isinstance(name, str) else ""  # what it is instead is a fault of its own
    made: dict[str, Any] = {}
    for key, described in (("starts", TreatmentStart), ("effects", Effect)):
        if key not in record:
            made[key] = ()
            continue
        items = require_list(record[key], (*place, key), faults)
        if items is None:
            return FAULTY
        made[key] = tuple(
            _start_or_effect(described, item, (*place, key, k), default, faults, name)
            for k, item in enumerate(items)
        )
    rest = {key: part for key, part in record.items() if key not in made}
    whole = {key: tuple(p for p in some if p is not FAULTY) for key, some in made.items()}
    found = build_part(Treatment, rest, place, faults, "a treatment", given=whole)
    return found if whole == made else FAULTY


def _start_or_effect(
    described: type[Any],
    value: Any,
    place: Place,
    default: Mapping[str, Any],
    faults: Faults,
    name: object,
) -> Any:
    given = {"treatment": name}
    if described is Effect:
        return build_part(Effect, value, place, faults, "an effect", given=given)
    record = {"source": value} if isinstance(value, str) else value
    return _with_default(TreatmentStart, record, place, default, faults, "a start", **given)


def _priors(value: Any, name: str, faults: Faults) -> Any:
    """A name of the library, or a set of the file's own."""
    if isinstance(value, str):
        if value not in library_names():
            return faults.add(
                ("priors",),
                f"unknown set {shown(value)}. Known: {listed(library_names())}"
                f"{nearest(value, library_names())}",
            )
        return value
    record = require_mapping(value, ("priors",), faults)
    if record is None:
        return FAULTY
    ok = True
    for key in record:
        if key not in PRIOR_KEYS:
            known = f"Known: {listed(PRIOR_KEYS)}{nearest(key, PRIOR_KEYS)}"
            faults.add(("priors", key), f"unknown key. {known}")
            ok = False
    extends = record.get("extends", "")
    if extends and extends not in library_names():
        faults.add(
            ("priors", "extends"),
            f"unknown set {shown(extends)}. Known: {listed(library_names())}"
            f"{nearest(extends, library_names())}",
        )
        ok = False
    entries = require_mapping(record.get("entries", {}), ("priors", "entries"), faults)
    if entries is None or not ok:
        return FAULTY
    return _own_priors(name, extends, entries, faults)


def _own_priors(name: str, extends: str, entries: Mapping[str, Any], faults: Faults) -> Any:
    """Each entry by itself first, so that its fault has its line."""
    before = len(faults.found)
    for key, record in entries.items():
        _attempt(name, extends, {key: record}, ("priors", "entries", key), faults)
    if len(faults.found) > before:
        return FAULTY
    return _attempt(name, extends, entries, ("priors",), faults)


def _attempt(
    name: str, extends: str, entries: Mapping[str, Any], place: Place, faults: Faults
) -> Any:
    try:
        return OwnPriors.of(name, extends, entries)
    except TypeError:  # a date, which is no JSON
        return faults.add(place, "a value is a date. Put it in quotes.")
    except PriorError as error:
        for fault in error.faults or (str(error),):
            faults.add(place, fault.removeprefix(f"priors of {name!r}: "))
        return FAULTY
