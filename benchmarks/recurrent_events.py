"""Events that recur, on published data: against an independent fit and published numbers.

    python benchmarks/recurrent_events.py [--disease NAME ...] [--seed N] [--write]

Of `cgd` and `rhdnase`, by a seed that is drawn unless one is given, at default settings. The
independent fit is a plain PyMC model of counts in windows with the frailty of every patient
sampled, not integrated out: it shares the design matrix and the windows with the other, and no code
of the likelihood. Beside them the Andersen-Gill model of statsmodels with robust standard errors,
and for `cgd` numbers published for R's survival and frailtyEM. Bars: means of the treatment effect
and of the frailty variance within 0.25 posterior sd of the independent fit and inside the 95 %
intervals of the others; mean cumulative counts inside their band. `--write` keeps the figures in
docs/evidence/recurrent_events.json. Needs the extra `examples`.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
from statsmodels.duration.hazard_regression import PHReg

import twinbayes as tb
from twinbayes.checks import mean_count_calibration
from twinbayes.names import COVARIATE, POSTERIOR, TRANSITION

TARGET: Final = Path(__file__).resolve().parents[1] / "docs" / "evidence" / "recurrent_events.json"
# disease -> adapter, intensity that recurs, covariate of the treatment, event, days of the counts
CASES: Final = {
    "cgd": ("cgd", "at_risk->at_risk", "interferon_gamma", "infection", (120.0, 240.0, 365.0)),
    "rhdnase": ("rhDNase", "well->exacerbation", "rhdnase", "exacerbation", (56.0, 112.0, 168.0)),
}
# A practical of T. Balan on frailty models, with R's survival and frailtyEM: all six covariates.
PUBLISHED: Final = {
    "cgd": {
        "andersen_gill": {"mean": -1.05399, "robust_se": 0.30914},
        "log_normal_frailty": {"mean": -0.96966, "se": 0.29935, "variance": 0.4640607},
        "gamma_frailty": {"mean": -0.991684, "se": 0.299325, "variance_of_log": 0.637,
                          "variance_of_log_interval": [0.043, 2.572]},
    }
}  # fmt: skip
WITHIN: Final = 0.25


def independent(fit: tb.Fit, label: str, treatment: str, seed: int) -> dict[str, Any]:
    """Sample the same model with the frailties as variables, by PyMC alone."""
    plan, encoding = fit.plan.events, fit.encoding
    e = fit.spec.graph.labels.index(label)
    rows, edges = plan.rows, plan.edges[e]
    mine = rows.intensity == e
    patient, start, stop = rows.patient[mine], rows.start[mine], rows.stop[mine]
    days = np.minimum(stop[:, None], edges[1:]) - np.maximum(start[:, None], edges[:-1])
    days = np.maximum(days, 0.0)
    fired = np.zeros_like(days)
    happened = rows.is_event[mine]
    fired[happened, np.searchsorted(edges, stop[happened], side="left") - 1] = 1.0
    n, k = fit.cohort.n_patients, len(encoding.columns)
    exposure, count = np.zeros((2, n, days.shape[1]))
    np.add.at(exposure, patient, days)
    np.add.at(count, patient, fired)
    x, centre = plan.design.values[:, :k], plan.design.centre
    groups = [c.group for c in encoding.columns]
    shrunk = [g for g in dict.fromkeys(groups) if g not in fit.spec.events.unshrunk]
    scales = {"clinical": 0.4}
    with pm.Model():
        level = pm.Normal("level", -7.0, 2.0)
        roughness = pm.HalfNormal("roughness", 0.5)
        steps = pm.Normal("steps", 0.0, 1.0, shape=days.shape[1] - 1)
        walk = pt.concatenate([[0.0], pt.cumsum(steps * roughness)])
        log_rate = level + walk - walk.mean()
        tau = {g: pm.HalfNormal(f"tau_{g}", scales.get(g, 0.3)) for g in shrunk}
        unit = pm.Normal("unit", 0.0, 1.0, shape=k)
        beta = pm.Deterministic(
            "beta", pt.stack([unit[j] * tau.get(g, 10.0) for j, g in enumerate(groups)])
        )
        spread = pm.HalfNormal("centre_scale", 0.2)
        raw = pm.Normal("centre", 0.0, 1.0, shape=int(centre.max()) + 1)
        own = pm.HalfNormal("frailty_scale", 1.0)
        b = pm.Normal("frailty", 0.0, 1.0, shape=n)
        eta = x @ beta + spread * (raw - raw.mean())[centre] + own * b
        mean = pt.exp(log_rate[None, :] + eta[:, None]) * exposure
        seen = exposure > 0
        pm.Potential("loglik", (count * pt.log(pt.switch(seen, mean, 1.0)) - mean).sum())
        idata = pm.sample(
            draws=2000, tune=2000, chains=4, cores=2, random_seed=seed, target_accept=0.9,
            nuts_sampler="nutpie", progressbar=False,
        )  # fmt: skip
    j = [c.label for c in encoding.columns].index(treatment)
    effect = idata["posterior"]["beta"].to_numpy()[..., j].ravel()
    variance = idata["posterior"]["frailty_scale"].to_numpy().ravel() ** 2
    return {"treatment": told(effect), "frailty_variance": told(variance)}


def told(draws: np.ndarray) -> dict[str, float]:
    low, high = np.quantile(draws, [0.025, 0.975])
    names = ("mean", "sd", "lower", "upper")
    return {k: round(float(v), 4) for k, v in zip(names, (draws.mean(), draws.std(), low, high), strict=True)}  # fmt: skip  # noqa: E501


def andersen_gill(fit: tb.Fit, label: str, treatment: str) -> dict[str, float]:
    """Partial likelihood of the same covariates, by statsmodels, patients as clusters."""
    plan, encoding = fit.plan.events, fit.encoding
    mine = plan.rows.intensity == fit.spec.graph.labels.index(label)
    columns = [c.label for c in encoding.columns]
    x = pd.DataFrame(plan.design.values[:, : len(columns)], columns=columns)
    patient = plan.rows.patient[mine]
    stop, start = plan.rows.stop[mine], plan.rows.start[mine]
    kept = stop > start
    model = PHReg(
        stop[kept], x.iloc[patient[kept]].to_numpy(), status=plan.rows.is_event[mine][kept],
        entry=start[kept], ties="breslow",
    )  # fmt: skip
    found = model.fit(groups=patient[kept])
    j = columns.index(treatment)
    mean, se = float(found.params[j]), float(found.bse[j])
    return {"mean": round(mean, 4), "robust_se": round(se, 4)}


def counts(fit: tb.Fit, event: str, days: tuple[float, ...]) -> list[dict[str, float]]:
    """Mean numbers expected and counted, over everybody."""
    twin = fit.thinned(400).twin(fit.cohort, at=0.0).as_drawn()
    forecast = twin.forecast(max(days), np.array(days))
    if event in fit.spec.graph.recurrent_events:
        expected = forecast["expected_events"]
    else:
        expected = forecast["cumulative_incidence"].sel(state=[event])
        expected = expected.rename(state="recurrent_event")
    table = mean_count_calibration(expected, fit, times=days).table
    whole = table[table["subgroup"] == "all"]
    keys = ["time", "predicted", "observed", "lower", "upper"]
    return [{k: round(float(row[k]), 4) for k in keys} for row in whole.to_dict("records")]


def figures(disease: str, seed: int) -> dict[str, Any]:
    adapter, label, treatment, event, days = CASES[disease]
    cohort, spec = tb.read_cohort(None, adapter=adapter), tb.disease(disease)
    began = time.process_time()
    fit = tb.fit(spec, cohort, seed=seed)
    seconds = time.process_time() - began
    posterior = fit.datatree[POSTERIOR].to_dataset()
    effect = posterior["beta"].sel({COVARIATE: treatment, TRANSITION: label}).to_numpy().ravel()
    ours = {
        "treatment": told(effect),
        "frailty_variance": told(posterior["frailty_scale"].to_numpy().ravel() ** 2),
    }
    theirs = independent(fit, label, treatment, seed)
    off = {k: round(abs(ours[k]["mean"] - theirs[k]["mean"]) / theirs[k]["sd"], 3) for k in ours}
    cox = andersen_gill(fit, label, treatment)
    held = counts(fit, event, days)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "seed": seed,
        "model": spec.content_hash,
        "priors": tb.load_priors(str(spec.priors)).distribution_hash,
        "cohort": cohort.fingerprint,
        "usable": fit.verdict.usable,
        "cpu_seconds": round(seconds, 1),
        "ours": ours,
        "independent": theirs,
        "off_in_sd": off,
        "andersen_gill": cox,
        "published": PUBLISHED.get(disease, {}),
        "counts": held,
        "within_bars": bool(
            max(off.values()) <= WITHIN
            and abs(ours["treatment"]["mean"] - cox["mean"]) <= 1.96 * cox["robust_se"]
            and all(row["lower"] <= row["predicted"] <= row["upper"] for row in held)
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--disease", action="append", choices=list(CASES))
    parser.add_argument("--seed", type=int)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    seed = int(np.random.default_rng().integers(2**31)) if args.seed is None else args.seed
    found = {disease: figures(disease, seed) for disease in args.disease or list(CASES)}
    print(json.dumps(found, indent=1))
    if args.write:
        stored = json.loads(TARGET.read_text(encoding="utf-8")) if TARGET.exists() else {}
        TARGET.write_text(json.dumps(stored | found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
