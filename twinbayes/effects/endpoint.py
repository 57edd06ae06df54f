"""Endpoints: which states count as the event, and the probability of having reached them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinbayes.arrays import Floats
from twinbayes.errors import TwinError
from twinbayes.model.courses.graph import StateGraph
from twinbayes.twin.occupation.paths import Path


@dataclass(frozen=True)
class Endpoint:
    """States of a graph as one event, which has happened once any of them was entered.

    Attributes
    ----------
    graph
        The states.
    states
        Those that count, in the order of the graph.
    blocked
        States that nobody enters: a hypothetical strategy.
    """

    graph: StateGraph
    states: tuple[str, ...]
    blocked: tuple[str, ...] = ()

    @property
    def index(self) -> list[int]:
        """Positions of the states in the graph."""
        return [self.graph.states.index(s) for s in self.states]

    @property
    def is_closed(self) -> bool:
        """Whether nobody leaves these states for another: being there is having been there."""
        return not self._left_for

    @property
    def _left_for(self) -> set[str]:
        return self._after(*self.states) - {*self.states}

    def _after(self, *states: str) -> set[str]:
        return states_after(self.graph, states, blocked=self.blocked)

    @property
    def open_intensities(self) -> Floats:
        """(intensity,) 0 for those that lead into a blocked state, else 1."""
        targets = [t.target for t in self.graph.transitions]
        moving = [0.0 if t in self.blocked else 1.0 for t in targets]
        return np.array([*moving, *([1.0] * len(self.graph.starts))])

    def require_first_entry(self) -> None:
        """Refuse states of which the first entry cannot be told from the later ones.

        Raises
        ------
        TwinError
            Some can be left for others of them, by way of states that do not count.
        """
        if self.is_closed:
            return
        again = [s for s in self.states if self._after(s) & {*self.states}]
        missing = sorted(self._left_for)
        if again or self.graph.initial in self.states:
            raise TwinError(
                f"Endpoint {' or '.join(self.states)}: these states can be left for "
                f"{', '.join(map(repr, missing))} and entered one after another, so the first "
                f"entry cannot be told. Count {' and '.join(map(repr, missing))} too, or ask for "
                "the summary 'state_occupation_difference'."
            )

    def risk(self, path: Path) -> Floats:
        """(node, draw) probability of having entered any of the states by each node."""
        if self.is_closed:
            return self.occupation(path)
        out = np.zeros(path.occupation[:, 0].shape)
        for k in self.index:
            if k in path.entered:
                out += path.entries[:, path.entered.index(k)]
            else:
                out += path.occupation[:, k]
        return np.clip(out, 0.0, 1.0)

    def occupation(self, path: Path) -> Floats:
        """(node, draw) probability of being in any of the states at each node."""
        out: Floats = path.occupation[:, self.index].sum(axis=1, dtype=np.float64)
        return np.clip(out, 0.0, 1.0)


def states_after(
    graph: StateGraph,
    states: tuple[str, ...],
    *,
    blocked: tuple[str, ...] = (),
    ends: tuple[str, ...] = (),
) -> set[str]:
    """Return the states that can be entered after any of these.

    Parameters
    ----------
    blocked
        States that nobody enters.
    ends
        States beyond which nobody is followed.
    """
    found: set[str] = set()
    front = set(states)
    while front:
        here = front - {*ends}
        reached = {t.target for t in graph.transitions if t.source in here}
        front = reached - {*blocked} - found
        found |= front
    return found
