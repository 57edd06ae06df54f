"""How far the evidence of a review reaches: in-sample, groups, horizons, and for whom not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr

from twinbayes.arrays import Floats
from twinbayes.checks import prediction_scores, state_occupation_calibration
from twinbayes.checks.out_of_sample.left_out import left_out_predictions
from twinbayes.checks.result import (
    FAIRNESS,
    OUT_OF_SAMPLE,
    SCORES,
    CheckResult,
    CheckVerdict,
    as_shown,
)
from twinbayes.checks.suppression import SHOWN
from twinbayes.cohort.quality.suppression import HIDDEN, part_words, size_words
from twinbayes.errors import reason
from twinbayes.estimators import CountingProcess
from twinbayes.inference import Fit
from twinbayes.names import (
    CENTRE,
    CHAIN,
    DAYS_PER_YEAR,
    DEATH,
    DRAW,
    EVENT,
    PATIENT,
    PATIENT_ID,
    POSTERIOR,
    SAMPLE,
    STATE,
    SUBGROUP,
    TIME,
    WHOLE,
)
from twinbayes.report.figures.look import StateLook, words

FORECAST_DRAWS: Final = 400  # posterior means need no more
FEW: Final = 20  # patients, below whom a subgroup leans on the others
_YEARS: Final = (1.0, 3.0, 5.0)
_ENOUGH: Final = 10  # patients whose state must still be known at a horizon
_STEPS: Final = 60
_TOLERANCE: Final = 0.03
_HEAVY: Final = 0.7  # Pareto k
_MOST_HEAVY: Final = 0.1  # of the patients
_THIRDS: Final = 3
_ELSEWHERE: Final = (SUBGROUP, CENTRE)  # their deaths are in the quality report
_CHANCE: Final = 0.99  # of so many values outside a 95 % band, if all are only by chance


def horizons_of(process: CountingProcess) -> tuple[float, ...]:
    """1, 3 and 5 years as far as the state of enough patients is known.

    Where all lie beyond the last follow-up, a day within it comes first, the median of its ends or
    half of that: the deaths known by those years may be enough, but say nothing of the others.
    """
    days = [y * DAYS_PER_YEAR for y in _YEARS]
    known, ends = process.n_known(days), process.follow_up().exit
    kept = tuple(d for d, n in zip(days, known, strict=True) if n >= _ENOUGH)
    within = any(d <= ends.max() for d in kept)
    middle = float(np.median(ends))
    return kept if within else (middle if middle < ends.max() else middle / 2, *kept)


def grid_of(horizons: Sequence[float]) -> Floats:
    """Days at which curves are drawn: from 0 to the last horizon, and the horizons."""
    return np.unique(np.concatenate([np.linspace(0, max(horizons), _STEPS + 1), horizons]))


def small_subgroups(fit: Fit) -> list[str]:
    """Subgroups of fewer than 20 patients, by name; none where there is one subgroup."""
    cohort = fit.cohort
    sizes = cohort.patients[SUBGROUP].value_counts()
    if len(sizes) < 2:
        return []
    return [words(str(s)) for s in cohort.subgroups if int(sizes[s]) < FEW]


def last_judged_years(checks: Iterable[CheckResult]) -> float:
    """Years since origin of the last prediction that was held against the data; 0 without any."""
    days = [
        float(day)
        for check in checks
        if {TIME, "observed"} <= set(check.table.columns)
        for day in check.table.loc[check.table["observed"].notna(), TIME]
    ]
    return max(days, default=0.0) / DAYS_PER_YEAR


def not_for(fit: Fit, calibration: tuple[CheckResult, ...]) -> tuple[str, ...]:
    """Say for whom, or for what, the evidence does not reach."""
    said = list[str]()
    if fit.cohort.simulated:
        said.append("Any real patient: the data are simulated.")
    small = small_subgroups(fit)
    if small:
        said.append(
            f"On their own evidence, patients of {', '.join(small)}: fewer than {FEW} of each were "
            "seen, and what is said of them is mostly said by the others."
        )
    unlike = _outside(calibration)
    if unlike:
        said.append(
            f"With trust in the size of probabilities, patients of {', '.join(unlike)}: "
            "predictions lie outside the band of what was observed."
        )
    years = last_judged_years(calibration)
    said.append(
        f"Predictions beyond {years:.1f} years since origin: none was held against data."
        if years
        else "Predictions at any time: none was held against data."
    )
    if fit.spec.graph.treatments:
        said.append(
            "Saying that a treatment causes a difference, unless the reasons for treating are all "
            "in the model: treatments were not randomised."
        )
    return tuple(said)


def _outside(checks: Iterable[CheckResult]) -> list[str]:
    """Subgroups that count and leave their band at some horizon."""
    names: dict[str, None] = {}
    for check in checks:
        if {"counts", "inside", SUBGROUP} <= set(check.table.columns):
            own = check.table[check.table["counts"].astype(bool) & check.table["inside"].notna()]
            own = own[own[SUBGROUP] != WHOLE]
            left: pd.Series = own.loc[~own["inside"].astype(bool), SUBGROUP]
            names |= dict.fromkeys(words(str(s)) for s in left)
    return list(names)


def in_sample(
    check: CheckResult, curves: pd.DataFrame, look: StateLook, *, draws: tuple[int, int]
) -> CheckResult:
    """Say of a calibration what it does not show: in-sample, few draws, and between its times.

    Parameters
    ----------
    check
        At the horizons.
    curves
        Its table at all times drawn. A pass becomes a warning where these leave the band by more
        than 3 percentage points.
    look
        Words for states.
    draws
        Those that predictions are means of, and those of the fit.
    """
    if check.verdict == "not_provided":
        return check
    whole = curves[(curves[SUBGROUP] == WHOLE) & curves["observed"].notna()]
    off = (whole["difference"].abs() > _TOLERANCE) & ~whole["inside"].astype(bool)
    text = (
        f"{check.text} In-sample: the draws have seen how these patients fared, which flatters the "
        f"model; means of {draws[0]} of {draws[1]} draws."
    )
    shown = whole[whole[SHOWN]]
    if len(shown):
        worst = shown.iloc[int(np.argmax(shown["difference"].abs()))]
        text += (
            f" Along the curves the largest difference is {100 * abs(worst['difference']):.1f} "
            f"points ({look.name(str(worst[STATE]))} on day {worst[TIME]:.0f}), "
            f"{'inside' if worst['inside'] else 'outside'} its band."
        )
    verdict: CheckVerdict = "warn" if off.any() and check.verdict == "pass" else check.verdict
    return replace(check, name=f"{check.name}, in-sample", verdict=verdict, text=text)


def draws_of(fit: Fit) -> tuple[int, int]:
    """Draws that forecasts of a review take, and those of the fit."""
    sizes = fit.datatree[POSTERIOR].sizes
    every = sizes[CHAIN] * sizes[DRAW]
    return min(FORECAST_DRAWS, every), every


def each_left_out(
    fit: Fit, process: CountingProcess, look: StateLook, horizons: Sequence[float]
) -> tuple[CheckResult, ...]:
    """Hold predictions that have not seen a patient's own record against what happened.

    Two checks, or one that says why there are none.
    """
    try:
        return _each_left_out(fit, process, look, horizons)
    except Exception as error:  # a check that fails in any way loses no other
        name = "predictions with each patient left out"
        return (CheckResult.not_provided(name, reason(error), topic=OUT_OF_SAMPLE),)


def _each_left_out(
    fit: Fit, process: CountingProcess, look: StateLook, horizons: Sequence[float]
) -> tuple[CheckResult, ...]:
    few = fit.thinned(FORECAST_DRAWS)
    twin = few.twin([str(p) for p in process.patients], at=0.0).as_drawn()
    drawn = twin.forecast(max(horizons), list(horizons), draws=True)["state_probability_draws"]
    likelihood = few.log_likelihood()
    predicted, shapes = left_out_predictions(drawn, likelihood)
    if SUBGROUP in drawn.coords and len(fit.cohort.subgroups) > 1:
        predicted = predicted.assign_coords({SUBGROUP: drawn[SUBGROUP]})
    elif SUBGROUP in predicted.coords:
        predicted = predicted.drop_vars(SUBGROUP)
    heavy = int((shapes > _HEAVY).sum())
    error = _monte_carlo_error(drawn.mean(PATIENT), likelihood.sizes[CHAIN])
    told = (
        f"Each patient left out by importance weights of {likelihood.sizes[CHAIN]} chains of "
        f"{likelihood.sizes[DRAW]} draws, without another fit; of {size_words(heavy)} of "
        f"{len(shapes)} patients the weights are too heavy (Pareto k > {_HEAVY:g}), and their own "
        "record still counts. Monte Carlo error of a mean over all patients, of these draws: at "
        f"most {100 * error:.2f} percentage points. Other patients of their centre and subgroup "
        "were seen: this is no external validation."
    )
    scored = prediction_scores(
        predicted, process, list(horizons), labels=look.labels,
        combined={"any death": look.dead} if len(look.dead) > 1 else {},
    )  # fmt: skip
    checks = (
        state_occupation_calibration(predicted, process, times=list(horizons), labels=look.labels),
        _without_ranks(as_shown(scored, process, "target"), look),
    )
    many = heavy > _MOST_HEAVY * len(shapes)
    # What so few patients could hardly contradict validates nothing: it is shown as a score alone.
    tried = checks[0].verdict not in ("info", "not_provided")
    return tuple(
        replace(
            c,
            name=f"{c.name}, each patient left out",
            topic=OUT_OF_SAMPLE if tried else SCORES,
            text=f"{c.text} {told}",
            verdict="warn" if many and c.verdict == "pass" else c.verdict,
        )
        for c in checks
    )


def _monte_carlo_error(means: xr.DataArray, chains: int) -> float:
    """Largest error of a mean over draws, which need not be independent; NaN if nothing varies."""
    from arviz_stats.base.array import array_stats  # slow to import

    values = means.transpose(SAMPLE, ...).to_numpy()
    cells = values.reshape(chains, values.shape[0] // chains, -1)
    cells = cells[:, :, np.ptp(cells, axis=(0, 1)) > 0.0]
    if not cells.size:
        return float("nan")
    errors = array_stats.mcse(cells, chain_axis=0, draw_axis=1)  # type: ignore[no-untyped-call]
    return float(np.max(errors))


def _without_ranks(scored: CheckResult, look: StateLook) -> CheckResult:
    """Leave areas under curves out of scores of predictions with one patient left out each.

    Whoever has the event is left out of the others' mean, which pushes their own prediction down:
    ranks over all patients together are biased, scores of each prediction are not.
    """
    if scored.verdict == "not_provided" or "score" not in scored.table:
        return scored
    kept = scored.table[scored.table["score"] != "auc"].reset_index(drop=True)
    scaled = kept[kept["score"] == "scaled_brier"].groupby("target", sort=False)["value"].mean()
    said = ", ".join(f"{look.name(str(n))} {v:.2f}" for n, v in scaled.items() if np.isfinite(v))
    text = (
        f"Scaled Brier score (1 is perfect, 0 no better than the mean, below 0 worse), mean over "
        f"the horizons: {said or 'not defined'}. Discrimination (AUC) is left out: pooled over "
        "patients left out one by one it is biased."
    )
    return replace(scored, table=kept, text=text)


def agreement_by_group(
    fit: Fit,
    predicted: xr.DataArray,
    process: CountingProcess,
    look: StateLook,
    horizons: Sequence[float],
) -> CheckResult:
    """Compare predicted and observed in groups of patients: subgroup, sex, age, centre.

    Groups of fewer than 20 patients are called too few to tell. Warns where more values lie outside
    the 95 % band than 1 in 100 sets of as many independent values would have there by chance.
    """
    rows = list[dict[str, object]]()
    outside = judged = 0
    for by, labels in _groupings(fit, process):
        table = state_occupation_calibration(
            predicted, process, times=list(horizons), subgroup=labels, smallest=FEW,
            labels=look.labels,
        ).table  # fmt: skip
        own = table[(table[SUBGROUP] != WHOLE) & table[SUBGROUP].notna()]
        sizes = own.groupby(SUBGROUP, sort=False)["n"].first()
        shown = dict(zip(sizes.index, part_words(sizes), strict=True))
        died = _deaths(fit, process, labels, sizes) if by not in _ELSEWHERE else {}
        for group, mine in own.groupby(SUBGROUP, sort=False):
            known = mine[mine["observed"].notna()]
            told = shown[group].isdigit() and int(shown[group]) >= FEW and len(known) > 0
            row: dict[str, object] = {"by": by, "group": words(str(group)), "n": shown[group]}
            row["deaths"] = died.get(group, "see section 3")
            if told:
                off = int((~known["inside"].astype(bool)).sum())
                outside, judged = outside + off, judged + len(known)
                row |= {
                    "largest difference, points": HIDDEN,
                    "values outside the band": f"{off} of {len(known)}",
                } | _largest(known[known[SHOWN]], look)
            else:
                row |= {"largest difference, points": "too few to tell"}
            rows.append(row)
    frame = pd.DataFrame(rows).fillna("")
    thin = int((frame["largest difference, points"] == "too few to tell").sum())
    text = (
        f"In-sample. {len(rows)} groups by {', '.join(dict.fromkeys(map(str, frame['by'])))}; "
        f"{thin} of them have fewer than {FEW} patients, or nobody followed, and are too few to "
        f"tell. {outside} of {judged} values lie outside the pointwise 95% band"
    )
    if not judged:
        return CheckResult("agreement by group", "not_provided", frame, f"{text}.", FAIRNESS)
    bar = _most_by_chance(judged)
    verdict: CheckVerdict = "warn" if outside > bar else "pass" if thin < len(rows) / 2 else "info"
    text += f" (up to {bar} by chance)."
    if verdict == "info":
        text += " Most groups were not judged: this is no proof of fairness."
    return CheckResult("agreement by group", verdict, frame, text, FAIRNESS)


def _largest(known: pd.DataFrame, look: StateLook) -> dict[str, str]:
    """Size and place of the largest difference; nothing where no state may be shown."""
    if known.empty:
        return {}
    worst = known.iloc[int(np.argmax(known["difference"].abs()))]
    where = f"{look.name(str(worst[STATE]))}, {worst[TIME] / DAYS_PER_YEAR:.3g} years"
    return {
        "largest difference, points": f"{100 * worst['difference']:+.1f}",
        "where": where,
    }


def _deaths(
    fit: Fit, process: CountingProcess, labels: np.ndarray, sizes: pd.Series
) -> dict[object, str]:
    """Deaths in each group as they may be shown."""
    events = fit.cohort.events
    dead = set(events.loc[events[EVENT] == DEATH, PATIENT_ID])
    died = pd.Series([p in dead for p in process.patients], dtype=float)
    counts = died.groupby(pd.Series(labels)).sum().reindex(sizes.index)
    return dict(zip(sizes.index, part_words(counts, sizes), strict=True))


def _most_by_chance(judged: int) -> int:
    from scipy.stats import binom  # slow to import

    return int(binom.ppf(_CHANCE, judged, 0.05))


def _groupings(fit: Fit, process: CountingProcess) -> Iterator[tuple[str, np.ndarray]]:
    """Name and labels of each way to part patients, in the order of the process."""
    patients = fit.cohort.patients.set_index(PATIENT_ID).loc[list(process.patients)]
    names = [SUBGROUP, CENTRE, *(c for c in patients if str(c).lower() in ("sex", "gender"))]
    for name in names:
        labels = patients[name].astype(object)
        if len(labels.dropna().unique()) > 1:
            yield words(str(name)), labels.where(labels.notna(), None).to_numpy()
    for name in (c for c in patients if str(c).lower().split("_")[0] == "age"):
        age = pd.to_numeric(patients[name], errors="coerce")
        if age.nunique() > _THIRDS:
            cut = pd.qcut(age, _THIRDS, labels=False, duplicates="drop")
            thirds = {0: "youngest third", 1: "middle third", 2: "oldest third"}
            if cut.max() < _THIRDS - 1:  # many are of one age
                thirds = {0: "younger", 1: "older"}
            if cut.max() > 0:
                spoken = cut.map(thirds).astype(object)
                yield words(str(name)), spoken.where(cut.notna(), None).to_numpy()
