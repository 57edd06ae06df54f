"""Names in a model file held against what they are the names of, whatever else is at fault."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from twinbayes.model.files.labels import LABELS, REPORTING
from twinbayes.model.files.values import Faults, Place, listed, nearest, shown

_STATES: Final = ("source", "target")
_LABELS: Final = ("worse", "better", "frailty")


def require_known_names(record: Mapping[str, Any], faults: Faults) -> None:
    """Note states, intensities and markers that are named, and are not there.

    What has the wrong form is left alone: it has a fault of its own.
    """
    states = _texts(record.get("states"))
    moves = list(_parts(record.get("transitions"), ("transitions",)))
    for move, place in moves:
        for key in _STATES:
            _require(move.get(key), states, "state", (*place, key), faults)
    sources = list(dict.fromkeys(str(move.get("source")) for move, _ in moves))
    labels = [f"{move.get('source')}->{move.get('target')}" for move, _ in moves]
    starts: list[str] = []
    for treatment, at in _parts(record.get("treatments"), ("treatments",)):
        for start, place in _starts(treatment.get("starts"), (*at, "starts")):
            _require(start, sources, "state that can be left", place, faults)
            starts.append(f"{start}->start:{treatment.get('name')}")
        for effect, place in _parts(treatment.get("effects"), (*at, "effects")):
            _require(effect.get("transition"), labels, "transition", (*place, "transition"), faults)
    every = [*labels, *starts]
    for key in _LABELS:
        for k, label in _numbered(record.get(key)):
            _require(label, every, "intensity", (key, k), faults)
    for part, place in _parts(record.get("time_varying"), ("time_varying",)):
        _require(part.get("on"), every, "intensity", (*place, "on"), faults)
    reporting = record.get(REPORTING)
    read = reporting.get(LABELS) if isinstance(reporting, Mapping) else None
    for state in read if isinstance(read, Mapping) else ():
        _require(state, states, "state", (REPORTING, LABELS, state), faults)
    curves = record.get("trajectories")
    of = curves.get("markers") if isinstance(curves, Mapping) else None
    markers = [str(m.get("marker")) for m, _ in _parts(of, ())]
    for part, place in _parts(record.get("associations"), ("associations",)):
        _require(part.get("marker"), markers, "marker", (*place, "marker"), faults)
        for k, label in _numbered(part.get("transitions")):
            _require(label, every, "intensity", (*place, "transitions", k), faults)


def _require(name: object, known: Sequence[str], what: str, place: Place, faults: Faults) -> None:
    if isinstance(name, str) and name not in known:
        options = f"Known: {listed(known)}{nearest(name, known)}" if known else "There is none."
        faults.add(place, f"unknown {what} {shown(name)}. {options}")


def _texts(value: object) -> list[str]:
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []


def _numbered(value: object) -> Iterator[tuple[int, object]]:
    yield from enumerate(value if isinstance(value, list) else [])


def _parts(value: object, place: Place) -> Iterator[tuple[Mapping[str, Any], Place]]:
    for k, part in _numbered(value):
        if isinstance(part, Mapping):
            yield part, (*place, k)


def _starts(value: object, place: Place) -> Iterator[tuple[object, Place]]:
    """States in which a treatment starts, be they written alone or with settings."""
    for k, part in _numbered(value):
        if isinstance(part, Mapping):
            yield part.get("source"), (*place, k, "source")
        else:
            yield part, (*place, k)
