"""Events of patients under a fit: those that happened, and those that it expected of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort
from twinbayes.errors import FitError
from twinbayes.inference import Fit, SharedFit
from twinbayes.inference.thinning import evenly_spaced
from twinbayes.model.events.draws import EventDraws
from twinbayes.model.events.evaluation import compensators
from twinbayes.model.events.packed import event_data
from twinbayes.model.events.quadrature import trail_points
from twinbayes.names import CENTRE, DAY, PATIENT_ID, POSTERIOR, SUBGROUP
from twinbayes.showing import brief

MOST_DRAWS: Final = 400
"""Draws of the fit that are used: their spread is wanted, and their mean to a few per mille."""


@brief
@dataclass(frozen=True)
class Counts:
    """Events by patient and transition.

    Attributes
    ----------
    observed
        (patient, transition) events that happened.
    expected
        (draw, patient, transition) events to be expected in the time that each patient was at
        risk, given the past: cumulative hazards under draws of the fit.
    transitions
        Labels, starts of treatments among them.
    subgroup, centre
        (patient,) labels.
    left_out
        Patients of subgroups that the fit has learnt nothing of: they are in none of the above.
    changed
        Patients of the fit, by their identifiers, who have another subgroup, centre or covariate
        now.

    Examples
    --------
    >>> from twinbayes.monitoring import count_stream
    >>> counts = count_stream(fit, tb.datasets.simulated_registry())
    >>> counts.expected.shape[1:] == counts.observed.shape
    True
    """

    observed: Floats = field(repr=False)
    expected: Floats = field(repr=False)
    transitions: tuple[str, ...]
    subgroup: np.ndarray = field(repr=False)
    centre: np.ndarray = field(repr=False)
    left_out: int = 0
    changed: int = 0

    def less(self, other: Counts) -> Counts:
        """What came after `other`, of the same patients."""
        return replace(
            self, observed=self.observed - other.observed, expected=self.expected - other.expected
        )


def count_stream(fit: Fit | SharedFit, cohort: Cohort, *, horizon: float | None = None) -> Counts:
    """Count what happened to patients and what a fit expected, without what it has learnt from.

    Parameters
    ----------
    fit
        The fit in use. Of its own patients, known by their identifiers, only what came after the
        end of their record in the fit is counted. A fit without patients cannot know them:
        `cohort` then has to be of others.
    cohort
        Records as they are known now.
    horizon
        Count up to this day since origin; default: all.

    Returns
    -------
    Counts
        One row a patient of the cohort whose subgroup the fit knows.

    Raises
    ------
    FitError
        Hazards follow curves: what is expected would rest on values that are not known in time.
    ModelError
        The cohort does not fit the model.

    Notes
    -----
    Events that lie between two days are dated in the middle. An event that is entered later than
    the last contact of its patient is missed until then, and looks like an improvement.

    Source: Aalen, Borgan & Gjessing (2008), Survival and Event History Analysis, section 2.2.

    Examples
    --------
    >>> from twinbayes.monitoring import count_stream
    >>> count_stream(fit, fit.cohort).observed.sum()  # the fit has seen all of it
    np.float64(0.0)
    """
    if fit.spec.associations:
        raise FitError(
            f"The hazards of {fit.spec.name!r} follow curves of markers, and what is expected of a "
            "patient would rest on values yet to come. Monitor a fit without associations."
        )
    cohort = cohort.dated() if horizon is None else cohort.dated().until(horizon)
    known = cohort.patients[SUBGROUP].astype(str).isin(fit.learnt.encoding.subgroups).to_numpy()
    if not known.any():
        raise FitError(
            "The fit has learnt nothing of any subgroup of this cohort: it may be of another "
            "disease. Give patients of the subgroups "
            f"{', '.join(map(repr, fit.learnt.encoding.subgroups))}."
        )
    some = cohort if known.all() else cohort.select(np.array(cohort.patient_ids)[known].tolist())
    counts = replace(_counts(fit, some), left_out=int((~known).sum()))
    if not isinstance(fit, Fit):
        return counts
    weights = dict(zip(fit.cohort.patient_ids, fit.weights, strict=True))
    own = [p for p in some.patient_ids if weights.get(p, 0.0) > 0.0]
    if not own:
        return counts
    last = fit.cohort.events.groupby(PATIENT_ID)[DAY].max()
    until = dict.fromkeys(some.patient_ids, 0.0) | {p: float(last[p]) for p in own}
    before = _counts(fit, some.until(until))
    # What the fit has seen is subtracted as it was: a death of that very day comes after it.
    seen = np.zeros_like(counts.observed)
    rows = {p: i for i, p in enumerate(some.patient_ids)}
    learnt_from = fit.cohort.select(own).dated()
    if horizon is not None:
        learnt_from = learnt_from.until(horizon)
    seen[[rows[p] for p in own]] = _counts(fit, learnt_from).observed
    after = counts.less(replace(before, observed=seen))
    changed = int(np.sum(~fit.has_seen(some.select(own))))
    return replace(after, changed=changed)


def _counts(fit: Fit | SharedFit, cohort: Cohort) -> Counts:
    """All events of patients, and those to be expected, whatever the fit has seen of them."""
    spec, learnt = fit.spec, fit.learnt
    spec.require_entries(cohort)
    plan = spec.events.plan_like(cohort, learnt.encoding, learnt.edges, {})
    points = trail_points(plan.rows, plan.edges, {})
    data = event_data(plan.rows, plan.edges, plan.design, points)
    draws = EventDraws.from_posterior(fit.datatree[POSTERIOR].to_dataset(), learnt.encoding)
    if draws.n_draws > MOST_DRAWS:
        draws = draws.take(evenly_spaced(draws.n_draws, MOST_DRAWS))
    labels = spec.graph.labels
    shape, n = (cohort.n_patients, len(labels)), cohort.n_patients * len(labels)
    cell = np.asarray(data.patient * len(labels) + data.intensity, dtype=np.int64)
    observed = np.bincount(cell[data.event_row], minlength=n).reshape(shape).astype(float)
    expected = np.stack(
        [
            np.bincount(cell, weights=of_row, minlength=n).reshape(shape)
            for of_row in compensators(draws, data, plan.rows)
        ]
    )
    place = cohort.patients
    return Counts(
        observed,
        expected,
        tuple(labels),
        place[SUBGROUP].astype(str).to_numpy(),
        place[CENTRE].astype(str).to_numpy(),
    )


def of_horizons(
    fit: Fit | SharedFit, cohort: Cohort, horizons: tuple[float, ...]
) -> dict[str, Counts]:
    """Count by time since origin: up to each horizon from the one before, and beyond the last."""
    out: dict[str, Counts] = {}
    before: Counts | None = None
    for name, horizon in zip(stretches(horizons), (*horizons, None), strict=True):
        now = count_stream(fit, cohort, horizon=horizon)
        out[name] = now if before is None else now.less(before)
        before = now
    return out


def stretches(horizons: tuple[float, ...]) -> tuple[str, ...]:
    """Names of the stretches of time between horizons."""
    return (*(f"to {h:.12g} days" for h in horizons), f"beyond {[0.0, *horizons][-1]:.12g} days")
