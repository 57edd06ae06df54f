"""Twins of a fit: who makes them, what they share, and what a fit carries along."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from twinbayes.errors import TwinError
from twinbayes.inference import Fit
from twinbayes.names import TWINS_OF_FIT


def test_inference_imports_no_twins_and_finds_what_makes_them_when_asked() -> None:
    code = (
        "import sys; from twinbayes.inference.fit import twins_of_fit; "
        "print([m for m in sys.modules if m.startswith('twinbayes.twin')]); "
        f"provider = twins_of_fit(); print(provider.__func__.__module__ == {TWINS_OF_FIT!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "True"]


def test_all_twins_of_a_fit_share_its_populations(joint_fit: Fit) -> None:
    one, two = joint_fit.twin("p01"), joint_fit.twin("p02")
    assert one.population is two.population is joint_fit.population
    assert one.curve_population is two.curve_population is joint_fit.curve_population
    assert one.seen is two.seen


def test_a_fit_keeps_the_plan_that_was_sampled_until_what_it_is_of_changes(
    registry_fit: Fit,
) -> None:
    assert registry_fit.laid_out is not None
    assert registry_fit.plan is registry_fit.laid_out.plan
    assert registry_fit.thinned(20).plan is registry_fit.plan
    some = registry_fit.cohort.select(registry_fit.cohort.patient_ids[:5])
    assert replace(registry_fit, cohort=some).plan.patient_ids == some.patient_ids


@pytest.mark.parametrize("at", ["today", [10, 20], True])
def test_a_landmark_that_is_no_day_is_refused(registry_fit: Fit, at: object) -> None:
    with pytest.raises(TwinError, match="at must be one day since origin"):
        registry_fit.twin(registry_fit.cohort.patient_ids[0], at=at)  # type: ignore[arg-type]
