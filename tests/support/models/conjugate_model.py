"""Models compiled once for all tests of inference: compiling costs more than sampling."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pymc as pm
import pytest
import xarray as xr

from twinbayes.inference import Compiled, compile_model

MEASUREMENTS = np.array([2.1, -0.4, 1.7, 0.9, 3.2])
WAITS = np.array([0.8, 2.4, 0.3, 1.1])


@pytest.fixture(scope="session")
def conjugate() -> pm.Model:
    """A model with an exact posterior, hidden variables, named dims and swappable data."""
    with pm.Model(coords={"arm": ["control", "treated"]}) as model:
        measurements = pm.Data("measurements", MEASUREMENTS)
        mean = pm.Normal("mean", mu=1.0, sigma=3.0)
        rate = pm.Gamma("rate", alpha=2.0, beta=1.5)
        offset = pm.Normal("_offset", dims="arm")
        pm.Deterministic("shifted", mean + offset, dims="arm")
        pm.Deterministic("_internal", rate * 2)
        pm.Normal("measured", mu=mean, sigma=2.0, observed=measurements)
        pm.Exponential("waited", lam=rate, observed=WAITS)
    return model


@pytest.fixture(scope="session")
def compiled_with(conjugate: pm.Model) -> Callable[[str], Compiled]:
    """Compile the conjugate model, once for each sampler."""
    return cache(lambda sampler: compile_model(conjugate, sampler=sampler))


@pytest.fixture(scope="session")
def drawn_by(compiled_with: Callable[[str], Compiled]) -> Callable[[str], xr.DataTree]:
    """Draw from the conjugate model on one core, once for each sampler."""
    return cache(
        lambda sampler: compiled_with(sampler).sample(
            draws=1000, tune=600, chains=4, seed=1, cores=1, progressbar=False
        )
    )
