"""A small fit of a mean function: stored, loaded and reviewed like any other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import twinbayes as tb
from twinbayes.checks import visual_predictive
from twinbayes.checks.calibration.replicated_visits import replicated_visits
from twinbayes.cohort import Cohort
from twinbayes.inference import Fit
from twinbayes.model import (
    Association,
    PiecewiseConstant,
    Polynomial,
    SteinFojo,
    Trajectory,
)
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.report import collect_patient
from twinbayes.report.reviewer.markers import marker_evidence


@pytest.fixture(scope="module")
def fit(make_tumours: Callable[..., Cohort]) -> Fit:
    """Two chains of 80 draws: enough for plumbing, and not for use."""
    markers = (
        Trajectory(marker="tumour", transform="log", basis=SteinFojo()),
        Trajectory(marker="score", basis=Polynomial(degree=0)),
    )
    spec = tb.disease("pbc", markers=markers, baseline=PiecewiseConstant(windows=2), covariates=())
    follows = Association(marker="tumour", transitions=("alive->dead",))
    return tb.fit(
        replace(spec, associations=(follows,)),
        make_tumours(20, seed=6, limit=8.0),
        draws=80,
        tune=250,
        chains=2,
        seed=1,
        progressbar=False,
    )


@pytest.fixture(scope="module")
def saved(fit: Fit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit.save(tmp_path_factory.mktemp("bent") / "fit.nc")


def test_a_stored_fit_forecasts_as_the_one_that_was_saved(fit: Fit, saved: Path) -> None:
    again = tb.load_fit(saved)
    assert again.spec == fit.spec
    assert fit.learnt.curves is not None
    assert again.learnt.curves is not None
    assert again.learnt.curves.markers == fit.learnt.curves.markers
    a, b = (x.twin("p03", at=200.0).forecast(DAYS_PER_YEAR, 3) for x in (fit, again))
    for name in ("survival", "marker_curve", "marker_value_lower"):
        np.testing.assert_array_equal(a[name].values, b[name].values)


def test_sampled_curves_are_those_that_twins_find(fit: Fit) -> None:
    """The twin draws anew what the fit has drawn: the same posterior, by another way."""
    posterior, learnt = fit.datatree["posterior"].to_dataset(), fit.learnt.curves
    assert learnt is not None
    sampled = posterior["patient_curve"].stack(sample=("chain", "draw"))
    for i, patient in list(enumerate(fit.cohort.patient_ids))[:6]:
        curves = fit.twin(patient).curves(0)
        found = curves.coefficients * learnt.natural() + learnt.natural_level()
        wanted = sampled.isel(patient=i).transpose("sample", "patient_term").to_numpy()
        far = np.abs(found.mean(axis=0) - wanted.mean(axis=0)) / wanted.std(axis=0)
        assert far.max() < 0.6


def test_visits_are_predicted_and_told_in_a_review(fit: Fit, tmp_path: Path) -> None:
    found = marker_evidence(fit, 0.9)
    assert found is not None
    assert "tumour: log growth" in found.curves["coefficient"].tolist()
    sd = fit.datatree["posterior"]["marker_sd"]
    told = found.scatter.set_index("coefficient")
    for marker in sd["marker_with_error"].to_numpy():
        own = sd.sel(marker_with_error=marker).to_numpy()
        row = told.loc[f"{marker}: marker sd"]
        assert row["mean"] == pytest.approx(own.mean())
        assert row["upper"] == pytest.approx(np.quantile(own, 0.95))
    whole = found.coverage.table.query("subgroup == 'all'").set_index("marker")
    assert 0.8 < whole.loc["tumour", "inside"] <= 1.0
    (tumour, _) = replicated_visits(fit, draws=40)
    assert np.isfinite(visual_predictive(tumour)["predicted"]).all()
    assert collect_patient(fit, "p03", at=200.0).forecast["marker_curve"].notnull().all()
    page = tb.review(fit, tmp_path / "review.html").read_text(encoding="utf-8")
    assert "exp(log start) (exp(−d t) + exp(g t) − 1)" in page
    assert "tumour: log shrinkage" in page
    assert "How measurements scatter around the curves" in page
    assert "<mi>α</mi>" in page  # the formula has the association
