"""A fit that was moved to another place, beside what it was before, as a page of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from twinbayes.cohort import Cohort
from twinbayes.errors import OptionError
from twinbayes.inference import Fit, SharedFit
from twinbayes.monitoring.transport import (
    as_shown,
    observed_expected,
    survival_of_a_typical_patient,
)
from twinbayes.names import (
    CHAIN,
    DRAW,
    POSTERIOR,
    SURVIVAL,
    TIME,
    TRANSITION,
    TRANSPORT,
    TRANSPORT_LEVEL,
    TRANSPORT_SLOPE,
)
from twinbayes.report.figures.look import BLUE, GREEN, ORANGE, sentence, styled
from twinbayes.report.figures.picture import Picture
from twinbayes.report.html.fragments import bullets, paragraph, table
from twinbayes.report.html.page import PageSection, compose_page, write_page

BEFORE: Final = "as is"
AFTER: Final = "moved"
REFIT: Final = "refit"
_HEADS: Final = {"fit": "fit", "transition": "events of", "ratio": "observed / expected"}
_HOW: Final = (
    "Expected is what each fit says of these very patients over the time that they were at risk. "
    "The moved fit has learnt from them, so that its ratios come out near 1: hold it against "
    "patients who come later as well. Intervals are of 90 %."
)
_COLOURS: Final = (BLUE, ORANGE, GREEN)
_LINES: Final = ("-", "--", ":")


def write_transport_page(
    before: Fit | SharedFit,
    moved: SharedFit,
    cohort: Cohort,
    out: str | os.PathLike[str],
    *,
    refit: Fit | SharedFit | None = None,
) -> Path:
    """Write what was learnt of a new place as one self-contained HTML file, small counts hidden.

    Parameters
    ----------
    before
        The fit that was moved.
    moved
        What it has become.
    cohort
        Patients of the new place.
    out
        The file.
    refit
        A fit of the same model to old and new patients, or to the new ones alone, to be shown
        beside them.

    Raises
    ------
    OptionError
        The second fit is none that was moved.
    StorageError
        The page cannot be written.
    """
    if TRANSPORT not in moved.manifest:
        raise OptionError("write_transport_page: the second fit is none that was moved.")
    fits: dict[str, Fit | SharedFit] = {BEFORE: before, AFTER: moved}
    if refit is not None:
        fits[REFIT] = refit
    told: Mapping[str, Any] = moved.manifest[TRANSPORT]
    counted = as_shown(observed_expected(fits, cohort))
    survival = survival_of_a_typical_patient(fits, cohort)
    parts = [
        (
            "What was learnt",
            PageSection.of(bullets(_about(moved, told)), table(_levels(moved, counted))),
        ),
        (
            "Observed against expected",
            PageSection.of(paragraph(_HOW), table(_rows(counted), names=_HEADS)),
        ),
        ("Survival before and after", PageSection.of(survival_before_and_after(survival))),
    ]
    page = compose_page(
        f"{moved.spec.title}, moved to {_place(told)}",
        [PageSection(h, h.lower().replace(" ", "-"), part.parts) for h, part in parts],
        strip=moved.verdict.banner(),
        colour="usable" if moved.verdict.usable else "not-for-use",
        simulated=cohort.simulated,
    )
    return write_page(out, page)


@styled
def survival_before_and_after(forecasts: Mapping[str, xr.Dataset]) -> Picture:
    """Draw survival of a typical patient under each fit, with intervals."""
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    ax = figure.subplots()
    told = []
    for (name, one), colour, line in zip(forecasts.items(), _COLOURS, _LINES, strict=False):
        days = one[TIME].to_numpy()
        mean, low, high = (
            one[f"{SURVIVAL}{end}"].to_numpy()[0] for end in ("", "_lower", "_upper")
        )
        ax.plot(days, 100.0 * mean, color=colour, ls=line, label=name.capitalize())
        ax.fill_between(days, 100.0 * low, 100.0 * high, color=colour, alpha=0.15, lw=0.0)
        told.append(f"{name} {100 * mean[-1]:.0f} % ({100 * low[-1]:.0f} to {100 * high[-1]:.0f})")
    ax.set_xlabel("Days since origin")
    ax.set_ylabel("Alive (%)")
    ax.set_ylim(0.0, 100.0)
    figure.legend(loc="outside upper left", ncols=3)
    last = next(iter(forecasts.values()))[TIME].to_numpy()[-1]
    return Picture(
        figure,
        alt=f"Survival to day {last:.0f}: {'; '.join(told)}.",
        caption="Somebody of the most frequent subgroup of whom nothing else is known.",
    )


def _left_out(told: Mapping[str, Any]) -> str:
    few = str(told["left_out"])
    return "" if few == "0" else f", and {few} of subgroups that the fit does not know, left out"


def _place(told: Mapping[str, Any]) -> str:
    return ", ".join(told["centres"]) if told["centres"] else "a new era of its centres"


def _about(moved: SharedFit, told: Mapping[str, Any]) -> list[str]:
    """Verdict, place, prior and provenance in words."""
    prior = told["prior"]
    like = "the spread of known centres" if prior["like"] is None else f"sd {prior['like']:g}"
    out = [
        moved.verdict.banner(),
        f"Place: {_place(told)}; {told['patients']} patients{_left_out(told)}",
        f"Learnt: {told['learnt']} (asked for: {told['asked']})",
        f"Prior of each log ratio: with probability {prior['agreement']:g} {like}, else sd "
        f"{prior['unlike']:g}",
        f"Effective draws: {told['effective_draws']:.0f}"
        + ("" if told["pareto_k"] is None else f"; Pareto k {told['pareto_k']:.2f}"),
        f"Moved from fit {told['parent'][:16]}, by records {told['cohort'][:16]}",
    ]
    posterior = moved.datatree[POSTERIOR]
    if TRANSPORT_SLOPE in posterior:
        low, middle, high = np.quantile(posterior[TRANSPORT_SLOPE].to_numpy(), (0.05, 0.5, 0.95))
        out.insert(3, f"Calibration slope {middle:.2f} ({low:.2f} to {high:.2f})")
    return out


def _levels(moved: SharedFit, counted: pd.DataFrame) -> pd.DataFrame:
    """Hazard ratios of the new place to the fit, by transition, where counts are shown."""
    level = moved.datatree[POSTERIOR][TRANSPORT_LEVEL].transpose(TRANSITION, CHAIN, DRAW)
    by_draw = level.to_numpy().reshape(level.sizes[TRANSITION], -1)
    quantiles = np.exp(np.quantile(by_draw, (0.05, 0.5, 0.95), axis=1)).T
    mine = counted[counted["fit"] == AFTER].set_index("transition")
    labels = [str(x) for x in moved.spec.graph.labels]
    shown = mine.loc[labels, "expected"].notna().to_numpy()
    quantiles = np.where(shown[:, None], quantiles, np.nan)
    columns = ("lower", "hazard ratio", "upper")
    out = pd.DataFrame(quantiles.round(2), columns=columns)
    out.insert(0, "hazard of", list(map(sentence, labels)))
    return out[["hazard of", "hazard ratio", "lower", "upper"]]


def _rows(counted: pd.DataFrame) -> pd.DataFrame:
    """Rows in words, transitions together."""
    order = list(dict.fromkeys(counted["transition"]))
    out = counted.round(2).sort_values(
        "transition", key=lambda names: names.map(order.index), kind="stable"
    )
    out = out.assign(transition=out["transition"].map(sentence))
    return out[["transition", "fit", "observed", "expected", "ratio", "lower", "upper"]]
