"""The committed AML evidence is about the model and priors that are shipped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from twinbayes.diseases import disease
from twinbayes.priors import load_priors


@pytest.fixture(scope="module")
def evidence(stored_evidence: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    return stored_evidence("aml_validation")


def test_the_evidence_is_of_this_model_and_these_priors(evidence: dict[str, Any]) -> None:
    spec = disease("aml")
    for name, found in evidence.items():
        stale = f"{name}: run benchmarks/aml_validation.py {name} --write"
        assert found["model"] == spec.content_hash, stale
        assert found["priors"] == load_priors(spec.priors).distribution_hash, stale


def test_survival_from_diagnosis_is_ranked_and_spread_as_it_turned_out(
    evidence: dict[str, Any],
) -> None:
    found = evidence["crossvalidation"]
    assert found["folds"] == 10
    assert found["concordance"] >= 0.695
    assert 0.9 <= found["slope"] <= 1.1


def test_mean_state_occupation_is_that_of_the_aalen_johansen_curves(
    evidence: dict[str, Any],
) -> None:
    found = evidence["calibration"]
    assert found["largest_overall_difference"] <= 0.03
    assert found["subgroup_values"] >= 150
    assert not found["outside_band"]  # of subgroups of 40 patients or more


def test_every_fit_of_the_cross_validation_passed_its_gate(evidence: dict[str, Any]) -> None:
    for name in ("crossvalidation", "trials"):
        assert "NOT FOR USE" not in evidence[name]["text"]
