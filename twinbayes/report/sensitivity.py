"""What a review says of priors: how much parameters and forecasts depend on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import xarray as xr

from twinbayes.checks import CheckResult
from twinbayes.checks.power_scaling import NAME, NO_SIGN
from twinbayes.checks.prior_sensitivity import (
    SURVIVAL,
    patient_survival,
    prior_sensitivity,
    with_fewer_draws,
)
from twinbayes.checks.result import CheckVerdict
from twinbayes.inference import Fit
from twinbayes.inference.log_prior import log_prior
from twinbayes.names import PATIENT, PATIENT_ID, SUBGROUP

OF_PARAMETERS: Final = f"{NAME} of parameters"
OF_FORECASTS: Final = f"{NAME} of forecasts"
_DRAWS: Final = 1000
_PATIENTS: Final = 48
_SHOWN: Final = 20  # rows of parameters


def sensitivity_of_parameters(fit: Fit) -> CheckResult:
    """Check parameters against all priors together; the table has what is most sensitive."""
    found = prior_sensitivity(with_fewer_draws(fit, _DRAWS))
    told = found.table[found.table["diagnosis"] != NO_SIGN]
    shown = told if len(told) else found.table
    table = shown.sort_values("prior", ascending=False, kind="stable").head(_SHOWN)
    return replace(found, name=OF_PARAMETERS, table=table.reset_index(drop=True))


def sensitivity_of_forecasts(fit: Fit, horizons: Sequence[float]) -> CheckResult:
    """Check survival since origin against all priors together, and against each entry alone.

    Rows are means over patients of each subgroup, and the patient who is most sensitive, unnamed.
    """
    few = with_fewer_draws(fit, _DRAWS)
    ids, groups = _spread(fit)
    drawn = patient_survival(few, ids, horizons)
    tags = [str(name) for name in log_prior(few)]
    labels = xr.DataArray(groups, dims=PATIENT, name=SUBGROUP)
    means = drawn.drop_vars(PATIENT).groupby(labels).mean()
    found = prior_sensitivity(few, means.rename("mean survival").to_dataset(), tags=tags)
    one = prior_sensitivity(few, drawn.drop_vars(PATIENT).rename(SURVIVAL).to_dataset()).table
    worst = one.sort_values("prior", ascending=False, kind="stable").iloc[0]
    flagged = int((one["diagnosis"] != NO_SIGN).sum())
    text = (
        f"Survival since origin, means of {len(set(groups))} subgroups: {found.text} Of single "
        f"patients, {flagged} of {len(one)} forecasts are flagged; the largest prior sensitivity "
        f"is {worst['prior']:.2f}."
    )
    verdict: CheckVerdict = "warn" if flagged or found.verdict == "warn" else "pass"
    table = found.table.sort_values(["entry", "prior"], ascending=[True, False], kind="stable")
    return CheckResult(OF_FORECASTS, verdict, table.reset_index(drop=True), text)


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
