"""Elicitation: fits in closed form, pools in closed form, and errors that name the remedy."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy import stats

from twinbayes.errors import OptionError, PriorError
from twinbayes.priors import Component, Density, Elicitation, Expert, PriorEntry, elicit
from twinbayes.priors.elicitation.elicit import (
    ELICITED,
    elicitation_faults,
    fit_expert,
    largest_miss,
    pool,
)
from twinbayes.priors.elicitation.entry import elicited_entry

TRUTH = {"mu": 0.3, "sigma": 0.5, "alpha": 3.0, "beta": 4.0, "lam": 2.0, "b": 0.7}
TWO_NORMALS = ({"mu": 0.0, "sigma": 1.0}, {"mu": 3.0, "sigma": 0.5})


def true_density(family: str) -> Density:
    from twinbayes.priors import FAMILIES

    arguments = {key: TRUTH[key] for key in FAMILIES[family].arguments}
    return Density(distribution=family, arguments=arguments)


def test_a_linear_pool_of_two_normals_has_the_moments_of_the_mixture() -> None:
    pooled = pool(TWO_NORMALS, [3.0, 1.0], "Normal", "linear")
    assert pooled.mean == pytest.approx(0.75 * 0 + 0.25 * 3)
    between = 0.75 * 0.75**2 + 0.25 * 2.25**2
    assert pooled.sd**2 == pytest.approx(0.75 * 1.0 + 0.25 * 0.25 + between)


def test_a_logarithmic_pool_of_normals_is_normal_with_the_precision_weighted_mean() -> None:
    pooled = pool(TWO_NORMALS, [3.0, 1.0], "Normal", "logarithmic")
    precision = 0.75 / 1.0 + 0.25 / 0.25
    assert not pooled.mixture
    assert pooled.arguments["mu"] == pytest.approx((0.75 * 0 + 0.25 * 3 / 0.25) / precision)
    assert pooled.arguments["sigma"] == pytest.approx(precision**-0.5)


@pytest.mark.parametrize("family", [family for family in ELICITED if family != "Laplace"])
def test_a_logarithmic_pool_is_the_normalised_product_of_powers(family: str) -> None:
    from twinbayes.priors import FAMILIES

    first = dict(true_density(family).arguments)
    second = {key: value * 1.7 for key, value in first.items()}
    pooled = pool([first, second], [1.0, 1.0], family, "logarithmic")
    x = np.array([0.2, 0.4, 0.7])
    frozen = [FAMILIES[family].frozen(*a.values()) for a in (first, second, pooled.arguments)]
    product = 0.5 * frozen[0].logpdf(x) + 0.5 * frozen[1].logpdf(x)
    np.testing.assert_allclose(np.diff(product), np.diff(frozen[2].logpdf(x)), atol=1e-10)


@pytest.mark.parametrize(
    ("family", "pooling", "said"),
    [
        ("LogNormal", "linear", "linear pool of LogNormal distributions is no prior here"),
        ("Laplace", "logarithmic", "pool of Laplace distributions is no Laplace distribution"),
    ],
)
def test_a_pool_that_no_prior_can_be_is_refused(family: str, pooling: str, said: str) -> None:
    arguments = dict(true_density(family).arguments)
    with pytest.raises(PriorError) as caught:
        pool([arguments, arguments], [1.0, 1.0], family, pooling)
    assert said in str(caught.value)
    assert "Known:" in str(caught.value) or "among" in str(caught.value)


def test_unknown_families_poolings_and_weights_are_refused() -> None:
    with pytest.raises(OptionError, match=r"'Cauchy'. Known: 'Normal'"):
        pool(TWO_NORMALS, [1.0, 1.0], "Cauchy", "linear")
    with pytest.raises(OptionError, match=r"'mean'. Known: 'linear', 'logarithmic'"):
        pool(TWO_NORMALS, [1.0, 1.0], "Normal", "mean")
    for weights in ([1.0], [0.0, 0.0], [2.0, -1.0]):
        with pytest.raises(PriorError, match="needs one weight a distribution"):
            pool(TWO_NORMALS, weights, "Normal", "linear")


def test_the_largest_miss_is_that_of_the_worst_stated_probability() -> None:
    fit = {"mu": 0.0, "sigma": 1.0}
    asked = Expert(role="r", values=(-1.0, 0.0, 1.0), probabilities=(0.2, 0.5, 0.8))
    normal = stats.norm.cdf([-1.0, 1.0])
    miss = largest_miss(asked, "quantiles", "Normal", fit)
    assert miss == pytest.approx(normal[1] - 0.8)
    interval = Expert(role="r", values=(-1.0, 1.0), probabilities=(0.6,))
    miss = largest_miss(interval, "interval", "Normal", fit)
    assert miss == pytest.approx(normal[1] - normal[0] - 0.6)
    chips = Expert(role="r", values=(-3.0, -1.0, 1.0, 3.0), probabilities=(1.0, 2.0, 2.0))
    miss = largest_miss(chips, "roulette", "Normal", fit)
    assert miss == pytest.approx(normal[1] - 0.6)


def test_a_missing_preliz_is_an_error_that_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "preliz", None)
    expert = Expert(role="r", values=(0.2, 0.6), probabilities=(0.9,))
    with pytest.raises(PriorError, match=r"pip install 'twinbayes\[elicit\]'"):
        fit_expert(expert, "interval", "Beta")


class TestWithPreliz:
    """Fits of one expert's statements."""

    @pytest.fixture(autouse=True)
    def _preliz(self) -> None:
        pytest.importorskip("preliz")

    @pytest.mark.parametrize("family", ELICITED)
    def test_quantiles_of_a_member_of_the_family_give_it_back(self, family: str) -> None:
        truth = true_density(family)
        shares = (0.05, 0.25, 0.5, 0.75, 0.95)
        values = tuple(truth.quantile(p) for p in shares)
        expert = Expert(role="r", values=values, probabilities=shares)
        assert fit_expert(expert, "quantiles", family) == pytest.approx(
            dict(truth.arguments), rel=1e-6
        )

    @pytest.mark.parametrize("family", ["Normal", "Gamma", "Beta"])
    def test_chips_in_proportion_to_the_mass_of_bins_give_the_distribution_back(
        self, family: str
    ) -> None:
        truth = true_density(family)
        cuts = np.array([0.1, 0.2, 0.4, 0.6, 0.8, 0.99])
        ends = (truth.quantile(1e-9), truth.quantile(1 - 1e-9))
        edges = (ends[0], *(truth.quantile(p) for p in cuts), ends[1])
        chips = tuple(1000 * np.diff(np.r_[0.0, cuts, 1.0]))
        expert = Expert(role="r", values=edges, probabilities=chips)
        assert fit_expert(expert, "roulette", family) == pytest.approx(
            dict(truth.arguments), rel=1e-5
        )

    def test_an_interval_gets_its_mass_and_the_entropy_is_not_to_be_raised(self) -> None:
        expert = Expert(role="r", values=(0.2, 0.6), probabilities=(0.9,))
        found = fit_expert(expert, "interval", "Beta")
        best = stats.beta(found["alpha"], found["beta"])
        assert best.cdf(0.6) - best.cdf(0.2) == pytest.approx(0.9, abs=1e-3)
        for alpha in (found["alpha"] * 0.8, found["alpha"] * 1.25):
            betas = np.linspace(0.3, 3, 4000) * found["beta"]
            mass = stats.beta.cdf(0.6, alpha, betas) - stats.beta.cdf(0.2, alpha, betas)
            same = betas[np.abs(mass - 0.9) < 1e-3]
            assert all(stats.beta(alpha, b).entropy() < best.entropy() + 1e-3 for b in same)

    def test_two_experts_are_pooled_to_a_mixture_of_their_distributions(self) -> None:
        experts = (
            Expert(role="a", values=(-1.0, 1.0), probabilities=(0.25, 0.75)),
            Expert(role="b", values=(1.0, 3.0), probabilities=(0.25, 0.75), weight=3.0),
        )
        said = Elicitation(protocol="p", method="quantiles", experts=experts, pooling="linear")
        sigma = 1 / stats.norm.ppf(0.75)
        pooled = elicit(said, "Normal")
        assert [part.weight for part in pooled.mixture] == [0.25, 0.75]
        assert pooled.mixture[0].arguments["mu"] == 0.0
        assert pooled.mixture[1].arguments == pytest.approx({"mu": 2.0, "sigma": sigma}, rel=1e-4)

    def test_an_elicited_entry_agrees_with_its_statements_also_when_robustified(self) -> None:
        experts = [Expert(role="haematologist", values=(0.15, 0.35), probabilities=(0.1, 0.9))]
        entry = elicited_entry(
            "response_rate", "Beta", "quantiles", experts, protocol="minutes", parameter="p",
            scale="probability", population="nobody",
        )  # fmt: skip
        assert (entry.status, entry.evidence[0].kind) == ("evidence", "expert")
        assert entry.derived is not None
        assert set(entry.derived.ess) == {"elir", "moment", "morita"}
        assert "differ from the stated ones by at most" in entry.evidence[0].statement
        assert elicitation_faults(entry) == []
        record = entry.to_dict()
        fitted = record.pop("arguments")
        record["mixture"] = [
            {"weight": 0.8, **fitted}, {"weight": 0.2, "alpha": 1.0, "beta": 1.0},
        ]  # fmt: skip
        record["robustness"] = {
            "weight": 0.2, "component": {"alpha": 1.0, "beta": 1.0}, "reason": "one expert",
        }  # fmt: skip
        assert elicitation_faults(PriorEntry.from_dict(record)) == []
        record["mixture"][0]["alpha"] *= 1.1
        [fault] = elicitation_faults(PriorEntry.from_dict(record))
        assert "the experts' statements give Beta(" in fault

    @pytest.mark.parametrize(
        ("values", "probabilities", "method", "family", "said"),
        [
            ((-1.0, 0.5), (0.9,), "interval", "Beta", "Beta lies from 0 to 1"),
            ((-1.0, 0.5), (0.1, 0.9), "quantiles", "Gamma", "Gamma lies from 0 to inf"),
            ((0.5,), (0.5,), "quantiles", "Beta", "has 2 arguments, but only 1 probabilities"),
            ((0.1, 0.2), (0.9, 0.1), "quantiles", "Beta", "must ascend with the values"),
            ((2.0, 2.1), (0.999,), "interval", "HalfNormal", "no HalfNormal distribution"),
        ],
    )
    def test_statements_that_the_family_cannot_follow_are_refused(
        self,
        values: tuple[float, ...],
        probabilities: tuple[float, ...],
        method: str,
        family: str,
        said: str,
    ) -> None:
        expert = Expert(role="nurse", values=values, probabilities=probabilities)
        with pytest.raises(PriorError) as caught:
            fit_expert(expert, method, family)
        assert said in str(caught.value)
        assert "'nurse'" in str(caught.value)


def test_a_component_shows_itself_as_in_a_file() -> None:
    part = Component(weight=0.5, arguments={"alpha": 1.0, "beta": 2.0})
    assert part.plain == {"weight": 0.5, "alpha": 1.0, "beta": 2.0}
