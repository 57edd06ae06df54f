"""Models of aggregate data: basket trials, historical controls, meta-analyses.

For row i of the data, in subgroup g, with covariates x_i:

    eta_i = theta_0g + x_i . theta_.g

and responders ~ binomial(n, logit⁻¹(eta)), events ~ Poisson(time · exp(eta)), or an estimate
~ normal(unit · eta, se). Every coefficient is pooled over subgroups by one strategy.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from twinbayes.cohort.aggregate import LOG_HAZARD_RATIO, MEAN, OUTCOMES, RATE, RESPONSE, Aggregate
from twinbayes.errors import ModelError, require_known
from twinbayes.model.aggregate.rows import EFFECT_MEAN, POWER, Rows, loglik
from twinbayes.model.catalogue import known_type, require_storable
from twinbayes.model.pooling.basic import Exchangeable
from twinbayes.model.pooling.protocol import EffectNames, Pooling
from twinbayes.model.storing import codec
from twinbayes.model.storing.typed import found_as, typed
from twinbayes.names import COEFFICIENT, ROW, SUBGROUP
from twinbayes.priors import PriorSet
from twinbayes.tensors import Tensor

INTERCEPT: Final = "intercept"
HETEROGENEITY: Final = "effect_heterogeneity"
SUBGROUP_VALUE: Final = "subgroup_value"
_RESERVED: Final = ("effect", POWER, "loglik", SUBGROUP_VALUE)
_LINKS: Final = {
    RESPONSE: "responders ~ binomial(n, logit⁻¹(η))",
    RATE: "events ~ Poisson(time · exp(η))",
    MEAN: "mean ~ normal(unit · η, se)",
    LOG_HAZARD_RATIO: "estimate ~ normal(unit · η, se)",
}


@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class AggregateSpec:
    """What is modelled of aggregate data; the data and the priors come at fit time.

    Parameters
    ----------
    name, title
        Identifier and one line for people.
    outcome
        A key of `OUTCOMES`.
    pooling
        How subgroups borrow from each other, for every coefficient.
    covariates
        Columns of the data that act on the outcome.
    unit
        Of a mean or log hazard ratio: what 1 on the scale of the priors is on that of the data,
        such as the standard deviation of one patient.
    priors
        Name of the file in the prior library.
    """

    name: str
    title: str
    outcome: str = RESPONSE
    pooling: Pooling = field(default_factory=Exchangeable)
    covariates: tuple[str, ...] = ()
    unit: float = 1.0
    priors: str = "basket"

    def __post_init__(self) -> None:
        require_known(self.outcome, OUTCOMES, "outcome")
        if not self.unit > 0 or not np.isfinite(self.unit):
            raise ModelError(f"unit must be a positive number, not {self.unit!r}.")
        if self.unit != 1.0 and self.outcome in (RESPONSE, RATE):
            raise ModelError(
                f"Outcome {self.outcome!r} has its own scale, the {_scale(self.outcome)}: "
                "leave unit=1."
            )

    @property
    def coefficients(self) -> tuple[str, ...]:
        """Labels of the coefficients."""
        return (INTERCEPT, *self.covariates)

    @property
    def content_hash(self) -> str:
        """SHA-256 of the whole description."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Plain data, JSON-ready; `from_dict` undoes it exactly."""
        encoded: dict[str, Any] = codec.encode(self)
        return encoded

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> AggregateSpec:
        """Rebuild a spec; only types of the `catalogue` are accepted."""
        spec = codec.decode(data, partial(known_type, whole=cls))
        if not isinstance(spec, cls):
            raise ModelError(
                f"Expected an AggregateSpec, found {found_as(spec)}. Give what its `to_dict` has "
                "returned."
            )
        require_storable(spec, whole=cls)
        return spec

    def describe(self) -> str:
        """The model in formulae and words, as plain text."""
        lines = [
            f"{self.title} ({self.name})",
            "",
            "η = "
            + " + ".join(["θ[subgroup]", *(f"{x}·θ_{x}[subgroup]" for x in self.covariates)]),
            _LINKS[self.outcome],
            f"θ over subgroups: {self.pooling.kind}",
        ]
        if self.outcome in (MEAN, LOG_HAZARD_RATIO):
            lines.append(f"unit = {self.unit:g}")
        return "\n".join(lines)

    def coords(self, data: Aggregate) -> dict[str, Sequence[object]]:
        """Coordinates of the model's dims.

        Raises
        ------
        ModelError
            The data have another outcome, or lack covariates.
        """
        self._require(data)
        return {
            COEFFICIENT: self.coefficients,
            SUBGROUP: data.subgroups,
            ROW: range(len(data.table)),
        }

    def build(self, data: Aggregate, priors: PriorSet) -> None:
        """Add everything to the current model; outcomes and covariates are `pm.Data` of it.

        Raises
        ------
        ModelError
            The data lack a subgroup of the pooling.
        """
        labels = data.subgroups
        group = np.array([labels.index(x) for x in data.table[SUBGROUP]])
        names = EffectNames(
            mean=EFFECT_MEAN,
            scale=HETEROGENEITY,
            offset="effect_offset",
            total="effect",
            scale_prior=HETEROGENEITY,
            mean_prior=EFFECT_MEAN,
        )
        theta = self.pooling.build(
            names, (COEFFICIENT, SUBGROUP), self.coefficients, len(labels), priors
        )
        rows = self._rows(data, group)
        pm.Potential("loglik", loglik(rows, self.pooling, theta, priors))
        if not self.covariates:
            pm.Deterministic(SUBGROUP_VALUE, self._natural(theta[0]), dims=SUBGROUP)

    def natural(self, eta: np.ndarray) -> np.ndarray:
        """Turn values on the scale of the priors into probabilities, rates, or the data's unit."""
        if self.outcome == RESPONSE:
            return np.asarray(1.0 / (1.0 + np.exp(-eta)))
        return np.asarray(np.exp(eta) if self.outcome == RATE else self.unit * eta)

    def _natural(self, eta: Tensor) -> Tensor:
        if self.outcome == RESPONSE:
            probability: Tensor = pt.sigmoid(eta)
            return probability
        value: Tensor = pt.exp(eta) if self.outcome == RATE else self.unit * eta
        return value

    def _rows(self, data: Aggregate, group: np.ndarray) -> Rows:
        """Rows of the data, with `pm.Data` of the current model."""
        table, two = data.table, OUTCOMES[self.outcome]
        first, second = (pm.Data(c, table[c].to_numpy(float), dims=ROW) for c in two)
        terms = [pm.Data(x, table[x].to_numpy(float), dims=ROW) for x in self.covariates]
        return Rows(
            outcome=self.outcome,
            unit=self.unit,
            coefficients=self.coefficients,
            labels=data.subgroups,
            group=group,
            design=np.column_stack([np.ones(len(table)), *(table[x] for x in self.covariates)]),
            first=table[two[0]].to_numpy(float),
            second=table[two[1]].to_numpy(float),
            terms=tuple(terms),
            observed=(first, second),
        )

    def _require(self, data: Aggregate) -> None:
        if data.outcome != self.outcome:
            raise ModelError(
                f"The model is of outcome {self.outcome!r}, the data are of {data.outcome!r}. Read "
                f"them with outcome={self.outcome!r}, or change the model."
            )
        for x in self.covariates:
            require_known(x, data.covariates, "covariate of the data")
            if x.startswith(_RESERVED):
                raise ModelError(
                    f"Covariate {x!r} has a name that the model uses itself. Rename the column; "
                    f"reserved are {', '.join(_RESERVED)}, and what begins with them."
                )


def _scale(outcome: str) -> str:
    return "log odds" if outcome == RESPONSE else "log rate"
