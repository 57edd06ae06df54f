"""The twin: one patient or many, as they stand at a landmark, ready to be followed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from twinbayes.cohort.quality.suppression import part_words, size_words
from twinbayes.errors import OptionError, told
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.showing import facts, judged, plotted
from twinbayes.twin.answers.contrast import contrast_patients
from twinbayes.twin.answers.forecast import forecast_patients, survival_frame
from twinbayes.twin.answers.quality_of_life import Quality, quality_patients
from twinbayes.twin.patients import Patients
from twinbayes.twin.scenario import POLICY, Scenario
from twinbayes.twin.set_aside import require_placed, set_aside
from twinbayes.twin.updates.update import updated_record


@dataclass(frozen=True, repr=False)
class Twin(Patients):
    """Patients at their landmark, under the draws of a fit, and what can be asked of them.

    Made by `Fit.twin`. Nothing after the landmark is in here: the cohort was cut there. State and
    attributes are those of `Patients`; each question is answered by a function of them.

    Examples
    --------
    >>> twin = fit.twin(fit.cohort.patient_ids[0], at=0)
    >>> forecast = twin.forecast(until=365.25, grid=2)
    >>> forecast["survival"].dims, forecast.attrs["verdict"]
    (('patient', 'time'), 'not for use')
    """

    def __repr__(self) -> str:
        """Who stands where, and under what; never an identifier."""
        n = len(self.patient_ids)
        if n == 1:
            now = self.present[0]
            who = f"one patient on day {now.day:g}, {now.state} since day {now.entry:g}"
        else:
            who = f"{n} patients at their landmarks"
        verdict = "USABLE" if self.usable else "NOT FOR USE"
        return (
            f"Twin: {who}\n"
            f"  model: {self.spec.name!r}, {verdict}\n"
            f"  draws: {self.population.n_draws}"
        )

    def _repr_html_(self) -> str:
        told: dict[str, object] = {
            "model": f"{self.spec.title} ({self.spec.name})",
            "draws": self.population.n_draws,
            "patients": size_words(len(self.patient_ids)),
        }
        if len(self.patient_ids) == 1:
            now = self.present[0]
            told |= {"landmark": f"day {now.day:g}", now.state: f"since day {now.entry:g}"}
        else:
            there = Counter(now.state for now in self.present)
            told |= dict(zip(there, part_words(there.values()), strict=True))
        head = "USABLE" if self.usable else "NOT FOR USE"
        return judged(self.usable, head) + facts("Twin", told)

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
            (patient, marker, time), on the marker's own scale: the mean curve of those alive, each
            turning where its own path does; and `marker_value`, the same for a measurement, with
            its error, in one of them. With events that recur within a state: `expected_events`
            (patient, time, recurrent_event), how many are to be expected since the landmark.
            With `draws`: `state_probability_draws` and `survival_draws` with dim sample.

        Raises
        ------
        TwinError, ScenarioError
            Impossible horizon, grid or scenario.
        """
        return forecast_patients(
            self, until, grid, POLICY if scenario is None else scenario, interval, draws
        )

    def plot(
        self,
        until: float = 5 * DAYS_PER_YEAR,
        *,
        what: str = "states",
        patient: int = 0,
        scenario: Scenario | None = None,
        interval: float = 0.9,
        ax: Any = None,
    ) -> Any:
        """Plot the forecast of one patient from the landmark on.

        Parameters
        ----------
        until, scenario, interval
            As in `forecast`.
        what
            ``"states"``, stacked, with survival and its interval; or ``"survival"`` alone.
        patient
            Position among `patient_ids`.
        ax
            Axes to draw on; by default those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        TwinError, ScenarioError, OptionError
            As `forecast` and `twinbayes.plots.plot_forecast`.

        Examples
        --------
        >>> fit.twin(fit.cohort.patient_ids[0], at=0).plot(until=365.25).get_xlabel()
        'Time from now (months)'
        """
        forecast = self.forecast(until, scenario=scenario, interval=interval)
        options = {"what": what, "patient": patient, "spec": self.spec, "ax": ax}
        return plotted("plot_forecast", forecast, **options)

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

        Parameters
        ----------
        a, b
            Two scenarios. Their days, as in ``Scenario.start(day=...)``, are since the origin.
        until, grid
            Horizon and times in days from the landmark, as in `forecast`: not since the origin.
        interval
            Probability of the equal-tailed intervals.
        quality
            What a day alive counts.

        Returns
        -------
        Dataset
            Per patient: `survival_difference`, `risk_difference` (its negative: risk of death)
            and `survival_a`, `survival_b` (patient, time), `state_probability_difference`
            (patient, time, state), `rmst_difference`, `rmst_a`, `rmst_b` (patient; days).
            Standardised over the patients of this twin, all under the same draws, which where
            there are several are those of the fit as they are, not weighted for anybody's record:
            `subgroup_survival_difference` (subgroup, time), `subgroup_rmst_difference` (subgroup),
            `overall_survival_difference` (time), `overall_rmst_difference`. Each with bounds.
            With events that recur, `expected_events_difference`, `_a` and `_b` (patient, time,
            recurrent_event), and that of a subgroup and overall.
            With `quality`, all that there is of `rmst` also of `quality_adjusted_time`.

        Raises
        ------
        TwinError, OptionError, ScenarioError
            As `forecast` and `quality_adjusted_time`.
        """
        if quality is not None:
            _require_quality(quality)
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
        that the model has. Curves turn on each path with the events and treatments of that path;
        what is given is the expectation over paths of each draw.

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
        _require_quality(quality)
        return quality_patients(
            self, quality, until, grid, POLICY if scenario is None else scenario, interval, draws
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
            Nothing new; a patient who is not in this twin, or a marker unknown to the cohort; a
            value or day that is not finite; a visit that is there already; a row before the origin,
            after death or after `day`, or a `day` before the landmark; an event or treatment start
            with no place in the model, such as a relapse of somebody who was never in remission.
        CohortError, ModelError
            Another rule of the data contract, or of the model, is broken.

        Notes
        -----
        Rows may be dated before the landmark, as results that come late: the record is read anew,
        and the landmark stays. What the model does not have, such as a marker without a curve, is
        kept in the record and named in `set_aside`.
        """
        cohort, change = updated_record(self, visits, events, treatments, day)
        after = self.updated(cohort, change)
        require_placed(after, change)
        return after

    @property
    def set_aside(self) -> pd.DataFrame:
        """Rows of the records up to the landmark that say nothing to the model, and why.

        Columns ``table, row, rule, reason``; `row` counts the rows of the twin's `cohort` from 0.
        """
        return set_aside(self)

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
        return self.trust_table.copy()

    def checked(self) -> Twin:
        """Return this twin once it is known that the model can take its records.

        Raises
        ------
        ModelError
            A covariate or a measurement that the model cannot take, with its row.
        """
        _ = self._design
        if self.learnt.curves is not None:
            _ = self._plan
        return self

    def as_drawn(self) -> Twin:
        """Return the same patients with every draw of the fit counting the same.

        For checks of a fit against the patients that it was fitted to: the draws have then seen
        all that the fit has, later than the landmark too.
        """
        return replace(self, seen=None, change=None)

    def survival_frame(self, horizons: Sequence[float]) -> pd.DataFrame:
        """Posterior mean survival, patients x horizons (days since the landmark)."""
        return survival_frame(self, horizons)


def _require_quality(quality: object) -> None:
    if not isinstance(quality, Quality):
        raise OptionError(
            f"quality must be a Quality, such as Quality(marker=...), not {told(quality)}."
        )
