"""Survival models of other packages as members."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort
from twinbayes.errors import CohortError, ModelError, OptionError, told
from twinbayes.estimators import CountingProcess
from twinbayes.names import CENTRE, PATIENT_ID, SUBGROUP
from twinbayes.showing import brief
from twinbayes.stacking.members import require_name
from twinbayes.stacking.outcome import DEAD, Outcome

ENTRY: Final = "entry"
TIME: Final = "time"
_SLACK: Final = 1e-9  # of rounding
_DAYS: Final = 1e-6  # apart, which are the same day


class PredictsSurvival(Protocol):
    """A survival model of another package, once it has learnt.

    Examples
    --------
    >>> class Half:
    ...     def predict_survival(self, patients, days):
    ...         return np.tile(0.5 ** (days / 1000), (len(patients), 1))
    >>> Half().predict_survival(pd.DataFrame(index=["p1"]), np.array([1000.0]))
    array([[0.5]])
    """

    def predict_survival(self, patients: pd.DataFrame, days: Floats) -> npt.ArrayLike:
        """Predict survival from the origin.

        Parameters
        ----------
        patients
            Index ``patient_id``; ``subgroup``, ``centre``, and the baseline covariates.
        days
            Days since origin, increasing.

        Returns
        -------
        array or DataFrame
            (patient, day) probabilities of being alive. An array is in the order asked for. A
            DataFrame has the labels of the patients as index and the days as columns, in any order.
        """
        ...


@brief
@dataclass(frozen=True)
class SurvivalMember:
    """A survival model of another package as a member.

    Attributes
    ----------
    name
        Unique in the stack.
    fit
        From a table of patients to a model with ``predict_survival(patients, days)``. The table has
        the index ``patient_id``; ``entry``, ``time`` (days since origin), ``dead``; ``subgroup``,
        ``centre`` and the baseline covariates.
    fixed
        Instead of `fit`: a model that learnt elsewhere, from none of these patients.

    Raises
    ------
    OptionError
        If not one of `fit` and `fixed` is given, or what is given is none.

    Notes
    -----
    At a landmark its prediction is S(landmark + horizon) / S(landmark): it knows nothing that was
    seen since the origin but that the patient is alive. A message of an error of the model is not
    repeated, since it may name patients.

    Examples
    --------
    >>> class Half:
    ...     def predict_survival(self, patients, days):
    ...         return np.tile(0.5 ** (days / 1000), (len(patients), 1))
    >>> SurvivalMember("half", fixed=Half()).name
    'half'
    """

    name: str
    fit: Callable[[pd.DataFrame], PredictsSurvival] | None = field(default=None, repr=False)
    fixed: PredictsSurvival | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        require_name(self.name)
        if (self.fit is None) == (self.fixed is None):
            raise OptionError(f"member {self.name!r}: give one of fit and fixed.")
        if self.fit is not None and not callable(self.fit):
            raise OptionError(f"member {self.name!r}: fit is a function, not {told(self.fit)}.")
        if self.fixed is not None:
            _require_model(self.fixed, f"member {self.name!r}: ")

    def require(self, outcome: Outcome) -> None:
        """Refuse any outcome but survival."""
        if outcome.spec is not None:
            raise ModelError(
                "it predicts survival, not the states of a model. Stack it with what='survival'."
            )

    def fitted(
        self, cohort: Cohort, outcome: Outcome, process: CountingProcess, seed: int
    ) -> FittedForeign:
        """Let the model learn from a table."""
        if self.fit is None:
            assert self.fixed is not None  # noqa: S101  (one of the two is given)
            return FittedForeign(self.name, self.fixed)
        ends = process.of_patients(list(cohort.patient_ids)).follow_up()
        seen = {ENTRY: ends.entry, TIME: ends.exit, DEAD: ~ends.censored}
        table = baseline_table(cohort)
        taken = [name for name in seen if name in table]
        if taken:
            raise ModelError(
                f"a covariate is called {taken[0]!r}, as the follow-up is in "
                "the table that it learns from. Rename the covariate."
            )
        model = without_message(lambda: self.fit(table.assign(**seen)), "fit")  # type: ignore[misc]
        _require_model(model, "")
        return FittedForeign(self.name, model)


@brief
@dataclass(frozen=True)
class FittedForeign:
    """A model of another package that has learnt."""

    name: str
    model: Any = field(repr=False)
    unusable: str = ""

    def occupation(self, patients: Cohort, day: float, ahead: Floats) -> Floats:
        """(patient, day, state) from survival, given that the patient is alive on the day."""
        days = day + ahead if day == 0.0 else np.concatenate([[day], day + ahead])
        table = baseline_table(patients)
        found = without_message(
            lambda: self.model.predict_survival(table.copy(), days.copy()), "predict_survival"
        )
        alive = as_survival(found, table.index, days)
        if day > 0.0:
            if np.any(alive[:, 0] <= 0.0):
                raise ModelError(
                    f"survival is 0 on day {day:g}, the landmark, for somebody who is alive then."
                )
            alive = np.clip(alive[:, 1:] / alive[:, :1], 0.0, 1.0)
        return np.stack([alive, 1.0 - alive], axis=2)


def _require_model(model: object, place: str) -> None:
    if isinstance(model, type) or not callable(getattr(model, "predict_survival", None)):
        raise OptionError(
            f"{place}a model has predict_survival(patients, days), which {told(model)} has not."
        )


def baseline_table(cohort: Cohort) -> pd.DataFrame:
    """Return what is known of patients on day 0: subgroup, centre and covariates, by patient."""
    places = cohort.patients.set_index(PATIENT_ID)[[SUBGROUP, CENTRE]]
    covariates = cohort.covariates()
    return places.join(covariates.drop(columns=[c for c in places if c in covariates]))


def without_message[T](ask: Callable[[], T], what: str) -> T:
    """Ask code of others; of an error only its type is told, since its message may name patients.

    Raises
    ------
    ModelError
        Outside of the handler, so that the other error is not part of its context either.
    """
    try:
        return ask()
    except Exception as error:  # noqa: BLE001, RUF100  (whatever others raise)
        kind = type(error).__name__
    raise ModelError(
        f"{what} raised {kind}. Its message is not repeated, since it may name patients: call "
        "the model by itself to see it."
    ) from None


def as_survival(found: object, patients: pd.Index, days: Floats) -> Floats:
    """Return survival as an array (patient, day), in the order asked for.

    Raises
    ------
    CohortError, OptionError
        If labels, shape or values are not those of survival.
    """
    if isinstance(found, pd.Series):
        found = found.to_frame(days[0] if days.size == 1 else found.name)
    if isinstance(found, pd.DataFrame):
        found = _by_label(found, patients, days)
    elif not isinstance(found, np.ndarray | list | tuple):
        raise OptionError(
            f"predict_survival returned {told(found)}: give an array, or a DataFrame by patient."
        )
    values = _numbers(found)
    if values.ndim == 1 and days.size == 1:
        values = values[:, None]
    if values.shape != (len(patients), days.size):
        raise CohortError(
            f"predict_survival returned the shape {values.shape}, expected "
            f"{(len(patients), days.size)}: patients, then days."
        )
    if not np.isfinite(values).all():
        raise CohortError(f"{int((~np.isfinite(values)).sum())} probabilities are not finite.")
    outside = (values < -_SLACK) | (values > 1.0 + _SLACK)
    if outside.any():
        raise OptionError(f"{int(outside.sum())} values are no probabilities in [0, 1].")
    if (np.diff(values, axis=1) > _SLACK).any():
        raise OptionError("survival increases with time. Return survival, not risk, by day.")
    return np.clip(values, 0.0, 1.0)


def _numbers(found: object) -> Floats:
    """As floats: no text, no complex numbers, nothing that is true or false; NaN where masked."""
    try:
        values = np.asarray(found.filled(np.nan) if isinstance(found, np.ma.MaskedArray) else found)
        if values.dtype == object:
            values = np.asarray(values.tolist())
    except (TypeError, ValueError):
        values = np.empty(0, dtype=object)
    if values.dtype.kind not in "iuf":
        raise CohortError(
            "predict_survival returned what are no real numbers. Give probabilities of being alive."
        )
    return values.astype(np.float64)


def _by_label(found: pd.DataFrame, patients: pd.Index, days: Floats) -> object:
    """Values in the order asked for, by the labels of rows and columns."""
    rows = found.index
    if not rows.is_unique or set(rows) != set(patients):
        raise CohortError(
            "predict_survival returned a DataFrame whose index is not that of the patients asked "
            "for. Give it the index of the table, or return an array in its order."
        )
    columns = list(found.columns)
    if not all(isinstance(c, int | float | np.number) for c in columns):
        raise CohortError(
            "predict_survival returned a DataFrame whose columns are not the days asked for."
        )
    labels = np.array(columns, dtype=np.float64)
    order = [np.flatnonzero(np.abs(labels - day) <= _DAYS) for day in days]
    if labels.size != days.size or any(match.size != 1 for match in order):
        raise CohortError(
            "predict_survival returned a DataFrame whose columns are not the days asked for."
        )
    return found.loc[patients].to_numpy()[:, [int(match[0]) for match in order]]
