"""How far the patients of a fit were followed, and which answers lie beyond that."""

from __future__ import annotations

import numpy as np
import xarray as xr

from twinbayes.arrays import Bools
from twinbayes.names import BEYOND_FOLLOW_UP, FOLLOWED_UNTIL, PATIENT, TIME
from twinbayes.twin.patients import Patients


def with_follow_up(dataset: xr.Dataset, patients: Patients) -> xr.Dataset:
    """Say which times of an answer lie beyond what anyone like each patient was followed.

    Returns
    -------
    Dataset
        With the coordinate `beyond_follow_up` (patient, time) where the fit is known; and, where
        any time lies beyond, the attributes `followed_until`, days from the landmark for which all
        patients are within, and `warning`.
    """
    days = patients.followed_for
    if days is None:
        return dataset
    times = dataset[TIME].to_numpy()
    beyond: Bools = (times > days[:, None]) & (times > 0.0)
    found = dataset.assign_coords({BEYOND_FOLLOW_UP: ((PATIENT, TIME), beyond)})
    if not beyond.any():
        return found
    until = max(float(days.min()), 0.0)
    said = (
        f"BEYOND THE FOLLOW-UP: from {until:g} days after the landmark on, nobody of the fit who "
        f"was once in the same state was followed so long, see the coordinate {BEYOND_FOLLOW_UP!r}:"
        " what is said of later days is the model's alone."
    )
    before = str(dataset.attrs.get("warning", ""))
    warning = f"{before} {said}".strip()
    return found.assign_attrs({"warning": warning, FOLLOWED_UNTIL: until})


def is_beyond(answer: xr.Dataset, day: float) -> bool:
    """Whether a day after the landmark lies beyond the follow-up for some patient of an answer."""
    return bool(day > answer.attrs.get(FOLLOWED_UNTIL, np.inf))
