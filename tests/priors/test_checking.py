"""Checks of prior files: derived numbers, artefacts, elicitation, lock; all faults at once."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from full_entry import changed, full
from twinbayes.errors import PriorError
from twinbayes.priors import (
    Component,
    Density,
    Derived,
    PriorEntry,
    check_priors,
    derive,
    library_names,
    load_priors,
)
from twinbayes.priors.derived import derived_faults
from twinbayes.priors.files import checking as module

PLAIN = full(elicitation=None)


def written(folder: Path, **entries: dict[str, Any]) -> Path:
    document = {
        "schema": "twinbayes/prior/v1", "name": "mine", "version": 1, "description": "A test.",
        "entries": entries,
    }  # fmt: skip
    file = folder / "mine.yaml"
    plain = json.loads(json.dumps(document))  # so that nothing is written as an alias
    file.write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")
    return file


@pytest.mark.parametrize("name", library_names())
def test_every_shipped_entry_validates_and_its_derived_numbers_are_computed_again(
    name: str,
) -> None:
    found = check_priors(name)
    assert found.faults == ()
    assert found.passed
    assert list(found.statuses) == list(load_priors(name))
    # Nobody has reviewed any of them, so none may call itself approved.
    assert set(found.statuses.values()) <= {"default", "evidence"}


@pytest.mark.parametrize("name", library_names())
def test_every_shipped_entry_survives_the_way_through_plain_data(name: str) -> None:
    for entry in load_priors(name).values():
        assert PriorEntry.from_dict(json.loads(json.dumps(entry.to_dict()))) == entry


def test_derived_numbers_of_a_beta_prior_are_its_closed_forms() -> None:
    numbers = derive(Density(distribution="Beta", arguments={"alpha": 11.0, "beta": 32.0}))
    assert numbers.mean == pytest.approx(11 / 43)
    assert numbers.ess["elir"] == pytest.approx(43, abs=1e-9)
    assert numbers.ess["moment"] == pytest.approx(43, abs=1e-9)
    assert numbers.ess["morita"] == pytest.approx(41, abs=0.5)


def test_a_normal_prior_counts_patients_by_the_reference_sd_and_not_without() -> None:
    normal = Density(distribution="Normal", arguments={"mu": 0.0, "sigma": 0.5})
    assert derive(normal).ess == {}
    assert derive(normal, reference_sd=2.0).ess["elir"] == pytest.approx(16)
    stated = Derived(ess={"elir": 16.0})
    assert "reference_sd" in derived_faults(normal, stated)[0]
    assert derived_faults(normal, Derived(ess={"elir": 16.0}, reference_sd=2.0)) == []


def test_of_a_prior_without_moments_none_can_be_stated() -> None:
    cauchy = Density(distribution="Cauchy", arguments={"alpha": 0.0, "beta": 1.0})
    numbers = derive(cauchy)
    assert (numbers.mean, numbers.sd, numbers.ess) == (None, None, {})
    assert numbers.quantiles["q97.5"] == pytest.approx(12.7062, abs=1e-3)
    assert len(derived_faults(cauchy, Derived(mean=0.0, ess={"elir": 2.0}))) == 2


@pytest.mark.requirement("R-029")
def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    bad = full(status="final", unit="")
    wrong = {**PLAIN, "derived": {"mean": 0.31, "quantiles": {"q50": 0.5}, "ess": {"elir": 43.0}}}
    found = check_priors(written(tmp_path, bad=bad, wrong=wrong, fine=PLAIN))
    assert not found.passed
    assert set(found.statuses) == {"wrong", "fine"}
    text = "\n".join(found.faults)
    for words in (
        "'bad': status 'final' is unknown",
        "'bad': key 'unit' is empty",
        "'wrong': derived mean is 0.31, but the distribution has 0.30465",
        "'wrong': derived q50 is 0.5, but the distribution has 0.26205",
        "'wrong': derived ess elir is 43, but the distribution has 28.311",
    ):
        assert words in text
    assert len(found.faults) == 5


def test_a_prior_predictive_file_must_be_there_and_unchanged(tmp_path: Path) -> None:
    (tmp_path / "picture.svg").write_text("<svg/>", encoding="utf-8")
    digest = hashlib.sha256(b"<svg/>").hexdigest()
    said = {"statement": "s", "path": "picture.svg", "sha256": digest}
    file = written(tmp_path, one={**PLAIN, "prior_predictive": said})
    assert check_priors(file).passed
    (tmp_path / "picture.svg").write_text("<svg></svg>", encoding="utf-8")
    assert "another hash: it was changed" in check_priors(file).faults[0]
    (tmp_path / "picture.svg").unlink()
    assert "there is no file 'picture.svg'" in check_priors(file).faults[0]


def test_what_experts_said_must_give_the_distribution(tmp_path: Path) -> None:
    pytest.importorskip("preliz")
    file = written(tmp_path, one=full())
    [fault] = check_priors(file).faults
    assert "elicitation: the experts' statements give" in fault


def test_without_preliz_the_check_says_what_it_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    found = check_priors(written(tmp_path, one=full()))
    assert found.passed
    assert "PreliZ (extra 'elicit') is missing" in found.notes[-1]


def test_a_deprecated_entry_and_a_file_that_is_no_yaml_are_faults(tmp_path: Path) -> None:
    found = check_priors(written(tmp_path, old={**PLAIN, "status": "deprecated"}))
    assert "'old': is deprecated and may not be used" in found.faults[0]
    file = tmp_path / "broken.yaml"
    file.write_text("a: [", encoding="utf-8")
    assert "not valid YAML" in check_priors(file).faults[0]
    file.write_text("schema: x\n", encoding="utf-8")
    faults = check_priors(file).faults
    assert any("missing name, version" in fault for fault in faults)
    assert any("'schema' must be" in fault for fault in faults)


def test_where_the_rules_in_python_are_silent_the_schema_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "document_faults", lambda document: [])
    file = written(tmp_path, one=PLAIN)
    file.write_text(file.read_text("utf-8").replace("description: A test.", "description: ''"))
    assert "schema: description" in check_priors(file).faults[0]


@pytest.mark.requirement("R-016")
def test_the_lock_notices_changed_new_and_unpublished_entries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = full(elicitation=None, supersedes=None)
    entries = {"changed": first, "new": first, "replaced": PLAIN}
    entry = PriorEntry.from_dict({"name": "replaced", **PLAIN})
    lock = {"flu/v1:changed@1.1.0": "0", "flu/v1:replaced@1.1.0": entry.distribution_hash}
    (tmp_path / "flu").mkdir()
    file = written(tmp_path / "flu", **entries)
    file.write_text(file.read_text("utf-8").replace("name: mine", "name: flu"), encoding="utf-8")
    file.rename(tmp_path / "flu" / "v1.yaml")
    (tmp_path / "LOCK.json").write_text(json.dumps(lock), encoding="utf-8")
    monkeypatch.setattr("twinbayes.priors.files.library.priors_dir", lambda: tmp_path)
    text = "\n".join(check_priors("flu").faults)
    assert "'changed': changed under the version 1.1.0, which is published" in text
    assert "'new': version 1.1.0 is not in LOCK.json" in text
    assert "'replaced': supersedes 1.0.0, which is not published" in text


def test_an_unknown_set_version_or_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PriorError, match=r"Unknown priors 'flu'. Known: 'aml'"):
        check_priors("flu")
    with pytest.raises(PriorError, match=r"no version 7. Known: 1"):
        check_priors("aml", version=7)
    with pytest.raises(PriorError, match=r"There is no prior file 'mine.yaml'"):
        check_priors(tmp_path / "mine.yaml")


def test_an_unreviewed_prior_that_calls_itself_approved_does_not_load(tmp_path: Path) -> None:
    file = written(tmp_path, one=changed("review", 1, to=None))
    with pytest.raises(PriorError, match="two distinct reviewer roles"):
        load_priors(file)


def test_the_example_of_the_documentation_passes_the_check(tmp_path: Path, root: Path) -> None:
    page = (root / "docs" / "priors.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    found = check_priors(written(tmp_path, **yaml.safe_load(example)))
    assert found.faults == ()
    assert found.statuses == {"response_probability.remission": "evidence"}


def test_components_are_read_in_any_order_of_keys() -> None:
    parts = (Component(weight=1.0, arguments={"beta": 9.0, "alpha": 3.0}),)
    density = Density(distribution="Beta", arguments={}, mixture=parts)
    assert density.mean == pytest.approx(0.25)
