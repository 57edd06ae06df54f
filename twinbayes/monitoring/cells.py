"""Cells of a watch: which events of which patients are counted together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from twinbayes.arrays import Floats
from twinbayes.inference import Fit, SharedFit
from twinbayes.model.events.draws import EventDraws
from twinbayes.monitoring.counts import Counts
from twinbayes.names import CENTRE, POSTERIOR, SUBGROUP
from twinbayes.showing import brief

HAZARDS: Final = "hazards"
POLICY: Final = "policy"

_ALL: Final = {HAZARDS: "all events", POLICY: "all starts of treatments"}
_NEW: Final = "new centres"
_NOTHING: Final = 1e-12  # events: less is rounding
_WHOLE: Final = 0.9  # of the evidence is sought in the cell of all; the others share the rest


@brief
@dataclass(frozen=True)
class Cell:
    """Events that are counted together.

    Attributes
    ----------
    kind
        ``hazards`` or ``policy``: events of the disease, or starts of treatments.
    about
        Which events of which patients, in words.
    share
        Weight of its e-value among those of the kind; they add up to 1.
    transitions
        Positions of its transitions.
    by, label
        Patients: all, unless ``subgroup`` or ``centre`` with a label; those of centres that the
        fit does not know where `by` is ``new``.
    part
        The stretch of time, by its name; all time if None.

    Examples
    --------
    >>> from twinbayes.monitoring import watch
    >>> watch(fit).cells[0].about
    'all events'
    """

    kind: str
    about: str
    share: float
    transitions: tuple[int, ...]
    by: str = ""
    label: str = ""
    part: str | None = None

    @property
    def family(self) -> str:
        """What the cells have in common whose events add up to all of the kind."""
        if self.about == _ALL[self.kind]:
            return "all"
        if self.part is not None:
            return "time since origin"
        return {"": "transition", SUBGROUP: "subgroup"}.get(self.by, "centre")

    def totals(
        self, parts: Mapping[str, Counts], centres: frozenset[str] | None
    ) -> tuple[float, Floats, float, int]:
        """Events that happened, (draw,) that were expected, the part of new centres, and patients.

        Parameters
        ----------
        parts
            Counts by stretch of time.
        centres
            Centres that the fit knows; None where its hazards do not depend on centres.

        Returns
        -------
        tuple
            The third is the sum over new centres of their squared shares of what is expected: 1
            where all are of one, 0 where there are none. The last is how many patients were at
            risk.
        """
        observed, expected = 0.0, np.zeros(1)
        by_centre: dict[str, float] = {}
        at_risk = np.zeros(max(len(c.centre) for c in parts.values()), dtype=bool)
        for name, counts in parts.items():
            if self.part not in (None, name):
                continue
            who = self._members(counts, centres)
            columns = list(self.transitions)
            observed += float(counts.observed[who][:, columns].sum())
            each = counts.expected[:, who][:, :, columns].sum(axis=2)
            expected = expected + each.sum(axis=1)
            at_risk[np.flatnonzero(who)[each.mean(axis=0) > _NOTHING]] = True
            for centre in set(counts.centre[who]) - (centres or set(counts.centre)):
                mine = float(each[:, counts.centre[who] == centre].sum(axis=1).mean())
                by_centre[centre] = by_centre.get(centre, 0.0) + mine
        mean = max(float(expected.mean()), 1e-300)
        of_new = sum((x / mean) ** 2 for x in by_centre.values())
        return max(observed, 0.0), np.maximum(expected, 0.0), of_new, int(at_risk.sum())

    def _members(self, counts: Counts, centres: frozenset[str] | None) -> np.ndarray:
        if self.by == "new":
            return ~np.isin(counts.centre, list(centres or ()))
        if self.by == SUBGROUP:
            return np.asarray(counts.subgroup == self.label)
        if self.by == CENTRE:
            return np.asarray(counts.centre == self.label)
        return np.ones(len(counts.centre), dtype=bool)


def known_centres(fit: Fit | SharedFit) -> frozenset[str] | None:
    """Centres that hazards of a fit depend on; None where they depend on none."""
    posterior = fit.datatree[POSTERIOR]
    has = "centre_effect" in posterior
    return frozenset(map(str, fit.learnt.encoding.centres)) if has else None


def cells_of(fit: Fit | SharedFit, stretches: tuple[str, ...]) -> tuple[Cell, ...]:
    """Cells of a watch, those of all events first.

    Parameters
    ----------
    fit
        The fit in use.
    stretches
        Names of the stretches of time that events are counted in.
    """
    out: list[Cell] = []
    centres = known_centres(fit)
    for kind, all_of_kind in _ALL.items():
        mine = _of_kind(fit, kind)
        if not mine:
            continue
        found = list(_parts_of(fit, kind, mine, stretches, centres))
        out.append(Cell(kind, all_of_kind, _WHOLE if found else 1.0, mine))
        out += [replace(c, share=(1.0 - _WHOLE) / len(found)) for c in found]
    return tuple(out)


def _of_kind(fit: Fit | SharedFit, kind: str) -> tuple[int, ...]:
    starts = {f"{t.source}->{t.target}" for t in fit.spec.graph.transitions}
    return tuple(
        k for k, x in enumerate(fit.spec.graph.labels) if (x in starts) == (kind == HAZARDS)
    )


def _parts_of(
    fit: Fit | SharedFit,
    kind: str,
    mine: tuple[int, ...],
    stretches: tuple[str, ...],
    centres: frozenset[str] | None,
) -> Iterator[Cell]:
    """Cells beside that of all events: by transition, subgroup, centre and stretch of time."""
    encoding, labels = fit.learnt.encoding, fit.spec.graph.labels
    if len(mine) > 1:
        for k in mine:
            yield Cell(kind, labels[k], 0.0, (k,))
    for by, names in ((SUBGROUP, encoding.subgroups), (CENTRE, encoding.centres)):
        if len(names) > 1:
            for name in names:
                yield Cell(kind, f"{by} {name}", 0.0, mine, by, str(name))
    if centres is not None:
        yield Cell(kind, _NEW, 0.0, mine, "new")
    if len(stretches) > 1:
        for part in stretches:
            yield Cell(kind, part, 0.0, mine, part=part)


def of_new_centres(fit: Fit | SharedFit, transitions: tuple[int, ...]) -> float:
    """Variance of the log hazards of a centre that the fit does not know, mean over transitions."""
    draws = EventDraws.from_posterior(fit.datatree[POSTERIOR].to_dataset(), fit.learnt.encoding)
    scale = draws.centre_scale
    return 1.0 if scale is None else float(np.mean(scale[:, list(transitions)] ** 2))
