"""Prior sensitivity summed up: parameters and forecasts, and no patient by name."""

from __future__ import annotations

import pytest

from twinbayes.checks import CheckResult
from twinbayes.checks.sensitivity.overview import sensitivity_of
from twinbayes.checks.sensitivity.power_scaling import ALL_PRIORS
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
    assert table["prior"].is_monotonic_decreasing
    assert set(table["scaled"]) == {ALL_PRIORS}
    assert not any("offset" in name for name in table["quantity"])


def test_forecasts_are_means_of_subgroups_under_each_prior(
    checks: tuple[CheckResult, CheckResult], registry_fit: Fit
) -> None:
    table = checks[1].table
    assert set(table["entry"]) == {f"{group}, 365.0" for group in registry_fit.cohort.subgroups}
    assert {ALL_PRIORS, "subgroup_scale", "covariate_scale"} <= set(table["scaled"])
    assert "Of single patients" in checks[1].text
    told = checks[1].text + table.to_string()
    assert not any(patient in told for patient in registry_fit.cohort.patient_ids)
