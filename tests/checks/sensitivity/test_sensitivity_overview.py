"""Prior sensitivity summed up: parameters and forecasts, and no patient by name."""

from __future__ import annotations

import pytest

from twinbayes.checks import CheckResult
from twinbayes.checks.sensitivity.overview import (
    EFFECTS,
    HYPER,
    is_hyperparameter,
    sensitivity_of,
)
from twinbayes.checks.sensitivity.power_scaling import ALL_PRIORS, NO_SIGN
from twinbayes.checks.sensitivity.priors import prior_sensitivity
from twinbayes.inference import Fit


@pytest.fixture(scope="module")
def checks(registry_fit: Fit) -> tuple[CheckResult, CheckResult]:
    return sensitivity_of(registry_fit, [365.0])


def test_the_most_sensitive_parameters_are_shown_first(
    checks: tuple[CheckResult, CheckResult],
) -> None:
    table = checks[0].table
    assert checks[0].name == "power-scaling sensitivity of parameters"
    assert 0 < len(table) <= 20
    for _, of_kind in table.groupby("kind"):
        assert of_kind["prior"].is_monotonic_decreasing
    assert set(table["scaled"]) == {ALL_PRIORS}
    assert not any("offset" in name for name in table["quantity"])


def test_forecasts_are_means_of_subgroups_under_each_prior(
    checks: tuple[CheckResult, CheckResult], registry_fit: Fit
) -> None:
    table = checks[1].table
    assert set(table["entry"]) == {f"{group}, 365.0" for group in registry_fit.cohort.subgroups}
    assert {ALL_PRIORS, "subgroup_scale", "covariate_scale"} <= set(table["scaled"])
    assert " single patients at 1 times, " in checks[1].text
    told = checks[1].text + table.to_string()
    assert not any(patient in told for patient in registry_fit.cohort.patient_ids)


def test_scales_are_counted_apart_from_effects_and_stand_below_them(
    checks: tuple[CheckResult, CheckResult], registry_fit: Fit
) -> None:
    every = prior_sensitivity(registry_fit.thinned(1000)).table
    is_scale = every["quantity"].map(is_hyperparameter)
    assert set(every.loc[is_scale, "quantity"]) >= {"subgroup_scale", "centre_scale"}
    assert set(every.loc[~is_scale, "quantity"]) >= {"beta", "treatment_effect", "log_baseline"}
    for kind, of_kind in ((EFFECTS, every[~is_scale]), (HYPER, every[is_scale])):
        flagged = int((of_kind["diagnosis"] != NO_SIGN).sum())
        assert f"Of {len(of_kind)} {kind}, {flagged} are flagged" in checks[0].text
    assert list(checks[0].table["kind"]) == sorted(checks[0].table["kind"])


def test_a_warning_says_what_it_is_of_and_what_to_try(
    checks: tuple[CheckResult, CheckResult],
) -> None:
    for check in checks:
        assert (check.verdict == "warn") == ("To try: " in check.text)
    means = checks[1].table["diagnosis"].ne(NO_SIGN).any()
    assert ("subgroup means" in checks[1].text) == means
