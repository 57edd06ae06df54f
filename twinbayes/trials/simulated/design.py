"""Simulated trials of subgroups: who is in them, what is true, and results drawn from the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
import pandas as pd

from twinbayes.arrays import Floats
from twinbayes.cohort.aggregate import (
    LOG_HAZARD_RATIO,
    MEAN,
    OUTCOMES,
    RATE,
    RESPONSE,
    Aggregate,
)
from twinbayes.errors import OptionError, require_known
from twinbayes.names import SUBGROUP
from twinbayes.showing import brief

NULL: Final = "null"
EXCHANGEABLE: Final = "exchangeable"
ONE_DISCORDANT: Final = "one_discordant"
ALL_DIFFERENT: Final = "all_different"
SCENARIOS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        NULL: ("value",),
        EXCHANGEABLE: ("value", "heterogeneity"),
        ONE_DISCORDANT: ("value", "heterogeneity", "discordant", "shift"),
        ALL_DIFFERENT: ("values",),
    }
)
"""What may be true of the subgroups, and what each scenario is described by."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """What is true of the subgroups of a simulated trial.

    Parameters
    ----------
    scenario
        ``null``: all have `value`. ``exchangeable``: normal around `value`, drawn anew in every
        trial. ``one_discordant``: the same, but for one subgroup that lies `shift` from `value`.
        ``all_different``: `values`, the same in every trial.
    value
        The common value: a probability, a rate, or in the unit of the data.
    heterogeneity, shift
        Standard deviation between subgroups, and distance of the discordant one: log odds, log
        rate, or in the unit of the data.
    discordant
        Label of that subgroup.
    values
        One number a subgroup, on the scale of `value`.

    Examples
    --------
    >>> Truth(scenario="exchangeable", value=0.2, heterogeneity=0.25).scenario
    'exchangeable'
    """

    scenario: str
    value: float | None = None
    heterogeneity: float = 0.0
    discordant: str = ""
    shift: float = 0.0
    values: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        require_known(self.scenario, SCENARIOS, "scenario")
        used = SCENARIOS[self.scenario]
        given = {
            "value": self.value is not None,
            "heterogeneity": self.heterogeneity != 0.0,
            "discordant": bool(self.discordant),
            "shift": self.shift != 0.0,
            "values": bool(self.values),
        }
        ignored = [name for name, is_given in given.items() if is_given and name not in used]
        needed = [name for name in used if name != "heterogeneity" and not given[name]]
        if ignored or needed:
            raise OptionError(
                f"Scenario {self.scenario!r} is described by {', '.join(used)}; "
                + "; ".join(
                    [f"{name} has no meaning here" for name in ignored]
                    + [f"{name} is missing" for name in needed]
                )
                + "."
            )
        if not self.heterogeneity >= 0.0:
            raise OptionError(f"heterogeneity must be 0 or more, not {self.heterogeneity!r}.")


@brief
@dataclass(frozen=True, kw_only=True, slots=True)
class TrialDesign:
    """A simulated trial: its subgroups, what is observed of them, and what is true.

    Parameters
    ----------
    sizes
        Patients of each subgroup; for log hazard ratios, events.
    truth
        What is true.
    outcome
        ``response``, ``mean``, ``rate`` or ``log_hazard_ratio``.
    labels
        Names of the subgroups; by default ``s1``, ``s2``, ...
    patient_sd
        Of a mean or log hazard ratio: what one patient or event has as standard deviation, so
        that the standard error is ``patient_sd / sqrt(size)``. Of a log hazard ratio of two arms
        of one size it is 2.
    patient_time
        Of a rate: time at risk of one patient.

    Raises
    ------
    OptionError
        A size, value or label that cannot be.

    Examples
    --------
    >>> TrialDesign(sizes=(6, 12), truth=Truth(scenario="null", value=0.2)).sizes
    (6, 12)
    """

    sizes: tuple[int, ...]
    truth: Truth
    outcome: str = RESPONSE
    labels: tuple[str, ...] = ()
    patient_sd: float = 1.0
    patient_time: float = 1.0

    def __post_init__(self) -> None:
        require_known(self.outcome, OUTCOMES, "outcome")
        if len(self.sizes) < 1 or any(n != int(n) or n < 1 for n in self.sizes):
            raise OptionError(f"sizes are patients, at least 1 a subgroup; found {self.sizes!r}.")
        if not self.labels:
            named = tuple(f"s{k}" for k in range(1, len(self.sizes) + 1))
            object.__setattr__(self, "labels", named)
        if len(set(self.labels)) != len(self.sizes):
            raise OptionError(
                f"{len(self.sizes)} subgroups need as many different labels; found "
                f"{', '.join(map(repr, self.labels))}."
            )
        if self.truth.discordant:
            require_known(self.truth.discordant, self.labels, "discordant subgroup")
        if self.truth.values and len(self.truth.values) != len(self.sizes):
            raise OptionError(
                f"values: found {len(self.truth.values)} of {len(self.sizes)} subgroups."
            )
        if not (self.patient_sd > 0 and self.patient_time > 0):
            raise OptionError("patient_sd and patient_time must be positive.")
        values = np.array(self.truth.values or (self.truth.value,), dtype=np.float64)
        if not np.isfinite(self.link(values)).all():
            raise OptionError(
                f"Values of outcome {self.outcome!r} must lie {_RANGES[self.outcome]}; found "
                f"{', '.join(f'{v:g}' for v in values)}."
            )

    @property
    def rarest(self) -> tuple[str, ...]:
        """Labels of the smallest subgroup, or of all that are as small."""
        least = min(self.sizes)
        return tuple(x for x, n in zip(self.labels, self.sizes, strict=True) if n == least)

    @property
    def discordant(self) -> tuple[str, ...]:
        """Label of the discordant subgroup, where there is one."""
        return (self.truth.discordant,) if self.truth.discordant else ()

    def link(self, value: Floats) -> Floats:
        """Take values to the scale on which subgroups vary."""
        with np.errstate(all="ignore"):
            return np.asarray(_LINKS[self.outcome][0](value))

    def draw_truth(self, generator: np.random.Generator) -> Floats:
        """(subgroup,) true values of one trial."""
        truth = self.truth
        if truth.values:
            return np.array(truth.values, dtype=np.float64)
        around = truth.heterogeneity * generator.standard_normal(len(self.sizes))
        if truth.discordant:
            around[self.labels.index(truth.discordant)] = truth.shift
        eta = self.link(np.array(truth.value, dtype=np.float64)) + around
        return np.asarray(_LINKS[self.outcome][1](eta))

    def draw_results(self, true: Floats, generator: np.random.Generator) -> Aggregate:
        """Results of one trial, given the true values, (subgroup,)."""
        n = np.array(self.sizes, dtype=np.float64)
        if self.outcome == RESPONSE:
            columns = generator.binomial(n.astype(np.int64), true).astype(float), n
        elif self.outcome == RATE:
            time = n * self.patient_time
            columns = generator.poisson(time * true).astype(float), time
        else:
            se = self.patient_sd / np.sqrt(n)
            columns = generator.normal(true, se), se
        one, two = OUTCOMES[self.outcome]
        labels = np.array(self.labels, dtype=object)
        table = pd.DataFrame({SUBGROUP: labels, one: columns[0], two: columns[1]})
        return Aggregate(table=table, outcome=self.outcome, name="simulated trial")

    def simulate(self, trial: int, seed: int) -> tuple[Aggregate, Floats]:
        """Return the results of one trial and the true values, the same for the same numbers."""
        generator = np.random.default_rng([seed, trial])
        true = self.draw_truth(generator)
        return self.draw_results(true, generator), true


def _logit(p: Floats) -> Floats:
    odds: Floats = np.log(p) - np.log1p(-p)
    return odds


def _expit(eta: Floats) -> Floats:
    p: Floats = 1.0 / (1.0 + np.exp(-eta))
    return p


def _same(x: Floats) -> Floats:
    return x


type _Curve = Callable[[Floats], Floats]
_LINKS: Final[Mapping[str, tuple[_Curve, _Curve]]] = {
    RESPONSE: (_logit, _expit),
    RATE: (np.log, np.exp),
    MEAN: (_same, _same),
    LOG_HAZARD_RATIO: (_same, _same),
}
_RANGES: Final = {
    RESPONSE: "between 0 and 1, both excluded",
    RATE: "above 0",
    MEAN: "among the finite numbers",
    LOG_HAZARD_RATIO: "among the finite numbers",
}
