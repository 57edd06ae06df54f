"""Covariate terms: which covariates enter, and how."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from twinbayes.errors import ModelError, require_known
from twinbayes.model.storing.typed import typed

TRANSFORMS: Final = ("standardise", "log", "binary", "category", "spline")


@dataclass(frozen=True, kw_only=True, slots=True)
@typed
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
@typed
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

    def __post_init__(self) -> None:
        if self.min_carriers < 0:
            raise ModelError(
                f"Group {self.group!r}: min_carriers must be 0 or more, not {self.min_carriers}."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class Interaction:
    """The product of two or three 0/1 or numeric covariates, beside their own terms.

    Examples
    --------
    >>> Interaction(names=("npm1", "flt3_itd")).group
    'interaction'
    """

    names: tuple[str, ...]
    group: str = "interaction"

    def __post_init__(self) -> None:
        if len(self.names) not in (2, 3) or len(set(self.names)) < len(self.names):
            raise ModelError(
                "Interaction: names must be those of two or three covariates, such as "
                f"names=('npm1', 'flt3_itd'), not {self.names!r}."
            )


CovariateTerm = Term | Group | Interaction


def without_covariates(
    terms: Sequence[CovariateTerm], names: Collection[str]
) -> tuple[CovariateTerm, ...]:
    """Return the terms that use none of what is named, covariates or interactions; groups stay."""

    def uses(term: CovariateTerm) -> bool:
        if isinstance(term, Term):
            return term.name in names
        used = {*term.names, ":".join(term.names)} if isinstance(term, Interaction) else set()
        return not used.isdisjoint(names)

    return tuple(term for term in terms if not uses(term))
