"""The mixture of members for patients who are none of those it was learnt from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import xarray as xr

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort
from twinbayes.errors import OptionError, TwinError, is_number, told
from twinbayes.names import PATIENT, STATE, SUBGROUP, TIME, WHOLE
from twinbayes.showing import brief
from twinbayes.stacking.answers import predicted
from twinbayes.stacking.members import FittedMember
from twinbayes.stacking.outcome import Outcome, as_stack_days


@brief
@dataclass(frozen=True)
class StackPredictor:
    """Members fitted to all patients of a stack, ready to predict others.

    Made by `Stack.predictor`.

    Attributes
    ----------
    use
        ``stack``, or the one member that predicts alone.
    landmarks, horizons
        Those that the weights were learnt for.
    subgroups
        Those with weights; a patient of any other has the common ones.

    Examples
    --------
    >>> cohort = tb.datasets.simulated_registry()
    >>> found = tb.stack([SubgroupCurves()], cohort, horizons=[365, 730], folds=3)
    >>> survival = found.predictor().survival(cohort.select(cohort.patient_ids[:2]), [365, 500])
    >>> survival.shape
    (2, 2)
    """

    use: str
    fitted: Mapping[str, FittedMember] = field(repr=False)
    weights: pd.DataFrame = field(repr=False)
    outcome: Outcome
    landmarks: tuple[float, ...]
    horizons: tuple[float, ...]
    subgroups: frozenset[str] = field(repr=False)

    def survival(
        self, patients: Cohort, horizons: Sequence[float] | None = None, *, at: float | None = None
    ) -> pd.DataFrame:
        """Predict survival.

        Parameters
        ----------
        patients
            Alive and followed at the landmark; their records after it are not looked at.
        horizons
            Days since the landmark, increasing, up to the last one of the stack; default: those.
        at
            One of the landmarks of the stack; default: the first.

        Returns
        -------
        DataFrame
            Patients × horizons, probabilities of being alive.

        Raises
        ------
        OptionError
            If the stack is of occupation, or days are not those it was learnt for.
        TwinError
            If somebody is no longer followed at the landmark.
        ModelError
            If a member cannot predict these patients.
        """
        if self.outcome.spec is not None:
            raise OptionError("this stack is of occupation: ask for `occupation`.")
        ahead, found = self._mixed(patients, horizons, at)
        return pd.DataFrame(
            found[:, :, 0],
            index=pd.Index(patients.patient_ids, name=PATIENT),
            columns=pd.Index(ahead, name=TIME),
        )

    def occupation(
        self, patients: Cohort, horizons: Sequence[float] | None = None, *, at: float | None = None
    ) -> xr.DataArray:
        """Predict the states; parameters and errors as `survival`.

        Returns
        -------
        DataArray
            Dims patient, time (days since the landmark), state.
        """
        ahead, found = self._mixed(patients, horizons, at)
        coords = {
            PATIENT: list(patients.patient_ids),
            TIME: ahead,
            STATE: list(self.outcome.states),
        }
        return xr.DataArray(found, dims=(PATIENT, TIME, STATE), coords=coords)

    def _mixed(
        self, patients: Cohort, horizons: Sequence[float] | None, at: float | None
    ) -> tuple[Floats, Floats]:
        if not isinstance(patients, Cohort):
            raise OptionError(f"patients must be a Cohort, not {told(patients)}.")
        day = self.landmarks[0] if at is None else at
        if not is_number(day) or day not in self.landmarks:
            raise OptionError(
                f"the weights were learnt at the landmarks {self.landmarks}, not at {told(at)}."
            )
        asked = self.horizons if horizons is None else horizons
        ahead = np.array(as_stack_days(asked, "horizons", above=True))
        if ahead[-1] > self.horizons[-1]:
            raise OptionError(
                f"horizons are at most {self.horizons[-1]:g} days, the last one that the weights "
                "were learnt for."
            )
        gone = self.outcome.gone(patients, day)
        if gone.any():
            raise TwinError(
                f"{int(gone.sum())} of {patients.n_patients} patients are not followed on day "
                f"{day:g}. Leave them out, or choose another landmark."
            )
        names = patients.patients[SUBGROUP].astype(str)
        rows = [name if name in self.subgroups else WHOLE for name in names]
        weight = self.weights.loc[rows].to_numpy(dtype=float)
        known = patients.until(day)
        total = np.zeros((patients.n_patients, ahead.size, len(self.outcome.states)))
        for k, (name, member) in enumerate(self.fitted.items()):
            found = predicted(member, name, self.outcome, known, day, ahead, "patients asked for")
            total += weight[:, k, None, None] * found
        return ahead, total / weight.sum(axis=1)[:, None, None]
