"""Sections of a report about effects: of covariates, and those asked for as estimands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from twinbayes.checks.borrowing.hazard_ratios import covariate_scales
from twinbayes.effects import e_value_of
from twinbayes.effects.published import count_words, left_out_words
from twinbayes.names import (
    COVARIATE,
    COVARIATE_GROUP,
    FOLLOWED_UNTIL,
    SUBGROUP,
    TIME,
    TRANSITION,
)
from twinbayes.report.figures.effect import effect_forest, effect_rows, effect_unit
from twinbayes.report.figures.look import (
    duration_words,
    interval_words,
    sentence,
    words,
)
from twinbayes.report.figures.pooling import covariate_forest
from twinbayes.report.html import fragments as f
from twinbayes.report.reviewer.evidence import KIND, ReviewEvidence
from twinbayes.report.reviewer.time import baseline_hazards, centre_ratios
from twinbayes.twin.answers.follow_up import is_beyond

_RATIOS = ("risk_ratio", "hazard_ratio")
_ROWS_SHOWN = 24  # of covariates, unfolded


def baselines(evidence: ReviewEvidence) -> f.Block:
    """Return the baseline hazard of every intensity."""
    return baseline_hazards(evidence.fit, evidence.interval, KIND)


def centres(evidence: ReviewEvidence) -> f.Block:
    """Return how centres differ."""
    return centre_ratios(evidence.fit, evidence.interval, KIND)


def covariates(evidence: ReviewEvidence) -> f.Block:
    """Return hazard ratios of covariates on every transition, and what shrinks them."""
    table = evidence.covariates
    if table.empty:
        return f.not_provided(evidence.missing.get("covariates", "The model has no covariates."))
    interval, look = interval_words(evidence.interval, KIND), evidence.look
    rows = pd.DataFrame(
        {
            TRANSITION: table[TRANSITION],
            COVARIATE: [words(str(c)) for c in table[COVARIATE]],
            f"median ({interval})": [_ratio(*row) for row in _numbers(table)],
            "share of the data": [_share_words(s) for s in table["data_share"]],
        }
    )
    who = table.drop_duplicates(COVARIATE)[[COVARIATE, "contrast", "group"]]
    who = who.assign(**{COVARIATE: [words(str(c)) for c in who[COVARIATE]]})
    listed = [
        f.table(
            mine.drop(columns=TRANSITION), caption=f"Hazard ratios of {look.way(str(transition))}"
        )
        for transition, mine in rows.groupby(TRANSITION, sort=False)
    ]
    error = table["mcse"].max()
    told = (
        "Share of the data: how much of the log hazard ratio the data of these patients say; the "
        "rest is the prior's, which draws the hazard ratio towards 1. At 100 % nothing was shrunk; "
        "near 0 % the prior speaks, and an effect near 1 is no evidence of no effect. "
        f"Monte Carlo error: at most {100 * error:.0f} percentage points."
        if np.isfinite(error)
        else "No group of covariates is shrunk: each effect has a prior of its own alone."
    )
    few = len(rows) <= _ROWS_SHOWN
    return f.block(
        covariate_forest(table, look, probability=evidence.interval, kind=KIND)
        .marked(*evidence.marks)
        .backed(table),
        f.paragraph(told),
        f.table(who, names={"contrast": "who against whom"}, text=["contrast"]),
        *(listed if few else [f.folded(f"All {len(rows)} hazard ratios", *listed)]),
        _scales(evidence),
        f.paragraph(_conditions(evidence), "note"),
    )


def _scales(evidence: ReviewEvidence) -> f.Block:
    """Return the scales that groups are shrunk by, and which groups are not."""
    table = covariate_scales(evidence.fit, evidence.interval)
    groups = evidence.fit.encoding.groups
    loose = [words(g) for g in groups if g not in set(table[COVARIATE_GROUP])]
    said = f"Not shrunk: {', '.join(loose)}." if loose else ""
    if table.empty:
        return f.paragraph(said, "note")
    interval = interval_words(evidence.interval, KIND)
    rows = pd.DataFrame(
        {
            "group": [words(str(g)) for g in table[COVARIATE_GROUP]],
            "transition": [evidence.look.way(str(t)) for t in table[TRANSITION]],
            "prior": table["prior"],
            "its median": table["prior_median"],
            f"learnt: median ({interval})": [_ratio(*row) for row in _numbers(table)],
        }
    )
    return f.block(
        f.folded(
            "What each group is shrunk by: the standard deviation of its log hazard ratios",
            f.table(rows),
        ),
        f.paragraph(
            "The effects of a group share a normal prior around a hazard ratio of 1, of which the "
            "standard deviation is learnt for each transition. `unshrunk: [group]` in the file of "
            "a disease, or `unshrunk=(...)` of its event process, takes a group out of shrinkage; "
            f"a wider prior for its scale shrinks less. {said}"
        ),
    )


def _conditions(evidence: ReviewEvidence) -> str:
    said = (
        "All else in the model alike: the other covariates, subgroup, centre and treatment. "
        "Covariates were not randomised: these are associations, and for prediction."
    )
    if evidence.fit.spec.events.time_varying:
        said += " Effects that change with time are shown as their mean over the windows."
    return said


def _numbers(table: pd.DataFrame) -> Iterable[tuple[Any, ...]]:
    return table[["median", "lower", "upper"]].itertuples(index=False, name=None)


def _ratio(median: float, lower: float, upper: float) -> str:
    return f"{median:.2f} ({lower:.2f} to {upper:.2f})"


def _share_words(share: float) -> str:
    return "not shrunk" if np.isnan(share) else f"{min(max(share, 0.0), 1.0):.0%}"


def asked_for(evidence: ReviewEvidence) -> f.Block:
    """Return the effects of a review that were asked for as estimands."""
    return estimands(evidence.estimands)


def estimands(effects: Iterable[xr.Dataset]) -> f.Block:
    """Return every effect: the estimand in words, effects with their support, and a forest.

    Parameters
    ----------
    effects
        As `treatment_effect` returns them.
    """
    given = tuple(effects)
    if not given:
        return f.not_provided("No estimand was handed in.")
    return f.block(*(one_effect(effect) for effect in given))


def one_effect(effect: xr.Dataset) -> f.Block:
    """Return one effect; no patient is shown."""
    attrs = effect.attrs
    population = {
        "fixed_sample": "in these very patients",
        "bayesian_bootstrap": "in the population that these patients come from",
    }[str(attrs["population"])]
    return f.block(
        f.heading(f"{sentence(attrs['summary'])}: {words(attrs['scenario_a'])}"),
        f.bullets(str(attrs["estimand"]).split(". ")),
        f.paragraph(
            f"Beyond the follow-up: from {duration_words(float(attrs[FOLLOWED_UNTIL]))} after the "
            "landmark on, nobody of the fit was followed so long who was once in the state of some "
            "of these patients. Effects at later times are the model's alone.",
            "note",
        )
        if FOLLOWED_UNTIL in attrs
        else None,
        f.pairs(
            {
                "support": str(attrs["support"]),
                "the effect is that": population,
                "bias taken away": str(attrs["bias"]),
                "left out": left_out_words(str(attrs["left_out"])),
            }
        ),
        _over_time(effect),
        effect_forest(effect).backed(pd.DataFrame(list(map(vars, effect_rows(effect))))),
        f.folded("Support by subgroup", _support(effect)),
        _confounding(effect),
    )


def _over_time(effect: xr.Dataset) -> f.Block:
    unit, _, form = effect_unit(effect)
    interval = interval_words(effect.attrs["interval_probability"], effect.attrs["interval_kind"])
    rows = [
        {
            "from the landmark": duration_words(float(t))
            + (", beyond the follow-up" if is_beyond(effect, float(t)) else ""),
            f"effect{f' ({unit})' if unit else ''}": effect_rows(effect, k)[-1].text(form),
        }
        for k, t in enumerate(effect[TIME].to_numpy())
    ]
    return f.table(pd.DataFrame(rows), caption=f"Mean over all patients, with {interval}")


def _support(effect: xr.Dataset) -> f.Block:
    """Counts as they may be shown."""
    shown = ("n_comparable", "n_treated", "n_untreated", "events_treated")
    counts = {name: texts for name, texts in count_words(effect).items() if name in shown}
    rows = []
    for k, group in enumerate(effect[SUBGROUP].to_numpy()):
        one = effect.sel({SUBGROUP: group})
        row = {"subgroup": words(str(group)), "support": str(one["support"].item())}
        row |= {words(name.removeprefix("n_")): texts[k] for name, texts in counts.items()}
        if "prior_sd_ratio" in one and np.isfinite(float(one["prior_sd_ratio"])):
            row["spread after / before the data"] = f"{float(one['prior_sd_ratio']):.2f}"
        rows.append(row)
    return f.table(pd.DataFrame(rows))


def _confounding(effect: xr.Dataset) -> f.Block:
    said = (
        "All this assumes that, among patients alike in all recorded respects, who was treated did "
        "not depend on anything that also changes the outcome."
    )
    summary = str(effect.attrs["summary"])
    ends = [f"overall_{summary}{s}" for s in ("", "_lower", "_upper")]
    if summary not in _RATIOS or not np.isfinite([float(effect[x][-1]) for x in ends]).all():
        return f.paragraph(said, "note")
    found = e_value_of(effect)
    return f.paragraph(
        f"{said} E-value: to explain the effect away, an unmeasured confounder would need a risk "
        f"ratio of {found.estimate:.2f} with both treatment and outcome; to move the interval to "
        f"no effect, {found.interval:.2f}.",
        "note",
    )
