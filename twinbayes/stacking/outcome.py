"""What is predicted: survival, or the states of a model, and what was seen of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from twinbayes.arrays import Bools
from twinbayes.checks.calibration.expected_events import counting_process
from twinbayes.cohort import Cohort
from twinbayes.errors import OptionError, require_known, told
from twinbayes.estimators import CountingProcess, spread_same_day
from twinbayes.estimators.counting import CENSORED
from twinbayes.estimators.observed import as_horizons
from twinbayes.model import ModelPlan, ModelSpec
from twinbayes.model.courses.history import trace_histories
from twinbayes.names import DAY, DEATH, EVENT, PATIENT_ID, TERMINAL_EVENTS
from twinbayes.showing import brief

KINDS: Final = ("survival", "occupation")
ALIVE: Final = "alive"
DEAD: Final = "dead"


def as_stack_days(values: object, what: str, *, above: bool) -> tuple[float, ...]:
    """Return increasing days, 0 or later, or all `above` 0.

    Raises
    ------
    OptionError
        If they are not that.
    """
    if not isinstance(values, list | tuple | np.ndarray | pd.Series | pd.Index):
        raise OptionError(f"{what} are a list of days, not {told(values)}.")
    days = as_horizons(np.asarray(values), what)
    if np.any(np.diff(days) <= 0.0) or (above and days[0] <= 0.0):
        raise OptionError(
            f"{what} are increasing days, {'above 0' if above else '0 or later'}, not "
            f"{told(list(map(float, days)))}."
        )
    return tuple(map(float, days))


@dataclass(frozen=True)
class _Planned:
    """A model planned for a cohort, and not compiled."""

    spec: ModelSpec
    cohort: Cohort
    plan: ModelPlan


@brief
@dataclass(frozen=True)
class Outcome:
    """What members predict.

    Attributes
    ----------
    what
        ``"survival"`` or ``"occupation"``.
    spec
        With ``"occupation"``: the model whose states they are. None with ``"survival"``.

    Examples
    --------
    >>> Outcome("survival").states
    ('alive', 'dead')
    """

    what: str
    spec: ModelSpec | None = None

    def __post_init__(self) -> None:
        require_known(self.what, KINDS, "kind of prediction")
        if (self.spec is None) != (self.what == "survival"):
            raise OptionError("An outcome of occupation has a model, one of survival has none.")

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the states; of survival ``alive`` and ``dead``."""
        return (ALIVE, DEAD) if self.spec is None else tuple(self.spec.graph.states)

    def process(self, cohort: Cohort) -> CountingProcess:
        """Return what was seen of the patients of a cohort, on the clock of the origin."""
        if self.spec is not None:
            return counting_process(_Planned(self.spec, cohort, self.spec.plan(cohort)))
        events = cohort.events
        last = events[events[EVENT].isin(TERMINAL_EVENTS)].set_index(PATIENT_ID)
        last = last.loc[list(cohort.patient_ids)]
        ids = np.array(cohort.patient_ids, dtype=object)
        entry, left = cohort.entries[0], last[DAY].to_numpy(dtype=float)
        start, stop = spread_same_day(entry, left, ids)
        died = (last[EVENT] == DEATH).to_numpy()
        return CountingProcess(
            start,
            stop,
            np.zeros(ids.size, np.int64),
            np.where(died, 1, CENSORED),
            self.states,
            ids,
            (DEAD,),
        )

    def gone(self, cohort: Cohort, day: float) -> Bools:
        """Who is not followed on a day, or is in an absorbing state by then, (patient,)."""
        events = cohort.events
        last = events[events[EVENT].isin(TERMINAL_EVENTS)].set_index(PATIENT_ID)
        last = last.loc[list(cohort.patient_ids)]
        left, died = last[DAY].to_numpy(dtype=float), (last[EVENT] == DEATH).to_numpy()
        out = (cohort.entries[0] > day) | (left < day) | (died & (left <= day))
        if self.spec is not None and not out.all():
            ids = [p for p, off in zip(cohort.patient_ids, out, strict=True) if not off]
            final = self.spec.graph.absorbing
            out[~out] = np.isin(self.present(cohort.select(ids), day), final)
        return np.asarray(out, dtype=np.bool_)

    def present(self, cohort: Cohort, day: float) -> list[str]:
        """Return the state of each patient of a cohort on a day, by the record up to it."""
        if self.spec is None:
            return [ALIVE] * cohort.n_patients
        graph = self.spec.graph
        return [p.state for p in trace_histories(graph, cohort.until(day)).present]
