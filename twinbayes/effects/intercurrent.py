"""Intercurrent events: what a model can make of events between the landmark and the endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from twinbayes.effects.endpoint import states_after
from twinbayes.errors import TwinError, require_known
from twinbayes.model.courses.graph import StateGraph
from twinbayes.names import DEATH

TREATMENT_POLICY: Final = "treatment_policy"
HYPOTHETICAL: Final = "hypothetical"
COMPOSITE: Final = "composite"
WHILE_ALIVE: Final = "while_alive"
STRATEGIES: Final = (TREATMENT_POLICY, HYPOTHETICAL, COMPOSITE, WHILE_ALIVE)

_WORDS: Final = {
    TREATMENT_POLICY: "treatment policy (the endpoint counts whether it happens or not)",
    HYPOTHETICAL: "hypothetical (as if it could not happen)",
    COMPOSITE: "composite (part of the endpoint)",
    WHILE_ALIVE: "while alive (the endpoint counts before it)",
}


@dataclass(frozen=True)
class Handled:
    """Intercurrent events of an estimand under one model.

    Attributes
    ----------
    strategies
        Event → strategy, of every state and treatment that may come in between.
    scenario
        Treatments that follow the scenarios.
    withheld
        Treatments that no scenario speaks of and that are not started.
    composite
        States that are counted with the endpoint.
    blocked
        States that nobody enters.
    """

    strategies: Mapping[str, str]
    scenario: tuple[str, ...]
    withheld: tuple[str, ...]
    composite: tuple[str, ...]
    blocked: tuple[str, ...]

    def told(self, labels: Mapping[str, str]) -> str:
        """Every event with its strategy, in words.

        Parameters
        ----------
        labels
            State → how people read it; other events stay as they are.
        """
        said = []
        for event, strategy in self.strategies.items():
            how = _WORDS[strategy]
            if event in self.scenario:
                how = "hypothetical (as the scenarios have it)"
            said.append(f"{labels.get(event, event)}: {how}")
        return "; ".join(said) or "none that the model knows"


def handle(
    graph: StateGraph,
    endpoint: tuple[str, ...],
    fatal: tuple[str, ...],
    named: tuple[str, ...],
    asked: Mapping[str, str],
    *,
    begins: tuple[str, ...] = (),
    after: bool = False,
) -> Handled:
    """Give every event that may come in between a strategy.

    Parameters
    ----------
    graph
        States and treatments.
    endpoint, fatal
        States that are the endpoint, and those that are deaths.
    named
        Treatments and covariates that the scenarios speak of.
    asked
        Event → strategy; ``"death"`` stands for all deaths but those of the endpoint.
    begins
        States at the landmark; default: any.
    after
        Whether what comes after the endpoint matters too.

    Raises
    ------
    OptionError, TwinError
        An unknown event or strategy, or one that this model cannot follow.
    """
    possible = _possible(graph, endpoint, named, begins, after)
    chosen = {event: options[0] for event, options in possible.items()}
    for event, strategy in asked.items():
        require_known(strategy, STRATEGIES, f"strategy for {event!r}")
        if event in endpoint or (event == DEATH and set(fatal) <= {*endpoint}):
            raise TwinError(f"Intercurrent event {event!r} is the endpoint itself. Leave it out.")
        group = [s for s in fatal if s in possible] if event == DEATH else [event]
        for one in group:
            require_known(one, (DEATH, *possible), "intercurrent event")
            if strategy not in possible[one]:
                raise TwinError(
                    f"Intercurrent event {one!r}: the strategy {strategy!r} is not possible in "
                    f"this model. Possible: {', '.join(map(repr, possible[one]))}."
                )
            chosen[one] = strategy
    treatments = [t.name for t in graph.treatments]

    def having(strategy: str, *, of_treatments: bool) -> tuple[str, ...]:
        return tuple(
            e for e, s in chosen.items() if s == strategy and (e in treatments) == of_treatments
        )

    hypothetical = having(HYPOTHETICAL, of_treatments=True)
    return Handled(
        strategies=chosen,
        scenario=tuple(e for e in hypothetical if e in named),
        withheld=tuple(e for e in hypothetical if e not in named),
        composite=having(COMPOSITE, of_treatments=False),
        blocked=having(HYPOTHETICAL, of_treatments=False),
    )


def _possible(
    graph: StateGraph,
    endpoint: tuple[str, ...],
    named: tuple[str, ...],
    begins: tuple[str, ...],
    after: bool,
) -> dict[str, tuple[str, ...]]:
    """Strategies for every event, the one taken unless something is said first."""
    out: dict[str, tuple[str, ...]] = {}
    entered = states_after(graph, begins or (graph.initial,), ends=() if after else endpoint)
    for treatment in graph.treatments:
        free = treatment.name not in named
        out[treatment.name] = (TREATMENT_POLICY, HYPOTHETICAL) if free else (HYPOTHETICAL,)
    for state in graph.states:
        if state in endpoint or state not in entered:
            continue
        ends = state in graph.absorbing
        first = WHILE_ALIVE if ends else TREATMENT_POLICY
        out[state] = (first, COMPOSITE, HYPOTHETICAL)
    return out
