"""Figures of a simulation study with their Monte Carlo standard errors.

Every figure is a ratio of sums over trials, whose standard error takes a trial as the unit:
subgroups of one trial share data through the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twinbayes.arrays import Floats
from twinbayes.trials.simulated.trials import AnalysisDecision


def figures(
    estimates: pd.DataFrame, places: Mapping[str, Sequence[str]], decision: AnalysisDecision | None
) -> pd.DataFrame:
    """One row an analysis and place; see `OperatingCharacteristics.table`."""
    rows = []
    found = estimates[estimates["mean"].notna()]
    for analysis in dict.fromkeys(estimates["analysis"]):
        own = found[found["analysis"] == analysis]
        for place, labels in places.items():
            part = own[own["subgroup"].isin(list(labels))]
            rows.append({"analysis": analysis, "place": place} | _figures(part, decision))
    return pd.DataFrame(rows)


def _figures(part: pd.DataFrame, decision: AnalysisDecision | None) -> dict[str, float]:
    trial = part["trial"].to_numpy()
    true = part["truth"].to_numpy(float)
    error = part["mean"].to_numpy(float) - true
    one = np.ones(len(part))
    covered = (part["lower"].to_numpy(float) <= true) & (true <= part["upper"].to_numpy(float))
    mse, mse_error = ratio(error**2, one, trial)
    rmse = float(np.sqrt(mse))
    found: dict[str, float] = {"trials": float(len(np.unique(trial)))}
    found |= _pair("bias", ratio(error, one, trial))
    found |= _pair("rmse", (rmse, 0.0 if rmse == 0.0 else mse_error / (2 * rmse)))
    found |= _pair("coverage", ratio(covered.astype(float), one, trial))
    if decision is not None:
        effective = decision.better(true)
        declared = part["probability"].to_numpy(float) > decision.cut_off
        null = (~effective).astype(float)
        active = effective.astype(float)
        found |= _pair("type_one_error", ratio(declared * null, null, trial))
        found |= _pair("power", ratio(declared * active, active, trial))
        _, at = np.unique(trial, return_inverse=True)
        any_null, any_false = np.zeros((2, at.max() + 1 if len(at) else 0))
        np.maximum.at(any_null, at, null)
        np.maximum.at(any_false, at, declared * null)
        each = np.arange(len(any_null))
        found |= _pair("family_wise_error", ratio(any_false, any_null, each))
    return found


def _pair(name: str, value: tuple[float, float]) -> dict[str, float]:
    return {name: value[0], f"{name}_mcse": value[1]}


def ratio(numerator: Floats, denominator: Floats, trial: NDArray[np.int64]) -> tuple[float, float]:
    """Sum of one over sum of the other, and its standard error with trials as clusters.

    NaN where the denominators sum to zero; the standard error also where there is one trial.

    Notes
    -----
    Source: the linearised variance of a ratio, Cochran (1977), Sampling Techniques, section 6.
    """
    names, at = np.unique(trial, return_inverse=True)
    n = len(names)
    top, below = np.zeros((2, n))
    np.add.at(top, at, numerator)
    np.add.at(below, at, denominator)
    total = below.sum()
    if total == 0:
        return float("nan"), float("nan")
    value = float(top.sum() / total)
    counted = int((below > 0).sum())
    if counted < 2:
        return value, float("nan")
    spread = float(np.sum((top - value * below) ** 2))
    return value, float(np.sqrt(spread * counted / (counted - 1)) / total)


def rmse_ratio(
    estimates: pd.DataFrame, analysis: str, reference: str, labels: Sequence[str]
) -> tuple[float, float]:
    """Return the ratio of two root mean squared errors on the same trials, and its MCSE."""
    squared = {}
    for name in (analysis, reference):
        part = estimates[
            (estimates["analysis"] == name) & estimates["subgroup"].isin(list(labels))
        ].set_index(["trial", "subgroup"])
        squared[name] = (part["mean"] - part["truth"]) ** 2
    both = pd.concat([squared[analysis], squared[reference]], axis=1, keys=["one", "two"]).dropna()
    value, error = ratio(
        both["one"].to_numpy(float),
        both["two"].to_numpy(float),
        both.index.get_level_values("trial").to_numpy(),
    )
    root = float(np.sqrt(value))
    return root, error / (2 * root) if root > 0 else float("nan")
