"""Plain data into descriptions and back: every fault of a record is found before it is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import partial
from typing import Any, Final, cast

from twinbayes.errors import PriorError

_MOST_SAID: Final = 20  # faults that one message repeats


def listed(options: Sequence[str] | Mapping[str, object]) -> str:
    """Quote the known options for a message."""
    return ", ".join(map(repr, options))


def refuse(where: str, faults: Sequence[str]) -> None:
    """Raise one error with all the faults of a place; without faults do nothing.

    The message repeats the first of them, the error's `faults` hold all.
    """
    if faults:
        more = f" And {len(faults) - _MOST_SAID} more." if len(faults) > _MOST_SAID else ""
        raise PriorError(
            f"{where}: {' '.join(faults[:_MOST_SAID])}{more}",
            tuple(f"{where}: {fault}" for fault in faults),
        )


def read[T](cls: type[T], record: object, where: str) -> T:
    """Make a dataclass of plain data, as `plain` writes it.

    Raises
    ------
    PriorError
        Unknown or missing keys, and whatever the class itself refuses: all in one error.
    """
    if not isinstance(record, Mapping):
        raise PriorError(f"{where}: expected keys and values.")
    known = [f.name for f in fields(cls)]  # type: ignore[arg-type]
    faults = key_faults(record, known)
    required = [
        f.name
        for f in fields(cls)  # type: ignore[arg-type]
        if f.default is MISSING and f.default_factory is MISSING
    ]
    missing = [name for name in required if name not in record]
    if missing:
        faults.append(f"missing {listed(missing)}.")
    given = {str(key): value for key, value in record.items() if key in known}
    made = None if missing else attempt(faults, partial(cls, **given))
    refuse(where, faults)
    return cast(T, made)


def attempt[T](faults: list[str], make: Callable[[], T]) -> T | None:
    """Return what `make` makes, or add to `faults` why it refuses."""
    try:
        return make()
    except PriorError as error:
        faults.extend(error.faults or [str(error)])
        return None


def read_list[T](cls: type[T], records: object, key: str, faults: list[str]) -> tuple[T, ...]:
    """Make one dataclass of each item; items that are made already are kept."""
    if not isinstance(records, Sequence) or isinstance(records, str):
        faults.append(f"key {key!r} must be a list.")
        return ()
    made: list[T] = []
    for number, item in enumerate(records, 1):
        if isinstance(item, cls):
            made.append(item)
            continue
        found = attempt(faults, partial(read, cls, item, f"key {key!r}: item {number}"))
        made += [] if found is None else [found]
    return tuple(made)


def key_faults(record: Mapping[Any, Any], known: Sequence[str]) -> list[str]:
    """Say which keys are unknown."""
    return [
        f"key {key!r} is unknown. Known: {listed(known)}." for key in record if key not in known
    ]


def text_faults(value: object, required: Sequence[str], optional: Sequence[str] = ()) -> list[str]:
    """Say which of these attributes are no text, or empty although required."""
    faults = []
    for key in (*required, *optional):
        found = getattr(value, key)
        if not isinstance(found, str):
            faults.append(f"key {key!r} must be text.")
        elif key in required and not found.strip():
            faults.append(f"key {key!r} is empty.")
    return faults


def word_fault(key: str, value: object, known: Sequence[str]) -> list[str]:
    """Say that a value is not among the known ones."""
    return [] if value in known else [f"{key} {value!r} is unknown. Known: {listed(known)}."]


def number_fault(key: str, value: object, low: float = -math.inf, high: float = math.inf) -> str:
    """Say what is wrong with a number that lies between two bounds; empty if nothing is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"key {key!r} is not a number."
    if not is_float(value):
        return f"key {key!r} is too large a number."
    if not math.isfinite(value):
        return f"key {key!r} is not finite."
    if not low <= value <= high:
        return f"key {key!r} is {value:g}, but must lie from {low:g} to {high:g}."
    return ""


def is_float(value: float) -> bool:
    """Whether a number has a value as a float; whole numbers of 400 digits have none."""
    try:
        float(value)
    except OverflowError:
        return False
    return True


def numbers_fault(key: str, values: object, low: float = -math.inf, high: float = math.inf) -> str:
    """Say what is wrong with a list of at least one number; empty if nothing is."""
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        return f"key {key!r} must be a list of numbers."
    return next((f for v in values if (f := number_fault(key, v, low, high))), "")


def table_faults(key: str, table: object) -> list[str]:
    """Say what is wrong with a mapping of names to numbers."""
    if not isinstance(table, Mapping):
        return [f"key {key!r} must map names to numbers."]
    found = [number_fault(f"{key}: {name}", value) for name, value in table.items()]
    return [fault for fault in found if fault]


def plain(value: Any) -> Any:
    """Return strings, numbers, lists and dicts; of a dataclass only what differs from its default.

    `read` gives the same value back.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {
            f.name: plain(getattr(value, f.name))
            for f in fields(value)
            if getattr(value, f.name) != f.default
        }
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value
