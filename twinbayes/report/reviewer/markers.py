"""What a review says of markers: curves, hazards that follow them, and predictive coverage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr

from twinbayes.checks import CheckResult, PredictedVisits, marker_coverage
from twinbayes.inference import Fit
from twinbayes.model import CurveEncoding
from twinbayes.model.curves.waves import are_waves
from twinbayes.names import (
    ASSOCIATION,
    CHAIN,
    CURVE_COVARIATE,
    CURVE_TERM,
    DAY,
    DRAW,
    MARKER_WITH_WAVES,
    PATIENT_ID,
    POSTERIOR,
    SUBGROUP,
)
from twinbayes.twin import Twin

_DRAWS: Final = 200  # replicated measurements of each visit


@dataclass(frozen=True, eq=False)
class MarkerEvidence:
    """What a review knows of the markers of a fit.

    Attributes
    ----------
    curves
        One row a coefficient: mean and interval of the population, standard deviation of patients.
    associations
        One row a feature of a marker and transition: hazard ratio per unit, with interval.
    visits
        Visits of each marker and their replicates.
    coverage
        How often predictive intervals hold what was measured.
    """

    curves: pd.DataFrame
    associations: pd.DataFrame
    visits: tuple[PredictedVisits, ...]
    coverage: CheckResult


def marker_evidence(fit: Fit, interval: float) -> MarkerEvidence | None:
    """Compute what a review says of markers; None for models without trajectories."""
    if fit.learnt.curves is None:
        return None
    visits = replicated_visits(fit)
    return MarkerEvidence(
        curves=_curves(fit, fit.learnt.curves, interval),
        associations=_associations(fit, interval),
        visits=visits,
        coverage=marker_coverage(visits, level=interval),
    )


def replicated_visits(fit: Fit, draws: int = _DRAWS) -> tuple[PredictedVisits, ...]:
    """Visits of every marker, each with measurements drawn given all visits of the patient."""
    cohort, learnt = fit.cohort, fit.learnt.curves
    if learnt is None or cohort.visits is None:
        return ()
    total = fit.datatree[POSTERIOR].sizes[CHAIN] * fit.datatree[POSTERIOR].sizes[DRAW]
    twin: Twin = fit.twin(draws=min(draws, total))
    subgroup = cohort.patients.set_index(PATIENT_ID)[SUBGROUP]
    known = cohort.visits.groupby("marker")
    parts: dict[str, list[np.ndarray]] = {m.marker: [] for m in learnt.markers}
    tables: dict[str, list[pd.DataFrame]] = {m.marker: [] for m in learnt.markers}
    by_patient = {m: dict(list(known.get_group(m).groupby(PATIENT_ID))) for m in parts}
    for i, patient in enumerate(cohort.patient_ids):
        if not any(patient in some for some in by_patient.values()):
            continue
        curves = twin.curves(i)
        for marker, some in by_patient.items():
            if patient in some:
                mine = some[patient]
                tables[marker].append(mine)
                parts[marker].append(curves.measured(marker, mine[DAY].to_numpy(dtype=float)))
    out = []
    for marker, parts_of in tables.items():
        rows = pd.concat(parts_of)
        out.append(
            PredictedVisits(
                marker=marker,
                day=rows[DAY].to_numpy(dtype=np.float64),
                value=rows["value"].to_numpy(dtype=np.float64),
                censored=rows["censored"].fillna("none").to_numpy(dtype=str),
                subgroup=subgroup.loc[rows[PATIENT_ID]].to_numpy(),
                replicated=np.concatenate(parts[marker]),
            )
        )
    return tuple(out)


def _curves(fit: Fit, learnt: CurveEncoding, interval: float) -> pd.DataFrame:
    posterior = fit.datatree[POSTERIOR].to_dataset()
    level = posterior["curve_effect"].isel({CURVE_COVARIATE: 0})
    spread = posterior["patient_sd"].mean((CHAIN, DRAW)).to_series()
    terms = [str(t) for t in level[CURVE_TERM].to_numpy()]
    frame = _summed_up(terms, level, interval)
    if MARKER_WITH_WAVES in posterior.dims:
        # A wave by itself says nothing; how large and how slow all of them are does.
        waves = are_waves(learnt.markers)
        names = [str(m) for m in posterior[MARKER_WITH_WAVES].to_numpy()]
        frame = pd.concat(
            [
                frame[~waves],
                _summed_up(
                    [f"{m}: amplitude of waves" for m in names],
                    posterior["curve_amplitude"],
                    interval,
                ),
                _summed_up(
                    [f"{m}: lengthscale of waves, years" for m in names],
                    posterior["curve_lengthscale"],
                    interval,
                ),
            ],
            ignore_index=True,
        )
    frame["patients' standard deviation"] = frame["coefficient"].map(spread.to_dict())
    return frame


def _summed_up(labels: list[str], draws: xr.DataArray, interval: float) -> pd.DataFrame:
    low, high = (draws.quantile(q, (CHAIN, DRAW)).to_numpy() for q in _tails(interval))
    mean = draws.mean((CHAIN, DRAW)).to_numpy()
    return pd.DataFrame({"coefficient": labels, "mean": mean, "lower": low, "upper": high})


def _associations(fit: Fit, interval: float) -> pd.DataFrame:
    posterior = fit.datatree[POSTERIOR].to_dataset()
    columns = ["feature", "hazard ratio", "lower", "upper"]
    if "association" not in posterior:
        return pd.DataFrame(columns=columns)
    ratio = xr.apply_ufunc(np.exp, posterior["association"])
    low, high = (ratio.quantile(q, (CHAIN, DRAW)) for q in _tails(interval))
    values = (ratio.median((CHAIN, DRAW)), low, high)
    labels = [str(a) for a in ratio[ASSOCIATION].to_numpy()]
    return pd.DataFrame(dict(zip(columns, (labels, *(v.to_numpy() for v in values)), strict=True)))


def _tails(interval: float) -> tuple[float, float]:
    return (1 - interval) / 2, (1 + interval) / 2
