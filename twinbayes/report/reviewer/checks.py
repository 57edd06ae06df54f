"""Sections of a review about how well it works: diagnostics, pooling, calibration, scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd

from twinbayes.checks import CheckResult
from twinbayes.checks.result import (
    BORROWING,
    CALIBRATION,
    FAIRNESS,
    FURTHER,
    OPERATING,
    SCORES,
    SENSITIVITY,
    SHRINKAGE,
    SIMULATION_BASED,
)
from twinbayes.checks.suppression import SHOWN, publishable, without_hidden_states
from twinbayes.cohort.quality.suppression import HIDDEN, size_words
from twinbayes.names import DAYS_PER_YEAR, EFFECT, SAMPLE_STATS, STATE, SUBGROUP, TIME, WHOLE
from twinbayes.report.figures.borrowing import shares
from twinbayes.report.figures.calibration import (
    calibration_by_subgroup,
    calibration_overall,
    scores_over_horizons,
)
from twinbayes.report.figures.diagnostics import diagnostics as diagnostics_picture
from twinbayes.report.figures.look import (
    StateLook,
    interval_words,
)
from twinbayes.report.figures.pooling import shrinkage as shrinkage_picture
from twinbayes.report.figures.pooling import treatment_forest
from twinbayes.report.html import fragments as f
from twinbayes.report.reviewer.evidence import CHECK_LEVEL, KIND, ReviewEvidence
from twinbayes.report.reviewer.time import changing_ratios

_COUNTED: Final = 40  # subgroups from this size on are held to their band


def diagnostics(evidence: ReviewEvidence) -> f.Block:
    """Return R-hat, effective sample sizes and energies, variable by variable."""
    fit = evidence.fit
    table = fit.verdict.table
    stats = fit.datatree.children.get(SAMPLE_STATS)
    if table.empty or stats is None or "energy" not in stats:
        return f.not_provided("The fit has no recorded diagnostics.")
    energy = stats["energy"].transpose("chain", "draw").to_numpy().astype(np.float64)
    return f.block(
        diagnostics_picture(table, energy).marked(*evidence.marks).backed(table.reset_index()),
        f.paragraph(_monte_carlo_words(table)),
        f.folded("Worst entry of each variable", f.table(table.reset_index())),
    )


def _monte_carlo_words(table: pd.DataFrame) -> str:
    """How exact posterior means are: the error is the standard deviation over root of the size."""
    least = table.sort_values("min_ess_bulk").iloc[0]  # what is not known comes last
    worst = float(least["min_ess_bulk"])
    if not worst > 0.0:
        return "Monte Carlo errors are not known: no effective sample size is."
    return (
        f"Monte Carlo error of a parameter's posterior mean: at most {1.0 / np.sqrt(worst):.1%} of "
        f"its posterior standard deviation, as the smallest effective sample size is {worst:.0f} "
        f"(of {least['worst_bulk_at']}). That of predictions is told where they are judged."
    )


def shrinkage(evidence: ReviewEvidence) -> f.Block:
    """Return raw against pooled subgroup levels, and hazard ratios that change with time."""
    checks = evidence.of(SHRINKAGE)
    changing = changing_ratios(evidence.fit, evidence.interval, KIND)
    own = next(iter(evidence.own(SHRINKAGE)), None)
    if own is None:
        shown = _listed(checks, evidence)
        return f.block(shown, changing)
    picture = shrinkage_picture(
        own.published.table, evidence.look, probability=evidence.interval, kind=KIND
    )
    picture = picture.marked(*evidence.marks).backed(own.published.table)
    return f.block(picture, _listed(checks, evidence), changing)


def calibration(evidence: ReviewEvidence) -> f.Block:
    """Return predicted against observed state occupation, overall and by subgroup."""
    checks = evidence.of(CALIBRATION)
    curves = evidence.curves
    if curves is None:
        return _listed(checks, evidence)
    largest = curves.loc[curves[SUBGROUP] != WHOLE, "n"].max()  # NaN if there is one subgroup
    return f.block(
        calibration_overall(curves, evidence.look, level=CHECK_LEVEL, judged=evidence.horizons)
        .marked(*evidence.marks)
        .backed(_as_published(curves, evidence, whole=True)),
        *(
            _occupation_table(c.table, evidence.look)
            for c in evidence.own(CALIBRATION)[:1]
            if not c.table.empty
        ),
        *(f.check(_in_per_cent(c), evidence.look) for c in checks),
        f.heading("By subgroup"),
        calibration_by_subgroup(curves, evidence.look, level=CHECK_LEVEL, smallest=_COUNTED)
        .marked(*evidence.marks)
        .backed(_as_published(curves, evidence, whole=False))
        if largest >= _COUNTED
        else f.not_provided(f"There are no two subgroups, or none of {_COUNTED} patients."),
    )


def scores(evidence: ReviewEvidence) -> f.Block:
    """Return accuracy and discrimination at the horizons."""
    checks = evidence.of(SCORES)
    if not checks:
        return f.not_provided("No scores.")
    columns = {"score", "target", "horizon"}
    own = next((c for c in evidence.own(SCORES) if columns <= set(c.table.columns)), None)
    picture = None
    if own is not None:
        picture = scores_over_horizons(own.table, evidence.look, level=CHECK_LEVEL)
        picture = picture.marked(*evidence.marks).backed(own.published.table)
    return f.block(
        f.paragraph(
            "Unless a check says otherwise, scores are on the very patients the model was fitted "
            "to, and flatter it.",
            "note",
        ),
        picture,
        *(f.check(c, evidence.look) for c in checks),
    )


def treatment_effects(evidence: ReviewEvidence) -> f.Block:
    """Return hazard ratios of each treatment effect, by subgroup."""
    effects = evidence.effects
    if effects.empty:
        return f.not_provided(
            evidence.missing.get("effects", "The model has no time-dependent treatment.")
        )
    interval = interval_words(evidence.interval, KIND)
    whole = effects[effects[SUBGROUP] == WHOLE]
    rows = pd.DataFrame(
        {
            "effect": [evidence.look.effect(str(e)) for e in whole[EFFECT]],
            "hazard ratio, median": whole["median"].to_numpy(),
            f"lower end of the {interval}": whole["lower"].to_numpy(),
            "upper end": whole["upper"].to_numpy(),
        }
    )
    two = "{:.2f}".format
    formats = dict.fromkeys(rows.columns[1:], two)
    pictures = [
        treatment_forest(
            effects[effects[EFFECT] == effect],
            evidence.look,
            effect=str(effect),
            probability=evidence.interval,
            kind=KIND,
        )
        .marked(*evidence.marks)
        .backed(publishable(effects[effects[EFFECT] == effect]))
        for effect in dict.fromkeys(effects[EFFECT])
    ]
    first, rest = pictures[:1], pictures[1:]
    return f.block(
        f.table(rows, formats=formats, caption="Mean over subgroups") if len(rows) else None,
        f.paragraph(
            "Mean over subgroups: every subgroup counts alike in the mean log hazard ratio, "
            "whatever its size. It is not the effect in the average patient; that is what "
            "effects asked for as estimands say.",
            "note",
        )
        if len(rows)
        else None,
        *first,
        f.folded(f"The other {len(rest)} effects by subgroup", *rest) if rest else None,
    )


def prior_sensitivity(evidence: ReviewEvidence) -> f.Block:
    """Return how much parameters and forecasts depend on the priors."""
    return _listed(evidence.of(SENSITIVITY), evidence)


def borrowing(evidence: ReviewEvidence) -> f.Block:
    """Return where the effect of each treatment in each subgroup comes from."""
    checks = evidence.of(BORROWING)
    tables = [c.table for c in evidence.own(BORROWING)]
    if not tables:
        return _listed(checks, evidence)
    table, published = tables[0], evidence.own(BORROWING)[0].published.table
    pictures = [
        shares(mine, of_what=f"log hazard ratios: {evidence.look.effect(str(effect))}")
        .marked(*evidence.marks)
        .backed(published[(published[EFFECT] == effect).to_numpy()])
        for effect, mine in table.groupby(EFFECT, sort=False)
    ]
    first, rest = pictures[:1], pictures[1:]
    return f.block(
        *first,
        f.folded(f"The other {len(rest)} effects", *rest) if rest else None,
        *(f.check(c, evidence.look) for c in checks),
    )


def verification(evidence: ReviewEvidence) -> f.Block:
    """Return calibration by simulation, which a review cannot run by itself."""
    checks = evidence.of(SIMULATION_BASED)
    if not checks:
        return f.not_provided(
            "Simulation-based calibration of this model. To provide: "
            "`twinbayes.checks.simulation_based_calibration` on the same model and as many "
            "patients, and `checks=` of `review`, or `--checks FILE`."
        )
    return _listed(checks, evidence)


def fairness(evidence: ReviewEvidence) -> f.Block:
    """Return predicted against observed by group."""
    return _listed(evidence.of(FAIRNESS), evidence)


def operating(evidence: ReviewEvidence) -> f.Block:
    """Return how often a decision rule errs; a review of a fit has none by itself."""
    checks = evidence.of(OPERATING)
    if not checks:
        return f.not_provided(
            "How often a rule decides wrongly. To provide where there is a rule: "
            "simulated trials (`twinbayes.trials`), as `checks=` of `review`."
        )
    return _listed(checks, evidence)


def further(evidence: ReviewEvidence) -> f.Block:
    """Return the evidence that was handed in and has no section of its own."""
    checks = evidence.of(FURTHER)
    if not checks:
        return f.not_provided("No further evidence was handed in.")
    return f.block(*(f.check(c, evidence.look) for c in checks))


def _listed(checks: Sequence[CheckResult], evidence: ReviewEvidence) -> f.Block:
    """All checks of a section, below each other."""
    if not checks:
        return f.not_provided("No check.")
    return f.block(*(f.check(c, evidence.look) for c in checks))


def _occupation_table(table: pd.DataFrame, look: StateLook) -> f.Block:
    """Predicted and observed at the horizons, all patients, in per cent."""
    whole = table[table[SUBGROUP] == WHOLE]
    known, told = whole["observed"].notna(), whole[SHOWN]
    shown = pd.DataFrame(
        {
            "years": [
                f"{t / DAYS_PER_YEAR:.3g}{'' if k else ', beyond the follow-up'}"
                for t, k in zip(whole[TIME], known, strict=True)
            ],
            "state": [look.name(str(s)) for s in whole[STATE]],
            "predicted": [f"{p:.1%}" for p in whole["predicted"]],
            "observed": [
                _or_none(p, f"{p:.1%}") if t else HIDDEN
                for p, t in zip(whole["observed"], told, strict=True)
            ],
            f"its {CHECK_LEVEL:.0%} band": [
                _or_none(a, f"{a:.1%} to {b:.1%}") if t else HIDDEN
                for a, b, t in zip(whole["lower"], whole["upper"], told, strict=True)
            ],
        }
    )
    n = size_words(int(whole["n"].iloc[0]))
    return f.folded(f"State occupation at the horizons, {n} patients", f.table(shown))


def _as_published(curves: pd.DataFrame, evidence: ReviewEvidence, *, whole: bool) -> pd.DataFrame:
    """Predictions at all times; what was observed at the horizons alone, as the table has it.

    Steps of a curve tell of single events, which neither the table nor the picture does.
    """
    shown = curves[curves[SUBGROUP] == WHOLE if whole else curves["n"] >= _COUNTED]
    shown = publishable(shown if whole else shown[shown[SUBGROUP] != WHOLE])
    between = ~shown[TIME].isin(evidence.horizons)
    for name in ("observed", "lower", "upper", "difference", "inside"):
        shown[name] = shown[name].astype(object).mask(between, None)
    return shown.drop(columns="counts")


def _or_none(number: float, text: str) -> str:
    return text if np.isfinite(number) else "NOT PROVIDED"


def _in_per_cent(check: CheckResult) -> CheckResult:
    """Give the probabilities of a check in the unit of its text and pictures."""
    names = {c: f"{c}, %" for c in ("predicted", "observed", "lower", "upper")}
    names["difference"] = "difference, percentage points"
    if not set(names) <= set(check.table.columns):
        return check
    table = without_hidden_states(check.table)
    table = table.assign(**{c: 100.0 * table[c] for c in names})
    return replace(check, table=table.rename(columns=names))
