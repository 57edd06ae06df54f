"""How each record's log-likelihood changes with the effects of a fit, draw by draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import xarray as xr

from twinbayes.arrays import Floats
from twinbayes.errors import ModelError
from twinbayes.inference import Fit
from twinbayes.inference.densities.likelihood import patient_loglik
from twinbayes.names import (
    BETA,
    CENTRE_EFFECT,
    CHAIN,
    DRAW,
    EFFECT,
    ENTRY_ERA_EFFECT,
    FRAILTY_EFFECT,
    LOG_BASELINE,
    LOG_BASELINE_AT_EVENT,
    PATIENT,
    POSTERIOR,
    SUBGROUP_EFFECT,
    TIME_VARYING_EFFECT,
    TRANSITION,
    TREATMENT_EFFECT,
    TREATMENT_HETEROGENEITY,
    TREATMENT_SUBGROUP_EFFECT,
)

_STEP: Final = 1e-3  # of the derivatives; their error is its square
_EFFECT_LAWS: Final = (TREATMENT_EFFECT, TREATMENT_HETEROGENEITY)
_HAZARDS: Final = (
    LOG_BASELINE, LOG_BASELINE_AT_EVENT, BETA, SUBGROUP_EFFECT, CENTRE_EFFECT,
    TREATMENT_SUBGROUP_EFFECT, ENTRY_ERA_EFFECT, TIME_VARYING_EFFECT, FRAILTY_EFFECT,
)  # fmt: skip


@dataclass(frozen=True)
class RecordScores:
    """Derivatives of each patient's log-likelihood along shifts of effects.

    Attributes
    ----------
    fit
        The fit; every draw that it has is used.
    """

    fit: Fit

    @cached_property
    def posterior(self) -> xr.Dataset:
        """Draws of what hazards depend on, but for curves.

        Raises
        ------
        FitError
            Records of patients whom the draws have seen are elsewhere.
        """
        self.fit.require_all_patients("What answers owe to the data")
        posterior = self.fit.datatree[POSTERIOR].to_dataset()
        return posterior[
            [n for n in map(str, posterior) if n in _HAZARDS or n.startswith(_EFFECT_LAWS)]
        ]

    def of_treatment(self, label: str) -> tuple[Floats, Floats]:
        """(draw, patient) score and information of the records on a treatment effect."""
        name = TREATMENT_SUBGROUP_EFFECT
        return self._along({name: (self.posterior[name][EFFECT] == label).astype(float)})

    def of_baseline(self, label: str) -> tuple[Floats, Floats]:
        """(draw, patient) score and information of the records on a log baseline hazard."""
        names = [n for n in (LOG_BASELINE, LOG_BASELINE_AT_EVENT) if n in self.posterior]
        here = (self.posterior[TRANSITION] == label).astype(float)
        return self._along(dict.fromkeys(names, here))

    def _along(self, shift: Mapping[str, xr.DataArray]) -> tuple[Floats, Floats]:
        """First and negative second derivatives, weights of the patients included."""
        fit = self.fit

        def at(step: float) -> Floats:
            moved = self.posterior.assign(
                {k: self.posterior[k] + step * v for k, v in shift.items()}
            )
            found = patient_loglik(moved, fit.plan.events, fit.cohort.patient_ids, self.trails)
            return stacked(found, PATIENT)

        down, here, up = at(-_STEP), at(0.0), at(_STEP)
        return (
            fit.weights * (up - down) / (2.0 * _STEP),
            fit.weights * np.maximum(2.0 * here - up - down, 0.0) / _STEP**2,
        )

    @cached_property
    def trails(self) -> Floats | None:
        """(chain, draw, point) what the patients' curves add to their log hazards.

        At the points of the likelihood's quadrature; None where hazards follow no trajectory.

        Raises
        ------
        ModelError
            The likelihood of a patient was weighted: curves are drawn given the whole record.
        """
        if not self.fit.spec.associations:
            return None
        if not np.all(self.fit.weights == 1.0):
            raise ModelError(
                "Shares are not told of a joint model in which some patients count by a weight: "
                "their curves are drawn as if the whole record counted. Fit without weights, or "
                "without associations."
            )
        points, sizes = self.fit.plan.events.points, self.fit.datatree[POSTERIOR].sizes
        return self.fit.trails(points).reshape(sizes[CHAIN], sizes[DRAW], points.n_points)


def stacked(values: xr.DataArray, last: str) -> Floats:
    """(draw, last) with chains one after the other; other dims have one entry."""
    array = values.transpose(CHAIN, DRAW, last, ...).to_numpy()
    return np.asarray(array.reshape(-1, array.shape[2]), dtype=np.float64)
