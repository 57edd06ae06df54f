"""Fit the joint model of log bilirubin and death to 312 patients; print one JSON object.

    python benchmarks/joint_pbc.py [--seed N] [--out DIR]

Times are of this process: wall-clock seconds to compile and to sample, CPU seconds of everything
after the imports. The smallest bulk effective sample size is over every sampled variable, patient
effects included. Needs the published files (see README, "Data"); set TWINBAYES_SHARED to where
they are. Where R with JMbayes2 is installed, the same model is run beside it: the baseline hazard,
the prior of its smoothness and that of correlations are those of JMbayes2, other priors as shipped.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import twinbayes as tb
from twinbayes.model import ModelSpec, Spline

#: Log baseline hazard of JMbayes2: a quadratic B-spline with nine equal segments.
BASELINE: Final = Spline(df=11, degree=2, resolution=15, order=2, spacing="time")
#: Priors of JMbayes2 where the library's are others. The precision of second differences of the
#: baseline's coefficients is Gamma(5, 0.5): the logarithm of their standard deviation then has this
#: mean and standard deviation, and is nearly normal. Correlations of patient effects are LKJ(3).
PRIORS: Final = {
    "baseline_roughness": {
        "distribution": "LogNormal",
        "arguments": {"mu": -1.1, "sigma": 0.235},
    },
    "patient_correlation": {"arguments": {"eta": 3.0}},
}

_PEER = """
suppressMessages(library(JMbayes2))
started <- proc.time()
pbc2.id$death <- as.numeric(pbc2.id$status == "dead")
event <- coxph(Surv(years, death) ~ sex + drug, data = pbc2.id)
curve <- lme(log(serBilir) ~ year, random = ~ year | id, data = pbc2)
joint <- jm(event, curve, time_var = "year")
spent <- sum((proc.time() - started)[c(1, 2, 4, 5)])
cat(sprintf('{"alpha_mean": %f, "cpu_s": %f}', joint$statistics$Mean$alphas, spent))
"""


def pbc_folder() -> Path:
    """Folder of the two published files."""
    shared = Path(os.environ.get("TWINBAYES_SHARED", Path(__file__).parents[2] / "shared"))
    return shared / "data" / "joint_benchmarks"


def peer() -> dict[str, Any] | str:
    """Run JMbayes2 on the same model, where it is installed."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        return "R is not installed"
    done = subprocess.run([rscript, "-e", _PEER], capture_output=True, text=True, check=False)
    if done.returncode:
        return "R has no JMbayes2"
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def pbc_312() -> ModelSpec:
    """Describe the model of the publication."""
    return tb.disease("pbc", baseline=BASELINE)


def published_priors() -> tb.PriorSet:
    """Priors of the disease pbc, with those of the published analyses where they matter."""
    return tb.load_priors("pbc").override(PRIORS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--out", type=Path, help="folder to leave the fit in")
    options = parser.parse_args()
    cohort = tb.read_cohort(pbc_folder(), adapter="pbc2")
    started = time.process_time()
    fit = tb.fit(
        pbc_312(),
        cohort,
        priors=published_priors(),
        seed=options.seed,
        progressbar=False,
    )
    cpu = time.process_time() - started
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        fit.save(options.out / "pbc.fit")
    alpha = fit.datatree["posterior"]["association"]
    summary = fit.verdict.summary
    print(
        json.dumps(
            {
                "seed": options.seed,
                "alpha_mean": round(float(alpha.mean()), 4),
                "alpha_sd": round(float(alpha.std()), 4),
                "compile_s": round(fit.datatree.attrs["compile_seconds"], 2),
                "sample_s": round(fit.datatree.attrs["sample_seconds"], 2),
                "cpu_s": round(cpu, 2),
                "min_ess": round(summary["min_ess_bulk"], 1),
                "min_ess_per_cpu_s": round(summary["min_ess_bulk"] / cpu, 2),
                "max_rhat": round(summary["max_rhat"], 4),
                "divergences": int(summary["divergences"]),
                "verdict": "usable" if fit.verdict.usable else "not for use",
                "peer": peer(),
            }
        )
    )


if __name__ == "__main__":
    main()
