"""Calibration by simulation: the committed evidence is of these models, and clears its bars."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest

import calibration_by_simulation as benchmark
import joint_simulator as simulator
from calibration_by_simulation import FLAWS
from joint_settings import SETTINGS, Setting
from twinbayes.inference import compile_model
from twinbayes.model import assemble_plan

MIN_SETS = 200
COMMAND = "run `python benchmarks/calibration_by_simulation.py --write`"


@pytest.fixture(scope="module")
def evidence(stored_evidence: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    return stored_evidence("sbc")


@pytest.mark.parametrize("name", SETTINGS)
def test_the_evidence_is_of_these_models_priors_and_simulator(
    evidence: dict[str, Any], name: str
) -> None:
    expected = benchmark.identity(SETTINGS[name])
    found = evidence["configurations"][name]
    assert {key: found[key] for key in expected} == expected, f"{name}: stale, {COMMAND}"


@pytest.mark.requirement("R-039")
@pytest.mark.parametrize("name", SETTINGS)
def test_every_quantity_of_every_model_is_calibrated(evidence: dict[str, Any], name: str) -> None:
    found = evidence["configurations"][name]
    assert found["sets"] >= MIN_SETS
    assert found["verdict"] == "pass", found["text"]
    assert {benchmark.JOINT, benchmark.SURVIVAL} <= set(found["quantities"])
    assert all(inside for *_, inside in found["quantities"].values())


@pytest.mark.parametrize("name", SETTINGS)
def test_predictive_intervals_of_patients_held_out_hold_as_often_as_they_say(
    evidence: dict[str, Any], name: str
) -> None:
    found = evidence["configurations"][name]["coverage_of_90_percent_intervals"]
    for what in ("marker", "survival"):
        assert 0.87 <= found[what]["overall"] <= 0.93, (name, what)
        assert found[what]["rarest"] >= 0.85, (name, what)


@pytest.mark.requirement("R-039")
@pytest.mark.parametrize("flaw", FLAWS)
def test_every_planted_flaw_is_found(evidence: dict[str, Any], flaw: str) -> None:
    found = evidence["flaws"][flaw]
    expected = benchmark.identity(SETTINGS[FLAWS[flaw]])
    assert {key: found[key] for key in expected} == expected, f"{flaw}: stale, {COMMAND}"
    assert found["verdict"] == "fail"
    assert found["outside"]


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_cumulative_hazards_at_simulated_times_are_standard_exponential(setting: Setting) -> None:
    generator = np.random.default_rng(11)
    spent = []
    for _ in range(20):
        truth = simulator.draw_parameters(setting, generator)
        patients = simulator.design(tuple(simulator.SUBGROUPS) * 5)
        curves = simulator.draw_curves(setting, truth, patients, generator)
        log_rate, rise = simulator.log_hazard(setting, truth, patients, curves)
        time = simulator.draw_times(log_rate, rise, generator)
        # Those who never have an event have spent all of a hazard that dies away.
        spent.append(simulator.cumulative(log_rate, rise, np.minimum(time, 1e6))[time < 1e6])
    assert np.mean([len(s) for s in spent]) > 15
    everyone = np.concatenate(spent)
    assert kstest(everyone[everyone < 0.5] / 0.5, truncated).pvalue > 1e-3


def truncated(u: np.ndarray) -> np.ndarray:
    """Distribution function of a standard exponential below 0.5, in halves."""
    return np.asarray(np.expm1(-0.5 * u) / np.expm1(-0.5))


@pytest.mark.sbc
@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_the_simulators_joint_log_likelihood_is_the_models(setting: Setting) -> None:
    """Two derivations of one number: closed forms of the cumulative hazard against quadrature."""
    import pymc as pm

    generator = np.random.default_rng(5)
    truth = simulator.draw_parameters(setting, generator)
    record = simulator.draw_record(setting, truth, generator)
    model = assemble_plan(setting.spec, benchmark.planned(setting, record, ""), setting.priors)
    with model:
        pm.Deterministic("joint", sum(model.potentials))
    compiled = compile_model(model, backend="tape")
    tree = compiled.sample(draws=20, tune=60, chains=1, seed=1, cores=1, progressbar=False)
    posterior = tree["posterior"].to_dataset().isel(chain=0).transpose("draw", ...)
    draws = {name: posterior[name].to_numpy() for name in (*truth, "patient_curve")}
    found = simulator.log_likelihood(setting, draws, record)
    np.testing.assert_allclose(found, posterior["joint"].to_numpy(), atol=1e-3)


@pytest.mark.sbc
def test_a_dozen_data_sets_pass_and_with_a_planted_flaw_fail(tmp_path: Path) -> None:
    setting = SETTINGS["competing risks"]
    plain = list(islice(benchmark.sets_of(setting, cache=tmp_path), 12))
    assert benchmark.judged(plain).verdict == "pass"
    flaw = "competing event ignored"
    flawed = list(islice(benchmark.sets_of(setting, flaw, cache=tmp_path), 12))
    assert benchmark.judged(flawed).verdict == "fail"
    again = list(islice(benchmark.sets_of(setting, cache=tmp_path), 3))
    assert again == plain[:3]
