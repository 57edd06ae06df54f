"""E-values against published ones, and the tipping point of a bias."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinbayes.effects import Bias, Estimand, e_value, e_value_of, tipping_point, treatment_effect
from twinbayes.errors import OptionError
from twinbayes.inference import Fit
from twinbayes.twin import Scenario

TRANSPLANT = "allogeneic_transplant"


@pytest.mark.requirement("R-047")
@pytest.mark.parametrize(
    ("ratio", "lower", "upper", "estimate", "interval"),
    [
        # VanderWeele and Ding (2017): breast feeding and infant death; ovarian cancer
        (3.9, 1.8, 8.7, 7.26, 3.00),
        (0.80, 0.71, 0.91, 1.81, 1.43),
        (1.2, 0.9, 1.6, 1.69, 1.0),
    ],
)
def test_e_values_of_risk_ratios_are_the_published_ones(
    ratio: float, lower: float, upper: float, estimate: float, interval: float
) -> None:
    found = e_value(ratio, lower, upper)
    assert round(found.estimate, 2) == estimate
    assert round(found.interval, 2) == interval


@pytest.mark.parametrize("ratio", [0.56, 3.9])
def test_a_hazard_ratio_of_a_rare_outcome_is_a_risk_ratio(ratio: float) -> None:
    rare = e_value(ratio, measure="hazard_ratio", rare=True)
    assert rare.estimate == e_value(ratio).estimate
    assert np.isnan(rare.interval)


def test_common_outcomes_are_transformed_first() -> None:
    ratio = 0.56
    risk_ratio = (1 - 0.5 ** np.sqrt(ratio)) / (1 - 0.5 ** np.sqrt(1 / ratio))
    found = e_value(ratio, measure="hazard_ratio", rare=False)
    np.testing.assert_allclose(found.estimate, e_value(float(risk_ratio)).estimate, rtol=1e-12)
    found = e_value(4.0, measure="odds_ratio", rare=False)
    np.testing.assert_allclose(found.estimate, e_value(2.0).estimate, rtol=1e-12)


@given(st.floats(1.001, 50.0))
def test_a_ratio_and_its_inverse_have_the_same_e_value(ratio: float) -> None:
    for measure, rare in (("risk_ratio", None), ("hazard_ratio", False), ("odds_ratio", False)):
        one, other = (e_value(r, measure=measure, rare=rare) for r in (ratio, 1 / ratio))
        np.testing.assert_allclose(one.estimate, other.estimate, rtol=1e-6)
        assert one.estimate > 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-0.2,), "need 0 < lower"),
        ((1.0, 1.2, 1.4), "need 0 < lower"),
        ((np.nan,), "need 0 < lower"),
        (("x",), "need 0 < lower"),
        ((2.0, [1.0], 3.0), "need 0 < lower"),
        ((2.0, 1.5), "both ends"),
    ],
)
def test_what_is_no_ratio_is_refused(arguments: tuple[float, ...], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        e_value(*arguments)


def test_a_hazard_ratio_needs_to_know_whether_the_outcome_is_rare() -> None:
    with pytest.raises(OptionError, match="say whether the outcome is rare"):
        e_value(2.0, measure="hazard_ratio")
    with pytest.raises(OptionError, match=r"'rate_ratio'\. Known: 'risk_ratio'"):
        e_value(2.0, measure="rate_ratio")


def test_draws_of_a_bias_have_its_mean_and_deviation_without_chance() -> None:
    draws = Bias(mean=-0.2, sd=0.5).draws(4000)
    np.testing.assert_allclose(draws.mean(), -0.2, atol=1e-10)
    np.testing.assert_allclose(draws.std(), 0.5, rtol=2e-3)
    np.testing.assert_array_equal(draws, Bias(mean=-0.2, sd=0.5).draws(4000))
    assert abs(np.corrcoef(np.arange(4000), draws)[0, 1]) < 0.05
    with pytest.raises(OptionError, match="sd at least 0"):
        Bias(sd=-1.0)
    with pytest.raises(OptionError, match="sequence of names"):
        Bias(transitions="alive->dead")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["x", None, [0.1], 1j, True, np.nan])
def test_a_bias_of_no_number_is_refused(value: Any) -> None:
    for ask in (lambda: Bias(mean=value), lambda: Bias(sd=value)):
        with pytest.raises(OptionError, match="mean and sd must be finite numbers"):
            ask()


@pytest.fixture(scope="module")
def relapse() -> Estimand:
    return Estimand.starting(
        TRANSPLANT,
        landmark=120.0,
        times=1095.0,
        states=("remission",),
        summary="risk_ratio",
        endpoint="relapse",
        subgroups=("acute_erythroid", "mixed_phenotype"),
    )


@pytest.mark.requirement("R-047")
def test_at_the_tipping_point_the_interval_touches_no_effect(
    registry_fit: Fit, relapse: Estimand
) -> None:
    found = tipping_point(registry_fit, relapse, draws=60)
    assert 0.0 < abs(found.bias) < found.limit
    effect = treatment_effect(registry_fit, relapse, draws=60, bias=Bias(mean=found.bias))
    ends = [float(effect[f"overall_risk_ratio_{side}"][0]) for side in ("lower", "upper")]
    assert min(abs(np.log(ends))) < 5e-3
    assert f"(a factor of {np.exp(found.bias):.2f})" in found.sentence
    near = tipping_point(registry_fit, relapse, draws=60, limit=0.01)
    assert np.isinf(near.bias)
    assert "up to a factor of 1.0" in near.sentence


@pytest.mark.parametrize("value", [5, "x", [1.0], {}])
def test_what_is_no_bias_no_estimand_and_no_fit_is_refused(
    registry_fit: Fit, relapse: Estimand, value: Any
) -> None:
    with pytest.raises(OptionError, match="bias must be a Bias"):
        treatment_effect(registry_fit, relapse, bias=value)
    for ask in (treatment_effect, tipping_point):
        with pytest.raises(OptionError, match="estimand must be an Estimand"):
            ask(registry_fit, value)
        with pytest.raises(OptionError, match="that of a Fit or a Twin"):
            ask(value, relapse)
    with pytest.raises(OptionError, match="positive number"):
        tipping_point(registry_fit, relapse, limit=str(value))  # type: ignore[arg-type]


def test_an_effect_that_is_not_clear_tips_without_bias(
    registry_fit: Fit, relapse: Estimand
) -> None:
    same = replace(relapse, b=relapse.a)
    found = tipping_point(registry_fit, same, draws=20)
    assert found.bias == 0.0
    assert "already" in found.sentence
    with pytest.raises(OptionError, match="positive number"):
        tipping_point(registry_fit, same, limit=0.0)


def test_the_e_value_of_an_effect_is_that_of_its_ratio(
    registry_fit: Fit, relapse: Estimand
) -> None:
    found = treatment_effect(registry_fit, relapse, draws=60)
    numbers = [float(found[f"overall_risk_ratio{s}"][0]) for s in ("", "_lower", "_upper")]
    assert e_value_of(found) == e_value(*numbers)
    hazards = treatment_effect(registry_fit, replace(relapse, summary="hazard_ratio"), draws=60)
    numbers = [float(hazards[f"overall_hazard_ratio{s}"][0]) for s in ("", "_lower", "_upper")]
    assert e_value_of(hazards) == e_value(*numbers, measure="hazard_ratio", rare=False)
    policy = Scenario.policy()
    plain = treatment_effect(
        registry_fit, replace(relapse, b=policy, summary="risk_difference"), draws=20
    )
    with pytest.raises(OptionError, match="the effect is a risk difference"):
        e_value_of(plain)
