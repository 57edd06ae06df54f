"""The twin: one patient or many, as they stand at a landmark, ready to be followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from twinbayes.cohort import Cohort
from twinbayes.errors import TwinError
from twinbayes.model import Encoding, Learnt, ModelPlan, ModelSpec
from twinbayes.model.courses.history import Present, trace_histories
from twinbayes.model.covariates.design import DesignMatrix
from twinbayes.model.events.rows import Floats
from twinbayes.names import CENTRE, DAYS_PER_YEAR, SUBGROUP
from twinbayes.twin.answers.contrast import contrast_patients
from twinbayes.twin.answers.forecast import forecast_patients, survival_frame
from twinbayes.twin.answers.quality_of_life import Quality, quality_patients
from twinbayes.twin.answers.reliability import Trust, judge_patients
from twinbayes.twin.assignment import assign
from twinbayes.twin.curves.patient import PatientCurves, patient_curves
from twinbayes.twin.occupation.paths import Path
from twinbayes.twin.occupation.places import Chart, draw_chart
from twinbayes.twin.population.curves import CurvePopulation
from twinbayes.twin.population.hazards import Population
from twinbayes.twin.population.ratios import PatientRatios, own_hazards, patient_ratios
from twinbayes.twin.scenario import Scenario
from twinbayes.twin.updates.update import Change, updated_record
from twinbayes.twin.weighting.marginal import record_log_marginal
from twinbayes.twin.weighting.patient_draws import PatientDraws, require_followed
from twinbayes.twin.weighting.seen import SeenByFit, as_fitted

_FEW = 16  # patients whose draws are kept once they are found


@dataclass(frozen=True)
class Twin:
    """Patients at their landmark, under the draws of a fit.

    Made by `Fit.twin`. Nothing after the landmark is in here: the cohort was cut there.

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
        The last update, and the twin before it; None if there was none.
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
    ) -> Twin:
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
    def patient_ids(self) -> tuple[str, ...]:
        """Identifiers in the order of the results."""
        return self.cohort.patient_ids

    @cached_property
    def present(self) -> tuple[Present, ...]:
        """State, day and treatments of each patient at the landmark."""
        if "_plan" in self.__dict__:
            return self._plan.events.histories.present
        return trace_histories(self.spec.graph, self.cohort).present

    @cached_property
    def _plan(self) -> ModelPlan:
        """The records up to the landmark, laid out as for the fit."""
        return self.spec.plan(self.cohort.dated(), self.learnt)

    @cached_property
    def chart(self) -> Chart:
        """The graph as the forecast kernel reads it."""
        edges = tuple(row for row in self.population.edges)
        return draw_chart(self.spec.graph, edges)

    @cached_property
    def _design(self) -> DesignMatrix:
        return self.encoding.encode(self.cohort)

    @cached_property
    def _shares(self) -> Floats:
        """How much the fit has seen of each patient."""
        counted = np.ones(len(self.patient_ids))
        return counted if self.seen is None else self.seen.shares(self.cohort)

    @cached_property
    def _as_fitted(self) -> Twin | None:
        """Twins, as the fit has seen them, of its patients whose record is another here."""
        return as_fitted(self, self._shares)

    @property
    def is_as_fitted(self) -> bool:
        """Whether the fit has seen just these records, up to the last day of each."""
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
        row = self.cohort.patients.iloc[i]
        ratios = patient_ratios(
            self.population,
            self.spec.events,
            self.encoding,
            self._design,
            i,
            (str(row[SUBGROUP]), str(row[CENTRE])),
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

    def path(
        self, i: int, scenario: Scenario, nodes: np.ndarray, drawn: PatientDraws | None = None
    ) -> Path:
        """Occupation of patient `i` at the nodes, every draw; `drawn` spares finding it."""
        drawn = assign(self, i, scenario, drawn or self.patient_draws(i))
        return drawn.path(self.spec, self.chart, self.present[i], scenario, nodes)

    def forecast(
        self,
        until: float = 5 * DAYS_PER_YEAR,
        grid: int | ArrayLike | None = None,
        *,
        scenario: Scenario | None = None,
        interval: float = 0.9,
        draws: bool = False,
    ) -> xr.Dataset:
        """Forecast states and survival from the landmark on.

        Parameters
        ----------
        until
            Horizon in days since the landmark.
        grid
            Output times: a number of equal steps, or days since the landmark; default 60 steps.
        scenario
            Default: the registry's own treatment policy.
        interval
            Probability of the equal-tailed intervals.
        draws
            Also return every draw of the state probabilities and survival.

        Returns
        -------
        Dataset
            Dims patient, time (days since the landmark), state. Posterior means, each with
            ``_lower`` and ``_upper``: `state_probability` (patient, time, state), `survival`
            (patient, time), `cumulative_incidence` (patient, time, state; expected number of
            entries since the landmark, NaN for the initial state), `restricted_mean_time`
            (patient, state; days), `rmst` (patient; days). With trajectories: `marker_curve`
            (patient, marker, time), on the marker's own scale, and `marker_value`, the same for
            a measurement with its error.
            With `draws`: `state_probability_draws` and `survival_draws` with dim sample.

        Raises
        ------
        TwinError, ScenarioError
            Impossible horizon, grid or scenario.
        """
        return forecast_patients(self, until, grid, scenario or Scenario.policy(), interval, draws)

    def contrast(
        self,
        a: Scenario,
        b: Scenario,
        until: float = 5 * DAYS_PER_YEAR,
        grid: int | ArrayLike | None = None,
        *,
        interval: float = 0.9,
        quality: Quality | None = None,
    ) -> xr.Dataset:
        """Difference a - b between two scenarios, draw by draw.

        Returns
        -------
        Dataset
            Per patient: `survival_difference`, `risk_difference` (its negative: risk of death)
            and `survival_a`, `survival_b` (patient, time), `state_probability_difference`
            (patient, time, state), `rmst_difference`, `rmst_a`, `rmst_b` (patient; days).
            Standardised over the patients of this twin, all under the same draws of the fit:
            `subgroup_survival_difference` (subgroup, time), `subgroup_rmst_difference` (subgroup),
            `overall_survival_difference` (time), `overall_rmst_difference`. Each with bounds.
            With `quality`, all that there is of `rmst` also of `quality_adjusted_time`.
        """
        return contrast_patients(self, a, b, until, grid, interval, quality)

    def quality_adjusted_time(
        self,
        quality: Quality,
        until: float = 5 * DAYS_PER_YEAR,
        grid: int | ArrayLike | None = None,
        *,
        scenario: Scenario | None = None,
        interval: float = 0.9,
        draws: bool = False,
    ) -> xr.Dataset:
        """Restricted mean time from the landmark on, each day alive counted by its quality.

        Every draw's curve goes with the same draw's states. The quality is that of the living:
        nothing is measured after death, and death tells of it only through the associations
        that the model has. Curves turn with the treatments that `scenario` starts, not with
        events and treatments that may come by themselves.

        Parameters
        ----------
        quality
            What a day alive counts.
        until, grid, scenario, interval
            As in `forecast`.
        draws
            Also return every draw of the two times.

        Returns
        -------
        Dataset
            Posterior means, each with ``_lower`` and ``_upper``: `quality_adjusted_time` and, not
            adjusted, `rmst` (patient; days); `quality_adjusted_survival` (patient, time),
            probability of living times quality, under which the former is the area.
            With `draws`: `quality_adjusted_time_draws`, `rmst_draws` (patient, sample; days).

        Raises
        ------
        TwinError, OptionError, ScenarioError
            A marker without bounds, weights that do not fit the states of the model, or an
            impossible horizon, grid or scenario.
        """
        return quality_patients(
            self, quality, until, grid, scenario or Scenario.policy(), interval, draws
        )

    def update(
        self,
        visits: pd.DataFrame | None = None,
        *,
        events: pd.DataFrame | None = None,
        treatments: pd.DataFrame | None = None,
        day: float | None = None,
    ) -> Twin:
        """Return the twin with what has become known since; this one stays as it is.

        The model is not fitted again: the patients' own draws are drawn anew, and the draws of
        the population weighted by what is new to the fit. Look at `reliability` afterwards.

        Parameters
        ----------
        visits
            Columns day, marker, value; censored (default ``none``); patient_id, which may be
            left out for a twin of one patient.
        events, treatments
            Likewise, with columns day and event, or day_lower too; start_day and treatment.
        day
            The new landmark of the patients named; default: the last day given for each.

        Raises
        ------
        TwinError
            Nothing new; an unknown patient or marker; a value or day that is not finite; a visit
            that is there already; days before the origin or the landmark, after death, or after
            `day`.
        CohortError, ModelError
            Another rule of the data contract, or of the model, is broken.
        """
        cohort, change = updated_record(self, visits, events, treatments, day)
        twin = replace(self, cohort=cohort, change=change)
        # The baseline is as it was.
        twin.__dict__.update(_shares=self._shares, _design=self._design, chart=self.chart)
        _ = twin._plan  # what the model cannot take is refused here, not by the first forecast
        return twin

    def reliability(self) -> pd.DataFrame:
        """How far the draws of each patient can be trusted without fitting again.

        Returns
        -------
        DataFrame
            Index ``patient``. `pareto_k` (of the weights; NaN where there are none or too few
            draws), `ess` (effective number of draws), `proposal_efficiency` (of the draws of
            curves, 0 to 1; NaN without trajectories), `surprise` (largest absolute z of a visit
            added by an update against the forecast before it, on the transformed scale; NaN
            without any), `needs_refit`, and the `reason` in words.
        """
        return judge_patients(self)

    def survival_frame(self, horizons: Sequence[float]) -> pd.DataFrame:
        """Posterior mean survival, patients x horizons (days since the landmark)."""
        return survival_frame(self, horizons)
