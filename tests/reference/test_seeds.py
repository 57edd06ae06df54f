"""Fits at their defaults end usable, whatever the seed: figures of `benchmarks/seeds.py`."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from twinbayes.inference.gate.verdict import ESS_MIN, RHAT_MAX

SEEDS = 10
BAR = 0.99


@pytest.fixture(scope="module")
def evidence(stored_evidence: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return stored_evidence("seeds")


def test_every_case_was_fitted_under_every_seed(evidence: dict[str, Any]) -> None:
    assert not any(fit["once"] for fit in evidence["fits"])
    cases, seeds = evidence["identity"].keys(), {fit["seed"] for fit in evidence["fits"]}
    assert (len(cases), len(seeds)) == (14, SEEDS)
    counted = Counter((fit["case"], fit["seed"]) for fit in evidence["fits"])
    assert counted == Counter((case, seed) for case in cases for seed in seeds)


def test_nearly_all_fits_end_usable(evidence: dict[str, Any]) -> None:
    fits = evidence["fits"]
    assert sum(fit["usable"] for fit in fits) >= BAR * len(fits)
    for fit in fits:
        if fit["usable"]:
            assert fit["divergences"] == 0
            assert fit["max_rhat"] <= RHAT_MAX + 5e-5  # stored to four decimals
            assert fit["min_ess"] >= ESS_MIN
            assert not fit["reasons"]


def test_the_figures_are_of_these_models_priors_and_data(
    evidence: dict[str, Any], root: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWINBAYES_SHARED", str(shared))
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    spec = importlib.util.spec_from_file_location("seeds", root / "benchmarks" / "seeds.py")
    assert spec is not None
    assert spec.loader is not None
    seeds = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(seeds)
    for case, stored in evidence["identity"].items():
        assert seeds.identity(case) == stored, f"run `python benchmarks/seeds.py --write` ({case})"
