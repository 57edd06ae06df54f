"""How much parameters and forecasts depend on the priors, summed up for a reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import xarray as xr

from twinbayes.checks.result import SENSITIVITY, CheckResult, CheckVerdict
from twinbayes.checks.sensitivity.power_scaling import NAME, NO_SIGN
from twinbayes.checks.sensitivity.priors import Densities, patient_survival
from twinbayes.inference import Fit
from twinbayes.names import PATIENT, PATIENT_ID, SUBGROUP

OF_PARAMETERS: Final = f"{NAME} of parameters"
OF_FORECASTS: Final = f"{NAME} of forecasts"
_DRAWS: Final = 1000
_PATIENTS: Final = 48
_SHOWN: Final = 20  # rows of parameters


def sensitivity_of(fit: Fit, horizons: Sequence[float]) -> tuple[CheckResult, CheckResult]:
    """Check parameters against all priors, and survival against each entry alone as well.

    Parameters come with the most sensitive first. Rows of forecasts are means over patients of each
    subgroup; of single patients the text says how many are flagged, and names nobody.
    """
    few = fit.thinned(_DRAWS)
    densities = Densities.of(few)
    return _parameters(few, densities), _forecasts(few, densities, horizons)


def _parameters(fit: Fit, densities: Densities) -> CheckResult:
    found = densities.scale(densities.parameters(fit))
    signs = found.table[found.table["diagnosis"] != NO_SIGN]
    shown = signs if len(signs) else found.table
    table = shown.sort_values("prior", ascending=False, kind="stable").head(_SHOWN)
    return replace(found, name=OF_PARAMETERS, table=table.reset_index(drop=True))


def _forecasts(fit: Fit, densities: Densities, horizons: Sequence[float]) -> CheckResult:
    ids, groups = _spread(fit)
    drawn = patient_survival(fit, ids, horizons).drop_vars(PATIENT)
    labels = xr.DataArray(groups, dims=PATIENT, name=SUBGROUP)
    means = drawn.groupby(labels).mean().rename("mean survival").to_dataset()
    found = densities.scale(means, densities.tags)
    one = densities.scale(drawn.to_dataset()).table
    flagged = int((one["diagnosis"] != NO_SIGN).sum())
    text = (
        f"Survival since origin, means of {len(set(groups))} subgroups: {found.text} Of single "
        f"patients, {flagged} of {len(one)} forecasts are flagged; the largest prior sensitivity "
        f"is {one['prior'].max():.2f}."
    )
    verdict: CheckVerdict = "warn" if flagged or found.verdict == "warn" else "pass"
    table = found.table.sort_values(["entry", "prior"], ascending=[True, False], kind="stable")
    return CheckResult(OF_FORECASTS, verdict, table.reset_index(drop=True), text, SENSITIVITY)


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
