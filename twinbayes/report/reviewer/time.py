"""Tables of hazard ratios that are not the same at all times: by era of entry, and by window."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from twinbayes.inference import Fit
from twinbayes.model.events.time_varying import VaryingEffect
from twinbayes.names import (
    BETA,
    CHAIN,
    COVARIATE,
    DRAW,
    ENTRY_ERA,
    ENTRY_ERA_EFFECT,
    POSTERIOR,
    SUBGROUP,
    SUBGROUP_EFFECT,
    TIME_VARYING_EFFECT,
    TIME_VARYING_WINDOW,
    TRANSITION,
)
from twinbayes.report.figures.look import interval_words, look_of, words
from twinbayes.report.html import fragments as f


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
