"""Fits of ordinary PyMC models: gate, storage, review."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pymc as pm
import pytest
import xarray as xr

import twinbayes as tb
from twinbayes.errors import ModelError, OptionError, StorageError
from twinbayes.inference import ModelFit, read_tree, write_tree


def normal_mean() -> pm.Model:
    """Ten values with a known error: the posterior of the mean is known."""
    with pm.Model(coords={"value": range(10)}) as model:
        mean = pm.Normal("mean", 0.0, 10.0)
        pm.Normal("seen", mean, 2.0, observed=np.linspace(1.0, 5.0, 10), dims="value")
    return model


@pytest.fixture(scope="module")
def found() -> ModelFit:
    return tb.fit(normal_mean(), seed=4, progressbar=False)


def test_a_pymc_model_is_fitted_until_it_is_usable(found: ModelFit) -> None:
    assert found.verdict.usable
    precision = 1.0 / 100.0 + 10.0 / 4.0
    draws = found.datatree["posterior"]["mean"]
    sd = precision**-0.5
    assert float(draws.mean()) == pytest.approx(10.0 * 3.0 / 4.0 / precision, abs=0.1 * sd)
    assert float(draws.std()) == pytest.approx(sd, rel=0.1)
    assert found.manifest["runs"][-1]["reasons"] == []
    assert "mean ~ Normal" in found.describe()


def test_it_is_stored_and_read_back(found: ModelFit, tmp_path: Path) -> None:
    again = tb.load_fit(found.save(tmp_path / "model.fit"))
    assert isinstance(again, ModelFit)
    assert again.text == found.text
    assert again.verdict.summary == found.verdict.summary
    xr.testing.assert_equal(
        again.datatree["posterior"].to_dataset(), found.datatree["posterior"].to_dataset()
    )


def test_words_of_another_model_are_refused(found: ModelFit, tmp_path: Path) -> None:
    tree, manifest = read_tree(found.save(tmp_path / "model.fit"))
    write_tree(tmp_path / "other.fit", tree, {**manifest, "spec_hash": "0" * 64})
    with pytest.raises(StorageError, match="The model in the file"):
        tb.load_fit(tmp_path / "other.fit")


def test_its_review_says_what_can_be_said(found: ModelFit, tmp_path: Path) -> None:
    page = tb.review(found, tmp_path / "review.html").read_text()
    for words in ("USABLE", "mean ~ Normal", "90% equal-tailed intervals", "R-hat"):
        assert words in page
    with pytest.raises(OptionError, match="Only reviews of fits of patients"):
        tb.review(found, tmp_path / "review.html", checks=[])


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(OptionError, match="give it alone"):
        tb.fit(normal_mean(), tb.datasets.registry())  # type: ignore[call-overload]
    with pm.Model() as discrete:
        pm.Poisson("count", 3.0)
    with pytest.raises(ModelError, match="Discrete"):
        tb.fit(discrete)
    with pytest.raises(ModelError):
        tb.fit(tb.disease("survival"))  # type: ignore[call-overload]
