"""Operating characteristics: figures against hand-made ones, and what a study returns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import trial_workers
import twinbayes as tb
from twinbayes.errors import OptionError, PriorError
from twinbayes.inference.samplers.short_run import Sampling
from twinbayes.trials import (
    AnalysisDecision,
    CohortStudy,
    OperatingCharacteristics,
    TrialDesign,
    Truth,
    operating_characteristics,
)
from twinbayes.trials.simulated.table import figures, ratio, rmse_ratio

HALF = AnalysisDecision(threshold=0.5, cut_off=0.8)
SHORT = Sampling(draws=150, tune=100, chains=2, retries=0)


def made_up(**columns: Any) -> pd.DataFrame:
    """Two analyses of two trials of subgroups a and b."""
    base = {
        "analysis": ["one"] * 4 + ["two"] * 4,
        "trial": [0, 0, 1, 1] * 2,
        "subgroup": ["a", "b"] * 4,
        "truth": [0.4, 0.6, 0.4, 0.6] * 2,
        "mean": [0.5, 0.6, 0.3, 0.9, 0.6, 0.6, 0.2, 1.2],
        "lower": [0.41, 0.5, 0.2, 0.7] * 2,
        "upper": [0.7, 0.7, 0.5, 1.0] * 2,
        "probability": [0.9, 0.9, 0.1, 0.5] * 2,
        "usable": [True] * 8,
    }
    return pd.DataFrame(base | columns)


PLACES = {"overall": ("a", "b"), "a": ("a",), "b": ("b",)}


def test_figures_are_those_counted_by_hand() -> None:
    table = figures(made_up(), PLACES, HALF).set_index(["analysis", "place"])
    one = table.loc[("one", "overall")]
    # errors: 0.1, 0.0 | -0.1, 0.3
    assert one["bias"] == pytest.approx(0.075)
    assert one["rmse"] == pytest.approx(np.sqrt(0.11 / 4))
    assert one["coverage"] == pytest.approx(0.5)
    # a is null (0.4), b is not (0.6); declared: a and b of trial 0
    assert one["type_one_error"] == pytest.approx(0.5)
    assert one["power"] == pytest.approx(0.5)
    assert one["family_wise_error"] == pytest.approx(0.5)
    # means of the trials: 0.05 and 0.1; standard deviation over sqrt(2)
    assert one["bias_mcse"] == pytest.approx(np.std([0.05, 0.1], ddof=1) / np.sqrt(2))
    of_mse = np.std([0.005, 0.05], ddof=1) / np.sqrt(2)
    assert one["rmse_mcse"] == pytest.approx(of_mse / (2 * np.sqrt(0.0275)))
    assert one["trials"] == 2


def test_error_rates_are_nan_where_nothing_could_be_wrong() -> None:
    table = figures(made_up(), PLACES, HALF).set_index(["analysis", "place"])
    assert np.isnan(table.loc[("one", "b"), "type_one_error"])
    assert np.isnan(table.loc[("one", "b"), "family_wise_error"])
    assert np.isnan(table.loc[("one", "a"), "power"])
    assert "power" not in figures(made_up(), PLACES, None)


def test_small_values_may_be_the_better_ones() -> None:
    below = AnalysisDecision(threshold=0.5, cut_off=0.8, above=False)
    table = figures(made_up(), PLACES, below).set_index(["analysis", "place"])
    assert table.loc[("one", "overall"), "power"] == pytest.approx(0.5)  # of a
    assert table.loc[("one", "overall"), "type_one_error"] == pytest.approx(0.5)  # of b


def test_a_ratio_of_constant_denominators_has_the_standard_error_of_a_mean() -> None:
    x = np.random.default_rng(1).normal(size=200)
    value, error = ratio(x, np.ones(200), np.arange(200))
    assert value == pytest.approx(x.mean())
    assert error == pytest.approx(x.std(ddof=1) / np.sqrt(200))


def test_the_standard_error_takes_a_trial_as_the_unit() -> None:
    x = np.random.default_rng(1).normal(size=50)
    twice = ratio(np.repeat(x, 4), np.ones(200), np.repeat(np.arange(50), 4))
    assert twice == pytest.approx(ratio(x, np.ones(50), np.arange(50)))


def test_errors_are_compared_on_the_same_trials() -> None:
    value, error = rmse_ratio(made_up(), "one", "two", ("a",))
    assert value == pytest.approx(0.5)  # errors 0.1, -0.1 against 0.2, -0.2, trial by trial
    assert error == pytest.approx(0.0, abs=1e-9)


def test_fits_without_draws_are_counted_and_not_averaged() -> None:
    gone = made_up(mean=[0.5, 0.6, np.nan, np.nan, 0.6, 0.6, 0.2, 1.2])
    table = figures(gone, PLACES, HALF).set_index(["analysis", "place"])
    assert table.loc[("one", "overall"), "trials"] == 1
    assert table.loc[("one", "overall"), "bias"] == pytest.approx(0.05)
    assert np.isnan(table.loc[("one", "overall"), "bias_mcse"])


@pytest.fixture(scope="module")
def found() -> OperatingCharacteristics:
    design = TrialDesign(
        sizes=(5, 20, 60),
        truth=Truth(scenario="one_discordant", value=0.3, discordant="s3", shift=2.0),
    )
    decision = AnalysisDecision(threshold=0.4)
    return operating_characteristics(
        design, ["none", "exchangeable"], 8, seed=2, decision=decision, sampling=SHORT
    )


def test_a_study_says_what_it_found_everywhere(found: OperatingCharacteristics) -> None:
    table = found.table()
    assert list(table["place"][:6]) == ["overall", "s1", "s2", "s3", "rarest", "discordant"]
    assert len(found.estimates) == 2 * 8 * 3
    by_place = table.set_index(["analysis", "place"])
    for analysis in ("none", "exchangeable"):
        ours, theirs = by_place.loc[(analysis, "rarest")], by_place.loc[(analysis, "s1")]
        pd.testing.assert_series_equal(ours, theirs, check_names=False)
        ours, theirs = by_place.loc[(analysis, "discordant")], by_place.loc[(analysis, "s3")]
        pd.testing.assert_series_equal(ours, theirs, check_names=False)
    assert by_place.loc[("none", "s3"), "power"] == 1.0


def test_every_fit_is_counted_usable_or_not(found: OperatingCharacteristics) -> None:
    fits = found.fits
    assert (fits["usable"] + fits["unusable"] + fits["failed"] == fits["trials"]).all()
    kept = found.estimates.groupby("analysis", sort=False)["usable"].sum() / 3
    assert list(kept) == list(fits["usable"])
    strict = operating_characteristics(
        TrialDesign(sizes=(5, 9), truth=Truth(scenario="null", value=0.3)),
        ["complete"], 2, seed=1, sampling=Sampling(draws=20, tune=20, chains=2, retries=0),
    )  # fmt: skip
    assert list(strict.fits["unusable"]) == [2]
    assert strict.fits["reasons"][0]["bulk effective sample size too small"] == 2
    assert strict.table()["trials"].eq(2).all()
    assert strict.table(usable_only=True)["trials"].eq(0).all()


def test_analyses_without_pooling_agree_with_the_conjugate_posterior() -> None:
    """A mean with a normal prior has a posterior in closed form: 0, 2 on the scale of 1."""
    design = TrialDesign(
        sizes=(4, 25), truth=Truth(scenario="all_different", values=(1.0, -1.0)),
        outcome="mean", patient_sd=2.0,
    )  # fmt: skip
    long = Sampling(draws=2000, tune=300, chains=2)
    found = operating_characteristics(design, ["none"], 2, seed=5, sampling=long).estimates
    for trial in range(2):
        data, _ = design.simulate(trial, 5)
        mean, se = data.table["mean"].to_numpy(), data.table["se"].to_numpy()
        variance = 1 / (1 / se**2 + 1 / 4)
        own = found[found["trial"] == trial]
        sd = np.sqrt(variance)
        np.testing.assert_allclose(own["mean"], variance * mean / se**2, atol=0.08 * sd.max())
        np.testing.assert_allclose(own["sd"], sd, rtol=0.08)
        np.testing.assert_allclose(own["upper"] - own["lower"], 2 * 1.6449 * sd, rtol=0.1)


def test_more_trials_begin_with_those_of_a_shorter_study(found: OperatingCharacteristics) -> None:
    design = TrialDesign(
        sizes=(5, 20, 60),
        truth=Truth(scenario="one_discordant", value=0.3, discordant="s3", shift=2.0),
    )
    shorter = operating_characteristics(
        design,
        ["exchangeable"],
        3,
        seed=2,
        decision=AnalysisDecision(threshold=0.4),
        sampling=SHORT,
    )
    longer = found.estimates
    same = longer[(longer["analysis"] == "exchangeable") & (longer["trial"] < 3)]
    assert shorter.estimates.equals(same.reset_index(drop=True))


NULL = TrialDesign(sizes=(5, 9), truth=Truth(scenario="null", value=0.3))


@pytest.mark.parametrize(
    ("analyses", "options", "message"),
    [
        ([], {}, "give at least one"),
        ("exnex", {}, "as a list"),
        (["exnix"], {}, "Unknown pooling 'exnix'"),
        ({"own": tb.disease("survival")}, {}, "the model is of the other"),
        ({"own": tb.disease("basket", covariates=("x",))}, {}, "no covariates"),
        (["none"], {"n_trials": 1}, "at least 2"),
        (["none"], {"seed": -1}, "from 0 to"),
        (["none"], {"level": 1.0}, "between 0 and 1"),
    ],
)
def test_a_study_that_makes_no_sense_is_refused(
    analyses: Any, options: dict[str, Any], message: str
) -> None:
    given: dict[str, Any] = {"n_trials": 3, "seed": 1} | options
    with pytest.raises(OptionError, match=message):
        operating_characteristics(NULL, analyses, given.pop("n_trials"), **given)


@pytest.mark.slow
def test_a_model_of_patients_goes_through_the_same_study() -> None:
    study = CohortStudy(
        simulate=trial_workers.simulate_patients,
        extract=trial_workers.one_year_survival,
        labels=("survival at 1 year",),
    )
    found = operating_characteristics(
        study, {"survival": tb.disease("survival")}, 3, seed=1, sampling=SHORT,
        decision=AnalysisDecision(threshold=0.5),
    )  # fmt: skip
    assert found.fits["failed"].eq(0).all()
    overall = found.table().iloc[0]
    assert overall["trials"] == 3
    assert abs(overall["bias"]) < 0.1
    assert overall["power"] > 0.5


def exact_exnex(responders: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Posterior means and standard deviations under ExNex, by sums over grids."""
    theta = np.linspace(-9.0, 7.0, 401)
    step = theta[1] - theta[0]
    centre, log_spread = np.meshgrid(np.linspace(-6, 5, 56), np.linspace(-4, 1.5, 40))
    spread = np.exp(log_spread)
    prior = norm.pdf(centre, 0, 2) * np.exp(-0.5 * spread**2) * spread
    at = theta - centre[..., None]
    near = np.diff(norm.cdf(np.stack([at - step / 2, at + step / 2]) / spread[..., None]), axis=0)
    kernel = (0.5 * near[0] + 0.5 * norm.pdf(theta, 0, 2) * step).reshape(-1, len(theta))
    log_one = responders[:, None] * theta - n[:, None] * np.logaddexp(0.0, theta)
    one = np.exp(log_one - log_one.max(axis=1, keepdims=True))
    marginal = kernel @ one.T
    whole = prior.ravel() * marginal.prod(axis=1)
    density = one * ((whole[:, None] / marginal).T @ kernel)
    density /= density.sum(axis=1, keepdims=True)
    value = 1 / (1 + np.exp(-theta))
    mean = density @ value
    return mean, np.sqrt(density @ value**2 - mean**2)


