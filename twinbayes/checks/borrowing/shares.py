"""How much of an answer comes from where: own data, own subgroup, other subgroups, the prior.

Let h be the answer (a subgroup's effect), and let v move the effects of all subgroups and their
prior mean together by one unit, so that h moves by one unit as well. For every smooth posterior

    1 = - Cov(h, derivative of log posterior along v)
      = sum over data i of  - Cov(h, score_i)   +   the same of the prior

(integration by parts; Stein 1981, Annals of Statistics 9, 1135-1151). The terms are the shares.
With normal data and a normal prior they are exactly the weights by which the posterior mean
averages data and prior mean, and `shares_of` returns these weights when given the exact posterior
covariance. Shares can be negative: a source may push an answer away from itself.

Where hazards follow trajectories, the patients' curves are among what the posterior is of, and stay
where they are while v moves: the score of a record is that of its events along its own curve. What
was measured at visits then has no share of its own; it speaks through the curves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from twinbayes.arrays import Floats
from twinbayes.checks.borrowing.as_of import fit_as_of
from twinbayes.checks.borrowing.record_scores import RecordScores, stacked
from twinbayes.checks.borrowing.source_scores import aggregate_scores
from twinbayes.checks.result import BORROWING, CheckResult
from twinbayes.cohort import Cohort
from twinbayes.cohort.aggregate import OUTCOMES, RATE, RESPONSE
from twinbayes.errors import ModelError, OptionError, require_known
from twinbayes.inference import AggregateFit, Fit
from twinbayes.model import Effect
from twinbayes.names import (
    CHAIN,
    DRAW,
    EFFECT,
    LOG_BASELINE,
    POSTERIOR,
    SUBGROUP,
    TRANSITION,
    TREATMENT_EFFECT,
    TREATMENT_HETEROGENEITY,
    TREATMENT_SUBGROUP_EFFECT,
)
from twinbayes.twin import Twin

OWN: Final = "own data"
OWN_SUBGROUP: Final = "own subgroup"
OTHERS: Final = "other subgroups"
PRIOR: Final = "prior"
SHARES: Final = (OWN, OWN_SUBGROUP, OTHERS, PRIOR)
_PIECES: Final = 8  # of the draws, for Monte Carlo errors


def shares_of(answer: Floats, scores: Floats) -> Floats:
    """Shares of sources in an answer; what is missing to 1 is the prior's.

    Parameters
    ----------
    answer
        (draw,) posterior draws of the answer.
    scores
        (draw, source) derivatives of each source's log-likelihood along the common shift.

    Returns
    -------
    ndarray
        (source,).
    """
    centred = answer - answer.mean()
    return np.asarray(-(centred @ (scores - scores.mean(axis=0))) / len(answer))


def aggregate_borrowing(fit: AggregateFit) -> CheckResult:
    """Say where the estimate of every subgroup comes from.

    Parameters
    ----------
    fit
        A fit of aggregate data without covariates.

    Returns
    -------
    CheckResult
        One row a subgroup: ``size``, the shares ``own subgroup``, ``other subgroups`` and
        ``prior`` on the scale of the priors, their Monte Carlo error ``mcse``, and ``conflict``:
        the two-sided p-value of the subgroup's result among those of a new subgroup. It is mixed
        predictive (Marshall & Spiegelhalter 2007, Bayesian Analysis 2, 409-444) and errs towards
        no conflict, as the subgroup itself has been seen. The verdict warns of less than 0.05.

    Examples
    --------
    >>> counts = pd.DataFrame({"subgroup": ["a", "b"], "n": [20, 15], "responders": [4, 2]})
    >>> fit = tb.fit(tb.disease("basket"), tb.read_aggregate(counts), seed=1)  # doctest: +SKIP
    >>> aggregate_borrowing(fit).table.columns.tolist()  # doctest: +SKIP
    ['subgroup', 'size', 'own subgroup', 'other subgroups', 'prior', 'mcse', 'conflict']
    """
    if fit.spec.covariates:
        raise ModelError(
            "Shares are told of models without covariates. Fit the subgroups' results alone, or "
            "read the coefficients in fit.datatree."
        )
    posterior = fit.datatree[POSTERIOR].to_dataset()
    theta = stacked(posterior["effect"], SUBGROUP)  # (draw, subgroup): one coefficient
    score = aggregate_scores(fit, theta)
    labels, conflicts = fit.data.subgroups, _aggregate_conflicts(fit)
    sizes = fit.data.table.groupby(SUBGROUP, sort=False)[OUTCOMES[fit.spec.outcome][1]].sum()
    rows = [
        {
            SUBGROUP: label,
            "size": sizes[label] if fit.spec.outcome in (RESPONSE, RATE) else np.nan,
            **_row(theta[:, j], score, np.arange(len(labels)) == j),
            "conflict": conflicts[j],
        }
        for j, label in enumerate(labels)
    ]
    return _result(
        pd.DataFrame(rows), f"{len(labels)} subgroups, pooling {fit.spec.pooling.kind!r}"
    )


def treatment_borrowing(fit: Fit, *, draws: int = 1000) -> CheckResult:
    """Say where the effect of each treatment in each subgroup comes from.

    Parameters
    ----------
    fit
        A fit of patients.
    draws
        Posterior draws to use, evenly spaced.

    Returns
    -------
    CheckResult
        One row an effect and subgroup: ``n`` patients, ``n_treated`` of them at risk under the
        treatment, and shares, Monte Carlo error and conflict as in `aggregate_borrowing`.

    Examples
    --------
    >>> found = treatment_borrowing(fit)
    >>> found.table["effect"][0]
    'allogeneic_transplant:here on induction->remission'
    """
    scores = RecordScores(fit.thinned(draws))
    posterior = scores.posterior
    if TREATMENT_SUBGROUP_EFFECT not in posterior:
        return CheckResult.not_provided(
            "borrowing", "The model has no treatment effect.", topic=BORROWING
        )
    group = fit.cohort.patients[SUBGROUP].astype(str).to_numpy()
    rows = []
    for f in fit.spec.graph.effects:
        score, information = scores.of_treatment(f.label)
        treated, new = information.mean(axis=0) > 0.0, _new_effects(posterior, f)
        effect = posterior[TREATMENT_SUBGROUP_EFFECT].sel({EFFECT: f.label})
        theta = stacked(effect, SUBGROUP)
        for j, label in enumerate(fit.encoding.subgroups):
            mine = group == label
            rows.append(
                {
                    EFFECT: f.label,
                    SUBGROUP: label,
                    "n": int(mine.sum()),
                    "n_treated": int((mine & treated).sum()),
                    **_row(theta[:, j], score, mine),
                    "conflict": _effect_conflict(
                        theta[:, j],
                        score[:, mine].sum(axis=1),
                        information[:, mine].sum(axis=1),
                        new,
                    ),
                }
            )
    return _result(
        pd.DataFrame(rows),
        f"{len(fit.spec.graph.effects)} treatment effects in {len(fit.encoding.subgroups)} "
        "subgroups",
    )


def patient_borrowing(
    fit: Fit,
    who: str | Cohort,
    *,
    at: float | None = None,
    transitions: Sequence[str] | None = None,
    draws: int = 1000,
) -> CheckResult:
    """Say where the hazards that one patient faces come from.

    Parameters
    ----------
    fit
        A fit of patients.
    who
        A patient of the fitted cohort, or a cohort of one.
    at
        Landmark day, as for `Fit.twin`: what the fit has seen of the patient later has no share.
        Default: the last day known.
    transitions
        Labels of the intensities to tell of; default: all.
    draws
        As in `treatment_borrowing`.

    Returns
    -------
    CheckResult
        One row an intensity: shares ``own data``, ``own subgroup`` (the other patients of it),
        ``other subgroups`` and ``prior`` in the patient's log hazard, and their Monte Carlo error
        ``mcse``; v moves the baseline. Where hazards follow trajectories, the hazard is that on the
        last day known, or along the average curve for a patient from outside, whose own record has
        no share.

    Raises
    ------
    OptionError
        Not one patient, one that the fit does not know, an unknown intensity, or a model with a
        frailty.
    TwinError
        The patient was no longer followed at the landmark.

    Examples
    --------
    >>> found = patient_borrowing(fit, fit.cohort.patient_ids[0], at=0)
    >>> found.table["transition"][0]
    'induction->remission'
    """
    labels = fit.spec.graph.labels
    asked = labels if transitions is None else tuple(transitions)
    for label in asked:
        require_known(label, labels, "intensity")
    _require_one(fit, who)
    if fit.spec.events.frailty:
        raise OptionError(
            "Shares of one patient are not told where hazards have a frailty: the patient's own "
            "record moves it in every draw, not only how the draws count. The forecast with and "
            "without that record shows what it does."
        )
    some = fit.thinned(draws)
    twin: Twin = some.twin(who, at=at)
    if fit.has_seen(twin.cohort)[0] and not twin.is_as_fitted:
        some = fit_as_of(some, twin)
        twin = some.twin(twin.patient_ids[0])
    scores = RecordScores(some)
    drawn, seen = twin.unweighted(0), fit.has_seen(twin.cohort)[0]
    own = seen & (np.array(fit.cohort.patient_ids) == twin.patient_ids[0])
    group = fit.cohort.patients[SUBGROUP].astype(str).to_numpy()
    same = group == str(twin.cohort.patients[SUBGROUP].iloc[0])
    baseline = stacked(scores.posterior[LOG_BASELINE].isel(window=0), TRANSITION)
    answers = baseline + np.log(drawn.ratios.hazard).T
    if fit.spec.associations and drawn.curves is not None and seen:
        day = np.array([twin.present[0].day])
        answers += np.column_stack([drawn.curves.trail(label, day)[0] for label in labels])
    parts = [own, same & ~own, ~same]
    rows = []
    for label in asked:
        score, _ = scores.of_baseline(label)
        sums = np.column_stack([score[:, part].sum(axis=1) for part in parts])
        shares, error = shares_with_error(answers[:, labels.index(label)], sums)
        rows.append(
            {TRANSITION: label, **dict(zip(SHARES, [*shares, 1.0 - shares.sum()], strict=True))}
            | {"mcse": error}
        )
    table = pd.DataFrame(rows)
    return CheckResult(
        "borrowing of one patient",
        "info",
        table,
        f"Shares of the patient's own data up to day {twin.present[0].day:g}, of the other "
        "patients of the subgroup, of other subgroups and of the prior in the patient's log "
        "hazards. "
        f"{_errors(table)}",
        BORROWING,
    )


def _require_one(fit: Fit, who: str | Cohort) -> None:
    """Refuse whatever is not one patient."""
    if isinstance(who, Cohort):
        if who.n_patients != 1:
            raise OptionError(f"Shares are told of one patient, not of {who.n_patients}.")
    elif who not in fit.cohort.patient_ids:
        raise OptionError(
            "This patient is not in the fitted cohort. Give a Cohort with the one patient."
        )


def _row(answer: Floats, score: Floats, mine: NDArray[np.bool_]) -> dict[str, float]:
    sums = np.column_stack([score[:, mine].sum(axis=1), score[:, ~mine].sum(axis=1)])
    shares, error = shares_with_error(answer, sums)
    own, others = shares
    return {OWN_SUBGROUP: own, OTHERS: others, PRIOR: 1.0 - own - others, "mcse": error}


def shares_with_error(answer: Floats, scores: Floats) -> tuple[Floats, float]:
    """Shares, and the largest Monte Carlo error among them and what they leave."""
    shares = shares_of(answer, scores)
    # Around the means of all draws: draws of one piece hang together, and spread too little.
    terms = -(answer - answer.mean())[:, None] * (scores - scores.mean(axis=0))
    by_piece = np.array([piece.mean(axis=0) for piece in np.array_split(terms, _PIECES)])
    with_prior = np.column_stack([by_piece, 1.0 - by_piece.sum(axis=1)])
    return shares, float(with_prior.std(axis=0, ddof=1).max() / np.sqrt(_PIECES))


def _mid_p(replicates: Floats, observed: float) -> float:
    """Two-sided p-value of what was observed among what might have been, ties counted half."""
    above = float(np.mean(replicates > observed) + 0.5 * np.mean(replicates == observed))
    return 2.0 * min(above, 1.0 - above)


def _aggregate_conflicts(fit: AggregateFit) -> list[float]:
    """Mixed-predictive p-value of each subgroup's result; NaN under a pooling without new ones."""
    labels = fit.data.subgroups
    if not fit.spec.pooling.reaches_new_subgroups:
        return [float("nan")] * len(labels)
    rng = np.random.default_rng(0)
    theta = fit.new_effect().to_numpy().ravel()
    one, two = OUTCOMES[fit.spec.outcome]
    out = []
    for label in labels:
        rows = fit.data.table[fit.data.table[SUBGROUP] == label]
        y, size = rows[one].to_numpy(float), rows[two].to_numpy(float)
        if fit.spec.outcome == RESPONSE:
            drawn = rng.binomial(int(size.sum()), fit.spec.natural(theta))
            out.append(_mid_p(drawn, y.sum()) if size.sum() else float("nan"))
        elif fit.spec.outcome == RATE:
            drawn = rng.poisson(size.sum() * fit.spec.natural(theta))
            out.append(_mid_p(drawn, y.sum()) if size.sum() else float("nan"))
        else:
            total = (size**-2.0).sum()
            estimate = (y * size**-2.0).sum() / total
            out.append(_mid_p(rng.normal(fit.spec.unit * theta, total**-0.5), estimate))
    return out


