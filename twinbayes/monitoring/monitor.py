"""A watch over a fit that is in use: cells of patients and events, and looks at a stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, Final

import numpy as np
import pandas as pd

from twinbayes.cohort import Cohort
from twinbayes.cohort.quality.suppression import (
    HIDDEN,
    SMALLEST_CELL,
    SUPPRESSED,
    part_words,
    size_words,
)
from twinbayes.errors import OptionError, is_number, told
from twinbayes.inference import Fit, SharedFit
from twinbayes.inference.files.manifest import manifest_hash
from twinbayes.monitoring.cells import (
    HAZARDS,
    POLICY,
    Cell,
    cells_of,
    known_centres,
    of_new_centres,
)
from twinbayes.monitoring.counts import of_horizons, stretches
from twinbayes.monitoring.e_process import log_e_value
from twinbayes.monitoring.likeness import likeness
from twinbayes.showing import brief, frame_table, judged

WEIGHTS: Final = {HAZARDS: 0.85, POLICY: 0.15}
"""Shares of the error that alarms of changed hazards and of changed treatment may take."""

_LARGEST: Final = 700.0  # of a logarithm whose exponential is still a number
_TOTALS: Final = ("observed_in_all", "expected_in_all")
_COLUMNS: Final = ("observed", "expected", "ratio", "lower", "upper", "log_e")


type Since = Mapping[str, Mapping[str, tuple[float, float]]]


@brief
@dataclass(frozen=True)
class Watch:
    """What is watched, fixed before the first look.

    Attributes
    ----------
    fit
        The fit in use.
    alpha
        Probability of at least one false alarm, however often one looks.
    horizons
        Days since origin between which events are counted apart.
    cells
        Groups of patients and events, with their shares of the evidence.
    interval
        Probability of the intervals of ratios.

    Examples
    --------
    >>> from twinbayes.monitoring import watch
    >>> watch(fit).look(tb.datasets.simulated_registry()).alarms
    ()
    """

    fit: Fit | SharedFit = field(repr=False)
    alpha: float
    horizons: tuple[float, ...]
    cells: tuple[Cell, ...] = field(repr=False)
    interval: float = 0.9

    def look(
        self,
        cohort: Cohort,
        *,
        since: Mapping[str, Mapping[str, tuple[float, float]]] | None = None,
    ) -> Look:
        """Hold all that is known of a stream of patients against what the fit expected.

        Parameters
        ----------
        cohort
            The records as they are now, those of earlier looks among them.
        since
            Counts and expectations that are not to count any more, by kind and cell: those up to
            the last alarm that was closed, from `MonitorLog.since`.

        Returns
        -------
        Look

        Raises
        ------
        FitError, ModelError
            As `count_stream`.
        """
        parts = of_horizons(self.fit, cohort, self.horizons)
        centres = known_centres(self.fit)
        before = since or {}
        rows = []
        for cell in self.cells:
            n, by_draw, of_new = cell.totals(parts, centres)
            mean = float(by_draw.mean())
            n0, mean0 = before.get(cell.kind, {}).get(cell.about, (0.0, 0.0))
            v = float(np.var(np.log(by_draw))) if mean > 0.0 else 0.0
            if of_new:
                v += of_new * of_new_centres(self.fit, cell.transitions)
            # A record that was corrected since may take away events or time at risk.
            more = max(mean - mean0, 0.0)
            rows.append([max(n - n0, 0.0) if more else 0.0, more, v, n, mean])
        n, mean, v, n_all, mean_all = np.array(rows).T
        log_e = log_e_value(n, mean, v)
        ratio = np.divide(n, mean, out=np.full(len(n), np.nan), where=mean > 0.0)
        away = NormalDist().inv_cdf(0.5 + self.interval / 2) * np.sqrt(1.0 / (n + 0.5) + v)
        around = np.divide(n + 0.5, mean, out=np.full(len(n), np.nan), where=mean > 0.0)
        table = pd.DataFrame(
            {
                "kind": [c.kind for c in self.cells],
                "cell": [c.about for c in self.cells],
                **dict(zip(_COLUMNS, (n, mean, ratio, around * np.exp(-away),
                                      around * np.exp(away), log_e), strict=True)),
                **dict(zip(_TOTALS, (n_all, mean_all), strict=True)),
            }
        )  # fmt: skip
        return Look(self, table, likeness(self.fit, cohort), next(iter(parts.values())).left_out)

    def to_dict(self) -> dict[str, Any]:
        """What the watch is, as plain JSON: looks of one log are of one watch."""
        return {
            "fit": manifest_hash(dict(self.fit.manifest)),
            "alpha": self.alpha,
            "horizons": list(self.horizons),
            "cells": [[c.kind, c.about, c.share] for c in self.cells],
        }


@dataclass(frozen=True, repr=False)
class Look:
    """One look at a stream.

    Attributes
    ----------
    watch
        Under which it was made.
    table
        One row a cell: ``kind`` (``hazards`` or ``policy``), ``cell``, events ``observed`` and
        ``expected`` since the last alarm that was closed, their ``ratio`` with interval (``lower``,
        ``upper``; of log-normal shape, with half an event more), ``log_e``, the logarithm of the
        cell's e-value; and both counts of all records.
    likeness
        Of each patient, from `likeness`.
    left_out
        Patients of subgroups that the fit does not know.

    Examples
    --------
    >>> from twinbayes.monitoring import watch
    >>> look = watch(fit).look(fit.cohort)  # the fit has seen all of it
    >>> float(look.table["observed"].sum())
    0.0
    """

    watch: Watch
    table: pd.DataFrame
    likeness: pd.DataFrame
    left_out: int

    def log_e(self, kind: str) -> float:
        """Log e-value of all cells of a kind together."""
        mine = self.table["kind"].to_numpy() == kind
        shares = np.array([c.share for c in self.watch.cells])
        return float(np.logaddexp.reduce(np.log(shares[mine]) + self.table["log_e"][mine]))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of change that are watched: without treatments there is no policy."""
        return tuple(dict.fromkeys(c.kind for c in self.watch.cells))

    @property
    def alarms(self) -> tuple[str, ...]:
        """Kinds of change of which there is too much evidence to be chance."""
        bar = -np.log(self.watch.alpha)
        return tuple(k for k in self.kinds if self.log_e(k) + np.log(WEIGHTS[k]) >= bar)

    def leading(self, kind: str) -> str:
        """The cell of a kind with the most evidence."""
        mine = self.table[self.table["kind"] == kind]
        shares = {c.about: c.share for c in self.watch.cells if c.kind == kind}
        weighted = mine["log_e"] + np.log([shares[c] for c in mine["cell"]])
        return str(mine["cell"].iloc[int(np.argmax(weighted))])

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON for the log."""
        return {
            "watch": self.watch.to_dict(),
            "alarms": list(self.alarms),
            "leading": {k: self.leading(k) for k in self.kinds},
            "log_e": {k: round(self.log_e(k), 6) for k in self.kinds},
            "totals": {
                str(kind): dict(
                    zip(rows["cell"], rows[list(_TOTALS)].to_numpy().tolist(), strict=True)
                )
                for kind, rows in self.table.groupby("kind", sort=False)
            },
            "unlike": int(self.likeness["flagged"].sum()),
            "patients": len(self.likeness),
            "left_out": self.left_out,
        }

    def lines(self) -> list[str]:
        """What a look says, in words; nothing of fewer than five people."""
        verdict = self.watch.fit.verdict
        out = [] if verdict.usable else [f"The fit is {verdict.headline()}"]
        for kind, what in ((HAZARDS, "Hazards"), (POLICY, "Treatment policy")):
            mine = self.table[self.table["kind"] == kind]
            if kind not in self.kinds:
                continue
            cell = self.leading(kind) if kind in self.alarms else str(mine["cell"].iloc[0])
            row = mine[mine["cell"] == cell].iloc[0]
            head = f"{what}: ALARM, " if kind in self.alarms else f"{what}: no alarm, "
            out.append(
                f"{head}{cell}: {size_words(float(row['observed']))} events where "
                f"{row['expected']:.1f} were expected"
                + _ratio_words(row, self.watch.interval)
                + f"; e-value {np.exp(min(self.log_e(kind), _LARGEST)):.2g}"
            )
        flagged = int(self.likeness["flagged"].sum())
        out.append(
            f"{size_words(flagged)} of {size_words(len(self.likeness))} patients are unlike those "
            "of the fit"
        )
        if self.left_out:
            out.append(
                f"{size_words(self.left_out)} patients of subgroups that the fit does not know are "
                "not counted"
            )
        return out

    def __repr__(self) -> str:
        """Alarms and numbers in a line; `lines` has more."""
        n = self.table["observed"].iloc[0]
        return (
            f"<Look at {size_words(len(self.likeness))} patients: alarms "
            f"{', '.join(self.alarms) or 'none'}; {size_words(n)} events where "
            f"{self.table['expected'].iloc[0]:.1f} were expected>"
        )

    def _repr_html_(self) -> str:
        head = judged(not self.alarms, "; ".join(self.lines()))
        return head + frame_table("Cells", self.shown())

    def shown(self) -> pd.DataFrame:
        """The table as it may be shown: small counts hidden, and what would tell them.

        Returns
        -------
        DataFrame
            One row a cell: ``kind``, ``group`` (``all``, ``transition``, ``subgroup``, ``centre``,
            ``time since origin``), ``cell``, ``observed`` as text, ``expected``, ``ratio``,
            ``lower``, ``upper`` and ``e_value``, NaN where the count is hidden.
        """
        out = self.table[["kind", "cell"]].assign(
            group=[c.family for c in self.watch.cells], observed=""
        )
        for _, mine in out.groupby(["kind", "group"], sort=False):
            out.loc[mine.index, "observed"] = part_words(self.table.loc[mine.index, "observed"])
        numbers = self.table[["expected", "ratio", "lower", "upper"]].assign(
            e_value=np.exp(np.minimum(self.table["log_e"], _LARGEST))
        )
        hidden = [words in (SUPPRESSED, HIDDEN) for words in out["observed"]]
        numbers.loc[hidden, ["ratio", "lower", "upper", "e_value"]] = np.nan
        return pd.concat([out[["kind", "group", "cell", "observed"]], numbers], axis=1)


def watch(
    fit: Fit | SharedFit,
    *,
    alpha: float = 0.05,
    horizons: tuple[float, ...] = (365.25,),
) -> Watch:
    """Begin to watch a fit that is in use.

    Parameters
    ----------
    fit
        A fit of patients, or one without them.
    alpha
        Probability of at least one false alarm ever, if the fit is true.
    horizons
        Days since origin, rising, between which events are counted apart; may be empty.

    Returns
    -------
    Watch

    Raises
    ------
    OptionError
        `alpha` is no probability, or horizons do not rise.

    Examples
    --------
    >>> from twinbayes.monitoring import watch
    >>> watch(fit, alpha=0.01).alpha
    0.01
    """
    if not is_number(alpha) or not 0.0 < alpha < 1.0:
        raise OptionError(f"alpha must be a probability between 0 and 1, not {told(alpha)}.")
    days = tuple(horizons)
    if not all(is_number(x) and x > 0.0 for x in days) or any(np.diff(days) <= 0.0):
        raise OptionError("horizons must be days since origin, above 0 and rising.")
    days = tuple(map(float, days))
    return Watch(fit, float(alpha), days, cells_of(fit, stretches(days)))


def _ratio_words(row: pd.Series, interval: float) -> str:
    """The ratio of a cell with its interval; nothing of a count below five."""
    if 0.0 < row["observed"] < SMALLEST_CELL or not np.isfinite(row["ratio"]):
        return ""
    return (
        f", ratio {row['ratio']:.2f} ({interval:.0%} interval {row['lower']:.2f} to "
        f"{row['upper']:.2f})"
    )
