"""Whether sampling worked, and what the data lack."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from twinbayes.arrays import Floats
from twinbayes.cohort.quality.suppression import (
    HIDDEN,
    SMALLEST_CELL,
    SUPPRESSED,
    part_words,
    size_words,
    suppress_fractions,
)
from twinbayes.inference.gate.diagnostics import ebfmi
from twinbayes.inference.gate.verdict import EBFMI_MIN, ESS_MIN, RHAT_MAX
from twinbayes.report.figures.look import BLUE, GREY, ORANGE, SKY, VERMILION, styled, words
from twinbayes.report.figures.picture import Picture

_MAX_COLUMNS: Final = 24


@styled
def diagnostics(table: pd.DataFrame, energy: Floats) -> Picture:
    """Draw R-hat and effective sample size by variable, and the energies of the chains.

    Parameters
    ----------
    table
        `Verdict.table`: index variable, ``max_rhat``, ``min_ess_bulk``, ``min_ess_tail``.
    energy
        Hamiltonian energies, shape (chain, draw).

    Returns
    -------
    Picture
    """
    figure = Figure(figsize=(9.6, max(2.6, 1.15 + 0.21 * len(table))), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 0.9))
    places = np.arange(len(table), 0, -1)
    rhat = table["max_rhat"].to_numpy(dtype=np.float64)
    worse = rhat > RHAT_MAX
    left.scatter(rhat, places, color=np.where(worse, VERMILION, BLUE), s=26, zorder=3)
    left.axvline(RHAT_MAX, color=VERMILION, linewidth=1, linestyle=(0, (4, 2)))
    highest = float(np.max(np.append(rhat[np.isfinite(rhat)], RHAT_MAX)))
    for place in places[np.isinf(rhat)]:  # chains that stand still have no R-hat that is finite
        left.annotate("∞", (1.0, place), xycoords=("axes fraction", "data"), color=VERMILION,
                      ha="right", va="center")  # fmt: skip
    left.set_xlim(0.999, highest + 0.08 * (highest - 0.999))
    left.set_yticks(places, list(table.index.astype(str)), fontsize=8)
    left.set_title("Largest R-hat")
    left.set_xlabel(f"R-hat (at most {RHAT_MAX:g})")
    for column, marker, face, label in (
        ("min_ess_bulk", "o", BLUE, "bulk"), ("min_ess_tail", "o", "white", "tail"),
    ):  # fmt: skip
        values = table[column].to_numpy(dtype=np.float64)
        edge = np.where(values < ESS_MIN, VERMILION, BLUE)
        face_colours = edge if face != "white" else np.full(len(values), "white")
        middle.scatter(values, places, c=face_colours, edgecolors=edge, marker=marker, s=26,
                       zorder=3, label=label)  # fmt: skip
    middle.axvline(ESS_MIN, color=VERMILION, linewidth=1, linestyle=(0, (4, 2)))
    middle.set_xscale("log")
    middle.xaxis.set_major_locator(FixedLocator([100, 200, 400, 1000, 2000, 4000, 10000]))
    middle.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    middle.xaxis.set_minor_locator(NullLocator())
    middle.set_yticks(places, [""] * len(table))
    middle.set_title("Smallest effective size")
    middle.set_xlabel(f"at least {ESS_MIN:g} (filled bulk, open tail)")
    for ax in (left, middle):
        ax.set_ylim(0.2, len(table) + 0.8)
        ax.grid(axis="y")
        ax.tick_params(axis="y", length=0)
    lowest = _energies(right, energy)
    return Picture(
        figure,
        alt=f"R-hat of {len(table)} variables, at most {np.nanmax(rhat):.3f}; effective sample "
        f"size, at least {table['min_ess_bulk'].min():.0f} (bulk) and "
        f"{table['min_ess_tail'].min():.0f} (tail); E-BFMI at least {lowest:.2f}.",
        caption="Each dot is the worst entry of one variable; red is beyond the bar. Energies: if "
        "changes between draws spread as widely as the energies themselves, the chains explore "
        f"freely (E-BFMI at least {lowest:.2f}, bar {EBFMI_MIN:g}).",
    )


@styled
def missingness(table: pd.DataFrame, *, place: str) -> Picture:
    """Draw the fraction missing of each covariate in each subgroup or centre.

    Parameters
    ----------
    table
        `QualityReport.tables["missing_by_subgroup"]` or ``["missing_by_centre"]``.
    place
        Name of its first column.

    Returns
    -------
    Picture
    """
    covariates = [c for c in table.columns if c not in (place, "patients")]
    n = table["patients"].to_numpy(dtype=np.float64)
    weight = n / n.sum()
    overall = {c: float((table[c].fillna(0) * weight).sum()) for c in covariates}
    shown = sorted(covariates, key=lambda c: -overall[c])[:_MAX_COLUMNS]
    fraction = table[shown].to_numpy(dtype=np.float64)
    said = suppress_fractions(table[shown], table["patients"]).to_numpy(dtype=object)
    hidden = np.isin(said.astype(str), (SUPPRESSED, HIDDEN, ""))
    figure = Figure(figsize=(2.9 + 0.46 * len(shown), 1.5 + 0.3 * len(table)), layout="constrained")
    ax = figure.subplots()
    colours = LinearSegmentedColormap.from_list("missing", ["#FFFFFF", SKY, BLUE, "#00395A"])
    image = ax.imshow(
        np.where(hidden, np.nan, fraction), cmap=colours, vmin=0, vmax=1, aspect="auto"
    )
    for r, c in np.argwhere(hidden):
        ax.text(c, r, said[r, c] or SUPPRESSED, ha="center", va="center", fontsize=7, color=GREY)
    for r, c in np.argwhere(~hidden & (fraction > 0)):
        ax.text(c, r, f"{fraction[r, c] * 100:.0f}", ha="center", va="center", fontsize=7,
                color="white" if fraction[r, c] > 0.4 else "#222222")  # fmt: skip
    ax.set_xticks(range(len(shown)), [words(str(c)) for c in shown], rotation=55, ha="right",
                  rotation_mode="anchor", fontsize=8)  # fmt: skip
    rows = [f"{words(str(g))}  {k}" for g, k in zip(table[place], part_words(n), strict=True)]
    ax.set_yticks(range(len(table)), rows, fontsize=8)
    ax.set_xticks(np.arange(-0.5, len(shown)), minor=True)
    ax.set_yticks(np.arange(-0.5, len(table)), minor=True)
    ax.grid(which="minor", color="#E4E4E4", linewidth=0.6)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=ax, shrink=0.8, aspect=14, pad=0.01)
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    bar.outline.set_visible(False)
    more = len(covariates) - len(shown)
    few = {c: size_words(round(overall[c] * n.sum())) == SUPPRESSED for c in shown}
    worst = ", ".join(
        f"{words(str(c))} {SUPPRESSED if few[c] else f'{overall[c]:.0%}'}" for c in shown[:3]
    )
    return Picture(
        figure,
        alt=f"Per cent missing of {len(shown)} covariates by {place}. Most often missing: {worst}.",
        caption=f"Per cent of patients without a value, by {place} (number beside each name: "
        f"patients). Blank: complete. Counts below {SMALLEST_CELL} are not shown."
        + (f" {more} covariates with fewer missing values are left out." if more > 0 else ""),
    )


def _energies(ax: Axes, energy: Floats) -> float:
    centred = energy - energy.mean(axis=1, keepdims=True)
    change = np.diff(energy, axis=1)
    edges = np.linspace(*_span(centred, change), 41).tolist()
    ax.hist(centred.ravel(), bins=edges, density=True, color=SKY, alpha=0.75)
    ax.hist(change.ravel(), bins=edges, density=True, histtype="step", color=ORANGE, linewidth=1.6)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_title("Energy of the chains")
    ax.set_xlabel("energy, centred (nats)")
    ax.legend(
        handles=[
            Line2D([], [], color=SKY, linewidth=6, alpha=0.75, label="energy"),
            Line2D([], [], color=ORANGE, linewidth=1.6, label="change"),
        ],
        loc="upper right", fontsize=8, handlelength=1.2,
    )  # fmt: skip
    return float(np.min(ebfmi(energy)))


def _span(*values: npt.NDArray[np.float64]) -> tuple[float, float]:
    reach = max(float(np.quantile(np.abs(v), 0.999)) for v in values)
    return -reach, reach
