"""The evidence behind one patient's report, computed once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr

from twinbayes.checks import CheckResult, patient_borrowing
from twinbayes.checks.borrowing.shrinkage import shrinkage_of
from twinbayes.checks.result import BORROWING
from twinbayes.cohort import Cohort
from twinbayes.cohort.quality.suppression import part_words
from twinbayes.errors import OptionError, ScenarioError, TwinbayesError, TwinError
from twinbayes.inference import Fit
from twinbayes.model.courses.history import Present
from twinbayes.names import DAYS_PER_YEAR, POSTERIOR, SUBGROUP, SUBGROUP_EFFECT, TRANSITION
from twinbayes.report.figures.look import StateLook, look_of, marks_of
from twinbayes.report.words import Living
from twinbayes.twin import Quality, Scenario, Twin
from twinbayes.twin.answers.grid import output_grid

_YEARS: Final = (1.0, 3.0, 5.0)
_STEPS: Final = 120
_OF_ONE: Final = "borrowing of one patient"
_SHARE_DRAWS: Final = 1500
_WORST_SHARE: Final = 0.25  # Monte Carlo error, above which shares are not shown
_MOST_CURVES: Final = 1000  # patients whose curves are drawn to tell shares
_WAIT_FROM_START: Final = 120.0  # days; a transplant in first remission takes months to arrange
_WAIT_LATER: Final = 30.0

type Pair = tuple[Scenario, Scenario]


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
    show_patient_ids
        Whether the report prints the identifier of the patient.
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
    def subgroup(self) -> str:
        """The patient's subgroup."""
        return str(self.twin.cohort.patients[SUBGROUP].iloc[0])

    @property
    def subgroup_size(self) -> str:
        """Number of patients of that subgroup in the fit, as it may be shown."""
        cohort = self.fit.cohort
        sizes = cohort.patients[SUBGROUP].value_counts().reindex([*cohort.subgroups])
        return dict(zip(sizes.index, part_words(sizes), strict=True)).get(self.subgroup, "0")

    @property
    def main_horizon(self) -> float:
        """The day at which scenarios are compared in words: the middle one."""
        return self.horizons[len(self.horizons) // 2]


def collect_patient(
    fit: Fit,
    who: str | Cohort,
    *,
    at: float | None = None,
    until: float = 5 * DAYS_PER_YEAR,
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
        Horizon in days from the landmark.
    scenarios
        Two to compare. By default starting the model's first treatment soon against not starting
        it, where it still can start.
    interval
        Probability of the equal-tailed intervals.
    quality
        What a day alive counts. By default the curve of the first quality-of-life score that the
        model has between two bounds, the upper being best.
    show_patient_ids
        Print the identifier of the patient.

    Raises
    ------
    TwinError
        If `who` is not one patient, or has reached a state that is never left.
    """
    twin: Twin = fit.twin(who, at=at)
    graph = fit.spec.graph
    if len(twin.patient_ids) != 1:
        raise TwinError(f"A patient's report needs one patient, not {len(twin.patient_ids)}.")
    present = twin.present[0]
    if present.state in graph.absorbing:
        raise TwinError(
            f"At the landmark the patient is in state {present.state!r}, which is never left: "
            "there is nothing to forecast. Give an earlier landmark day."
        )
    output_grid(until, None, interval)  # refuses both before anything is computed
    pair = _pair(scenarios) if scenarios is not None else default_scenarios(twin)
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
        show_patient_ids=show_patient_ids,
    )


def default_scenarios(twin: Twin) -> Pair | None:
    """Return "start soon" and "do not start" for the first treatment that can still start."""
    graph, present = twin.spec.graph, twin.present[0]
    begun = {name for name, _, _ in present.started}
    for treatment in graph.treatments:
        if treatment.name in begun:
            continue
        sources = [s.source for s in treatment.starts]
        if present.state == graph.initial:
            # Few start at once: compare a start in the state that the initial one leads to.
            after = [t.target for t in graph.leaving(present.state) if t.target in sources]
            day, states = present.day + _WAIT_FROM_START, tuple(after[:1])
        else:
            day = present.day + _WAIT_LATER
            states = (present.state,) if present.state in sources else ()
        if states:
            start = Scenario.start(treatment.name, day=float(np.ceil(day)), states=states)
            return start, Scenario.none(treatment.name)
    return None


def default_quality(fit: Fit) -> Quality | None:
    """Return the first marker that is declared a quality of life and has a floor and a ceiling."""
    variables = fit.cohort.variables
    declared = set(variables.loc[variables["role"] == "qol", "name"])
    markers = () if fit.learnt.curves is None else fit.learnt.curves.markers
    for m in markers:
        ends = (getattr(m.family, "floor", None), getattr(m.family, "ceiling", None))
        if m.marker in declared and None not in ends:
            return Quality(marker=m.marker)
    return None


def scenarios_to_json(scenarios: Sequence[Scenario]) -> str:
    """Write scenarios as text, for a notebook's parameter."""
    return json.dumps(
        [
            {
                "label": s.label,
                "assumptions": [
                    {"treatment": a.treatment, "day": a.day, "states": list(a.states)}
                    for a in s.assumptions
                ],
                "settings": [[x.covariate, x.value] for x in s.settings],
            }
            for s in scenarios
        ]
    )


def scenarios_from_json(text: str) -> tuple[Scenario, ...] | None:
    """Read what `scenarios_to_json` wrote; an empty text means the default ones."""
    if not text:
        return None
    return tuple(_scenario(r["assumptions"], r["settings"]) for r in json.loads(text))


def _scenario(
    assumptions: Sequence[dict[str, Any]], settings: Sequence[tuple[str, Any]]
) -> Scenario:
    parts = [
        Scenario.none(a["treatment"])
        if a["day"] is None
        else Scenario.start(a["treatment"], day=a["day"], states=tuple(a["states"]))
        for a in assumptions
    ]
    parts += [Scenario.given(covariate, value) for covariate, value in settings]
    result = Scenario.policy()
    for k, part in enumerate(parts):
        result = part if k == 0 else result & part
    return result


def _pair(scenarios: Sequence[Scenario]) -> Pair:
    if len(scenarios) != 2:
        raise ScenarioError(f"Two scenarios are compared, not {len(scenarios)}.")
    if scenarios[0] == scenarios[1]:
        raise OptionError("The two scenarios are the same.")
    return scenarios[0], scenarios[1]


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
