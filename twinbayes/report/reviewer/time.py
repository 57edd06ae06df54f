"""Tables of hazards: baselines by window, ratios of centres, ratios that change with time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import xarray as xr

from twinbayes.inference import Fit
from twinbayes.model.events.time_varying import VaryingEffect
from twinbayes.names import (
    BETA,
    CENTRE,
    CENTRE_EFFECT,
    CENTRE_SCALE,
    CHAIN,
    COVARIATE,
    DAYS_PER_YEAR,
    DRAW,
    ENTRY_ERA,
    ENTRY_ERA_EFFECT,
    LOG_BASELINE,
    POSTERIOR,
    SUBGROUP,
    SUBGROUP_EFFECT,
    TIME_VARYING_EFFECT,
    TIME_VARYING_WINDOW,
    TRANSITION,
    WINDOW,
)
from twinbayes.report.figures.look import interval_words, look_of, words
from twinbayes.report.html import fragments as f


def baseline_hazards(fit: Fit, interval: float, kind: str) -> f.Block:
    """Return the baseline hazard of every intensity, window by window."""
    posterior = fit.datatree[POSTERIOR].to_dataset()
    if LOG_BASELINE not in posterior:
        return f.not_provided("The fit has no baseline hazard by window.")
    look, tails = look_of(fit), [0.5, (1 - interval) / 2, (1 + interval) / 2]
    log_hazard = posterior[LOG_BASELINE] + np.log(DAYS_PER_YEAR)
    rows = []
    for k, label in enumerate(fit.spec.graph.labels):
        edges = fit.edges[k]
        ends = log_hazard.isel({TRANSITION: k}).quantile(tails, (CHAIN, DRAW))
        for w, (start, stop) in enumerate(pairwise(edges)):
            middle, low, high = np.exp(ends.isel({WINDOW: w}).to_numpy())
            until = f"to {stop:.0f}" if np.isfinite(stop) else "on"
            rows.append((look.way(label), f"{start:.0f} {until}", middle, low, high))
    columns = ["intensity", "days", "median", "lower", "upper"]
    return f.block(
        f.paragraph(
            "Events per person-year of somebody at the reference of all covariates, in the average "
            f"subgroup and centre, without treatment; medians, with the "
            f"{interval_words(interval, kind)}. Days are those of the clock of each intensity.",
            "note",
        ),
        f.folded(
            f"All {len(rows)} windows",
            f.table(
                pd.DataFrame(rows, columns=columns),
                formats=dict.fromkeys(columns[2:], "{:.3g}".format),
                caption="Baseline hazards per person-year",
            ),
        ),
    )


def centre_ratios(fit: Fit, interval: float, kind: str) -> f.Block:
    """Return how centres differ from the mean of all, as hazard ratios."""
    posterior = fit.datatree[POSTERIOR].to_dataset()
    if CENTRE_EFFECT not in posterior:
        return f.not_provided("The model has no differences between centres.")
    look, effect = look_of(fit), posterior[CENTRE_EFFECT]
    labels = [str(x) for x in effect[TRANSITION].to_numpy()]
    shown = pd.DataFrame(
        {
            words(str(centre)): _ratio_words(effect.sel({CENTRE: centre}), interval)
            for centre in effect[CENTRE].to_numpy()
        }
    )
    shown.insert(0, "intensity", [look.way(label) for label in labels])
    spread = posterior.get(CENTRE_SCALE)
    if spread is not None and spread.sizes.get(TRANSITION) == len(labels):
        tails = [0.5, (1 - interval) / 2, (1 + interval) / 2]
        middle, low, high = spread.quantile(tails, (CHAIN, DRAW)).to_numpy()
        shown["spread (sd of log hazards)"] = [
            f"{m:.2f} ({a:.2f} to {b:.2f})" for m, a, b in zip(middle, low, high, strict=True)
        ]
    return f.block(
        f.paragraph(
            f"Medians, with the {interval_words(interval, kind)}. Partially pooled: a centre with "
            "few patients is drawn to 1.",
            "note",
        ),
        f.table(
            shown,
            caption="Hazard ratios of centres, against their mean",
            text=tuple(map(str, shown)),
        ),
    )


def changing_ratios(fit: Fit, interval: float, kind: str) -> f.Block | None:
    """Return tables of hazard ratios by era of entry and by window, or None without any."""
    posterior = fit.datatree[POSTERIOR].to_dataset()
    parts: list[f.Block] = []
    look = look_of(fit)
    if ENTRY_ERA_EFFECT in posterior:
        eras = posterior[ENTRY_ERA_EFFECT]
        labels = [look.way(str(x)) for x in eras[ENTRY_ERA].to_numpy()]
        shown = pd.DataFrame({"era of entry": labels, "hazard ratio": _ratio_words(eras, interval)})
        parts.append(
            f.table(shown, caption="Eras of entry, against their mean", text=tuple(map(str, shown)))
        )
    for effect in fit.spec.events.varying(fit.encoding, fit.edges):
        shown = _by_window(fit, posterior, effect, interval)
        title = f"{look.way(effect.label)}, by day"
        parts.append(f.table(shown, caption=title, text=tuple(map(str, shown))))
    if not parts:
        return None
    note = f"Medians, with the {interval_words(interval, kind)}."
    if fit.spec.events.time_varying:
        note += " By day: of carriers against others, or of a subgroup against the mean of all."
    return f.block(f.heading("Hazard ratios that change"), f.paragraph(note, "note"), *parts)


def _by_window(
    fit: Fit, posterior: xr.Dataset, effect: VaryingEffect, interval: float
) -> pd.DataFrame:
    """Hazard ratios in each window; what is constant in time is counted in."""
    walk = posterior[TIME_VARYING_EFFECT].isel({TIME_VARYING_WINDOW: effect.rows})
    label = fit.spec.graph.labels[effect.intensity]
    bounds = zip(effect.edges[:-1], effect.edges[1:], strict=True)
    days = [f"{a:.0f} to {b:.0f}" if np.isfinite(b) else f"from {a:.0f}" for a, b in bounds]
    if effect.column is not None:
        beta = posterior[BETA].sel({TRANSITION: label}).isel({COVARIATE: effect.column})
        own = walk.isel({SUBGROUP: 0}) + beta
        return pd.DataFrame({"days": days, "hazard ratio": _ratio_words(own, interval)})
    level = posterior.get(SUBGROUP_EFFECT, xr.DataArray(0.0))
    if TRANSITION in level.dims:
        level = level.sel({TRANSITION: label})
    names = walk[SUBGROUP].to_numpy()
    if effect.members is not None:
        names = names[effect.members.any(axis=0)]
    rows = [_ratio_words((walk + level).sel({SUBGROUP: name}), interval) for name in names]
    shown = pd.DataFrame(rows, columns=[f"days {text}" for text in days])
    shown.insert(0, "subgroup", [words(str(name)) for name in names])
    return shown


def _ratio_words(log_ratio: xr.DataArray, interval: float) -> list[str]:
    """``1.20 (0.80 to 1.90)`` for each entry of a log hazard ratio, draws apart."""
    tails = [0.5, (1 - interval) / 2, (1 + interval) / 2]
    middle, low, high = np.exp(log_ratio.quantile(tails, dim=(CHAIN, DRAW)).to_numpy())
    return [f"{m:.2f} ({a:.2f} to {b:.2f})" for m, a, b in zip(middle, low, high, strict=True)]
