"""Entries with every field: round trips, rules of approval, and that schema and Python agree."""

from __future__ import annotations

import copy
import datetime
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from full_entry import changed, full
from twinbayes.errors import PriorError
from twinbayes.priors import EVIDENCE_KINDS, PriorEntry, load_priors
from twinbayes.priors.dossier import DECISIONS, ESS_METHODS, METHODS, POOLINGS
from twinbayes.priors.evidence import SIMILARITIES

# What both the rules in Python and the JSON schema refuse: (faulty entry, words of the message).
BOTH: dict[str, tuple[dict[str, Any], str]] = {
    "no form": (full(mixture=None, robustness=None), "key 'arguments' is missing, or 'mixture'"),
    "two forms": (full(arguments={"alpha": 1, "beta": 1}), "exclude each other"),
    "mixture of others": (
        full(distribution="HalfNormal", robustness=None, mixture=[{"weight": 1, "sigma": 1}]),
        "there is no mixture of HalfNormal",
    ),
    "no weight": (changed("mixture", 0, "weight", to=None), "component 1 of key 'mixture'"),
    "weight": (changed("mixture", 0, "weight", to=1.2), "must lie from 0 to 1"),
    "argument": (changed("mixture", 0, "beta", to=0), "must be above 0"),
    "estimand": (changed("estimand", "time_point", to=None), "missing 'time_point'"),
    "estimand key": (changed("estimand", "place", to="x"), "key 'place' is unknown"),
    "n": (changed("evidence", 0, "n", to=0), "key 'n' must be a whole number from 1"),
    "similarity": (changed("evidence", 0, "similarity", to="kin"), "similarity 'kin' is unknown"),
    "evidence weight": (changed("evidence", 0, "weight", to=2), "must lie from 0 to 1"),
    "quantile": (changed("derived", "quantiles", to={"50": 1.0}), "Write the percentage"),
    "ess": (changed("derived", "ess", to={"exact": 1.0}), "method of effective sample size"),
    "reference sd": (changed("derived", "reference_sd", to=0), "must lie from"),
    "robust without mixture": (
        full(mixture=None, arguments={"alpha": 1.0, "beta": 1.0}), "needs a mixture",
    ),
    "method": (changed("elicitation", "method", to="guess"), "method 'guess' is unknown"),
    "no expert": (changed("elicitation", "experts", to=[]), "key 'experts' is empty"),
    "pooling": (changed("elicitation", "pooling", to="mean"), "pooling 'mean' is unknown"),
    "no pooling": (changed("elicitation", "pooling", to=None), "pooling '' is unknown"),
    "expert": (changed("elicitation", "experts", 0, "name", to="X"), "key 'name' is unknown"),
    "no predictive": (changed("prior_predictive", "numbers", to=None), "give 'numbers'"),
    "path without hash": (changed("prior_predictive", "path", to="a.png"), "need each other"),
    "path elsewhere": (
        full(prior_predictive={"statement": "s", "path": "../a.png", "sha256": "0" * 64}),
        "beside the prior file",
    ),
    "hash": (
        full(prior_predictive={"statement": "s", "path": "a.png", "sha256": "0" * 63}),
        "64 hexadecimal digits",
    ),
    "alternative": (changed("alternatives", 0, "arguments", "beta", to=-1), "must be above 0"),
    "alternative form": (changed("alternatives", 0, "arguments", to=None), "'alpha' is missing"),
    "one alternative": (changed("alternatives", 1, to=None), "two sensitivity alternatives, not 1"),
    "no alternatives": (full(alternatives=None), "two sensitivity alternatives, not 0"),
    "no artefact": (full(prior_predictive=None), "needs a prior-predictive artefact"),
    "no review": (full(review=None), "two distinct reviewer roles that approve; found none"),
    "one review": (changed("review", 1, to=None), "found 'clinician'"),
    "refused by one": (changed("review", 1, "decision", to="reject"), "'clinician'"),
    "decision": (changed("review", 1, "decision", to="maybe"), "decision 'maybe' is unknown"),
    "date": (changed("review", 1, "date", to="16 January"), "must be a day as YYYY-MM-DD"),
    "supersedes": (full(supersedes="first"), "not major.minor.patch"),
}  # fmt: skip
# What only Python can say.
PYTHON: dict[str, tuple[dict[str, Any], str]] = {
    "sum": (changed("mixture", 0, "weight", to=0.7), "sum to 0.9, but must sum to 1"),
    "robustness": (changed("robustness", "weight", to=0.1), "not the last component"),
    "same role": (changed("review", 1, "role", to="Clinician"), "two distinct reviewer roles"),
    "same label": (changed("alternatives", 1, "label", to="uniform"), "must differ"),
    "not lower": (full(supersedes="1.1.0"), "must be lower than the version '1.1.0'"),
    "higher": (full(supersedes="1.10.0"), "must be lower than the version '1.1.0'"),
    "no such day": (changed("review", 1, "date", to="2026-02-30"), "must be a day"),
    "order": (
        changed("elicitation", "experts", 0, "values", to=[0.4, 0.2]), "'values' must ascend",
    ),
    "sizes": (
        changed("elicitation", "experts", 0, "values", to=[0.1, 0.2, 0.4]),
        "needs 2 values for 2 probabilities, not 3 for 2",
    ),
    "certain": (
        changed("elicitation", "experts", 0, "probabilities", to=[0.1, 1.0]), "between 0 and 1",
    ),
    "no chips": (
        full(elicitation={
            "protocol": "p", "method": "roulette",
            "experts": [{"role": "r", "values": [0, 1, 2], "probabilities": [0, 4]}],
        }),
        "at least two bins",
    ),
}  # fmt: skip


