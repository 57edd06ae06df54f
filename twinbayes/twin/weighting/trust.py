"""Whether a patient's draws still serve, or the model should be fitted again with the patient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import pandas as pd

from twinbayes.model import CurveEncoding, Learnt
from twinbayes.names import CENSORED, DAY, MARKER, NEEDS_REFIT, PATIENT_ID, VISIT_VALUE
from twinbayes.twin.curves.patient import PatientCurves
from twinbayes.twin.weighting.importance import largest_shape
from twinbayes.twin.weighting.patient_draws import PatientDraws

_FEWEST_DRAWS: Final = 100.0
_LEAST_EFFICIENT: Final = 0.1
_SURPRISING: Final = 4.0


@dataclass(frozen=True)
class Trust:
    """What the draws of one patient went through.

    Attributes
    ----------
    pareto_k, ess
        Of the weights; NaN and the number of draws where there are none.
    efficiency
        Of the draws of curves; NaN without trajectories.
    is_weighted
        Whether the draws have weights.
    """

    pareto_k: float
    ess: float
    efficiency: float
    is_weighted: bool

    @classmethod
    def of(cls, drawn: PatientDraws) -> Trust:
        """Read off one patient's draws."""
        weights, curves = drawn.weights, drawn.curves
        return cls(
            float("nan") if weights is None else weights.pareto_k,
            float(drawn.population.n_draws) if weights is None else weights.ess,
            float("nan") if curves is None else curves.efficiency,
            weights is not None,
        )

    def row(self, surprise: float, n_draws: int, *, is_beyond: bool) -> dict[str, object]:
        """One patient's row of `Twin.reliability`.

        Parameters
        ----------
        surprise
            Largest absolute z of a new visit, NaN without any.
        n_draws
            Of the population.
        is_beyond
            Whether the landmark lies beyond the longest follow-up of the fit.
        """
        reasons = self._reasons(surprise, n_draws)
        if is_beyond:
            reasons.append("the landmark lies beyond the longest follow-up of the fit")
        return {
            "pareto_k": self.pareto_k,
            "ess": self.ess,
            "proposal_efficiency": self.efficiency,
            "surprise": surprise,
            NEEDS_REFIT: bool(reasons),
            "reason": "; ".join(reasons),
        }

    def _reasons(self, surprise: float, n_draws: int) -> list[str]:
        reasons = []
        limit = largest_shape(n_draws)
        if self.is_weighted and not self.pareto_k <= limit:  # nor may it be unknown
            reasons.append(f"the weights have too heavy a tail (Pareto k above {limit:.2f})")
        if self.is_weighted and self.ess < _FEWEST_DRAWS:
            reasons.append(f"fewer than {_FEWEST_DRAWS:.0f} effective draws are left")
        if self.efficiency < _LEAST_EFFICIENT:
            reasons.append(f"proposals of curves are less than {_LEAST_EFFICIENT:.0%} efficient")
        if surprise > _SURPRISING:
            reasons.append(f"a new visit lies more than {_SURPRISING:.0f} standard deviations off")
        return reasons


def surprises(
    learnt: CurveEncoding | None, curves_of: Callable[[str], PatientCurves], visits: pd.DataFrame
) -> dict[str, float]:
    """Largest absolute z of each patient's new visits, by patient; see `surprise_of`.

    Parameters
    ----------
    learnt
        The markers that have curves.
    curves_of
        The curves of a patient before the visits were known.
    visits
        The new visits, with patient_id.
    """
    out: dict[str, float] = {}
    modelled = [] if learnt is None else [m.marker for m in learnt.markers]
    mine = visits[visits[MARKER].isin(modelled)]
    for (patient, marker), some in mine.groupby([PATIENT_ID, MARKER], sort=False):
        z = surprise_of(curves_of(str(patient)), str(marker), some)
        if z is not None:
            out[str(patient)] = max(out.get(str(patient), 0.0), z)
    return out


def surprise_of(curves: PatientCurves, marker: str, visits: pd.DataFrame) -> float | None:
    """Largest absolute z of a patient's new visits of one marker, None if nothing is compared.

    Each visit is compared with the forecast made before it was known, `curves`: a measurement on
    its day, on the marker's transformed scale, taken as normal with the mean and the variance of
    the draws. Signs, grades and counts are not compared.
    """
    learnt = curves.population.learnt
    scale = learnt.get(marker)
    if not scale.family.transformable:  # any grade, sign or count may be measured
        return None
    paths = curves.marker(marker, visits[DAY].to_numpy(dtype=np.float64))
    own = curves.population.parameter[learnt.markers.index(scale), 0]
    noise = np.mean((own * scale.scale) ** 2)
    values = visits[VISIT_VALUE].to_numpy(dtype=np.float64)
    seen = np.log(values) if scale.transform == "log" else values
    z = (seen - paths.mean(axis=1)) / np.sqrt(paths.var(axis=1) + noise)
    side = visits[CENSORED].fillna("none").map({"left": -1, "right": 1}).to_numpy()
    # beyond a limit, only a forecast on the other side of it is a surprise
    z = np.where(np.isnan(side), np.abs(z), np.maximum(z * side, 0.0))
    return float(z.max())


class Updated(Protocol):
    """Patients that may have been updated; see `Patients`."""

    @property
    def learnt(self) -> Learnt:
        """What the model has learnt before sampling."""

    @property
    def patient_ids(self) -> tuple[str, ...]:
        """Identifiers."""

    @property
    def change(self) -> Update | None:
        """The last update."""

    def curves(self, i: int) -> PatientCurves:
        """Curves of patient `i`."""


class Update(Protocol):
    """One update; see `Change`."""

    @property
    def before(self) -> Updated:
        """The patients as they were before."""

    @property
    def visits(self) -> pd.DataFrame:
        """The rows that were added."""


def all_surprises(change: Update | None) -> dict[str, float]:
    """Largest absolute z of the visits that this update and those before have added, by patient."""
    out: dict[str, float] = {}
    while change is not None:
        before = change.before

        def curves_of(patient: str, before: Updated = before) -> PatientCurves:
            return before.curves(before.patient_ids.index(patient))

        for patient, z in surprises(before.learnt.curves, curves_of, change.visits).items():
            out[patient] = max(out.get(patient, 0.0), z)
        change = before.change
    return out
