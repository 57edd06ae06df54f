"""Late entry: from which day, and in which state, each patient is under observation.

Who comes under observation on day v is there because of having survived until then. Given that, the
likelihood of the rest is a product over the time at risk after v alone (left truncation), with the
state on day v as where the patient starts. So episodes are cut at v, and what ended before is not
counted: it says only where the patient is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from twinbayes.cohort import Cohort
from twinbayes.errors import ModelError
from twinbayes.model.courses.graph import StateGraph
from twinbayes.names import CLOCK_ENTRY, ENTRY_STATE, EVENTS, TERMINAL_EVENTS
from twinbayes.spelling import nearest

_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Observed:
    """Since when a patient is under observation.

    Attributes
    ----------
    day
        Day since origin.
    state
        State on that day where it is given; None where the events say it.
    """

    day: float = 0.0
    state: str | None = None


FROM_ORIGIN: Final = Observed()


class Dated(Protocol):
    """One dated row of a record; see `history.Entry`."""

    @property
    def day(self) -> float:
        """Day since origin."""
        ...

    @property
    def lower(self) -> float:
        """The day after which it happened; that day itself where it is known."""
        ...

    @property
    def table(self) -> str:
        """Where the row is."""
        ...

    @property
    def what(self) -> str:
        """The event, or the treatment that starts."""
        ...


def observed_since(
    graph: StateGraph, cohort: Cohort, records: Mapping[str, Sequence[Dated]]
) -> tuple[Observed, ...]:
    """Since when each patient of a cohort is under observation.

    Raises
    ------
    ModelError
        A state of entry is unknown or final, or is given beside earlier events; the hazards out of
        it need the day on which the patient came there; or an event lies between a day before the
        entry and one after it.
    """
    days, states = cohort.entries
    found = tuple(Observed(float(d), s) for d, s in zip(days, states, strict=True))
    _require_states(graph, found)
    both, open_at = [], []
    for k, (who, since) in enumerate(zip(cohort.patient_ids, found, strict=True)):
        record = [e for e in records.get(who, ()) if e.what not in TERMINAL_EVENTS]
        if since.state is not None and any(_is_before(e, since.day) for e in record):
            both.append(k + 1)
        if any(e.lower < since.day < e.day for e in record):
            open_at.append(k + 1)
    _refuse(
        both,
        f"{ENTRY_STATE}, and events or treatments up to the entry: one of the two says where they "
        f"come from. Leave {ENTRY_STATE} blank where the record goes back to the origin, or leave "
        "the earlier rows out",
    )
    _refuse(
        open_at,
        "an event that lies between two days, one before the entry and one after it. Date it, or "
        "let the interval begin at the entry",
    )
    return found


def _require_states(graph: StateGraph, found: Sequence[Observed]) -> None:
    given = {since.state for since in found if since.state is not None}
    unknown = sorted(given - set(graph.transient))
    if unknown:
        final = [s for s in unknown if s in graph.states]
        near = [(s, nearest(s, graph.transient)) for s in unknown]
        meant = [f"{s!r} (meant for {to!r}?)" for s, to in near if to is not None]
        known = f"are not known to this disease: {', '.join(meant) or len(unknown)}"
        what = f"are never left: {', '.join(map(repr, final))}" if final else known
        raise ModelError(
            f"patients: values of {ENTRY_STATE} {what}. Patients can come in one of "
            f"{', '.join(map(repr, graph.transient))}."
        )
    clocks = {i.source for i in graph.intensities if i.clock == CLOCK_ENTRY}
    late = [k + 1 for k, s in enumerate(found) if s.state in clocks and s.day > 0.0]
    _refuse(
        late,
        f"{ENTRY_STATE} on a day after the origin, and hazards of that state count from the day on "
        "which it was entered, which nobody knows. Give the event that led there with its day and "
        f"leave {ENTRY_STATE} blank, or use the origin clock",
    )


def _is_before(row: Dated, day: float) -> bool:
    """Whether a row lies before an entry in a state that is given; an event of that day does."""
    on_it = row.table == EVENTS and 0.0 < row.day == day
    return row.lower < day or row.day < day or on_it


def _refuse(patients: Sequence[int], what: str) -> None:
    if patients:
        numbers = ", ".join(map(str, patients[:_SHOWN])) + ", …" * (len(patients) > _SHOWN)
        raise ModelError(
            f"{len(patients)} patient(s) have {what}. By their number in the cohort: {numbers}."
        )
