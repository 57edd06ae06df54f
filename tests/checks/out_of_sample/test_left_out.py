"""Leaving each patient out by weights, against the formula of a model that has one."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from twinbayes.checks.out_of_sample.left_out import left_out_predictions
from twinbayes.errors import CohortError


def test_the_mean_without_a_patient_is_that_of_the_beta_distribution_of_the_others() -> None:
    rng = np.random.default_rng(3)
    seen = rng.random(30) < 0.4
    total, n = int(seen.sum()), len(seen)
    draws = rng.beta(1 + total, 1 + n - total, size=(4, 1000))
    names = [f"p{k}" for k in range(n)]
    one = np.where(seen[:, None, None], np.log(draws), np.log1p(-draws))
    likelihood = xr.DataArray(
        one.transpose(1, 2, 0), dims=("chain", "draw", "patient"), coords={"patient": names}
    )
    predicted = xr.DataArray(
        np.tile(draws.ravel(), (n, 1)), dims=("patient", "sample"), coords={"patient": names}
    )
    found, shapes = left_out_predictions(predicted.isel(patient=slice(None, None, -1)), likelihood)
    exact = (1 + total - seen) / (2 + n - 1)
    np.testing.assert_allclose(found.sel(patient=names), exact, atol=0.004)
    assert shapes.max() < 0.5
    # In-sample every patient would have the same mean, which lies between the two.
    assert exact.min() < (1 + total) / (2 + n) < exact.max()


def test_draws_that_do_not_match_are_refused() -> None:
    likelihood = xr.DataArray(
        np.zeros((2, 100, 1)), dims=("chain", "draw", "patient"), coords={"patient": ["a"]}
    )
    few = xr.DataArray(np.zeros((1, 50)), dims=("patient", "sample"), coords={"patient": ["a"]})
    with pytest.raises(CohortError, match="50 draws of predictions and 200"):
        left_out_predictions(few, likelihood)
    other = xr.DataArray(np.zeros((1, 200)), dims=("patient", "sample"), coords={"patient": ["b"]})
    with pytest.raises(CohortError, match="not of the same patients"):
        left_out_predictions(other, likelihood)
