"""Prior sensitivity in a review: parameters and forecasts, and no patient by name."""

from __future__ import annotations

from twinbayes.checks.power_scaling import ALL_PRIORS
from twinbayes.inference import Fit
from twinbayes.report.sensitivity import sensitivity_of_forecasts, sensitivity_of_parameters


def test_the_most_sensitive_parameters_are_shown_first(registry_fit: Fit) -> None:
    check = sensitivity_of_parameters(registry_fit)
    assert check.name == "power-scaling sensitivity of parameters"
    assert 0 < len(check.table) <= 20
    assert check.table["prior"].is_monotonic_decreasing
    assert set(check.table["scaled"]) == {ALL_PRIORS}
    assert not any("offset" in name for name in check.table["quantity"])


def test_forecasts_are_means_of_subgroups_under_each_prior(registry_fit: Fit) -> None:
    check = sensitivity_of_forecasts(registry_fit, [365.0])
    subgroups = registry_fit.cohort.subgroups
    assert set(check.table["entry"]) == {f"{group}, 365.0" for group in subgroups}
    assert {ALL_PRIORS, "subgroup_scale", "covariate_scale"} <= set(check.table["scaled"])
    assert "Of single patients" in check.text
    told = check.text + check.table.to_string()
    assert not any(patient in told for patient in registry_fit.cohort.patient_ids)
