"""Scenarios: what to assume about treatments from the landmark on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from twinbayes.arrays import is_number
from twinbayes.errors import OptionError, ScenarioError, require_known, told
from twinbayes.model.courses.graph import StateGraph
from twinbayes.model.courses.labels import among
from twinbayes.showing import brief


@dataclass(frozen=True, kw_only=True, slots=True)
class Assumption:
    """What a scenario says of one treatment.

    `day` is None for "never from the landmark on"; otherwise patients who are in one of
    `states` (all in which it can start, if empty) on that day (since origin) and have not
    started, start.
    """

    treatment: str
    day: float | None = None
    states: tuple[str, ...] = ()

    def told(self, labels: Mapping[str, str]) -> str:
        """In words, with states as `labels` has them, or by their names."""
        if self.day is None:
            return f"no {self.treatment}"
        where = f" {among(self.states, labels)}" if self.states else ""
        return f"{self.treatment} on day {self.day:g}{where}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """A treatment that the model has as a baseline covariate, given the same value for everybody.

    `value` is a number, or the name of a level.
    """

    covariate: str
    value: float | str


@brief
@dataclass(frozen=True, slots=True)
class Scenario:
    """A policy for treatments after the landmark.

    A treatment that a scenario names is taken out of the registry's own policy and follows the
    scenario; the others keep the registry's policy. What was started before the landmark stays
    as it was. Build one with `policy`, `none`, `start` or `given`, and combine with ``&``.

    Examples
    --------
    >>> early = tb.Scenario.start("allogeneic_transplant", day=120, states=("remission",))
    >>> early.label
    'allogeneic_transplant on day 120 in remission'
    >>> (early & tb.Scenario.none("maintenance")).named
    ('allogeneic_transplant', 'maintenance')
    """

    label: str
    assumptions: tuple[Assumption, ...] = ()
    settings: tuple[Setting, ...] = ()

    @classmethod
    def policy(cls) -> Scenario:
        """The registry's own treatment policy, as the model has learnt it."""
        return cls("registry policy")

    @classmethod
    def none(cls, treatment: str) -> Scenario:
        """`treatment` is not started from the landmark on."""
        never = Assumption(treatment=_named(treatment))
        return cls(never.told({}), (never,))

    @classmethod
    def start(cls, treatment: str, *, day: float, states: Sequence[str] = ()) -> Scenario:
        """`treatment` starts on `day` since origin if the patient is then in one of `states`.

        Without `states`, in any state in which it can start. A patient in another state on that
        day goes on without it.

        Raises
        ------
        ScenarioError
            If the treatment or a state is no text, or the day no number.
        """
        try:
            names = as_names(states, "states")
        except OptionError as error:
            raise ScenarioError(
                "states must be a sequence of state names, such as states=('remission',)."
            ) from error
        if not is_number(day):
            raise ScenarioError(f"day must be a number of days since origin, not {told(day)}.")
        start = Assumption(treatment=_named(treatment), day=float(day), states=names)
        return cls(start.told({}), (start,))

    @classmethod
    def given(cls, covariate: str, value: float | str) -> Scenario:
        """Everybody has this value of a baseline covariate that is a treatment, from origin on.

        Such as the arm of a trial. All else that was known at the origin stays as it was.
        """
        _named(covariate)
        if not isinstance(value, str) and not is_number(value):
            raise ScenarioError(
                f"{covariate!r} must be given a number or a level, not {told(value)}."
            )
        written = value if isinstance(value, str) else f"{value:g}"
        kept = value if isinstance(value, str) else float(value)
        return cls(f"{covariate} = {written}", (), (Setting(covariate=covariate, value=kept),))

    @property
    def named(self) -> tuple[str, ...]:
        """Treatments and covariates that the scenario speaks of."""
        return (*(a.treatment for a in self.assumptions), *(s.covariate for s in self.settings))

    def told(self, labels: Mapping[str, str]) -> str:
        """Return the label with states as people read them.

        Parameters
        ----------
        labels
            State → how people read it; other states stay as they are.
        """
        text = self.label
        for assumption in self.assumptions:
            text = text.replace(assumption.told({}), assumption.told(labels))
        return text

    def __and__(self, other: Scenario) -> Scenario:
        """Both assumptions together; each treatment may be named once."""
        if not isinstance(other, Scenario):
            raise ScenarioError(
                f"A scenario goes together with another one, not with {told(other)}."
            )
        twice = sorted(set(self.named) & set(other.named))
        if twice:
            raise ScenarioError(
                f"Two assumptions about {', '.join(map(repr, twice))}. Keep one of them."
            )
        return Scenario(
            f"{self.label} and {other.label}",
            self.assumptions + other.assumptions,
            self.settings + other.settings,
        )

    def require_valid(self, graph: StateGraph, landmarks: Sequence[float]) -> None:
        """Refuse unknown names, impossible starts and anything before a landmark.

        Raises
        ------
        ScenarioError
            With the rule and the remedy.
        """
        later = sum(day > 0.0 for day in landmarks)
        if self.settings and later:
            raise ScenarioError(
                f"{self.label!r} is given at the origin, before the landmark of {later} "
                "patient(s). A scenario can only carry treatments from the landmark on: use the "
                "landmark at=0."
            )
        known = [t.name for t in graph.treatments]
        for assumption in self.assumptions:
            if assumption.treatment not in known:
                raise ScenarioError(
                    f"Unknown treatment {assumption.treatment!r}. "
                    f"Known: {', '.join(map(repr, known)) or 'none in this model'}."
                )
            if assumption.day is None:
                continue
            can = [s.source for s in graph.treatment(assumption.treatment).starts]
            for state in assumption.states:
                require_known(state, can, f"state in which {assumption.treatment!r} can start")
            early = sum(day > assumption.day for day in landmarks)
            if early:
                raise ScenarioError(
                    f"{assumption.treatment!r} on day {assumption.day:g} lies before the landmark "
                    f"of {early} patient(s). A scenario can only carry treatments from the "
                    "landmark on: choose a later day or an earlier landmark."
                )


POLICY: Final = Scenario.policy()


def as_names(values: Sequence[str], what: str) -> tuple[str, ...]:
    """Return names as a tuple.

    Raises
    ------
    OptionError
        One text instead of a sequence of texts, or something else.
    """
    if isinstance(values, str):
        raise OptionError(f"{what} must be a sequence of names, such as ('a',), not one text.")
    given: object = values  # what arrives may be anything
    found = tuple(given) if isinstance(given, Iterable) else (None,)
    if not all(isinstance(name, str) for name in found):
        raise OptionError(f"{what} must be a sequence of names, each a text.")
    return tuple(str(name) for name in found)


def _named(treatment: object) -> str:
    if not isinstance(treatment, str):
        raise ScenarioError(
            f"A treatment or covariate is given by its name, not by a {type(treatment).__name__}."
        )
    return treatment
