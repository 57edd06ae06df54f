"""What stands beside a prior: estimand, derived numbers, elicitation, alternatives, review."""

from __future__ import annotations

import datetime
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from twinbayes.priors.density import Component, Density
from twinbayes.priors.records import (
    attempt,
    listed,
    number_fault,
    numbers_fault,
    read_list,
    refuse,
    table_faults,
    text_faults,
    word_fault,
)

METHODS: Final = ("interval", "quantiles", "roulette")
POOLINGS: Final = ("linear", "logarithmic")
DECISIONS: Final = ("approve", "revise", "reject")
ESS_METHODS: Final = ("elir", "moment", "morita")

_QUANTILE: Final = re.compile(r"q\d{2}(\.\d+)?|q\d\.\d+")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_TO_ONE: Final = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class PriorEstimand:
    """What exactly the parameter is of, in words.

    Attributes
    ----------
    endpoint, summary, time_point
        What is observed, the number that sums it up, and when.
    treatment
        Under which treatment, if any.
    intercurrent_events
        How events that end or change the observation count.

    Examples
    --------
    >>> PriorEstimand(endpoint="response", summary="probability", time_point="day 60").endpoint
    'response'
    """

    endpoint: str
    summary: str
    time_point: str
    treatment: str = ""
    intercurrent_events: str = ""

    def __post_init__(self) -> None:
        optional = ("treatment", "intercurrent_events")
        refuse("estimand", text_faults(self, ("endpoint", "summary", "time_point"), optional))


