"""The cohort: a registry's tables, and the cohorts, reports and files that they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame

from twinbayes import names
from twinbayes.cohort.quality.report import QualityReport, assess
from twinbayes.cohort.quality.suspects import suspect_rows
from twinbayes.cohort.tables import CohortTables, CovariateCache
from twinbayes.cohort.writing import write_cohort
from twinbayes.errors import CohortError, is_number
from twinbayes.showing import plotted


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Cohort(CohortTables):
    """Patients, their dated events and everything measured on them.

    Time is days since the patient's origin (usually diagnosis). Frames are ordered by
    patient as in `patients`, then by day. They are meant to be read, not changed; use
    :meth:`select` and :meth:`until` to derive another cohort. The frames and what follows from
    them are those of `CohortTables`.

    Examples
    --------
    >>> cohort = tb.datasets.simulated_registry()
    >>> cohort.n_patients, cohort.simulated
    (240, True)
    """

    def dated(self) -> Cohort:
        """Return the cohort with events that lie between two days dated in the middle."""
        if not self.has_intervals:
            return self
        lower = self.events[names.DAY_LOWER].fillna(self.events[names.DAY])
        events = self.events.drop(columns=names.DAY_LOWER)
        events[names.DAY] = 0.5 * (lower + self.events[names.DAY])
        return self._with({names.EVENTS: events})

    def select(self, patient_ids: Sequence[str]) -> Cohort:
        """Return the cohort of these patients, in the order asked for.

        Raises
        ------
        CohortError
            If a patient is not in the cohort, or is asked for twice.
        """
        rank = {patient: position for position, patient in enumerate(patient_ids)}
        if len(rank) != len(patient_ids):
            raise CohortError(
                f"select: {len(patient_ids) - len(rank)} patients are asked for more than once. "
                "Name each patient once."
            )
        unknown = len(rank.keys() - set(self.patient_ids))
        if unknown:
            raise CohortError(
                f"select: {unknown} of {len(rank)} patients are not in cohort {self.name!r}. "
                "Take identifiers from cohort.patient_ids."
            )
        return self._with(
            {
                name: _in_order(frame, rank)
                for name, frame in self.tables.items()
                if name != names.VARIABLES
            }
        )

    def until(self, day: float | Mapping[str, float]) -> Cohort:
        """Return the record as it was known at the end of a day.

        Events, visits and treatment starts after that day are dropped, a treatment then still
        running has no stop day, and follow-up ends in ``last_contact`` on that day. A patient
        who had died by then stays dead, and one whose follow-up had ended keeps the earlier
        last contact: nothing is claimed about days nobody saw.

        Parameters
        ----------
        day
            Days since origin, one for all or one for each patient identifier.

        Raises
        ------
        CohortError
            If a day is missing, negative or not finite.
        """
        limit = self._limit(day)
        tables: dict[str, DataFrame] = {names.EVENTS: _events_until(self.events, limit)}
        if self.visits is not None:
            known = self.visits[names.DAY] <= self.visits[names.PATIENT_ID].map(limit).astype(float)
            tables[names.VISITS] = self.visits[known].reset_index(drop=True)
        if self.treatments is not None:
            last = self.treatments[names.PATIENT_ID].map(limit).astype(float)
            started = self.treatments["start_day"] <= last
            running = self.treatments["stop_day"] > last
            seen = self.treatments.assign(stop_day=self.treatments["stop_day"].mask(running))
            tables[names.TREATMENTS] = seen[started].reset_index(drop=True)
        return self._with(tables)

    def with_rows(self, tables: Mapping[str, DataFrame]) -> Cohort:
        """Return the cohort with other visits, events or treatments, already checked and ordered.

        Nothing is checked here: `cohort_from_tables` does.
        """
        dated = (names.VISITS, names.EVENTS, names.TREATMENTS)
        return self._with({name: frame for name, frame in tables.items() if name in dated})

    def quality(self) -> QualityReport:
        """Return missingness, follow-up, event counts, suspicious values and what may be wrong."""
        return assess(self)

    def plot(self, spec: Any = None, **options: Any) -> Any:
        """Plot how many are in each state over time, as it was seen.

        Parameters
        ----------
        spec
            A `ModelSpec` whose states are told apart; by default the living and the dead.
        options
            `level` and `ax`: see `twinbayes.plots.plot_cohort`.

        Returns
        -------
        matplotlib.axes.Axes

        Examples
        --------
        >>> tb.datasets.registry().plot().get_ylabel()
        'Probability of the state'
        """
        return plotted("plot_cohort", self, spec, **options)

    def suspects(self) -> DataFrame:
        """Return the rows that the quality report suspects, with identifiers: for local use alone.

        Returns
        -------
        DataFrame
            ``table``, ``row`` (as ``write`` would write it; the header is row 1), ``patient_id``,
            ``detector`` and ``why``.
        """
        return suspect_rows(self, self.quality())

    def write(self, path: str | Path, *, file_format: str = "csv") -> Path:
        """Write an ordinary cohort folder that ``read_cohort`` reads back unchanged.

        Parameters
        ----------
        path
            Folder to create; it must not exist or be empty.
        file_format
            ``"csv"`` or ``"parquet"``.
        """
        return write_cohort(self, path, file_format=file_format)

    def _limit(self, day: float | Mapping[str, float]) -> pd.Series:
        ids = list(self.patient_ids)
        given = [day.get(p, np.nan) for p in ids] if isinstance(day, Mapping) else [day] * len(ids)
        known = [float(value) if is_number(value) else np.nan for value in given]
        limit = pd.Series(known, index=ids, dtype=float)
        bad = int((~np.isfinite(limit) | (limit < 0)).sum())
        if bad:
            raise CohortError(
                f"until: the day is missing, negative or not finite for {bad} of {len(ids)} "
                "patients. Give one day, or one for each patient, in days since origin."
            )
        return limit

    def _with(self, tables: Mapping[str, DataFrame]) -> Cohort:
        # dataclasses.replace is typed field by field, so the names are spelled out once, here.
        patients = tables.get(names.PATIENTS, self.patients)
        genomics = tables.get(names.GENOMICS, self.genomics)
        same = patients is self.patients and genomics is self.genomics
        return replace(
            self,
            patients=patients,
            genomics=genomics,
            visits=tables.get(names.VISITS, self.visits),
            events=tables.get(names.EVENTS, self.events),
            treatments=tables.get(names.TREATMENTS, self.treatments),
            covariate_cache=self.covariate_cache if same else CovariateCache(),
        )


def _in_order(frame: DataFrame, rank: Mapping[str, int]) -> DataFrame:
    position = frame[names.PATIENT_ID].map(rank)
    kept = position.dropna().sort_values(kind="stable").index
    return frame.loc[kept].reset_index(drop=True)


def _events_until(events: DataFrame, limit: pd.Series) -> DataFrame:
    last = events[names.PATIENT_ID].map(limit).astype(float)
    terminal = events[names.EVENT].isin(names.TERMINAL_EVENTS)
    cut = terminal & (events[names.DAY] > last)
    seen = events.assign(
        day=events[names.DAY].where(~cut, last),
        event=events[names.EVENT].where(~cut, names.LAST_CONTACT),
    )
    return seen[terminal | (events[names.DAY] <= last)].reset_index(drop=True)