def test_short_runs_of_exnex_are_as_near_the_exact_posterior_as_they_say() -> None:
    design = TrialDesign(
        sizes=(6, 8, 12, 18, 25, 35, 50, 70),
        truth=Truth(scenario="one_discordant", value=0.2, discordant="s5", shift=1.8),
    )
    found = operating_characteristics(design, ["exnex"], 6, seed=3).estimates
    errors = []
    for trial in range(6):
        data, _ = design.simulate(trial, 3)
        table = data.table
        mean, sd = exact_exnex(table["responders"].to_numpy(), table["n"].to_numpy())
        own = found[found["trial"] == trial]
        np.testing.assert_allclose(own["sd"], sd, rtol=0.15)
        errors.append((own["mean"] - mean) / sd * np.sqrt(own["effective_draws"]))
    assert np.sqrt(np.mean(np.square(errors))) < 1.4  # 1 but for the luck of 48
    assert np.abs(errors).max() < 4.5


def test_the_name_of_priors_is_no_set_of_them() -> None:
    design = TrialDesign(sizes=(5, 5), truth=Truth(scenario="null", value=0.3))
    with pytest.raises(PriorError, match=r"priors=tb\.load_priors\('basket'\)"):
        operating_characteristics(design, ["none"], 2, seed=1, priors="basket")  # type: ignore[arg-type]
