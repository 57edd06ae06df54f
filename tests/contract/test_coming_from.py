"""Pages for users of other packages: each number is that of the evidence, and of the reference."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

Case = dict[str, Any]

PAGES: Final = ("jmbayes2", "mstate", "rbest")
#: First cell of a row of jmbayes2.md -> name in the evidence, and in the reference case.
OF_JOINT: Final = {
    "association of log bilirubin with death": (
        "association[bilirubin value on alive->dead]", "alpha, current log bilirubin",
    ),
    "women against men, log hazard": ("beta[sex=female; alive->dead]", "g1 female, log hazard"),
    "D-penicillamine, log hazard": (
        "beta[d_penicillamine; alive->dead]", "g2 D-penicillamine, log hazard",
    ),
    "log bilirubin at the origin": ("curve_effect[level; bilirubin: level]", "b0 intercept"),
    "log bilirubin, change a year": ("curve_effect[level; bilirubin: year]", "b1 year"),
    "error of a measurement": ("marker_sd[bilirubin]", "sigma"),
}  # fmt: skip
OF_RISK: Final = {
    "7.1": "mean over the first 100 at-risk patients of P(death by 7.1 | alive at 5)",
    "8.5": "same, by 8.5",
    "10.04": "same, by 10.04",
    "12": "same, by 12",
}
ARCS: Final = {
    "transplant to platelet recovery": "transplanted->recovered",
    "transplant to relapse/death": "transplanted->relapsed_or_dead",
    "platelet recovery to relapse/death": "recovered->relapsed_or_dead",
}
COLUMNS: Final = {
    "ALL": "disease=ALL", "CML": "disease=CML", "age 20-40": "age_class=20-40",
    "age >40": "age_class=>40", "gender mismatch": "donor_recipient_gender=mismatch",
    "T-cell depletion": "t_cell_depletion=yes",
}  # fmt: skip
STATES: Final = {
    "transplanted": "Tx", "recovered": "Rec", "adverse event": "AE",
    "recovered and adverse event": "Rec+AE", "relapse": "Rel", "dead": "Death",
}  # fmt: skip
#: First cell of a row of rbest.md -> case, name in the evidence, and in the reference case.
OF_MAP: Final = {
    "response: heterogeneity": ("map_as_binomial", "tau", "tau"),
    "response: rate of a new study": ("map_as_binomial", "p* (MAP prior)", "p*"),
    "response: heterogeneity, prior half-Normal(0.5)": (
        "map_as_binomial", "tau, half-Normal(0.5)", "tau, half-Normal(0.5)",
    ),
    "response: rate of a new study, prior half-Normal(0.5)": (
        "map_as_binomial", "p*, half-Normal(0.5)", "p*, half-Normal(0.5)",
    ),
    "mean change: heterogeneity": ("map_crohn_normal", "tau", "tau"),
    "mean change: a new study": ("map_crohn_normal", "theta*", "theta*"),
}  # fmt: skip


@pytest.fixture(scope="module")
def numbers(root: Path) -> Callable[[str], dict[str, list[str]]]:
    """Return the rows of numbers of a page by their first cell."""

    def read(page: str) -> dict[str, list[str]]:
        text = (root / "docs" / "coming-from" / f"{page}.md").read_text(encoding="utf-8")
        part = text.partition("## The same numbers")[2]
        rows = re.findall(r"^\| (.+?) \| (.+) \|$", part, re.MULTILINE)
        return {
            first: re.findall(r"-?\d+\.\d+", rest.replace("−", "-"))
            for first, rest in rows
            if re.search(r"\d\.\d", rest)
        }

    return read


def rounded(number: float, like: str) -> str:
    """Write a number with as many decimals as another."""
    return f"{number:.{len(like.partition('.')[2])}f}"


def require_same(shown: dict[str, list[str]], wanted: dict[str, list[float]], start: int) -> None:
    """Hold as many numbers of each row as are wanted, from one on, to these."""
    assert shown.keys() == wanted.keys()
    for row, values in wanted.items():
        cells = shown[row][start : start + len(values)]
        assert cells == [rounded(v, c) for v, c in zip(values, cells, strict=True)], row


def found_in(root: Path, name: str) -> Case:
    path = root / "docs" / "evidence" / f"{name}.json"
    found: Case = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_our_figures_are_those_of_the_evidence(
    root: Path, numbers: Callable[[str], dict[str, list[str]]]
) -> None:
    joint = found_in(root, "joint_reference")["pbc312"]["figures"]
    risks = found_in(root, "dynamic_prediction")["cumulative_incidence"]
    wanted = {row: [joint[ours]["mean"], joint[ours]["sd"]] for row, (ours, _) in OF_JOINT.items()}
    wanted |= {row: [risks[str(float(row))]] for row in OF_RISK}
    require_same(numbers("jmbayes2"), wanted, 0)
    hsct = found_in(root, "hsct_reference")
    ratios = hsct["ebmt3_log_hazard_ratios"]["mean_and_sd"]
    wanted = {f"{a}: {c}": ratios[ARCS[a]][COLUMNS[c]] for a in ARCS for c in COLUMNS}
    shown = numbers("mstate")
    require_same({row: shown[row] for row in wanted}, wanted, 0)
    shares = hsct["ebmt4_null_state_probabilities"]["mean_and_sd"]
    for at, year in ((0, "1"), (2, "5")):
        of_year = {row: [shares[year][row.replace(" ", "_")][0]] for row in STATES}
        require_same({row: shown[row] for row in of_year}, of_year, at)
    assert shown.keys() == {*wanted, *STATES}
    borrowing = found_in(root, "borrowing")
    found = {row: borrowing[case]["found"][ours] for row, (case, ours, _) in OF_MAP.items()}
    require_same(numbers("rbest"), {k: [v["value"], v["sd"]] for k, v in found.items()}, 0)


def test_figures_of_other_packages_are_those_of_the_reference_cases(
    numbers: Callable[[str], dict[str, list[str]]], reference: Callable[[str], Case]
) -> None:
    def cases(name: str, kind: str = "") -> dict[str, Case]:
        entries = reference(name)["expected"]
        return {e["quantity"]: e for e in entries if kind in ("", e.get("kind"))}

    joint, risks = cases("joint_pbc312_peers"), cases("dynamic_prediction_pbc312")
    shown = numbers("jmbayes2")
    peers = {row: joint[f"{theirs} [JMbayes2]"] for row, (_, theirs) in OF_JOINT.items()}
    both = {row: [e["value"], e["sd"]] for row, e in peers.items()}
    require_same({row: shown[row] for row in both}, both, 2)
    one = {row: [risks[theirs]["value"]] for row, theirs in OF_RISK.items()}
    require_same({row: shown[row] for row in one}, one, 1)
    cox, shares = cases("illness_death_ebmt3"), cases("multistate_ebmt4_null")
    shown = numbers("mstate")
    entries = {f"{a}: {c}": cox[f"{a}: {c}, log hazard ratio"] for a in ARCS for c in COLUMNS}
    both = {row: [e["value"], e["sd"]] for row, e in entries.items()}
    require_same({row: shown[row] for row in both}, both, 2)
    for at, year in ((1, "1"), (3, "5")):
        of_year = {
            row: [shares[f"P(state {state} at {year} years | Tx at 0)"]["value"]]
            for row, state in STATES.items()
        }
        require_same({row: shown[row] for row in of_year}, of_year, at)
    printed = {name: cases(name, "published") for name in {case for case, _, _ in OF_MAP.values()}}
    entries = {row: printed[case][theirs] for row, (case, _, theirs) in OF_MAP.items()}
    require_same(numbers("rbest"), {k: [e["value"], e["sd"]] for k, e in entries.items()}, 2)
