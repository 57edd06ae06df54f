"""Joint models of published analyses of PBC against the published numbers.

The fits take minutes; `benchmarks/joint_reference.py --write` makes them and leaves their figures
in `docs/evidence`. These tests hold the figures against the published ones, and refuse them once
model, priors or data have changed since.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

VALUE = "association[bilirubin value on alive->dead]"
LEVEL, YEAR = "bilirubin: level", "bilirubin: year"
ON_DEAD = "alive->dead"
ONE_MARKER = {
    "b0 intercept": f"curve_effect[level; {LEVEL}]",
    "b1 year": f"curve_effect[level; {YEAR}]",
    "sigma": "marker_sd[bilirubin]",
    "sd of random intercept": f"patient_sd[{LEVEL}]",
    "sd of random slope": f"patient_sd[{YEAR}]",
    "correlation of random effects": f"patient_correlation[{LEVEL}; {YEAR}]",
    "var of random intercept": f"patient_covariance[{LEVEL}; {LEVEL}]",
    "cov of random effects": f"patient_covariance[{LEVEL}; {YEAR}]",
    "var of random slope": f"patient_covariance[{YEAR}; {YEAR}]",
}
EVENTS = {
    "alpha, current log bilirubin": VALUE,
    "g1 female, log hazard": f"beta[sex=female; {ON_DEAD}]",
    "g2 D-penicillamine, log hazard": f"beta[d_penicillamine; {ON_DEAD}]",
    "g2 treatment, log hazard": f"beta[d_penicillamine; {ON_DEAD}]",
}
# case -> published file, the peer whose rows count, and our name of each of its quantities
CASES: dict[str, tuple[str, str, dict[str, str]]] = {
    "pbc312": ("joint_pbc312_peers", " [JMbayes2]", ONE_MARKER | EVENTS),
    "pbc40": ("joint_pbc40_three_peers", " [stan_jm]", ONE_MARKER | EVENTS),
    "pbc2": (
        "joint_pbc2_bilirubin",
        "",
        ONE_MARKER
        | {
            "alpha: effect of current log bilirubin on log hazard": VALUE,
            "g: female, log hazard": f"beta[sex=female; {ON_DEAD}]",
            "b2 female": f"curve_effect[sex=female; {LEVEL}]",
            "b3 year x female": f"curve_effect[sex=female; {YEAR}]",
        },
    ),
    "competing": (
        "competing_risks_pbc2_bilirubin",
        "",
        {
            "alpha, log bilirubin, death": VALUE,
            "alpha, log bilirubin, transplantation": (
                "association[bilirubin value on alive->transplanted]"
            ),
            "alpha, prothrombin, death": "association[prothrombin_time value on alive->dead]",
            "age, death": f"beta[age_years; {ON_DEAD}]",
            "age, transplantation": "beta[age_years; alive->transplanted]",
            "drug, death": f"beta[d_penicillamine; {ON_DEAD}]",
            "drug, transplantation": "beta[d_penicillamine; alive->transplanted]",
            "marker 1 sigma": "marker_sd[bilirubin]",
            "marker 2 intercept": "curve_effect[level; prothrombin_time: level]",
            "marker 2 year": "curve_effect[level; prothrombin_time: year]",
            "marker 2 drug": "curve_effect[d_penicillamine; prothrombin_time: level]",
            "marker 2 year x drug": "curve_effect[d_penicillamine; prothrombin_time: year]",
            "marker 2 sigma": "marker_sd[prothrombin_time]",
        },
    ),
    "contrast": (
        "causal_contrast_pbc2",
        "",
        {
            "alpha, current log bilirubin": VALUE,
            "g drug, direct effect on log hazard": f"beta[d_penicillamine; {ON_DEAD}]",
            "sigma": "marker_sd[bilirubin]",
            "b0 intercept": f"curve_effect[level; {LEVEL}]",
            "d0 drug": f"curve_effect[d_penicillamine; {LEVEL}]",
            "patient 2: risk difference between year 4 and 6, D-penicillamine minus placebo": (
                "risk difference"
            ),
        },
    ),
}
EVIDENCE = Path(__file__).resolve().parents[2] / "docs" / "evidence" / "joint_reference.json"
FOUND: dict[str, Any] = json.loads(EVIDENCE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def benchmark(root: Path) -> ModuleType:
    folder = str(root / "benchmarks")
    spec = importlib.util.spec_from_file_location("joint_reference", f"{folder}/joint_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, folder)  # it imports its neighbour
    sys.modules["joint_reference"] = module  # its dataclass looks itself up
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
    return module


@pytest.mark.parametrize("case", FOUND)
def test_the_evidence_is_of_this_model_and_these_priors(case: str, benchmark: ModuleType) -> None:
    stale = f"run `python benchmarks/joint_reference.py --only {case} --write`"
    then = FOUND[case]["identity"]
    assert then["model"] == benchmark.CASES[case].spec().content_hash, stale
    assert then["priors"] == benchmark.CASES[case].priors().distribution_hash, stale


@pytest.mark.parametrize("case", FOUND)
def test_the_evidence_comes_from_usable_fits(case: str) -> None:
    assert FOUND[case]["usable"], FOUND[case]["verdict"]
    assert FOUND[case]["max_rhat"] <= 1.01
    assert FOUND[case]["min_ess"] >= 400
    assert FOUND[case]["divergences"] == 0


@pytest.mark.parametrize("case", FOUND)
def test_what_is_published_is_found_again(
    case: str, reference: Callable[[str], dict[str, Any]]
) -> None:
    """Within the published tolerance, beside four standard errors of our own simulation."""
    name, peer, ours = CASES[case]
    compared, missed = 0, []
    for entry in reference(name)["expected"]:
        key = ours.get(entry["quantity"].removesuffix(peer))
        if key is None or (peer and not entry["quantity"].endswith(peer)):
            continue
        figures, tolerance = FOUND[case]["figures"][key], entry["tolerance"]
        for what, our, allowed in (
            ("value", "mean", tolerance.get("value")),
            ("sd", "sd", tolerance.get("sd")),
            ("q2_5", "q2_5", tolerance.get("quantiles")),
            ("q97_5", "q97_5", tolerance.get("quantiles")),
        ):
            if allowed is None or entry.get(what) is None:
                continue
            compared += 1
            gap = abs(figures[our] - entry[what])
            # the ends of a normal's interval have 2.7 times the simulation error of its mean
            errors = 4.0 if what == "value" else 4 * 2.7
            if gap > allowed + errors * figures["mcse"]:
                missed.append(f"{entry['quantity']}, {what}: {gap:.4f} > {allowed:.4f}")
    assert compared >= len(ours) - 2
    assert not missed, "; ".join(missed)
