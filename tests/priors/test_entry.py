"""Prior entries: what they accept, what they say, and that PyMC means the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import integrate

from twinbayes.errors import PriorError, TwinbayesError
from twinbayes.priors import FAMILIES, Evidence, PriorEntry

ARGUMENTS: Mapping[str, Mapping[str, float]] = {
    "Normal": {"mu": 0.3, "sigma": 2.0},
    "HalfNormal": {"sigma": 0.7},
    "StudentT": {"nu": 4.0, "mu": -1.0, "sigma": 2.0},
    "HalfStudentT": {"nu": 3.0, "sigma": 0.5},
    "Cauchy": {"alpha": 0.5, "beta": 2.0},
    "HalfCauchy": {"beta": 0.4},
    "Laplace": {"mu": 1.0, "b": 0.3},
    "LogNormal": {"mu": 0.2, "sigma": 0.5},
    "Gamma": {"alpha": 2.0, "beta": 3.0},
    "InverseGamma": {"alpha": 3.0, "beta": 2.0},
    "Exponential": {"lam": 2.5},
    "Beta": {"alpha": 2.0, "beta": 5.0},
}


def entry(**changes: Any) -> PriorEntry:
    keys: dict[str, Any] = {
        "name": "treatment_effect",
        "distribution": "Normal",
        "arguments": {"mu": 0, "sigma": 1},
        "parameter": "log hazard ratio",
        "scale": "log hazard ratio",
        "unit": "1",
        "population": "everyone",
        "rationale": "a test",
    }
    return PriorEntry(**(keys | changes))


@pytest.mark.parametrize("distribution", [name for name in FAMILIES if name != "LKJCorr"])
def test_quantiles_agree_with_the_density_of_the_pymc_distribution(distribution: str) -> None:
    prior = entry(distribution=distribution, arguments=ARGUMENTS[distribution])
    grid = np.linspace(prior.quantile(0.1), prior.quantile(0.9), 4001)
    x = pt.dvector()
    logp = pm.logp(getattr(pm, distribution).dist(**ARGUMENTS[distribution]), x)
    density = np.exp(pm.compile([x], logp, mode="FAST_COMPILE")(grid))
    assert integrate.simpson(density, x=grid) == pytest.approx(0.8, abs=1e-6)


def test_the_correlation_of_two_variables_has_the_quantiles_of_its_draws() -> None:
    prior = entry(distribution="LKJCorr", arguments={"eta": 2.0})
    drawn = pm.draw(pm.LKJCorr.dist(n=2, eta=2.0), 4000, random_seed=1)[:, 1, 0]
    for level in (0.1, 0.5, 0.9):
        assert np.mean(drawn < prior.quantile(level)) == pytest.approx(level, abs=0.025)


def test_text_is_written_as_in_a_formula_with_the_arguments_in_order() -> None:
    prior = entry(distribution="StudentT", arguments={"sigma": 0.25, "mu": -7, "nu": 4})
    assert prior.text() == "StudentT(nu=4, mu=-7, sigma=0.25)"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"distribution": "Flat"}, "distribution 'Flat' is unknown. Known: 'Normal'"),
        ({"arguments": {"mu": 0, "sigma": 0}}, "'sigma' is 0, but must be above 0"),
        ({"arguments": {"mu": 0, "sigma": float("inf")}}, "'sigma' is not finite"),
        ({"arguments": {"mu": 0}}, "'sigma' is missing"),
        ({"arguments": {"mu": 0, "sigma": 1, "tau": 1}}, "'tau' is unknown"),
        ({"arguments": {"mu": 0, "sigma": "1e-3"}}, "'sigma' is not a number"),
        ({"arguments": {"mu": 0, "sigma": True}}, "'sigma' is not a number"),
        ({"arguments": [0, 1]}, "must map argument names"),
        ({"name": "Treatment effect"}, "the name must be"),
        ({"name": "treatment_effect."}, "the name must be"),
        ({"unit": " "}, "key 'unit' is empty"),
        ({"version": "1.0"}, "not major.minor.patch"),
        ({"status": "final"}, "status 'final' is unknown"),
        ({"status": "approved"}, "'approved' needs evidence with a source"),
    ],
)
def test_a_malformed_entry_is_refused_and_the_fault_is_named(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(PriorError) as caught:
        entry(**changes)
    assert said in str(caught.value)
    assert isinstance(caught.value, TwinbayesError | ValueError)


@pytest.mark.requirement("R-017")
def test_evidence_other_than_a_scale_argument_needs_a_source() -> None:
    Evidence(kind="scale argument", statement="hazard ratios between 0.1 and 10")
    with pytest.raises(PriorError, match="needs a source"):
        Evidence(kind="publication", statement="seen elsewhere")
    with pytest.raises(PriorError, match="kind 'rumour' is unknown"):
        Evidence(kind="rumour", statement="seen elsewhere", source="someone")


def test_an_entry_survives_the_way_through_plain_data() -> None:
    prior = entry(
        name="baseline_level.remission->start:allogeneic_transplant",
        evidence=(Evidence(kind="data", statement="rates", source="a registry"),),
        status="evidence",
    )
    again = PriorEntry.from_dict(prior.to_dict())
    assert again == prior
    assert again.stem == "baseline_level"


def test_the_distribution_hash_follows_the_distribution_and_not_the_reasons() -> None:
    plain = entry().distribution_hash
    assert entry(rationale="another reason", version="2.0.0").distribution_hash == plain
    assert entry(arguments={"sigma": 1.0, "mu": 0.0}).distribution_hash == plain
    assert entry(arguments={"mu": 0, "sigma": 2}).distribution_hash != plain
    assert entry(unit="log(1/d)").distribution_hash != plain


def test_the_arguments_of_an_entry_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        entry().arguments["sigma"] = 3.0  # type: ignore[index]


@pytest.mark.parametrize("p", [-0.1, 1.5, float("nan")])
def test_a_quantile_outside_zero_to_one_is_refused(p: float) -> None:
    with pytest.raises(PriorError, match="0 <= p <= 1"):
        entry().quantile(p)
