"""How much parameters and forecasts depend on the priors, summed up for a reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr

from twinbayes.checks.result import SENSITIVITY, CheckResult, CheckVerdict
from twinbayes.checks.sensitivity.power_scaling import ALL_PRIORS, NAME, NO_SIGN, THRESHOLD
from twinbayes.checks.sensitivity.priors import Densities, patient_survival
from twinbayes.cohort.quality.suppression import HIDDEN, SMALLEST_CELL, size_words
from twinbayes.inference import Fit
from twinbayes.names import PATIENT, PATIENT_ID, SUBGROUP

OF_PARAMETERS: Final = f"{NAME} of parameters"
OF_FORECASTS: Final = f"{NAME} of forecasts"
_DRAWS: Final = 1000
_PATIENTS: Final = 48
_SHOWN: Final = 20  # rows of parameters
_NAMED: Final = 6  # variables that the sentence names
_MOVES: Final = 0.01  # of survival, per doubling of the power: less is no warning
EFFECTS: Final = "effects and levels"
HYPER: Final = "scales and other hyperparameters"
_SPREADS: Final = ("time_varying_step",)  # a step of eras is an effect, this one a spread
_SPREAD_WORDS: Final = frozenset({
    "scale", "heterogeneity", "roughness", "sharing", "sd", "correlation", "amplitude",
    "lengthscale", "shape",
})  # fmt: skip
_TO_TRY: Final = (
    "To try: fit again with another prior for what is named here (entries of the disease file, or "
    "`override`) and compare the answers that matter; or give it a prior with a source."
)


def sensitivity_of(fit: Fit, horizons: Sequence[float]) -> tuple[CheckResult, CheckResult]:
    """Check parameters against all priors, and survival against each entry alone as well.

    Parameters come with effects and levels first, then scales and other hyperparameters, the most
    sensitive of each first. Rows of forecasts are means over patients of each subgroup; beside
    them stands how many single patients are flagged, and nobody is named.
    """
    few = fit.thinned(_DRAWS)
    densities = Densities.of(few)
    return _parameters(few, densities), _forecasts(few, densities, horizons)


def is_hyperparameter(variable: str) -> bool:
    """Whether a variable of a fit is a scale, or another parameter of a distribution of effects.

    Examples
    --------
    >>> is_hyperparameter("subgroup_scale"), is_hyperparameter("subgroup_effect")
    (True, False)
    """
    return variable in _SPREADS or not _SPREAD_WORDS.isdisjoint(variable.split("_"))


def _parameters(fit: Fit, densities: Densities) -> CheckResult:
    found = densities.scale(densities.parameters(fit))
    every = found.table
    every.insert(
        0, "kind", [HYPER if is_hyperparameter(str(q)) else EFFECTS for q in every["quantity"]]
    )
    signs = every[every["diagnosis"] != NO_SIGN]
    shown = signs if len(signs) else every
    table = shown.sort_values(["kind", "prior"], ascending=[True, False], kind="stable")
    text = (
        "Sensitivity to raising all priors, or the likelihood, to a power (threshold "
        f"{THRESHOLD:g}). {_counted(every, EFFECTS)} {_counted(every, HYPER)}"
    )
    if len(signs):
        text += (
            f" {_named(signs)} Scales of few groups are seldom told by data: there are "
            f"{len(fit.cohort.subgroups)} subgroups and {len(fit.cohort.centres)} centres, and "
            "priors of such scales always count. What matters is what they do to forecasts: the "
            "check of forecasts ranks priors by it."
        )
    return replace(
        found,
        name=OF_PARAMETERS,
        verdict="info",
        table=table.head(_SHOWN).reset_index(drop=True),
        text=text,
    )


def _counted(table: pd.DataFrame, kind: str) -> str:
    """Say how many quantities of one kind are flagged, and as what."""
    mine = table.loc[table["kind"] == kind, "diagnosis"]
    flagged = mine[mine != NO_SIGN].value_counts()
    if not len(mine):
        return f"There are no {kind}."
    said = ", ".join(f"{n} {diagnosis}" for diagnosis, n in flagged.items())
    return f"Of {len(mine)} {kind}, {flagged.sum()} are flagged{f' ({said})' if said else ''}."


def _named(signs: pd.DataFrame) -> str:
    """Name the variables whose entries are flagged, effects first."""
    by = signs.groupby(["kind", "quantity"])["prior"].agg(["max", "size"]).reset_index()
    by = by.sort_values(["kind", "max"], ascending=[True, False], kind="stable")
    named = [f"{q} ({n})" for q, n in zip(by["quantity"], by["size"], strict=True)]
    others = f", and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return f"Flagged entries, most sensitive first: {', '.join(named[:_NAMED])}{others}."


def _forecasts(fit: Fit, densities: Densities, horizons: Sequence[float]) -> CheckResult:
    ids, groups = _spread(fit)
    drawn = patient_survival(fit, ids, horizons).drop_vars(PATIENT)
    labels = xr.DataArray(groups, dims=PATIENT, name=SUBGROUP)
    means = drawn.groupby(labels).mean().rename("mean survival").to_dataset()
    table = densities.scale(means, densities.tags).table
    one = densities.scale(drawn.to_dataset()).table
    one["of"] = [f"{groups[int(e.split(', ')[0])]}, {e.split(', ')[1]}" for e in one["entry"]]
    one["flagged"] = one["diagnosis"] != NO_SIGN
    single = one.groupby("of").agg(n=("flagged", "size"), k=("flagged", "sum"))
    said = dict(zip(single.index, _shares(single), strict=True))
    whole = table["scaled"] == ALL_PRIORS
    table["single patients flagged"] = [
        said[e] if w else "" for e, w in zip(table["entry"], whole, strict=True)
    ]
    flagged, of_means = int(one["flagged"].sum()), int((table["diagnosis"] != NO_SIGN).sum())
    moved = table[table["diagnosis"] != NO_SIGN]["shift"].abs().max()
    moves = one[one["flagged"]]["shift"].abs().max()
    ranked = table[~whole].sort_values("shift", key=abs, ascending=False).drop_duplicates("scaled")
    text = (
        f"Survival since origin, to raising priors or likelihood to a power (threshold "
        f"{THRESHOLD:g}). Means of {len(set(groups))} subgroups: {of_means} of {len(table)} rows "
        f"of the table are flagged. Of {len(ids)} single patients at {len(horizons)} times, "
        f"{size_words(flagged)} of {len(one)} forecasts are flagged{_as_what(one)}; the largest "
        f"prior sensitivity is {one['prior'].max():.2f}."
    )
    if len(ranked):
        text += f" {_movers(ranked)}"
    what = " and ".join(
        name
        for name, most in (("subgroup means", moved), ("single patients", moves))
        if most >= _MOVES
    )
    if what:
        text += f" The warning is of {what}. {_TO_TRY}"
    elif flagged or of_means:
        text += f" None that is flagged moves by {100 * _MOVES:g} percentage point or more."
    verdict: CheckVerdict = "warn" if what else "pass"
    # What moves a forecast most comes first.
    table = table.sort_values("shift", key=abs, ascending=False, kind="stable")
    return CheckResult(OF_FORECASTS, verdict, table.reset_index(drop=True), text, SENSITIVITY)


def _movers(ranked: pd.DataFrame) -> str:
    """Name the single priors that move mean survival most."""
    most = ranked.head(_NAMED)
    named = [
        f"{prior} ({100 * float(shift):+.1f} points, {entry})"
        for prior, shift, entry in zip(most["scaled"], most["shift"], most["entry"], strict=True)
    ]
    return (
        "What moves the mean survival of a subgroup, per doubling of the power of one prior, most "
        f"first: {', '.join(named)}."
    )


def _shares(single: pd.DataFrame) -> list[str]:
    """Share of single patients who are flagged, in tenths; none of few."""
    return [
        f"{round(10 * k / n) * 10:d}%" if n >= SMALLEST_CELL else HIDDEN
        for k, n in zip(single["k"], single["n"], strict=True)
    ]


def _as_what(one: pd.DataFrame) -> str:
    found = one.loc[one["flagged"], "diagnosis"].value_counts()
    return f" (most as {found.index[0]})" if len(found) else ""


def _spread(fit: Fit) -> tuple[list[str], list[str]]:
    """Patients of the fit, and their subgroups: as many of each as there is room for."""
    patients = fit.cohort.patients
    groups = patients[SUBGROUP].astype(str)
    each = max(1, _PATIENTS // groups.nunique())
    chosen = [
        rows.iloc[np.unique(np.linspace(0, len(rows) - 1, each).astype(int))]
        for _, rows in patients.groupby(SUBGROUP, sort=False, observed=True)
    ]
    ids = [str(p) for rows in chosen for p in rows[PATIENT_ID]]
    return ids, [str(g) for rows in chosen for g in rows[SUBGROUP]]
