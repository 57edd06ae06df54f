"""Mixtures as PyMC variables: the density is that of the mixture, whatever the layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytest

from twinbayes.errors import PriorError
from twinbayes.priors import PriorSet, load_priors

NORMAL = [{"weight": 0.8, "mu": -0.5, "sigma": 0.2}, {"weight": 0.2, "mu": 0.0, "sigma": 1.0}]
BETA = [{"weight": 0.6, "alpha": 3, "beta": 9}, {"weight": 0.4, "alpha": 1, "beta": 1}]
GAMMA = [{"weight": 0.3, "alpha": 2, "beta": 1}, {"weight": 0.7, "alpha": 9, "beta": 3}]
COORDS = {"transition": ["a", "b", "c"], "group": ["x", "y"]}


def value(graph: Any) -> Any:
    return pm.compile([], graph, mode="FAST_COMPILE")()


@pytest.fixture(scope="module")
def aml() -> PriorSet:
    return load_priors("aml")


@pytest.mark.parametrize(
    ("distribution", "mixture", "at"),
    [("Normal", NORMAL, -0.3), ("Beta", BETA, 0.2), ("Gamma", GAMMA, 1.5)],
)
def test_the_log_density_is_that_of_the_mixture(
    aml: PriorSet, distribution: str, mixture: list[Any], at: float
) -> None:
    priors = aml.override({"treatment_effect": {"distribution": distribution, "mixture": mixture}})
    expected = float(priors["treatment_effect"].density.as_mixture().logpdf(at))
    with pm.Model(coords=COORDS):
        one = priors.make("one", "treatment_effect")
        many = priors.make("many", "treatment_effect", dims=("group", "transition"))
        unnamed = priors.distribution("treatment_effect")
    assert value(pm.logp(one, at)) == pytest.approx(expected, abs=1e-10)
    np.testing.assert_allclose(value(pm.logp(many, np.full((2, 3), at))), expected, atol=1e-10)
    assert value(pm.logp(unnamed, at)) == pytest.approx(expected, abs=1e-10)
    assert value(many).shape == (2, 3)


@pytest.mark.parametrize("axis", [1, -1])
def test_qualified_entries_may_differ_in_their_components(aml: PriorSet, axis: int) -> None:
    priors = aml.override({
        "treatment_effect": {"mixture": NORMAL},
        "treatment_effect.b": {"arguments": {"mu": 3.0, "sigma": 0.1}},
    })  # fmt: skip
    with pm.Model(coords=COORDS) as model:
        effect = priors.make(
            "effect", "treatment_effect", dims=("group", "transition"),
            qualifiers=["a", "b", "c"], axis=axis,
        )  # fmt: skip
    at = np.array([[-0.3, 3.1, 0.4], [0.0, 2.9, -0.5]])
    wanted = [
        [float(priors.get_entry("treatment_effect", q).density.as_mixture().logpdf(x))
         for q, x in zip("abc", row, strict=True)]
        for row in at
    ]  # fmt: skip
    np.testing.assert_allclose(value(pm.logp(effect, at)), wanted, atol=1e-10)
    slope = model.compile_dlogp(mode="FAST_COMPILE")({"effect": at})
    assert np.isfinite(slope).all()
    assert value(priors.distribution("treatment_effect", ["a", "b"])).shape == (2,)


def test_a_mixture_has_components_and_no_arguments(aml: PriorSet) -> None:
    priors = aml.override({"treatment_effect": {"mixture": NORMAL}})
    with pytest.raises(PriorError, match="is a mixture: it has components, not arguments"):
        priors.arguments("treatment_effect")
    frame = priors.to_frame()
    assert frame.loc["treatment_effect", "distribution"].startswith("0.8 Normal(mu=-0.5")
    back = priors.override({"treatment_effect": {"arguments": {"mu": 0, "sigma": 1}}})
    assert back["treatment_effect"].text() == "Normal(mu=0, sigma=1)"
