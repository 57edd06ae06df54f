"""The evidence bundle: everything a review shows, computed once from a fit."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr

from twinbayes.checks import (
    CheckResult,
    concordance,
    loo_check,
    patient_loo,
    prediction_scores,
    shrinkage,
    state_occupation_calibration,
    treatment_borrowing,
)
from twinbayes.checks.calibration.expected_events import counting_process, observed_and_expected
from twinbayes.checks.sensitivity.prior_occupation import prior_occupation
from twinbayes.cohort.quality.report import QualityReport
from twinbayes.errors import TwinbayesError
from twinbayes.estimators import CountingProcess, aalen_johansen
from twinbayes.inference import Fit
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.names import (
    CHAIN,
    DAYS_PER_YEAR,
    DEATH,
    DRAW,
    EFFECT,
    PATIENT,
    POSTERIOR,
    SAMPLE,
    STATE,
    SUBGROUP,
    TIME,
)
from twinbayes.report.figures.look import StateLook
from twinbayes.report.reviewer.markers import MarkerEvidence, marker_evidence
from twinbayes.report.reviewer.sensitivity import OF_FORECASTS, OF_PARAMETERS, sensitivity_of
from twinbayes.twin import Twin

CALIBRATION: Final = "calibration"
SCORES: Final = "scores"
SHRINKAGE: Final = "shrinkage"
PRIOR_PREDICTIVE: Final = "prior predictive"
SENSITIVITY: Final = "prior sensitivity"
BORROWING: Final = "borrowing"
FURTHER: Final = "further"

#: Level of the intervals of checks against data; those of the posterior are chosen by the reader.
CHECK_LEVEL: Final = 0.95
_SECTION_OF: Final = {
    "simulation-based": FURTHER,
    "state-occupation": CALIBRATION,
    "calibration": CALIBRATION,
    "accuracy": SCORES,
    "concordance": SCORES,
    "leave-one": SCORES,
    "cross-validation": SCORES,
    "k-fold": SCORES,
    "shrinkage": SHRINKAGE,
    "prior predictive": PRIOR_PREDICTIVE,
    "power-scaling": SENSITIVITY,
    "borrowing": BORROWING,
}
_YEARS: Final = (1.0, 3.0, 5.0)
_ENOUGH: Final = 10  # patients whose state must still be known at a horizon
_STEPS: Final = 60
_FORECAST_DRAWS: Final = 400  # posterior means need no more
_JOINT_DRAWS: Final = 1000
_PRIOR_DRAWS: Final = 200
_PRIOR_PATIENTS: Final = 12


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
        Section → checks, those of the review itself first, then those handed in.
    curves
        Predicted and observed state occupation over time, or None.
    prior_occupation
        State occupation under the priors alone (sample, time, state), or None.
    effects
        Hazard ratios of treatment effects, by effect and subgroup.
    interval
        Probability of posterior intervals, which are equal-tailed.
    markers
        Curves, associations and coverage of markers; None without trajectories.
    """

    fit: Fit
    look: StateLook
    quality: QualityReport
    horizons: tuple[float, ...]
    checks: Mapping[str, tuple[CheckResult, ...]]
    curves: pd.DataFrame | None
    prior_occupation: xr.DataArray | None
    effects: pd.DataFrame
    interval: float
    markers: MarkerEvidence | None = None

    @property
    def marks(self) -> tuple[str, ...]:
        """Words that every picture of this fit carries."""
        return marks_of(self.fit)

    def of(self, section: str) -> tuple[CheckResult, ...]:
        """Return the checks of one section."""
        return self.checks.get(section, ())

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
                {"section": section, "name": c.name, "verdict": c.verdict, "text": c.text}
                for section, some in self.checks.items()
                for c in some
            ],
        }


