"""How fast trials are simulated and fitted; print one JSON object.

    python benchmarks/basket_simulation.py [--trials N] [--workers N]

Basket trials of 10 baskets of 6 to 40 patients under ExNex, with the default settings of a
simulation study. One trial before the clock starts compiles the model and warms the caches;
`compile_seconds` is what that took. `seconds_per_part` is the processor's time of one trial,
apart: data into the compiled model, sampling, and the verdict.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from twinbayes.inference.samplers.short_run import reasons_against
from twinbayes.inference.samplers.threads import one_thread_each
from twinbayes.trials.simulated.design import TrialDesign, Truth
from twinbayes.trials.simulated.operating import operating_characteristics, plan_of
from twinbayes.trials.simulated.trials import AnalysisDecision, Plan, compiled_for, run_trials

DESIGN: Final = TrialDesign(
    sizes=(6, 8, 10, 12, 15, 18, 22, 27, 33, 40),
    truth=Truth(scenario="exchangeable", value=0.25, heterogeneity=0.4),
)
DECISION: Final = AnalysisDecision(threshold=0.2, cut_off=0.9)
SEED: Final = 7
GOAL: Final = 300.0  # seconds for 1,000 trials on two idle cores


def parts(plan: Plan, trials: int) -> dict[str, float]:
    """Mean seconds of the processor of each step of a first run."""
    spent = np.zeros(3)
    spec, sampling = plan.analyses["exnex"], plan.sampling
    with one_thread_each():
        for trial in range(trials):
            data, _ = DESIGN.simulate(trial, SEED)
            clock = [time.process_time()]
            ready = compiled_for(spec, data, plan.priors["exnex"], sampling.target_accept)
            clock.append(time.process_time())
            values, statistics = ready.compiled.sample_arrays(
                draws=sampling.draws, tune=sampling.tune, chains=sampling.chains, seed=trial
            )
            clock.append(time.process_time())
            reasons_against(values, statistics, sampling)
            clock.append(time.process_time())
            spent += np.diff(clock)
    names = ("data", "sampling", "verdict")
    return {name: round(float(s) / trials, 4) for name, s in zip(names, spent, strict=True)}


def measure(trials: int, workers: int) -> dict[str, Any]:
    """Time a study, and say how accurate its short runs are."""
    plan = plan_of(DESIGN, ["exnex"], seed=SEED, decision=DECISION)
    started = time.process_time()
    run_trials(plan, [trials])
    compiling = time.process_time() - started
    cpu, wall = time.process_time(), time.perf_counter()
    found = operating_characteristics(
        DESIGN, ["exnex"], trials, seed=SEED, decision=DECISION, workers=workers
    )
    elapsed = time.perf_counter() - wall
    # In workers each process compiles too, which is part of what they are asked for.
    spent = time.process_time() - cpu if workers == 1 else found.cpu_seconds
    relative = 1.0 / np.sqrt(found.estimates["effective_draws"].to_numpy(float))
    return {
        "trials": trials,
        "workers": workers,
        "compile_seconds": round(compiling, 2),
        "cpu_seconds_per_trial": round(spent / trials, 4),
        "trials_per_cpu_minute": round(60.0 * trials / spent, 1),
        "trials_per_minute": round(60.0 * trials / elapsed, 1),
        "minutes_for_1000_trials_on_two_idle_cores": round(1000 * spent / trials / 2 / 60, 2),
        "meets_the_goal": bool(1000 * spent / trials / 2 <= GOAL),
        "seconds_per_part": parts(plan, min(trials, 20)),
        "fits": found.fits.to_dict("records"),
        "gate": {"rhat_max": plan.sampling.rhat_max, "ess_min": plan.sampling.ess_min},
        "error_of_posterior_means_in_posterior_sds": {
            "median": round(float(np.median(relative)), 4),
            "largest": round(float(relative.max()), 4),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    print(json.dumps(measure(options.trials, options.workers), indent=1))


if __name__ == "__main__":
    main()
