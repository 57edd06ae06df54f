"""Answers of members, checked once before anything is made of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort
from twinbayes.errors import ModelError, TwinbayesError
from twinbayes.estimators import CountingProcess
from twinbayes.stacking.members import FittedMember, Member
from twinbayes.stacking.outcome import Outcome

_SLACK = 1e-6  # of rounding, of sums of posterior means


def require_able(member: Member, outcome: Outcome) -> None:
    """Refuse a member that cannot predict this outcome, before anything is fitted.

    Raises
    ------
    ModelError
        Naming the member.
    """
    _named(lambda: member.require(outcome), member.name, outcome.what)


def fitted_member(
    member: Member,
    cohort: Cohort,
    outcome: Outcome,
    process: CountingProcess,
    seed: int,
    place: str,
) -> FittedMember:
    """Let a member learn; an error names the member and the place.

    Raises
    ------
    ModelError
        With the reason, or with no more than its type where the error is of other code.
    """

    def learn() -> FittedMember:
        found = member.fitted(cohort, outcome, process, seed)
        if not isinstance(found.unusable, str) or not callable(found.occupation):
            raise ModelError("what it fitted has no `unusable` text, or no `occupation`.")
        return found

    return _named(learn, member.name, place)


def predicted(
    member: FittedMember,
    name: str,
    outcome: Outcome,
    known: Cohort,
    day: float,
    ahead: Floats,
    place: str,
) -> Floats:
    """Ask a member for the states of patients, (patient, day, state).

    `known` has their records up to the day, and nothing after.

    Raises
    ------
    ModelError
        If it fails, or what it returns are not probabilities of the states.
    """

    def ask() -> Floats:
        found = member.occupation(known, day, ahead.copy())
        return as_occupation(found, known.n_patients, ahead.size, outcome)

    return _named(ask, name, place)


def as_occupation(found: object, n_patients: int, n_days: int, outcome: Outcome) -> Floats:
    """Return probabilities of states as an array (patient, day, state).

    Raises
    ------
    ModelError
        If they are not that.
    """
    values = np.asarray(found)
    size = (n_patients, n_days, len(outcome.states))
    if values.dtype.kind not in "iuf" or values.shape != size:
        raise ModelError(
            f"it predicted an array of shape {values.shape} and type {values.dtype}, not real "
            f"numbers of shape {size}: patients, days, states."
        )
    p = values.astype(np.float64)
    if not np.isfinite(p).all():
        raise ModelError(f"{int((~np.isfinite(p)).sum())} probabilities are not finite.")
    if ((p < -_SLACK) | (p > 1.0 + _SLACK)).any():
        raise ModelError("it predicted what are no probabilities in [0, 1].")
    if (np.abs(p.sum(axis=2) - 1.0) > _SLACK).any():
        raise ModelError("its probabilities of the states do not sum to 1.")
    if outcome.spec is None and (np.diff(p[:, :, 0], axis=1) > _SLACK).any():
        raise ModelError("its survival increases with time.")
    return np.clip(p, 0.0, 1.0)


def _named[T](ask: Callable[[], T], name: str, place: str) -> T:
    """Do something of a member's; whatever goes wrong names the member and the place."""
    why = ""
    try:
        return ask()
    except TwinbayesError as error:
        why = str(error)
    except Exception as error:  # noqa: BLE001, RUF100  (whatever others raise)
        why = f"it raised {type(error).__name__}. Its message may name patients, and is not shown."
    raise ModelError(f"member {name!r}, {place}: {why}") from None
