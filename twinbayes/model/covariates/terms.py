"""Covariate terms: which covariates enter, and how."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from twinbayes.errors import ModelError, require_known

TRANSFORMS: Final = ("standardise", "log", "binary", "category", "spline")


@dataclass(frozen=True, kw_only=True, slots=True)
class Term:
    """One covariate and how it enters.

    Parameters
    ----------
    name
        Column of the patients or genomics table.
    group
        Covariate group; effects within a group share a shrinkage scale per transition.
    transform
        ``standardise`` (mean 0, sd 1), ``log`` (log, then standardise), ``binary`` (0/1,
        centred), ``category`` (one centred 0/1 column a level but the reference: the first level
        of the variables dictionary, or the commonest where none are declared),
        ``spline`` (standardised, plus two natural cubic spline columns; knots are quantiles, of
        the distinct values where those of all coincide, as with ages capped at 90).

    Examples
    --------
    >>> Term(name="age_years", group="clinical", transform="spline").transform
    'spline'
    """

    name: str
    group: str
    transform: str = "standardise"

    def __post_init__(self) -> None:
        require_known(self.transform, TRANSFORMS, f"transform of covariate {self.name!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """All 0/1 covariates of one group of the variables dictionary (genes, lesions …).

    Those with fewer than `min_carriers` carriers (or non-carriers) are left out and listed.

    Examples
    --------
    >>> Group(group="gene", min_carriers=10)
    Group(group='gene', min_carriers=10)
    """

    group: str
    min_carriers: int = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Interaction:
    """The product of two or three 0/1 or numeric covariates, beside their own terms.

    Examples
    --------
    >>> Interaction(names=("npm1", "flt3_itd")).group
    'interaction'
    """

    names: tuple[str, ...]
    group: str = "interaction"


CovariateTerm = Term | Group | Interaction


def require_terms(given: object, of: str) -> None:
    """Refuse covariates of a component that are no sequence of terms.

    Raises
    ------
    ModelError
        One of them is of another type; `of` names the component.
    """
    terms = given if (several := isinstance(given, tuple | list)) else (given,)
    odd = [term for term in terms if not several or not isinstance(term, CovariateTerm)]
    if odd:
        raise ModelError(
            f"{of}: covariates must be a tuple of Term, Group or Interaction, such as "
            f"(Term(name='age_years', group='clinical'),); found a {type(odd[0]).__name__}"
            f"{' in it' if several else ''}."
        )


def without_covariates(
    terms: Sequence[CovariateTerm], names: Collection[str]
) -> tuple[CovariateTerm, ...]:
    """Return the terms that use none of the covariates named; groups stay."""

    def uses(term: CovariateTerm) -> bool:
        if isinstance(term, Term):
            return term.name in names
        return isinstance(term, Interaction) and not set(term.names).isdisjoint(names)

    return tuple(term for term in terms if not uses(term))
