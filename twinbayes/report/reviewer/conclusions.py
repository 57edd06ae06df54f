"""Sections of a review about what it cannot show: limits, provenance, privacy, outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import pandas as pd

from twinbayes.checks.result import CALIBRATION, OUT_OF_SAMPLE, SIMULATION_BASED
from twinbayes.cohort.quality.suppression import SMALLEST_CELL
from twinbayes.report.figures.look import words
from twinbayes.report.html import fragments as f
from twinbayes.report.reviewer.evidence import KIND, ReviewEvidence
from twinbayes.report.reviewer.handed.handover import fingerprint_of
from twinbayes.report.reviewer.reach import FEW, last_judged_years, small_subgroups

_OUTPUTS: Final = (
    ("uncertainty", "each number has its interval, and the Monte Carlo error is told"),
    ("support", "inputs that are missing or outside the data are named, and what each could move"),
    ("where it comes from", "shares of the own record, the subgroup, the others and the prior"),
    ("prediction against effect", "ways of treating are compared with the caution that treatments "
     "were not randomised; a comparison without comparable patients says so"),
    ("how far", "forecasts end where the disease allows no further extrapolation"),
    ("who is not shown", "people whose record has ended, and any forecast of a fit not for use "
     "without that word on it"),
)  # fmt: skip
_PRIVACY: Final = (
    ("identifiers", "no identifier of a patient is in this report, its pictures or its CSV files"),
    ("small cells", f"counts from 1 to {SMALLEST_CELL - 1} are not shown, nor is any number from "
     "which they could be worked out; one rule for tables, pictures and files"),
    ("disclosure tests", "tests/report/test_disclosure.py of the package reconstructs hidden "
     "counts from all tables of a review together, by linear programming, and must fail to"),
    ("single patients", "no table, picture or file has a row of one patient"),
)  # fmt: skip


def outputs(evidence: ReviewEvidence) -> f.Block:
    """Return what every report on a patient of this fit shows."""
    rows = pd.DataFrame(_OUTPUTS, columns=["what", "in each report on a patient"])
    return f.block(
        f.paragraph(
            "Reports on single patients (`twinbayes twin`, `twin_report`) are files of their "
            f"own; intervals there are {KIND} as here."
        ),
        f.table(rows, text=list(rows.columns)),
    )


def privacy(_: ReviewEvidence) -> f.Block:
    """Return what keeps this report from telling of a person."""
    rows = pd.DataFrame(_PRIVACY, columns=["what", "how"])
    return f.table(rows, text=list(rows.columns))


def handed_in(evidence: ReviewEvidence) -> f.Block:
    """Return each check that was handed in, with the hash of its content."""
    if not evidence.handed_in:
        return f.not_provided(
            "No evidence was handed in: simulation-based calibration, cross-validation, refits. To "
            "provide: `checks=` of `review`, or `--checks FILE`."
        )
    rows = [
        {"check": c.name, "about": c.topic, "SHA-256 of its content": fingerprint_of(c)}
        for c in evidence.handed_in
    ]
    return f.block(
        f.table(pd.DataFrame(rows)),
        f.paragraph(
            "The hash is of name, outcome, words and published table, as `write_checks` writes "
            "them: stored evidence with another hash is other evidence.",
            "note",
        ),
    )


def limits(evidence: ReviewEvidence) -> f.Block:
    """Return what this evidence cannot show."""
    return replace(f.bullets(_limits(evidence)), given=True)


def provenance(evidence: ReviewEvidence) -> f.Block:
    """Return the manifest of the fit: what was run, on what, with which versions."""
    return f.block(
        f.pairs(dict(_flat(evidence.fit.manifest))),
        f.paragraph(
            "The same data, model, priors, seed and versions give the same draws on one machine.",
            "note",
        ),
    )


def _limits(evidence: ReviewEvidence) -> Iterator[str]:
    fit = evidence.fit
    cohort, graph = fit.cohort, fit.spec.graph
    if not fit.verdict.usable:
        yield "NOT FOR USE: no number of this report may be relied on."
    if cohort.simulated:
        yield "The data are simulated. They test the method and say nothing about any disease."
    if graph.treatments:
        yield (
            "Treatments were not randomised. Contrasts between them adjust only for the covariates "
            "in the model; reasons for treatment that were not recorded can bias them."
        )
    small = small_subgroups(fit)
    if small:
        yield (
            f"Subgroups of fewer than {FEW} patients ({', '.join(small)}) lean on the others. "
            "Their intervals are wide because little is known of them."
        )
    ends = [evidence.look.noun(s) for s in graph.absorbing if s not in evidence.look.dead]
    if ends:
        yield f"What happens after {' or '.join(ends)} is not modelled: follow-up ends there."
    if not any(c.topic == OUT_OF_SAMPLE for c in evidence.handed_in):
        yield (
            "Scores are on the patients the model was fitted to, and flatter it, unless their name "
            "says that each patient was left out. "
            "Cross-validated scores: NOT PROVIDED."
        )
    if not any(c.topic == SIMULATION_BASED for c in evidence.of(SIMULATION_BASED)):
        yield "Simulation-based calibration: NOT PROVIDED in this report."
    if fit.encoding.left_out:
        n = len(fit.encoding.left_out)
        yield f"{n} covariates with too few carriers to inform a model were left out."
    years = last_judged_years(evidence.of(CALIBRATION))
    yield f"Predictions beyond {years:.1f} years since origin were not judged."


def _flat(record: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, object]]:
    for key, value in sorted(record.items()):
        name = f"{above}{words(str(key))}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}: ")
        elif isinstance(value, list | tuple):
            yield name, "; ".join(map(str, value)) or f.NOTHING
        else:
            yield name, value
