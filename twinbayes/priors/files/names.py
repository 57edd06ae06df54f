"""Names of prior entries held against what models ask for, and where an entry comes from."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Final

from twinbayes.priors.files.library import published_entries
from twinbayes.priors.prior_set import PriorSet
from twinbayes.priors.prior_tags import PriorUse
from twinbayes.priors.records import listed, refuse

LIBRARY: Final = "library"
OWN: Final = "own"
OVERRIDDEN: Final = "overridden"

_ALIKE: Final = 0.8  # from which similarity on a name is taken for a slip of the pen
_NEAR: Final = 0.4  # and from which on it is named as the nearest


def require_known_entries(priors: PriorSet, use: PriorUse) -> None:
    """Refuse entries that are of nothing in a model that has been built.

    Entries with a name that the library has, and qualified entries of a prior that this model
    does not ask for, may be of other models: they are left alone.

    Raises
    ------
    PriorError
        Names all such entries, each with the nearest name that the model asks for.
    """
    refuse(priors.label, list(_strays(priors, use)))


def _strays(priors: PriorSet, use: PriorUse) -> Iterator[str]:
    unused = [name for name in priors if name not in use.used]
    published = published_names() if unused else frozenset()
    stems = _stems(published)
    for name in unused:
        stem, _, qualifier = name.partition(".")
        if name in published or (not qualifier and stem in use.asked):
            continue  # of another model, or of labels that all have an entry of their own
        if stem in use.asked:
            asked = sorted(use.asked[stem])
            yield (
                f"prior {name!r}: the model has no {qualifier!r} among what {stem!r} is of"
                f"{_nearest(qualifier, asked)}. Known: {listed(asked) or 'none'}. Rename the "
                "entry, or remove it."
            )
        elif stem not in stems:
            yield (
                f"prior {name!r}: nothing in the model has a prior of this name"
                f"{_nearest(stem, use.asked)}. Known: {listed(sorted(use.asked))}. Rename the "
                "entry, or remove it."
            )


def slips_and_unheard(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Hold names against the library, for want of a model.

    Returns
    -------
    tuple
        What is said of names that are nearly those of the library, and of those that are not.
    """
    stems = _stems(published_names())
    slips, unheard = [], []
    for name in names:
        stem = name.partition(".")[0]
        if stem in stems:
            continue
        alike = difflib.get_close_matches(stem, stems, n=1, cutoff=_ALIKE)
        if alike:
            slips.append(
                f"prior {name!r}: no model of the package asks for {stem!r}. Did you mean "
                f"{alike[0]!r}?"
            )
        else:
            unheard.append(
                f"Prior {name!r} is of no model of the package. A fit refuses it, unless its model "
                "asks for it."
            )
    return slips, unheard


def origin_of(priors: PriorSet, name: str) -> str:
    """Where the distribution of an entry comes from.

    Returns
    -------
    str
        ``"overridden"``; ``"library"`` where it is the published one of the same set, or of the
        one that the set extends, with the same name and version, though reasons may differ; else
        ``"own"``.
    """
    if name in priors.overridden:
        return OVERRIDDEN
    entry = priors[name]
    identity = f"{priors.extends or priors.label}:{name}@{entry.version}"
    return LIBRARY if published_entries().get(identity) == entry.distribution_hash else OWN


def published_names() -> frozenset[str]:
    """Names of all entries that the library has ever had."""
    return frozenset(
        identity.partition(":")[2].rpartition("@")[0] for identity in published_entries()
    )


def _stems(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.partition(".")[0] for name in names)


def _nearest(name: str, known: Iterable[str]) -> str:
    alike = difflib.get_close_matches(name, list(known), n=1, cutoff=_NEAR)
    return f"; the nearest is {alike[0]!r}" if alike else ""
