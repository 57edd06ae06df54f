"""Tumours that shrink and grow again: what they and the hazard of death follow is found again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.model import Association, PiecewiseConstant, SteinFojo, Trajectory

STRENGTH = 0.8


@pytest.mark.slow
def test_growth_shrinkage_and_their_hazard_ratio_are_found_again(
    make_tumours: Callable[..., Cohort],
) -> None:
    cohort = make_tumours(60, seed=5, limit=5.0, strength=STRENGTH)
    spec = tb.disease(
        "pbc",
        markers=(Trajectory(marker="tumour", transform="log", basis=SteinFojo()),),
        baseline=PiecewiseConstant(windows=2),
        covariates=(),
    )
    follows = Association(marker="tumour", transitions=("alive->dead",))
    fit = tb.fit(
        replace(spec, associations=(follows,)),
        cohort,
        draws=300,
        tune=500,
        chains=2,
        seed=1,
        progressbar=False,
        target_accept=0.95,
    )
    posterior = fit.datatree["posterior"].to_dataset()
    truth = {
        "curve_effect": np.array([[3.0, 0.4, -0.7]]),
        "patient_sd": np.array([0.4, 0.5, 0.6]),
        "marker_sd": np.array([0.3]),
        "association": np.array([STRENGTH]),
    }
    for name, wanted in truth.items():
        found = posterior[name]
        mean, sd = (getattr(found, f)(("chain", "draw")).to_numpy() for f in ("mean", "std"))
        assert np.all(np.abs(mean - wanted) < 3 * sd), name
        assert np.all(sd < 0.4), name
