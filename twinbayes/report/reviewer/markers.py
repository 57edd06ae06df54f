"""What a review says of markers: curves, hazards that follow them, and predictive coverage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from twinbayes.checks import CheckResult, PredictedVisits, marker_coverage
from twinbayes.checks.calibration.replicated_visits import replicated_visits
from twinbayes.inference import Fit
from twinbayes.model import CurveEncoding
from twinbayes.model.curves.waves import are_waves
from twinbayes.names import (
    ASSOCIATION,
    CHAIN,
    CURVE_COVARIATE,
    CURVE_TERM,
    DRAW,
    MARKER_WITH_WAVES,
    POSTERIOR,
)


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
