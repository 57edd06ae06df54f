"""Priors of a disease that is described in a file: those of the library, and entries of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from twinbayes.errors import PriorError
from twinbayes.priors.entry import PriorEntry
from twinbayes.priors.files.library import load_priors
from twinbayes.priors.prior_set import PriorSet
from twinbayes.priors.records import attempt, listed, refuse


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnPriors:
    """A prior set that travels with the description of a disease.

    Parameters
    ----------
    name
        Of the set.
    extends
        Name of the set of the library that it begins with; empty for none.
    entries
        JSON object, name of an entry -> record, as in prior files. A record of an entry that the
        library has may hold the keys that differ alone; the others are whole.

    Raises
    ------
    PriorError
        The set of the library is unknown, a record is at fault, or there is no entry at all: all
        faults at once.

    Examples
    --------
    >>> OwnPriors(name="mine", extends="survival").extends
    'survival'
    """

    name: str
    extends: str = ""
    entries: str = "{}"

    @classmethod
    def of(cls, name: str, extends: str, entries: Mapping[str, Any]) -> OwnPriors:
        """Take entries as plain data."""
        text = json.dumps(entries, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return cls(name=name, extends=extends, entries=text)

    def __post_init__(self) -> None:
        try:
            is_whole = isinstance(json.loads(self.entries), dict)
        except (TypeError, ValueError, RecursionError):
            is_whole = False
        if not (is_whole and isinstance(self.extends, str) and isinstance(self.name, str)):
            raise PriorError(
                f"priors of {str(self.name)[:60]!r}: `entries` must be the text of a JSON object, "
                "`name` and `extends` names. The description was altered, or written by another "
                "version."
            )
        self.load()

    @property
    def records(self) -> dict[str, Any]:
        """Name of an entry -> record."""
        found: dict[str, Any] = json.loads(self.entries)
        return found

    def load(self) -> PriorSet:
        """Put the set together."""
        base = load_priors(self.extends) if self.extends else PriorSet(self.name, 1, {})
        faults: list[str] = []
        label = base.label if self.extends else ""
        for name, record in self.records.items():
            changed = attempt(faults, partial(_with, base, name, record))
            base = changed or base
        if not base and not faults:
            faults.append("the set has no entry. Name one of the library with `extends`.")
        refuse(f"priors of {self.name!r}", faults)
        own = frozenset(self.records) & base.overridden
        return PriorSet(self.name, 1, dict(base.entries), own, extends=label)


def priors_of(source: str | OwnPriors) -> PriorSet:
    """The priors that a description names: a set of the library, or its own.

    Examples
    --------
    >>> priors_of("survival").name
    'survival'
    """
    return source.load() if isinstance(source, OwnPriors) else load_priors(source)


def chosen_priors(given: PriorSet | None, source: str | OwnPriors) -> PriorSet:
    """The priors that were given, or, without, those that a description names.

    Raises
    ------
    PriorError
        What was given is no set of priors, such as the name of one.

    Examples
    --------
    >>> chosen_priors(None, "survival").name
    'survival'
    """
    found: object = given  # what arrives may be anything
    if found is None:
        return priors_of(source)
    if not isinstance(found, PriorSet):
        name = repr(found[:40]) if isinstance(found, str) else "'aml'"
        raise PriorError(
            f"priors must be a PriorSet, not a {type(found).__name__}. Load one: "
            f"priors=tb.load_priors({name})."
        )
    return found


def _with(base: PriorSet, name: str, record: object) -> PriorSet:
    """A set with one entry more, or changed."""
    if not isinstance(record, Mapping):
        raise PriorError(f"prior {name!r}: expected keys and values.")
    stem, _, qualifier = name.partition(".")
    if name in base or (qualifier and stem in base):
        if not str(record.get("rationale", "")).strip():
            raise PriorError(
                f"prior {name!r}: a changed entry needs a `rationale` of its own: why is it not "
                f"as in {base.label}?"
            )
        return base.override({name: record})
    if "distribution" not in record:
        known = f" {base.label} has {listed(list(base))}." if base else ""
        raise PriorError(
            f"prior {name!r}: no entry of this name is there to be changed.{known} Correct the "
            "name, or give a whole entry: distribution, arguments, parameter, scale, unit, "
            "population, rationale."
        )
    entry = PriorEntry.from_dict(
        {"evidence": [], "version": "1.0.0", "status": "default", **record, "name": name}
    )
    return PriorSet(base.name, base.version, {**base.entries, name: entry}, base.overridden)
