"""Poolings by mixtures with a prior probability of 0 or 1: no data change it, fits are usable."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from scipy import stats
from scipy.special import expit

import twinbayes as tb
from twinbayes.model import Commensurate, ExNex, RobustMap
from twinbayes.model.assemble import assemble_aggregate
from twinbayes.model.pooling.protocol import Pooling
from twinbayes.priors import load_priors

TABLE = pd.DataFrame(
    [("A", 15, 2), ("B", 13, 0), ("C", 12, 12), ("D", 28, 6)],
    columns=["subgroup", "n", "responders"],
)


@pytest.mark.parametrize(
    ("pooling", "settled"),
    [
        (ExNex(weights=(0.0, 1.0)), 0.0),
        (ExNex(weights=(1.0, 0.0)), 1.0),
        (ExNex(weights=(0.3, 0.7, 0.0), shifts=(0.0, 1.0)), 1.0),
        (ExNex(weights=(0.3, 0.0, 0.7), shifts=(0.0, 1.0)), None),
        (RobustMap(target="A", weight=0.0), 0.0),
        (RobustMap(target="A", weight=1.0, centred=True), 1.0),
        (RobustMap(target="A", weight=0.5), None),
        (Commensurate(source="A", spike=0.0), 0.0),
        (Commensurate(source="A", spike=1.0, centred=True), 1.0),
        (Commensurate(source="A"), None),
    ],
)
def test_what_no_data_change_is_no_variable_of_the_model(
    pooling: Pooling, settled: float | None
) -> None:
    spec = tb.disease("basket", pooling=pooling)
    model = assemble_aggregate(spec, tb.read_aggregate(TABLE), load_priors("basket"))
    assert isinstance(model, pm.Model)
    assert ("effect_exchangeable" in model.named_vars) == (settled is None)
    assert getattr(pooling, "settled") == settled  # noqa: B009 - not of every pooling


@pytest.mark.parametrize(
    ("pooling", "alone"),
    [(ExNex(weights=(0.0, 1.0)), "ABCD"), (RobustMap(target="C", weight=0.0), "C")],
)
def test_a_subgroup_that_stands_alone_has_the_posterior_of_its_own_data(
    pooling: Pooling, alone: str
) -> None:
    """Quadrature of binomial times Normal(0, 2) on the logit scale."""
    data = tb.read_aggregate(TABLE)
    fit = tb.fit(
        tb.disease("basket", pooling=pooling), data,
        draws=1500, tune=1000, chains=4, seed=1, progressbar=False,
    )  # fmt: skip
    assert fit.verdict.usable, fit.verdict.banner()
    theta = np.linspace(-16.0, 16.0, 20_001)
    for row in TABLE.itertuples():
        if str(row.subgroup) in alone:
            weight = stats.norm.pdf(theta, 0.0, 2.0)
            weight = weight * stats.binom.pmf(row.responders, row.n, expit(theta))
            mean = float((weight * expit(theta)).sum() / weight.sum())
            assert fit.table().loc[row.subgroup, "mean"] == pytest.approx(mean, abs=0.01)
    found = fit.exchangeability
    assert found["subgroup"].tolist() == list(alone)
    assert (found["probability"] == 0.0).all()
