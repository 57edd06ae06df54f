"""The fit that a twin comes from: whom it has seen, and its provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from twinbayes.cohort import Cohort
from twinbayes.model.events.rows import Floats
from twinbayes.names import (
    CENTRE,
    DAY,
    EVENT,
    EVENTS,
    PATIENT_ID,
    SUBGROUP,
    TERMINAL_EVENTS,
    TREATMENTS,
    VISITS,
)
from twinbayes.priors import PriorSet

if TYPE_CHECKING:
    from twinbayes.twin.twin import Twin


@dataclass(frozen=True)
class SeenByFit:
    """The fit behind a twin.

    Attributes
    ----------
    cohort
        The fitted cohort.
    weight
        How much each of its patients counted: 0 for those left out.
    manifest
        Provenance of the fit.
    priors
        Under which the model was fitted; None if they are not known.
    """

    cohort: Cohort = field(repr=False)
    weight: Floats = field(repr=False)
    manifest: Mapping[str, Any] = field(repr=False)
    priors: PriorSet | None = field(default=None, repr=False)

    @cached_property
    def longest(self) -> float:
        """Days of the longest follow-up of the fit."""
        counted = np.array(self.cohort.patient_ids)[self.weight > 0]
        days = self.cohort.events.loc[self.cohort.events[PATIENT_ID].isin(counted), DAY]
        return float(days.max()) if len(days) else 0.0

    @cached_property
    def last_days(self) -> dict[str, float]:
        """Day of each patient's death or last contact, as fitted."""
        return last_days(self.cohort)

    @cached_property
    def _baseline(self) -> pd.DataFrame:
        return _baseline(self.cohort)

    def shares(self, cohort: Cohort) -> Floats:
        """How much the fit has seen of each patient of a cohort: 0 of somebody else.

        A patient is the same as one of the fit if identifier, subgroup, centre and all baseline
        covariates are.
        """
        theirs, own = self._baseline, _baseline(cohort)
        if set(theirs.columns) != set(own.columns):
            return np.zeros(cohort.n_patients)
        position = theirs.index.get_indexer(own.index)
        known = theirs.iloc[np.maximum(position, 0)][list(own.columns)]
        a, b = (x.astype(object).to_numpy() for x in (own, known))
        equal = (a == b) | (pd.isna(a) & pd.isna(b))
        same = (position >= 0) & equal.all(axis=1)
        return np.where(same, self.weight[np.maximum(position, 0)], 0.0)

    def record_of(self, cohort: Cohort) -> Cohort:
        """What the fit has seen of the patients of a cohort, up to the last day of each there."""
        mine = self.cohort.select(cohort.patient_ids)
        return mine.until(last_days(cohort))


def as_fitted(twin: Twin, shares: Floats) -> Twin | None:
    """Twins, as the fit has seen them, of the patients whose record is another in this twin.

    Parameters
    ----------
    shares
        How much the fit has seen of each patient.
    """
    fit, ids = twin.seen, twin.patient_ids
    known = [p for p, share in zip(ids, shares, strict=True) if share > 0.0]
    if fit is None or not known:
        return None
    if (whole := _last_as_fitted(twin, shares)) is not None:
        return whole
    mine = twin.cohort if len(known) == len(ids) else twin.cohort.select(known)
    seen = fit.record_of(mine)
    changed = differing(mine, seen)
    counted = dict(zip(ids, shares, strict=True))
    other = [p for p in known if p in changed or counted[p] != 1.0]
    if not other:
        return None
    return replace(twin, cohort=seen.select(other), seen=None, change=None)


def _last_as_fitted(twin: Twin, shares: Floats) -> Twin | None:
    """The twin before the updates, if it has the whole record that the fit has of everybody.

    It spares cutting the fitted cohort again: no later landmark shows more of it.
    """
    if twin.change is None or twin.seen is None or not np.all(shares == 1.0):
        return None
    before = twin.change.before
    if before.change is not None:
        return _last_as_fitted(before, shares)
    seen = twin.seen.last_days
    as_long = all(seen[p] <= day for p, day in last_days(before.cohort).items())
    return before if as_long and before.is_as_fitted else None


def last_days(cohort: Cohort) -> dict[str, float]:
    """Day of each patient's death or last contact."""
    ends = cohort.events[cohort.events[EVENT].isin(TERMINAL_EVENTS)]
    return dict(zip(ends[PATIENT_ID].astype(str), ends[DAY].astype(float), strict=True))


def differing(a: Cohort, b: Cohort) -> set[str]:
    """Patients whose visits, events or treatments are not the same in two cohorts."""
    out: set[str] = set()
    for table in (VISITS, EVENTS, TREATMENTS):
        one, two = a.tables.get(table), b.tables.get(table)
        if one is None or two is None:
            rest = one if two is None else two
            out |= set() if rest is None else set(rest[PATIENT_ID].astype(str))
        elif not one.equals(two):
            both = pd.concat([one, two], ignore_index=True)
            out |= set(both[~both.duplicated(keep=False)][PATIENT_ID].astype(str))
    return out


def _baseline(cohort: Cohort) -> pd.DataFrame:
    """Subgroup, centre and covariates, by patient."""
    place = cohort.patients.set_index(PATIENT_ID)[[SUBGROUP, CENTRE]]
    return place.join(cohort.covariates())
