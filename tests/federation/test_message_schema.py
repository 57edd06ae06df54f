"""The schema of messages: all that travels has its form, and nothing more."""

from __future__ import annotations

import copy
import json
from typing import Any

import jsonschema
import pytest

from federation_study import Told
from twinbayes.federation import Message
from twinbayes.federation.site import KINDS
from twinbayes.resources import resource_path


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(resource_path("schemas", "federation", "v1.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def content(message: Message) -> Any:
    return json.loads(message.to_bytes())


def places(part: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all objects but the model and its priors, which have readers of their own."""
    found: list[tuple[Any, ...]] = []
    if isinstance(part, dict):
        found.append(path)
        for key, value in part.items():
            if path[-1:] != ("study",) or key not in ("spec", "priors"):
                found += places(value, (*path, key))
    elif isinstance(part, list):
        for k, value in enumerate(part[:1]):
            found += places(value, (*path, k))
    return found


NAMED_BY_DATA = {"units", "levels", "carriers", "keys"}
"""Objects whose keys are names of covariates or sites."""


def test_the_schema_knows_the_kinds_that_sites_answer(
    validator: jsonschema.Draft202012Validator,
) -> None:
    forms = {form["title"] for form in validator.schema["oneOf"]}
    assert forms == {f"{what}: {kind}" for kind in KINDS for what in ("question", "answer")}


def test_messages_up_to_an_expansion_have_the_form_of_the_schema(
    early: Told, validator: jsonschema.Draft202012Validator
) -> None:
    assert {m.kind for m in early.messages} == set(KINDS) - {"score"}
    for message in early.messages:
        validator.validate(content(message))


def test_one_more_field_anywhere_is_refused(
    early: Told, validator: jsonschema.Draft202012Validator
) -> None:
    one_of_each = {(m.kind, m.is_answer): m for m in early.messages}
    tried = 0
    for message in one_of_each.values():
        whole = content(message)
        for path in places(whole):
            if path and path[-1] in NAMED_BY_DATA:
                continue
            altered = copy.deepcopy(whole)
            part = altered
            for step in path:
                part = part[step]
            part["patient"] = "p01"
            assert not validator.is_valid(altered), path
            tried += 1
    assert tried > 40


@pytest.mark.parametrize("kind", ["counts", "facts", "moments", "expansion"])
def test_an_answer_in_the_clear_is_refused(
    kind: str, early: Told, validator: jsonschema.Draft202012Validator
) -> None:
    altered = content(early.answers(kind)[0][0])
    altered["body"] = {"masked": [1.0, 2.0]}
    assert not validator.is_valid(altered)


@pytest.mark.slow
def test_every_message_of_a_whole_study_has_the_form_of_the_schema(
    whole: Told, validator: jsonschema.Draft202012Validator
) -> None:
    assert {m.kind for m in whole.messages} == set(KINDS)
    for message in whole.messages:
        validator.validate(content(message))
