"""Twins of patients of a fit are those of refits without their later records: stored figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import twinbayes as tb


def test_twins_of_the_fit_are_those_of_refits_without_the_later_record(
    stored_evidence: Callable[..., dict[str, Any]],
) -> None:
    stored = stored_evidence("in_sample_twins")
    assert set(stored) <= {"pbc", "registry"}
    for disease, found in stored.items():
        spec = tb.disease(disease)
        assert found["model"] == spec.content_hash
        assert found["priors"] == tb.load_priors(str(spec.priors)).distribution_hash
        assert found["patients"] == 30
        assert found["patients_a_refit"] == 1
        assert found["refits"] == 30 * len(found["landmarks_days"]) == 60
        assert found["usable"] == [61, 61]
        assert found["own_weights_trusted"]["survival_mean"] <= 0.02
        assert found["own_weights_trusted"]["survival_interval"] <= 0.05
        assert found["need_refit"] <= 3
        # Without weights they are further off: what is held is the weights.
        mean = "survival_mean_average"
        assert found["own_weights"][mean] < found["no_weights"][mean]
