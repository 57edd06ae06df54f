"""Curves from visits that are not plainly measured, against quadrature."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.cohort.contract.validation import cohort_from_tables
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.model import Binary, ModelSpec, Normal, Polynomial, Since, Trajectories, Trajectory
from twinbayes.twin import Twin
from twinbayes.twin.population.curves import CurvePopulation
from twinbayes.twin.population.hazards import Population

COPIES = 8000


def clinic() -> Cohort:
    """Thirty patients with a level below a limit at times, a score with a ceiling, and a sign."""
    rng = np.random.default_rng(5)
    ids = [f"p{k:02d}" for k in range(30)]
    rows = []
    for k, name in enumerate(ids):
        level = rng.normal(0, 1)
        for t in range(4):
            value = level + 0.8 * (t >= 2) * (k % 2) + rng.normal(0, 0.5)
            limit = max(value, -0.5)
            rows += [
                (name, 100.0 * t, "level", limit, "left" if value < limit else "none"),
                (name, 100.0 * t, "sign", float(rng.random() < expit(level)), "none"),
            ]
    tables = {
        "patients": pd.DataFrame(
            {
                "patient_id": ids,
                "subgroup": "one",
                "centre": "one",
                "age_years": 50.0,
            }
        ),
        "events": pd.DataFrame({"patient_id": ids, "day": 400.0, "event": "last_contact"}),
        "treatments": pd.DataFrame(
            {"patient_id": ids[1::2], "start_day": 200.0, "treatment": "drug"}
        ),
        "visits": pd.DataFrame(rows, columns=["patient_id", "day", "marker", "value", "censored"]),
        "variables": pd.DataFrame(
            [
                ("age_years", "patients", "covariate", "clinical"),
                ("level", "visits", "marker", "laboratory"),
                ("sign", "visits", "marker", "clinical"),
                ("drug", "treatments", "treatment", "treatment"),
            ],
            columns=["name", "table", "role", "group"],
        ),
    }
    return cohort_from_tables("made up", tables, simulated=True)


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    level = Trajectory(
        marker="level",
        basis=Polynomial(degree=0),
        family=Normal(),
        turns=(Since(what="drug", varies=False),),
    )
    sign = Trajectory(marker="sign", basis=Polynomial(degree=0), family=Binary())
    survival = replace(tb.disease("survival"), priors="pbc")
    return replace(
        survival,
        events=replace(survival.events, covariates=()),
        trajectories=Trajectories(markers=(level, sign)),
    )


@pytest.mark.parametrize("patient", ["p01", "p04", "p08", "p13"])
def test_curves_have_the_posterior_that_quadrature_finds(spec: ModelSpec, patient: str) -> None:
    cohort = clinic()
    learnt = spec.plan(cohort).learnt
    assert learnt.curves is not None
    assert [learnt.curves.labels[k] for k in learnt.curves.varying] == [
        "level: level", "sign: level",
    ]  # fmt: skip
    prior = sample_priors(spec, cohort, draws=1, seed=2)
    prior = prior.isel(chain=[0], draw=np.zeros(COPIES, dtype=int))
    prior["patient_sd"] = prior["patient_sd"] * 0.0 + [0.9, 1.2]
    prior["marker_sd"] = prior["marker_sd"] * 0.0 + 0.5
    population = Population.from_posterior(prior, learnt.encoding, learnt.edges)
    curves = CurvePopulation.from_posterior(prior, learnt.curves, spec)
    twin = Twin.at_landmark(
        spec, learnt, (population, curves), cohort.select([patient]), None, True
    )
    found = twin.curves(0)

    one = prior.isel(chain=0, draw=0)
    mean = one["curve_effect"].to_numpy()[0]
    sd = one["patient_sd"].to_numpy()
    root = np.linalg.cholesky(sd[:, None] * sd * one["patient_correlation"].to_numpy())
    visits = cohort.visits
    assert visits is not None
    mine = visits[visits["patient_id"] == patient]
    lab, sign = mine[mine["marker"] == "level"], mine[mine["marker"] == "sign"]
    treated = (int(patient[1:]) % 2 == 1) * (lab["day"].to_numpy() >= 200.0)
    at, weight = np.polynomial.hermite_e.hermegauss(80)
    a, b = np.meshgrid(at, at, indexing="ij")
    level = mean[0] + root[0, 0] * a
    logit = mean[2] + root[1, 0] * a + root[1, 1] * b
    density = np.outer(weight, weight)
    for value, censored, on in zip(lab["value"], lab["censored"], treated, strict=True):
        errors = stats.norm(level + mean[1] * on, 0.5)
        density = density * (errors.cdf(value) if censored == "left" else errors.pdf(value))
    for value in sign["value"]:
        density = density * (expit(logit) if value else expit(-logit))
    total = density.sum()
    wanted = np.array([(density * level).sum(), (density * logit).sum()]) / total
    drawn = np.stack([found.marker(name, np.zeros(1))[0] for name in ("level", "sign")])
    error = drawn.std(axis=1) / np.sqrt(COPIES)
    assert np.all(np.abs(drawn.mean(axis=1) - wanted) < 4 * error)
    spread = np.sqrt((density * (level - wanted[0]) ** 2).sum() / total)
    assert drawn[0].std() == pytest.approx(spread, rel=0.03)
    assert found.efficiency > 0.8


def test_a_scenario_starts_the_turns_of_its_treatment(spec: ModelSpec) -> None:
    cohort = clinic()
    learnt = spec.plan(cohort).learnt
    assert learnt.curves is not None
    scale = learnt.curves.get("level")
    assert scale.labels == ("level", "step since drug")
    columns = scale.columns(np.array([100.0, 300.0]), np.array([200.0])) * scale.column_scale
    np.testing.assert_array_equal(columns, [[1.0, 0.0], [1.0, 1.0]])
