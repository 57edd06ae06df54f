"""Descriptions to plain data and back, for the description types that are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, Final

from twinbayes.errors import ModelError
from twinbayes.model.storing.fields import UNSET_IS_ABSENT

KIND: Final = "kind_of"

#: Returns the type of a name, and raises ModelError where none may be stored under it.
type Known = Callable[[object], type[Any]]


def encode(value: object) -> Any:
    """Turn a description into dicts, lists and scalars."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            KIND: type(value).__name__,
            **{
                f.name: encode(getattr(value, f.name))
                for f in fields(value)
                if not (f.metadata == UNSET_IS_ABSENT and getattr(value, f.name) == f.default)
            },
        }
    if isinstance(value, tuple):
        return [encode(v) for v in value]
    return value


def decode(data: Any, known: Known) -> Any:
    """Undo `encode`.

    Parameters
    ----------
    data
        What `encode` has returned, or JSON has made of it.
    known
        Which types may be named, such as `catalogue.known_type`.

    Raises
    ------
    ModelError
        A type is not known, or has other fields now.
    """
    if isinstance(data, list):
        return tuple(decode(v, known) for v in data)
    if isinstance(data, dict):
        described = known(data.get(KIND))
        parts = {k: decode(v, known) for k, v in data.items() if k != KIND}
        try:
            return described(**parts)
        except TypeError as error:
            raise ModelError(
                f"The stored {described.__name__} has other fields than the type has now: it has "
                f"{', '.join(parts)}. Use the version, or the file, that it was stored with."
            ) from error
    return data
