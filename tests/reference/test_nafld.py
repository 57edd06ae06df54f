"""Fatty liver disease, 17,549 people: stored figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import twinbayes as tb


def test_states_of_women_and_men_are_occupied_as_seen(
    stored_evidence: Callable[..., dict[str, Any]],
) -> None:
    found = stored_evidence("nafld")
    spec = tb.disease("nafld")
    assert found["model"] == spec.content_hash
    assert found["priors"] == tb.load_priors(str(spec.priors)).distribution_hash
    assert (found["people"], found["usable"]) == (17549, True)
    assert set(found["largest_difference_by_sex"]) == {"men", "women"}
    assert max(found["largest_difference_by_sex"].values()) <= 0.02
    ratios = found["log_hazard_ratio_of_fatty_liver"]
    steps = [ratio for move, ratio in ratios.items() if not move.endswith("->dead")]
    assert len(steps) == 3
    assert all(mean > 3 * sd for mean, sd in steps)  # people with fatty liver gather comorbidities


def test_the_joint_model_of_two_markers_is_fitted_to_all_in_the_time_and_memory_that_is_told(
    stored_evidence: Callable[..., dict[str, Any]],
) -> None:
    found = stored_evidence("nafld_markers")
    spec = tb.disease("nafld_markers")
    assert found["model"] == spec.content_hash
    assert (found["people"], found["usable"]) == (17549, True)
    assert len(spec.graph.transitions) >= 3
    assert spec.trajectories is not None
    assert len(spec.trajectories.markers) >= 2
    assert found["cpu_seconds"] <= 2 * 45 * 60  # two cores, 45 minutes
    assert found["peak_gib"] <= 10.0
    # Known of the population: low cholesterol of this kind goes with metabolic disease.
    mean, sd = found["association"]["hdl value on no_comorbidity->one_comorbidity"]
    assert mean < -3 * sd
