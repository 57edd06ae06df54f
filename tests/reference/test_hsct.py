"""Fits of the EBMT transplant cohorts against the published analyses.

The fits take minutes; `benchmarks/hsct_reference.py --write` makes them and leaves their figures
in `docs/evidence`. The quick tests hold those figures against the published ones, and refuse them
once model, priors or data have changed since; the slow one makes the fits again.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

CASES = (
    "ebmt3_log_hazard_ratios",
    "ebmt4_null_state_probabilities",
    "ebmt4_patient_a_state_probabilities",
)
TRANSITIONS = {
    "transplant to platelet recovery": "transplanted->recovered",
    "transplant to relapse/death": "transplanted->relapsed_or_dead",
    "platelet recovery to relapse/death": "recovered->relapsed_or_dead",
}
COLUMNS = {
    "ALL": "disease=ALL",
    "CML": "disease=CML",
    "age 20-40": "age_class=20-40",
    "age >40": "age_class=>40",
    "gender mismatch": "donor_recipient_gender=mismatch",
    "T-cell depletion": "t_cell_depletion=yes",
}
STATES = {
    "Tx": "transplanted",
    "Rec": "recovered",
    "AE": "adverse_event",
    "Rec+AE": "recovered_and_adverse_event",
    "Rel": "relapse",
    "Death": "dead",
}


@pytest.fixture(scope="module")
def benchmark(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "hsct_reference", root / "benchmarks" / "hsct_reference.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def evidence(root: Path) -> dict[str, Any]:
    path = root / "docs" / "evidence" / "hsct_reference.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def log_hazard_ratio_gaps(
    figures: dict[str, Any], reference: Callable[[str], dict[str, Any]]
) -> dict[str, float]:
    """Posterior mean minus the coefficient of the Cox model, for each of the 18."""
    gaps = {}
    for entry in reference("illness_death_ebmt3")["expected"]:
        if not entry["quantity"].endswith(", log hazard ratio"):
            continue
        transition, column = entry["quantity"].removesuffix(", log hazard ratio").split(": ")
        mean, sd = figures[TRANSITIONS[transition]][COLUMNS[column]]
        assert sd == pytest.approx(entry["sd"], rel=0.1)
        gaps[entry["quantity"]] = mean - entry["value"]
    assert len(gaps) == 18
    return gaps


def probability_gaps(
    figures: dict[str, Any], reference: Callable[[str], dict[str, Any]], case: str, prefix: str
) -> dict[str, float]:
    """Posterior mean minus the published probability, for six states and four years."""
    gaps = {}
    for entry in reference(case)["expected"]:
        quantity = entry["quantity"]
        if not (quantity.startswith(f"{prefix}P(state") and quantity.endswith("| Tx at 0)")):
            continue
        state, years = quantity.removeprefix(f"{prefix}P(state ").split(" years")[0].split(" at ")
        gaps[quantity] = figures[years][STATES[state]][0] - entry["value"]
    assert len(gaps) == 24
    return gaps


@pytest.mark.parametrize("case", CASES)
def test_the_evidence_is_of_this_model_these_priors_and_these_data(
    case: str, evidence: dict[str, Any], benchmark: ModuleType, shared: Path
) -> None:
    adapter, make_spec, _ = benchmark.CASES[case]
    now = benchmark.identity(make_spec(), benchmark.cohort(adapter, shared))
    then = evidence[case]["identity"]
    stale = "run `python benchmarks/hsct_reference.py --write`"
    wanted = pytest.approx(now.pop("log_likelihood"), rel=1e-9)
    assert then.pop("log_likelihood") == wanted, stale
    assert then == now, stale


@pytest.mark.parametrize("case", CASES)
def test_the_evidence_comes_from_usable_fits(case: str, evidence: dict[str, Any]) -> None:
    assert evidence[case]["usable"], evidence[case]["verdict"]
    assert evidence[case]["max_rhat"] <= 1.01
    assert evidence[case]["min_ess"] >= 400


def test_log_hazard_ratios_are_those_of_the_cox_models(
    evidence: dict[str, Any], reference: Callable[[str], dict[str, Any]]
) -> None:
    gaps = log_hazard_ratio_gaps(evidence[CASES[0]]["mean_and_sd"], reference)
    assert max(map(abs, gaps.values())) <= 0.03


@pytest.mark.parametrize(
    ("case", "published", "prefix"),
    [
        (CASES[1], "multistate_ebmt4_null", ""),
        (CASES[2], "multistate_ebmt4_patient_a", "patient A: "),
    ],
)
def test_state_probabilities_are_those_of_mstate(
    case: str,
    published: str,
    prefix: str,
    evidence: dict[str, Any],
    reference: Callable[[str], dict[str, Any]],
) -> None:
    gaps = probability_gaps(evidence[case]["mean_and_sd"], reference, published, prefix)
    assert max(map(abs, gaps.values())) <= 0.02


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_fits_come_out_the_same_today(
    case: str,
    evidence: dict[str, Any],
    benchmark: ModuleType,
    shared: Path,
    record_property: Callable[[str, object], None],
) -> None:
    today = benchmark.measure(case, shared)
    assert today["usable"], today["verdict"]
    worst = 0.0
    for outer, rows in today["mean_and_sd"].items():
        for inner, (mean, sd) in rows.items():
            then = evidence[case]["mean_and_sd"][outer][inner]
            worst = max(worst, abs(mean - then[0]) / sd)
    record_property("largest_change_in_sd", round(worst, 4))
    assert worst < 0.15
