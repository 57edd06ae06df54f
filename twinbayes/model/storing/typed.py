"""Fields of descriptions held against their types, so that a slip is told where it is made."""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Hashable, Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache, wraps
from numbers import Integral, Real
from typing import Any, Final, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

from twinbayes.errors import ModelError, is_number, told

_LONGEST: Final = 40
_WORDS: Final = {
    str: ("text", "texts", '"..."'),
    bool: ("True or False", "True or False", "True"),
    int: ("a whole number", "whole numbers", "1"),
    float: ("a number", "numbers", "0.5"),
    type(None): ("None", "None", "None"),
}
#: Stands for a value that is not of the type asked for.
_WRONG: Final = object()


def typed[T: type[Any]](described: T) -> T:
    """Check the fields of a description before its own rules; goes below ``@dataclass``.

    Lists become tuples, and numbers of NumPy those of Python, as a stored description has them.

    Raises
    ------
    ModelError
        When one is made with a field that is not of its type.
    """
    rules = getattr(described, "__post_init__", None)

    def check(self: Any) -> None:
        require_types(self)
        if rules is not None:
            rules(self)

    described.__post_init__ = check if rules is None else wraps(rules)(check)
    return described


def require_types(description: Any) -> None:
    """Refuse a description with a field that is not of its type.

    Raises
    ------
    ModelError
        With the field, its type, and what to give.
    """
    hints = hints_of(type(description))
    for f in fields(description):
        hint, value = hints.get(f.name, Any), getattr(description, f.name)
        kept = _kept(hint, value)
        if kept is _WRONG:
            raise ModelError(_refusal(description, f, hint, value))
        if kept is not value:
            object.__setattr__(description, f.name, kept)


def hints_of(described: type[Any]) -> dict[str, Any]:
    """Types of the fields of a description; none where names in them cannot be found."""
    return _hints(cast(Hashable, described))


@cache
def _hints(described: Hashable) -> dict[str, Any]:
    try:
        return get_type_hints(described)
    except NameError:  # a type of one's own, within a function
        return {}


def options_of(hint: Any) -> tuple[Any, ...]:
    """The types that a hint leaves open; aliases looked through."""
    if hasattr(hint, "__value__"):
        return options_of(hint.__value__)
    if get_origin(hint) in (Union, types.UnionType):
        return tuple(o for part in get_args(hint) for o in options_of(part))
    return (hint,)


def _kept(hint: Any, value: Any) -> Any:
    """The value as a description keeps it, or `_WRONG`."""
    for option in options_of(hint):
        found = _as_option(option, value)
        if found is not _WRONG:
            return found
    return _WRONG


def _as_option(option: Any, value: Any) -> Any:
    if get_origin(option) is tuple:
        return _as_tuple(get_args(option), value)
    if option in (int, float):
        return _as_number(option, value)
    if option is bool:
        return bool(value) if isinstance(value, bool | np.bool_) else _WRONG
    if isinstance(option, type) and get_origin(option) is None:
        is_one = isinstance(value, option) and not isinstance(value, type)
        return value if is_one else _WRONG
    if get_origin(option) is Callable:
        return value if callable(value) else _WRONG
    return value  # nothing is known of the type


def _as_number(wanted: type[Any], value: Any) -> Any:
    if not is_number(value) or (wanted is int and not isinstance(value, Integral)):
        return _WRONG
    if isinstance(value, int):
        return value
    if isinstance(value, Integral):
        return int(value)
    number = float(cast(Real, value))
    return _WRONG if math.isnan(number) else value if isinstance(value, float) else number


def _as_tuple(inner: tuple[Any, ...], value: Any) -> Any:
    if not isinstance(value, tuple | list):
        return _WRONG
    if (wanted := _each(inner, len(value))) is None:
        return _WRONG
    parts = [_kept(w, part) for w, part in zip(wanted, value, strict=True)]
    if any(part is _WRONG for part in parts):
        return _WRONG
    same = isinstance(value, tuple) and all(a is b for a, b in zip(parts, value, strict=True))
    return value if same else tuple(parts)


