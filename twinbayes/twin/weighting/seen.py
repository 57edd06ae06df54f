"""The fit that a twin comes from: whom it has seen, and its provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.model import Learnt, ModelSpec
from twinbayes.model.courses.graph import StateGraph
from twinbayes.model.courses.history import Histories, Present, trace_histories
from twinbayes.names import CENTRE, DAY, EVENTS, PATIENT_ID, SUBGROUP, TREATMENTS, VISITS
from twinbayes.priors import PriorSet
from twinbayes.twin.population.hazards import Population


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
    told
        By state, the last day that counts as followed, where the fit's patients are not here and
        `cohort` is of nobody; None where they are.
    """

    cohort: Cohort = field(repr=False)
    weight: Floats = field(repr=False)
    manifest: Mapping[str, Any] = field(repr=False)
    priors: PriorSet | None = field(default=None, repr=False)
    told: Mapping[str, float] | None = field(default=None, repr=False)
    _under_priors: dict[int, Population] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )  # by number of draws: found once for all twins of the fit
    _followed_in: dict[str, float] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )  # by state
    _histories: list[Histories] = field(
        default_factory=list, init=False, repr=False, compare=False
    )  # one, once it was asked for

    @cached_property
    def longest(self) -> float:
        """Days of the longest follow-up of the fit."""
        if self.told is not None:
            return max(self.told.values(), default=0.0)
        counted = np.array(self.cohort.patient_ids)[self.weight > 0]
        days = self.cohort.events.loc[self.cohort.events[PATIENT_ID].isin(counted), DAY]
        return float(days.max()) if len(days) else 0.0

    def histories(self, graph: StateGraph) -> Histories:
        """Return the walks of the fitted cohort through the states, traced once for all twins.

        Parameters
        ----------
        graph
            The states of the fitted model.
        """
        if not self._histories:
            self._histories.append(trace_histories(graph, self.cohort))
        return self._histories[0]

    def followed_in(self, graph: StateGraph) -> Mapping[str, float]:
        """Return the last day on which anyone was followed who was once in each state, if any was.

        Parameters
        ----------
        graph
            The states of the fitted model.
        """
        if self.told is not None:
            return self.told
        if not self._followed_in:
            ends = ends_by_state(self.histories(graph), self.weight)
            self._followed_in.update({state: days[-1] for state, days in ends.items()})
        return self._followed_in

    def followed_for(self, graph: StateGraph, present: Sequence[Present]) -> Floats:
        """(patient,) days from the landmark for which anyone like each patient was followed.

        Like a patient is who was once in the state that the patient is in now: the longest
        follow-up of these, less the day of the landmark; below 0 where there is none. Nothing more
        can happen to who is in a final state.
        """
        last, final = self.followed_in(graph), graph.absorbing
        ends = [np.inf if p.state in final else last.get(p.state, -np.inf) for p in present]
        return np.array([end - p.day for end, p in zip(ends, present, strict=True)])

    @cached_property
    def _baseline(self) -> pd.DataFrame:
        return _baseline(self.cohort)

    def shares(self, cohort: Cohort) -> Floats:
        """How much the fit has seen of each patient of a cohort: 0 of somebody else.

        A patient is the same as one of the fit if identifier, subgroup, centre and all baseline
        covariates are.
        """
        if self.told is not None:
            return np.zeros(cohort.n_patients)
        theirs, own = self._baseline, _baseline(cohort)
        if set(theirs.columns) != set(own.columns):
            return np.zeros(cohort.n_patients)
        position = theirs.index.get_indexer(own.index)
        known = theirs.iloc[np.maximum(position, 0)][list(own.columns)]
        a, b = (x.astype(object).to_numpy() for x in (own, known))
        equal = (a == b) | (pd.isna(a) & pd.isna(b))
        same = (position >= 0) & equal.all(axis=1)
        return np.where(same, self.weight[np.maximum(position, 0)], 0.0)

    def other_records(self, cohort: Cohort, shares: Floats) -> Cohort | None:
        """What the fit has seen, to the end, of those whose record it has not seen as it is here.

        Parameters
        ----------
        cohort
            Patients, with records of any length.
        shares
            From `shares`, of the same cohort.

        Returns
        -------
        Cohort or None
            Those of the fit's patients whose visits, events or treatments are not the same in the
            two cohorts, or who did not count once; None if there are none.
        """
        counted = dict(zip(cohort.patient_ids, shares, strict=True))
        known = [p for p, share in counted.items() if share > 0.0]
        if not known:
            return None
        fitted = self.cohort.select(known)
        changed = differing(cohort if len(known) == len(counted) else cohort.select(known), fitted)
        other = [p for p in known if p in changed or counted[p] != 1.0]
        return fitted.select(other) if other else None

    def under_priors(self, spec: ModelSpec, learnt: Learnt, draws: int) -> Population:
        """Draws of the priors of the fitted model, laid out like the posterior.

        Parameters
        ----------
        spec, learnt
            The fitted model, and what it learnt before sampling.
        draws
            How many; the same number gives the same draws.
        """
        if draws not in self._under_priors:
            drawn = sample_priors(spec, self.cohort, priors=self.priors, draws=draws, seed=0)
            varying = spec.events.varying(learnt.encoding, learnt.edges)
            self._under_priors[draws] = Population.from_posterior(
                drawn, learnt.encoding, learnt.edges, varying
            )
        return self._under_priors[draws]


def ends_by_state(histories: Histories, weight: Floats) -> dict[str, list[float]]:
    """By state, the last days of the patients who counted and were once in it, in order."""
    counted = [e for e in histories.episodes if weight[e.patient] > 0.0]
    last: dict[int, float] = {}
    for e in counted:
        last[e.patient] = max(last.get(e.patient, 0.0), e.stop)
    patients: dict[str, set[int]] = {}
    for e in counted:
        patients.setdefault(e.state, set()).add(e.patient)
    return {state: sorted(last[i] for i in some) for state, some in patients.items()}


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
