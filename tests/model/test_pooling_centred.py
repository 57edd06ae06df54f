"""Mixtures sampled as they are: the same models as with standard normal numbers behind them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import stats

import twinbayes as tb
from twinbayes.inference import AggregateFit
from twinbayes.model import Commensurate, RobustMap
from twinbayes.model.pooling import Pooling

ROBUST = RobustMap(target="new", weight=0.3, own_sd=2.0, centred=True)
FOLLOWING = Commensurate(source="old", spike=0.4, spike_precision=25.0, centred=True)


def test_the_density_of_several_effects_is_that_of_the_joint_mixture() -> None:
    theta, centre, spread = np.array([0.3, -1.2, 0.8]), np.array([0.1, -1.0, 2.0]), 0.5
    mean = np.stack([centre, np.zeros(3)], axis=-1)
    sd = np.stack([np.full(3, spread), np.full(3, ROBUST.own_sd)], axis=-1)
    with pm.Model(coords={"row": ["a", "b", "c"]}):
        law = ROBUST.law("theta", pt.as_tensor(mean), pt.as_tensor(sd), "row")
    expected = np.log(
        0.3 * np.prod(stats.norm.pdf(theta, centre, spread))
        + 0.7 * np.prod(stats.norm.pdf(theta, 0.0, ROBUST.own_sd))
    )
    assert pm.logp(law, theta).eval() == pytest.approx(expected, rel=1e-12)
    drawn = pm.draw(law, draws=40_000, random_seed=3, mode="FAST_COMPILE")
    assert drawn.shape == (40_000, 3)
    # all effects of a draw come from one component, so they vary together
    follow = np.abs(drawn - centre) < 3.0 * spread
    assert np.mean(follow.all(axis=1)) > 0.3 * 0.99
    np.testing.assert_allclose(drawn.mean(axis=0), 0.3 * centre, atol=4 * 2.0 / np.sqrt(40_000))


def fitted(pooling: Pooling) -> AggregateFit:
    table = pd.DataFrame(
        {
            "subgroup": ["old"] * 2 + ["new"] * 2,
            "x": [0.0, 1.0] * 2,
            "n": [60, 70, 25, 20],
            "responders": [15, 30, 9, 12],
        }
    )
    data = tb.read_aggregate(table, covariates=("x",))
    spec = tb.disease("historical", covariates=("x",), pooling=pooling)
    return tb.fit(spec, data, draws=1500, tune=600, seed=4, target_accept=0.95, progressbar=False)


@pytest.mark.slow
@pytest.mark.parametrize("pooling", [ROBUST, FOLLOWING], ids=lambda p: p.kind)
def test_both_ways_of_sampling_find_one_posterior(pooling: RobustMap | Commensurate) -> None:
    found = [
        fitted(replace(pooling, centred=centred)).datatree["posterior"]["effect"].to_numpy()
        for centred in (True, False)
    ]
    direct, behind = (x.reshape(x.shape[0] * x.shape[1], -1) for x in found)
    np.testing.assert_allclose(direct.mean(axis=0), behind.mean(axis=0), atol=0.06)
    np.testing.assert_allclose(direct.std(axis=0), behind.std(axis=0), rtol=0.15)
