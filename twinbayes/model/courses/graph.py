"""States, transitions and treatments: the skeleton every event history hangs on.

A disease is a finite set of states. A *transition* moves a patient from one state to
another when a named event is recorded. A *treatment* may start in some states; its start is
an intensity of the model like any transition, and once started it multiplies hazards
according to a *phase*:

``here``         the treatment started in the state the patient is still in;
``here_early``   the same, within ``early_days`` of the start;
``here_late``    the same, later than that;
``earlier``      the treatment started in a state the patient has left.

Survival (one transition) and competing risks (several out of one state) are the smallest
graphs; nothing below treats them apart.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from typing import Final

from twinbayes.errors import ModelError, require_known
from twinbayes.model.courses.intensities import EntryEra, Transition, TreatmentStart
from twinbayes.model.pooling.basic import Exchangeable
from twinbayes.model.pooling.protocol import Pooling
from twinbayes.model.storing.fields import UNSET_IS_ABSENT
from twinbayes.model.storing.typed import typed
from twinbayes.names import CLOCK_ENTRY, DEATH
from twinbayes.showing import brief

HERE: Final = "here"
HERE_EARLY: Final = "here_early"
HERE_LATE: Final = "here_late"
EARLIER: Final = "earlier"
PHASES: Final = (HERE, HERE_EARLY, HERE_LATE, EARLIER)


@brief
@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class Effect:
    """A log hazard ratio of `treatment`, in one `phase`, on one transition.

    `pooling` says how the effect of each subgroup borrows from the others.

    Examples
    --------
    >>> Effect(treatment="drug", transition="ill->dead", phase="here").phase
    'here'
    """

    treatment: str
    transition: str
    phase: str
    pooling: Pooling = field(default_factory=Exchangeable)

    def __post_init__(self) -> None:
        require_known(self.phase, PHASES, "treatment phase")

    @property
    def label(self) -> str:
        """``treatment:phase on transition``, the coordinate along the effect dim."""
        return f"{self.treatment}:{self.phase} on {self.transition}"


@brief
@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class Treatment:
    """A time-dependent treatment that a patient starts at most once.

    Parameters
    ----------
    name
        The value of the treatments table.
    starts
        One start intensity for each state in which it may begin.
    effects
        Log hazard ratios; a (transition, phase) without an effect is left unchanged.
    early_days
        Length of the early phase, for states that have ``here_early`` effects, in days.

    Examples
    --------
    >>> Treatment(
    ...     name="drug",
    ...     starts=(TreatmentStart(source="ill", treatment="drug"),),
    ...     effects=(Effect(treatment="drug", transition="ill->dead", phase="here"),),
    ... ).name
    'drug'
    """

    name: str
    starts: tuple[TreatmentStart, ...]
    effects: tuple[Effect, ...]
    early_days: float | None = None

    def __post_init__(self) -> None:
        if self.early_days is not None and not 0.0 < self.early_days < inf:
            raise ModelError(
                f"Treatment {self.name!r}: early_days must be a positive number of days, not "
                f"{self.early_days!r}. Leave it out where no early phase is told apart."
            )


@brief
@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class StateGraph:
    """All states, the transitions among them, and the treatments.

    Parameters
    ----------
    states
        Names, the initial state first.
    transitions, treatments
        See `Transition` and `Treatment`.
    ignored_events
        Events of the cohort that move nobody, such as one that only ends follow-up.

    Raises
    ------
    ModelError
        Unknown or duplicate names, or two clocks that one state cannot keep at once.

    Examples
    --------
    >>> death = Transition(source="well", target="dead", event="death")
    >>> StateGraph(states=("well", "dead"), transitions=(death,)).absorbing
    ('dead',)
    """

    states: tuple[str, ...]
    transitions: tuple[Transition, ...]
    treatments: tuple[Treatment, ...] = ()
    ignored_events: tuple[str, ...] = field(default=(), metadata=UNSET_IS_ABSENT)

    def __post_init__(self) -> None:
        _require_unique(self.states, "state")
        _require_unique([t.label for t in self.transitions], "transition")
        _require_unique([t.name for t in self.treatments], "treatment")
        exits = [(t.source, event) for t in self.transitions for event in t.events]
        _require_unique(exits, "event out of a state")
        for transition in self.transitions:
            for state in (transition.source, transition.target):
                require_known(state, self.states, f"state of transition {transition.label}")
        for treatment in self.treatments:
            self._check_treatment(treatment)
        self._require_one_pooling_a_kind()

    def _check_treatment(self, treatment: Treatment) -> None:
        labels = [t.label for t in self.transitions]
        by_label = {t.label: t for t in self.transitions}
        for start in treatment.starts:
            require_known(start.source, self.transient, "state in which a treatment starts")
            if start.treatment != treatment.name:
                raise ModelError(
                    f"Treatment {treatment.name!r}: the start in {start.source!r} names "
                    f"{start.treatment!r}. Give both the same name."
                )
        _require_unique([e.label for e in treatment.effects], "treatment effect")
        for effect in treatment.effects:
            require_known(effect.transition, labels, "transition of a treatment effect")
            if effect.treatment != treatment.name:
                raise ModelError(
                    f"Treatment {treatment.name!r}: the effect {effect.label!r} names "
                    f"{effect.treatment!r}. Give both the same name."
                )
            split = effect.phase in (HERE_EARLY, HERE_LATE)
            if split and not treatment.early_days:
                raise ModelError(
                    f"Effect {effect.label!r} needs early_days on its treatment: "
                    "say how long the early phase lasts."
                )
            source = by_label[effect.transition].source
            if split and any(
                e.phase == HERE
                for e in treatment.effects
                if by_label[e.transition].source == source
            ):
                raise ModelError(
                    f"State {source!r} has both 'here' and 'here_early'/'here_late' effects of "
                    f"{treatment.name!r}. Use one of the two."
                )
            if split and any(t.clock == CLOCK_ENTRY for t in self.leaving(source)):
                raise ModelError(
                    f"State {source!r} has a transition on the entry clock and an early phase of "
                    f"{treatment.name!r}: only one of the two clocks can be kept. Use the origin "
                    "clock, or the phase 'here'."
                )

    def _require_one_pooling_a_kind(self) -> None:
        known: dict[str, Effect] = {}
        for effect in self.effects:
            first = known.setdefault(effect.pooling.kind, effect)
            if first.pooling != effect.pooling:
                raise ModelError(
                    f"The effects {first.label!r} and {effect.label!r} have two poolings of the "
                    f"kind {effect.pooling.kind!r} that differ in their settings, and draws are "
                    "named after the kind. Give both the same settings, or choose another kind."
                )

    @property
    def initial(self) -> str:
        """State in which every patient is at the origin."""
        return self.states[0]

    @property
    def transient(self) -> tuple[str, ...]:
        """States that can be left, in declared order."""
        sources = {t.source for t in self.transitions}
        return tuple(s for s in self.states if s in sources)

    @property
    def absorbing(self) -> tuple[str, ...]:
        """States that cannot be left, in declared order."""
        sources = {t.source for t in self.transitions}
        return tuple(s for s in self.states if s not in sources)

    @property
    def deaths(self) -> tuple[str, ...]:
        """States that are deaths; all absorbing states where none is by death alone."""
        dead = {t.target for t in self.transitions if t.events == (DEATH,)}
        return tuple(s for s in self.states if s in (dead or self.absorbing))

    @property
    def starts(self) -> tuple[TreatmentStart, ...]:
        """Start intensities of every treatment, in declared order."""
        return tuple(s for t in self.treatments for s in t.starts)

    @property
    def intensities(self) -> tuple[Transition | TreatmentStart, ...]:
        """Every modelled intensity: disease transitions first, then treatment starts."""
        return (*self.transitions, *self.starts)

    @property
    def effects(self) -> tuple[Effect, ...]:
        """Effects of every treatment, in declared order: the coordinate of the effect dim."""
        return tuple(e for t in self.treatments for e in t.effects)

    @property
    def entry_eras(self) -> tuple[EntryEra, ...]:
        """Eras of every intensity that has some, in order: the coordinate of the era dim."""
        return tuple(
            EntryEra(i.label, first, last)
            for i in self.intensities
            if i.entry_cuts
            for first, last in pairwise((0.0, *i.entry_cuts, inf))
        )

    @property
    def entry_cuts(self) -> tuple[float, ...]:
        """Days since origin at which the era of entry changes for any intensity."""
        return tuple(sorted({cut for i in self.intensities for cut in i.entry_cuts}))

    def entry_era(self, intensity: Transition | TreatmentStart, entry: float) -> int | None:
        """Index into `entry_eras` of an entry on day `entry`, None where there are no eras."""
        if not intensity.entry_cuts:
            return None
        first = [era.intensity for era in self.entry_eras].index(intensity.label)
        return first + bisect_left(intensity.entry_cuts, entry)

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of `intensities`: the coordinate of the transition dim."""
        return tuple(i.label for i in self.intensities)

    def leaving(self, state: str) -> tuple[Transition, ...]:
        """Disease transitions out of `state`."""
        return tuple(t for t in self.transitions if t.source == state)

    @property
    def recurrent_events(self) -> tuple[str, ...]:
        """Events that recur within a state, by the name of their transition's event."""
        return tuple(dict.fromkeys(t.event for t in self.transitions if t.source == t.target))

    def recurs(self, label: str) -> bool:
        """Whether a patient may have the intensity of this label more than once."""
        found = next((t for t in self.transitions if t.label == label), None)
        if found is None:  # a treatment starts once
            return False
        reached, ahead = {found.target}, [found.target]
        while ahead:
            for transition in self.leaving(ahead.pop()):
                if transition.target not in reached:
                    reached.add(transition.target)
                    ahead.append(transition.target)
        return found.source in reached

    def treatment(self, name: str) -> Treatment:
        """Return a treatment by name; an unknown one is an OptionError that lists the known."""
        require_known(name, [t.name for t in self.treatments], "treatment")
        return next(t for t in self.treatments if t.name == name)

    def is_split(self, treatment: str, state: str) -> bool:
        """Whether effects of `treatment` in `state` change after `early_days`."""
        sources = {t.label: t.source for t in self.transitions}
        return any(
            e.phase in (HERE_EARLY, HERE_LATE) and sources[e.transition] == state
            for e in self.treatment(treatment).effects
        )


def _require_unique(values: Iterable[object], what: str) -> None:
    seen: set[object] = set()
    for value in values:
        if value in seen:
            raise ModelError(f"Duplicate {what}: {value!r}. Each must be declared once.")
        seen.add(value)
