"""Simulation-based calibration of joint models; print one JSON object.

    python benchmarks/calibration_by_simulation.py [--write] [--only NAME ...] [--sets N]

Of every configuration of `joint_simulator.py`, N data sets are drawn from the priors and fitted;
true values are ranked among the posterior draws, and patients held out are forecast at a landmark
and compared with what was simulated afterwards. Every flaw that is planted on purpose has to be
found. Results of single data sets are kept in `out/sbc`, so that a run that was stopped goes on
where it was; they are dropped when the model, the priors or the simulator changes.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("PYTENSOR_FLAGS", "traceback__limit=0")  # a tenth of recording a model

import numpy as np
import xarray as xr
from simulator_code import code_hash

import joint_simulator as simulator
from joint_settings import SETTINGS, Setting
from joint_simulator import LATER_DAYS, HeldOut, Record
from twinbayes.checks.calibration.simulation_based import rank, simulation_based_calibration, thin
from twinbayes.checks.result import CheckResult
from twinbayes.inference.samplers.protocol import compile_model
from twinbayes.model import ModelPlan, assemble_plan
from twinbayes.model.events.packed import event_data
from twinbayes.model.events.quadrature import NODES_PER_WINDOW
from twinbayes.names import CHAIN, DRAW
from twinbayes.twin import Twin
from twinbayes.twin.population.curves import CurvePopulation
from twinbayes.twin.population.hazards import Population

ROOT: Final = Path(__file__).resolve().parents[1]
TARGET: Final = ROOT / "docs" / "evidence" / "sbc.json"
CACHE: Final = ROOT / "out" / "sbc"
SETS: Final = 200
FLAWS: Final = {
    "association on the slope": "competing risks",
    "competing event ignored": "competing risks",
    "patient correlation dropped": "competing risks",
    "error 25 % larger": "competing risks",
    "middle node counts twice": "competing risks",
    "limit taken as measured": "detection limit",
}
"""What is wrong on purpose, and with which configuration: a node in the model, else the data."""
FLAW_SETS: Final = (5, 10, 15, 20, 30, 40, 60, 80, 120, 160, 200)
RUN: Final = {"draws": 297, "tune": 250, "chains": 1}
KEPT: Final = 99  # of these draws, so that there are 100 ranks
JOINT: Final = "joint log-likelihood"
SURVIVAL: Final = "survival of one patient held out"
HORIZON: Final = 730.0
FIRST: Final = "p00"  # whose survival is ranked, where this patient sees the landmark
GRID: Final = np.arange(0.0, 2921.0, 73.0)  # days since the landmark
Floats = np.ndarray


def planned(setting: Setting, record: Record, flaw: str) -> ModelPlan:
    """Lay a data set out for the model, under what all data sets share."""
    plan = setting.spec.plan(record.cohort, simulator.learn(setting))
    if flaw != "middle node counts twice":
        return plan
    events = plan.events
    days = events.points.node_days.copy()
    days[NODES_PER_WINDOW // 2 :: NODES_PER_WINDOW] *= 2.0
    points = replace(events.points, node_days=days)
    design = events.encoding.encode(record.cohort)
    data = event_data(events.rows, events.edges, design, points)
    return replace(plan, events=replace(events, points=points, data=data))


def fitted(setting: Setting, record: Record, flaw: str, seed: int) -> xr.DataTree:
    """Sample the posterior of one data set."""
    plan = planned(setting, record, flaw)
    model = assemble_plan(setting.spec, plan, setting.priors)
    compiled = compile_model(model, target_accept=0.85, backend="tape")
    return compiled.sample(**RUN, seed=seed, cores=1, progressbar=False)


def scalars(values: Mapping[str, Floats], like: xr.Dataset) -> Iterator[tuple[str, Floats]]:
    """Every scalar that varies, with its name; leading dims of draws stay."""
    for name, array in values.items():
        dims = [d for d in like[name].dims if d not in (CHAIN, DRAW)]
        for at in np.ndindex(*(like.sizes[d] for d in dims)):
            if name == "patient_correlation" and at != (0, 1):
                continue  # 1 with itself, and the same the other way round
            labels = [str(like[d].to_numpy()[k]) for d, k in zip(dims, at, strict=True)]
            yield f"{name}[{', '.join(labels)}]", array[(..., *at)]


def ranked(
    setting: Setting,
    truth: Mapping[str, Floats],
    record: Record,
    posterior: xr.Dataset,
    generator: np.random.Generator,
) -> dict[str, int]:
    """Rank every population parameter, and the joint log-likelihood."""
    draws = {
        name: thin(posterior[name].transpose(CHAIN, DRAW, ...).to_numpy(), KEPT)
        for name in (*truth, "patient_curve")
    }
    own = dict(scalars({name: draws[name] for name in truth}, posterior))
    ranks = {n: int(rank(true, own[n], generator)) for n, true in scalars(truth, posterior)}
    joint = simulator.log_likelihood(setting, draws, record)
    true = simulator.log_likelihood(setting, {**truth, "patient_curve": record.curves}, record)
    return ranks | {JOINT: int(rank(true, joint, generator))}


def forecast(
    setting: Setting,
    held_out: HeldOut,
    posterior: xr.Dataset,
    generator: np.random.Generator,
) -> tuple[dict[str, int], list[list[Any]]]:
    """Forecast patients held out; return a rank, and where in its forecast each outcome lies.

    Outcomes are placed by their predictive distribution function, at random where it jumps, so
    that places are uniform for a calibrated forecast, at the ends of a bounded scale too.
    """
    learnt = simulator.learn(setting)
    assert learnt.curves is not None
    rates = Population.from_posterior(posterior, learnt.encoding, learnt.edges)
    curves = CurvePopulation.from_posterior(posterior, learnt.curves, setting.spec)
    twin = Twin.at_landmark(setting.spec, learnt, (rates, curves), held_out.cohort, None, True)
    future = twin.forecast(float(GRID[-1]), GRID, draws=True)["state_probability_draws"][:, :, 0]
    places = []
    for i, subgroup in enumerate(held_out.subgroup):
        own = twin.curves(i)
        values = own.measured(setting.trajectory.marker, LATER_DAYS)
        for true, draws in zip(held_out.later[i], values, strict=True):
            place = (int(rank(true, draws, generator)) + generator.random()) / (len(draws) + 1)
            places.append([subgroup, "marker", round(place, 4)])
        gone = 1.0 - future[i].mean("sample").to_numpy()
        place = float(np.interp(held_out.time[i], GRID, gone))
        if held_out.time[i] > GRID[-1]:
            place = generator.uniform(gone[-1], 1.0)
        places.append([subgroup, "survival", round(place, 4)])
    if held_out.cohort.patient_ids[0] != FIRST:
        return {}, places
    # The fit has not seen this patient: weighing its draws by the patient's record makes them
    # draws given both, so that the rank of the true survival is uniform.
    evidence = twin.record_log_marginal(0)
    weight = np.exp(evidence - evidence.max())
    chosen = generator.choice(len(weight), KEPT, p=weight / weight.sum())
    at_horizon = future[0].isel(time=int(np.flatnonzero(GRID == HORIZON)[0])).to_numpy()
    true = held_out.survival(HORIZON)[0]
    return {SURVIVAL: int(rank(true, at_horizon[chosen], generator))}, places


def one_set(setting: Setting, seed: int, flaw: str = "") -> dict[str, Any]:
    """Simulate, fit and rank one data set."""
    generator = np.random.default_rng([seed, *setting.name.encode()])
    truth = simulator.draw_parameters(setting, generator)
    record = simulator.draw_record(setting, truth, generator, flaw)
    held_out = None if flaw else simulator.draw_held_out(setting, truth, generator)
    started = time.process_time()
    tree = fitted(setting, record, flaw, seed)
    posterior = tree["posterior"].to_dataset()
    ranks, places = ranked(setting, truth, record, posterior, generator), []
    if held_out is not None:
        of_survival, places = forecast(setting, held_out, posterior, generator)
        ranks |= of_survival
    return {
        "seed": seed,
        "ranks": ranks,
        "places": places,
        "events": int((record.cause >= 0).sum()),
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
        "seconds": round(time.process_time() - started, 2),
    }


def identity(setting: Setting) -> dict[str, str]:
    """What the figures hold for: the model, its priors, and the code that simulates."""
    files = [ROOT / "benchmarks" / f"{name}.py" for name in ("joint_settings", "joint_simulator")]
    return {
        "model": setting.spec.content_hash,
        "priors": setting.priors.distribution_hash,
        "simulator": code_hash(*files),
    }


def sets_of(setting: Setting, flaw: str = "", cache: Path = CACHE) -> Iterator[dict[str, Any]]:
    """Every data set in turn: those that have been kept, then new ones, which are kept."""
    key = hashlib.sha256(json.dumps([identity(setting), flaw, RUN]).encode()).hexdigest()[:12]
    path = cache / f"{(flaw or setting.name).replace(' ', '_')}-{key}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    yield from map(json.loads, kept)
    seed = len(kept)
    while True:
        found = one_set(setting, seed, flaw)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(found) + "\n")
        gc.collect()
        yield found
        seed += 1


def judged(found: list[dict[str, Any]], probability: float = 0.95) -> CheckResult:
    """The check of all ranks of some data sets, passed with `probability` by a faultless model."""
    names = dict.fromkeys(name for one in found for name in one["ranks"])
    ranks = {n: [one["ranks"][n] for one in found if n in one["ranks"]] for n in names}
    return simulation_based_calibration(ranks, KEPT + 1, probability=probability)


def coverage(found: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Share of outcomes inside central 90 % predictive intervals: overall, and of the rarest."""
    places = [tuple(place) for one in found for place in one["places"]]
    out: dict[str, dict[str, float]] = {}
    for what in ("marker", "survival"):
        everyone = [0.05 <= u <= 0.95 for _, w, u in places if w == what]
        rarest = [0.05 <= u <= 0.95 for s, w, u in places if w == what and s == "rarest"]
        out[what] = {
            "overall": round(float(np.mean(everyone)), 4),
            "rarest": round(float(np.mean(rarest)), 4),
            "outcomes": len(everyone),
            "of_the_rarest": len(rarest),
        }
    return out


