"""Fits that were never sampled: draws of the priors, drawn together around their mean."""

from __future__ import annotations

import numpy as np
import xarray as xr

import twinbayes as tb
from twinbayes.inference import Fit
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.inference.files.manifest import build_manifest
from twinbayes.inference.gate.verdict import judge
from twinbayes.model import ModelSpec

CHAINS = 4


def fit_of_priors(
    spec: ModelSpec, cohort: tb.Cohort, *, seed: int, draws: int = 1000, spread: float = 0.1
) -> Fit:
    """A usable fit whose draws are independent, around a mean at which events are plausible.

    Log baselines are those of one event in 1,000 days; `spread` is what is left of the spread of
    the priors around the mean of their draws.
    """
    learnt = spec.plan(cohort).learnt
    prior = sample_priors(spec, cohort, draws=draws, seed=seed)
    rng = np.random.default_rng(seed)
    out = {}
    for name, variable in prior.data_vars.items():
        values = variable.transpose("chain", "draw", ...).to_numpy()[0]
        mean = values.mean(axis=0)
        if name == "log_baseline":
            mean = np.full(mean.shape, -np.log(1000.0))
        if str(name).endswith("_scale"):
            near = 0.3 * np.exp(spread * rng.standard_normal(values.shape))
        else:
            near = mean + spread * np.clip(values - values.mean(axis=0), -3.0, 3.0)
        dims = ("chain", "draw", *variable.dims[2:])
        coords = {d: variable[d] for d in variable.dims[2:] if d in variable.coords}
        shape = (CHAINS, draws // CHAINS, *near.shape[1:])
        out[name] = xr.DataArray(near.reshape(shape), dims=dims, coords=coords)
    posterior = xr.Dataset(out)
    posterior = posterior.assign_coords(chain=np.arange(CHAINS), draw=np.arange(draws // CHAINS))
    size = (CHAINS, draws // CHAINS)
    stats = xr.Dataset(
        {
            "diverging": (("chain", "draw"), np.zeros(size, dtype=bool)),
            "energy": (("chain", "draw"), rng.standard_normal(size)),
        },
        coords={d: posterior[d] for d in ("chain", "draw")},
    )
    tree = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats})
    verdict = judge(tree, constants=spec.constants(learnt), rhat_max=1.1, ess_min=100.0)
    priors = tb.load_priors(spec.priors)
    run = {
        "sampler": "none", "sampler_version": "1", "options": "{}", "draws": size[1], "tune": 0,
        "chains": CHAINS, "seed": seed, "cores": 1, "compile_seconds": 0.0, "sample_seconds": 0.0,
    }  # fmt: skip
    manifest = build_manifest(
        run=run,
        cohort_fingerprint=cohort.fingerprint,
        spec_hash=spec.content_hash,
        prior_ids=priors.ids,
        prior_hash=priors.content_hash,
        verdict=verdict,
    )
    return Fit(spec, cohort, priors, tree, verdict, manifest, learnt)
