"""The committed figures of transplant by genomic subgroup are about the models that are shipped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from twinbayes.diseases import disease
from twinbayes.priors import load_priors

POOLINGS = ("none", "exchangeable", "horseshoe", "exnex")
STALE = "run benchmarks/aml_borrowing.py --write"


@pytest.fixture(scope="module")
def evidence(stored_evidence: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    return stored_evidence("aml_borrowing")


@pytest.mark.parametrize("pooling", POOLINGS)
def test_each_pooling_was_fitted_as_it_is_shipped_and_may_be_used(
    evidence: dict[str, Any], pooling: str
) -> None:
    found = evidence["poolings"][pooling]
    assert found["model"] == disease("aml", pooling=pooling).content_hash, STALE
    assert evidence["priors"] == load_priors("aml").distribution_hash, STALE
    assert found["usable"]
    assert found["max_rhat"] <= 1.01
    assert found["min_ess"] >= 400
    assert found["divergences"] == 0


@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_subgroup_has_a_difference_in_survival_time_with_its_interval(
    evidence: dict[str, Any], pooling: str
) -> None:
    assert evidence["years"] == [3.0, 5.0]
    groups = evidence["poolings"][pooling]["rmst_difference_days"]["subgroups"]
    assert len(groups) == 14
    for found in groups.values():
        for low, mean, high in zip(found["lower"], found["mean"], found["upper"], strict=True):
            assert low < mean < high
    # t(15;17) is not transplanted in first remission: the model has nobody to learn it from
    assert groups["t15_17"]["support"] == "no comparable patients"


def test_borrowing_narrows_the_intervals_of_small_subgroups(evidence: dict[str, Any]) -> None:
    def width(pooling: str, subgroup: str) -> float:
        found = evidence["poolings"][pooling]["rmst_difference_days"]["subgroups"][subgroup]
        return float(found["upper"][1] - found["lower"][1])

    for subgroup in ("t6_9", "inv16", "t8_21"):
        assert width("exchangeable", subgroup) < width("none", subgroup)


def test_the_best_pooling_foretells_a_left_out_subgroup_better_than_all_or_nothing(
    evidence: dict[str, Any],
) -> None:
    rows = {row["pooling"]: row for row in evidence["left_out_subgroups"]}
    best = evidence["left_out_subgroups"][0]
    assert best["pooling"] not in ("none", "complete")
    for other in ("none", "complete"):
        assert best["elpd"] > rows[other]["elpd"]
        assert rows[other]["difference"] < -rows[other]["standard_error"] < 0.0
