"""Correlations between a patient's coefficients have the law that their prior says."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytest
from scipy import stats

import twinbayes as tb
from chance import drawn_seed
from twinbayes.model.curves.patients import OwnCoefficients


@pytest.mark.parametrize("eta", [1.0, 2.0])
def test_partial_correlations_make_an_lkj_matrix(eta: float) -> None:
    """Every entry of an LKJ matrix of n rows is a beta on (-1, 1), both shapes eta - 1 + n / 2."""
    priors = tb.load_priors("cml").override({"patient_correlation": {"arguments": {"eta": eta}}})
    labels = tuple("abcd")
    index = np.arange(4)
    own = OwnCoefficients(labels, index, (), np.ones(4), np.zeros(4), ())
    with pm.Model(coords={"patient_term": labels}):
        spreads = own.spreads(priors)
        root, drawn, sd = pm.draw(
            [spreads.root, spreads.correlation, spreads.spread],
            draws=4000,
            random_seed=np.random.default_rng(drawn_seed()),
        )
    covariance = root @ np.swapaxes(root, 1, 2)
    np.testing.assert_allclose(covariance, drawn * sd[:, :, None] * sd[:, None, :], atol=1e-10)
    shape = eta - 1.0 + 4 / 2.0
    law = stats.beta(shape, shape, loc=-1.0, scale=2.0)
    # of six entries, the smallest p is below 1e-6 once in 170,000 runs
    for k in range(4):
        assert drawn[:, k, k] == pytest.approx(1.0)
        for j in range(k):
            assert stats.kstest(drawn[:, k, j], law.cdf).pvalue > 1e-6
