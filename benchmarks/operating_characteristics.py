"""CPU seconds of exact operating characteristics, as JSON.

Two arms of `--patients` each: a uniform prior for treatment, and for control a robust mixture of
three components; the boundary for every control result, power at 100 pairs of truths, the type-I
error at 100 truths, and the probability of success. Once for responders, means, and events.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from twinbayes.priors import Mixture
from twinbayes.trials import Arm, Decision, TwoArmTrial, above

RESPONDERS = Mixture.of("beta", [(0.6, 5.0, 15.0), (0.4, 20.0, 40.0)]).robust(0.2)
MEANS = Mixture.of("normal", [(0.5, 0.0, 0.4), (0.5, 0.1, 0.15)], reference_sd=1.0).robust(
    0.2, (0.0, 1.0)
)
EVENTS = Mixture.of("gamma", [(0.5, 4.0, 10.0), (0.5, 30.0, 60.0)]).robust(0.2, (1.0, 1.0))
FLAT = {
    "responders": Mixture.of("beta", [(1.0, 1.0, 1.0)]),
    "means": Mixture.of("normal", [(1.0, 0.0, 10.0)], reference_sd=1.0),
    "events": Mixture.of("gamma", [(1.0, 1.0, 1.0)]),
}
HISTORY = {"responders": RESPONDERS, "means": MEANS, "events": EVENTS}


def measure(outcome: str, patients: int) -> dict[str, float]:
    """Time one outcome, from nothing computed to everything."""
    decision = Decision.when(above(0.0, 0.975), above(0.1, 0.5))
    truth = np.linspace(0.05, 0.7, 100)
    start = time.process_time()
    trial = TwoArmTrial(Arm(FLAT[outcome], patients), Arm(HISTORY[outcome], patients), decision)
    results = truth if outcome == "means" else np.arange(patients + 1)
    trial.boundary(results)
    power = trial.power(truth + 0.2, truth)
    error = trial.type_one_error(truth)
    success = trial.success_probability()
    seconds = time.process_time() - start
    return {
        "cpu_seconds": round(seconds, 4),
        "smallest_power": float(power.min()),
        "largest_type_one_error": float(error.max()),
        "success_probability": success,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=100)
    patients = parser.parse_args().patients
    measure("responders", 10)  # imports of SciPy that are made on first use
    found = {outcome: measure(outcome, patients) for outcome in FLAT}
    print(json.dumps({"patients_per_arm": patients, **found}, indent=1))


if __name__ == "__main__":
    main()
