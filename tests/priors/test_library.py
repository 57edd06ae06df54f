"""The prior library: strict reading, its schema, and the lock on its distributions."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from twinbayes.errors import PriorError
from twinbayes.model import NegativeBinomial, Ordinal
from twinbayes.priors import FAMILIES, STATUSES, library_names, load_priors

DISEASES = ("aml", "cml", "general", "hsct", "mds", "pbc", "recurrent", "registry", "survival")
FAMILIES_OF_MARKERS = (NegativeBinomial(), Ordinal(grades=(0, 1, 2)))
AGGREGATES = ("basket", "historical")
SETS = tuple(sorted((*DISEASES, *AGGREGATES)))
# Names that the event-process model asks for, in every disease.
ASKED_FOR = (
    "baseline_level",
    "baseline_roughness",
    "covariate_scale",
    "covariate_effect",
    "subgroup_scale",
    "centre_scale",
    "treatment_effect",
    "treatment_heterogeneity",
    "weibull_shape",
)
ENTRY = """
schema: twinbayes/prior/v1
name: mine
version: 3
description: A test.
entries:
  slope:
    distribution: Normal
    arguments: {mu: 0, sigma: 1}
    parameter: p
    scale: s
    unit: "1"
    population: everyone
    rationale: r
    evidence:
      - kind: scale argument
        statement: x
    version: 1.0.0
    status: default