def made(record: dict[str, Any]) -> PriorEntry:
    return PriorEntry.from_dict({"name": "response_rate", **record})


@pytest.fixture(scope="module")
def validator(root: Path) -> Any:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((root / "data_schemas" / "prior.schema.json").read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema)


def document(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema": "twinbayes/prior/v1", "name": "mine", "version": 1, "description": "A test.",
        "entries": {"response_rate": record},
    }  # fmt: skip


def test_an_entry_with_every_field_survives_plain_data_copies_and_other_processes() -> None:
    entry = made(full())
    assert PriorEntry.from_dict(entry.to_dict()) == entry
    assert PriorEntry.from_dict(json.loads(json.dumps(entry.to_dict()))) == entry
    assert pickle.loads(pickle.dumps(entry)) == entry  # noqa: S301
    assert copy.deepcopy(entry) == entry
    assert set(full()) | {"name"} == set(entry.to_dict())


def test_an_entry_without_the_new_fields_says_nothing_of_them() -> None:
    old = load_priors("aml")["baseline_level"].to_dict()
    assert list(old) == [
        "name", "distribution", "arguments", "parameter", "scale", "unit", "population",
        "rationale", "evidence", "version", "status",
    ]  # fmt: skip
    assert set(old["evidence"][0]) == {"kind", "statement", "source"}


@pytest.mark.parametrize("case", BOTH)
def test_what_the_schema_refuses_python_refuses_and_says_why(case: str, validator: Any) -> None:
    record, said = BOTH[case]
    with pytest.raises(PriorError) as caught:
        made(record)
    assert said in str(caught.value)
    assert "'response_rate'" in str(caught.value)
    assert list(validator.iter_errors(document(record)))


@pytest.mark.parametrize("case", PYTHON)
def test_rules_beyond_the_schema_are_kept_by_python(case: str, validator: Any) -> None:
    record, said = PYTHON[case]
    with pytest.raises(PriorError) as caught:
        made(record)
    assert said in str(caught.value)
    assert not list(validator.iter_errors(document(record)))