def collect(
    fit: Fit, *, checks: Iterable[CheckResult] = (), interval: float = 0.9
) -> ReviewEvidence:
    """Compute the evidence of a review.

    Parameters
    ----------
    fit
        The fit under review.
    checks
        Further evidence that a review cannot compute by itself, such as cross-validated scores
        or simulation-based calibration.
    interval
        Probability of posterior intervals.

    Returns
    -------
    ReviewEvidence
    """
    process = counting_process(fit)
    look = look_of(fit)
    horizons = _horizons(process)
    predicted = _predicted(fit, process, horizons)
    curves = _attempt("", lambda: _calibration(predicted, process, list(predicted[TIME].values)))
    prior = _prior_occupation(fit, predicted[TIME].to_numpy())
    own = [
        (
            PRIOR_PREDICTIVE,
            _attempt(
                "prior predictive of state occupation",
                lambda: prior_occupation(prior, aalen_johansen(process), horizons, level=interval),
            ),
        ),
        (SHRINKAGE, _attempt("shrinkage of subgroup effects", lambda: shrinkage_of(fit, interval))),
        (
            CALIBRATION,
            _attempt(
                "state-occupation calibration",
                lambda: _calibration(predicted, process, horizons),
            ),
        ),
        *((SCORES, check) for check in _scores(fit, predicted, process, look, horizons)),
        *((SENSITIVITY, check) for check in _sensitivity(fit, horizons)),
        (BORROWING, _attempt("borrowing", lambda: treatment_borrowing(fit))),
    ]
    given = [(section_of(check), check) for check in checks]
    sections: dict[str, tuple[CheckResult, ...]] = {}
    for section, check in [*own, *given]:
        sections[section] = (*sections.get(section, ()), check)
    return ReviewEvidence(
        fit=fit,
        look=look,
        quality=fit.cohort.quality(),
        horizons=horizons,
        checks=sections,
        curves=None if curves.table.empty else curves.table,
        prior_occupation=prior,
        effects=treatment_effects(fit, interval),
        interval=interval,
        markers=marker_evidence(fit, interval),
    )


def look_of(fit: Fit) -> StateLook:
    """Return how the states of a fit look; deaths are the targets of the event ``death``."""
    graph = fit.spec.graph
    dead = {t.target for t in graph.transitions if t.events == (DEATH,)}
    return StateLook.of(graph.states, dead or set(graph.absorbing))


def marks_of(fit: Fit) -> tuple[str, ...]:
    """Return the words that every picture of a fit carries."""
    found = []
    if not fit.verdict.usable:
        found.append("NOT FOR USE")
    if fit.cohort.simulated:
        found.append("SIMULATED DATA")
    return tuple(found)


def section_of(check: CheckResult) -> str:
    """Return the section of a review in which a check belongs."""
    name = check.name.lower()
    return next((place for key, place in _SECTION_OF.items() if key in name), FURTHER)


def treatment_effects(fit: Fit, interval: float) -> pd.DataFrame:
    """Return hazard ratios by effect and subgroup, and for the population (``all``)."""
    columns = [EFFECT, SUBGROUP, "n", "median", "lower", "upper"]
    posterior = fit.datatree[POSTERIOR].to_dataset()
    if "treatment_subgroup_effect" not in posterior:
        return pd.DataFrame(columns=columns)
    sizes = fit.cohort.patients[SUBGROUP].value_counts()
    quantiles = [0.5, 0.5 - interval / 2, 0.5 + interval / 2]
    by_group = posterior["treatment_subgroup_effect"].quantile(quantiles, (CHAIN, DRAW))
    whole = (
        posterior["treatment_effect"].quantile(quantiles, (CHAIN, DRAW))
        if "treatment_effect" in posterior
        else None
    )
    rows: list[tuple[object, ...]] = []
    for effect in by_group[EFFECT].to_numpy():
        at = by_group.sel({EFFECT: effect})
        groups = sorted(at[SUBGROUP].to_numpy(), key=lambda g: (-int(sizes.get(g, 0)), g))
        rows.extend(
            (effect, g, int(sizes.get(g, 0)), *at.sel({SUBGROUP: g}).values) for g in groups
        )
        if whole is not None:
            numbers = whole.sel({EFFECT: effect}).values
            rows.append((effect, "all", fit.cohort.n_patients, *numbers))
    table = pd.DataFrame(rows, columns=columns)
    ratios = ["median", "lower", "upper"]
    table[ratios] = np.exp(table[ratios])
    return table


def _horizons(process: CountingProcess) -> tuple[float, ...]:
    """1, 3 and 5 years as far as enough patients are followed, else the median of the ends."""
    days = [y * DAYS_PER_YEAR for y in _YEARS]
    known = process.n_known(days)
    kept = tuple(d for d, n in zip(days, known, strict=True) if n >= _ENOUGH)
    return kept or (float(np.median(process.follow_up().exit)),)


def _predicted(fit: Fit, process: CountingProcess, horizons: Sequence[float]) -> xr.DataArray:
    """Posterior mean state occupation of every patient with time at risk, from day 0 on."""
    grid = np.unique(np.concatenate([np.linspace(0, max(horizons), _STEPS + 1), horizons]))
    ids = [str(p) for p in process.patients]
    twin: Twin = fit.thinned(_FORECAST_DRAWS).twin(ids, at=0.0)
    predicted = twin.forecast(float(grid[-1]), grid)["state_probability"]
    # One subgroup is the whole: comparing it again would only repeat the first row.
    return predicted if len(fit.cohort.subgroups) > 1 else predicted.drop_vars(SUBGROUP)


