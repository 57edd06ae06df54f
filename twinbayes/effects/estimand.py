"""Estimands: which effect, of what, in whom, on what, until when, and with what in between.

The attributes are those of ICH E9(R1) (2019), Addendum on estimands and sensitivity analysis in
clinical trials: population, treatments, variable, intercurrent events, population-level summary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from twinbayes.arrays import Floats, is_number
from twinbayes.effects.endpoint import Endpoint, states_after
from twinbayes.effects.intercurrent import Handled, handle
from twinbayes.errors import CohortError, OptionError, TwinError, require_known, told
from twinbayes.estimators.observed import as_numbers
from twinbayes.model.courses.graph import StateGraph
from twinbayes.model.courses.labels import among
from twinbayes.names import DAYS_PER_YEAR, DEATH
from twinbayes.showing import brief
from twinbayes.twin.answers.quality_of_life import Quality
from twinbayes.twin.scenario import Scenario, as_names

EVENT_FREE: Final = "event_free"
_MOST_TIMES: Final = 16  # as many as are computed, not interpolated

# summary -> (what each side has, how the two are compared, in words)
SUMMARIES: Final[Mapping[str, tuple[str, str, str]]] = {
    "risk_difference": ("risk", "difference", "difference in risk of"),
    "risk_ratio": ("risk", "ratio", "ratio of the risks of"),
    "survival_difference": ("survival", "difference", "difference in the probability of no"),
    "hazard_ratio": ("survival", "hazard_ratio", "ratio of the cumulative hazards of"),
    "rmst_difference": ("rmst", "difference", "difference in restricted mean time free of"),
    "state_occupation_difference": (
        "state_occupation",
        "difference",
        "difference in the probability of being",
    ),
    "quality_adjusted_time_difference": (
        "quality_adjusted_time",
        "difference",
        "difference in quality-adjusted time until",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Target:
    """Whose effect it is: everybody, unless something is said.

    Parameters
    ----------
    landmark
        Day since origin from which on patients are followed; default: each patient's last day
        known, or the landmark of the twin.
    subgroups
        Only these.
    patients
        Only these; each must then be alive, followed and as the rest of the target says.
    states
        Only those who are in one of these at the landmark.
    untreated
        Only those who have not started any of these treatments by the landmark.

    Examples
    --------
    >>> Target(landmark=120, states=("remission",)).states
    ('remission',)
    """

    landmark: float | None = None
    subgroups: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    untreated: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("subgroups", "patients", "states", "untreated"):
            object.__setattr__(self, name, as_names(getattr(self, name), f"Target: {name}"))
        if self.landmark is None:
            return
        if not (is_number(self.landmark) and self.landmark >= 0):
            raise OptionError(
                "Target: landmark must be a day since origin, at least 0, not "
                f"{told(self.landmark)}."
            )

    @property
    def sentence(self) -> str:
        """In words, without naming a patient."""
        return self.told({})

    def told(self, labels: Mapping[str, str]) -> str:
        """`sentence`, with states that have a label as people read them."""
        said = f"{len(self.patients)} patients selected" if self.patients else "all patients"
        if self.subgroups:
            said += f" of {' or '.join(self.subgroups)}"
        conditions = ["alive and followed"]
        if self.states:
            conditions.append(among(self.states, labels))
        if self.untreated:
            conditions.append(f"without {' or '.join(self.untreated)}")
        when = "their last day known" if self.landmark is None else f"day {self.landmark:g}"
        return f"{said} who are {', '.join(conditions)} on {when}"


@brief
@dataclass(frozen=True, kw_only=True)
class Estimand:
    """A treatment effect, said completely before it is computed.

    Parameters
    ----------
    a, b
        The two ways of treating; effects are those of `a` against `b`.
    times
        Days since the landmark, one or up to 16, increasing.
    summary
        ``risk_difference``, ``risk_ratio``, ``survival_difference`` (probability of no event),
        ``hazard_ratio`` (marginal: the ratio of the cumulative hazards, minus the logarithms of the
        probabilities of no event, of the two standardised curves from the landmark to each time;
        where other events compete, of subdistribution hazards), ``rmst_difference`` (restricted
        mean time without the event), ``state_occupation_difference``,
        ``quality_adjusted_time_difference``.
    endpoint
        ``"death"``; a state or several, which count as one event once any of them is entered;
        or ``"event_free"``: the event is leaving the one state that the target is in.
    target
        Whose effect.
    intercurrent
        Strategy for events after the landmark, by state, treatment or ``"death"``:
        ``treatment_policy`` (whatever happens, counts), ``hypothetical`` (would not happen),
        ``composite`` (is part of the endpoint), ``while_alive`` (the endpoint counts if it comes
        before). Only what the model supports for that event is allowed. What is not named is
        handled as `reading` says.
    quality
        What a day alive counts, for quality-adjusted time.

    Raises
    ------
    OptionError, TwinError
        An unknown summary, impossible times, quality where it has no place, or something of another
        kind than is asked for.

    Examples
    --------
    >>> asked = Estimand.starting(
    ...     "allogeneic_transplant", landmark=120, states=("remission",), times=(365.25,)
    ... )
    >>> asked.summary
    'risk_difference'
    """

    a: Scenario
    b: Scenario
    times: float | Sequence[float]
    summary: str = "risk_difference"
    endpoint: str | Sequence[str] = DEATH
    target: Target = field(default_factory=Target)
    intercurrent: Mapping[str, str] = field(default_factory=dict)
    quality: Quality | None = None

    def __post_init__(self) -> None:
        require_known(self.summary, SUMMARIES, "summary")
        for name, kind in (("a", Scenario), ("b", Scenario), ("target", Target)):
            if not isinstance(getattr(self, name), kind):
                raise OptionError(f"Estimand: {name} must be a {kind.__name__}.")
        times = _numbers(self.times)
        good = times.ndim == 1 and 0 < len(times) <= _MOST_TIMES and np.all(np.diff(times) > 0)
        if not good or not (np.all(np.isfinite(times)) and times[0] > 0):
            raise TwinError(
                f"Estimand: times must be 1 to {_MOST_TIMES} increasing days since the landmark, "
                f"above 0, not {told(self.times)}."
            )
        object.__setattr__(self, "times", tuple(times.tolist()))
        if not isinstance(self.endpoint, str):
            object.__setattr__(self, "endpoint", as_names(self.endpoint, "Estimand: endpoint"))
        if not self.endpoint:
            raise OptionError("Estimand: the endpoint names no state. Name one or more.")
        given: object = self.intercurrent  # what arrives may be anything
        if not isinstance(given, Mapping):
            raise OptionError(
                "Estimand: intercurrent must give each event its strategy, such as "
                "{'relapse': 'treatment_policy'}."
            )
        object.__setattr__(self, "intercurrent", dict(given))
        wanted = self.summary == "quality_adjusted_time_difference"
        if wanted != (self.quality is not None):
            raise OptionError(
                "Estimand: give `quality` with the summary 'quality_adjusted_time_difference', and "
                "with no other."
            )
        if wanted and not isinstance(self.quality, Quality):
            raise OptionError("Estimand: quality must be a Quality, such as Quality(marker=...).")
        if wanted and self.endpoint != DEATH:
            raise OptionError(
                "Estimand: quality counts the days alive, so the endpoint is 'death'. Let "
                "`quality` give states a weight of 0 instead."
            )

    @classmethod
    def starting(
        cls,
        treatment: str,
        *,
        landmark: float,
        times: float | Sequence[float],
        states: Sequence[str] = (),
        later: float | None = None,
        subgroups: Sequence[str] = (),
        patients: Sequence[str] = (),
        summary: str = "risk_difference",
        endpoint: str | Sequence[str] = DEATH,
        intercurrent: Mapping[str, str] | None = None,
        quality: Quality | None = None,
    ) -> Estimand:
        """Compare starting a treatment at a landmark with never, or `later`, starting it.

        Only patients who are alive, followed and untreated on the day of the landmark are
        compared, and both ways of treating begin there: nobody's survival until the start counts
        for the treatment (van Houwelingen 2007, Scandinavian Journal of Statistics 34, 70-85).

        Parameters
        ----------
        treatment
            A treatment of the model's graph.
        landmark
            Day since origin of the start.
        states
            Only patients in one of these on that day; default: any in which it can start.
        later
            Day since origin of the later start, if the patient is then in one of these states;
            None for never.
        times, subgroups, patients, summary, endpoint, intercurrent, quality
            As in `Estimand` and `Target`.

        Raises
        ------
        OptionError, ScenarioError, TwinError
            `later` is not after the landmark; and as `Estimand` and `Target`.
        """
        chosen = as_names(states, "Estimand: states")
        if not is_number(landmark) or not (later is None or is_number(later)):
            raise OptionError("Estimand: landmark and later must be days since origin.")
        if later is not None and not later > landmark:
            raise TwinError(
                f"The later start, day {later:g}, must come after the landmark, day {landmark:g}."
            )
        never = Scenario.none(treatment)
        return cls(
            a=Scenario.start(treatment, day=landmark, states=chosen),
            b=never if later is None else Scenario.start(treatment, day=later, states=chosen),
            times=times,
            summary=summary,
            endpoint=endpoint,
            target=Target(
                landmark=landmark,
                subgroups=as_names(subgroups, "Estimand: subgroups"),
                patients=as_names(patients, "Estimand: patients"),
                states=chosen,
                untreated=(treatment,),
            ),
            intercurrent={} if intercurrent is None else intercurrent,
            quality=quality,
        )

    @property
    def days(self) -> tuple[float, ...]:
        """The times."""
        return tuple(float(t) for t in np.atleast_1d(self.times))

    def reading(self, graph: StateGraph) -> Reading:
        """Hold the estimand against a model: what counts, and how each event is handled.

        Events that are not named: a state after the landmark and a treatment that neither scenario
        speaks of follow the treatment policy; a treatment that one speaks of is hypothetical, as
        the scenarios have it; a death that is not the endpoint ends the time that counts.

        Raises
        ------
        OptionError, TwinError
            Unknown states, events or strategies, or a strategy that this model cannot follow; the
            message lists what is possible.
        """
        states = self._event_states(graph)
        named = tuple(dict.fromkeys((*self.a.named, *self.b.named)))
        fatal = graph.deaths
        side = SUMMARIES[self.summary][0]
        after = side == "state_occupation"
        begins = self.target.states
        for state in begins:
            require_known(state, graph.transient, "state of the target")
        for treatment in self.target.untreated:
            graph.treatment(treatment)
        handled = handle(graph, states, fatal, named, self.intercurrent, begins=begins, after=after)
        events = tuple(s for s in graph.states if s in states or s in handled.composite)
        endpoint = Endpoint(graph, events, handled.blocked)
        if side in ("risk", "survival", "rmst"):
            endpoint.require_first_entry()
        if self.quality is not None and handled.composite:
            raise TwinError(
                "Quality-adjusted time has no composite endpoint. Let `quality` give "
                f"{', '.join(map(repr, handled.composite))} a weight of 0 instead."
            )
        a, b = self.a, self.b
        for treatment in handled.withheld:
            a, b = a & Scenario.none(treatment), b & Scenario.none(treatment)
        return Reading(self, endpoint, handled, a, b)

    def _event_states(self, graph: StateGraph) -> tuple[str, ...]:
        if self.endpoint == DEATH:
            if not graph.deaths:
                raise TwinError(
                    "Endpoint 'death': this model knows no death. Name the states that count; or "
                    "contrast two scenarios, which tells the events that recur."
                )
            return graph.deaths
        if self.endpoint == EVENT_FREE:
            if len(now := self.target.states) != 1:
                raise TwinError(
                    "Endpoint 'event_free' is leaving the state that the target is in: give the "
                    "target one state, or name the states that count."
                )
            require_known(now[0], graph.states, "state of the target")
            return tuple(s for s in graph.states if s in states_after(graph, now) - {*now})
        chosen = (self.endpoint,) if isinstance(self.endpoint, str) else tuple(self.endpoint)
        for state in chosen:
            require_known(state, (DEATH, EVENT_FREE, *graph.states), "endpoint")
        return chosen


@dataclass(frozen=True)
class Reading:
    """An estimand as one model understands it.

    Attributes
    ----------
    estimand
        What was asked.
    endpoint
        The states that count.
    handled
        Every intercurrent event with its strategy.
    a, b
        The two scenarios, with what the strategies add.
    """

    estimand: Estimand
    endpoint: Endpoint
    handled: Handled
    a: Scenario
    b: Scenario

    @property
    def contrasted(self) -> tuple[str, ...]:
        """Treatments and covariates of which the two scenarios say different things."""
        a, b = self.estimand.a, self.estimand.b
        differ = {*a.assumptions, *a.settings} ^ {*b.assumptions, *b.settings}
        return tuple(
            dict.fromkeys(
                name
                for s in (a, b)
                for name, part in zip(s.named, (*s.assumptions, *s.settings), strict=True)
                if part in differ
            )
        )

    @property
    def sentence(self) -> str:
        """The five attributes in words."""
        return self.told({})

    def told(self, labels: Mapping[str, str]) -> str:
        """`sentence`, with states that have a label as people read them."""
        e = self.estimand
        when = ", ".join(f"{t:g}" for t in e.days)
        years = ", ".join(f"{t / DAYS_PER_YEAR:.2g}" for t in e.days)
        event = " or ".join(labels.get(s, s) for s in self.endpoint.states)
        place = among(self.endpoint.states, labels)
        if e.endpoint == DEATH and not self.handled.composite:
            event, place = "death", "in death"
        phrase = SUMMARIES[e.summary][2]
        return (
            f"Population: {e.target.told(labels)}. "
            f"Treatments: {e.a.told(labels)!r} against {e.b.told(labels)!r}. "
            f"Variable: {event}, within {when} days ({years} years) of the landmark. "
            f"Intercurrent events: {self.handled.told(labels)}. "
            f"Summary: {phrase} {place if phrase.endswith('being') else event}."
        )


def _numbers(times: float | Sequence[float]) -> Floats:
    """Read one day or several, (time,)."""
    try:
        return np.atleast_1d(as_numbers(times, "Estimand: times", "day"))
    except CohortError as error:
        raise TwinError(str(error)) from error