@dataclass(frozen=True, kw_only=True, slots=True)
class Derived:
    """Numbers that follow from the distribution; they are computed again by every check.

    Attributes
    ----------
    mean, sd
        Of the distribution.
    quantiles
        ``"q05"``, ``"q50"``, ``"q97.5"``: percentage -> value.
    ess
        ``"elir"``, ``"moment"`` or ``"morita"`` -> effective sample size in patients (of a Gamma
        prior: in time at risk).
    reference_sd
        Of a Normal prior: standard deviation of one patient, in which `ess` counts.

    Examples
    --------
    >>> density = Density(distribution="Normal", arguments={"mu": 0.0, "sigma": 2.0})
    >>> derive(density).quantiles["q50"]
    0.0
    """

    mean: float | None = None
    sd: float | None = None
    quantiles: Mapping[str, float] = MappingProxyType({})
    ess: Mapping[str, float] = MappingProxyType({})
    reference_sd: float | None = None

    def __post_init__(self) -> None:
        faults = [
            number_fault(key, value)
            for key, value in (("mean", self.mean), ("sd", self.sd))
            if value is not None
        ]
        if self.reference_sd is not None:
            faults.append(number_fault("reference_sd", self.reference_sd, 1e-300))
        for key in ("quantiles", "ess"):
            faults += table_faults(key, getattr(self, key))
        refuse("derived", [fault for fault in faults if fault])
        faults = [
            f"quantile {name!r} is none. Write the percentage, as in 'q05' or 'q97.5'."
            for name in self.quantiles
            if not isinstance(name, str) or not _QUANTILE.fullmatch(name)
        ]
        for name in self.ess:
            faults += word_fault("method of effective sample size", name, ESS_METHODS)
        refuse("derived", faults)
        for key in ("quantiles", "ess"):
            object.__setattr__(self, key, dict(getattr(self, key)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Robustness:
    """The vague component that takes over where data contradict the rest of a mixture.

    Attributes
    ----------
    weight
        Its weight: the probability that the evidence does not apply.
    component
        Its arguments; it is the last component of the mixture.
    reason
        Why this weight and this width.

    Examples
    --------
    >>> vague = {"alpha": 1.0, "beta": 1.0}
    >>> Robustness(weight=0.2, component=vague, reason="May be unlike.").weight
    0.2
    """

    weight: float
    component: Mapping[str, float]
    reason: str

    def __post_init__(self) -> None:
        faults = text_faults(self, ("reason",))
        faults.append(number_fault("weight", self.weight, 0.0, 1.0))
        faults += table_faults("component", self.component)
        refuse("robustness", [fault for fault in faults if fault])
        object.__setattr__(self, "component", dict(self.component))

    def faults(self, mixture: Sequence[Component]) -> list[str]:
        """Say where this is not the last component of the mixture."""
        if not mixture:
            return ["key 'robustness' needs a mixture, whose last component is the vague one."]
        last = mixture[-1]
        if dict(last.arguments) == self.component and abs(last.weight - self.weight) <= _TO_ONE:
            return []
        return ["key 'robustness' is not the last component of the mixture: make them equal."]


@dataclass(frozen=True, kw_only=True, slots=True)
class Expert:
    """What one expert said.

    Attributes
    ----------
    role
        The expert's role; never a name.
    values, probabilities
        As the method of the elicitation has it: ``interval``, two ends and the probability
        between them; ``quantiles``, values and the probabilities below them; ``roulette``, edges
        of the bins and the chips in each (or their shares).
    weight
        Weight in the pool; relative to the others.

    Examples
    --------
    >>> quantiles = {"values": (0.1, 0.2, 0.4), "probabilities": (0.05, 0.5, 0.95)}
    >>> Expert(role="haematologist", **quantiles).weight
    1.0
    """

    role: str
    values: tuple[float, ...]
    probabilities: tuple[float, ...]
    weight: float = 1.0

    def __post_init__(self) -> None:
        faults = text_faults(self, ("role",))
        faults.append(numbers_fault("values", self.values))
        faults.append(numbers_fault("probabilities", self.probabilities, 0.0))
        faults.append(number_fault("weight", self.weight, 0.0))
        refuse("expert", [fault for fault in faults if fault])
        for key in ("values", "probabilities"):
            object.__setattr__(self, key, tuple(float(v) for v in getattr(self, key)))

    def faults(self, method: str) -> list[str]:
        """Say what does not suit the method."""
        values, shares = self.values, self.probabilities
        faults = []
        if any(b <= a for a, b in itertools.pairwise(values)):
            faults.append("key 'values' must ascend.")
        wanted = {"interval": (2, 1), "roulette": (len(shares) + 1, len(shares))}
        sizes = wanted.get(method, (len(shares), len(shares)))
        if (len(values), len(shares)) != sizes:
            faults.append(
                f"method {method!r} needs {sizes[0]} values for {sizes[1]} probabilities, not "
                f"{len(values)} for {len(shares)}."
            )
        if method != "roulette" and not all(0 < p < 1 for p in shares):
            faults.append("key 'probabilities' must lie between 0 and 1.")
        if method == "quantiles" and any(b <= a for a, b in itertools.pairwise(shares)):
            faults.append("key 'probabilities' must ascend with the values.")
        if method == "roulette" and sum(1 for share in shares if share > 0) < 2:
            faults.append("chips must lie in at least two bins.")
        return [f"expert {self.role!r}: {fault}" for fault in faults]


@dataclass(frozen=True, kw_only=True, slots=True)
class Elicitation:
    """What experts said, and how it was put together.

    Attributes
    ----------
    protocol
        How they were asked, and where that is written down.
    method
        ``"interval"``, ``"quantiles"`` or ``"roulette"``.
    experts
        One item each, by role.
    pooling
        ``"linear"`` or ``"logarithmic"``; needed as soon as there are two.

    Examples
    --------
    >>> quantiles = {"values": (0.1, 0.2, 0.4), "probabilities": (0.05, 0.5, 0.95)}
    >>> one = Expert(role="haematologist", **quantiles)
    >>> Elicitation(protocol="SHELF", method="quantiles", experts=(one,)).method
    'quantiles'
    """

    protocol: str
    method: str
    experts: tuple[Expert, ...]
    pooling: str = ""

    def __post_init__(self) -> None:
        faults = text_faults(self, ("protocol",), ("pooling",))
        faults += word_fault("method", self.method, METHODS)
        experts = read_list(Expert, self.experts, "experts", faults)
        if not faults and not experts:
            faults.append("key 'experts' is empty.")
        if self.pooling or len(experts) > 1:
            faults += word_fault("pooling", self.pooling, POOLINGS)
        if experts and not sum(expert.weight for expert in experts) > 0:
            faults.append("the weights of the experts must not all be 0.")
        if self.method in METHODS:
            faults += [fault for expert in experts for fault in expert.faults(self.method)]
        refuse("elicitation", faults)
        object.__setattr__(self, "experts", experts)


@dataclass(frozen=True, kw_only=True, slots=True)
class PriorPredictive:
    """What the prior alone expects to see.

    Attributes
    ----------
    statement
        What was simulated or computed, and what it shows.
    numbers
        Name -> value, for a reader.
    path, sha256
        A file with the whole picture, relative to the prior file, and its hash.

    Examples
    --------
    >>> PriorPredictive(statement="Half respond.", numbers={"response": 0.5}).numbers["response"]
    0.5
    """

    statement: str
    numbers: Mapping[str, float] = MappingProxyType({})
    path: str = ""
    sha256: str = ""

    def __post_init__(self) -> None:
        faults = text_faults(self, ("statement",), ("path", "sha256"))
        faults += table_faults("numbers", self.numbers)
        if not faults:
            if bool(self.path) != bool(self.sha256):
                faults.append("keys 'path' and 'sha256' need each other.")
            elif self.sha256 and not _SHA256.fullmatch(self.sha256):
                faults.append("key 'sha256' must be 64 hexadecimal digits in lower case.")
            if self.path.startswith("/") or ".." in self.path.split("/"):
                faults.append("key 'path' must lie beside the prior file or below it.")
            if not self.path and not self.numbers:
                faults.append("give 'numbers', or 'path' and 'sha256'.")
        refuse("prior_predictive", [fault for fault in faults if fault])
        object.__setattr__(self, "numbers", dict(self.numbers))


@dataclass(frozen=True, kw_only=True, slots=True)
class Alternative:
    """Another distribution that a reasonable person could have chosen, for sensitivity analyses.

    Examples
    --------
    >>> wide = {"distribution": "Normal", "arguments": {"mu": 0.0, "sigma": 2.0}}
    >>> Alternative(label="wide", rationale="Twice as wide.", **wide).density.arguments["sigma"]
    2.0
    """

    label: str
    distribution: str
    rationale: str
    arguments: Mapping[str, float] = MappingProxyType({})
    mixture: tuple[Component, ...] = ()

    def __post_init__(self) -> None:
        faults = text_faults(self, ("label", "rationale"))
        made = attempt(faults, lambda: self.density)
        refuse("alternative", faults)
        object.__setattr__(self, "arguments", dict(made.arguments if made else {}))
        object.__setattr__(self, "mixture", made.mixture if made else ())

    @property
    def density(self) -> Density:
        """The distribution by itself."""
        return Density(
            distribution=self.distribution, arguments=self.arguments, mixture=self.mixture
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Review:
    """One reviewer's decision.

    Attributes
    ----------
    role
        The reviewer's role; never a name.
    date
        ``YYYY-MM-DD``, in quotation marks in a file.
    decision
        ``"approve"``, ``"revise"`` or ``"reject"``.
    comment
        What to know about it.

    Examples
    --------
    >>> Review(role="statistician", date="2026-01-31", decision="approve").decision
    'approve'
    """

    role: str
    date: str
    decision: str
    comment: str = ""

    def __post_init__(self) -> None:
        faults = text_faults(self, ("role",), ("comment",))
        faults += word_fault("decision", self.decision, DECISIONS)
        date: object = self.date
        if not isinstance(date, str):
            # YAML reads a bare 2026-01-31 as a date.
            faults.append("key 'date' must be text: put quotation marks around it.")
        elif not _is_day(date):
            faults.append(f"key 'date' is {self.date!r}, but must be a day as YYYY-MM-DD.")
        refuse("review", faults)


def approval_faults(
    reviews: Sequence[Review],
    alternatives: Sequence[Alternative],
    predictive: PriorPredictive | None,
) -> list[str]:
    """Say what an entry lacks for the status ``approved``."""
    faults = []
    roles = sorted({r.role.casefold() for r in reviews if r.decision == "approve"})
    if len(roles) < 2:
        found = listed(roles) or "none"
        faults.append(
            f"status 'approved' needs two distinct reviewer roles that approve; found {found}."
        )
    against = [r.role for r in reviews if r.decision != "approve"]
    if against:
        faults.append(f"status 'approved' contradicts the decision of {listed(against)}.")
    if len(alternatives) < 2:
        faults.append(
            f"status 'approved' needs two sensitivity alternatives, not {len(alternatives)}."
        )
    if predictive is None:
        faults.append("status 'approved' needs a prior-predictive artefact.")
    return faults


def _is_day(text: str) -> bool:
    try:
        return datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
