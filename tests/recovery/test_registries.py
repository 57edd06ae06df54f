"""Many simulated registries from one known truth: intervals hold it as often as they say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

import twinbayes as tb
from twinbayes.datasets.simulated.simulate import simulate_registry
from twinbayes.datasets.simulated.truth import RegistryTruth
from twinbayes.inference import compile_fit, judge
from twinbayes.model.events.process import EVENT_INDEX, EVENT_VALUES
from twinbayes.names import PATIENT_WEIGHT, PRINCIPAL_AXIS

REGISTRIES = 6
LEVEL = 0.9


def held(draws: xr.DataArray, truth: np.ndarray) -> np.ndarray:
    """Whether each true value lies in its equal-tailed interval."""
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=(0, 1))
    inside: np.ndarray = (low <= truth) & (truth <= high)
    return inside


def true_values(
    truth: RegistryTruth, posterior: xr.Dataset, cohort: tb.Cohort
) -> dict[str, np.ndarray]:
    """What the registry was made with, laid out like the posterior."""
    transition = list(posterior["transition"].to_numpy())
    subgroup, centre = (list(posterior[k].to_numpy()) for k in ("subgroup", "centre"))
    effect = list(posterior["effect"].to_numpy())
    covariate = list(posterior["covariate"].to_numpy())
    by_subgroup = truth.treatment_subgroup_effect.loc[effect, subgroup]
    beta = truth.standardised_beta(cohort).loc[covariate, transition]
    return {
        "beta": beta.to_numpy(),
        "subgroup_effect": truth.subgroup_effect.loc[transition, subgroup].to_numpy(),
        "centre_effect": truth.centre_effect.loc[transition, centre].to_numpy(),
        "treatment_effect": np.array([truth.treatment_effect[e] for e in effect]),
        "treatment_subgroup_effect": by_subgroup.to_numpy(),
    }


@pytest.mark.slow
def test_intervals_of_registries_from_one_truth_hold_it_as_often_as_they_say(
    record_property: Callable[[str, object], None],
) -> None:
    spec = tb.disease("registry")
    cohort, truth = simulate_registry(seed=100, visits=False)
    compiled = compile_fit(spec, cohort)
    found: dict[str, list[np.ndarray]] = {}
    for seed in range(REGISTRIES):
        another, _ = simulate_registry(seed=100 + seed, visits=False)
        assert another.n_patients == cohort.n_patients
        plan = compiled.plan
        index, values = spec.events.plan_like(another, plan.encoding, plan.edges).data.pack()
        weight = np.ones(another.n_patients)
        swapped = compiled.compiled.with_data(
            **{EVENT_INDEX: index, EVENT_VALUES: values, PATIENT_WEIGHT: weight}
        )
        tree = swapped.sample(draws=800, tune=600, chains=2, seed=seed, progressbar=False)
        assert judge(tree).summary["max_rhat"] < 1.05
        posterior = tree["posterior"].to_dataset().drop_dims(PRINCIPAL_AXIS)
        for name, values in true_values(truth, posterior, cohort).items():
            draws = posterior[name].transpose("chain", "draw", ...)
            found.setdefault(name, []).append(held(draws, values))
    shares = {name: float(np.mean(inside)) for name, inside in found.items()}
    for name, share in shares.items():
        record_property(f"coverage_{name}", round(share, 3))
    # Small true effects are shrunk towards zero and held more often than nine times in ten; the
    # lower bound is what matters, three binomial errors of correlated intervals below the level.
    assert all(share > 0.8 for share in shares.values()), shares
    everything = float(np.mean(np.concatenate([np.ravel(v) for v in found.values()])))
    assert 0.85 < everything < 0.99
