"""Slopes of a source that counts for less are those of the likelihood that was sampled."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special

import twinbayes as tb
from twinbayes.checks.borrowing.source_scores import aggregate_scores
from twinbayes.model import LatentExchangeability, PowerPrior
from twinbayes.model.assemble import assemble_aggregate
from twinbayes.model.pooling.protocol import Pooling

TABLES = {
    "response": pd.DataFrame(
        {"subgroup": ["now", "then", "then"], "n": [20, 30, 25], "responders": [5, 12, 9]}
    ),
    "rate": pd.DataFrame(
        {"subgroup": ["now", "then", "then"], "events": [4, 9, 2], "time": [10.0, 9.0, 8.0]}
    ),
    "mean": pd.DataFrame(
        {"subgroup": ["now", "then", "then"], "mean": [0.2, 1.4, 0.6], "se": [0.4, 0.3, 0.5]}
    ),
}
POOLINGS = {
    "fixed": PowerPrior(source="then", power=0.3),
    "learnt": PowerPrior(source="then", power=None),
    "asymptotic": PowerPrior(source="then", power=None, asymptotic=True),
    "asymptotic and fixed": PowerPrior(source="then", power=0.3, asymptotic=True),
    "classes": LatentExchangeability(source="then"),
}
STEP = 1e-4


@pytest.mark.parametrize("pooling", POOLINGS.values(), ids=list(POOLINGS))
@pytest.mark.parametrize("outcome", TABLES)
def test_slopes_are_those_of_the_likelihood_that_was_sampled(
    outcome: str, pooling: Pooling
) -> None:
    data = tb.read_aggregate(TABLES[outcome], outcome=outcome)
    spec = tb.disease("historical", outcome=outcome, pooling=pooling)
    fit = tb.fit(spec, data, draws=10, tune=20, chains=2, seed=1, progressbar=False)
    posterior = fit.datatree["posterior"].to_dataset()
    effect = posterior["effect"].isel(coefficient=0).transpose("chain", "draw", "subgroup")
    theta = effect.to_numpy().reshape(20, 2)
    found = aggregate_scores(fit, theta)
    assert found.shape == theta.shape
    model = assemble_aggregate(spec, data, fit.priors)
    loglik = model.compile_fn(
        model.replace_rvs_by_values([model["loglik"]])[0],
        inputs=model.value_vars,
        on_unused_input="ignore",
        mode="FAST_COMPILE",
    )
    for k in range(0, len(theta), 6):
        one = posterior.isel(chain=k // 10, draw=k % 10)
        point = {"effect_mean": one["effect_mean"].to_numpy()}
        for name in ("power", "effect_share"):
            if name in one:
                point[f"{name}_logodds__"] = special.logit(one[name].to_numpy())
        if "effect_other_class" in one:
            point["effect_other_class"] = one["effect_other_class"].to_numpy()
        up, down = (
            float(loglik(point | {"effect_mean": point["effect_mean"] + step}))
            for step in (STEP, -STEP)
        )
        assert found[k].sum() == pytest.approx((up - down) / (2 * STEP), rel=1e-5, abs=1e-5)


def test_a_review_of_two_classes_has_its_shares() -> None:
    data = tb.read_aggregate(TABLES["response"])
    spec = tb.disease("historical", pooling=POOLINGS["classes"])
    fit = tb.fit(spec, data, draws=500, tune=500, seed=1, progressbar=False)
    table = tb.checks.aggregate_borrowing(fit).table
    shares = table[["own subgroup", "other subgroups", "prior"]].sum(axis=1)
    np.testing.assert_allclose(shares, 1.0, atol=1e-12)
    source = fit.exchangeability.set_index("subgroup")["probability"]
    assert list(source.index) == ["then"]