def _effect_conflict(
    theta: Floats, score: Floats, information: Floats, new: Floats | None
) -> float:
    """Mixed-predictive p-value of a subgroup's estimate, one step from the posterior mean."""
    own = information.mean()
    if new is None or not own > 0.0:
        return float("nan")
    estimate = theta.mean() + score.mean() / own
    replicates = new + np.random.default_rng(0).normal(0.0, own**-0.5, len(new))
    return _mid_p(replicates, float(estimate))


def _new_effects(posterior: xr.Dataset, effect: Effect) -> Floats | None:
    """Draws of an effect in a subgroup that nobody has seen, None under a pooling without."""
    if not effect.pooling.reaches_new_subgroups:
        return None
    for suffix in ("", f"_{effect.pooling.kind}"):
        name, dim = f"{TREATMENT_EFFECT}{suffix}", f"{EFFECT}{suffix}"
        if name in posterior and effect.label in posterior[dim].to_numpy():
            mean = (
                posterior[name].sel({dim: effect.label}).transpose(CHAIN, DRAW).to_numpy().ravel()
            )
            spread = f"{TREATMENT_HETEROGENEITY}{suffix}"
            scale = np.zeros_like(mean)
            if spread in posterior:
                found = posterior[spread].sel({dim: effect.label}).transpose(CHAIN, DRAW)
                scale = found.to_numpy().ravel()
            return effect.pooling.draw_new(mean, scale, np.random.default_rng(0))
    return None


def _errors(table: pd.DataFrame) -> str:
    return f"Monte Carlo error of the shares: at most {table['mcse'].max():.3f}."


def _result(table: pd.DataFrame, of_what: str) -> CheckResult:
    against = table[table["conflict"] < 0.05]
    text = (
        f"Shares of a subgroup's own data, of other subgroups and of the prior: {of_what}. "
        f"{_errors(table)} {len(against)} of {len(table)} own results are in conflict with what "
        "would be expected of a new subgroup (mixed-predictive p < 0.05)."
    )
    return CheckResult("borrowing", "warn" if len(against) else "info", table, text, BORROWING)