@pytest.mark.parametrize(
    "record",
    [
        full(),
        full(status="evidence", review=None, alternatives=None, prior_predictive=None),
        full(prior_predictive={"statement": "s", "path": "pictures/a.png", "sha256": "0" * 64}),
        full(supersedes=None),
        full(mixture=None, robustness=None, arguments={"alpha": 1.0, "beta": 1.0}),
    ],
    ids=["full", "unreviewed", "artefact", "first", "single"],
)
def test_what_python_accepts_the_schema_accepts(record: dict[str, Any], validator: Any) -> None:
    made(record)
    validator.validate(document(record))


def test_schema_and_python_know_the_same_words(validator: Any) -> None:
    defs = validator.schema["$defs"]

    def words(kind: str, key: str) -> tuple[str, ...]:
        return tuple(defs[kind]["properties"][key]["enum"])

    assert words("evidence", "kind") == EVIDENCE_KINDS
    assert words("evidence", "similarity") == SIMILARITIES
    assert words("elicitation", "method") == METHODS
    assert words("elicitation", "pooling") == POOLINGS
    assert words("review", "decision") == DECISIONS
    assert tuple(defs["derived"]["properties"]["ess"]["properties"]) == ESS_METHODS


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=4)
    | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner,
                                                                max_size=3),
    max_leaves=6,
)  # fmt: skip


def places(record: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place inside an entry, by its keys and positions."""
    items: list[tuple[str | int, Any]] = []
    if isinstance(record, dict):
        items = list(record.items())
    elif isinstance(record, list):
        items = list(enumerate(record))
    inside = [place for key, value in items for place in places(value, (*path, key))]
    return ([path] if path else []) + inside


@settings(max_examples=400, deadline=None)
@given(place=st.sampled_from(places(full())), value=ANYTHING)
def test_whatever_stands_in_a_field_is_accepted_or_refused_by_name(
    place: tuple[str | int, ...], value: Any
) -> None:
    record = full()
    inner: Any = record
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    refused = ""
    try:
        entry = made(record)
    except PriorError as error:
        refused = str(error)
    if refused:
        assert "'response_rate'" in refused
    else:
        assert PriorEntry.from_dict(entry.to_dict()) == entry


def test_a_bare_date_is_asked_to_wear_quotation_marks() -> None:
    with pytest.raises(PriorError, match="put quotation marks around it"):
        made(changed("review", 0, "date", to=datetime.date(2026, 1, 15)))


@pytest.mark.requirement("R-029")
def test_all_faults_of_an_entry_are_told_at_once() -> None:
    record = changed("estimand", "endpoint", to=None)
    record["review"] = [{"role": "clinician", "date": "soon", "decision": "yes"}]
    record["unit"] = 1
    with pytest.raises(PriorError) as caught:
        made(record)
    for words in ("missing 'endpoint'", "'yes' is unknown", "'soon'", "'unit' must be text"):
        assert words in str(caught.value)
    assert len(caught.value.faults) >= 4


def test_an_alternative_takes_the_place_of_the_distribution_and_none_of_its_reasons() -> None:
    entry = made(full())
    other = entry.alternative("more doubt")
    assert other.text().startswith("0.5 Beta(alpha=11")
    assert (other.status, other.evidence, other.review) == ("default", (), ())
    assert other.estimand == entry.estimand
    with pytest.raises(PriorError, match=r"'flat' is unknown. Known: 'uniform', 'more doubt'"):
        entry.alternative("flat")


def test_an_override_keeps_the_meaning_and_none_of_the_reasons() -> None:
    entry = made(full())
    priors = load_priors("mds").override({"treatment_effect": entry})
    wider = priors.override({"treatment_effect": {"arguments": {"alpha": 1.0, "beta": 1.0}}})
    record = wider["treatment_effect"].to_dict()
    assert record["estimand"] == entry.to_dict()["estimand"]
    assert not {"derived", "robustness", "review", "elicitation", "mixture"} & set(record)


def test_the_distribution_hash_follows_mixture_and_estimand() -> None:
    plain = made(full()).distribution_hash
    assert made(full(derivation="another text")).distribution_hash == plain
    assert made(changed("estimand", "time_point", to="a year")).distribution_hash != plain
    heavier = changed("mixture", 0, "alpha", to=12.0)
    assert made(heavier).distribution_hash != plain
