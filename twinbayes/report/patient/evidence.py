"""The evidence behind one patient's report, computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
import pandas as pd
import xarray as xr

from twinbayes.checks import CheckResult, patient_borrowing
from twinbayes.checks.borrowing.shrinkage import shrinkage_of
from twinbayes.checks.result import BORROWING
from twinbayes.cohort import Cohort
from twinbayes.cohort.quality.suppression import part_words
from twinbayes.errors import TwinbayesError, TwinError, is_number, told
from twinbayes.inference import Fit
from twinbayes.model.courses.history import Present
from twinbayes.model.courses.reporting import Reporting
from twinbayes.names import (
    CUMULATIVE_INCIDENCE,
    DAYS_PER_YEAR,
    EXPECTED_EVENTS,
    PATIENT,
    POSTERIOR,
    RECURRENT_EVENT,
    STATE,
    SUBGROUP,
    SUBGROUP_EFFECT,
    TRANSITION,
)
from twinbayes.report.figures.look import StateLook, look_of, marks_of, words
from twinbayes.report.patient.scenarios import Pair, default_scenarios, of_the_disease, pair_of
from twinbayes.report.words import Living, scenario_words
from twinbayes.showing import brief
from twinbayes.twin import Quality, Scenario, Twin
from twinbayes.twin.answers.grid import output_grid

_YEARS: Final = (1.0, 3.0, 5.0)
_STEPS: Final = 120
_OF_ONE: Final = "borrowing of one patient"
_SHARE_DRAWS: Final = 1500
_WORST_SHARE: Final = 0.25  # Monte Carlo error, above which shares are not shown
_MOST_CURVES: Final = 1000  # patients whose curves are drawn to tell shares
_LONGEST: Final = 100 * DAYS_PER_YEAR


@brief
@dataclass(frozen=True, eq=False)
class PatientEvidence:
    """What a patient's report shows.

    Attributes
    ----------
    fit, twin
        The fit, and the patient at the landmark.
    look, living
        How states look, and what survival means.
    forecast
        Under the registry's own treatment policy.
    scenarios
        The two scenarios compared, or None if no treatment of the model can start any more.
    contrast, under
        Their difference, and the forecast under each; None without scenarios.
    quality
        Quality-adjusted time under the registry's own policy; None without a quality of life.
    horizons
        Days from now at which numbers are written out.
    rests_on
        Transition → events of the subgroup as they may be shown, and how much its level borrows.
    borrowing
        Shares of the patient's own data, the subgroup, the others and the prior in the hazards of
        the present state.
    missing
        Covariates of the model that are not known of this patient.
    asked_until
        The horizon asked for, in days from the landmark: what is shown may end before.
    replaced
        Whether the scenarios are others than the disease names, which this patient cannot have.
    show_patient_ids
        Whether the report prints the identifier of the patient.

    Examples
    --------
    >>> evidence = collect_patient(fit, fit.cohort.patient_ids[0], at=0)  # doctest: +SKIP
    >>> evidence.horizons, evidence.show_patient_ids  # doctest: +SKIP
    ((365.25, 1095.75, 1826.25), False)
    """

    fit: Fit
    twin: Twin
    look: StateLook
    living: Living
    forecast: xr.Dataset
    scenarios: Pair | None
    contrast: xr.Dataset | None
    under: tuple[xr.Dataset, xr.Dataset] | None
    quality: xr.Dataset | None
    horizons: tuple[float, ...]
    rests_on: pd.DataFrame
    borrowing: CheckResult
    missing: tuple[str, ...]
    asked_until: float
    replaced: bool = False
    show_patient_ids: bool = False

    @property
    def marks(self) -> tuple[str, ...]:
        """Words that every picture carries."""
        marks = list(marks_of(self.fit))
        if self.twin.cohort.simulated and "SIMULATED DATA" not in marks:
            marks.append("SIMULATED DATA")
        return tuple(marks)

    @property
    def present(self) -> Present:
        """Where the patient stands at the landmark."""
        return self.twin.present[0]

    @property
    def names(self) -> tuple[str, str]:
        """What the two scenarios are called; of no scenarios none."""
        a, b = (scenario_words(s, self.present.day, self.look) for s in self.scenarios or ())
        if a == b:  # days that differ by less than such words tell
            a, b = (words(s.told(self.look.labels)) for s in self.scenarios or ())
        return a, b

    @property
    def subgroup(self) -> str:
        """The patient's subgroup."""
        return str(self.twin.cohort.patients[SUBGROUP].iloc[0])

    @property
    def subgroup_size(self) -> str:
        """Number of patients of that subgroup in the fit, as it may be shown."""
        cohort = self.fit.cohort
        sizes = cohort.patients[SUBGROUP].value_counts().reindex([*cohort.subgroups])
        shown: dict[str, str] = dict(zip(sizes.index, part_words(sizes), strict=True))
        return shown.get(self.subgroup, "0")

    @property
    def counts(self) -> dict[str, xr.Dataset]:
        """Expected number of each event that recurs: mean, lower and upper over time.

        Of events within a state, and of entries into states that patients come back to.
        """
        one, graph = self.forecast.isel({PATIENT: 0}), self.fit.spec.graph
        found = {}
        for event in graph.recurrent_events:
            at = one.sel({RECURRENT_EVENT: event})
            found[event] = _three(at, EXPECTED_EVENTS)
        moves = [t for t in graph.transitions if t.source != t.target]
        back = {t.target for t in moves if graph.recurs(t.label)}
        for state in graph.states[1:]:
            if state in back:
                found[state] = _three(one.sel({STATE: state}), CUMULATIVE_INCIDENCE)
        return found

    @property
    def main_horizon(self) -> float:
        """The day at which scenarios are compared in words: the middle one."""
        return self.horizons[len(self.horizons) // 2]


def _three(at: xr.Dataset, name: str) -> xr.Dataset:
    return xr.Dataset(
        {"mean": at[name], "lower": at[f"{name}_lower"], "upper": at[f"{name}_upper"]}
    )


def collect_patient(
    fit: Fit,
    who: str | Cohort,
    *,
    at: float | None = None,
    until: float | None = None,
    scenarios: Sequence[Scenario] | None = None,
    interval: float = 0.9,
    quality: Quality | None = None,
    show_patient_ids: bool = False,
) -> PatientEvidence:
    """Compute everything that a patient's report shows.

    Parameters
    ----------
    fit
        The fit.
    who
        A patient of the fitted cohort, or a cohort of one.
    at
        Landmark day; by default the last day known.
    until
        Horizon in days from the landmark; by default that of the disease's `Reporting`, or 5
        years. It ends where the disease says that nothing is to be extrapolated any more.
    scenarios
        Two to compare; see `default_scenarios`.
    interval
        Probability of the equal-tailed intervals.
    quality
        What a day alive counts. By default the utilities of the disease's `Reporting`, or the
        curve of the first quality-of-life score that the model has between two bounds, the upper
        being best.
    show_patient_ids
        Print the identifier of the patient.

    Raises
    ------
    TwinError
        If `who` is not one patient, or has reached a state that is never left; if the horizon is
        no number of days, or over 100 years; if all of it lies where nothing is to be extrapolated.

    Examples
    --------
    >>> evidence = collect_patient(fit, fit.cohort.patient_ids[0], at=0)  # doctest: +SKIP
    >>> evidence.borrowing.name  # doctest: +SKIP
    'borrowing of one patient'
    """
    reporting, graph = fit.spec.reporting or Reporting(), fit.spec.graph
    asked = reporting.horizon_years * DAYS_PER_YEAR if until is None else until
    twin, present = _of_one(fit, who, at, asked)
    until = _within(reporting, twin, asked)
    output_grid(until, None, interval)  # refuses both before anything is computed
    pair = pair_of(scenarios) if scenarios is not None else default_scenarios(twin)
    look = look_of(fit)
    horizons = tuple(y * DAYS_PER_YEAR for y in _YEARS if y * DAYS_PER_YEAR <= until) or (until,)
    grid = np.unique(np.concatenate([np.linspace(0, until, _STEPS + 1), horizons]))
    quality = default_quality(fit) if quality is None else quality
    contrast, under = None, None
    if pair is not None:
        contrast = twin.contrast(*pair, until, grid, interval=interval, quality=quality)
        a, b = (twin.forecast(until, grid, scenario=s, interval=interval) for s in pair)
        under = (a, b)
    return PatientEvidence(
        fit=fit,
        twin=twin,
        look=look,
        living=Living.of(look, graph.absorbing),
        forecast=twin.forecast(until, grid, interval=interval),
        scenarios=pair,
        contrast=contrast,
        under=under,
        quality=None
        if quality is None
        else twin.quality_adjusted_time(quality, until, grid, interval=interval),
        horizons=horizons,
        rests_on=_rests_on(fit, str(twin.cohort.patients[SUBGROUP].iloc[0]), interval),
        borrowing=_borrowing(fit, who, at, present.state),
        missing=_missing(twin),
        asked_until=asked,
        replaced=scenarios is None and of_the_disease(twin) is None and bool(reporting.scenarios),
        show_patient_ids=show_patient_ids,
    )


def _of_one(fit: Fit, who: str | Cohort, at: float | None, until: float) -> tuple[Twin, Present]:
    """The patient at the landmark, for whom something is left to forecast.

    Raises
    ------
    TwinError
        See `collect_patient`.
    """
    if not isinstance(cast(object, who), str | Cohort):
        raise TwinError(
            f"A patient is named by an identifier as text, or given as a cohort of one, not as "
            f"{type(who).__name__}. Papermill keeps text with `-r patient ID`."
        )
    if not is_number(until) or not 0.0 < until <= _LONGEST:
        raise TwinError(
            f"The horizon must be a number of days above 0, at most {_LONGEST:g}, not "
            f"{told(until)}."
        )
    twin: Twin = fit.twin(who, at=at)
    if len(twin.patient_ids) != 1:
        raise TwinError(f"A patient's report needs one patient, not {len(twin.patient_ids)}.")
    present = twin.present[0]
    if present.state in fit.spec.graph.absorbing:
        raise TwinError(
            f"The record up to the landmark ends {look_of(fit).place(present.state)}, since day "
            f"{present.entry:g}: that state is never left, and there is nothing to forecast. Give "
            f"a landmark (`at`, `--at`) before day {present.entry:g}."
        )
    return twin, present


def _within(reporting: Reporting, twin: Twin, until: float) -> float:
    """The horizon, no further than the disease lets reports extrapolate.

    Raises
    ------
    TwinError
        Nothing of it is left.
    """
    followed = twin.followed_for
    last = days_shown(reporting, None if followed is None else float(followed[0]), until)
    if last <= 0.0:
        raise TwinError(
            "Nothing can be shown of this patient: nobody of the fit who was once in the same "
            "state was followed so long, and the disease allows reports to look "
            f"{reporting.extrapolation_years:g} year(s) beyond (extrapolation_years). Give an "
            "earlier landmark."
        )
    return last


def days_shown(reporting: Reporting, followed: float | None, until: float) -> float:
    """Days that may be shown, of those asked for; none where the result is not above 0.

    Parameters
    ----------
    reporting
        Of the disease: how far beyond the follow-up reports may look.
    followed
        Days from the landmark for which anybody in the same state was followed, if that is known.
    until
        The horizon asked for.
    """
    if reporting.extrapolation_years is None or followed is None:
        return until
    return min(until, followed + reporting.extrapolation_years * DAYS_PER_YEAR)


def default_quality(fit: Fit) -> Quality | None:
    """Return what the disease says a day counts, or the first quality of life with two bounds."""
    reporting = fit.spec.reporting
    if reporting is not None and reporting.utilities:
        return Quality(
            utilities={u.state: (u.mean, u.sd) if u.sd else u.mean for u in reporting.utilities}
        )
    variables = fit.cohort.variables
    declared = set(variables.loc[variables["role"] == "qol", "name"])
    markers = () if fit.learnt.curves is None else fit.learnt.curves.markers
    for m in markers:
        ends = (getattr(m.family, "floor", None), getattr(m.family, "ceiling", None))
        if m.marker in declared and None not in ends:
            return Quality(marker=m.marker)
    return None


def _rests_on(fit: Fit, subgroup: str, interval: float) -> pd.DataFrame:
    """Events of the subgroup by transition as they may be shown, and how much its level borrows."""
    columns = [TRANSITION, "events", "borrowed"]
    if SUBGROUP_EFFECT not in fit.datatree[POSTERIOR] or subgroup not in fit.encoding.subgroups:
        return pd.DataFrame(columns=columns)
    table = shrinkage_of(fit, interval).published.table
    if table.empty:
        return pd.DataFrame(columns=columns)
    mine = table[table[SUBGROUP] == subgroup]
    return pd.DataFrame(
        {
            TRANSITION: mine[TRANSITION].to_numpy(),
            "events": mine["observed"].to_numpy(),
            "borrowed": mine["borrowed"].to_numpy(),
        }
    )


def _borrowing(fit: Fit, who: str | Cohort, at: float | None, state: str) -> CheckResult:
    """Shares in the hazards that the patient faces now."""
    faced = [t.label for t in fit.spec.graph.transitions if t.source == state]
    if fit.spec.associations and fit.cohort.n_patients > _MOST_CURVES:
        return CheckResult.not_provided(
            _OF_ONE,
            f"Not told of joint models of more than {_MOST_CURVES:,} patients: it takes minutes.",
            topic=BORROWING,
        )
    try:
        found = patient_borrowing(fit, who, at=at, transitions=faced, draws=_SHARE_DRAWS)
    except TwinbayesError as error:
        return CheckResult.not_provided(_OF_ONE, str(error), topic=BORROWING)
    error_of_shares = float(found.table["mcse"].max())
    if error_of_shares <= _WORST_SHARE:
        return found
    return CheckResult.not_provided(
        found.name,
        f"The Monte Carlo error of the shares is {error_of_shares:.2g}: they cannot be told from "
        "so few draws.",
        topic=BORROWING,
    )


def _missing(twin: Twin) -> tuple[str, ...]:
    used = {source for column in twin.encoding.columns for source in column.sources}
    row = twin.cohort.covariates().iloc[0]
    return tuple(str(name) for name in row.index[row.isna()] if name in used)
