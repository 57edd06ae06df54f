"""Fits as values: told in a few lines, copied, and sent to other processes."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import twinbayes as tb
from twinbayes.inference import Fit, load_fit

STORED = Path(__file__).resolve().parents[1] / "data" / "registry_fit.nc"


@pytest.fixture(scope="module")
def fit() -> Fit:
    stored = load_fit(STORED)
    assert isinstance(stored, Fit)
    return stored


def pickled[T](value: T) -> T:
    copied: T = pickle.loads(pickle.dumps(value))  # noqa: S301 (our own bytes)
    return copied


@pytest.mark.parametrize("way", [pickled, copy.deepcopy, copy.copy])
@pytest.mark.parametrize("used", [False, True])
def test_a_copy_of_a_fit_gives_the_same_answers(
    way: Callable[[Fit], Fit], used: bool, fit: Fit
) -> None:
    original = load_fit(STORED)
    assert isinstance(original, Fit)
    patient = fit.cohort.patient_ids[2]
    if used:  # with all that a fit works out and keeps
        original.twin(patient, at=0.0).forecast(365.25, 4)
        assert len(original.plan.events.edges)
    copied = way(original)
    xr.testing.assert_identical(
        copied.twin(patient, at=0.0).forecast(365.25, 4),
        fit.twin(patient, at=0.0).forecast(365.25, 4),
    )
    assert copied.spec == fit.spec
    assert copied.priors.content_hash == fit.priors.content_hash
    assert dict(copied.manifest) == dict(fit.manifest)
    assert copied.cohort.fingerprint == fit.cohort.fingerprint
    assert copied.verdict.reasons == fit.verdict.reasons
    np.testing.assert_equal(dict(copied.verdict.summary), dict(fit.verdict.summary))
    with pytest.raises(TypeError):
        copied.verdict.summary["divergences"] = 0.0  # type: ignore[index]


@pytest.mark.parametrize("way", [pickled, copy.deepcopy])
def test_twins_models_and_priors_are_copied_as_well(
    way: Callable[[object], object], fit: Fit
) -> None:
    twin = fit.twin(fit.cohort.patient_ids[2], at=0.0)
    copied = way(twin)
    assert isinstance(copied, tb.Twin)
    xr.testing.assert_identical(copied.forecast(100.0, 2), twin.forecast(100.0, 2))
    assert way(fit.spec) == fit.spec
    priors = way(fit.priors)
    assert isinstance(priors, tb.PriorSet)
    assert priors.content_hash == fit.priors.content_hash


def test_fits_and_twins_are_told_in_a_few_lines_without_anybody(fit: Fit) -> None:
    everybody = fit.twin(at=0.0)
    shown = [
        repr(fit),
        repr(everybody),
        repr(fit.twin(fit.cohort.patient_ids[2], at=0.0)),
        str(fit),
    ]
    for text in shown:
        assert len(text.splitlines()) <= 15
        assert len(text) < 1000
        assert "NOT FOR USE" in text
        assert not [p for p in fit.cohort.patient_ids if p in text]
    assert "2 chains of 5" in shown[0]
    assert f"{fit.cohort.n_patients} patients" in shown[0]
    assert "16 patients" in shown[1]
    assert "one patient on day 0, induction since day 0" in shown[2]


def test_a_fit_of_aggregate_data_is_told_and_copied() -> None:
    table = pd.DataFrame({"subgroup": ["x", "y"], "n": [15, 13], "responders": [2, 7]})
    basket = tb.fit(
        tb.disease("basket"), tb.read_aggregate(table), draws=30, tune=60, chains=2,
        progressbar=False,
    )  # fmt: skip
    assert len(repr(basket).splitlines()) <= 15
    assert "2 chains of 30" in repr(basket)
    copied = pickled(basket)
    pd.testing.assert_frame_equal(copied.table(), basket.table())
