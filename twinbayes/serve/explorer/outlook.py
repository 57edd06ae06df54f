"""What is known and foreseen of one patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from twinbayes.report.patient.scenarios import Pair
from twinbayes.twin import Twin


@dataclass(frozen=True)
class PatientRow:
    """One line of the list of patients.

    Attributes
    ----------
    pseudonym, patient_id
        Names, for the address and for those who may see it.
    subgroup, centre, state
        As the cohort and the model spell them.
    day
        Last day known, since origin.
    has_ended
        Whether the state is never left.
    n_missing
        Covariates of the model that are not known.
    """

    pseudonym: str
    patient_id: str
    subgroup: str
    centre: str
    state: str
    day: float
    has_ended: bool
    n_missing: int


@dataclass(frozen=True, eq=False)
class Outlook:
    """A forecast of one patient, and what has to be known before it is read.

    Attributes
    ----------
    row
        The patient.
    twin
        At the landmark.
    forecast
        As `Twin.forecast` returns it.
    horizons
        Days since the landmark at which numbers are written out.
    cautions
        Key of a sentence, and what it is filled in with.
    quality
        As `Twin.quality_adjusted_time` returns it; None where nothing says what a day counts.
    """

    row: PatientRow
    twin: Twin
    forecast: xr.Dataset
    horizons: tuple[float, ...]
    cautions: tuple[tuple[str, Mapping[str, Any]], ...]
    quality: xr.Dataset | None


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two ways of treating one patient.

    Attributes
    ----------
    outlook
        Under the policy of the data.
    pair
        The two ways.
    a, b
        Forecasts under the first and the second.
    contrast
        As `Twin.contrast` returns it: a minus b.
    """

    outlook: Outlook
    pair: Pair
    a: xr.Dataset
    b: xr.Dataset
    contrast: xr.Dataset
