"""Events that recur, on published data: stored figures, beside an independent fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import twinbayes as tb


@pytest.mark.parametrize("disease", ["cgd", "rhdnase"])
def test_treatment_and_frailty_are_those_of_an_independent_fit_and_inside_published_intervals(
    disease: str, stored_evidence: Callable[..., dict[str, Any]]
) -> None:
    found = stored_evidence("recurrent_events")[disease]
    spec = tb.disease(disease)
    assert found["model"] == spec.content_hash
    assert found["priors"] == tb.load_priors(str(spec.priors)).distribution_hash
    assert found["usable"]
    for name, ours in found["ours"].items():
        theirs = found["independent"][name]
        assert abs(ours["mean"] - theirs["mean"]) <= 0.25 * theirs["sd"]
        assert ours["sd"] == pytest.approx(theirs["sd"], rel=0.15)
    effect, variance = found["ours"]["treatment"], found["ours"]["frailty_variance"]
    robust = [found["andersen_gill"], *(p for p in (found["published"].get("andersen_gill"),) if p)]
    for model in robust:
        assert abs(effect["mean"] - model["mean"]) <= 1.96 * model["robust_se"]
    if disease == "cgd":
        published = found["published"]["log_normal_frailty"]
        assert abs(effect["mean"] - published["mean"]) <= 1.96 * published["se"]
        low, high = found["published"]["gamma_frailty"]["variance_of_log_interval"]
        assert low <= variance["mean"] <= high
        assert variance["lower"] <= published["variance"] <= variance["upper"]
    for row in found["counts"]:
        assert row["lower"] <= row["predicted"] <= row["upper"]
