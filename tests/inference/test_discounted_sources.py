"""A source that counts for less: large-sample limits and latent classes against closed forms."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytensor
import pytensor.tensor as pt
import pytest
from scipy import integrate, optimize, special, stats

import twinbayes as tb
from twinbayes.errors import ModelError
from twinbayes.inference import compile_fit
from twinbayes.model import LatentExchangeability, PowerPrior
from twinbayes.model.aggregate.power_limit import NormalSource
from twinbayes.model.aggregate.spec import AggregateSpec
from twinbayes.model.assemble import assemble_aggregate
from twinbayes.model.pooling.protocol import Pooling
from twinbayes.priors import PriorSet

RUN = {"draws": 2000, "tune": 800, "seed": 1, "progressbar": False}
LEARNT = PowerPrior(source="then", power=None, asymptotic=True)
CLASSES = LatentExchangeability(source="then")


def wide(sigma: float = 10.0) -> PriorSet:
    return tb.load_priors("historical").override(
        {"effect_mean": {"arguments": {"mu": 0.0, "sigma": sigma}}}
    )


def trials() -> tb.Aggregate:
    table = pd.DataFrame(
        {
            "subgroup": ["now", "now", "then", "then", "then"],
            "x": [0.0, 1.0, 0.0, 1.0, 2.0],
            "n": [20, 22, 60, 50, 40],
            "responders": [5, 9, 12, 20, 24],
        }
    )
    return tb.read_aggregate(table, covariates=("x",))


def spec(pooling: Pooling) -> AggregateSpec:
    found: AggregateSpec = tb.disease("historical", covariates=("x",), pooling=pooling)
    return found


def evaluated(expression: pt.TensorVariable, power: pt.TensorVariable, at: float) -> float:
    return float(pytensor.function([power], expression, mode="FAST_COMPILE")(at))


def test_the_limit_has_the_maximum_and_the_curvature_of_the_likelihood() -> None:
    x = np.column_stack([np.ones(3), [0.0, 1.0, 2.0]])
    r, n = np.array([12.0, 20.0, 24.0]), np.array([60.0, 50.0, 40.0])

    def minus(theta: np.ndarray) -> float:
        p = special.expit(x @ theta)
        return -float(stats.binom.logpmf(r, n, p).sum())

    found = NormalSource.of("response", x, r, n, unit=1.0)
    best = optimize.minimize(minus, np.zeros(2), method="BFGS", tol=1e-10)
    np.testing.assert_allclose(found.estimate, best.x, atol=1e-5)
    p = special.expit(x @ best.x)
    np.testing.assert_allclose(found.information, (x.T * (n * p * (1 - p))) @ x, rtol=1e-4)


@pytest.mark.parametrize("power", [0.0, 0.01, 0.4, 1.0])
def test_the_normalising_constant_of_the_limit_is_that_of_quadrature(power: float) -> None:
    source = NormalSource(np.array([1.3, -0.4]), np.array([[4.0, 1.5], [1.5, 2.0]]))
    prior = wide(1.7).override({"effect_mean": {"arguments": {"mu": 0.2, "sigma": 1.7}}})
    entry = prior["effect_mean"]

    def integrand(b: float, a: float) -> float:
        apart = np.array([a, b]) - source.estimate
        inside = -0.5 * power * apart @ source.information @ apart
        return float(np.exp(inside) * np.prod(stats.norm.pdf([a, b], 0.2, 1.7)))

    wanted, _ = integrate.dblquad(integrand, -14.0, 14.0, -14.0, 14.0)
    at = pt.dscalar()
    found = evaluated(source.log_normaliser(at, [entry, entry]), at, power)
    assert found == pytest.approx(np.log(wanted), abs=1e-6)


def test_a_fixed_power_of_one_is_the_estimate_of_the_source_and_the_new_data_together() -> None:
    table = pd.DataFrame({"subgroup": ["now", "then"], "mean": [0.0, 1.5], "se": [0.4, 0.3]})
    for power in (1.0, 0.25):
        pooling = PowerPrior(source="then", power=power, asymptotic=True)
        model = tb.disease("historical", outcome="mean", pooling=pooling)
        fit = tb.fit(model, tb.read_aggregate(table, outcome="mean"), priors=wide(), **RUN)
        precision = np.array([0.4**-2, power * 0.3**-2, 0.01])
        mean = precision @ [0.0, 1.5, 0.0] / precision.sum()
        assert fit.table().loc["now", "mean"] == pytest.approx(mean, abs=0.03)
        assert fit.table().loc["now", "sd"] == pytest.approx(precision.sum() ** -0.5, rel=0.06)


def test_where_a_covariate_separates_the_source_there_is_no_limit() -> None:
    table = trials().table.assign(responders=[5, 9, 0, 0, 40])
    with pytest.raises(ModelError, match="separates the outcomes"):
        assemble_aggregate(spec(LEARNT), tb.read_aggregate(table, covariates=("x",)), wide())
    alone = trials().table.assign(x=[0.0, 1.0, 1.0, 1.0, 1.0])
    with pytest.raises(ModelError, match="does not vary"):
        assemble_aggregate(spec(LEARNT), tb.read_aggregate(alone, covariates=("x",)), wide())


def test_the_likelihood_of_two_classes_is_the_sum_over_all_memberships() -> None:
    """Every patient of the source in or out: 2^5 ways, each with its probability."""
    rows = [("now", 0.0, 1, 1), ("now", 1.0, 1, 0), ("then", 0.0, 2, 1), ("then", 1.0, 3, 2)]
    table = pd.DataFrame(rows, columns=["subgroup", "x", "n", "responders"])
    model = assemble_aggregate(spec(CLASSES), tb.read_aggregate(table, covariates=("x",)), wide())
    one, other, share = np.array([0.4, -0.8]), np.array([-0.5, 1.1]), 0.3
    point = {
        "effect_mean": one,
        "effect_other_class": other,
        "effect_share_logodds__": special.logit(share),
    }
    potential = model.replace_rvs_by_values([model["loglik"]])[0]
    found = model.compile_fn(potential, mode="FAST_COMPILE")(point)

    def chance(theta: np.ndarray, x: float, y: int) -> float:
        p = special.expit(theta[0] + theta[1] * x)
        return float(p if y else 1.0 - p)

    patients = [(0.0, 1), (0.0, 0), (1.0, 1), (1.0, 1), (1.0, 0)]
    total = 0.0
    for member in product([True, False], repeat=len(patients)):
        term = 1.0
        for inside, (x, y) in zip(member, patients, strict=True):
            term *= share * chance(one, x, y) if inside else (1 - share) * chance(other, x, y)
        total += term
    wanted = np.log(total) + np.log(chance(one, 0.0, 1) * chance(one, 1.0, 0))
    assert float(found) == pytest.approx(wanted, rel=1e-10)


def test_two_classes_of_one_historical_estimate_have_the_posterior_of_quadrature() -> None:
    table = pd.DataFrame({"subgroup": ["now", "then"], "mean": [0.0, 1.1], "se": [0.4, 0.3]})
    model = tb.disease("historical", outcome="mean", pooling=CLASSES)
    fit = tb.fit(model, tb.read_aggregate(table, outcome="mean"), priors=wide(2.0), **RUN)
    assert fit.verdict.usable, fit.verdict
    theta = np.linspace(-4.0, 4.0, 8001)
    own = stats.norm.pdf(theta, 0.0, 2.0) * stats.norm.pdf(0.0, theta, 0.4)
    inside = (own * stats.norm.pdf(1.1, theta, 0.3)).sum()
    outside = own.sum() * stats.norm.pdf(1.1, 0.0, np.hypot(2.0, 0.3))
    mean = (own * stats.norm.pdf(1.1, theta, 0.3) * theta).sum() / inside
    alone = (own * theta).sum() / own.sum()
    chance = inside / (inside + outside)  # E(share) is 1/2 before
    assert fit.table().loc["now", "mean"] == pytest.approx(
        chance * mean + (1 - chance) * alone, abs=0.03
    )
    belongs = (2 * chance + (1 - chance)) / 3  # of beta(2, 1) and beta(1, 2)
    assert fit.exchangeability["probability"].iloc[0] == pytest.approx(belongs, abs=0.02)


@pytest.mark.parametrize("pooling", [LEARNT, CLASSES], ids=lambda p: p.kind)
def test_descriptions_survive_storage_and_other_shapes_are_refused(pooling: Pooling) -> None:
    model = spec(pooling)
    assert AggregateSpec.from_dict(model.to_dict()) == model
    with pytest.raises(ModelError, match=r"shape must be a tuple \(a number, a number\)"):
        type(pooling)(source="then", shape=(1.0,))
    with pytest.raises(ModelError, match="source='elsewhere' is not among them"):
        assemble_aggregate(spec(type(pooling)(source="elsewhere")), trials(), wide())


@pytest.mark.parametrize("pooling", [LEARNT, CLASSES], ids=lambda p: p.kind)
def test_models_of_patients_refuse_what_is_for_aggregate_data(pooling: Pooling) -> None:
    cohort = tb.datasets.registry()
    source = type(pooling)(source=cohort.subgroups[0], **_settings(pooling))
    with pytest.raises(ModelError, match="aggregate models"):
        compile_fit(tb.disease("registry", pooling=source), cohort)


def _settings(pooling: Pooling) -> dict[str, object]:
    return {"asymptotic": True} if isinstance(pooling, PowerPrior) else {}


def test_a_limit_is_of_one_data_set() -> None:
    compiled = compile_fit(spec(LEARNT), trials(), priors=wide())
    with pytest.raises(ModelError, match="Compile the model for each data set"):
        compiled.with_data(trials())