def calibration(setting: Setting, n: int) -> dict[str, Any]:
    """Evidence on one configuration from `n` data sets."""
    found = list(islice(sets_of(setting), n))
    check = judged(found)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "sets": n,
        **identity(setting),
        "verdict": check.verdict,
        "text": check.text,
        "events_per_set": round(float(np.mean([one["events"] for one in found])), 1),
        "sets_with_divergences": sum(one["divergences"] > 0 for one in found),
        "cpu_seconds_per_set": round(float(np.mean([one["seconds"] for one in found])), 2),
        "coverage_of_90_percent_intervals": coverage(found),
        "quantities": {
            str(row["quantity"]): [
                int(row["n"]),
                round(float(row["statistic"]), 4),
                round(float(row["p_value"]), 5),
                bool(row["inside"]),
            ]
            for row in check.table.to_dict("records")
        },
    }


def detection(flaw: str) -> dict[str, Any]:
    """Fewest data sets, of those tried, with which the check finds a planted flaw."""
    setting = SETTINGS[FLAWS[flaw]]
    found: list[dict[str, Any]] = []
    for one in islice(sets_of(setting, flaw), FLAW_SETS[-1]):
        found.append(one)
        # Looked at again and again: at each look a faultless model fails once in a hundred times.
        if len(found) in FLAW_SETS and (check := judged(found, 0.99)).verdict == "fail":
            break
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "configuration": setting.name,
        **identity(setting),
        "verdict": check.verdict,
        "sets": len(found),
        "outside": list(check.table.loc[~check.table["inside"], "quantity"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write {TARGET.relative_to(ROOT)}")
    parser.add_argument("--only", nargs="+", choices=[*SETTINGS, *FLAWS], metavar="NAME")
    parser.add_argument("--sets", type=int, default=SETS, help="data sets a configuration")
    options = parser.parse_args()
    found: dict[str, Any] = {"configurations": {}, "flaws": {}}
    if options.only and TARGET.exists():
        found = json.loads(TARGET.read_text(encoding="utf-8"))
    gc.disable()  # graphs are large and many: each data set is collected once it is done
    for name in options.only or [*SETTINGS, *FLAWS]:
        if name in SETTINGS:
            found["configurations"][name] = calibration(SETTINGS[name], options.sets)
        else:
            found["flaws"][name] = detection(name)
        if options.write:
            TARGET.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
