"""The form of model files as a JSON schema, for editors that complete and underline.

It is made of the same types that the reader goes by. What refers from one part to another, such as
the state that a transition leads to, no schema can say: the reader does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Final, get_args, get_origin

from twinbayes.model.courses.graph import Effect, StateGraph, Treatment
from twinbayes.model.courses.intensities import Transition, TreatmentStart
from twinbayes.model.courses.labels import ENGLISH, LANGUAGE, LONGEST_LABEL, MARKUP, StateLabel
from twinbayes.model.curves.means.own import OwnMean
from twinbayes.model.events.process import EventProcess
from twinbayes.model.notation.kinds import CHOICES, COVARIATES, KIND, OWN_MEAN, Choice, choice_for
from twinbayes.model.notation.layout import (
    DEFAULT_BASELINE,
    EVENTS,
    KEYS,
    PRIOR_KEYS,
    REQUIRED,
    SCHEMA,
)
from twinbayes.model.spec import ModelSpec
from twinbayes.model.storing.typed import hints_of, options_of

_SCALARS: Final[Mapping[type[Any], str]] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
}


def disease_schema() -> dict[str, Any]:
    """Return the JSON schema of disease files."""
    properties: dict[str, Any] = {
        "schema": {"const": SCHEMA},
        "name": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]*$"},
        "title": {"type": "string", "minLength": 1},
        "priors": _priors(),
        "states": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        DEFAULT_BASELINE: _of(hints_of(Transition)["baseline"]),
        "transitions": {
            "type": "array",
            "minItems": 1,
            "items": _part(Transition, optional=(DEFAULT_BASELINE,)),
        },
        "treatments": {"type": "array", "items": _treatment()},
        "ignored_events": _of(hints_of(StateGraph)["ignored_events"]),
    }
    properties |= {key: _of(hints_of(EventProcess)[key]) for key in EVENTS}
    whole = hints_of(ModelSpec)
    properties |= {key: _of(whole[key]) for key in ("trajectories", "associations", "reporting")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "twinbayes disease file, v1",
        "description": "One disease: states, transitions, treatments, covariates, curves, priors.",
        "type": "object",
        "additionalProperties": False,
        "required": list(REQUIRED),
        "properties": {key: properties[key] for key in KEYS},
        "$defs": {_ref(choice): _choice(choice) for choice in CHOICES},
    }


def _of(hint: Any) -> dict[str, Any]:
    """What may stand where a field has this type."""
    options = [option for option in options_of(hint) if option is not type(None)]
    types = frozenset(t for t in options if isinstance(t, type))
    if types & set(COVARIATES.values()) and len(types) > 1:
        return {"anyOf": [_part(t) for t in COVARIATES.values()]}
    if (choice := choice_for(types)) is not None:
        return {"$ref": f"#/$defs/{_ref(choice)}"}
    found = [_one(option) for option in options]
    return found[0] if len(found) == 1 else {"anyOf": found}


def _one(option: Any) -> dict[str, Any]:
    if get_origin(option) is tuple:
        inner = get_args(option)
        if inner[0] is StateLabel:
            return _labels()
        if inner[-1] is Ellipsis:
            return {"type": "array", "items": _of(inner[0])}
        return {
            "type": "array",
            "prefixItems": [_of(part) for part in inner],
            "minItems": len(inner),
            "maxItems": len(inner),
        }
    if isinstance(option, type) and is_dataclass(option):
        return _part(option)
    return {"type": _SCALARS[option]}


def _part(
    described: type[Any], optional: tuple[str, ...] = (), left_out: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Keys and values of a description."""
    hints = hints_of(described)
    own = [f for f in fields(described) if f.init and f.name not in (KIND, *left_out)]
    required = [
        f.name
        for f in own
        if f.default is MISSING and f.default_factory is MISSING and f.name not in optional
    ]
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": {f.name: _of(hints[f.name]) for f in own},
    }


def _choice(choice: Choice) -> dict[str, Any]:
    """The kind alone, or with its settings; users' own kinds are left to the reader."""
    with_settings = []
    for kind, described in choice.own().items():
        part = _part(described)
        own: dict[str, Any] = {KIND: {"const": kind}}
        required = [KIND, *part["required"]]
        if described is OwnMean:
            own |= {"function": {"type": "string"}}
            required.append("function")
        with_settings.append(
            {**part, "required": required, "properties": {**own, **part["properties"]}}
        )
    alone = [kind for kind in choice.own() if kind != OWN_MEAN]
    return {"anyOf": [{"enum": alone}, *with_settings]}


def _treatment() -> dict[str, Any]:
    part = _part(Treatment, left_out=("starts", "effects"))
    start = _part(TreatmentStart, left_out=("treatment",))
    return {
        **part,
        "properties": {
            **part["properties"],
            "starts": {"type": "array", "items": {"anyOf": [{"type": "string"}, start]}},
            "effects": {"type": "array", "items": _part(Effect, left_out=("treatment",))},
        },
    }


def _labels() -> dict[str, Any]:
    """State → label, or its label in each language."""
    label = {
        "type": "string",
        "minLength": 1,
        "maxLength": LONGEST_LABEL,
        "pattern": "^[^" + MARKUP.replace("\\", "\\\\") + "\\n\\r\\t]+$",
    }
    languages = {
        "type": "object",
        "propertyNames": {"pattern": f"^{LANGUAGE}$"},
        "required": [ENGLISH],
        "additionalProperties": label,
    }
    return {"type": "object", "additionalProperties": {"anyOf": [label, languages]}}


def _priors() -> dict[str, Any]:
    extends, entries = PRIOR_KEYS
    own = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            extends: {"type": "string", "description": "A set of the prior library."},
            entries: {"type": "object", "additionalProperties": {"type": "object"}},
        },
    }
    return {"anyOf": [{"type": "string"}, own]}


def _ref(choice: Choice) -> str:
    return choice.what