def _calibration(
    predicted: xr.DataArray, process: CountingProcess, times: Sequence[float]
) -> CheckResult:
    return state_occupation_calibration(predicted, process, times=times, level=CHECK_LEVEL)


def _prior_occupation(fit: Fit, grid: np.ndarray) -> xr.DataArray:
    """State occupation of a spread of the fitted patients under each draw of the priors."""
    prior = sample_priors(fit.spec, fit.cohort, priors=fit.priors, draws=_PRIOR_DRAWS)
    under_priors = replace(fit, datatree=xr.DataTree.from_dict({POSTERIOR: prior}))
    ids = fit.cohort.patient_ids
    some = [ids[k] for k in np.unique(np.linspace(0, len(ids) - 1, _PRIOR_PATIENTS).astype(int))]
    forecast = under_priors.twin(some, at=0.0).forecast(float(grid[-1]), grid, draws=True)
    mean: xr.DataArray = forecast["state_probability_draws"].mean(PATIENT)
    return mean.transpose(SAMPLE, TIME, STATE)


def shrinkage_of(fit: Fit, interval: float) -> CheckResult:
    """Compare raw with pooled subgroup levels of a fit."""
    name = "shrinkage of subgroup effects"
    posterior = fit.datatree[POSTERIOR]
    if "subgroup_effect" not in posterior:
        return CheckResult.not_provided(name, "The model has no subgroup levels: one subgroup.")
    if fit.spec.associations:
        return CheckResult.not_provided(name, "Expected events along curves are not available.")
    observed, expected = observed_and_expected(fit)
    pooled = posterior.to_dataset()["subgroup_effect"].sel({SUBGROUP: observed[SUBGROUP]})
    sizes = fit.cohort.patients[SUBGROUP].value_counts()
    table = {str(k): int(n) for k, n in sizes.items()}
    return shrinkage(observed, expected, pooled, sizes=table, level=interval)


def _scores(
    fit: Fit,
    predicted: xr.DataArray,
    process: CountingProcess,
    look: StateLook,
    horizons: Sequence[float],
) -> list[CheckResult]:
    dead = look.dead
    combined = {"any death": dead} if len(dead) > 1 else {}
    return [
        _attempt(
            "accuracy of predictions",
            lambda: prediction_scores(
                predicted, process, horizons, combined=combined, level=CHECK_LEVEL
            ),
        ),
        _attempt(
            "concordance", lambda: _concordance(predicted, process, dead, float(max(horizons)))
        ),
        _attempt("leave-one-patient-out accuracy", lambda: _leave_one_out(fit)),
    ]


def _sensitivity(fit: Fit, horizons: Sequence[float]) -> tuple[CheckResult, ...]:
    try:
        return sensitivity_of(fit, horizons)
    except TwinbayesError as error:
        return tuple(CheckResult.not_provided(n, str(error)) for n in (OF_PARAMETERS, OF_FORECASTS))


def _leave_one_out(fit: Fit) -> CheckResult:
    with warnings.catch_warnings():
        # The check itself says how many patients have a large Pareto k.
        warnings.filterwarnings("ignore", message="Estimated shape parameter of Pareto")
        # Integrating curves out takes a while.
        some = fit.thinned(_JOINT_DRAWS) if fit.spec.associations else fit
        return loo_check(patient_loo(some.log_likelihood()))


def _concordance(
    predicted: xr.DataArray, process: CountingProcess, dead: Sequence[str], horizon: float
) -> CheckResult:
    risk = predicted.sel({STATE: list(dead)}).sum(STATE).isel({TIME: -1})
    risk = risk.sel({PATIENT: list(process.patients)})
    rows = [
        {
            "weights": weights,
            **concordance(process, risk.to_numpy(), dead, weights=weights, truncation=limit).row(
                CHECK_LEVEL
            ),
        }
        for weights, limit in (("harrell", None), ("uno", horizon))
    ]
    table = pd.DataFrame(rows)
    text = (
        f"Concordance of the predicted risk of {' or '.join(dead).replace('_', ' ')} with the "
        f"order of the events {table['value'].iloc[0]:.3f} ({CHECK_LEVEL:.0%} interval "
        f"{table['lower'].iloc[0]:.3f} to {table['upper'].iloc[0]:.3f}), on the patients the model "
        "was fitted to."
    )
    return CheckResult("concordance", "info", table, text)


def _attempt(name: str, check: Callable[[], CheckResult]) -> CheckResult:
    """Return a check, or say why there is none: a review is never silent about a gap."""
    try:
        return check()
    except TwinbayesError as error:
        return CheckResult.not_provided(name, str(error))
