"""For whom the evidence of a review does not reach, in sentences."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import pandas as pd

from twinbayes.checks.result import CheckResult
from twinbayes.inference import Fit
from twinbayes.names import DAYS_PER_YEAR, SUBGROUP, TIME, WHOLE
from twinbayes.report.figures.look import words

FEW: Final = 20  # patients, below whom a subgroup leans on the others


def small_subgroups(fit: Fit) -> list[str]:
    """Subgroups of fewer than 20 patients, by name; none where there is one subgroup."""
    cohort = fit.cohort
    sizes = cohort.patients[SUBGROUP].value_counts()
    if len(sizes) < 2:
        return []
    return [words(str(s)) for s in cohort.subgroups if int(sizes[s]) < FEW]


def last_judged_years(checks: Iterable[CheckResult]) -> float:
    """Years since origin of the last prediction that was held against the data; 0 without any."""
    days = [
        float(day)
        for check in checks
        if {TIME, "observed"} <= set(check.table.columns)
        for day in check.table.loc[check.table["observed"].notna(), TIME]
    ]
    return max(days, default=0.0) / DAYS_PER_YEAR


def not_for(fit: Fit, calibration: tuple[CheckResult, ...]) -> tuple[str, ...]:
    """Say for whom, or for what, the evidence does not reach."""
    said = list[str]()
    if fit.cohort.simulated:
        said.append("Any real patient: the data are simulated.")
    small = small_subgroups(fit)
    if small:
        said.append(
            f"On their own evidence, patients of {', '.join(small)}: fewer than {FEW} of each were "
            "seen, and what is said of them is mostly said by the others."
        )
    unlike = _outside(calibration)
    if unlike:
        said.append(
            f"With trust in the size of probabilities, patients of {', '.join(unlike)}: "
            "predictions lie outside the band of what was observed."
        )
    years = last_judged_years(calibration)
    said.append(
        f"Predictions beyond {years:.1f} years since origin: none was held against data."
        if years
        else "Predictions at any time: none was held against data."
    )
    if fit.spec.graph.treatments:
        said.append(
            "Saying that a treatment causes a difference, unless the reasons for treating are all "
            "in the model: treatments were not randomised."
        )
    return tuple(said)


def _outside(checks: Iterable[CheckResult]) -> list[str]:
    """Subgroups that count and leave their band at some horizon."""
    names: dict[str, None] = {}
    for check in checks:
        if {"counts", "inside", SUBGROUP} <= set(check.table.columns):
            own = check.table[check.table["counts"].astype(bool) & check.table["inside"].notna()]
            own = own[own[SUBGROUP] != WHOLE]
            left: pd.Series = own.loc[~own["inside"].astype(bool), SUBGROUP]
            names |= dict.fromkeys(words(str(s)) for s in left)
    return list(names)
