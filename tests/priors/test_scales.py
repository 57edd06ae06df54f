"""Scales are sampled on a line, and have their priors there."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import integrate, stats

import twinbayes as tb
from twinbayes.priors.scales import OF_SCALES, OnLine


def test_the_line_is_the_formula_both_ways() -> None:
    line, unit = OnLine(0.3), 0.3
    y = np.linspace(-6.0, 12.0, 40)
    r = (np.sqrt(1.0 + y**2) - y) / 2.0
    scale = line.backward(pt.as_tensor(y)).eval()
    np.testing.assert_allclose(np.log(scale / unit), y - r**2 / 2.0, rtol=1e-12)
    np.testing.assert_allclose(line.forward(pt.as_tensor(scale)).eval(), y, rtol=1e-9, atol=1e-9)
    tiny = np.array([1e-300, 1e-12, 1e-3, 1e6])
    there = line.forward(pt.as_tensor(tiny))
    np.testing.assert_allclose(line.backward(there).eval(), tiny, rtol=1e-9)


@pytest.mark.parametrize(
    ("distribution", "arguments", "law"),
    [
        ("HalfNormal", {"sigma": 0.5}, stats.halfnorm(scale=0.5)),
        ("Exponential", {"lam": 4.0}, stats.expon(scale=0.25)),
        ("HalfStudentT", {"nu": 3.0, "sigma": 0.4}, None),
        ("HalfCauchy", {"beta": 0.4}, stats.halfcauchy(scale=0.4)),
    ],
)
def test_a_scale_has_its_prior_on_the_line(
    distribution: str, arguments: dict[str, float], law: stats.rv_frozen | None
) -> None:
    assert distribution in OF_SCALES
    change = {"gene_scale": {"distribution": distribution, "arguments": arguments}}
    entry = {"covariate_scale": change["gene_scale"]}
    priors = tb.load_priors("aml").override(entry)
    with pm.Model() as model:
        priors.make("scale", "covariate_scale")
    logp = model.compile_logp()

    def density(y: float) -> float:
        return float(np.exp(logp({"scale_line__": np.array(y)})))

    transform = model.rvs_to_transforms[model["scale"]]
    assert integrate.quad(density, -9.0, 60.0, limit=200)[0] == pytest.approx(1.0, abs=1e-6)
    if law is not None:
        for p in (0.001, 0.3, 0.9):
            at = float(transform.forward(pt.as_tensor(law.ppf(p))).eval())  # type: ignore[union-attr]
            assert integrate.quad(density, -9.0, at)[0] == pytest.approx(p, abs=1e-6)
