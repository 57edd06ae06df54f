"""A watch over a fit that is in use: cells of patients and events, and looks at a stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, Final, cast

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

_MANY: Final = 10_000.0  # evidence beyond which it is not told how much
_APART: Final = 0.01  # days between horizons, at least
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
            n, by_draw, of_new, size = cell.totals(parts, centres)
            mean = float(by_draw.mean())
            n0, mean0 = before.get(cell.kind, {}).get(cell.about, (0.0, 0.0))
            v = float(np.var(np.log(by_draw))) if mean > 0.0 else 0.0
            if of_new:
                v += of_new * of_new_centres(self.fit, cell.transitions)
            # A record that was corrected since may take away events or time at risk.
            more = max(mean - mean0, 0.0)
            rows.append([max(n - n0, 0.0) if more else 0.0, more, v, n, mean, size])
        n, mean, v, n_all, mean_all, size = np.array(rows).T
        log_e = log_e_value(n, mean, v)
        ratio = np.divide(n, mean, out=np.full(len(n), np.nan), where=mean > 0.0)
        away = NormalDist().inv_cdf(0.5 + self.interval / 2) * np.sqrt(1.0 / (n + 0.5) + v)
        around = np.divide(n + 0.5, mean, out=np.full(len(n), np.nan), where=mean > 0.0)
        low, high = np.where(n > 0.0, around * np.exp(-away), 0.0), around * np.exp(away)
        table = pd.DataFrame(
            {
                "kind": [c.kind for c in self.cells],
                "cell": [c.about for c in self.cells],
                **dict(zip(_COLUMNS, (n, mean, ratio, low, high, log_e), strict=True)),
                "patients": size.astype(int),
                **dict(zip(_TOTALS, (n_all, mean_all), strict=True)),
            }
        )  # fmt: skip
        first = next(iter(parts.values()))
        told = likeness(self.fit, cohort)
        return Look(self, table, told, first.left_out, first.changed, dict(before))

    def to_dict(self) -> dict[str, Any]:
        """What the watch is, as plain JSON: looks of one log are of one watch."""
        return {
            "fit": manifest_hash(dict(self.fit.manifest)),
            "alpha": self.alpha,
            "horizons": list(self.horizons),
            "without_patients": isinstance(self.fit, SharedFit),
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
        cell's e-value; ``patients`` at risk; and both counts of all records.
    likeness
        Of each patient, from `likeness`.
    left_out
        Patients of subgroups that the fit does not know; they are not counted.
    changed
        Patients of the fit who have another subgroup, centre or covariate now.
    since
        What does not count any more, as it was given.

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
    changed: int = 0
    since: Since = field(default_factory=dict)

    def evidence(self, kind: str) -> float:
        """Log of a kind's e-value times its share: an alarm once it is that of 1 / alpha."""
        mine = self.table["kind"].to_numpy() == kind
        shares = np.array([c.share for c in self.watch.cells])
        log_e = np.logaddexp.reduce(np.log(shares[mine]) + self.table["log_e"][mine])
        return float(log_e + np.log(WEIGHTS[kind]))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of change that are watched: without treatments there is no policy."""
        return tuple(dict.fromkeys(c.kind for c in self.watch.cells))

    @property
    def alarms(self) -> tuple[str, ...]:
        """Kinds of change of which there is too much evidence to be chance."""
        bar = -np.log(self.watch.alpha)
        return tuple(k for k in self.kinds if self.evidence(k) >= bar)

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
            "evidence": {k: round(self.evidence(k), 6) for k in self.kinds},
            "totals": {
                str(kind): dict(
                    zip(rows["cell"], rows[list(_TOTALS)].to_numpy().tolist(), strict=True)
                )
                for kind, rows in self.table.groupby("kind", sort=False)
            },
            "unlike": int(self.likeness["flagged"].sum()),
            "patients": len(self.likeness),
            "left_out": self.left_out,
            "changed": self.changed,
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
            said = f"{what}: {'ALARM' if kind in self.alarms else 'no alarm'}"
            numbers = mine[["observed", "patients"]].iloc[0].min(), row["observed"], row["patients"]
            if min(map(float, numbers)) < SMALLEST_CELL:
                out.append(f"{said}; fewer than {SMALLEST_CELL} events, or patients")
                continue
            out.append(
                f"{said}; {cell}: {row['observed']:.0f} where {row['expected']:.1f} were expected"
                f", ratio {row['ratio']:.2f} ({self.watch.interval:.0%} interval "
                f"{row['lower']:.2f} to {row['upper']:.2f}); evidence "
                f"{_short(self.evidence(kind))}, alarm from {1.0 / self.watch.alpha:g}"
            )
        if self.since:
            out.append(f"Counted since the last alarm was closed: {', '.join(self.since)}")
        flagged = int(self.likeness["flagged"].sum())
        out.append(
            f"{size_words(flagged)} of {size_words(len(self.likeness))} patients are unlike those "
            "of the fit"
        )
        if self.changed:
            out.append(
                f"{size_words(self.changed)} patients of the fit have another subgroup, centre or "
                "covariate now; what the fit has learnt of them is not counted"
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
            ``lower`` and ``upper``, NaN where the count, or the group of patients, is small.
        """
        out = self.table[["kind", "cell"]].assign(
            group=[c.family for c in self.watch.cells], observed=""
        )
        for _, mine in out.groupby(["kind", "group"], sort=False):
            rows = self.table.loc[mine.index]
            out.loc[mine.index, "observed"] = part_words(rows["observed"], rows["patients"])
        numbers = self.table[["expected", "ratio", "lower", "upper"]].copy()
        withheld = [words in (SUPPRESSED, HIDDEN) for words in out["observed"]]
        numbers.loc[withheld] = np.nan
        return pd.concat([out[["kind", "group", "cell", "observed"]], numbers], axis=1)


def _short(log_value: float) -> str:
    """A number told by its logarithm, in a few characters."""
    if log_value > np.log(_MANY):
        return f"over {_MANY:,.0f}"
    return f"{np.exp(log_value):.2g}" if log_value < np.log(100.0) else f"{np.exp(log_value):.0f}"


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
    if not isinstance(cast(object, fit), Fit | SharedFit):
        raise OptionError(f"watch: a fit of patients is needed, not a {type(fit).__name__}.")
    rising = isinstance(horizons, tuple | list) and all(is_number(x) for x in horizons)
    days = tuple(float(x) for x in horizons) if rising else (-1.0,)
    ends = [0.0, *days]
    if not np.all(np.isfinite(ends)) or np.any(np.diff(ends) < _APART):
        raise OptionError(
            "horizons must be days since origin, finite, above 0 and rising by a hundredth or more."
        )
    return Watch(fit, float(alpha), days, cells_of(fit, stretches(days)))
