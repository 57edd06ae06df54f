"""Patients are flagged who are unlike those of the fit, and few others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import twinbayes as tb
from chance import drawn_seed
from twinbayes.datasets.simulated.simulate import simulate_registry
from twinbayes.inference import Fit
from twinbayes.monitoring import likeness

SEED = drawn_seed(__name__)


def test_natives_are_rarely_flagged_and_foreigners_mostly_are(fit: Fit) -> None:
    """Of simulated registries; foreigners have three laboratory values three spreads higher."""
    registry = tb.datasets.registry()
    fit = replace(fit, cohort=registry, learnt=fit.spec.plan(registry).learnt, laid_out=None)
    flagged, shares, labels = [], [], []
    for seed in np.random.default_rng(SEED).integers(2**31, size=8).tolist():
        natives, _ = simulate_registry(seed=seed, n_patients=200, visits=False)
        patients = natives.patients.copy()
        for name in ("wbc_g_l", "ldh_u_l", "platelets_g_l"):
            spread = float(np.nanstd(np.log(natives.patients[name])))
            most = float(natives.variables.set_index("name").loc[name, "max"])
            patients[name] = np.clip(natives.patients[name] * np.exp(3.0 * spread), None, most)
        foreign = tb.cohort_from_tables(
            "foreign", {**natives.tables, "patients": patients}, simulated=True, source={"n": "t"}
        )
        for cohort, label in ((natives, 0), (foreign, 1)):
            found = likeness(fit, cohort)
            shares += found["share"].tolist()
            labels += [label] * len(found)
            if not label:
                flagged.append(float(found["flagged"].mean()))
    own, other = (np.array(shares)[np.array(labels) == k] for k in (0, 1))
    auc = float(np.mean(other[:, None] < own[None, :]) + 0.5 * np.mean(other[:, None] == own))
    assert np.mean(flagged) < 0.07, SEED
    assert auc > 0.75, SEED
