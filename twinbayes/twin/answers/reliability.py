"""Whether a twin's draws still serve, or the model should be fitted again with the patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from twinbayes.names import DAY, MARKER, NEEDS_REFIT, PATIENT, PATIENT_ID
from twinbayes.twin.weighting.importance import largest_shape
from twinbayes.twin.weighting.patient_draws import PatientDraws

if TYPE_CHECKING:
    from twinbayes.twin.twin import Twin

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


def judge_patients(twin: Twin) -> pd.DataFrame:
    """Return one row a patient; see `Twin.reliability`."""
    surprises = surprises_of(twin)
    longest = np.inf if twin.seen is None else twin.seen.longest
    rows = []
    for i, patient in enumerate(twin.patient_ids):
        trust, surprise = twin.trust(i), surprises.get(patient, float("nan"))
        reasons = _reasons(trust, surprise, twin.population.n_draws)
        if twin.present[i].day > longest:
            reasons.append("the landmark lies beyond the longest follow-up of the fit")
        rows.append(
            {
                "pareto_k": trust.pareto_k,
                "ess": trust.ess,
                "proposal_efficiency": trust.efficiency,
                "surprise": surprise,
                NEEDS_REFIT: bool(reasons),
                "reason": "; ".join(reasons),
            }
        )
    return pd.DataFrame(rows, index=pd.Index(twin.patient_ids, name=PATIENT))


def warning_of(reliability: pd.DataFrame) -> dict[str, str]:
    """Return an attribute `warning` for datasets where some patient needs a refit."""
    bad = reliability[reliability[NEEDS_REFIT]]
    if bad.empty:
        return {}
    reasons = dict.fromkeys(r for some in bad["reason"] for r in some.split("; "))
    return {
        "warning": f"NEEDS REFIT: {len(bad)} of {len(reliability)} patient(s), see the coordinate "
        f"{NEEDS_REFIT!r}. Found: {'; '.join(reasons)}."
    }


def surprises_of(twin: Twin) -> dict[str, float]:
    """Largest absolute z of the visits that updates have added, by patient.

    Each visit is compared with the forecast made before its update: a measurement on its day, on
    the marker's transformed scale, taken as normal with the mean and the variance of the draws.
    Signs, grades and counts are not compared.
    """
    out: dict[str, float] = {}
    while twin.change is not None:
        before, visits = twin.change.before, twin.change.visits
        learnt = before.learnt.curves
        modelled = [] if learnt is None else [m.marker for m in learnt.markers]
        for (patient, marker), some in visits.groupby([PATIENT_ID, MARKER], sort=False):
            if marker not in modelled or learnt is None:
                continue
            curves = before.curves(before.patient_ids.index(str(patient)))
            k, scale = modelled.index(str(marker)), learnt.get(str(marker))
            if not scale.family.transformable:  # any grade, sign or count may be measured
                continue
            paths = curves.marker(str(marker), some[DAY].to_numpy(dtype=np.float64))
            noise = np.mean((curves.population.parameter[k, 0] * scale.scale) ** 2)
            values = some["value"].to_numpy(dtype=np.float64)
            seen = np.log(values) if scale.transform == "log" else values
            z = (seen - paths.mean(axis=1)) / np.sqrt(paths.var(axis=1) + noise)
            side = some["censored"].fillna("none").map({"left": -1, "right": 1}).to_numpy()
            # beyond a limit, only a forecast on the other side of it is a surprise
            z = np.where(np.isnan(side), np.abs(z), np.maximum(z * side, 0.0))
            out[str(patient)] = max(out.get(str(patient), 0.0), float(z.max()))
        twin = before
    return out


def _reasons(trust: Trust, surprise: float, n_draws: int) -> list[str]:
    reasons = []
    limit = largest_shape(n_draws)
    if trust.is_weighted and not trust.pareto_k <= limit:  # nor may it be unknown
        reasons.append(f"the weights have too heavy a tail (Pareto k above {limit:.2f})")
    if trust.is_weighted and trust.ess < _FEWEST_DRAWS:
        reasons.append(f"fewer than {_FEWEST_DRAWS:.0f} effective draws are left")
    if trust.efficiency < _LEAST_EFFICIENT:
        reasons.append(f"proposals of curves are less than {_LEAST_EFFICIENT:.0%} efficient")
    if surprise > _SURPRISING:
        reasons.append(f"a new visit lies more than {_SURPRISING:.0f} standard deviations off")
    return reasons
