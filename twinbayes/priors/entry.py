"""One prior distribution, with the reasons for it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from twinbayes.errors import PriorError
from twinbayes.priors.density import Component, Density
from twinbayes.priors.dossier import (
    Alternative,
    Derived,
    Elicitation,
    PriorEstimand,
    PriorPredictive,
    Review,
    Robustness,
    approval_faults,
)
from twinbayes.priors.evidence import Evidence
from twinbayes.priors.records import (
    attempt,
    key_faults,
    listed,
    plain,
    read,
    read_list,
    refuse,
    word_fault,
)
from twinbayes.showing import brief

STATUSES: Final = ("default", "evidence", "approved", "deprecated")

_SEMVER: Final = re.compile(r"\d{1,9}\.\d{1,9}\.\d{1,9}")
# A qualified name is stem.qualifier; the qualifier is a label of the model, which may
# hold anything that a transition or covariate group may ("remission->start:transplant").
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*(\.\S(.*\S)?)?")
_MEANING: Final = ("parameter", "scale", "unit", "population", "rationale")
_LATER: Final = ("distribution", *_MEANING, "version", "status", "supersedes", "derivation")
_TEXTS: Final = ("name", *_LATER)
_BLOCKS: Final[Mapping[str, type]] = MappingProxyType({
    "estimand": PriorEstimand, "derived": Derived, "robustness": Robustness,
    "elicitation": Elicitation, "prior_predictive": PriorPredictive,
})  # fmt: skip
_LISTS: Final[Mapping[str, type]] = MappingProxyType(
    {"evidence": Evidence, "alternatives": Alternative, "review": Review}
)


@brief
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
    mixture
        In place of `arguments`: components of a mixture of Beta, Normal or Gamma distributions.
    parameter, scale, unit, population, rationale
        What the number means, on which scale and in which unit (UCUM), for whom, and why.
    estimand
        Endpoint, summary and time point, where the parameter is of an outcome.
    evidence
        The reasons; a `status` other than ``"default"`` needs at least one with a source.
    derivation
        How the evidence became the distribution.
    robustness
        The vague component of a mixture, and why it has its weight.
    derived
        Mean, standard deviation, quantiles and effective sample sizes; `check_priors` computes
        them again.
    elicitation
        What experts said, by role.
    prior_predictive
        What the prior alone expects to see.
    alternatives
        Other distributions for sensitivity analyses.
    review
        Who decided what, by role.
    version
        ``major.minor.patch``; must change when the distribution does.
    supersedes
        The lower version that this one replaces.
    status
        ``"default"`` (weakly informative choice), ``"evidence"``, ``"approved"`` (two distinct
        reviewer roles, two alternatives and a prior-predictive artefact) or ``"deprecated"``
        (refused on loading).

    Raises
    ------
    PriorError
        If any of these is missing, unknown or out of range: all faults in one error.

    Examples
    --------
    >>> entry = tb.load_priors("survival")["baseline_level"]
    >>> entry.distribution, entry.status
    ('Normal', 'default')
    """

    name: str
    distribution: str
    arguments: Mapping[str, float] = field(default_factory=dict)
    parameter: str
    scale: str
    unit: str
    population: str
    rationale: str
    evidence: tuple[Evidence, ...] = ()
    version: str = "1.0.0"
    status: str = "default"
    mixture: tuple[Component, ...] = ()
    supersedes: str = ""
    estimand: PriorEstimand | None = None
    derivation: str = ""
    robustness: Robustness | None = None
    derived: Derived | None = None
    elicitation: Elicitation | None = None
    prior_predictive: PriorPredictive | None = None
    alternatives: tuple[Alternative, ...] = ()
    review: tuple[Review, ...] = ()

    def __post_init__(self) -> None:
        where = f"prior {self.name!r}"
        faults: list[str] = []
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            faults.append("the name must be 'stem' or 'stem.qualifier' with a lower-case stem.")
        faults += [f"key {k!r} must be text." for k in _LATER if not _is_text(getattr(self, k))]
        faults += self._part_faults()
        refuse(where, faults)
        made = attempt(faults, lambda: self.density)
        faults += [f"key {k!r} is empty." for k in _MEANING if not getattr(self, k).strip()]
        faults += self._status_faults()
        if self.robustness is not None and made is not None:
            faults += self.robustness.faults(made.mixture)
        repeated = {a.label for a in self.alternatives}
        if len(repeated) < len(self.alternatives):
            faults.append("labels of key 'alternatives' must differ.")
        refuse(where, faults)
        object.__setattr__(self, "arguments", made.arguments if made else {})
        object.__setattr__(self, "mixture", made.mixture if made else ())
        for key in _LISTS:
            object.__setattr__(self, key, tuple(getattr(self, key)))

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy cannot be copied or sent to another process; plain data can.
        return PriorEntry.from_dict, (self.to_dict(),)

    @property
    def stem(self) -> str:
        """The name without its qualifier."""
        return self.name.partition(".")[0]

    @property
    def density(self) -> Density:
        """The distribution by itself."""
        return Density(
            distribution=self.distribution, arguments=self.arguments, mixture=self.mixture
        )

    @property
    def distribution_hash(self) -> str:
        """SHA-256 of what is computed and what it means; the version lock compares it."""
        record = self.to_dict()
        meaning = (
            "distribution", "arguments", "mixture", "parameter", "scale", "unit", "estimand",
        )  # fmt: skip
        return hash_of({key: record[key] for key in meaning if key in record})

    def quantile(self, p: float) -> float:
        """Quantile of the prior at probability `p`."""
        if not 0 <= p <= 1:
            raise PriorError(f"prior {self.name!r}: a quantile needs 0 <= p <= 1, got {p!r}.")
        return self.density.quantile(p)

    def text(self) -> str:
        """Write the distribution as in a formula: ``Normal(mu=0, sigma=1)``."""
        return self.density.text()

    def alternative(self, label: str) -> PriorEntry:
        """Return this entry with one of its alternatives in place of the distribution.

        For a sensitivity analysis: ``priors.override({name: entry.alternative("wider")})``.

        Raises
        ------
        PriorError
            If there is no such alternative; the message lists those there are.
        """
        for other in self.alternatives:
            if other.label == label:
                return replace(
                    self, distribution=other.distribution, arguments=other.arguments,
                    mixture=other.mixture, rationale=other.rationale, status="default",
                    evidence=(), derivation="", robustness=None, derived=None, elicitation=None,
                    prior_predictive=None, alternatives=(), review=(),
                )  # fmt: skip
        known = listed([other.label for other in self.alternatives]) or "none"
        raise PriorError(f"prior {self.name!r}: alternative {label!r} is unknown. Known: {known}.")

    def to_dict(self) -> dict[str, Any]:
        """Plain strings, numbers, lists and dicts: what a YAML entry holds, and its name.

        Keys that were added after the first published entries are absent where they are unset,
        so that the hashes of those entries stay what they were.
        """
        record: dict[str, Any] = {"name": self.name, "distribution": self.distribution}
        if self.mixture:
            record["mixture"] = [component.plain for component in self.mixture]
        else:
            record["arguments"] = dict(self.arguments)
        record |= {key: getattr(self, key) for key in _MEANING}
        record["evidence"] = [
            {"kind": e.kind, "statement": e.statement, "source": e.source} | plain(e)
            for e in self.evidence
        ]
        record |= {"version": self.version, "status": self.status}
        for key in ("supersedes", "derivation"):
            if getattr(self, key):
                record[key] = getattr(self, key)
        for key in _BLOCKS:
            if getattr(self, key) is not None:
                record[key] = plain(getattr(self, key))
        if self.alternatives:
            record["alternatives"] = [_alternative_dict(a) for a in self.alternatives]
        if self.review:
            record["review"] = [plain(item) for item in self.review]
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> PriorEntry:
        """Read what `to_dict` writes; unknown keys and wrong types are refused, all at once."""
        if not isinstance(record, Mapping):
            raise PriorError(f"A prior is a mapping of keys to values, not {record!r:.40}.")
        where = f"prior {record.get('name', '')!r}"
        given = dict(record)
        faults = key_faults(given, [f.name for f in fields(cls)])
        for key in _TEXTS:
            if key in given and not _is_text(given[key]):
                faults.append(f"key {key!r} must be text.")
        required = [f.name for f in fields(cls) if _is_required(f)]
        missing = [key for key in required if key not in given]
        if missing:
            faults.append(f"missing {listed(missing)}.")
        if "arguments" not in given and "mixture" not in given:
            faults.append("key 'arguments' is missing, or 'mixture' in its place.")
        if "arguments" in given and "mixture" in given:
            faults.append("keys 'arguments' and 'mixture' exclude each other.")
        for key, kind in _LISTS.items():
            if key in given:
                given[key] = read_list(kind, given[key], key, faults)
        for key, kind in _BLOCKS.items():
            if key in given and not isinstance(given[key], kind):
                block = partial(read, kind, given[key], f"key {key!r}")
                given[key] = attempt(faults, block)
        # What cannot be made is not made: the faults so far say why.
        refuse(where, faults)
        texts = {key: value.strip() for key, value in given.items() if isinstance(value, str)}
        return cls(**{**given, **texts})

    def _part_faults(self) -> list[str]:
        """What is no record of its kind."""
        faults = []
        for key, kind in _LISTS.items():
            given = getattr(self, key)
            if not isinstance(given, tuple | list) or any(type(x) is not kind for x in given):
                faults.append(f"key {key!r} must be a tuple of {kind.__name__}.")
        for key, kind in _BLOCKS.items():
            if not isinstance(getattr(self, key), kind | None):
                faults.append(f"key {key!r} must be None or of the type {kind.__name__}.")
        return faults

    def _status_faults(self) -> list[str]:
        faults = []
        if not _SEMVER.fullmatch(self.version):
            faults.append(f"version {self.version!r} is not major.minor.patch.")
        elif self.supersedes and not _SEMVER.fullmatch(self.supersedes):
            faults.append(f"key 'supersedes': {self.supersedes!r} is not major.minor.patch.")
        elif self.supersedes and not _order(self.supersedes) < _order(self.version):
            faults.append(
                f"key 'supersedes' is {self.supersedes!r}, but must be lower than the version "
                f"{self.version!r}."
            )
        faults += word_fault("status", self.status, STATUSES)
        if self.status in ("evidence", "approved") and not any(
            e.source.strip() for e in self.evidence
        ):
            faults.append(f"status {self.status!r} needs evidence with a source.")
        if self.status == "approved":
            faults += approval_faults(self.review, self.alternatives, self.prior_predictive)
        return faults


def hash_of(record: object) -> str:
    """SHA-256 of plain data in canonical JSON."""
    text = json.dumps(record, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _is_required(item: Any) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def _alternative_dict(alternative: Alternative) -> dict[str, Any]:
    form = (
        {"mixture": [component.plain for component in alternative.mixture]}
        if alternative.mixture
        else {"arguments": dict(alternative.arguments)}
    )
    return {
        "label": alternative.label,
        "distribution": alternative.distribution,
        **form,
        "rationale": alternative.rationale,
    }
