"""What reports on patients of a disease show, and how people read its states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from twinbayes.errors import ModelError, is_number
from twinbayes.model.courses.labels import StateLabel, label_faults
from twinbayes.model.storing.fields import UNSET_IS_ABSENT
from twinbayes.model.storing.typed import typed

_COMPARED: Final = 2


@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class Utility:
    """What a day in a state counts: 0, no more than a day dead, to 1, a day in full health.

    Parameters
    ----------
    state
        A living state.
    mean
        Weight from 0 to 1.
    sd
        Its standard deviation, where it is not known for certain.
    """

    state: str
    mean: float
    sd: float = 0.0

    def __post_init__(self) -> None:
        numbers = is_number(self.mean) and is_number(self.sd)
        if not (numbers and 0.0 <= self.mean <= 1.0 and self.sd >= 0.0):
            raise ModelError(
                f"The utility of {self.state!r} must be a number from 0 to 1, with an sd of 0 or "
                f"more, not {self.mean!r} (sd {self.sd!r})."
            )
        if self.sd and self.sd**2 >= self.mean * (1.0 - self.mean):
            raise ModelError(
                f"The utility of {self.state!r}: an sd of {self.sd:g} around {self.mean:g} leaves "
                "the range from 0 to 1. Give sd² < mean (1 - mean)."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class Reporting:
    """Defaults of patient reports, and words for people.

    Parameters
    ----------
    scenarios
        Two ways of treating to compare, as `report.scenario_from_words` reads them. Default: the
        first treatment that can start, against not starting it.
    utilities
        What a day counts in each living state; default: the first quality-of-life marker.
    horizon_years
        How far ahead reports look.
    extrapolation_years
        How far beyond the follow-up of the fit they look at most; default: as far as the horizon.
    state_labels
        How people read states, in all reports and pictures; a state without a label is read by
        its name.
    """

    scenarios: tuple[str, ...] = ()
    utilities: tuple[Utility, ...] = ()
    horizon_years: float = 5.0
    extrapolation_years: float | None = None
    state_labels: tuple[StateLabel, ...] = field(default=(), metadata=UNSET_IS_ABSENT)

    def __post_init__(self) -> None:
        if self.scenarios and len(self.scenarios) != _COMPARED:
            raise ModelError(
                f"reporting: {len(self.scenarios)} scenarios. Give two to compare, or none."
            )
        if not (is_number(self.horizon_years) and 0.0 < self.horizon_years <= 1000.0):
            raise ModelError(
                f"reporting: horizon_years must be above 0, up to 1000, not {self.horizon_years!r}."
            )
        limit = self.extrapolation_years
        if limit is not None and not (is_number(limit) and limit >= 0.0):
            raise ModelError(
                f"reporting: extrapolation_years must be a number from 0, not {limit!r}."
            )

    def require_states(self, living: Sequence[str]) -> None:
        """Refuse utilities that are not exactly those of the living states.

        Raises
        ------
        ModelError
            Names the states that lack one, or are not there.
        """
        named = [u.state for u in self.utilities]
        if self.utilities and sorted(named) != sorted(living):
            raise ModelError(
                f"reporting: utilities are of {', '.join(map(repr, named))}; each of the living "
                f"states needs one: {', '.join(map(repr, living))}."
            )

    def require_labels(self, states: Sequence[str]) -> None:
        """Refuse labels of states that are not there, and labels that two states share.

        Raises
        ------
        ModelError
            Names the state, and the known ones.
        """
        for _, fault in label_faults(self.state_labels, states):
            raise ModelError(f"reporting: state_labels: {fault}")
