"""Fits of aggregate data: closed forms, edges, and the same files as any other fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import twinbayes as tb
from twinbayes.errors import FitError, ModelError, OptionError, PriorError
from twinbayes.inference import AggregateFit, compile_fit
from twinbayes.model import Exchangeable, ExNex, NoPooling, PowerPrior, RobustMap
from twinbayes.model.aggregate.power_normaliser import LogNormaliser
from twinbayes.model.aggregate.spec import AggregateSpec
from twinbayes.priors import PriorSet

RUN = {"draws": 2000, "tune": 800, "seed": 1, "progressbar": False}


def data(n: list[int], responders: list[int]) -> tb.Aggregate:
    labels = [f"s{k}" for k in range(len(n))]
    return tb.read_aggregate(pd.DataFrame({"subgroup": labels, "n": n, "responders": responders}))


@pytest.fixture(scope="module")
def basket() -> AggregateFit:
    return tb.fit(tb.disease("basket"), data([15, 13, 28, 5], [2, 0, 6, 1]), **RUN)


def wide(sigma: float = 1.0) -> PriorSet:
    return tb.load_priors("historical").override(
        {
            "effect_mean": {"arguments": {"mu": 0.0, "sigma": 10.0}},
            "effect_heterogeneity": {"arguments": {"sigma": sigma}},
        }
    )


def test_without_pooling_a_mean_has_its_closed_form() -> None:
    table = pd.DataFrame({"subgroup": ["a", "b"], "mean": [1.2, -0.4], "se": [0.5, 2.0]})
    prior = tb.load_priors("historical").override(
        {"effect_mean": {"arguments": {"mu": 0.3, "sigma": 1.5}}}
    )
    spec = tb.disease("historical", outcome="mean", pooling=NoPooling(), unit=2.0)
    fit = tb.fit(spec, tb.read_aggregate(table, outcome="mean"), priors=prior, **RUN)
    found = fit.table()
    for label, y, se in table.itertuples(index=False):
        precision = 1 / 3.0**2 + 1 / se**2  # the prior of the mean is normal(0.6, 3) in its unit
        mean = (0.6 / 9.0 + y / se**2) / precision
        assert found.loc[label, "mean"] == pytest.approx(mean, abs=0.05)
        assert found.loc[label, "sd"] == pytest.approx(precision**-0.5, rel=0.06)


@pytest.mark.parametrize(
    ("n", "responders"),
    [([20, 20], [0, 0]), ([20, 20], [20, 20]), ([20, 0], [5, 0]), ([20], [5])],
    ids=["no events", "all events", "an empty basket", "one subgroup"],
)
def test_edges_have_usable_fits_and_sensible_answers(n: list[int], responders: list[int]) -> None:
    fit = tb.fit(tb.disease("basket"), data(n, responders), **RUN)
    assert fit.verdict.usable, fit.verdict
    table = fit.table()
    assert ((table["mean"] > 0) & (table["mean"] < 1)).all()
    if responders[0] in (0, n[0]):
        assert abs(table["mean"].iloc[0] - responders[0] / n[0]) < 0.08
    if 0 in n:  # nothing of its own: wider than the other, and pulled towards it
        assert table["sd"].iloc[1] > 2 * table["sd"].iloc[0]
        assert np.isnan(table["observed"].iloc[1])


def test_a_saved_fit_comes_back_as_it_was(basket: AggregateFit, tmp_path: Path) -> None:
    back = tb.load_fit(basket.save(tmp_path / "basket.nc"))
    assert isinstance(back, AggregateFit)
    assert back.spec == basket.spec
    assert back.priors == basket.priors
    assert back.data.fingerprint == basket.data.fingerprint
    assert back.verdict.usable == basket.verdict.usable
    pd.testing.assert_frame_equal(back.table(), basket.table())
    assert AggregateSpec.from_dict(basket.spec.to_dict()) == basket.spec


def test_the_same_seed_gives_the_same_draws(basket: AggregateFit) -> None:
    again = tb.fit(basket.spec, basket.data, **RUN)
    np.testing.assert_array_equal(
        again.datatree["posterior"]["effect"], basket.datatree["posterior"]["effect"]
    )
    np.testing.assert_array_equal(again.new_subgroup(3), basket.new_subgroup(3))


def test_other_results_are_sampled_without_compiling_again(basket: AggregateFit) -> None:
    compiled = compile_fit(basket.spec, data([15, 13, 28, 5], [5, 5, 5, 5]))
    swapped = compiled.with_data(basket.data).sample(**RUN)
    np.testing.assert_array_equal(
        swapped.datatree["posterior"]["effect"], basket.datatree["posterior"]["effect"]
    )
    assert swapped.data is basket.data
    with pytest.raises(ModelError, match="the same rows"):
        compiled.with_data(data([15, 13], [2, 0]))


def test_the_prior_of_the_next_subgroup_has_the_moments_of_its_draws(basket: AggregateFit) -> None:
    drawn = basket.new_subgroup()
    mixture = basket.prior_for_new_subgroup(components=3).mixture
    assert mixture.kind == "beta"
    assert mixture.mean == pytest.approx(float(drawn.mean()), abs=0.02)
    assert mixture.sd == pytest.approx(float(drawn.std()), abs=0.03)


def test_no_prior_is_made_of_a_fit_that_is_not_for_use(basket: AggregateFit) -> None:
    short = tb.fit(basket.spec, basket.data, draws=20, tune=20, chains=2, progressbar=False)
    assert not short.verdict.usable
    with pytest.raises(FitError, match="NOT FOR USE"):
        short.prior_for_new_subgroup()


def test_exchangeability_is_told_by_those_who_know_it(basket: AggregateFit) -> None:
    table = basket.exchangeability
    assert list(table["subgroup"]) == ["s0", "s1", "s2", "s3"]
    assert table["probability"].between(0, 1).all()
    robust = tb.fit(tb.disease("basket", pooling=RobustMap(target="s1")), basket.data, **RUN)
    assert list(robust.exchangeability["subgroup"]) == ["s1"]
    plain = tb.fit(
        tb.disease("basket", pooling="exchangeable"), basket.data, draws=20, tune=20,
        progressbar=False,
    )  # fmt: skip
    with pytest.raises(ModelError, match="has no probability of exchangeability"):
        _ = plain.exchangeability


def test_the_normalising_constant_of_a_normal_source_is_exact() -> None:
    """For normal data and prior, log Z(a) is closed."""
    y, se, unit = np.array([1.0, 2.0, 0.5]), np.array([0.5, 1.0, 0.7]), 2.0
    entry = wide()["effect_mean"]
    found = LogNormaliser.of("mean", np.ones((3, 1)), y, se, unit=unit, priors=[entry])
    import pytensor
    import pytensor.tensor as pt

    power = pt.dscalar()
    at = pytensor.function([power], found.at(power), mode="FAST_COMPILE")
    for a in (0.0, 1e-3, 0.1, 0.5, 1.0):
        precision = a * unit**2 / se**2
        total = precision.sum() + 1 / 10.0**2
        mean = (precision * y / unit).sum() / total
        inside = -0.5 * (precision * (y / unit) ** 2).sum() + 0.5 * total * mean**2
        wanted = inside - 0.5 * np.log(total) - np.log(10.0)
        assert float(at(a)) == pytest.approx(wanted, abs=2e-3)


@pytest.mark.parametrize("asymptotic", [False, True], ids=["exact", "asymptotic"])
def test_a_learnt_power_has_the_posterior_of_quadrature(asymptotic: bool) -> None:
    """Of a normal source: its large-sample limit is the likelihood itself."""
    table = pd.DataFrame({"subgroup": ["now", "then"], "mean": [0.0, 1.5], "se": [0.4, 0.3]})
    learnt = PowerPrior(source="then", power=None, shape=(1.0, 1.0), asymptotic=asymptotic)
    spec = tb.disease("historical", outcome="mean", pooling=learnt)
    fit = tb.fit(spec, tb.read_aggregate(table, outcome="mean"), priors=wide(), **RUN)
    assert fit.verdict.usable, fit.verdict
    a = (np.arange(4000) + 0.5) / 4000
    # the historical posterior under power a is the prior of the present mean
    precision = a / 0.3**2 + 1 / 100.0
    prior_mean, prior_sd = (a * 1.5 / 0.3**2) / precision, precision**-0.5
    weight = stats.norm.pdf(0.0, prior_mean, np.sqrt(prior_sd**2 + 0.4**2))
    weight /= weight.sum()
    power = fit.datatree["posterior"]["power"]
    assert float(power.mean()) == pytest.approx((weight * a).sum(), abs=0.02)
    total = precision + 1 / 0.4**2
    mean = (weight * (prior_mean * precision / total)).sum()
    assert fit.table().loc["now", "mean"] == pytest.approx(mean, abs=0.03)


def test_models_and_data_that_do_not_match_are_refused(basket: AggregateFit) -> None:
    rates = pd.DataFrame({"subgroup": ["a"], "events": [3], "time": [5.0]})
    with pytest.raises(ModelError, match="the data are of 'rate'"):
        tb.fit(basket.spec, tb.read_aggregate(rates, outcome="rate"))
    with pytest.raises(ModelError, match="is of aggregate data, the data are patients"):
        compile_fit(basket.spec, tb.datasets.registry())  # type: ignore[call-overload]
    with pytest.raises(ModelError, match="is of patients, the data are aggregate data"):
        compile_fit(tb.disease("registry"), basket.data)  # type: ignore[call-overload]
    with pytest.raises(OptionError, match="option of disease 'basket'"):
        tb.disease("basket", weights=1)
    with pytest.raises(ModelError, match="leave unit=1"):
        tb.disease("basket", unit=2.0)
    with pytest.raises(ModelError, match="must sum to 1"):
        ExNex(weights=(0.5, 0.6))
    with pytest.raises(ModelError, match="degrees of freedom"):
        Exchangeable(nu=0.0)
    with pytest.raises(OptionError, match="not a probability"):
        basket.table(90)


def test_the_name_of_priors_is_no_set_of_them() -> None:
    with pytest.raises(PriorError, match=r"priors=tb\.load_priors\('historical'\)"):
        tb.fit(tb.disease("basket"), data([5], [2]), priors="historical")  # type: ignore[call-overload]
