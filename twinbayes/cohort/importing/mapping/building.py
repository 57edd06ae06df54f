"""Parts of a mapping file into the values that they stand for, by the types of fields."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from datetime import date, datetime
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from twinbayes.cohort.importing.cells.dates import day_of
from twinbayes.cohort.importing.mapping.description import Cell, Scalar, Words
from twinbayes.errors import is_number
from twinbayes.spelling import nearest

#: Stands for what could not be made: a fault has been noted.
FAULTY: Final = object()
_MOST_SHOWN: Final = 40

type Place = tuple[str | int, ...]


@dataclass
class Noted:
    """What is wrong with a mapping: each fault with its place and rule."""

    found: list[tuple[Place, str, str]] = field(default_factory=list)

    def add(self, place: Place, rule: str, text: str) -> object:
        """Note a fault; returns `FAULTY`."""
        self.found.append((place, rule, text))
        return FAULTY


def shown(value: object) -> str:
    """A value as a message repeats it."""
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def known_as(name: object, known: tuple[str, ...]) -> str:
    """Known names, and the one that may be meant."""
    alike = nearest(str(name), known)
    return f"known: {', '.join(map(repr, known))}" + (f"; did you mean {alike!r}?" * bool(alike))


def options_of(hint: Any) -> tuple[Any, ...]:
    """The types that a hint leaves open; aliases of unions looked through."""
    if hasattr(hint, "__value__") and hint not in (Words, Scalar):
        return options_of(hint.__value__)
    if get_origin(hint) in (Union, types.UnionType):
        return tuple(o for part in get_args(hint) for o in options_of(part))
    return (hint,)


def fields_of(described: type[Any]) -> dict[str, tuple[Any, Field[Any]]]:
    """Type and field of each key of a description."""
    hints = get_type_hints(described)
    return {f.name: (hints[f.name], f) for f in fields(described)}


def is_needed(one: Field[Any]) -> bool:
    """Whether a key has no default."""
    return one.default is MISSING and one.default_factory is MISSING


def build(hint: Any, value: Any, place: Place, noted: Noted) -> Any:
    """Make what a field of this type holds; notes all faults, and then returns `FAULTY`."""
    options = options_of(hint)
    if Words in options:
        return _words(value, place, noted)
    if Scalar in options:
        return _scalar(value, place, noted)
    if value is None:
        if type(None) in options:
            return None
        return noted.add(place, "value-kind", "there is no value")
    keyed = any(get_origin(option) is Mapping for option in options) and isinstance(value, Mapping)
    for option in options:
        origin = get_origin(option)
        if origin is tuple:
            return _parts(get_args(option)[0], value, place, noted)
        if origin is Mapping:
            return _mapping(get_args(option)[1], value, place, noted)
        if origin is Literal and not keyed:
            return _one_of(get_args(option), value, place, noted)
        if option is Cell and isinstance(value, str | list):
            return build_record(Cell, {"column": value}, place, noted)
        if isinstance(option, type) and is_dataclass(option):
            return build_record(option, value, place, noted)
    return _plain(options, value, place, noted)


def build_record(described: type[Any], value: Any, place: Place, noted: Noted) -> Any:
    """Make a description of its keys."""
    if not isinstance(value, Mapping):
        return noted.add(place, "value-kind", f"expected keys and values, not {shown(value)}")
    known, made, whole = fields_of(described), {}, True
    for key, part in value.items():
        if key not in known:
            where = place if described is Cell and not place else (*place, str(key))
            noted.add(where, "key-unknown", known_as(key, tuple(known)))
            whole = False
            continue
        made[key] = build(known[key][0], part, (*place, key), noted)
        whole = whole and made[key] is not FAULTY
    missing = [key for key, (_, f) in known.items() if key not in made and is_needed(f)]
    for key in missing:
        noted.add(place, "key-missing", f"{key!r} is not there")
    return described(**made) if whole and not missing else FAULTY


def _parts(inner: Any, value: Any, place: Place, noted: Noted) -> Any:
    """A list, or the one that stands for it."""
    if not isinstance(value, list):
        made = build(inner, value, place, noted)
        return FAULTY if made is FAULTY else (made,)
    if not value:
        return noted.add(place, "value-kind", "the list is empty")
    several = tuple(build(inner, part, (*place, k), noted) for k, part in enumerate(value))
    return FAULTY if any(part is FAULTY for part in several) else several


def _mapping(inner: Any, value: Any, place: Place, noted: Noted) -> Any:
    if not isinstance(value, Mapping):
        return noted.add(place, "value-kind", f"expected keys and values, not {shown(value)}")
    made = {}
    for key, part in value.items():
        if isinstance(key, bool) or not isinstance(key, str | int | float):
            noted.add(place, "value-kind", f"the key {shown(key)} is no text: put it in quotes")
            return FAULTY
        made[str(key)] = build(inner, part, (*place, str(key)), noted)
    if len(made) < len(value):
        return noted.add(place, "contradiction", "a key appears as text and as a number")
    return FAULTY if any(part is FAULTY for part in made.values()) else types.MappingProxyType(made)


def _one_of(known: tuple[Any, ...], value: Any, place: Place, noted: Noted) -> Any:
    if isinstance(value, str) and value in known:
        return value
    return noted.add(place, "value-kind", f"{shown(value)} is not {known_as(value, known)}")


def _words(value: Any, place: Place, noted: Noted) -> Any:
    items = value if isinstance(value, list) else [value]
    out = []
    for item in items:
        if isinstance(item, bool) or not isinstance(item, str | int | float) or item == "":
            return noted.add(
                place, "value-kind", f"expected text or a list of it, not {shown(item)}"
            )
        out.append(str(item))
    if len(set(out)) < len(out):
        return noted.add(place, "contradiction", "an entry of the list appears twice")
    return tuple(out)


def _scalar(value: Any, place: Place, noted: Noted) -> Any:
    finite = is_number(value) and math.isfinite(value)
    if value is None or isinstance(value, str) or finite:
        return value
    return noted.add(place, "value-kind", f"expected text or a number, not {shown(value)}")


def _plain(options: tuple[Any, ...], value: Any, place: Place, noted: Noted) -> Any:
    """Text, a number, a day, or true or false."""
    if str in options and isinstance(value, str) and value.strip():
        return value
    if bool in options and isinstance(value, bool):
        return value
    if float in options and is_number(value) and math.isfinite(value):
        return float(value)
    if date in options:
        day = day_of(value) if isinstance(value, str) else value
        if isinstance(day, date) and not isinstance(day, datetime):
            return day
    words = {date: "a day such as 2024-12-31", str: "text", bool: "true or false"}
    words[float] = "a number"
    expected = " or ".join(word for t, word in words.items() if t in options)
    return noted.add(place, "value-kind", f"expected {expected}, not {shown(value)}")
