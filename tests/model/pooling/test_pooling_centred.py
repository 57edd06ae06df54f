"""Effects sampled as they are: the same models as with standard numbers behind them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import stats

import twinbayes as tb
from tests.support.on_line import on_line
from twinbayes.errors import OptionError
from twinbayes.inference import AggregateFit
from twinbayes.model import Commensurate, Exchangeable, RobustMap
from twinbayes.model.pooling.protocol import EffectNames, Pooling

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


NAMES = {"mean": "mean", "scale": "scale", "offset": "offset", "total": "total"}
LEVELS = EffectNames(**NAMES, scale_prior="subgroup_scale")
EFFECTS = EffectNames(**NAMES, scale_prior="treatment_heterogeneity", mean_prior="treatment_effect")
SCALE = {"one": 0.4, "two": 1.7, "three": 2.5}


def built(pooling: Exchangeable, names: EffectNames) -> pm.Model:
    coords = {"row": list(SCALE), "group": ["a", "b", "c", "d"]}
    with pm.Model(coords=coords) as model:
        pooling.build(names, ("row", "group"), list(SCALE), 4, tb.load_priors("registry"))
    return model


@pytest.mark.parametrize("names", [LEVELS, EFFECTS], ids=["levels", "effects"])
@pytest.mark.parametrize("nu", [None, 4.0], ids=["normal", "t"])
def test_a_centred_row_has_the_same_density_and_effects(
    names: EffectNames, nu: float | None
) -> None:
    """The sampled numbers of row two are scale times as large, and their density falls by it."""
    scale = np.array(list(SCALE.values()))
    offset = np.random.default_rng(5).normal(size=(3, 4))
    models = [built(Exchangeable(nu=nu, centred=rows), names) for rows in ((), ("two",))]
    values, n_free = [], 4
    for model, width in zip(models, ([1.0, 1.0, 1.0], [1.0, scale[1], 1.0]), strict=True):
        point = model.initial_point()
        point["scale_line__"] = on_line(model, "scale", scale)
        key = next(k for k in point if k.startswith("offset"))
        n_free = point[key].shape[1]
        point[key] = np.array(width)[:, None] * offset[:, :n_free]
        if "short_tails" in key:
            point[key] = 2.0 * np.arcsinh(point[key] / 2.0)
        total = model.replace_rvs_by_values([model["total"]])[0]
        logp = model.compile_logp(jacobian=False, mode="FAST_COMPILE")(point)
        values.append((float(logp), model.compile_fn(total, mode="FAST_COMPILE")(point)))
    (plain, effects), (centred, same) = values
    assert centred == pytest.approx(plain - n_free * np.log(scale[1]), abs=1e-9)
    np.testing.assert_allclose(effects, same, atol=1e-12)


def test_a_row_that_is_not_there_cannot_be_centred() -> None:
    with pytest.raises(OptionError, match="row to be centred"):
        built(Exchangeable(centred=("four",)), LEVELS)


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
