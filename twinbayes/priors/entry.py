"""One prior distribution, with the reasons for it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from types import MappingProxyType
from typing import Any, Final

from twinbayes.errors import PriorError
from twinbayes.priors.distributions import FAMILIES

STATUSES: Final = ("default", "evidence", "approved", "deprecated")
EVIDENCE_KINDS: Final = ("scale argument", "publication", "data", "expert")

_SEMVER: Final = re.compile(r"\d+\.\d+\.\d+")
# A qualified name is stem.qualifier; the qualifier is a label of the model, which may
# hold anything that a transition or covariate group may ("remission->start:transplant").
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*(\.\S(.*\S)?)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """One reason for a prior.

    Attributes
    ----------
    kind
        ``"scale argument"``, ``"publication"``, ``"data"`` or ``"expert"``.
    statement
        What the evidence says.
    source
        Where it can be checked; required unless `kind` is a scale argument.
    """

    kind: str
    statement: str
    source: str = ""

    def __post_init__(self) -> None:
        if self.kind not in EVIDENCE_KINDS:
            raise PriorError(
                f"evidence kind {self.kind!r} is unknown. Known: {_listed(EVIDENCE_KINDS)}."
            )
        if not self.statement.strip():
            raise PriorError("evidence needs a statement.")
        if self.kind != "scale argument" and not self.source.strip():
            raise PriorError(f"evidence of kind {self.kind!r} needs a source.")

    @classmethod
    def from_dict(cls, record: object) -> Evidence:
        """Read one item of a YAML list; unknown keys are refused."""
        return cls(**_strings(record, cls, "evidence"))


@dataclass(frozen=True, kw_only=True, slots=True)
class PriorEntry:
    """A prior distribution for one parameter (or one family of parameters).

    Attributes
    ----------
    name
        ``stem`` or ``stem.qualifier``, e.g. ``"covariate_scale.gene"``.
    distribution
        A PyMC distribution: one of ``twinbayes.priors.FAMILIES``.
    arguments
        All of that distribution's arguments, by PyMC's names.
    parameter, scale, unit, population, rationale
        What the number means, on which scale and in which unit (UCUM), for whom, and why.
    evidence
        The reasons; a `status` other than ``"default"`` needs at least one with a source.
    version
        ``major.minor.patch``; must change when the distribution does.
    status
        ``"default"`` (weakly informative choice), ``"evidence"``, ``"approved"`` or
        ``"deprecated"`` (refused on loading).

    Raises
    ------
    PriorError
        If any of these is missing, unknown or out of range.
    """

    name: str
    distribution: str
    arguments: Mapping[str, float]
    parameter: str
    scale: str
    unit: str
    population: str
    rationale: str
    evidence: tuple[Evidence, ...] = ()
    version: str = "1.0.0"
    status: str = "default"

    def __post_init__(self) -> None:
        where = f"prior {self.name!r}"
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise PriorError(
                f"{where}: the name must be 'stem' or 'stem.qualifier' with a lower-case stem."
            )
        if self.distribution not in FAMILIES:
            raise PriorError(
                f"{where}: distribution {self.distribution!r} is unknown. "
                f"Known: {_listed(FAMILIES)}."
            )
        arguments = _numbers(self.arguments, where)
        faults = FAMILIES[self.distribution].faults(arguments)
        if faults:
            raise PriorError(f"{where}: {self.distribution}: {'; '.join(faults)}.")
        for key in ("parameter", "scale", "unit", "population", "rationale"):
            if not getattr(self, key).strip():
                raise PriorError(f"{where}: key {key!r} is empty.")
        if not _SEMVER.fullmatch(self.version):
            raise PriorError(f"{where}: version {self.version!r} is not major.minor.patch.")
        if self.status not in STATUSES:
            raise PriorError(
                f"{where}: status {self.status!r} is unknown. Known: {_listed(STATUSES)}."
            )
        if self.status in ("evidence", "approved") and not any(
            e.source.strip() for e in self.evidence
        ):
            raise PriorError(f"{where}: status {self.status!r} needs evidence with a source.")
        object.__setattr__(self, "arguments", MappingProxyType(arguments))
        object.__setattr__(self, "evidence", tuple(self.evidence))

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy cannot be copied or sent to another process; plain data can.
        return PriorEntry.from_dict, (self.to_dict(),)

    @property
    def stem(self) -> str:
        """The name without its qualifier."""
        return self.name.partition(".")[0]

    @property
    def distribution_hash(self) -> str:
        """SHA-256 of what is computed and what it means; the version lock compares it."""
        record = self.to_dict()
        meaning = ("distribution", "arguments", "parameter", "scale", "unit")
        return hash_of({key: record[key] for key in meaning})

    def quantile(self, p: float) -> float:
        """Quantile of the prior at probability `p`."""
        if not 0 <= p <= 1:
            raise PriorError(f"prior {self.name!r}: a quantile needs 0 <= p <= 1, got {p!r}.")
        family = FAMILIES[self.distribution]
        arguments = [self.arguments[key] for key in family.arguments]
        return float(family.frozen(*arguments).ppf(p))

    def text(self) -> str:
        """Write the distribution as in a formula: ``Normal(mu=0, sigma=1)``."""
        order = FAMILIES[self.distribution].arguments
        inside = ", ".join(f"{key}={self.arguments[key]:g}" for key in order)
        return f"{self.distribution}({inside})"

    def to_dict(self) -> dict[str, Any]:
        """Plain strings, numbers, lists and dicts: what a YAML entry holds, and its name."""
        return {
            "name": self.name,
            "distribution": self.distribution,
            "arguments": dict(self.arguments),
            "parameter": self.parameter,
            "scale": self.scale,
            "unit": self.unit,
            "population": self.population,
            "rationale": self.rationale,
            "evidence": [
                {"kind": e.kind, "statement": e.statement, "source": e.source}
                for e in self.evidence
            ],
            "version": self.version,
            "status": self.status,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> PriorEntry:
        """Read what `to_dict` writes; unknown keys and wrong types are refused."""
        where = f"prior {record.get('name', '')!r}"
        plain = {k: v for k, v in record.items() if k not in ("arguments", "evidence")}
        texts = _strings(plain, cls, where)
        if "arguments" not in record:
            raise PriorError(f"{where}: key 'arguments' is missing.")
        items = record.get("evidence", [])
        if not isinstance(items, Sequence) or isinstance(items, str):
            raise PriorError(f"{where}: key 'evidence' must be a list.")
        try:
            evidence = tuple(
                item if isinstance(item, Evidence) else Evidence.from_dict(item) for item in items
            )
        except PriorError as error:
            raise PriorError(f"{where}: key 'evidence': {error}") from error
        return cls(arguments=record["arguments"], evidence=evidence, **texts)


def hash_of(record: object) -> str:
    """SHA-256 of plain data in canonical JSON."""
    text = json.dumps(record, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _listed(options: Sequence[str] | Mapping[str, object]) -> str:
    return ", ".join(map(repr, options))


def _numbers(arguments: object, where: str) -> dict[str, float]:
    if not isinstance(arguments, Mapping):
        raise PriorError(f"{where}: key 'arguments' must map argument names to numbers.")
    numbers: dict[str, float] = {}
    for key, value in arguments.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            # YAML reads 1e-3 as text: it wants 1.0e-3.
            raise PriorError(f"{where}: argument {key!r} is not a number (write 1.0e-3, not 1e-3).")
        numbers[str(key)] = float(value)
    return numbers


def _strings(record: object, cls: type, where: str) -> dict[str, str]:
    """Check the record's text fields against the fields of `cls`."""
    if not isinstance(record, Mapping):
        raise PriorError(f"{where}: expected keys and values.")
    known = [field.name for field in fields(cls)]
    for key, value in record.items():
        if key not in known:
            raise PriorError(f"{where}: key {key!r} is unknown. Known: {_listed(known)}.")
        if not isinstance(value, str):
            raise PriorError(f"{where}: key {key!r} must be text.")
    required = {f.name for f in fields(cls) if f.default is MISSING}
    missing = sorted(required - set(record) - {"arguments"})
    if missing:
        raise PriorError(f"{where}: missing {_listed(missing)}.")
    return {str(key): str(value).strip() for key, value in record.items()}
