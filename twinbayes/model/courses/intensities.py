"""Intensities: moves from state to state, and starts of treatments, each on one clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from typing import Final

from twinbayes.errors import ModelError, require_known
from twinbayes.model.baseline import Baseline, PiecewiseConstant
from twinbayes.model.storing.fields import UNSET_IS_ABSENT
from twinbayes.model.storing.typed import typed
from twinbayes.names import CLOCK_ENTRY, CLOCK_ORIGIN
from twinbayes.showing import brief

CLOCKS: Final = (CLOCK_ORIGIN, CLOCK_ENTRY)


@brief
@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class Transition:
    """A move from `source` to `target`, recorded by `event`, with a hazard on one clock.

    An event that recurs leads from its state to the same one: on the origin clock its hazard goes
    on as if nothing had happened (Andersen-Gill), on the entry clock it begins anew (gap times).

    Parameters
    ----------
    source, target
        State names.
    event
        What the events table records; several that count as one are joined by ``|``.
    clock
        ``"origin"`` (days since the patient's origin) or ``"entry"`` (days since entry into
        `source`).
    baseline
        Shape of the baseline hazard.
    entry_cuts
        On the entry clock only: days since origin that part the eras of entry into `source`.
        Each era has its own log hazard ratio; they sum to zero.

    Raises
    ------
    ModelError
        Cuts on the origin clock, or not positive and increasing.

    Examples
    --------
    >>> Transition(source="ill", target="dead", event="death", clock="entry").label
    'ill->dead'
    """

    source: str
    target: str
    event: str
    clock: str = CLOCK_ORIGIN
    baseline: Baseline = field(default_factory=PiecewiseConstant)
    entry_cuts: tuple[float, ...] = field(default=(), metadata=UNSET_IS_ABSENT)

    def __post_init__(self) -> None:
        require_known(self.clock, CLOCKS, "clock")
        _require_cuts(self.label, self.clock, self.entry_cuts)

    @property
    def events(self) -> tuple[str, ...]:
        """The events that record this move."""
        return tuple(self.event.split("|"))

    @property
    def label(self) -> str:
        """``source->target``, the coordinate along the transition dim."""
        return f"{self.source}->{self.target}"


@brief
@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class TreatmentStart:
    """The intensity of starting `treatment` while in state `source`; see `Transition`.

    Examples
    --------
    >>> TreatmentStart(source="ill", treatment="drug").label
    'ill->start:drug'
    """

    source: str
    treatment: str
    clock: str = CLOCK_ORIGIN
    baseline: Baseline = field(default_factory=PiecewiseConstant)
    entry_cuts: tuple[float, ...] = field(default=(), metadata=UNSET_IS_ABSENT)

    def __post_init__(self) -> None:
        require_known(self.clock, CLOCKS, "clock")
        _require_cuts(self.label, self.clock, self.entry_cuts)

    @property
    def label(self) -> str:
        """``source->start:treatment``, the coordinate along the transition dim."""
        return f"{self.source}->start:{self.treatment}"


@dataclass(frozen=True, slots=True)
class EntryEra:
    """Entries into the source of one intensity in ``(first, last]`` days since origin."""

    intensity: str
    first: float
    last: float

    @property
    def label(self) -> str:
        """``intensity, entered …``, the coordinate along the entry era dim."""
        if self.first == 0.0:
            days = f"by day {self.last:g}"
        elif self.last == inf:
            days = f"after day {self.first:g}"
        else:
            days = f"after day {self.first:g} up to {self.last:g}"
        return f"{self.intensity}, entered {days}"


def _require_cuts(label: str, clock: str, cuts: tuple[float, ...]) -> None:
    if cuts and clock != CLOCK_ENTRY:
        raise ModelError(
            f"{label!r} has entry_cuts on the {clock!r} clock, which tells eras of entry apart by "
            "itself. Leave them out, or use the entry clock."
        )
    edges = (0.0, *cuts, inf)
    if not all(a < b for a, b in pairwise(edges)):
        raise ModelError(
            f"entry_cuts of {label!r} must be positive, finite, increasing days, not {cuts}."
        )
