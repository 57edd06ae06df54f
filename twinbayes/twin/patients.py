"""Patients at a landmark: the records, the draws of a fit, and what follows from the two."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort
from twinbayes.cohort.extending import last_days
from twinbayes.errors import TwinError
from twinbayes.model import Encoding, Learnt, ModelPlan, ModelSpec
from twinbayes.model.courses.graph import StateGraph
from twinbayes.model.courses.history import Present, trace_histories
from twinbayes.model.covariates.design import DesignMatrix
from twinbayes.names import CENTRE, MARKER, PATIENT, PATIENT_ID, SUBGROUP
from twinbayes.twin.assignment import DesignChange, acting_elsewhere, change_in
from twinbayes.twin.curves.patient import PatientCurves, along_curves, patient_curves
from twinbayes.twin.occupation.paths import Path, follow
from twinbayes.twin.occupation.places import Chart, draw_chart
from twinbayes.twin.population.curves import CurvePopulation
from twinbayes.twin.population.hazards import Population
from twinbayes.twin.population.ratios import PatientRatios, own_hazards, patient_ratios
from twinbayes.twin.scenario import Scenario, Setting
from twinbayes.twin.weighting.marginal import record_log_marginal
from twinbayes.twin.weighting.patient_draws import PatientDraws, require_followed
from twinbayes.twin.weighting.seen import SeenByFit, differing
from twinbayes.twin.weighting.trust import Trust, surprise_of

_FEW = 16  # patients whose draws are kept once they are found


@dataclass(frozen=True)
class Change:
    """One update.

    Attributes
    ----------
    before
        The patients as they were before.
    visits, events, treatments
        The rows that were added, with patient_id.
    """

    before: Patients
    visits: pd.DataFrame
    events: pd.DataFrame
    treatments: pd.DataFrame


@dataclass(frozen=True)
class Patients:
    """Patients at their landmark, under the draws of a fit.

    Nothing after the landmark is in here: the cohort was cut there. What follows from the
    attributes is worked out when it is first asked for, and kept.

    Attributes
    ----------
    spec, learnt, population, curve_population
        The model, what it learnt before sampling, and its posterior draws.
    cohort
        The patients' records up to the landmark.
    usable
        Whether the fit's verdict was "usable"; carried into every result.
    seen
        The fit itself. Where it has not seen a patient's record as it is here, the draws are
        weighted by how well they bear it out; without `seen` each counts the same.
    change
        The last update, and the patients before it; None if there was none.
    """

    spec: ModelSpec
    learnt: Learnt = field(repr=False)
    population: Population = field(repr=False)
    curve_population: CurvePopulation | None = field(repr=False)
    cohort: Cohort = field(repr=False)
    usable: bool
    seen: SeenByFit | None = field(default=None, repr=False)
    change: Change | None = field(default=None, repr=False)

    @classmethod
    def at_landmark(
        cls,
        spec: ModelSpec,
        learnt: Learnt,
        populations: tuple[Population, CurvePopulation | None],
        cohort: Cohort,
        at: float | None,
        usable: bool,
        seen: SeenByFit | None = None,
    ) -> Self:
        """Cut the records at day `at` (default: each patient's last day known).

        Raises
        ------
        TwinError
            Some patient was no longer followed at `at`, so the state then is unknown.
        """
        if at is not None:
            require_followed(cohort, at)
            cohort = cohort.until(at)
        return cls(spec, learnt, *populations, cohort, usable, seen)

    @property
    def encoding(self) -> Encoding:
        """How covariates that act on hazards become columns."""
        return self.learnt.encoding

    @cached_property
    def graph(self) -> StateGraph:
        """States, transitions and treatments of the model."""
        return self.spec.graph

    @cached_property
    def patient_ids(self) -> tuple[str, ...]:
        """Identifiers in the order of the results."""
        return self.cohort.patient_ids

    @cached_property
    def present(self) -> tuple[Present, ...]:
        """State, day and treatments of each patient at the landmark."""
        if "_plan" in self.__dict__:  # the plan has traced the courses already
            return self._plan.events.histories.present
        return trace_histories(self.graph, self.cohort).present

    @cached_property
    def _labels(self) -> tuple[tuple[str, str], ...]:
        """Subgroup and centre of each patient."""
        table = self.cohort.patients
        return tuple(zip(table[SUBGROUP].astype(str), table[CENTRE].astype(str), strict=True))

    @cached_property
    def _plan(self) -> ModelPlan:
        """The records up to the landmark, laid out as for the fit."""
        return self.spec.plan(self.cohort.dated(), self.learnt)

    # --- what an update leaves as it is ------------------------------------------------------
    @property
    def _baseline_before(self) -> Patients | None:
        """The patients before the last update, if baseline, draws and fit are still theirs."""
        if self.change is None:
            return None
        before = self.change.before
        same = (
            before.cohort.patients is self.cohort.patients
            and before.cohort.genomics is self.cohort.genomics
            and before.cohort.variables is self.cohort.variables
            and before.spec is self.spec
            and before.learnt is self.learnt
            and before.population is self.population
            and before.seen is self.seen
        )
        return before if same else None

    @cached_property
    def chart(self) -> Chart:
        """The graph as the forecast kernel reads it."""
        if (before := self._baseline_before) is not None:
            return before.chart
        return draw_chart(self.graph, tuple(row for row in self.population.edges))

    @cached_property
    def _design(self) -> DesignMatrix:
        if (before := self._baseline_before) is not None:
            return before._design
        return self.encoding.encode(self.cohort)

    @cached_property
    def _shares(self) -> Floats:
        """How much the fit has seen of each patient."""
        if (before := self._baseline_before) is not None:
            return before._shares
        counted = np.ones(len(self.patient_ids))
        return counted if self.seen is None else self.seen.shares(self.cohort)

    def updated(self, cohort: Cohort, change: Change) -> Self:
        """Return the patients with another record, after one update more.

        Raises
        ------
        CohortError, ModelError
            The model cannot take the record: refused here, not by the first forecast.
        """
        _ = self.chart, self._design, self._shares  # the baseline is as it was
        after = replace(self, cohort=cohort, change=change)
        _ = after.chart, after._design, after._shares, after._plan
        return after

    # --- what the fit has seen ---------------------------------------------------------------
    @cached_property
    def _as_fitted(self) -> Patients | None:
        """As the fit has seen them, those of its patients whose record is another here."""
        fit, ids = self.seen, self.patient_ids
        known = [p for p, share in zip(ids, self._shares, strict=True) if share > 0.0]
        if fit is None or not known:
            return None
        if (whole := self._last_as_fitted()) is not None:
            return whole
        mine = self.cohort if len(known) == len(ids) else self.cohort.select(known)
        seen = fit.record_of(mine)
        changed = differing(mine, seen)
        counted = dict(zip(ids, self._shares, strict=True))
        other = [p for p in known if p in changed or counted[p] != 1.0]
        if not other:
            return None
        return replace(self, cohort=seen.select(other), seen=None, change=None)

    def _last_as_fitted(self) -> Patients | None:
        """The patients before the updates, if they have the whole record that the fit has.

        It spares cutting the fitted cohort again: no later landmark shows more of it.
        """
        if self.change is None or self.seen is None or not np.all(self._shares == 1.0):
            return None
        before = self.change.before
        while before.change is not None:
            before = before.change.before
        seen = self.seen.last_days
        as_long = all(seen[p] <= day for p, day in last_days(before.cohort).items())
        return before if as_long and before.is_as_fitted else None

    @property
    def is_as_fitted(self) -> bool:
        """Whether the fit has seen just these records, up to the last day of each."""
        return self._as_fitted is None and bool(np.all(self._shares == 1.0))

    # --- draws of one patient ----------------------------------------------------------------
    @cached_property
    def _held(self) -> dict[int, PatientDraws]:
        return {}

    @cached_property
    def _unweighted(self) -> dict[int, PatientDraws]:
        return {}

    @cached_property
    def _trust(self) -> dict[int, Trust]:
        return {}

    @cached_property
    def _changes(self) -> dict[tuple[Setting, ...], DesignChange]:
        return {}

    def patient_draws(self, i: int) -> PatientDraws:
        """Hazards, hazard ratios and curves of patient `i`, draw by draw."""
        if i in self._held:
            return self._held[i]
        drawn = self.unweighted(i)
        patient, seen = self.patient_ids[i], self._as_fitted
        if self._shares[i] == 0.0:
            drawn = drawn.weighted(self._log_marginal(i, drawn))
        elif seen is not None and patient in seen.patient_ids:
            before = seen.record_log_marginal(seen.patient_ids.index(patient))
            gain = self._log_marginal(i, drawn) - self._shares[i] * before
            drawn = drawn.weighted(gain)
        self._trust[i] = Trust.of(drawn)
        if len(self.patient_ids) <= _FEW:
            self._held[i] = drawn
        return drawn

    def trust(self, i: int) -> Trust:
        """How far the draws of patient `i` can be trusted."""
        if i not in self._trust:
            self.patient_draws(i)
        return self._trust[i]

    def record_log_marginal(self, i: int) -> Floats:
        """Log marginal likelihood of the record of patient `i` under every draw, (draw,).

        Draws are those of the population, in its own order.
        """
        return self._log_marginal(i, self.unweighted(i))

    def _log_marginal(self, i: int, unweighted: PatientDraws) -> Floats:
        return record_log_marginal(
            self.population, self._plan, unweighted.ratios, unweighted.curves, i
        )

    def unweighted(self, i: int) -> PatientDraws:
        """Patient `i` under the draws of the population, each counting the same."""
        if i in self._unweighted:
            return self._unweighted[i]
        ratios = patient_ratios(
            self.population,
            self.spec.events,
            self.encoding,
            self._design,
            i,
            self._labels[i],
        )
        known, curves = self.curve_population, None
        if known is not None and (plan := self._plan).curves is not None:
            curves = patient_curves(known, self.population, self.spec, plan, plan.curves, ratios, i)
        own = own_hazards(self.population, ratios, self._design, i)
        unweighted = PatientDraws(own, ratios, curves, None)
        if len(self.patient_ids) <= _FEW:
            self._unweighted[i] = unweighted
        return unweighted

    def ratios(self, i: int) -> PatientRatios:
        """Hazard ratios of patient `i`, by intensity and draw."""
        return self.patient_draws(i).ratios

    def curves(self, i: int) -> PatientCurves:
        """Curves of patient `i`, every draw, given visits and course up to the landmark.

        Raises
        ------
        TwinError
            The model has no trajectories.
        """
        curves = self.patient_draws(i).curves
        if curves is None:
            raise TwinError("This model has no trajectories: it forecasts states alone.")
        return curves

    # --- from the landmark on ----------------------------------------------------------------
    def path(
        self, i: int, scenario: Scenario, nodes: Floats, drawn: PatientDraws | None = None
    ) -> Path:
        """Occupation of patient `i` at the nodes, every draw; `drawn` spares finding it."""
        return self.followed(i, scenario, nodes, drawn or self.patient_draws(i))[0]

    def followed(
        self, i: int, scenario: Scenario, nodes: Floats, drawn: PatientDraws
    ) -> tuple[Path, PatientCurves | None]:
        """Path of patient `i` under a scenario, and the curves that its hazards follow.

        Parameters
        ----------
        nodes
            Days since the landmark.
        drawn
            The patient's draws.

        Raises
        ------
        ScenarioError
            See `design_change`.
        """
        if scenario.settings:
            drawn = self.design_change(scenario.settings).of(i, drawn)
        curves = None if drawn.curves is None else drawn.curves.turning(scenario)
        population, present = drawn.population, self.present[i]
        if self.spec.associations and curves is not None:
            population = along_curves(population, curves, self.graph, present.day + nodes)
        path = follow(self.graph, self.chart, population, drawn.ratios, present, scenario, nodes)
        return path, curves

    def design_change(self, settings: tuple[Setting, ...]) -> DesignChange:
        """What a scenario's settings change in the design of the patients.

        Raises
        ------
        ScenarioError
            A covariate that the model has not, or has elsewhere than in the hazards; one whose own
            value is missing in some patient; or a value other than 0 and 1 for one that is 0/1.
        """
        if settings not in self._changes:
            elsewhere = acting_elsewhere(self.spec, self.learnt)
            table = self.cohort.covariates()
            self._changes[settings] = change_in(self.encoding, table, settings, elsewhere)
        return self._changes[settings]

    @cached_property
    def trust_table(self) -> pd.DataFrame:
        """One row a patient; see `Twin.reliability`. It is meant to be read, not changed."""
        surprises, n_draws = self._surprises(), self.population.n_draws
        longest = np.inf if self.seen is None else self.seen.longest
        rows = [
            self.trust(i).row(
                surprises.get(patient, float("nan")),
                n_draws,
                is_beyond=self.present[i].day > longest,
            )
            for i, patient in enumerate(self.patient_ids)
        ]
        return pd.DataFrame(rows, index=pd.Index(self.patient_ids, name=PATIENT))

    def _surprises(self) -> dict[str, float]:
        """Largest absolute z of the visits that updates have added, by patient."""
        out: dict[str, float] = {}
        change = self.change
        while change is not None:
            before, learnt = change.before, change.before.learnt.curves
            modelled = [] if learnt is None else [m.marker for m in learnt.markers]
            for (patient, marker), some in change.visits.groupby([PATIENT_ID, MARKER], sort=False):
                if marker not in modelled:
                    continue
                curves = before.curves(before.patient_ids.index(str(patient)))
                z = surprise_of(curves, str(marker), some)
                if z is not None:
                    out[str(patient)] = max(out.get(str(patient), 0.0), z)
            change = before.change
        return out
