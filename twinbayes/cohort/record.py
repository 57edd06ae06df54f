"""The cohort: a registry's tables as one frozen value."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from pandas import DataFrame

from twinbayes import names
from twinbayes.errors import CohortError

if TYPE_CHECKING:
    from twinbayes.cohort.quality.report import QualityReport

# Role of a variable that a model may use from the origin on.
ROLE_COVARIATE: Final = "covariate"
EXCLUDED_COLUMNS: Final = ("table", "row", "rule", "reason")
# Columns of `patients` that place a patient in the hierarchy; never covariates.
PLACE_COLUMNS: Final = (names.PATIENT_ID, names.SUBGROUP, names.CENTRE)


def no_exclusions() -> DataFrame:
    """Return an empty table of excluded rows."""
    return DataFrame({name: pd.Series(dtype="object") for name in EXCLUDED_COLUMNS})


@dataclass(frozen=True, kw_only=True, eq=False)
class Cohort:
    """Patients, their dated events and everything measured on them.

    Time is days since the patient's origin (usually diagnosis). Frames are ordered by
    patient as in `patients`, then by day. They are meant to be read, not changed; use
    :meth:`select` and :meth:`until` to derive another cohort.

    Attributes
    ----------
    patients
        One row a patient: ``patient_id``, ``subgroup``, ``centre``, ``age_years``, ``sex``
        and the declared baseline covariates (float, or str where levels are declared).
    events
        ``patient_id``, ``day``, ``event``; exactly one terminal row (``death`` or
        ``last_contact``) a patient.
    variables
        The dictionary: ``name``, ``table``, ``role``, ``group``, ``unit``, ``min``, ``max``,
        ``levels`` (separated by ``|``), ``description``.
    genomics
        ``patient_id`` and one float column a lesion, 0/1 or allele fraction, NaN if unknown.
    visits
        ``patient_id``, ``day``, ``marker``, ``value``, ``censored``.
    treatments
        ``patient_id``, ``start_day``, ``stop_day`` (NaN: ongoing or unknown), ``treatment``,
        ``dose``, ``line``.
    excluded
        Source rows left out, by table, row and rule: rows in = rows used + rows listed.
    simulated
        True if no row describes a real person.
    source
        Title, origin, licence and notes.
    """

    name: str
    patients: DataFrame
    events: DataFrame
    variables: DataFrame
    genomics: DataFrame | None = None
    visits: DataFrame | None = None
    treatments: DataFrame | None = None
    excluded: DataFrame = field(default_factory=no_exclusions)
    simulated: bool = False
    source: Mapping[str, str] = field(default_factory=dict)

    @property
    def n_patients(self) -> int:
        """Number of patients."""
        return len(self.patients)

    @property
    def patient_ids(self) -> tuple[str, ...]:
        """Patient identifiers in the order of `patients`."""
        return tuple(self.patients[names.PATIENT_ID])

    @property
    def subgroups(self) -> tuple[str, ...]:
        """Subgroups, the largest first, ties by name."""
        return _by_size(self.patients[names.SUBGROUP])

    @property
    def centres(self) -> tuple[str, ...]:
        """Centres, the largest first, ties by name."""
        return _by_size(self.patients[names.CENTRE])

    @property
    def tables(self) -> dict[str, DataFrame]:
        """The tables present, by name, in the order of the data contract."""
        present = {name: getattr(self, name) for name in names.TABLES}
        return {name: frame for name, frame in present.items() if frame is not None}

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the content of all tables and the `simulated` flag.

        Independent of the order of rows and columns, of the name, the source and the list of
        excluded rows; it changes with any value that a model could see.
        """
        digest = hashlib.sha256(b"simulated" if self.simulated else b"real")
        for name, frame in self.tables.items():
            digest.update(f"\0{name}\0".encode())
            told = without_blank_intervals(frame) if name == names.EVENTS else frame
            digest.update(_canonical_bytes(told))
        return digest.hexdigest()

    @property
    def has_intervals(self) -> bool:
        """Whether an event is only known to lie between two days."""
        return names.DAY_LOWER in self.events and bool(self.events[names.DAY_LOWER].notna().any())

    def dated(self) -> Cohort:
        """Return the cohort with events that lie between two days dated in the middle."""
        if not self.has_intervals:
            return self
        lower = self.events[names.DAY_LOWER].fillna(self.events[names.DAY])
        events = self.events.drop(columns=names.DAY_LOWER)
        events[names.DAY] = 0.5 * (lower + self.events[names.DAY])
        return self._with({names.EVENTS: events})

    def covariates(self) -> DataFrame:
        """Baseline covariates, indexed by patient.

        Returns
        -------
        DataFrame
            Index ``patient_id``; one column for each variable with role ``covariate``, in the
            order of `variables`. Float, or str where levels are declared; missing stays missing.
            Subgroup and centre are not among them.
        """
        return self._covariates.copy(deep=False)  # shares its values until somebody writes

    @cached_property
    def _covariates(self) -> DataFrame:
        declared = self.variables[self.variables["role"] == ROLE_COVARIATE]
        wide = self.patients.set_index(names.PATIENT_ID)
        if self.genomics is not None:
            wide = wide.join(self.genomics.set_index(names.PATIENT_ID))
        return wide[list(declared["name"])]

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
        """Return missingness, follow-up, event counts and suspicious values."""
        from twinbayes.cohort.quality.report import assess  # the report needs this module's names

        return assess(self)

    def write(self, path: str | Path, *, file_format: str = "csv") -> Path:
        """Write an ordinary cohort folder that ``read_cohort`` reads back unchanged.

        Parameters
        ----------
        path
            Folder to create; it must not exist or be empty.
        file_format
            ``"csv"`` or ``"parquet"``.
        """
        from twinbayes.cohort.writing import write_cohort  # writing needs this module's names

        return write_cohort(self, Path(path), file_format=file_format)

    def _limit(self, day: float | Mapping[str, float]) -> pd.Series:
        ids = list(self.patient_ids)
        if isinstance(day, Mapping):
            limit = pd.Series([day.get(patient, np.nan) for patient in ids], index=ids, dtype=float)
        else:
            limit = pd.Series(float(day), index=ids)
        bad = int((~np.isfinite(limit) | (limit < 0)).sum())
        if bad:
            raise CohortError(
                f"until: the day is missing, negative or not finite for {bad} of {len(ids)} "
                "patients. Give one day, or one for each patient, in days since origin."
            )
        return limit

    def _with(self, tables: Mapping[str, DataFrame]) -> Cohort:
        # dataclasses.replace is typed field by field, so the names are spelled out once, here.
        cohort = replace(
            self,
            patients=tables.get(names.PATIENTS, self.patients),
            genomics=tables.get(names.GENOMICS, self.genomics),
            visits=tables.get(names.VISITS, self.visits),
            events=tables.get(names.EVENTS, self.events),
            treatments=tables.get(names.TREATMENTS, self.treatments),
        )
        same = cohort.patients is self.patients and cohort.genomics is self.genomics
        if same and "_covariates" in self.__dict__:
            cohort.__dict__["_covariates"] = self._covariates
        return cohort

    def __repr__(self) -> str:
        """Name, size and kind; never a patient."""
        kind = "simulated" if self.simulated else "real"
        return (
            f"Cohort({self.name!r}, {kind}: {self.n_patients} patients, "
            f"{len(self.subgroups)} subgroups, {len(self.centres)} centres, "
            f"{len(self.events)} events)"
        )


def without_blank_intervals(events: DataFrame) -> DataFrame:
    """Return events without a `day_lower` that is blank throughout: every event is dated."""
    if names.DAY_LOWER in events and events[names.DAY_LOWER].isna().all():
        return events.drop(columns=names.DAY_LOWER)
    return events


def _by_size(values: pd.Series) -> tuple[str, ...]:
    counts = values.value_counts()
    return tuple(sorted((str(name) for name in counts.index), key=lambda n: (-counts[n], n)))


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


def _canonical_bytes(frame: DataFrame) -> bytes:
    columns = {}
    for column in sorted(frame.columns):
        values = frame[column]
        if pd.api.types.is_numeric_dtype(values.dtype):
            # one spelling a number, whatever its dtype; -0.0 equals 0.0
            numbers = values.to_numpy(dtype=float, na_value=np.nan) + 0.0
            columns[column] = np.array([repr(float(v)) for v in numbers], dtype=object)
        else:
            columns[column] = values.astype(object).where(values.notna(), "").to_numpy()
    text = DataFrame(columns).sort_values(list(columns), kind="stable")
    buffer = io.StringIO()
    text.to_csv(buffer, index=False, lineterminator="\n")
    return buffer.getvalue().encode()
