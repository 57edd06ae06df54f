"""A look of a monitor as a page of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from twinbayes.cohort.quality.suppression import SMALLEST_CELL
from twinbayes.monitoring import Look, MonitorLog
from twinbayes.monitoring.log import LOOK
from twinbayes.monitoring.monitor import WEIGHTS
from twinbayes.report.figures.look import BLUE, INK, ORANGE, sentence, styled
from twinbayes.report.figures.picture import Picture
from twinbayes.report.html.fragments import bullets, paragraph, table
from twinbayes.report.html.page import PageSection, compose_page, write_page

_NAMES: Final = {"hazards": "Hazards", "policy": "Treatment policy"}
_HEADS: Final = {
    "cell": "events of",
}
_CELLS: Final = (
    "Cells overlap: each event is in all events, and once among transitions, subgroups, centres "
    "and stretches of time. Nine tenths of the evidence is sought in all events, the rest is "
    "spread evenly over the other cells. Ratios are observed over expected."
)
_HOW: Final = (
    "Expected is what the fit says of these very patients over the time that they were at risk. "
    "The evidence is how much more probable what happened is if hazards have changed "
    "than if they are what the fit says, give or take what the fit leaves open. An alarm is given "
    "once it is so large that, if the fit is true, it ever comes in at most a share alpha of "
    "streams, however often one looks. Changes of treatment policy are watched apart, since the "
    "fit has a model of it. An alarm does not say why: look for late reporting, a changed "
    "definition and other patients before a changed disease."
)


def write_monitor_page(
    look: Look, out: str | os.PathLike[str], log: MonitorLog | None = None
) -> Path:
    """Write a look as one self-contained HTML file, small counts hidden.

    Parameters
    ----------
    look
        The look.
    out
        The file.
    log
        For the course of the evidence, and alarms that are still open.

    Raises
    ------
    StorageError
        The log is not whole, or the page cannot be written.
    """
    fit = look.watch.fit
    looks = [] if log is None else [r for r in log.records() if r["kind"] == LOOK]
    of_log = [] if log is None else log.open_alarms()
    alarm = bool(look.alarms) or bool(of_log)
    parts = [
        (
            "What happened",
            PageSection.of(bullets([*look.lines(), *_about(look, of_log)]), paragraph(_HOW)),
        ),
        (
            "Where",
            PageSection.of(
                paragraph(_CELLS), table(_rows(look), names=_HEADS, text=("kind", "cell"))
            ),
        ),
    ]
    if looks:
        course = PageSection.of(evidence_over_looks(looks, look.watch.alpha))
        parts.insert(1, ("Look by look", course))
    page = compose_page(
        f"Monitor of {fit.spec.title}",
        [PageSection(h, h.lower().replace(" ", "-"), part.parts) for h, part in parts],
        strip="ALARM" if alarm else "NO ALARM" if fit.verdict.usable else "NOT FOR USE",
        colour="usable" if fit.verdict.usable and not alarm else "not-for-use",
        simulated=False,
    )
    return write_page(out, page)


@styled
def evidence_over_looks(records: Sequence[Mapping[str, Any]], alpha: float) -> Picture:
    """Draw the weighted e-values of all looks, and the bar of an alarm."""
    figure = Figure(figsize=(6.4, 3.0), layout="constrained")
    ax = figure.subplots()
    number = np.arange(1, len(records) + 1)
    told = []
    looks = {"hazards": (BLUE, "o"), "policy": (ORANGE, "s")}
    for kind, (colour, marker) in looks.items():
        if kind not in records[-1]["evidence"]:
            continue
        values = np.array([_told(r, kind) for r in records])
        ax.plot(number, values / np.log(10.0), color=colour, marker=marker, label=_NAMES[kind])
        last = "not told" if np.isnan(values[-1]) else f"{10 ** (values[-1] / np.log(10.0)):.2g}"
        told.append(f"{_NAMES[kind].lower()} {last}")
    ax.axhline(-np.log10(alpha), color=INK, ls="--", lw=1.0, label="Alarm")
    ax.set_xlabel("Look")
    ax.set_ylabel("Evidence of a change (log10)")
    ax.set_xticks(number if len(number) < 12 else number[:: len(number) // 6])
    figure.legend(loc="outside upper left", ncols=3)
    return Picture(
        figure,
        alt=f"Evidence after {len(records)} looks: {', '.join(told)}; the bar of an alarm "
        f"is {1.0 / alpha:g}.",
        caption="Evidence since the last alarm that was closed; not of fewer than five events.",
    )


def _about(look: Look, alarms: Sequence[Mapping[str, Any]]) -> list[str]:
    """Open alarms; the day, the fit, and what was agreed on."""
    fit = str(look.watch.to_dict()["fit"])[:16]
    return [
        *(f"Open alarm since {a['since'][:10]}: {_NAMES[a['about']].lower()}" for a in alarms),
        f"Looked at on {datetime.now(UTC).date().isoformat()}; fit {fit}; alpha "
        f"{look.watch.alpha:g}, of which {WEIGHTS['hazards']:g} for hazards",
    ]


def _told(record: Mapping[str, Any], kind: str) -> float:
    """Log evidence of a look, NaN while it would tell of few events."""
    events = next(iter(record["totals"][kind].values()))[0]
    return float("nan") if events < SMALLEST_CELL else float(record["evidence"][kind])


def _rows(look: Look) -> pd.DataFrame:
    """Cells in which something happened or was expected, in words."""
    cells = look.shown()
    cells = cells[(look.table["observed"] > 0.0) | (look.table["expected"] > 0.0)].round(2)
    by_kind = cells["kind"].map(_NAMES)
    return cells.assign(kind=by_kind, cell=cells["cell"].map(sentence)).drop(columns="group")
