"""Notes on sampled variables: which prior of the set each of them has.

Whoever asks how much an answer depends on the priors needs the priors' densities under each draw.
Variables without a note, such as the standard normal offsets that subgroups are made of, belong to
the model: their spread is a variable of its own, and has a prior.

While a model is built, `recorded_use` keeps which entries it asked for, and which it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from twinbayes.arrays import Floats

_TAG: Final = "twinbayes_prior"


@dataclass(frozen=True)
class NotedPrior:
    """The prior of a sampled variable.

    Attributes
    ----------
    name
        Name of the entry, without qualifier.
    distribution
        A PyMC distribution whose arguments are numbers.
    take
        (draw, ...) values of the variable to (draw, ...) values that have that distribution; None
        where they are the same.
    """

    name: str
    distribution: Any
    take: Callable[[Floats], Floats] | None = None


def note_prior(
    variable: Any,
    name: str,
    distribution: Any,
    take: Callable[[Floats], Floats] | None = None,
) -> None:
    """Note on a random variable which prior it has; `PriorSet.make` does so by itself."""
    setattr(variable.tag, _TAG, NotedPrior(name, distribution, take))


def noted_prior(variable: Any) -> NotedPrior | None:
    """The prior noted on a random variable, if there is one."""
    found: NotedPrior | None = getattr(variable.tag, _TAG, None)
    return found


@dataclass(frozen=True)
class PriorUse:
    """What a model took of a prior set.

    Attributes
    ----------
    used
        Names of the entries that it was given.
    asked
        Stem -> qualifiers that it asked for, none for those that are asked for as a whole.
    """

    used: set[str] = field(default_factory=set)
    asked: dict[str, set[str]] = field(default_factory=dict)

    def note(self, stem: str, qualifier: str | None, given: str) -> None:
        """Add one question and its answer."""
        self.used.add(given)
        self.asked.setdefault(stem, set()).update([] if qualifier is None else [qualifier])


_USE: ContextVar[PriorUse | None] = ContextVar("prior_use", default=None)


@contextmanager
def recorded_use() -> Iterator[PriorUse]:
    """Record which entries of prior sets are asked for inside the block."""
    use, around = PriorUse(), _USE.get()
    token = _USE.set(use)
    try:
        yield use
    finally:
        _USE.reset(token)
        if around is not None:
            around.used.update(use.used)
            for stem, qualifiers in use.asked.items():
                around.asked.setdefault(stem, set()).update(qualifiers)


def note_use(stem: str, qualifier: str | None, given: str) -> None:
    """Note that an entry was given; nothing happens where no use is recorded."""
    use = _USE.get()
    if use is not None:
        use.note(stem, qualifier, given)
