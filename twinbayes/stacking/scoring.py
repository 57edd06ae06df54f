"""What members and stack scored, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from twinbayes.arrays import Floats
from twinbayes.checks.result import OUT_OF_SAMPLE, CheckResult
from twinbayes.cohort.quality.suppression import size_words
from twinbayes.estimators import Estimate
from twinbayes.stacking.cells import Cells
from twinbayes.stacking.gain import LEVEL, Gain, clustered
from twinbayes.stacking.members import STACK
from twinbayes.stacking.weights import Weights

#: The least probability that is scored: no clinical data bear out a smaller one.
FLOOR: Final = 1e-4
_SAME: Final = 1e-9  # log probabilities that differ by less are those of one prediction


@dataclass(frozen=True)
class Predictions:
    """What members gave to what was seen of patients who were left out.

    Attributes
    ----------
    names
        Of the members.
    likelihood
        (member, cell, patient) predicted probability of the state seen there; 1 where none was.
    unusable
        By member: of how many folds the fit did not pass its gate.
    """

    names: tuple[str, ...]
    likelihood: Floats
    unusable: Mapping[str, int]

    @property
    def floored(self) -> Floats:
        """The same, none below the least probability that is scored."""
        return np.maximum(self.likelihood, FLOOR)


@dataclass(frozen=True)
class Scored:
    """Scores of members and stack, their differences to the best member, and the gain."""

    members: tuple[Estimate, ...]
    stack: Estimate
    differences: tuple[Estimate, ...]
    best: int
    groups: npt.NDArray[Any] | None
    gain: Gain


def scored(
    cells: Cells, predictions: Predictions, nested: Floats, groups: npt.NDArray[Any] | None
) -> Scored:
    """Score members, and the mixtures (cell, patient) of weights learnt without each fold.

    Parameters
    ----------
    groups
        (patient,) fold of each patient where folds are groups, such as centres: the interval is
        then of groups. None: of patients.
    """
    logs = np.log(predictions.floored)
    members = tuple(cells.mean(one) for one in logs)
    best = int(np.argmax([one.value for one in members]))
    mixed = np.log(nested)
    differences = tuple(cells.mean(_less(one, logs[best])) for one in (*logs, mixed))
    error, lower, upper, clusters = clustered(differences[-1], groups)
    value = differences[-1].value
    gain = Gain(
        predictions.names[best], value, error, lower, upper, LEVEL, clusters,
        bool(lower > 0.0 and not any(predictions.unusable.values())),
    )  # fmt: skip
    return Scored(members, cells.mean(mixed), differences, best, groups, gain)


def _less(one: Floats, other: Floats) -> Floats:
    """Differences of log probabilities; those of rounding are none."""
    difference = one - other
    return np.where(np.abs(difference) < _SAME, 0.0, difference)


def judged(
    found: Scored,
    predictions: Predictions,
    weights: Weights,
    *,
    what: str,
    cells: Cells,
    folds: int,
    grouped: bool,
    by_subgroup: bool,
) -> tuple[CheckResult, str]:
    """Return the table and what is said of it, and what is best used."""
    names = predictions.names
    table = _table(found, predictions, weights, cells)
    bad = {name: n for name, n in predictions.unusable.items() if n}
    best = "" if bad else STACK if found.gain.claimed else found.gain.best
    parts = [
        f"{_number(len(names), 'member')}, {folds} folds of {size_words(len(cells.patients))} "
        f"patients, {_number(len(cells.landmarks), 'landmark')} and "
        f"{_number(len(cells.horizons), 'horizon')}; mean log score of {what}, higher is better."
    ]
    if bad:
        many = ", ".join(f"{name!r} in {n} of {folds} folds" for name, n in bad.items())
        parts.append(
            f"NOT FOR USE: fits did not pass their gate: {many}. Weights and scores are shown, and "
            "nothing is made of them. Give these members more effort, or leave them out."
        )
    else:
        parts.append(_of_gain(found, names, grouped))
    parts += _ties(found, predictions, cells)
    parts.append(_of_weights(weights, by_subgroup, len(names)))
    verdict: Any = "fail" if bad else "info"
    return CheckResult(f"stacking of {what}", verdict, table, " ".join(parts), OUT_OF_SAMPLE), best


def _table(found: Scored, predictions: Predictions, weights: Weights, cells: Cells) -> pd.DataFrame:
    known = cells.weight > 0.0
    rows = []
    for k, score in enumerate((*found.members, found.stack)):
        own = k < len(predictions.names)
        _, lower, upper, _ = clustered(found.differences[k], found.groups)
        rows.append(
            {
                "member": predictions.names[k] if own else STACK,
                "score": score.value,
                "standard_error": clustered(score, found.groups)[0],
                "difference": found.differences[k].value,
                "lower": lower,
                "upper": upper,
                "weight": float(weights.common[k]) if own else np.nan,
                "floored": float((predictions.likelihood[k] < FLOOR)[known].mean()) if own else 0.0,
                "usable": not (
                    predictions.unusable[predictions.names[k]]
                    if own
                    else any(predictions.unusable.values())
                ),
            }
        )
    return pd.DataFrame(rows)


def _number(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _of_gain(found: Scored, names: tuple[str, ...], grouped: bool) -> str:
    gain = found.gain
    if len(names) == 1:
        return f"One member: its weight is 1, and the stack is {gain.best!r}."
    span = f"{gain.level:.0%} interval {gain.lower:+.4f} to {gain.upper:+.4f}"
    if grouped:
        span += f", of {gain.clusters} groups"
    if gain.claimed:
        return f"Gain over {gain.best!r}, the best member alone: {gain.value:+.4f} ({span})."
    return (
        f"Gain: none. The stack differs from {gain.best!r}, the best member alone, by "
        f"{gain.value:+.4f} ({span}): use {gain.best!r} alone. The weights shown are those of the "
        "mixture, which is no better."
    )


def _ties(found: Scored, predictions: Predictions, cells: Cells) -> list[str]:
    """Members that score the same, and those that predict the same."""
    names, known = predictions.names, cells.weight > 0.0
    logs = np.log(predictions.floored)[:, known]
    out, said = [], set()
    for i in range(len(names)):
        twins = [
            names[j]
            for j in range(i + 1, len(names))
            if j not in said and bool(np.all(np.abs(logs[i] - logs[j]) < _SAME))
        ]
        if i in said or not twins:
            continue
        said |= {names.index(name) for name in twins}
        all_of = ", ".join(map(repr, (names[i], *twins)))
        out.append(f"{all_of} predict the same: how their weight is shared says nothing.")
    top = found.members[found.best].value
    tied = [
        name
        for k, name in enumerate(names)
        if k != found.best and k not in said and abs(found.members[k].value - top) < _SAME
    ]
    if tied:
        out.append(f"{', '.join(map(repr, tied))} score the same as {names[found.best]!r}.")
    return out


def _of_weights(weights: Weights, by_subgroup: bool, members: int) -> str:
    if members == 1:
        return ""
    if np.isfinite(weights.amount):
        own = f"In each subgroup the common weights count for {weights.amount:g} patients."
    elif by_subgroup:
        own = "Weights of subgroups did no better than common ones, so that all have these."
    else:
        own = "All subgroups have the common weights, as was asked."
    return (
        f"{own} The weights shown are learnt on all folds; the stack is scored with weights learnt "
        "without the fold that is scored."
    )
