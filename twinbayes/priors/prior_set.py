"""A named, versioned, frozen set of priors, and the step from there to PyMC."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twinbayes.errors import PriorError, told
from twinbayes.priors.entry import PriorEntry, hash_of
from twinbayes.priors.prior_tags import note_prior, note_use
from twinbayes.priors.variable import mixture_variable
from twinbayes.showing import cut, table

if TYPE_CHECKING:
    from pytensor.tensor.variable import TensorVariable

_BREAK = re.compile(r":| on |, entered ")  # ends of shorter names for what a label names
_OVERRIDE_RATIONALE = "Set by the analyst in place of the library's entry."
# What an override keeps of the entry it changes: the meaning, and none of the reasons.
_CARRIED = (
    "distribution", "arguments", "mixture", "parameter", "scale", "unit", "population",
    "version", "estimand",
)  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class PriorSet(Mapping[str, PriorEntry]):
    """Prior entries by name; a frozen mapping.

    Attributes
    ----------
    name, version
        Which library file this is, e.g. ``"aml"``, ``1``.
    entries
        Entry name -> entry.
    overridden
        Names of the entries that `override` put in.
    extends
        Label of the set of the library that it was made of, ``aml/v1``; empty where it is one
        itself, or of none.

    Examples
    --------
    >>> priors = tb.load_priors("survival")
    >>> priors["baseline_level"].text()
    'Normal(mu=-7, sigma=2)'
    """

    name: str
    version: int
    entries: Mapping[str, PriorEntry]
    overridden: frozenset[str] = frozenset()
    extends: str = ""

    def __post_init__(self) -> None:
        found: object = self.entries  # what arrives may be anything
        if not isinstance(found, Mapping):
            raise PriorError(
                f"{self.label}: entries must be a mapping of names to PriorEntry, not "
                f"{told(found)}. Give dict(priors) of a set, or {{entry.name: entry}}."
            )
        for key, entry in self.entries.items():
            if not isinstance(entry, PriorEntry):
                raise PriorError(
                    f"{self.label}: {key!r} is no PriorEntry. Make one: PriorEntry.from_dict(...)."
                )
            if key != entry.name:
                raise PriorError(f"{self.label}: key {key!r} holds the entry {entry.name!r}.")
            if entry.status == "deprecated":
                raise PriorError(
                    f"{self.label}: prior {key!r} is deprecated and may not be used. "
                    "Load a newer version of the file, or override the entry there."
                )
        object.__setattr__(self, "entries", MappingProxyType(dict(self.entries)))

    def __getitem__(self, name: str) -> PriorEntry:
        try:
            return self.entries[name]
        except KeyError:
            raise KeyError(self._unknown(name)) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PriorSet):
            return NotImplemented
        return self.label == other.label and self.content_hash == other.content_hash

    def __hash__(self) -> int:
        return hash((self.label, self.content_hash))

    def __repr__(self) -> str:
        own = f", {len(self.overridden)} of them overridden" if self.overridden else ""
        return f"<PriorSet {cut(self.label, 80)}: {len(self)} entries{own}>"

    def __str__(self) -> str:
        lines = [f"  {name} ~ {entry.text()}" for name, entry in self.entries.items()]
        return "\n".join([f"<PriorSet {self.label}>", *lines])

    def _repr_html_(self) -> str:
        rows = [(name, entry.text(), entry.rationale) for name, entry in self.entries.items()]
        return table(f"Priors {self.label}", ("entry", "distribution", "why"), rows)

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy cannot be copied or sent to another process; its content can.
        return PriorSet, (
            self.name,
            self.version,
            dict(self.entries),
            self.overridden,
            self.extends,
        )

    @property
    def label(self) -> str:
        """Name and version as they appear in ids: ``aml/v1``."""
        return f"{self.name}/v{self.version}"

    @property
    def content_hash(self) -> str:
        """SHA-256 over every entry with its text and evidence, whatever their order."""
        return hash_of({name: entry.to_dict() for name, entry in self.entries.items()})

    @property
    def distribution_hash(self) -> str:
        """SHA-256 over what the entries say of parameters; reasons and evidence may change."""
        return hash_of({name: entry.distribution_hash for name, entry in self.entries.items()})

    @property
    def ids(self) -> tuple[str, ...]:
        """``aml/v1:baseline_level@1.0.0``; overridden entries carry ``+override.<hash>``."""
        return tuple(self._id(entry) for entry in self.entries.values())

    def get_entry(self, name: str, qualifier: str | None = None) -> PriorEntry:
        """Return the most specific entry: ``name.qualifier`` if there is one, else ``name``.

        In between are entries whose qualifier is the beginning of this one, up to a colon,
        ``" on "`` or ``", entered "``, the longest first: ``treatment_effect.transplant`` holds
        for ``transplant:early on remission->relapse``.

        Raises
        ------
        PriorError
            If there is none of them; the message lists the known names.
        """
        names = [name] if qualifier is None else [*_qualified(name, qualifier), name]
        found = next((self.entries[n] for n in names if n in self.entries), None)
        if found is None:
            raise PriorError(self._unknown(name))
        note_use(name, qualifier, found.name)
        return found

    def override(self, mapping: Mapping[str, PriorEntry | Mapping[str, Any]]) -> PriorSet:
        """Return a new set with some entries replaced.

        Parameters
        ----------
        mapping
            Name -> entry, or name -> the keys that differ (``{"arguments": {"sigma": 2}}``).
            A qualified name of a known stem (``"baseline_level.remission->relapse"``) is
            allowed and starts from the entry that applied before.

        Raises
        ------
        PriorError
            If a name or key is unknown, or the result is not a valid entry.
        """
        entries = dict(self.entries)
        for name, change in mapping.items():
            stem, _, qualifier = name.partition(".")
            if name not in entries and (not qualifier or stem not in entries):
                raise PriorError(self._unknown(name))
            if isinstance(change, PriorEntry):
                entries[name] = replace(change, name=name)
            else:
                entries[name] = _changed(self.get_entry(stem, qualifier or None), name, change)
        return replace(self, entries=entries, overridden=self.overridden | set(mapping))

    def arguments(
        self, prior: str, qualifiers: Sequence[str] | None = None
    ) -> dict[str, NDArray[np.float64]]:
        """Collect the distribution's arguments: 0-d arrays, or one value per qualifier.

        Raises
        ------
        PriorError
            If `prior` is unknown or a mixture, or the qualified entries differ in distribution.
        """
        resolved = self._resolve(prior, qualifiers)
        mixed = [entry.name for entry in resolved if entry.mixture]
        if mixed:
            raise PriorError(
                f"prior {mixed[0]!r} is a mixture: it has components, not arguments. Where the "
                "model needs one distribution, override it with one."
            )
        if qualifiers is None:
            return {key: np.asarray(value) for key, value in resolved[0].arguments.items()}
        return {
            key: np.array([entry.arguments[key] for entry in resolved])
            for key in resolved[0].arguments
        }

    def make(
        self,
        rv_name: str,
        prior: str,
        *,
        dims: tuple[str, ...] | None = None,
        qualifiers: Sequence[str] | None = None,
        axis: int = 0,
    ) -> TensorVariable[Any, Any]:
        """Add one random variable with this prior to the current PyMC model.

        Parameters
        ----------
        rv_name
            Name of the variable in the model.
        prior
            Name of the prior, unqualified unless one qualifier serves the whole variable.
        dims
            Its dims in the model.
        qualifiers
            One per entry along ``dims[axis]``: each takes its most specific entry.
        axis
            The dim along which `qualifiers` run.

        Raises
        ------
        PriorError
            If `prior` is unknown, the qualified entries differ in distribution, or
            `qualifiers` do not match the dim.
        """
        # Reports and the command line read priors without waiting for PyMC to import.
        import pymc as pm

        from twinbayes.priors.scales import OF_SCALES, OnLine

        resolved = self._resolve(prior, qualifiers)
        shape = None
        if qualifiers is not None:
            if not dims or not -len(dims) <= axis < len(dims):
                raise PriorError(f"prior {prior!r}: qualifiers need dims, and an axis among them.")
            length = len(pm.modelcontext(None).coords.get(dims[axis]) or qualifiers)
            if length != len(qualifiers):
                raise PriorError(
                    f"prior {prior!r}: {len(qualifiers)} qualifiers for {length} entries of "
                    f"dim {dims[axis]!r}."
                )
            shape = [1] * len(dims)
            shape[axis] = len(qualifiers)
        if any(entry.mixture for entry in resolved):
            return mixture_variable(rv_name, resolved, dims, shape)
        arguments: dict[str, Any] = {
            key: float(value) if shape is None else value.reshape(shape)
            for key, value in self.arguments(prior, qualifiers).items()
        }
        options: dict[str, Any] = {"dims": dims}
        if resolved[0].distribution in OF_SCALES:
            median = np.array([entry.quantile(0.5) for entry in resolved])
            unit = median[0] if shape is None else median.reshape(shape)
            options["default_transform"] = OnLine(unit)
        variable: TensorVariable[Any, Any] = getattr(pm, resolved[0].distribution)(
            rv_name, **arguments, **options
        )
        note_prior(variable, prior.partition(".")[0], variable)
        return variable

    def distribution(
        self, prior: str, qualifiers: Sequence[str] | None = None
    ) -> TensorVariable[Any, Any]:
        """Return the prior as an unnamed PyMC distribution, part of no model.

        For priors inside a composite distribution, such as the start of a random walk.

        Parameters
        ----------
        prior, qualifiers
            As in `make`; with `qualifiers` the result has shape ``(len(qualifiers),)``.

        Raises
        ------
        PriorError
            If `prior` is unknown, or the qualified entries differ in distribution.
        """
        import pymc as pm

        resolved = self._resolve(prior, qualifiers)
        if any(entry.mixture for entry in resolved):
            return mixture_variable(None, resolved, None, None if qualifiers is None else [-1])
        family = getattr(pm, resolved[0].distribution)
        unnamed: TensorVariable[Any, Any] = family.dist(**self.arguments(prior, qualifiers))
        return unnamed

    def to_frame(self) -> pd.DataFrame:
        """List one row an entry: id, distribution, meaning, 5 % and 95 % quantiles, reasons."""
        rows = [
            {
                "id": self._id(entry),
                "distribution": entry.text(),
                "parameter": entry.parameter,
                "scale": entry.scale,
                "unit": entry.unit,
                "q05": entry.quantile(0.05),
                "q95": entry.quantile(0.95),
                "population": entry.population,
                "rationale": entry.rationale,
                "evidence": "; ".join(e.text for e in entry.evidence),
                "status": entry.status,
                "overridden": name in self.overridden,
            }
            for name, entry in self.entries.items()
        ]
        return pd.DataFrame(rows, index=pd.Index(list(self.entries), name="prior"))

    def _resolve(self, prior: str, qualifiers: Sequence[str] | None) -> list[PriorEntry]:
        if qualifiers is None:
            stem, _, qualifier = prior.partition(".")
            return [self.get_entry(stem, qualifier or None)]
        if isinstance(qualifiers, str) or not qualifiers:
            raise PriorError(f"prior {prior!r}: qualifiers must be a sequence of at least one.")
        resolved = [self.get_entry(prior, qualifier) for qualifier in qualifiers]
        used = sorted({entry.distribution for entry in resolved})
        if len(used) > 1:
            raise PriorError(
                f"prior {prior!r}: one variable cannot mix distributions ({', '.join(used)}). "
                "Give all its qualified entries the same one."
            )
        return resolved

    def _id(self, entry: PriorEntry) -> str:
        changed = entry.name in self.overridden
        suffix = f"+override.{entry.distribution_hash[:8]}" if changed else ""
        return f"{self.label}:{entry.name}@{entry.version}{suffix}"

    def _unknown(self, name: str) -> str:
        known = ", ".join(map(repr, self.entries))
        return f"{self.label}: prior {name!r} is unknown. Known: {known}."


def _qualified(stem: str, qualifier: str) -> list[str]:
    """Names of entries that hold for a qualifier, the most specific first."""
    ends = [found.start() for found in _BREAK.finditer(qualifier)]
    return [f"{stem}.{qualifier[:end]}" for end in (None, *reversed(ends))]


def _changed(base: PriorEntry, name: str, change: Mapping[str, Any]) -> PriorEntry:
    """Return `base` under a new name with some keys changed; its reasons do not carry over."""
    if not isinstance(change, Mapping):
        raise PriorError(f"prior {name!r}: an override is a PriorEntry or a mapping of its keys.")
    if change.get("name", name) != name:
        raise PriorError(f"prior {name!r}: an override cannot rename an entry.")
    formed = "arguments" in change or "mixture" in change
    if change.get("distribution", base.distribution) != base.distribution and not formed:
        raise PriorError(f"prior {name!r}: a new distribution needs its 'arguments'.")
    kept = {key: value for key, value in base.to_dict().items() if key in _CARRIED}
    if formed:
        kept.pop("arguments", None)
        kept.pop("mixture", None)
    kept |= {"rationale": _OVERRIDE_RATIONALE, "evidence": [], "status": "default"}
    return PriorEntry.from_dict({**kept, **change, "name": name})