"""


def test_the_library_holds_the_diseases_and_each_loads() -> None:
    assert library_names() == SETS
    for name in DISEASES:
        priors = load_priors(name)
        assert (priors.name, priors.version) == (name, 1)
        assert set(ASKED_FOR) <= set(priors)
        assert load_priors(name, version=1) == priors


@pytest.mark.requirement("R-016")
def test_a_changed_distribution_without_a_new_version_breaks_the_lock(root: Path) -> None:
    lock = json.loads((root / "priors" / "LOCK.json").read_text(encoding="utf-8"))
    library = {
        identity: entry.distribution_hash
        for name in SETS
        for identity, entry in zip(load_priors(name).ids, load_priors(name).values(), strict=True)
    }
    changed = sorted(i for i in library if i in lock and lock[i] != library[i])
    assert not changed, "changed under the same version: give these entries a new version"
    new = {i: h for i, h in library.items() if i not in lock}
    assert not new, f"new entries or versions, to be added to priors/LOCK.json: {json.dumps(new)}"


def test_every_entry_of_the_library_gives_a_reason_that_can_be_followed() -> None:
    for name in SETS:
        for entry in load_priors(name).values():
            assert entry.evidence, entry.name
            assert len(entry.rationale) > 40, entry.name


def test_the_general_set_has_all_that_a_model_may_ask_for_and_names_no_disease() -> None:
    general = load_priors("general")
    published_figures = {"response_probability", "survival_effect"}
    asked = {name.partition(".")[0] for set_ in DISEASES for name in load_priors(set_)}
    families = {p.name for kind in FAMILIES_OF_MARKERS for p in kind.parameters}
    assert asked - published_figures | families <= set(general)
    own = re.compile("leuk|transplant|remission|relapse|induction|registry|cirrhosis|cancer", re.I)
    for entry in general.values():
        said = [entry.parameter, entry.population, entry.rationale]
        said += [item.statement for item in entry.evidence if item.kind == "scale argument"]
        assert not own.search(" ".join(said)), entry.name
    level = general["baseline_level"]
    low, middle, high = np.exp([level.quantile(p) for p in (0.025, 0.5, 0.975)]) * 365.25
    stated = level.evidence[0].statement
    assert f"{100 * -np.expm1(-low):.2f} % of patients a year" in stated
    assert f"gone in {np.log(2) / high * 365.25:.0f} days" in stated
    assert f"median is {100 * -np.expm1(-middle):.0f} % a year" in stated


def test_half_normal_quantiles_quoted_as_reasons_are_right() -> None:
    for name in SETS:
        for entry in load_priors(name).values():
            for item in entry.evidence:
                if entry.distribution == "HalfNormal" and "At its median" in item.statement:
                    assert f"({entry.quantile(0.5):.2f})" in item.statement, entry.name
                if entry.distribution == "HalfNormal" and "95 % quantile" in item.statement:
                    assert f"({entry.quantile(0.95):.2f})" in item.statement, entry.name


def test_the_baseline_prior_allows_hazards_from_under_one_percent_a_year_to_weeks() -> None:
    level = load_priors("aml")["baseline_level"]
    low, high = np.exp([level.quantile(0.025), level.quantile(0.975)])
    assert 1 - np.exp(-low * 365.25) < 0.01
    assert np.log(2) / high < 28


def test_the_json_schema_accepts_the_library_and_knows_the_same_words(root: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((root / "data_schemas" / "prior.schema.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    jsonschema.Draft202012Validator.check_schema(schema)
    for name in SETS:
        file = root / "priors" / name / "v1.yaml"
        validator.validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    entry = schema["$defs"]["entry"]
    assert entry["properties"]["distribution"]["enum"] == list(FAMILIES)
    assert entry["properties"]["status"]["enum"] == list(STATUSES)
    rules = {
        rule["if"]["properties"]["distribution"]["const"]: rule["then"]["properties"]["arguments"]
        for rule in entry["allOf"]
        if "distribution" in rule["if"]["properties"]
    }
    assert {name: tuple(rule["required"]) for name, rule in rules.items()} == {
        name: tuple(family.arguments) for name, family in FAMILIES.items()
    }


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("    unit:", "    units:", ["'slope'", "'units' is unknown"]),
        ("    version: 1.0.0\n", "", ["'slope'", "'version' is missing"]),
        ('    unit: "1"\n', "", ["'slope'", "missing 'unit'"]),
        ('unit: "1"', "unit: 1", ["'slope'", "'unit' must be text"]),
        ("    arguments: {mu: 0, sigma: 1}\n", "", ["'slope'", "'arguments' is missing"]),
        ("sigma: 1}", "sigma: one}", ["'slope'", "is not a number"]),
        ("sigma: 1}", "sigma: .nan}", ["'slope'", "not finite"]),
        ("status: default", "status: deprecated", ["'slope'", "deprecated"]),
        ("version: 3", "version: 3.5", ["'version' must be a whole number"]),
        ("version: 3", "version: true", ["'version' must be a whole number"]),
        ("name: mine", "title: mine", ["'title' is unknown"]),
        ("name: mine\n", "", ["missing name"]),
        ("prior/v1", "prior/v2", ["'schema' must be"]),
        ("description: A test.", "description: []", ["'description' must be text"]),
        ("  slope:\n", "  slope:\n    name: tilt\n", ["'slope'", "'name' is unknown"]),
        ("        statement: x\n", "", ["'slope'", "evidence", "missing 'statement'"]),
        ("      - kind:", "        kind:", ["'slope'", "'evidence' must be a list"]),
        ("statement: x", "statement: x\n        by: me", ["'slope'", "'by' is unknown"]),
        ("scale: s", "scale: s\n    scale: t", ["key 'scale' appears twice"]),
        ("sigma: 1}", "sigma: 1", ["not valid YAML"]),
        ("rationale: r", "rationale: !!python/name:os.system ", ["not valid YAML"]),
        ("rationale: r", "rationale: &a r\n    x: *a", ["aliases are not allowed"]),
    ],
)
def test_a_faulty_file_is_refused_naming_file_entry_and_key(
    tmp_path: Path, old: str, new: str, said: list[str]
) -> None:
    assert old in ENTRY
    file = tmp_path / "mine.yaml"
    file.write_text(ENTRY.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(PriorError) as caught:
        load_priors(file)
    for words in ["mine.yaml", *said]:
        assert words in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "entries\n"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(PriorError, match="expected keys and values"):
        load_priors(file)


def test_a_file_of_ones_own_loads_and_its_version_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(ENTRY, encoding="utf-8")
    assert load_priors(file, version=3).ids == ("mine/v3:slope@1.0.0",)
    with pytest.raises(PriorError, match="holds version 3, not 4"):
        load_priors(file, version=4)


@pytest.mark.parametrize(
    ("name", "version", "said"),
    [
        (
            "flu",
            None,
            "Unknown priors 'flu'. Known: 'aml', 'basket', 'cml', 'general', 'historical', 'hsct'",
        ),
        ("../priors/aml", None, "Unknown priors"),
        ("aml", 9, "no version 9. Known: 1"),
        ("nowhere.yaml", None, "There is no prior file 'nowhere.yaml'"),
    ],
)
def test_an_unknown_name_or_version_is_refused(name: str, version: Any, said: str) -> None:
    with pytest.raises(PriorError) as caught:
        load_priors(name, version=version)
    assert said in str(caught.value)
