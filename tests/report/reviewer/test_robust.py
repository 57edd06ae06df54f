"""A review is a page, whatever of its evidence cannot be computed, and says what is missing."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import twinbayes as tb
from twinbayes.checks import patient_loo
from twinbayes.checks.result import CALIBRATION
from twinbayes.cohort import Cohort
from twinbayes.inference import Fit
from twinbayes.inference.gate.diagnostics import ebfmi
from twinbayes.report import collect
from twinbayes.report.figures.diagnostics import diagnostics
from twinbayes.report.html.formulae import hazard_formula
from twinbayes.report.reviewer import checks as of_checks
from twinbayes.report.reviewer import evidence as of_evidence
from twinbayes.report.reviewer import reach
from twinbayes.report.reviewer.evidence import ReviewEvidence

type MakeFit = Callable[..., Fit]


def words_of(page: str) -> str:
    """What a reader sees of a page, without its pictures."""
    bare = re.sub(r"<style.*?</style>|<svg.*?</svg>|base64,[^\"']*", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", bare))


def ended(cohort: Cohort, days: float | dict[str, float]) -> Cohort:
    """Return the cohort with the follow-up of all, or of some, cut short."""
    last = cohort.events.groupby("patient_id")["day"].max().astype(float).to_dict()
    if isinstance(days, dict):
        return cohort.until(last | days)
    return cohort.until({p: min(day, days) for p, day in last.items()})


def test_whatever_fails_says_so_and_the_page_is_whole(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = fit.cohort.patient_ids[0]

    def fails(*_: object, **__: object) -> None:
        raise KeyError(secret)

    parts = (
        "_forecast", "occupation_under_priors", "shrinkage_of", "sensitivity_of",
        "treatment_borrowing", "treatment_effects", "marker_evidence", "_leave_one_out",
    )  # fmt: skip
    for part in parts:
        monkeypatch.setattr(of_evidence, part, fails)
    monkeypatch.setattr(reach, "left_out_predictions", fails)
    evidence = collect(fit)
    mine = [c for some in evidence.checks.values() for c in some]
    assert {c.verdict for c in mine} == {"not_provided"}
    assert {c.text for c in mine} == {"KeyError. See the log for its place."}
    page = tb.review(fit, tmp_path / "review.html").read_text(encoding="utf-8")
    assert secret not in page
    said = words_of(page)
    for name in ("state-occupation calibration", "concordance", "borrowing", "shrinkage"):
        assert f"NOT PROVIDED {name}" in said or f"{name} of subgroup effects: KeyError" in said
    assert "Provenance" in said


def test_a_fit_of_ten_draws_has_a_review(cohort: Cohort, make_fit: MakeFit, tmp_path: Path) -> None:
    few = make_fit(cohort, draws=10)
    assert not few.verdict.usable
    said = words_of(tb.review(few, tmp_path / "review.html").read_text(encoding="utf-8"))
    assert "NOT FOR USE" in said
    assert "Checks at a glance" in said


def test_nothing_was_seen_of_a_patient_without_follow_up(cohort: Cohort, make_fit: MakeFit) -> None:
    whole = make_fit(cohort)
    patient = next(
        p for p, x in zip(cohort.patient_ids, whole.log_likelihood().std(("chain", "draw")).values,
                          strict=True) if x > 0
    )  # fmt: skip
    some = make_fit(ended(cohort, {patient: 0.0}))
    likelihood = some.log_likelihood()
    assert (likelihood.sel(patient=patient) == 0.0).all()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Estimated shape parameter of Pareto")
        found = patient_loo(likelihood)
        others = patient_loo(likelihood.drop_sel(patient=patient))
    place = list(found.patients).index(patient)
    assert found.elpd[place] == 0.0
    assert found.pareto_k[place] == 0.0
    # The others are what they are without that patient.
    assert np.delete(found.elpd, place) == pytest.approx(others.elpd)
    assert found.p_loo == pytest.approx(others.p_loo)


def test_patients_of_whom_nothing_varies_leave_nothing_to_smooth() -> None:
    values = xr.DataArray(np.tile([-1.5, 0.0], (4, 50, 1)), dims=("chain", "draw", "patient"))
    found = patient_loo(values)
    assert found.elpd.tolist() == [-1.5, 0.0]
    assert (found.total, found.p_loo) == (-1.5, 0.0)


@pytest.mark.requirement("R-053")
def test_horizons_beyond_the_follow_up_say_so_before_their_number(
    cohort: Cohort, make_fit: MakeFit
) -> None:
    # Followed for 300 days: 1, 3 and 5 years are asked for because deaths alone are known then.
    short = make_fit(ended(cohort, 300.0))
    evidence = collect(short)
    within = evidence.horizons[0]
    assert within < 300.0
    (check,) = (
        c for c in evidence.of(CALIBRATION) if c.name == "state-occupation calibration, in-sample"
    )
    whole = check.table[check.table["subgroup"] == "all"]
    assert (whole.loc[whole["time"] == within, "observed"].notna()).all()
    assert (whole.loc[whole["time"] > 300.0, ["observed", "lower", "upper"]].isna()).all(axis=None)
    said = words_of(of_checks.calibration(evidence).html)
    assert re.search(r"5, beyond the follow-up induction [\d.]+% NOT PROVIDED NOT PROVIDED", said)
    assert "nan" not in said


def test_energies_are_told_alike_by_picture_and_gate(fit: Fit) -> None:
    table = pd.DataFrame(
        {"max_rhat": [1.0], "min_ess_bulk": [500.0], "min_ess_tail": [500.0]}, index=["x"]
    )
    energy = np.random.default_rng(0).normal(size=(2, 12))
    # By hand: mean squared change over the variance with n - 1.
    by_hand = (
        np.square(np.diff(energy)).sum(1)
        / 11
        / (np.square(energy - energy.mean(1, keepdims=True)).sum(1) / 11)
    )
    assert ebfmi(energy) == pytest.approx(by_hand)
    assert f"E-BFMI at least {by_hand.min():.2f}" in diagnostics(table, energy).alt


def test_calibration_has_one_unit_in_text_picture_and_table(collected: ReviewEvidence) -> None:
    page = of_checks.calibration(collected).html
    (check,) = (
        c for c in collected.of(CALIBRATION) if c.name == "state-occupation calibration, in-sample"
    )
    largest = check.table.loc[check.table["subgroup"] == "all", "difference"].abs().max()
    said = words_of(page)
    assert f"{100 * largest:.1f} percentage points (bar 3, or" in said
    assert "difference, percentage points" in said
    assert f"judged below, {100 * largest:.1f}." in said  # the caption


def test_the_formula_shows_hazards_that_follow_markers(fit: Fit) -> None:
    joint = tb.disease("pbc")
    assert joint.associations
    assert "<mi>α</mi>" in hazard_formula(joint).html
    assert "<mi>α</mi>" not in hazard_formula(fit.spec).html
