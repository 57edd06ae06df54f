"""Parts of a model file into the descriptions that they stand for, by the types of fields."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import Any, Final, get_args, get_origin

from twinbayes.errors import TwinbayesError, is_number
from twinbayes.model.notation.kinds import COVARIATES, KIND, Choice, choice_for
from twinbayes.model.storing.typed import hints_of, options_of

#: Stands for what could not be made: a fault has been noted.
FAULTY: Final = object()
_MOST_SHOWN: Final = 40
_LONGEST: Final = 64
_NEAR: Final = 0.6

type Place = tuple[str | int, ...]


@dataclass
class Faults:
    """What is wrong with a file: each fault with its place."""

    found: list[tuple[Place, str]] = field(default_factory=list)

    def add(self, place: Place, text: str) -> object:
        """Note a fault; returns `FAULTY`."""
        self.found.append((place, text))
        return FAULTY


def nearest(name: object, known: Sequence[str]) -> str:
    """``; did you mean 'x'?`` if a known name is like this one, else ``.``."""
    text = str(name)
    if len(text) > _LONGEST:  # comparing takes the square of the length
        return "."
    alike = difflib.get_close_matches(text, known, n=1, cutoff=_NEAR)
    return f"; did you mean {alike[0]!r}?" if alike else "."


def shown(value: object) -> str:
    """A value as a message repeats it."""
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def listed(known: Sequence[str]) -> str:
    """Known names, quoted."""
    return ", ".join(map(repr, known))


def require_mapping(value: object, place: Place, faults: Faults) -> Mapping[str, Any] | None:
    """Return keys and values, or note that they are none."""
    if not isinstance(value, Mapping):
        faults.add(place, f"expected keys and values, not {shown(value)}.")
        return None
    for key in value:
        if not isinstance(key, str):
            faults.add(place, f"the key {shown(key)} is no text. Put it in quotes.")
            return None
    return value


def require_list(value: object, place: Place, faults: Faults) -> list[Any] | None:
    """Return a list, or note that it is none."""
    if not isinstance(value, list):
        faults.add(place, f"expected a list, [a, b] or one '- a' a line, not {shown(value)}.")
        return None
    return value


def build(hint: Any, value: Any, place: Place, faults: Faults) -> Any:
    """Make what a field of this type holds; notes all faults, and then returns `FAULTY`."""
    options = options_of(hint)
    if value is None:
        if type(None) in options:
            return None
        return faults.add(place, "there is no value. Give one, or remove the key.")
    types_ = frozenset(t for t in options if isinstance(t, type))
    if types_ & set(COVARIATES.values()) and len(types_) > 1:
        return _covariate(value, place, faults)
    if (choice := choice_for(types_)) is not None:
        return build_choice(choice, value, place, faults)
    for option in options:
        if get_origin(option) is tuple:
            return _tuple(option, value, place, faults)
        if isinstance(option, type) and is_dataclass(option):
            return build_part(option, value, place, faults)
    return _scalar(types_, value, place, faults)


def build_choice(choice: Choice, value: Any, place: Place, faults: Faults) -> Any:
    """Make one of several types: named by its kind alone, or with settings beside it."""
    known = choice.types
    settings = {KIND: value} if isinstance(value, str) else value
    given = require_mapping(settings, place, faults)
    if given is None:
        return FAULTY
    if KIND not in given:
        return faults.add(place, f"which {choice.what}? Add `kind`, one of {listed(list(known))}.")
    kind = given[KIND]
    if not isinstance(kind, str) or kind not in known:
        return faults.add(
            place if isinstance(value, str) else (*place, KIND),
            f"unknown {choice.what} {shown(kind)}. Known: {listed(list(known))}"
            f"{nearest(kind, list(known))}",
        )
    rest = {key: part for key, part in given.items() if key != KIND}
    described = known[kind]
    if "function" in rest and KIND in {f.name for f in fields(described)}:
        rest[KIND] = rest.pop("function")  # of a mean function of one's own, whose kind is its name
    return build_part(described, rest, place, faults, kind)


def build_part(
    described: type[Any],
    value: Any,
    place: Place,
    faults: Faults,
    name: str = "",
    given: Mapping[str, Any] | None = None,
    default: Mapping[str, Any] | None = None,
) -> Any:
    """Make a description of its keys.

    Parameters
    ----------
    described
        Its type.
    name
        What it is called in messages.
    given
        Fields that are known already, and are no keys of the file.
    default
        Fields that are taken where the file has no key of them.
    """
    record = require_mapping(value, place, faults)
    if record is None:
        return FAULTY
    hints, made = hints_of(described), dict(given or {})
    known = {f.name: f for f in fields(described) if f.name not in made and f.init}
    is_choice = KIND in known and known[KIND].default is not MISSING
    keys = [key for key in known if not (is_choice and key == KIND)]
    what = name or f"a {described.__name__.lower()}"
    ok = True
    for key, part in record.items():
        if key not in keys:
            known_keys = f"Known: {listed(keys)}" if keys else "It has no settings"
            faults.add((*place, key), f"unknown key of {what}. {known_keys}{nearest(key, keys)}")
            ok = False
            continue
        made[key] = build(hints[key], part, (*place, key), faults)
        ok = ok and made[key] is not FAULTY
    made = {**(default or {}), **made}
    missing = [
        key
        for key in keys
        if key not in made
        and known[key].default is MISSING
        and known[key].default_factory is MISSING
    ]
    if missing:
        faults.add(place, f"{what} lacks {listed(missing)}.")
    return make(described, made, place, faults) if ok and not missing else FAULTY


def make(described: type[Any], parts: Mapping[str, Any], place: Place, faults: Faults) -> Any:
    """Call a type, and note what it refuses."""
    try:
        return described(**parts)
    except TwinbayesError as error:
        return faults.add(place, str(error))


def _covariate(value: Any, place: Place, faults: Faults) -> Any:
    record = require_mapping(value, place, faults)
    if record is None:
        return FAULTY
    for key, described in COVARIATES.items():
        if key in record:
            return build_part(described, record, place, faults)
    return faults.add(
        place,
        "what is it? Give `name` for one covariate, `names` for a product of several, or `group` "
        "alone for all 0/1 covariates of a group.",
    )


def _tuple(hint: Any, value: Any, place: Place, faults: Faults) -> Any:
    items = require_list(value, place, faults)
    if items is None:
        return FAULTY
    inner = get_args(hint)
    if len(inner) == 2 and inner[1] is Ellipsis:
        wanted = [inner[0]] * len(items)
    elif len(items) != len(inner):
        return faults.add(place, f"expected {len(inner)} values, found {len(items)}.")
    else:
        wanted = list(inner)
    parts = [
        build(w, part, (*place, k), faults)
        for k, (w, part) in enumerate(zip(wanted, items, strict=True))
    ]
    return FAULTY if any(p is FAULTY for p in parts) else tuple(parts)


def _scalar(options: frozenset[type[Any]], value: Any, place: Place, faults: Faults) -> Any:
    """Text, a number, or true or false, as it stands in the file."""
    if str in options and isinstance(value, str):
        if not value.strip():
            return faults.add(place, "the text is empty.")
        return value
    if bool in options and isinstance(value, bool):
        return value
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if int in options and is_whole:
        return value
    if float in options and is_number(value):
        return faults.add(place, "not a number (NaN).") if math.isnan(value) else value
    words = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}
    expected = " or ".join(w for t, w in words.items() if t in options)
    quoted = " Put it in quotes." if str in options and not isinstance(value, list | dict) else ""
    return faults.add(place, f"expected {expected}, not {shown(value)}.{quoted}")
