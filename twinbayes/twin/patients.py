"""Patients at a landmark: the records, the draws of a fit, and what follows from the two."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import attrgetter
from typing import Self

import numpy as np
import pandas as pd

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort
from twinbayes.errors import TwinError
from twinbayes.model import Encoding, Learnt, ModelPlan, ModelSpec
from twinbayes.model.courses.graph import StateGraph
from twinbayes.model.courses.history import Histories, Present, trace_histories
from twinbayes.model.covariates.design import DesignMatrix
from twinbayes.names import CENTRE, PATIENT, SUBGROUP
from twinbayes.twin.assignment import DesignChange, acting_elsewhere, change_in
from twinbayes.twin.curves.patient import PatientCurves, patient_curves
from twinbayes.twin.occupation.paths import Journey, Path, circles, longest_step
from twinbayes.twin.occupation.places import Chart, draw_chart
from twinbayes.twin.on_paths import CurvesOnPaths, travel
from twinbayes.twin.population.curves import CurvePopulation
from twinbayes.twin.population.hazards import Population
from twinbayes.twin.population.ratios import (
    PatientRatios,
    content_seed,
    fitted_ratios,
    own_hazards,
    patient_ratios,
)
from twinbayes.twin.scenario import Scenario, Setting
from twinbayes.twin.weighting.marginal import record_log_marginal
from twinbayes.twin.weighting.patient_draws import PatientDraws, require_followed
from twinbayes.twin.weighting.seen import SeenByFit
from twinbayes.twin.weighting.trust import Trust, all_surprises

_FEW = 16  # patients whose draws are kept once they are found
_OF_COHORT = ("cohort.patients", "cohort.genomics", "cohort.variables")
_BASELINE = (*_OF_COHORT, "spec", "learnt", "population", "seen")


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


@dataclass(frozen=True, repr=False)
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
        The fit itself. Where it has not seen a patient's record as it is here, neither less nor
        more, draws are weighted by how well they bear it out; without `seen` each counts the same.
    change
        The last update, and the patients before it; None if there was none.

    Examples
    --------
    >>> fit.twin(fit.cohort.patient_ids[0], at=0).present[0].day
    0.0
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
    def histories(self) -> Histories:
        """Courses up to the landmark, and the rows that have no place in them."""
        if "_plan" in self.__dict__:  # the plan has traced the courses already
            return self._plan.events.histories
        return trace_histories(self.graph, self.cohort)

    @property
    def present(self) -> tuple[Present, ...]:
        """State, day and treatments of each patient at the landmark."""
        return self.histories.present

    @cached_property
    def followed_for(self) -> Floats | None:
        """See `SeenByFit.followed_for`; None where the fit is not known."""
        return None if self.seen is None else self.seen.followed_for(self.graph, self.present)

    @cached_property
    def _who(self) -> tuple[tuple[str, str, str], ...]:
        """Identifier, subgroup and centre of each patient."""
        labels = (self.cohort.patients[x].astype(str) for x in (SUBGROUP, CENTRE))
        return tuple(zip(self.patient_ids, *labels, strict=True))

    @cached_property
    def _plan(self) -> ModelPlan:
        """The records up to the landmark, laid out as for the fit."""
        return self.spec.plan(self.cohort.dated(), self.learnt)

    @property
    def _baseline_before(self) -> Patients | None:
        """The patients before the last update, if baseline, draws and fit are still theirs."""
        if self.change is None:
            return None
        before = self.change.before
        return before if all(f(before) is f(self) for f in map(attrgetter, _BASELINE)) else None

    @cached_property
    def chart(self) -> Chart:
        """The graph as the forecast kernel reads it."""
        if (before := self._baseline_before) is not None:
            return before.chart
        return draw_chart(self.graph, tuple(row for row in self.population.edges))

    @cached_property
    def _circles(self) -> tuple[int, ...]:
        return circles(self.graph)

    def longest_step(self, i: int, drawn: PatientDraws, scenario: Scenario) -> float:
        """See `paths.longest_step`; of patient `i` under a scenario."""
        if not self._circles:
            return np.inf
        if scenario.settings:
            drawn = self.design_change(scenario.settings).of(i, drawn)
        return longest_step(self.graph, self._circles, drawn.population, drawn.ratios)

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

    @cached_property
    def _as_fitted(self) -> Patients | None:
        """As the fit has seen them to the end, those of its patients with another record here."""
        if self.seen is None:
            return None
        if (before := self._last_as_fitted()) is not None:
            return before
        fitted = self.seen.other_records(self.cohort, self._shares)
        return None if fitted is None else replace(self, cohort=fitted, seen=None, change=None)

    def _last_as_fitted(self) -> Patients | None:
        """The patients before the updates, if their records are those of the fit."""
        if self.change is None or not np.all(self._shares == 1.0):
            return None
        before = self.change.before
        while before.change is not None:
            before = before.change.before
        return before if before.is_as_fitted else None

    @property
    def is_as_fitted(self) -> bool:
        """Whether the fit has seen just these records, and nothing later."""
        return self._as_fitted is None and bool(np.all(self._shares == 1.0))

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
            drawn = drawn.weighted(self.record_log_marginal(i))
        elif seen is not None and patient in seen.patient_ids:
            counted = self._shares[i] * seen.fitted_log_marginal(seen.patient_ids.index(patient))
            drawn = drawn.weighted(self.fitted_log_marginal(i) - counted)
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
        return self._log_marginal(i, self._at_mean(i))

    def fitted_log_marginal(self, i: int) -> Floats:
        """As `record_log_marginal`, as the likelihood of the fit has it, (draw,).

        Missing covariates are integrated out, not drawn: this is what the draws of the fit were
        weighted by where it has seen the record. Events that lie between two days are in the
        middle.
        """
        drawn = self._at_mean(i)
        if not self._design.variances[i].any():
            return self._log_marginal(i, drawn)
        ratios = fitted_ratios(self.population, drawn.ratios, self._design, i)
        return self._log_marginal(i, self._under(ratios, i))

    def _log_marginal(self, i: int, at_mean: PatientDraws) -> Floats:
        return record_log_marginal(self.population, self._plan, at_mean.ratios, at_mean.curves, i)

    def unweighted(self, i: int) -> PatientDraws:
        """Patient `i` under the draws of the population, each counting the same."""
        if not len((at_mean := self._at_mean(i)).population.frailty):
            return at_mean
        seed = content_seed(self._design, i, self._who[i])
        return at_mean.with_frailty(self.population, self._plan.events.data, i, seed)

    def _at_mean(self, i: int) -> PatientDraws:
        """The same, at the mean of a frailty; the patient as such where there is none."""
        if i in self._unweighted:
            return self._unweighted[i]
        process, who = self.spec.events, self._who[i]
        ratios = patient_ratios(self.population, process, self.encoding, self._design, i, who)
        unweighted = self._under(ratios, i)
        if len(self.patient_ids) <= _FEW:
            self._unweighted[i] = unweighted
        return unweighted

    def _under(self, ratios: PatientRatios, i: int) -> PatientDraws:
        """Hazards and curves of patient `i` under hazard ratios, each draw counting the same."""
        known, curves = self.curve_population, None
        if known is not None and (plan := self._plan).curves is not None:
            curves = patient_curves(known, self.population, self.spec, plan, plan.curves, ratios, i)
        own = own_hazards(self.population, ratios, self._design, i)
        return PatientDraws(own, ratios, curves, None)

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

    def path(
        self, i: int, scenario: Scenario, nodes: Floats, drawn: PatientDraws | None = None
    ) -> Path:
        """Occupation of patient `i` at the nodes, every draw; `drawn` spares finding it."""
        return self.followed(i, scenario, nodes, drawn or self.patient_draws(i))[0]

    def followed(
        self, i: int, scenario: Scenario, nodes: Floats, drawn: PatientDraws
    ) -> tuple[Path, CurvesOnPaths | None]:
        """Path of patient `i` under a scenario, and the curves along it.

        Nodes are days since the landmark.

        Raises
        ------
        ScenarioError
            See `design_change`.
        TwinError
            See `on_paths.travel`.
        """
        if scenario.settings:
            drawn = self.design_change(scenario.settings).of(i, drawn)
        population, ratios, present = drawn.population, drawn.ratios, self.present[i]
        journey = Journey(self.graph, self.chart, population, ratios, present, scenario, nodes)
        return travel(journey, drawn.curves)

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
        shown, n_draws = all_surprises(self.change), self.population.n_draws
        longest = np.inf if self.seen is None else self.seen.longest
        rows = [
            self.trust(i).row(
                shown.get(patient, float("nan")), n_draws, is_beyond=self.present[i].day > longest
            )
            for i, patient in enumerate(self.patient_ids)
        ]
        return pd.DataFrame(rows, index=pd.Index(self.patient_ids, name=PATIENT))
