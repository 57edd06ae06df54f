"""Laboratory and quality-of-life visits of the simulated registry.

What is measured depends on the patient's state, the time in it and the transplant, beside a
patient effect; the hazards do not depend on what is measured. Residual disease and platelets
have detection limits, recorded as left-censored at the limit. Visits are skipped at random, more
often at far centres; questionnaires stop for good sooner in patients whose last score was bad.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame

from twinbayes import names
from twinbayes.arrays import Bools, Floats
from twinbayes.datasets.simulated.paths import INDUCTION, RELAPSE, REMISSION
from twinbayes.datasets.simulated.patients import FAR_CENTRES
from twinbayes.datasets.simulated.truth import MarkerTruth, RegistryTruth
from twinbayes.names import CENSORED, DAYS_PER_YEAR, VISIT_VALUE

# Planned days since diagnosis. Blood values at diagnosis are baseline covariates instead.
_PLANNED: Final = np.array(
    [0, 28, 56, 91, 182, 273, 365, 547, 730, 912, 1095, 1460, 1825, 2190, 2555, 2920], dtype=float
)
_LABORATORY: Final = _PLANNED > 0
_QUESTIONNAIRE: Final = np.isin(_PLANNED, (0, 91, 182, 365, 730, 1095, 1460, 1825, 2555))
_JITTER_DAYS: Final = 7
_QOL: Final = ("global_health", "fatigue")
_LOG10: Final = ("residual_disease_pct", "platelet_count")
_LIMIT: Final = {"residual_disease_pct": 0.01, "platelet_count": 5.0}
# Marker -> lowest and highest value recorded, and decimals.
_RANGE: Final[Mapping[str, tuple[float, float, int]]] = {
    "residual_disease_pct": (0.0, 100.0, 4),
    "haemoglobin": (3.0, 19.0, 1),
    "platelet_count": (0.0, 1200.0, 0),
    "global_health": (0.0, 100.0, 0),
    "fatigue": (0.0, 100.0, 0),
}
_SKIPPED: Final = 0.07  # twice that at far centres
_FAILED: Final = 0.04
# Chance, per questionnaire, that it is the last one, at a global health of 50.
_DROPOUT: Final = 0.06


def simulate_visits(
    truth: RegistryTruth,
    patients: DataFrame,
    events: DataFrame,
    treatments: DataFrame,
    rng: np.random.Generator,
    *,
    complete: bool = False,
) -> DataFrame:
    """Draw the visits table for patients whose recorded histories are known.

    Parameters
    ----------
    truth
        Holds the markers.
    patients, events, treatments
        Tables of the data contract; visits end with follow-up.
    rng
        Source of randomness.
    complete
        Keep every planned visit; detection limits apply all the same.
    """
    ids = pd.Index(patients[names.PATIENT_ID])

    def day_of(event: str) -> Floats:
        rows = events[events[names.EVENT] == event].set_index(names.PATIENT_ID)
        return rows[names.DAY].reindex(ids).to_numpy(dtype=float)

    entered = {
        INDUCTION: np.zeros(len(ids)),
        REMISSION: day_of("complete_remission"),
        RELAPSE: day_of("relapse"),
    }
    transplant = treatments.set_index(names.PATIENT_ID)["start_day"].reindex(ids)
    end = np.fmin(day_of(names.DEATH), day_of(names.LAST_CONTACT))
    # One visit has one day: whatever is measured then shares it.
    shift = rng.integers(-_JITTER_DAYS, _JITTER_DAYS, (len(ids), len(_PLANNED)), endpoint=True)
    days = np.where(_PLANNED > 0, _PLANNED + shift, 0.0)
    happened = days <= end[:, None]
    if not complete:
        far = patients[names.CENTRE].isin(FAR_CENTRES).to_numpy()
        happened &= rng.random(days.shape) > np.where(far, 2 * _SKIPPED, _SKIPPED)[:, None]

    values = {
        marker: _values(spec, days, entered, transplant.to_numpy(dtype=float), rng)
        for marker, spec in truth.markers.items()
    }
    recorded = {marker: _recorded(marker, value) for marker, value in values.items()}
    taken = {
        marker: happened & (_QUESTIONNAIRE if marker in _QOL else _LABORATORY) for marker in values
    }
    if not complete:
        still = _before_dropout(recorded["global_health"][0], taken["global_health"], rng)
        for marker in taken:
            taken[marker] &= rng.random(days.shape) > _FAILED
            if marker in _QOL:
                taken[marker] &= still
    return pd.concat(
        [
            _long(ids, days, *recorded[marker], taken[marker]).assign(marker=marker)
            for marker in values
        ],
        ignore_index=True,
    )


def _values(
    marker: MarkerTruth,
    days: Floats,
    entered: Mapping[str, Floats],
    transplant: Floats,
    rng: np.random.Generator,
) -> Floats:
    """Draw values on the model's scale, shape (patient, planned visit)."""
    value = np.zeros(days.shape)
    for state, entry in entered.items():
        years = (days - entry[:, None]) / DAYS_PER_YEAR
        # A state never entered has NaN years, and NaN >= 0 is false.
        value = np.where(years >= 0, marker.level[state] + marker.slope[state] * years, value)
    value += marker.transplant * (days >= transplant[:, None])
    value += rng.normal(0, marker.patient_sd, (len(days), 1))
    return value + rng.normal(0, marker.error_sd, days.shape)


def _recorded(marker: str, value: Floats) -> tuple[Floats, Bools]:
    """Return values in units and within bounds, and which of them stand for a limit."""
    low, high, digits = _RANGE[marker]
    limit = _LIMIT.get(marker, -np.inf)
    shown = np.clip(10.0**value if marker in _LOG10 else value, low, high).round(digits)
    below = shown < limit
    return np.where(below, limit, shown), below


def _before_dropout(health: Floats, taken: Bools, rng: np.random.Generator) -> Bools:
    """Mark the visits up to the last questionnaire that a patient fills in.

    Whether it is the last depends on the score just given, which is on record: missing at
    random.
    """
    odds = _DROPOUT / (1 - _DROPOUT) * np.exp(-0.045 * (health - 50))
    last = taken & (rng.random(health.shape) < odds / (1 + odds))
    earlier = np.cumsum(last, axis=1) - last
    filled_in: NDArray[np.bool_] = earlier == 0
    return filled_in


def _long(ids: pd.Index, days: Floats, value: Floats, below: Bools, taken: Bools) -> DataFrame:
    who, visit = np.nonzero(taken)
    return DataFrame(
        {
            names.PATIENT_ID: ids[who],
            names.DAY: days[who, visit],
            VISIT_VALUE: value[who, visit],
            CENSORED: np.where(below[who, visit], "left", "none"),
        }
    )
