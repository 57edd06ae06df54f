"""Aggregate models against published and quadrature results; long runs are kept as evidence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

import twinbayes as tb
from borrowing import CASES

Reference = Callable[[str], dict[str, Any]]

EVIDENCE: Final = Path(__file__).parents[2] / "docs" / "evidence" / "borrowing.json"


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(EVIDENCE.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("case", CASES)
def test_stored_results_agree_with_the_reference(
    case: str, stored: dict[str, Any], reference: Reference
) -> None:
    """|ours - theirs| is at most 4 Monte Carlo errors of ours and the tolerance given."""
    assert case in stored, f"Run benchmarks/borrowing.py --write --only {case}."
    found, compared, apart = stored[case]["found"], 0, []
    for wanted in reference(case)["expected"]:
        ours, tolerance = found.get(wanted["quantity"]), wanted["tolerance"] or {}
        if ours is None:
            continue
        error = 4 * ours["mcse"]
        bars = {
            "value": tolerance.get("value"),
            "sd": tolerance.get("sd"),
            "q2_5": tolerance.get("quantiles"),
            "q97_5": tolerance.get("quantiles"),
        }
        for name, bar in bars.items():
            if bar is None or wanted.get(name) is None:
                continue
            # The ends of an interval are known less well than its middle.
            slack = error * (3.0 if name.startswith("q") else 1.0)
            compared += 1
            if abs(ours[name] - wanted[name]) > bar + slack:
                apart.append(f"{wanted['quantity']} {name}: {ours[name]} not {wanted[name]}")
    assert compared >= 4
    assert not apart, "\n".join(apart)


def test_every_dynamic_prior_of_the_historical_trial_is_compared(
    stored: dict[str, Any], reference: Reference
) -> None:
    wanted = {row["quantity"] for row in reference("historical_actg")["expected"]}
    assert wanted == set(stored["historical_actg"]["found"])
    assert len(wanted) == 70


@pytest.mark.parametrize("case", CASES)
def test_stored_results_come_from_usable_fits(case: str, stored: dict[str, Any]) -> None:
    assert all(stored[case]["usable"]), stored[case]["divergences"]


def test_stored_results_are_of_the_models_as_they_are(stored: dict[str, Any]) -> None:
    from twinbayes.model import ExNex

    spec = tb.disease("basket", pooling=ExNex(own_mean=-1.734, own_sd=0.128**-0.5))
    assert stored["exnex_imatinib"]["models"] == [spec.content_hash], (
        "The model has changed: run benchmarks/borrowing.py --write."
    )


def test_a_prior_with_mixture_and_a_basket_trial_cost_little(stored: dict[str, Any]) -> None:
    assert stored["speed"]["map_prior_cpu_s"] <= 6.0
    assert stored["speed"]["exnex_10_baskets_s"] <= 5.0
    for outcome in ("responders", "means", "events"):
        assert stored["speed"][f"two_arms_exact_{outcome}_cpu_s"] <= 0.2
    assert stored["speed"]["basket_minutes_for_1000_trials_on_two_idle_cores"] <= 5.0
