"""JSON files from outside, read without trust: each fault is told with its file, place and rule."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from twinbayes.errors import StorageError
from twinbayes.paths import path_of

type Json = Mapping[str, Any]

LARGEST_FILE: Final = 1 << 28  # bytes; no evidence of ours comes near
_LARGEST_INTEGER: Final = 2**63


def read_json(path: str | os.PathLike[str], schema: Json) -> Any:
    """Read a JSON file that has to follow a JSON Schema.

    Parameters
    ----------
    path
        An ordinary file: UTF-8, no NaN, no number that a float or a 64-bit integer cannot hold, no
        key twice, no half of a surrogate pair.
    schema
        What it has to be like.

    Raises
    ------
    StorageError
        Naming the file, the place in it, and the rule.
    """
    import jsonschema  # slow to import, and needed here alone

    file = path_of(path, StorageError, "The JSON file")
    content = _parse(_text(file), file.name)
    found = jsonschema.Draft202012Validator(dict(schema)).iter_errors(content)
    # The deepest of the places says most.
    worst = max(found, key=lambda error: len(error.absolute_path), default=None)
    if worst is not None:
        rule = json.dumps(worst.validator_value)
        shown = rule if len(rule) <= 200 else f"{rule[:200]} ..."
        raise refused(file.name, worst.json_path, f"must follow {worst.validator!r}: {shown}")
    return content


def refused(file: str, place: str, rule: str) -> StorageError:
    """Return the error for a file that breaks a rule at a place."""
    return StorageError(
        f"{file}: {place} {rule}. Give a file as twinbayes wrote it, or write it anew."
    )


def _text(file: Path) -> str:
    try:
        # Pipes and devices could be read without end.
        if not file.is_file():
            raise refused(file.name or str(file), "the path", "must be that of an ordinary file")
        if file.stat().st_size > LARGEST_FILE:
            raise refused(file.name, "the file", f"must have at most {LARGEST_FILE} bytes")
        return file.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise refused(file.name, f"byte {error.start}", "must be UTF-8") from error
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(f"{file.name}: could not be read ({error.strerror}).") from error


def _parse(text: str, file: str) -> Any:
    hooks: dict[str, Any] = {
        "parse_constant": partial(_constant, file),
        "parse_float": partial(_float, file),
        "parse_int": partial(_integer, file),
        "object_pairs_hook": partial(_object, file),
    }
    try:
        content = json.loads(text, **hooks)
        json.dumps(content, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise refused(file, place, f"must be JSON ({error.msg})") from error
    except UnicodeEncodeError as error:
        raise refused(file, "some text", "must hold no half of a surrogate pair") from error
    except RecursionError as error:
        raise refused(file, "the file", "must not be nested so deep") from error
    return content


def _constant(file: str, name: str) -> Any:
    raise refused(file, f"the number {name}", 'must be written {"float": "nan"} or alike')


def _float(file: str, text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise refused(file, f"the number {text[:20]}", "must be one that a float can hold")
    return number


def _integer(file: str, text: str) -> int:
    if len(text) > 20 or not -_LARGEST_INTEGER <= int(text) < _LARGEST_INTEGER:
        raise refused(file, f"the number {text[:20]}", "must be one that 64 bits can hold")
    return int(text)


def _object(file: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise refused(file, "an object", "must have no key twice")
    return made
