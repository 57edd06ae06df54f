"""One distribution, or a mixture of several of one family: formula, quantiles, moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from twinbayes.errors import PriorError
from twinbayes.priors.distributions import FAMILIES
from twinbayes.priors.mixtures.mixture import BETA, GAMMA, NORMAL, Mixture
from twinbayes.priors.records import is_float, listed, refuse, word_fault

MIXED: Final[Mapping[str, str]] = MappingProxyType({"Beta": BETA, "Normal": NORMAL, "Gamma": GAMMA})
"""Distributions of which there are mixtures -> kind of `Mixture`."""

_TO_ONE: Final = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class Component:
    """One part of a mixture: its weight, and the arguments of its distribution.

    Examples
    --------
    >>> Component(weight=0.5, arguments={"mu": 0.0, "sigma": 1.0}).weight
    0.5
    """

    weight: float
    arguments: Mapping[str, float]

    def __reduce__(self) -> tuple[Any, ...]:
        return _component, (self.weight, dict(self.arguments))

    @property
    def plain(self) -> dict[str, float]:
        """As in a file: ``{"weight": 0.8, "alpha": 3.0, "beta": 9.0}``."""
        return {"weight": self.weight, **self.arguments}


@dataclass(frozen=True, kw_only=True, slots=True)
class Density:
    """A distribution with its arguments, or with the components of a mixture in their place.

    Attributes
    ----------
    distribution
        One of ``twinbayes.priors.FAMILIES``; of a mixture one of ``MIXED``.
    arguments
        All its arguments by PyMC's names; empty for a mixture.
    mixture
        The components; their weights sum to 1.

    Raises
    ------
    PriorError
        An unknown distribution or argument, or one out of range.

    Examples
    --------
    >>> round(Density(distribution="Normal", arguments={"mu": 0.0, "sigma": 2.0}).mean, 3)
    0.0
    """

    distribution: str
    arguments: Mapping[str, float]
    mixture: tuple[Component, ...] = ()

    def __post_init__(self) -> None:
        faults = word_fault("distribution", self.distribution, tuple(FAMILIES))
        arguments, wrong = _numbers(self.arguments)
        faults += wrong
        components, wrong = _components(self.mixture)
        faults += wrong
        if not faults:
            faults = _form_faults(self.distribution, arguments, components)
        refuse("the distribution", faults)
        object.__setattr__(self, "arguments", MappingProxyType(arguments))
        object.__setattr__(self, "mixture", components)

    def text(self) -> str:
        """Write the distribution as in a formula: ``Normal(mu=0, sigma=1)``."""
        if not self.mixture:
            return self._term(self.arguments)
        terms = (f"{c.weight:g} {self._term(c.arguments)}" for c in self.mixture)
        return " + ".join(terms)

    def quantile(self, p: float) -> float:
        """Value below which the probability is `p`, from 0 to 1."""
        if not self.mixture:
            return float(self._frozen().ppf(p))
        mixture = self.as_mixture()
        if p in (0.0, 1.0):
            return float(mixture.support[int(p)])
        return float(mixture.quantile(p))

    @property
    def mean(self) -> float:
        """Mean; not finite where there is none."""
        return self.as_mixture().mean if self.mixture else float(self._frozen().mean())

    @property
    def sd(self) -> float:
        """Standard deviation; not finite where there is none."""
        return self.as_mixture().sd if self.mixture else float(self._frozen().std())

    def as_mixture(self, reference_sd: float | None = None) -> Mixture:
        """Return the conjugate mixture, of one component where it is a plain distribution.

        Parameters
        ----------
        reference_sd
            Of a normal one: standard deviation of one patient.

        Raises
        ------
        PriorError
            If the distribution is not conjugate.
        """
        if self.distribution not in MIXED:
            raise PriorError(
                f"{self.distribution} has no conjugate mixture. Known: {listed(MIXED)}."
            )
        parts = self.mixture or (Component(weight=1.0, arguments=self.arguments),)
        first, second = FAMILIES[self.distribution].arguments
        rows = [(c.weight, c.arguments[first], c.arguments[second]) for c in parts]
        return Mixture.of(MIXED[self.distribution], rows, reference_sd=reference_sd)

    def _frozen(self) -> Any:
        family = FAMILIES[self.distribution]
        return family.frozen(*(self.arguments[key] for key in family.arguments))

    def _term(self, arguments: Mapping[str, float]) -> str:
        order = FAMILIES[self.distribution].arguments
        inside = ", ".join(f"{key}={arguments[key]:g}" for key in order)
        return f"{self.distribution}({inside})"


def _component(weight: float, arguments: Mapping[str, float]) -> Component:
    return Component(weight=weight, arguments=MappingProxyType(dict(arguments)))


def _numbers(arguments: object) -> tuple[dict[str, float], list[str]]:
    if not isinstance(arguments, Mapping):
        return {}, ["key 'arguments' must map argument names to numbers."]
    numbers: dict[str, float] = {}
    faults = []
    for key, value in arguments.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            faults.append(f"argument {key!r} is not a number.")
        elif not is_float(value):
            faults.append(f"argument {key!r} is too large a number.")
        else:
            numbers[str(key)] = float(value)
    return numbers, faults


def _components(items: object) -> tuple[tuple[Component, ...], list[str]]:
    if not isinstance(items, Sequence) or isinstance(items, str):
        return (), ["key 'mixture' must be a list of components."]
    made, faults = [], []
    for number, item in enumerate(items, 1):
        record = item.plain if isinstance(item, Component) else item
        numbers, wrong = _numbers(record)
        if not wrong and "weight" not in numbers:
            wrong = ["key 'weight' is missing."]
        if wrong:
            faults += [f"component {number} of key 'mixture': {fault}" for fault in wrong]
        else:
            made.append(_component(numbers.pop("weight"), numbers))
    return tuple(made), faults


def _form_faults(
    distribution: str, arguments: Mapping[str, float], components: Sequence[Component]
) -> list[str]:
    family = FAMILIES[distribution]
    if not components:
        wrong = family.faults(arguments)
        return [f"{distribution}: {'; '.join(wrong)}."] if wrong else []
    if arguments:
        return ["keys 'arguments' and 'mixture' exclude each other."]
    if distribution not in MIXED:
        return [f"there is no mixture of {distribution}. Known: {listed(MIXED)}."]
    faults = []
    for number, component in enumerate(components, 1):
        wrong = family.faults(component.arguments)
        if not 0 <= component.weight <= 1:
            wrong.append(f"the weight is {component.weight:g}, but must lie from 0 to 1")
        if wrong:
            faults.append(f"component {number} of key 'mixture': {'; '.join(wrong)}.")
    total = sum(component.weight for component in components)
    if not abs(total - 1.0) <= _TO_ONE:
        faults.append(f"the weights of key 'mixture' sum to {total:g}, but must sum to 1.")
    return faults
