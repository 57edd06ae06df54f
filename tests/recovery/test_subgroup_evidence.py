"""One discordant subgroup of eight: the committed evidence is of these models, and its figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import subgroup_coverage as benchmark

MIN_TRIALS = 500
COMMAND = "run `python benchmarks/subgroup_coverage.py --write`"


@pytest.fixture(scope="module")
def evidence(stored_evidence: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    return stored_evidence("subgroup_coverage")


def figures(evidence: dict[str, Any], analysis: str, place: str) -> dict[str, float]:
    [row] = [r for r in evidence["table"] if (r["analysis"], r["place"]) == (analysis, place)]
    return row


def test_the_evidence_is_of_this_study_its_models_priors_and_simulator(
    evidence: dict[str, Any],
) -> None:
    expected = benchmark.identity(evidence["settings"]["trials"])
    assert evidence["simulator"] == expected["simulator"], f"stale, {COMMAND}"
    assert evidence["settings"] == expected["settings"], f"stale, {COMMAND}"
    assert evidence["settings"]["trials"] >= MIN_TRIALS
    sizes = evidence["settings"]["study"]["sizes"]
    assert (len(sizes), min(sizes), max(sizes)) == (8, 6, 70)


@pytest.mark.parametrize("analysis", benchmark.ANALYSES)
def test_nearly_all_fits_are_usable_and_all_are_counted(
    evidence: dict[str, Any], analysis: str
) -> None:
    [fits] = [row for row in evidence["fits"] if row["analysis"] == analysis]
    assert fits["trials"] == evidence["settings"]["trials"]
    assert fits["usable"] + fits["unusable"] + fits["failed"] == fits["trials"]
    assert fits["usable"] >= 0.95 * fits["trials"]
    assert fits["failed"] == 0


def test_intervals_cover_the_truth_overall_and_in_the_discordant_subgroup(
    evidence: dict[str, Any],
) -> None:
    assert 0.86 <= figures(evidence, "exnex", "overall")["coverage"] <= 0.94
    assert figures(evidence, "exnex", "discordant")["coverage"] >= 0.84


def test_borrowing_errs_a_fifth_less_than_no_borrowing(evidence: dict[str, Any]) -> None:
    ratio, error = evidence["rmse_relative_to_none"]["exnex"]
    assert ratio <= 0.8
    assert error < 0.02
    ours, theirs = (figures(evidence, name, "overall")["rmse"] for name in ("exnex", "none"))
    assert ratio == pytest.approx(ours / theirs)
