"""The evidence bundle: everything a review shows, computed once from a fit."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import pandas as pd
import xarray as xr

from twinbayes.arrays import Floats
from twinbayes.checks import (
    CheckResult,
    loo_check,
    patient_loo,
    prediction_scores,
    state_occupation_calibration,
    treatment_borrowing,
)
from twinbayes.checks.borrowing.hazard_ratios import (
    COVARIATE_COLUMNS,
    EFFECT_COLUMNS,
    covariate_effects,
    treatment_effects,
)
from twinbayes.checks.borrowing.shrinkage import shrinkage_of
from twinbayes.checks.calibration.expected_events import counting_process
from twinbayes.checks.calibration.mean_counts import mean_count_calibration
from twinbayes.checks.result import (
    BORROWING,
    CALIBRATION,
    FAIRNESS,
    OUT_OF_SAMPLE,
    PRIOR_PREDICTIVE,
    SCORES,
    SENSITIVITY,
    SHRINKAGE,
    Topic,
    as_shown,
)
from twinbayes.checks.scores.table import concordance_check
from twinbayes.checks.sensitivity.overview import OF_FORECASTS, OF_PARAMETERS, sensitivity_of
from twinbayes.checks.sensitivity.prior_occupation import occupation_under_priors, prior_occupation
from twinbayes.cohort.quality.report import QualityReport
from twinbayes.errors import OptionError, is_number, reason, told
from twinbayes.estimators import CountingProcess, aalen_johansen
from twinbayes.inference import Fit
from twinbayes.names import (
    EXPECTED_EVENTS,
    PATIENT,
    STATE,
    STATE_PROBABILITY,
    SUBGROUP,
)
from twinbayes.report.figures.look import StateLook, look_of, marks_of
from twinbayes.report.required.first_screen import Judged
from twinbayes.report.reviewer.handed.asked_effects import require_effect_of
from twinbayes.report.reviewer.markers import MarkerEvidence, marker_evidence
from twinbayes.report.reviewer.reach import (
    FORECAST_DRAWS,
    agreement_by_group,
    draws_of,
    each_left_out,
    grid_of,
    horizons_of,
    in_sample,
    not_for,
)
from twinbayes.showing import brief
from twinbayes.twin import Twin

#: Level of the intervals of checks against data; those of the posterior are chosen by the reader.
CHECK_LEVEL: Final = 0.95
#: Kind of the intervals of the posterior.
KIND: Final = "equal-tailed"
#: Topics that are shown with another, in its section.
_SHOWN_AS: Final[dict[Topic, Topic]] = {OUT_OF_SAMPLE: SCORES}
_JOINT_DRAWS: Final = 1000
_PRIOR: Final = "prior predictive of state occupation"
_OCCUPATION: Final = "state-occupation calibration"


@brief
@dataclass(frozen=True, eq=False)
class ReviewEvidence:
    """What a review knows of a fit.

    Attributes
    ----------
    fit
        The fit under review.
    look
        Its states, their colours, and which of them are deaths.
    quality
        The quality report of its data.
    horizons
        Days at which predictions are judged.
    checks
        Topic of a section → checks, those of the review itself first, then those handed in.
    curves
        Predicted and observed state occupation over time, or None.
    prior_occupation
        State occupation under the priors alone (sample, time, state), or None.
    effects
        Hazard ratios of treatment effects, by effect and subgroup.
    covariates
        Hazard ratios of covariates on every transition, with the share of the data in each.
    interval
        Probability of posterior intervals, which are equal-tailed.
    markers
        Curves, associations and coverage of markers; None without trajectories.
    estimands
        Treatment effects that were asked for as estimands, and handed in.
    missing
        Attribute → why it could not be computed.
    handed_in
        Those of the checks that were handed in; pictures are drawn of the others alone.

    Examples
    --------
    >>> evidence = collect(fit)  # doctest: +SKIP
    >>> evidence.horizons, evidence.handed_in  # doctest: +SKIP
    ((365.25, 1095.75, 1826.25), ())
    """

    fit: Fit
    look: StateLook
    quality: QualityReport
    horizons: tuple[float, ...]
    checks: Mapping[Topic, tuple[CheckResult, ...]]
    curves: pd.DataFrame | None
    prior_occupation: xr.DataArray | None
    effects: pd.DataFrame
    covariates: pd.DataFrame
    interval: float
    markers: MarkerEvidence | None = None
    estimands: tuple[xr.Dataset, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    handed_in: tuple[CheckResult, ...] = ()

    @property
    def judged(self) -> Judged:
        """What the first screen has to know."""
        verdict = self.fit.verdict
        beyond = not_for(self.fit, self.of(CALIBRATION))
        simulated, say = self.fit.cohort.simulated, self.look.way
        return Judged(verdict.usable, verdict.reasons, simulated, beyond, say)

    @property
    def marks(self) -> tuple[str, ...]:
        """Words that every picture of this fit carries."""
        return marks_of(self.fit)

    def of(self, topic: Topic) -> tuple[CheckResult, ...]:
        """Return the checks of the section that shows a topic."""
        return self.checks.get(topic, ())

    def own(self, topic: Topic) -> tuple[CheckResult, ...]:
        """Return those of them that the review made itself and that have a table."""
        handed = {id(check) for check in self.handed_in}
        return tuple(c for c in self.of(topic) if id(c) not in handed and not c.table.empty)

    def summary(self) -> dict[str, Any]:
        """Return verdict and checks as plain JSON values; no table of single patients."""
        verdict = self.fit.verdict
        return {
            "verdict": verdict.banner(),
            "usable": verdict.usable,
            "reasons": list(verdict.reasons),
            "simulated_data": self.fit.cohort.simulated,
            "cohort_fingerprint": self.fit.cohort.fingerprint,
            "patients": self.fit.cohort.n_patients,
            "checks": [
                {"section": topic, "name": c.name, "verdict": c.verdict, "text": c.text}
                for topic, some in self.checks.items()
                for c in some
            ],
        }


def collect(
    fit: Fit,
    *,
    checks: Iterable[CheckResult] = (),
    effects: Iterable[xr.Dataset] = (),
    interval: float = 0.9,
) -> ReviewEvidence:
    """Compute the evidence of a review.

    Parameters
    ----------
    fit
        The fit under review.
    checks
        Further evidence that a review cannot compute by itself, such as cross-validated scores
        or simulation-based calibration.
    effects
        Treatment effects of this fit that were asked for as estimands. What they say of single
        patients is left out.
    interval
        Probability of posterior intervals.

    Returns
    -------
    ReviewEvidence

    Raises
    ------
    OptionError
        If `interval` is no probability.
    ReportError
        If an effect is none, or one of another fit.

    Examples
    --------
    >>> evidence = collect(fit)  # doctest: +SKIP
    >>> [check.name for check in evidence.of("calibration")]  # doctest: +SKIP
    ['state-occupation calibration']
    """
    if not is_number(interval) or not 0.0 < interval < 1.0:
        raise OptionError(f"interval must be a probability between 0 and 1, not {told(interval)}.")
    handed, asked = tuple(checks), tuple(effects)
    for effect in asked:
        require_effect_of(fit, effect)
    process = counting_process(fit)
    look, horizons = look_of(fit), horizons_of(process)
    grid, missing = grid_of(horizons), dict[str, str]()
    forecast = cache(lambda: _forecast(fit, process, grid))
    predicted = cache(lambda: forecast()[STATE_PROBABILITY])
    along = cache(lambda: _calibration(predicted(), process, grid, look))
    prior = _found(missing, "prior_occupation", lambda: occupation_under_priors(fit, grid))

    def against_priors() -> CheckResult:
        if prior is None:
            return CheckResult.not_provided(_PRIOR, missing["prior_occupation"])
        seen, read = aalen_johansen(process), look.labels
        check = prior_occupation(prior, seen, horizons, level=interval, labels=read)
        return as_shown(check, process, STATE)

    own = [
        _attempt(_PRIOR, PRIOR_PREDICTIVE, against_priors),
        _attempt("shrinkage of subgroup effects", SHRINKAGE, lambda: shrinkage_of(fit, interval)),
        *_agreement(fit, predicted, along, process, look, horizons),
        *_counts(fit, forecast, horizons),
        *_scores(fit, predicted, process, look, horizons),
        *_sensitivity(fit, horizons),
        _attempt("borrowing", BORROWING, lambda: treatment_borrowing(fit)),
    ]
    by_topic: dict[Topic, tuple[CheckResult, ...]] = {}
    for check in [*own, *handed]:
        topic = _SHOWN_AS.get(check.topic, check.topic)
        by_topic[topic] = (*by_topic.get(topic, ()), check)
    curves = _attempt("", CALIBRATION, along)
    ratios = _found(missing, "effects", lambda: treatment_effects(fit, interval))
    shrunk = _found(missing, "covariates", lambda: covariate_effects(fit, interval))
    return ReviewEvidence(
        fit=fit,
        look=look,
        quality=fit.cohort.quality(),
        horizons=horizons,
        checks=by_topic,
        curves=None if curves.table.empty else curves.table,
        prior_occupation=prior,
        effects=pd.DataFrame(columns=list(EFFECT_COLUMNS)) if ratios is None else ratios,
        covariates=pd.DataFrame(columns=list(COVARIATE_COLUMNS)) if shrunk is None else shrunk,
        interval=interval,
        markers=_found(missing, "markers", lambda: marker_evidence(fit, interval)),
        estimands=tuple(effect.drop_dims(PATIENT, errors="ignore") for effect in asked),
        missing=missing,
        handed_in=handed,
    )


def _forecast(fit: Fit, process: CountingProcess, grid: Floats) -> xr.Dataset:
    """Posterior means of every patient with time at risk, from day 0 on, in-sample."""
    ids = [str(p) for p in process.patients]
    twin: Twin = fit.thinned(FORECAST_DRAWS).twin(ids, at=0.0).as_drawn()
    predicted = twin.forecast(float(grid[-1]), grid)
    # One subgroup is the whole: comparing it again would only repeat the first row.
    return predicted if len(fit.cohort.subgroups) > 1 else predicted.drop_vars(SUBGROUP)


def _calibration(
    predicted: xr.DataArray, process: CountingProcess, times: Iterable[float], look: StateLook
) -> CheckResult:
    return state_occupation_calibration(
        predicted, process, times=list(times), level=CHECK_LEVEL, labels=look.labels
    )


def _agreement(
    fit: Fit,
    predicted: Callable[[], xr.DataArray],
    along: Callable[[], CheckResult],
    process: CountingProcess,
    look: StateLook,
    horizons: Sequence[float],
) -> list[CheckResult]:
    """Predicted against observed: of all, by group, and with each patient left out."""

    def of_all() -> CheckResult:
        found = _calibration(predicted(), process, horizons, look)
        return in_sample(found, along().table, look, draws=draws_of(fit))

    def by_group() -> CheckResult:
        return agreement_by_group(fit, predicted(), process, look, horizons)

    return [
        _attempt(_OCCUPATION, CALIBRATION, of_all),
        _attempt("agreement by group", FAIRNESS, by_group),
        *each_left_out(fit, process, look, horizons),
    ]


def _counts(
    fit: Fit, forecast: Callable[[], xr.Dataset], horizons: Sequence[float]
) -> list[CheckResult]:
    """Calibration of the number of events, where some recur."""
    if not fit.spec.graph.recurrent_events:
        return []

    def check() -> CheckResult:
        expected = forecast()[EXPECTED_EVENTS]
        return mean_count_calibration(expected, fit, times=horizons, level=CHECK_LEVEL)

    return [_attempt("calibration of the number of events", CALIBRATION, check)]


def _scores(
    fit: Fit,
    predicted: Callable[[], xr.DataArray],
    process: CountingProcess,
    look: StateLook,
    horizons: Sequence[float],
) -> list[CheckResult]:
    dead, said = look.dead, look.labels
    combined = {"any death": dead} if len(dead) > 1 else {}

    def scored() -> CheckResult:
        found = prediction_scores(
            predicted(), process, horizons, combined=combined, level=CHECK_LEVEL, labels=said
        )
        return as_shown(found, process, "target")

    return [
        _attempt("accuracy of predictions", SCORES, scored),
        _attempt(
            "concordance",
            SCORES,
            lambda: concordance_check(
                predicted(), process, dead, float(max(horizons)), level=CHECK_LEVEL, labels=said
            ),
        ),
        _attempt("leave-one-patient-out accuracy", SCORES, lambda: _leave_one_out(fit)),
    ]


def _sensitivity(fit: Fit, horizons: Sequence[float]) -> tuple[CheckResult, ...]:
    try:
        return sensitivity_of(fit, horizons)
    except Exception as error:
        return tuple(
            CheckResult.not_provided(name, reason(error), topic=SENSITIVITY)
            for name in (OF_PARAMETERS, OF_FORECASTS)
        )


def _leave_one_out(fit: Fit) -> CheckResult:
    with warnings.catch_warnings():
        # The check itself says how many patients have a large Pareto k.
        warnings.filterwarnings("ignore", message="Estimated shape parameter of Pareto")
        # Integrating curves out takes a while.
        some = fit.thinned(_JOINT_DRAWS) if fit.spec.associations else fit
        return loo_check(patient_loo(some.log_likelihood()))


def _attempt(name: str, topic: Topic, check: Callable[[], CheckResult]) -> CheckResult:
    """Return a check, or say why there is none: a review is never silent about a gap."""
    try:
        return check()
    except Exception as error:  # a check that fails in any way loses no other
        return CheckResult.not_provided(name, reason(error), topic=topic)


def _found[T](missing: dict[str, str], part: str, make: Callable[[], T]) -> T | None:
    """Return a part of the evidence, or None and say why it is missing."""
    try:
        return make()
    except Exception as error:
        missing[part] = reason(error)
        return None
