"""How far the evidence of a review reaches: what counts as unseen patients, and groups of age."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import arviz as az
import numpy as np
import pandas as pd
import pytest

from twinbayes.checks.calibration.expected_events import counting_process
from twinbayes.checks.result import CALIBRATION, CheckResult, CheckVerdict
from twinbayes.inference import Fit
from twinbayes.report.figures.look import look_of
from twinbayes.report.required.first_screen import Judged, standing
from twinbayes.report.reviewer import reach
from twinbayes.report.reviewer.checks import _monte_carlo_words, diagnostics
from twinbayes.report.reviewer.evidence import ReviewEvidence


@pytest.mark.parametrize(("verdict", "colour"), [("info", "caution"), ("pass", "usable")])
def test_a_calibration_that_could_hardly_fail_validates_nothing(
    fit: Fit, monkeypatch: pytest.MonkeyPatch, verdict: CheckVerdict, colour: str
) -> None:
    held = CheckResult("calibration", verdict, pd.DataFrame(), "So many patients.", CALIBRATION)
    monkeypatch.setattr(reach, "state_occupation_calibration", lambda *_, **__: held)
    monkeypatch.setattr(reach, "_HEAVY", 100.0)  # weights of made-up draws
    found = reach.each_left_out(fit, counting_process(fit), look_of(fit), (365.25,))
    assert [c.verdict for c in found] == [verdict, "info"]
    assert standing(Judged(usable=True, reasons=()), found)[1] == colour


def test_the_monte_carlo_error_of_mean_predictions_is_told(
    fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "_HEAVY", 100.0)
    process = counting_process(fit)
    found = reach.each_left_out(fit, process, look_of(fit), (365.25, 730.5))
    few = fit.thinned(reach.FORECAST_DRAWS)
    ids = [str(p) for p in process.patients]
    answer = few.twin(ids, at=0.0).as_drawn().forecast(730.5, [365.25, 730.5], draws=True)
    draws = answer["state_probability_draws"].transpose("sample", "patient", ...).to_numpy()
    means = draws.mean(axis=1)
    chains = few.datatree["posterior"].sizes["chain"]
    cells = means.reshape(chains, len(means) // chains, -1)
    errors = [
        cells[:, :, k].std(ddof=1) / float(az.ess(cells[:, :, k], method="mean")) ** 0.5
        for k in range(cells.shape[2])
        if np.ptp(cells[:, :, k]) > 0.0
    ]
    error = 100 * max(errors)
    for check in found:
        assert f"at most {error:.2f} percentage points" in check.text


def test_the_monte_carlo_error_of_parameters_is_that_of_the_least_effective_size(
    fit: Fit, collected: ReviewEvidence
) -> None:
    table = fit.verdict.table
    draws = fit.datatree["posterior"].to_dataset()
    name = str(table["min_ess_bulk"].idxmin())
    least = float(az.ess(draws[[name]], method="bulk")[name].min())
    shown = diagnostics(collected).html
    assert f"at most {1 / least**0.5:.1%} of its posterior standard deviation" in shown
    none = table.assign(min_ess_bulk=np.nan)
    assert "not known" in _monte_carlo_words(none)


def groups_of(ages: list[float]) -> list[list[str]]:
    """Groups by age, of a cohort that has nothing else to tell its patients apart."""
    ids = [f"p{k}" for k in range(len(ages))]
    patients = pd.DataFrame({"patient_id": ids, "subgroup": "a", "centre": "b", "age": ages})
    fit: Any = SimpleNamespace(cohort=SimpleNamespace(patients=patients))
    process: Any = SimpleNamespace(patients=ids)
    return [list(labels) for _, labels in reach._groupings(cast(Fit, fit), process)]


def test_groups_of_age_are_named_by_what_they_hold() -> None:
    assert groups_of([40, 50, 60, 70, 80, 90]) == [
        ["youngest third"] * 2 + ["middle third"] * 2 + ["oldest third"] * 2
    ]
    # Half of one age: tertiles 60 and 60 are one cut, and whoever is above it is the older half.
    assert groups_of([50, 60, 60, 60, 60, 60, 70, 80]) == [["younger"] * 6 + ["older"] * 2]
    assert groups_of([60] * 20 + [50, 70, 80]) in ([["younger"] * 21 + ["older"] * 2], [])
