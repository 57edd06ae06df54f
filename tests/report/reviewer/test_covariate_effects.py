"""Effects of covariates in a review: hazard ratios of draws, and how far each was shrunk."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from twinbayes.checks.borrowing.hazard_ratios import covariate_effects, covariate_scales
from twinbayes.checks.borrowing.record_scores import RecordScores
from twinbayes.checks.borrowing.shares import shares_of
from twinbayes.inference import Fit
from twinbayes.model import Learnt, Term
from twinbayes.names import BETA, COVARIATE, TRANSITION
from twinbayes.report.figures.look import look_of
from twinbayes.report.reviewer.effects import covariates
from twinbayes.report.reviewer.evidence import ReviewEvidence

LEVEL = 0.8


@pytest.fixture(scope="module")
def curved(fit: Fit) -> Fit:
    """The made-up fit with age as a spline, platelets unshrunk, and draws that hang together."""
    terms = (
        Term(name="age_years", group="clinical", transform="spline"),
        Term(name="wbc_g_l", group="clinical", transform="log"),
        Term(name="sex", group="clinical", transform="category"),
        Term(name="platelets_g_l", group="free"),
    )
    events = replace(fit.spec.events, covariates=terms, unshrunk=("free",))
    spec = replace(fit.spec, events=events)
    patients = fit.cohort.patients.copy()
    patients.loc[patients.index[::7], "wbc_g_l"] = np.nan
    cohort = replace(fit.cohort, patients=patients)
    plan = events.plan(cohort)
    labels = [c.label for c in plan.encoding.columns]
    transitions = fit.datatree["posterior"]["transition"].to_numpy()
    rng = np.random.default_rng(8)
    shape = (4, 100, len(labels), len(transitions))
    kept = (
        fit.datatree["posterior"]
        .to_dataset()
        .drop_dims([COVARIATE, "covariate_group"])
        .isel(draw=slice(0, 100))
    )
    drawn = kept.assign(
        {BETA: (("chain", "draw", COVARIATE, TRANSITION), 0.3 * rng.standard_normal(shape))}
    ).assign_coords({COVARIATE: labels})
    scale = 0.4 + 0.1 * rng.random((4, 100, 1, len(transitions)))
    drawn["covariate_scale"] = (("chain", "draw", "covariate_group", TRANSITION), scale)
    drawn = drawn.assign_coords(covariate_group=["clinical"])
    tree = xr.DataTree.from_dict({"posterior": drawn})
    return replace(
        fit, cohort=cohort, spec=spec, datatree=tree, learnt=Learnt(plan.encoding, plan.edges)
    )


@pytest.fixture(scope="module")
def table(curved: Fit) -> pd.DataFrame:
    return covariate_effects(curved, LEVEL)


def row(table: pd.DataFrame, transition: str, covariate: str) -> pd.Series:
    chosen = table[(table["transition"] == transition) & (table["covariate"] == covariate)]
    assert len(chosen) == 1
    return chosen.iloc[0]


def test_hazard_ratios_are_quantiles_of_draws_a_standard_deviation_apart(
    curved: Fit, table: pd.DataFrame
) -> None:
    beta = curved.datatree["posterior"][BETA]
    assert len(table) == 4 * beta.sizes[TRANSITION]  # age has three columns and one row
    for transition in map(str, beta[TRANSITION].to_numpy()):
        for covariate in ("log_wbc_g_l", "sex=male", "platelets_g_l"):
            draws = np.exp(beta.sel(transition=transition, covariate=covariate).to_numpy())
            found = row(table, transition, covariate)[["median", "lower", "upper"]]
            np.testing.assert_allclose(found.to_list(), np.quantile(draws, [0.5, 0.1, 0.9]), 1e-3)
    known = curved.cohort.covariates()
    first = str(table["transition"].iloc[0])
    sd = np.log(known["wbc_g_l"].dropna().astype(float)).std(ddof=0)
    assert f"({np.exp(sd):.3g} times)" in row(table, first, "log_wbc_g_l")["contrast"]
    assert row(table, first, "sex=male")["contrast"] == "male against female"
    sd = known["platelets_g_l"].dropna().astype(float).std(ddof=0)
    assert f"({sd:.3g} 10*9/L)" in row(table, first, "platelets_g_l")["contrast"]


def test_a_spline_is_its_third_quartile_against_its_first(curved: Fit, table: pd.DataFrame) -> None:
    age = curved.cohort.covariates()["age_years"].dropna().astype(float)
    low, high = np.quantile(age, [0.25, 0.75])
    design = curved.plan.events.design
    beta = curved.datatree["posterior"][BETA]
    columns = [c for c in beta[COVARIATE].to_numpy() if str(c).startswith("age_years")]
    assert len(columns) == 3
    # by interpolation between patients, whose encoded values are smooth in age
    order = np.argsort(curved.cohort.covariates()["age_years"].to_numpy(float), kind="stable")
    x = curved.cohort.covariates()["age_years"].to_numpy(float)[order]
    known = np.isfinite(x)
    ends = np.array(
        [np.interp([low, high], x[known], design.values[order, k][known]) for k in range(3)]
    )
    transition = str(beta[TRANSITION].to_numpy()[1])
    drawn = beta.sel(transition=transition, covariate=columns).transpose(..., COVARIATE)
    ratio = np.median(np.exp(drawn.to_numpy() @ np.diff(ends, axis=1)[:, 0]))
    found = row(table, transition, "age_years")
    assert found["median"] == pytest.approx(ratio, rel=0.02)
    assert found["contrast"].startswith(f"{high:.4g} years against {low:.4g}")


def test_the_share_of_the_data_moves_the_effect_alone(curved: Fit, table: pd.DataFrame) -> None:
    assert curved.cohort.covariates()["wbc_g_l"].isna().any(), "missing values must be among them"
    scores = RecordScores(curved)
    beta = curved.datatree["posterior"].to_dataset()[BETA]
    for transition in map(str, beta[TRANSITION].to_numpy()[:2]):
        here = (beta[TRANSITION] == transition) & (beta[COVARIATE] == "log_wbc_g_l")
        score, _ = scores._along({BETA: here.astype(float)})
        draws = beta.sel(transition=transition, covariate="log_wbc_g_l").to_numpy().ravel()
        (share,) = shares_of(draws, score.sum(axis=1)[:, None])
        found = row(table, transition, "log_wbc_g_l")
        assert found["data_share"] == pytest.approx(share, rel=1e-4, abs=1e-5)
    assert table.loc[table["group"] == "free", "data_share"].isna().all()
    assert table.loc[table["group"] == "clinical", "data_share"].notna().all()


def test_the_section_prints_every_ratio_its_shrinkage_and_the_way_out(
    curved: Fit, table: pd.DataFrame
) -> None:
    evidence = ReviewEvidence(
        fit=curved, look=look_of(curved), quality=curved.cohort.quality(), horizons=(), checks={},
        curves=None, prior_occupation=None, effects=pd.DataFrame(), covariates=table,
        interval=LEVEL,
    )  # fmt: skip
    shown = html.unescape(re.sub(r"<[^>]+>", " ", covariates(evidence).html))
    for _, one in table.iterrows():
        ratio = f"{one['median']:.2f} ({one['lower']:.2f} to {one['upper']:.2f})"
        assert ratio in shown
        assert one["contrast"] in shown
    assert "80% equal-tailed interval" in shown
    assert "Not shrunk: free." in shown
    assert "unshrunk" in shown
    scales = covariate_scales(curved, LEVEL)
    assert set(scales["prior"]) == {curved.priors.get_entry("covariate_scale", "clinical").text()}
    drawn = curved.datatree["posterior"]["covariate_scale"].isel(covariate_group=0, transition=0)
    np.testing.assert_allclose(scales["median"].iloc[0], np.median(drawn))
    without = replace(evidence, covariates=table.iloc[:0])
    assert "The model has no covariates." in covariates(without).html
