"""What may stand where a model file leaves a choice: poolings, baselines, families, curves.

A choice is written as its kind alone, ``baseline: spline``, or with settings,
``baseline: {kind: spline, df: 5}``. Types of one's own, once registered, go by their `kind` too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Final

from twinbayes.model.baseline import BASELINES, Baseline
from twinbayes.model.catalogue import known_type
from twinbayes.model.covariates.terms import Group, Interaction, Term
from twinbayes.model.curves.basis import BASES, TimeBasis
from twinbayes.model.curves.families.protocol import MarkerFamily
from twinbayes.model.curves.families.table import FAMILIES
from twinbayes.model.curves.means.mean_function import MeanFunction
from twinbayes.model.curves.means.own import OwnMean
from twinbayes.model.curves.means.shapes import MEANS
from twinbayes.model.curves.waves import HSGP
from twinbayes.model.pooling.protocol import Pooling
from twinbayes.model.pooling.table import POOLINGS
from twinbayes.model.storing.registration import OWN_TYPES

KIND: Final = "kind"
OWN_MEAN: Final = "own mean function"


def kind_of(described: type[Any]) -> str:
    """The word for a type in model files."""
    if described is OwnMean:
        return OWN_MEAN
    found = next((f.default for f in fields(described) if f.name == KIND), MISSING)
    return found if isinstance(found, str) else described.__name__


def _by_kind(*types: type[Any]) -> dict[str, type[Any]]:
    return {kind_of(t): t for t in types}


@dataclass(frozen=True)
class Choice:
    """A place of a model file where one of several types may stand.

    Attributes
    ----------
    what
        For messages.
    roles
        The protocols, any of which the types keep.
    own
        Of the package, by kind; looked up anew, for users add to it.
    """

    what: str
    roles: frozenset[type[Any]]
    own: Callable[[], Mapping[str, type[Any]]]

    @property
    def types(self) -> dict[str, type[Any]]:
        """All that may stand here, by kind; users' own among them."""
        found = dict(self.own())
        for name in OWN_TYPES:
            described = known_type(name)
            if any(_keeps(described, role) for role in self.roles):
                found.setdefault(kind_of(described), described)
        return found


CHOICES: Final = (
    Choice("pooling", frozenset((Pooling,)), lambda: POOLINGS),
    Choice("baseline", frozenset((Baseline,)), lambda: BASELINES),
    Choice("family", frozenset((MarkerFamily,)), lambda: _by_kind(*FAMILIES)),
    Choice(
        "basis",
        frozenset((TimeBasis, MeanFunction)),
        lambda: _by_kind(*BASES, HSGP, *MEANS, OwnMean),
    ),
)

#: Covariates are told apart by the key that only one of them has.
COVARIATES: Final[Mapping[str, type[Any]]] = {"name": Term, "names": Interaction, "group": Group}


def choice_for(options: frozenset[type[Any]]) -> Choice | None:
    """The choice that a field of these types leaves, None if it leaves none."""
    return next((c for c in CHOICES if options & c.roles), None)


def _keeps(described: type[Any], role: type[Any]) -> bool:
    has = {*dir(described), *(f.name for f in fields(described))}
    return {name for name in vars(role) if not name.startswith("_")} <= has
