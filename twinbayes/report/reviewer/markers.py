"""What a review says of markers: curves, hazards that follow them, and predictive coverage."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Final

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
    CURVE_EFFECT,
    CURVE_TERM,
    DRAW,
    MARKER_WITH_WAVES,
    PATIENT_SD,
    POSTERIOR,
)
from twinbayes.report.figures.look import words

_OF_FAMILIES: Final = "marker_"  # how the names of their parameters begin


@dataclass(frozen=True, eq=False)
class MarkerEvidence:
    """What a review knows of the markers of a fit.

    Attributes
    ----------
    curves
        One row a coefficient: mean and interval of the population, standard deviation of patients.
    scatter
        One row a number that a family of measurements has beside the curve, such as the standard
        deviation of a measurement around it (``marker_sd``): mean and interval.
    associations
        One row a feature of a marker and transition: hazard ratio per unit, with interval.
    visits
        Visits of each marker and their replicates.
    coverage
        How often predictive intervals hold what was measured.
    """

    curves: pd.DataFrame
    scatter: pd.DataFrame
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
        scatter=_scatter(fit, interval),
        associations=_associations(fit, interval),
        visits=visits,
        coverage=marker_coverage(visits, level=interval),
    )


def _curves(fit: Fit, learnt: CurveEncoding, interval: float) -> pd.DataFrame:
    posterior = fit.datatree[POSTERIOR].to_dataset()
    level = posterior[CURVE_EFFECT].isel({CURVE_COVARIATE: 0})
    spread = posterior[PATIENT_SD].mean((CHAIN, DRAW)).to_series()
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


def _scatter(fit: Fit, interval: float) -> pd.DataFrame:
    """Whatever is named ``marker_…`` in the posterior: what families have beside the curve."""
    posterior = fit.datatree[POSTERIOR].to_dataset()
    parts = []
    for name, draws in posterior.data_vars.items():
        if str(name).startswith(_OF_FAMILIES):
            own = [d for d in draws.dims if d not in (CHAIN, DRAW)]
            places = product(*(map(str, draws[d].to_numpy()) for d in own))
            labels = [": ".join([*place, words(str(name))]) for place in places]
            parts.append(_summed_up(labels, draws, interval))
    columns = ["coefficient", "mean", "lower", "upper"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _summed_up(labels: list[str], draws: xr.DataArray, interval: float) -> pd.DataFrame:
    low, high = (draws.quantile(q, (CHAIN, DRAW)).to_numpy().ravel() for q in _tails(interval))
    mean = draws.mean((CHAIN, DRAW)).to_numpy().ravel()
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
