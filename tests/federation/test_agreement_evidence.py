"""Federated posteriors are those of all patients together: stored figures of published cohorts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import twinbayes as tb


@pytest.mark.requirement("R-066")
def test_federated_posteriors_are_the_pooled_ones(
    stored_evidence: Callable[..., dict[str, Any]],
) -> None:
    from hsct_reference import six_states

    stored = stored_evidence("federation")
    registry = tb.disease("registry").of_events()
    models = {
        "ebmt4": six_states(),
        "registry": registry,
        "registry_all_told": registry,
        "pbc": tb.disease("pbc"),
    }
    assert {"ebmt4", "registry"} <= set(stored) <= set(models)
    for name, found in stored.items():
        spec = models[name]
        assert found["model"] == spec.content_hash
        assert found["priors"] == tb.load_priors(str(spec.priors)).distribution_hash
        assert found["verdict"] == found["pooled_verdict"] == "USABLE"
        assert found["certificate"]["pareto_k"] < 0.5
        assert found["expansions"] <= 8
        assert found["scorings"] <= 3
        assert found["released_mb_a_site"] <= 5.0
        # What is held is the method: other ways of joining sites are far away.
        ours, noise = found["federated"], found["noise"]
        for way in ("one_shot", "precision_weighted", "largest_site"):
            assert found[way]["median_difference_sd"] > 5.0 * ours["median_difference_sd"]
        if found["held_back"]:  # then the joint fit is of less than all that is known
            assert ours["median_difference_sd"] < 0.1
            continue
        # Differences are of the size of the noise between two halves of the pooled draws. Where
        # most numbers are windows of one baseline, they go up and down together.
        together = 0.05 if name == "pbc" else 0.0
        assert ours["median_difference_sd"] <= max(2.0 * noise["median_difference_sd"], together)
        assert ours["share_within_a_tenth_sd"] >= 0.99
        assert ours["share_of_sd_ratios_within"] >= 0.9
