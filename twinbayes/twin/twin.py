"""The twin: one patient or many, as they stand at a landmark, ready to be followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from twinbayes.cohort import Cohort
from twinbayes.errors import TwinError
from twinbayes.model import Encoding, Learnt, ModelPlan, ModelSpec
from twinbayes.model.design import Design
from twinbayes.model.history import Present, trace_histories
from twinbayes.names import (
    CENTRE,
    DAY,
    DAYS_PER_YEAR,
    DEATH,
    EVENT,
    PATIENT,
    SUBGROUP,
    TERMINAL_EVENTS,
    TIME,
)
from twinbayes.twin.chart import Chart, draw_chart
from twinbayes.twin.contrast import contrast_patients
from twinbayes.twin.curve_population import CurvePopulation
from twinbayes.twin.curves import PatientCurves, along_curves, patient_curves
from twinbayes.twin.forecast import forecast_patients
from twinbayes.twin.paths import Path, follow
from twinbayes.twin.population import PatientRatios, Population, patient_ratios
from twinbayes.twin.scenario import Scenario


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
    """

    spec: ModelSpec
    learnt: Learnt = field(repr=False)
    population: Population = field(repr=False)
    curve_population: CurvePopulation | None = field(repr=False)
    cohort: Cohort = field(repr=False)
    usable: bool

    @classmethod
    def at_landmark(
        cls,
        spec: ModelSpec,
        learnt: Learnt,
        populations: tuple[Population, CurvePopulation | None],
        cohort: Cohort,
        at: float | None,
        usable: bool,
    ) -> Twin:
        """Cut the records at day `at` (default: each patient's last day known).

        Raises
        ------
        TwinError
            Some patient was no longer followed at `at`, so the state then is unknown.
        """
        if at is not None:
            _require_followed(cohort, at)
            cohort = cohort.until(at)
        return cls(spec, learnt, *populations, cohort, usable)

    @property
    def encoding(self) -> Encoding:
        """How covariates that act on hazards become columns."""
        return self.learnt.encoding

    @property
    def patient_ids(self) -> tuple[str, ...]:
        """Identifiers in the order of the results."""
        return self.cohort.patient_ids

    @cached_property
    def present(self) -> tuple[Present, ...]:
        """State, day and treatments of each patient at the landmark."""
        return trace_histories(self.spec.graph, self.cohort).present

    @cached_property
    def _plan(self) -> ModelPlan:
        """The records up to the landmark, laid out as for the fit."""
        return self.spec.plan(self.cohort, self.learnt)

    @cached_property
    def chart(self) -> Chart:
        """The graph as the forecast kernel reads it."""
        edges = tuple(row for row in self.population.edges)
        return draw_chart(self.spec.graph, edges)

    @cached_property
    def _design(self) -> Design:
        return self.encoding.encode(self.cohort)

    def ratios(self, i: int) -> PatientRatios:
        """Hazard ratios of patient `i`, by intensity and draw."""
        row = self.cohort.patients.iloc[i]
        return patient_ratios(
            self.population,
            self.spec.events,
            self.encoding,
            self._design,
            i,
            (str(row[SUBGROUP]), str(row[CENTRE])),
        )

    def curves(self, i: int) -> PatientCurves:
        """Curves of patient `i`, every draw, given visits and course up to the landmark.

        Raises
        ------
        TwinError
            The model has no trajectories.
        """
        population, plan = self.curve_population, self._plan
        if population is None or plan.curves is None:
            raise TwinError("This model has no trajectories: it forecasts states alone.")
        return patient_curves(
            population, self.population, self.spec, plan, plan.curves, self.ratios(i), i
        )

    def path(
        self, i: int, scenario: Scenario, nodes: np.ndarray, curves: PatientCurves | None = None
    ) -> Path:
        """Occupation of patient `i` at the nodes, every draw; `curves` spares drawing them."""
        population = self.population
        if self.spec.associations:
            curves = self.curves(i) if curves is None else curves
            population = along_curves(
                population, curves.turning(scenario), self.spec.graph, self.present[i].day + nodes
            )
        return follow(
            self.spec.graph,
            self.chart,
            population,
            self.ratios(i),
            self.present[i],
            scenario,
            nodes,
        )

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
    ) -> xr.Dataset:
        """Difference a - b between two scenarios, draw by draw.

        Returns
        -------
        Dataset
            Per patient: `survival_difference`, `risk_difference` (its negative: risk of death)
            and `survival_a`, `survival_b` (patient, time), `state_probability_difference`
            (patient, time, state), `rmst_difference`, `rmst_a`, `rmst_b` (patient; days).
            Standardised over the patients of this twin: `subgroup_survival_difference`
            (subgroup, time), `subgroup_rmst_difference` (subgroup),
            `overall_survival_difference` (time), `overall_rmst_difference`. Each with bounds.
        """
        return contrast_patients(self, a, b, until, grid, interval)

    def survival_frame(self, horizons: Sequence[float]) -> pd.DataFrame:
        """Posterior mean survival, patients x horizons (days since the landmark)."""
        times = np.asarray(horizons, dtype=float)
        if times.ndim != 1 or len(times) == 0:
            raise TwinError("horizons must be a sequence of at least one number of days.")
        result = self.forecast(float(times.max()), np.unique(times))
        frame = pd.DataFrame(
            result["survival"].to_numpy(),
            index=pd.Index(self.patient_ids, name=PATIENT),
            columns=pd.Index(result[TIME].to_numpy(), name=TIME),
        )
        return frame[list(times)]


def _require_followed(cohort: Cohort, at: float) -> None:
    last = cohort.events[cohort.events[EVENT].isin(TERMINAL_EVENTS)]
    lost = int(((last[DAY] < at) & (last[EVENT] != DEATH)).sum())
    if lost:
        raise TwinError(
            f"{lost} patient(s) were last seen before day {at:g}: their state on that day is not "
            "known. Choose an earlier landmark, or select the patients still followed."
        )
