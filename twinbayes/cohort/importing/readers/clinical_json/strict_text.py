"""JSON text read strictly and in bounded time: what breaks a rule is a problem, never a value."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from json.decoder import JSONDecodeError
from typing import Any, Final

from twinbayes.cohort.importing.cells.values import Problem

MAX_DEPTH: Final = 64
"""Lists and objects within each other; no resource comes near."""
_DIGITS: Final = 60  # of a number
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_BLANK: Final = re.compile(r"[ \t\n\r]*")


class JsonError(ValueError):
    """Text that breaks a rule; what it breaks is a `Problem`."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text)
        self.problem = problem


_NO_JSON: Final = Problem("json-invalid", "it is no JSON")
_TWICE: Final = Problem("json-key-twice", "an object has a key twice")
_NUMBER: Final = Problem("json-number", "a number is not finite, or longer than any measurement")
_DEEP: Final = Problem("json-depth", f"it is nested more than {MAX_DEPTH} deep")
_HALF: Final = Problem("json-surrogate", "a text holds half of a surrogate pair")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise JsonError(_TWICE)
    return made


def _integer(text: str) -> int:
    if len(text) > _DIGITS:
        raise JsonError(_NUMBER)
    return int(text)


def _float(text: str) -> float:
    number = float(text) if len(text) <= _DIGITS else math.inf
    if not math.isfinite(number):
        raise JsonError(_NUMBER)
    return number


def _constant(_: str) -> Any:
    raise JsonError(_NUMBER)


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)


def parse(text: str) -> Any:
    """Parse text that is one JSON value.

    Raises
    ------
    JsonError
        Saying which rule the text breaks.

    Examples
    --------
    >>> parse('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    """
    start = _after_blanks(text, 0)
    value, end = _value(text, start)
    if _after_blanks(text, end) != len(text):
        raise JsonError(_NO_JSON)
    return value


def entries(text: str, key: str) -> Iterator[tuple[str, Any]]:
    """Members of one JSON object in order; items of the list at `key` come one by one.

    The rest of the document need not be in memory as values.

    Yields
    ------
    tuple
        Key and value; for `key`, each item of its list.

    Raises
    ------
    JsonError
        Saying which rule the text breaks.
    """
    at = _expect(text, _after_blanks(text, 0), "{")
    seen: set[str] = set()
    while text[at : at + 1] != "}":
        if seen:
            at = _expect(text, at, ",")
        name, at = _value(text, at)
        if not isinstance(name, str):
            raise JsonError(_NO_JSON)
        if name in seen:
            raise JsonError(_TWICE)
        seen.add(name)
        at = _expect(text, _after_blanks(text, at), ":")
        if name == key and text[at : at + 1] == "[":
            for item, end in _items(text, at):
                at = end
                if item is not _END:
                    yield name, item
        else:
            value, at = _value(text, at)
            yield name, value
        at = _after_blanks(text, at)
    if _after_blanks(text, at + 1) != len(text):
        raise JsonError(_NO_JSON)


def items(text: str) -> Iterator[Any]:
    """Items of a document that is one JSON list, one by one.

    Raises
    ------
    JsonError
        Saying which rule the text breaks.
    """
    at = _after_blanks(text, 0)
    for item, end in _items(text, at):
        at = end
        if item is not _END:
            yield item
    if _after_blanks(text, at) != len(text):
        raise JsonError(_NO_JSON)


_END: Final = object()


def _items(text: str, at: int) -> Iterator[tuple[Any, int]]:
    """Items of a list, each with where it ends; `_END` and the end of the list come last."""
    at = _expect(text, at, "[")
    first = True
    while text[at : at + 1] != "]":
        if not first:
            at = _expect(text, at, ",")
        first = False
        value, at = _value(text, at)
        yield value, at
        at = _after_blanks(text, at)
    yield _END, at + 1


def _after_blanks(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return at if found is None else found.end()


def _expect(text: str, at: int, mark: str) -> int:
    if text[at : at + 1] != mark:
        raise JsonError(_NO_JSON)
    return _after_blanks(text, at + 1)


def _value(text: str, at: int) -> tuple[Any, int]:
    try:
        value, end = _DECODER.raw_decode(text, at)
    except RecursionError as error:
        raise JsonError(_DEEP) from error
    except JSONDecodeError as error:
        raise JsonError(_NO_JSON) from error
    if text.count("{", at, end) + text.count("[", at, end) > MAX_DEPTH:
        _require_shallow(value)
    if text.find("\\u", at, end) >= 0 and _SURROGATE.search(text, at, end):
        _require_whole(value)
    return value, end


def _require_shallow(value: Any) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise JsonError(_DEEP)
        level = [
            part
            for whole in level
            for part in (whole.values() if isinstance(whole, dict) else whole)
            if isinstance(part, dict | list)
        ] if not isinstance(value, str) else []  # fmt: skip


def _require_whole(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise JsonError(_HALF) from error