def _each(inner: tuple[Any, ...], n: int) -> list[Any] | None:
    """The type of each of n parts; None where there are too few or too many."""
    if len(inner) == 2 and inner[1] is Ellipsis:
        return [inner[0]] * n
    return list(inner) if len(inner) == n else None


def _refusal(description: Any, f: Field[Any], hint: Any, value: Any) -> str:
    found = f"found {found_as(value)}"
    options = [o for o in options_of(hint) if get_origin(o) is tuple]
    if options and isinstance(value, tuple | list):
        found = "; ".join(_faults_within(get_args(options[0]), value)) or found
    remedy = ""
    if isinstance(value, type) and is_dataclass(value):
        remedy = f" Make one of it: {value.__name__}()."
    elif options and _kept(hint, (value,)) is not _WRONG:
        remedy = f" Put it into a tuple: {f.name}=(...,)."
    return (
        f"{_place(description, f)}: {f.name} must be {_expected(hint)}, such as "
        f"{_example(f, hint)}; {found}.{remedy}"
    )


def _faults_within(inner: tuple[Any, ...], value: tuple[Any, ...] | list[Any]) -> Iterator[str]:
    wanted = _each(inner, len(value))
    if wanted is None:
        yield f"found {len(value)} of them"
        return
    for k, (w, part) in enumerate(zip(wanted, value, strict=True)):
        if _kept(w, part) is _WRONG:
            yield f"number {k + 1} in it is {found_as(part)}"
            return


def _place(description: Any, faulty: Field[Any]) -> str:
    """``Treatment(name='drug')``: the type, and the text that it begins with."""
    first = fields(description)[0]
    name, value = type(description).__name__, getattr(description, first.name)
    is_name = isinstance(value, str) and 0 < len(value) <= _LONGEST
    if first.name in (faulty.name, "kind") or not is_name:
        return name
    return f"{name}({first.name}={value!r})"


def _expected(hint: Any) -> str:
    return _alternatives(hint, lambda option: _words(option)[0])


def _words(option: Any) -> tuple[str, str]:
    """A type in words: one of it, and several."""
    if get_origin(option) is tuple:
        inner = get_args(option)
        if len(inner) == 2 and inner[1] is Ellipsis:
            several = f"of {_alternatives(inner[0], lambda o: _words(o)[1])}"
        else:
            several = f"({', '.join(map(_expected, inner))})"
        return f"a tuple {several}", f"tuples {several}"
    if option in _WORDS:
        return _WORDS[option][:2]
    if get_origin(option) is Callable:
        return "a function", "functions"
    name = str(getattr(option, "__name__", option))
    return f"{_a(name)} {name}", name


def _alternatives(hint: Any, say: Callable[[Any], str]) -> str:
    said = list(dict.fromkeys(map(say, options_of(hint))))
    return " or ".join(filter(None, (", ".join(said[:-1]), said[-1])))


def _example(f: Field[Any], hint: Any) -> str:
    """``starts=(TreatmentStart(...),)``, or what the field has by itself."""
    if f.default_factory is not MISSING:
        return f"{f.name}={type(f.default_factory()).__name__}()"
    if f.default is not MISSING and f.default not in (None, (), ""):
        return f"{f.name}={f.default!r}"
    return f"{f.name}={_sample(hint)}"


def _sample(hint: Any) -> str:
    option = options_of(hint)[0]
    if get_origin(option) is tuple:
        inner = [part for part in get_args(option) if part is not Ellipsis]
        return f"({', '.join(map(_sample, inner))}{',' if len(inner) == 1 else ''})"
    return _WORDS[option][2] if option in _WORDS else f"{getattr(option, '__name__', '')}(...)"


def found_as(value: object) -> str:
    """What was found: numbers as they are, and else the type."""
    if isinstance(value, type):
        return f"the type {value.__name__} itself"
    said = told(value)
    return f"{_a(said[2:])}{said[1:]}" if said.startswith("a ") else said


def _a(name: str) -> str:
    return "an" if name[:1].lower() in "aeiou" else "a"
