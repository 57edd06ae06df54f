"""What to change where a verdict is not usable, in the words of whoever fits models."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

import pandas as pd

from twinbayes.showing import cut

_MOST: Final = 5
_MEASURED: Final = ("max_rhat", "min_ess_bulk", "min_ess_tail")
_PLACES: Final = ("worst_rhat_at", "worst_bulk_at", "worst_tail_at")

#: Pattern of a variable -> what may be wrong with what it describes, and what to do.
_CAUSES: Final[tuple[tuple[str, str], ...]] = (
    (
        r"^_?patient_|^_?curve_level",
        "curves ({place}): the basis may be too rich for the visits. Give it fewer columns, or let "
        "turns be the same for all patients (varies=False)",
    ),
    (
        r"^curve_(subgroup|centre)",
        "levels of curves ({place}): too few patients tell them apart. Pool subgroups or centres "
        "completely, or tighten the prior of their scale",
    ),
    (
        r"^log_baseline",
        "baseline hazards ({place}): too few events for so many windows. Give the baseline fewer",
    ),
    (
        r"^(beta|covariate_)",
        "covariate effects ({place}): few events tell them. Leave covariates out, or tighten the "
        "prior covariate_scale",
    ),
    (
        r"^(subgroup|centre)_",
        "subgroup or centre levels ({place}): some have next to no events. Pool them completely, "
        "or tighten the prior of their scale",
    ),
    (
        r"^treatment_",
        "treatment effects ({place}): too few treated patients have the event. Take complete "
        "pooling, or leave the effect out",
    ),
    (
        r"^association",
        "the association ({place}): curves and events tell of it in different ways. Check the "
        "units of the marker, and its prior",
    ),
)


def in_short(reasons: Sequence[str]) -> str:
    """Return a verdict on one line of less than 150 characters; no reasons, no objection."""
    if not reasons:
        return "USABLE"
    more = f"; {len(reasons) - 1} more reasons" if len(reasons) > 1 else ""
    return f"NOT FOR USE: {cut(reasons[0], 90)}{more}"


def advise(
    table: pd.DataFrame, summary: Mapping[str, float], *, rhat_max: float, ess_min: float
) -> tuple[str, ...]:
    """Say what to change, at most five things, the most telling first.

    Parameters
    ----------
    table, summary
        Of a verdict that is not usable.
    rhat_max, ess_min
        Its bars.
    """
    table = table.reindex(columns=[*_MEASURED, *_PLACES])
    smallest = table[["min_ess_bulk", "min_ess_tail"]].min(axis=1)
    table = table.assign(smallest=smallest)
    slow = table[(table["max_rhat"] > rhat_max) | (smallest < ess_min)]
    slow = slow.sort_values("smallest", kind="stable")
    found: dict[str, str] = {}
    for variable, row in slow.iterrows():
        for pattern, text in _CAUSES:
            if re.search(pattern, str(variable)):
                found.setdefault(pattern, text.format(place=_place(str(variable), row)))
                break
    least = float(smallest.min()) if len(table) else float("nan")
    general = []
    if summary.get("divergences", 0.0) > 0 or summary.get("at_max_treedepth", 0.0) > 0:
        general.append(
            "steps of the sampler: take smaller ones (target_accept=0.99) after a longer warm-up "
            "(tune=2000), or let `fit` find them (until='usable')"
        )
    if least > 0 and least < ess_min:
        factor = math.ceil(1.5 * ess_min / least)
        draws = factor * int(summary.get("draws", 1000))
        general.append(
            f"draws: about {factor} times as many, draws={draws}, or let `fit` go on "
            "(until='usable')"
        )
    return (*general, *found.values())[:_MOST]


def _place(variable: str, row: pd.Series) -> str:
    """Name the worst entry of a variable."""
    return next((row[p] for p in _PLACES if isinstance(row[p], str) and row[p]), variable)
