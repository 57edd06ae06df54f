"""The form of mapping files as a JSON schema, for editors that complete and underline.

It is made of the same types that the reader goes by. What refers from one part to another no schema
can say: the reader does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from datetime import date
from typing import Any, Final, Literal, get_args, get_origin

from twinbayes.cohort.importing.mapping.building import fields_of, is_needed, options_of
from twinbayes.cohort.importing.mapping.description import Cell, MappingFile, Scalar, Words

_SCALARS: Final[Mapping[type[Any], str]] = {
    str: "string", date: "string", bool: "boolean", float: "number",
}  # fmt: skip
_CELL: Final = "cell"


def mapping_schema() -> dict[str, Any]:
    """Return the JSON schema of mapping files.

    Examples
    --------
    >>> mapping_schema()["title"]
    'twinbayes mapping file, v1'
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "twinbayes mapping file, v1",
        "description": "Which columns of a hospital's tables become which of a cohort.",
        **_record(MappingFile),
        "$defs": {_CELL: _cell()},
    }


def _record(described: type[Any]) -> dict[str, Any]:
    keys = fields_of(described)
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name for name, (_, own) in keys.items() if is_needed(own)],
        "properties": {
            name: _said(_of(hint), own.metadata.get("says")) for name, (hint, own) in keys.items()
        },
    }


def _cell() -> dict[str, Any]:
    """A header, several spellings of it, or the settings of a column."""
    spellings = {"type": "array", "items": {"type": ["string", "number"]}, "minItems": 1}
    return {"anyOf": [{"type": "string"}, spellings, _record(Cell)]}


def _said(form: dict[str, Any], text: str | None) -> dict[str, Any]:
    return form if text is None else {**form, "description": text}


def _of(hint: Any) -> dict[str, Any]:
    """What may stand where a field has this type."""
    options = options_of(hint)
    forms = [_one(option) for option in options if option is not type(None)]
    if type(None) in options:
        forms.append({"type": "null"})
    return forms[0] if len(forms) == 1 else {"anyOf": forms}


def _one(option: Any) -> dict[str, Any]:
    if option == Words:
        word = {"type": ["string", "number"]}
        return {"anyOf": [word, {"type": "array", "items": word}]}
    if option == Scalar:
        return {"type": ["string", "number", "null"]}
    if option is Cell:
        return {"$ref": f"#/$defs/{_CELL}"}
    origin = get_origin(option)
    if origin is tuple:
        part = _of(get_args(option)[0])
        return {"anyOf": [part, {"type": "array", "items": part, "minItems": 1}]}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _of(get_args(option)[1])}
    if origin is Literal:
        return {"enum": list(get_args(option))}
    if isinstance(option, type) and is_dataclass(option):
        return _record(option)
    return {"type": _SCALARS[option]}
