"""Sections of a report about treatment effects that were asked for as estimands."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import xarray as xr

from twinbayes.effects import e_value_of
from twinbayes.effects.published import count_words, left_out_words
from twinbayes.names import FOLLOWED_UNTIL, SUBGROUP, TIME
from twinbayes.report.figures.effect import effect_forest, effect_rows, effect_unit
from twinbayes.report.figures.look import (
    duration_words,
    interval_words,
    sentence,
    words,
)
from twinbayes.report.html import fragments as f
from twinbayes.report.reviewer.evidence import ReviewEvidence
from twinbayes.twin.answers.follow_up import is_beyond

_RATIOS = ("risk_ratio", "hazard_ratio")


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
        effect_forest(effect),
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
    return f.table(pd.DataFrame(rows), caption=f"All patients, with {interval}")


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
