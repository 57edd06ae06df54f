"""Members of a stack: what learns from patients, and predicts others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort
from twinbayes.errors import ModelError, OptionError, told
from twinbayes.estimators import CountingProcess
from twinbayes.inference import Fit
from twinbayes.inference import fit as fit_model
from twinbayes.model import ModelSpec
from twinbayes.names import PATIENT, STATE, STATE_PROBABILITY, TIME
from twinbayes.priors import PriorSet
from twinbayes.showing import brief
from twinbayes.stacking.outcome import Outcome

STACK: Final = "stack"
_OWN: Final = ("seed", "progressbar", "priors")  # what `stack` sets itself, or a field says


class FittedMember(Protocol):
    """A member that has learnt: predicts the states of patients whom it has not seen.

    Attributes
    ----------
    unusable
        Why its predictions may not be used; empty where they may.

    Examples
    --------
    >>> cohort, outcome = tb.datasets.simulated_registry(), Outcome("survival")
    >>> found = SubgroupCurves().fitted(cohort, outcome, outcome.process(cohort), seed=0)
    >>> found.occupation(cohort.select(cohort.patient_ids[:2]), 0.0, np.array([365.0])).shape
    (2, 1, 2)
    """

    @property
    def unusable(self) -> str:
        """Why its predictions may not be used; empty where they may."""
        ...

    def occupation(self, patients: Cohort, day: float, ahead: Floats) -> npt.ArrayLike:
        """Predict states from the records up to a day.

        Parameters
        ----------
        patients
            Followed beyond the day, in no absorbing state.
        day
            The landmark, days since origin.
        ahead
            Days since the landmark, increasing, above 0.

        Returns
        -------
        array
            (patient, day, state) probabilities, in the order asked for and that of the outcome.
        """
        ...


class Member(Protocol):
    """What can be stacked.

    Attributes
    ----------
    name
        Unique in a stack, and not ``stack``.

    Examples
    --------
    One of one's own, which gives everybody the same:

    >>> class Coin:
    ...     name, unusable = "coin", ""
    ...     def require(self, outcome):
    ...         pass
    ...     def fitted(self, cohort, outcome, process, seed):
    ...         return self
    ...     def occupation(self, patients, day, ahead):
    ...         return np.full((patients.n_patients, len(ahead), 2), 0.5)
    >>> found = tb.stack([Coin()], tb.datasets.simulated_registry(), horizons=[365], folds=2)
    >>> found.table["score"].round(2).tolist()
    [-0.69, -0.69]
    """

    @property
    def name(self) -> str:
        """How the member is called."""
        ...

    def require(self, outcome: Outcome) -> None:
        """Raise a ModelError if the member cannot predict this, before anything is fitted."""
        ...

    def fitted(
        self, cohort: Cohort, outcome: Outcome, process: CountingProcess, seed: int
    ) -> FittedMember:
        """Learn from the patients of a cohort, whose courses are `process`."""
        ...


@brief
@dataclass(frozen=True)
class SpecMember:
    """A model of this package as a member, fitted by `tb.fit` to each set of patients.

    Attributes
    ----------
    name
        Unique in the stack.
    spec
        The model.
    priors
        Default: those of the model.
    effort
        Options of `tb.fit`, such as ``{"draws": 500, "chains": 2}``. By default it samples until
        the verdict is usable.

    Raises
    ------
    ModelError
        If `spec` is no model of patients.
    OptionError
        If the name is no text or is reserved, or `effort` has what the stack sets itself.

    Examples
    --------
    >>> SpecMember("no covariates", tb.disease("survival", covariates=())).name
    'no covariates'
    """

    name: str
    spec: ModelSpec = field(repr=False)
    priors: PriorSet | None = field(default=None, repr=False)
    effort: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_name(self.name)
        if not isinstance(self.spec, ModelSpec):
            raise ModelError(
                f"member {self.name!r}: give a ModelSpec, such as `tb.disease` returns, not "
                f"{told(self.spec)}."
            )
        set_here = [key for key in _OWN if key in self.effort]
        if set_here:
            raise OptionError(
                f"member {self.name!r}: effort has {', '.join(set_here)}. Seeds come from the seed "
                "of the stack, and priors are a field of their own."
            )
        object.__setattr__(self, "effort", MappingProxyType(dict(self.effort)))

    def require(self, outcome: Outcome) -> None:
        """Refuse a model without death for survival, or with other states than the outcome."""
        graph = self.spec.graph
        if outcome.spec is None and not graph.deaths:
            raise ModelError("nobody dies in this model, so that it has no survival.")
        if outcome.spec is not None and set(graph.states) != set(outcome.states):
            raise ModelError(
                f"its states are {', '.join(graph.states)}, those of the "
                f"outcome {', '.join(outcome.states)}. Models of one stack have the same states."
            )

    def fitted(
        self, cohort: Cohort, outcome: Outcome, process: CountingProcess, seed: int
    ) -> FittedSpec:
        """Fit the model."""
        fit = fit_model(
            self.spec, cohort, priors=self.priors, seed=seed, progressbar=False, **self.effort
        )
        return FittedSpec(fit, outcome)


@brief
@dataclass(frozen=True)
class FittedSpec:
    """A fit as a member that has learnt."""

    fit: Fit = field(repr=False)
    outcome: Outcome

    @property
    def unusable(self) -> str:
        """The verdict where it is NOT FOR USE."""
        return "" if self.fit.verdict.usable else "its fit did not pass its gate"

    def occupation(self, patients: Cohort, day: float, ahead: Floats) -> Floats:
        """Posterior means, each patient's from the record up to the day."""
        twin = self.fit.twin(patients, at=day)
        if self.outcome.spec is None:
            alive = twin.survival_frame(list(ahead)).to_numpy()
            return np.stack([alive, 1.0 - alive], axis=2)
        found = twin.forecast(float(ahead[-1]), ahead)[STATE_PROBABILITY]
        found = found.sel({STATE: list(self.outcome.states), TIME: ahead})
        return np.asarray(found.transpose(PATIENT, TIME, STATE), dtype=np.float64)


def require_name(name: object) -> None:
    """Refuse what is no name of a member."""
    if not isinstance(name, str) or not name.strip():
        raise OptionError(f"the name of a member is a text, not {told(name)}.")
    if name == STACK:
        raise OptionError(f"no member may be called {STACK!r}, the name of the mixture.")


def as_members(members: object) -> tuple[Member, ...]:
    """Return members, models by their own names.

    Raises
    ------
    OptionError
        If they are none, something is no member, or two have one name.
    """
    if not isinstance(members, Sequence) or isinstance(members, str) or not members:
        raise OptionError(
            f"members must be a list of models and members, one or more, not {told(members)}."
        )
    found: list[Any] = []
    for one in members:
        member = SpecMember(one.name, one) if isinstance(one, ModelSpec) else one
        parts = ("name", "require", "fitted")
        if isinstance(member, type) or not all(hasattr(member, part) for part in parts):
            raise OptionError(
                f"a member is a ModelSpec, SpecMember, SubgroupCurves or SurvivalMember, not "
                f"{told(one)}. Put a model of another package into a SurvivalMember."
            )
        require_name(member.name)
        found.append(member)
    names = pd.Series([member.name for member in found])
    twice = sorted(set(names[names.duplicated()]))
    if twice:
        raise OptionError(
            f"members have names of their own; {', '.join(map(repr, twice))} is there more than "
            "once. Wrap models in SpecMember(name, spec)."
        )
    return tuple(found)
