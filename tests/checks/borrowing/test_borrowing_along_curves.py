"""Shares of a joint model: hazards that follow each patient's own curve."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import joint_simulator as simulator
from joint_settings import SETTINGS
from twinbayes.checks import patient_borrowing
from twinbayes.checks.borrowing.record_scores import RecordScores, stacked
from twinbayes.checks.borrowing.shares import OTHERS, OWN, OWN_SUBGROUP, PRIOR, SHARES
from twinbayes.errors import ModelError, OptionError
from twinbayes.inference import Fit, compile_fit
from twinbayes.names import CONSTANT_DATA, PATIENT_WEIGHT, POSTERIOR
from twinbayes.report import collect_patient
from twinbayes.report.patient import evidence as patient
from twinbayes.report.patient.sections import rests_on


@pytest.fixture(scope="module")
def fits() -> list[Fit]:
    """Thirty patients; one marker moves the hazards of death and of transplantation: four fits."""
    setting = SETTINGS["competing risks"]
    generator = np.random.default_rng(7)
    truth = simulator.draw_parameters(setting, generator)
    cohort = simulator.draw_record(setting, truth, generator).cohort
    ready = compile_fit(setting.spec, cohort, priors=setting.priors)
    return [
        ready.sample(draws=2000, tune=500, chains=2, seed=seed, progressbar=False)
        for seed in range(1, 5)
    ]


@pytest.fixture(scope="module")
def joint(fits: list[Fit]) -> Fit:
    """One of them."""
    return fits[0]


def log_hazards(fit: Fit, i: int) -> np.ndarray:
    """(draw, intensity) of a patient on the last day known, term by term."""
    posterior = fit.datatree[POSTERIOR].to_dataset()
    x = fit.plan.events.design.values[i, : posterior.sizes["covariate"]]
    group = fit.cohort.patients["subgroup"].iloc[i]
    terms = (
        posterior["log_baseline"].isel(window=0)
        + (posterior["beta"] * xr.DataArray(x, dims="covariate")).sum("covariate")
        + posterior["subgroup_effect"].sel(subgroup=group)
    )
    twin = fit.twin(fit.cohort.patient_ids[i])
    day = np.array([twin.present[0].day])
    added = [twin.curves(0).trail(label, day)[0] for label in fit.spec.graph.labels]
    return stacked(terms, "transition") + np.column_stack(added)


@pytest.mark.parametrize("i", [0, 17, 29])
def test_the_share_that_is_left_is_the_priors(fits: list[Fit], i: int) -> None:
    """The prior's share worked out by itself: Cov(h, level) / sd²; errors by independent fits."""
    sd, apart = 0.5, []
    for fit in fits:
        table = patient_borrowing(fit, fit.cohort.patient_ids[i], draws=4000).table
        np.testing.assert_allclose(table[list(SHARES)].sum(axis=1), 1.0, atol=1e-12)
        assert (table["mcse"] < 0.1).all()
        assert (table[OWN_SUBGROUP] + table[OTHERS] > table[OWN]).all()
        assert fit.priors["baseline_level"].arguments["sigma"] == sd
        levels = fit.datatree[POSTERIOR]["log_baseline"].isel(window=0)
        answers = log_hazards(fit, i)
        for e, row in table.iterrows():
            level = levels.sel(transition=row["transition"]).to_numpy().ravel()
            direct = np.cov(answers[:, int(str(e))], level)[0, 1] / sd**2
            apart.append((row[PRIOR] - direct, row["mcse"]))
    off, mcse = np.array(apart).reshape(len(fits), -1, 2).transpose(2, 0, 1)
    error = np.maximum(off.std(axis=0, ddof=1), mcse.mean(axis=0)) / np.sqrt(len(fits))
    assert (np.abs(off.mean(axis=0)) < 4.0 * error).all()
    assert (np.abs(off.mean(axis=0)) < 0.1).all()  # of shares of a third


def test_the_record_of_a_patient_from_outside_has_no_share(joint: Fit) -> None:
    one = joint.cohort.select(joint.cohort.patient_ids[:1])
    renamed = {
        name: getattr(one, name).assign(patient_id="new")
        for name in ("patients", "events", "visits")
    }
    label = joint.spec.graph.labels[1]
    table = patient_borrowing(joint, replace(one, **renamed), transitions=[label]).table
    assert list(table["transition"]) == [label]
    assert table[OWN].iloc[0] == 0.0
    told = [patient_borrowing(joint, x, transitions=[label]).table for x in (one, *one.patient_ids)]
    pd.testing.assert_frame_equal(*told)  # a record of the fit's own is not one from outside
    assert told[0][OWN].iloc[0] != 0.0
    np.testing.assert_allclose(table[list(SHARES)].sum(axis=1), 1.0, atol=1e-12)
    with pytest.raises(OptionError, match="one patient, not of 30"):
        patient_borrowing(joint, joint.cohort)
    with pytest.raises(OptionError, match="intensity"):
        patient_borrowing(joint, one, transitions=["alive->lost"])


def test_a_patients_report_shows_shares_or_says_why_not(
    joint: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = joint.cohort.patient_ids[0]
    evidence = collect_patient(joint, alive, at=1.0, until=400.0)
    assert list(evidence.borrowing.table["transition"]) == list(joint.spec.graph.labels)
    html = rests_on(evidence).html
    assert "Shares of the patient&#x27;s own data" in html
    assert "its hazards follow curves" in html
    monkeypatch.setattr(patient, "_WORST_SHARE", 1e-6)
    hidden = collect_patient(joint, alive, at=1.0, until=400.0).borrowing
    assert hidden.verdict == "not_provided"
    assert "Monte Carlo error" in hidden.text


def test_curves_move_hazards_as_the_sampled_ones_do(joint: Fit) -> None:
    """Coefficients drawn anew given each draw of the population, and those that were sampled."""
    posterior, points = joint.datatree[POSTERIOR].to_dataset(), joint.plan.events.points
    trails = RecordScores(joint).trails
    assert trails is not None
    assert trails.shape == (2, 2000, points.n_points)
    (scale,) = joint.learnt.curves.markers  # type: ignore[union-attr]
    years = points.day / 365.25
    curve = posterior["patient_curve"].transpose("chain", "draw", "patient", ...).to_numpy()
    association = posterior["association"].to_numpy()[..., points.intensity]
    value = curve[..., points.patient, 0] + years * curve[..., points.patient, 1]
    sampled = association * (value - scale.centre)
    spread = sampled.std(axis=(0, 1))
    gap = (trails - sampled).mean(axis=(0, 1)) / spread
    assert np.abs(gap).max() < 0.15
    ratio = trails.std(axis=(0, 1)) / spread
    assert 0.8 < ratio.min() < ratio.max() < 1.25


def test_patients_who_count_by_a_weight_are_refused(joint: Fit) -> None:
    tree = joint.datatree.copy()
    weight = np.ones(joint.cohort.n_patients)
    weight[0] = 0.5
    data = xr.Dataset({PATIENT_WEIGHT: ("patient", weight)})
    tree[CONSTANT_DATA] = xr.DataTree(data)
    with pytest.raises(ModelError, match="count by a weight"):
        RecordScores(replace(joint, datatree=tree)).of_baseline(joint.spec.graph.labels[0])
