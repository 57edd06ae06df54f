"""The tables of a cohort as one frozen value, and what follows from them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd
from pandas import DataFrame

from twinbayes import names
from twinbayes.arrays import Floats
from twinbayes.cohort.quality.suppression import size_words
from twinbayes.showing import LONGEST, cut, facts

# Role of a variable that a model may use from the origin on.
ROLE_COVARIATE: Final = "covariate"
EXCLUDED_COLUMNS: Final = ("table", "row", "rule", "reason")
# Columns of `patients` that place a patient in the hierarchy; never covariates.
PLACE_COLUMNS: Final = (
    names.PATIENT_ID, names.SUBGROUP, names.CENTRE, names.ENTRY_DAY, names.ENTRY_STATE,
)  # fmt: skip


def no_exclusions() -> DataFrame:
    """Return an empty table of excluded rows."""
    return DataFrame({name: pd.Series(dtype="object") for name in EXCLUDED_COLUMNS})


@dataclass(slots=True, eq=False)
class CovariateCache:
    """The last table of covariates that was made, and the frames that it was made of."""

    made: tuple[DataFrame, DataFrame | None, DataFrame, DataFrame] | None = None

    def of(
        self, patients: DataFrame, genomics: DataFrame | None, variables: DataFrame
    ) -> DataFrame:
        """Return the covariates in these frames, made anew unless these very frames were the last.

        Returns
        -------
        DataFrame
            Index ``patient_id``; one column for each variable with role ``covariate``.
        """
        made = self.made
        same = made is not None and (
            made[0] is patients and made[1] is genomics and made[2] is variables
        )
        if made is None or not same:
            made = (patients, genomics, variables, _covariates(patients, genomics, variables))
            self.made = made
        return made[3]


@dataclass(frozen=True, kw_only=True, eq=False)
class CohortTables:
    """Patients, their dated events and everything measured on them, as they were read.

    `Cohort` adds what can be done with them. Time is days since the patient's origin (usually
    diagnosis). Frames are ordered by patient as in `patients`, then by day. They are meant to be
    read, not changed.

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
    covariate_cache
        The table of covariates once it was asked for; two cohorts of the same frames share it.
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
    covariate_cache: CovariateCache = field(default_factory=CovariateCache, repr=False)

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
            dated = without_blank_intervals(frame) if name == names.EVENTS else frame
            digest.update(_canonical_bytes(dated))
        return digest.hexdigest()

    @property
    def entries(self) -> tuple[Floats, tuple[str | None, ...]]:
        """Day from which each patient is under observation, (patient,), and the state then.

        The state is None where the events say it.
        """
        n = len(self.patients)
        days: Floats = np.zeros(n)
        states: list[str | None] = [None] * n
        if names.ENTRY_DAY in self.patients:
            days = self.patients[names.ENTRY_DAY].fillna(0.0).to_numpy(dtype=float)
        if names.ENTRY_STATE in self.patients:
            column = self.patients[names.ENTRY_STATE]
            return days, tuple(
                str(s) if known else None for s, known in zip(column, column.notna(), strict=True)
            )
        return days, tuple(states)

    @property
    def has_intervals(self) -> bool:
        """Whether an event is only known to lie between two days."""
        return names.DAY_LOWER in self.events and bool(self.events[names.DAY_LOWER].notna().any())

    def covariates(self) -> DataFrame:
        """Baseline covariates, indexed by patient.

        Returns
        -------
        DataFrame
            Index ``patient_id``; one column for each variable with role ``covariate``, in the
            order of `variables`. Float, or str where levels are declared; missing stays missing.
            Subgroup and centre are not among them.
        """
        table = self.covariate_cache.of(self.patients, self.genomics, self.variables)
        return table.copy(deep=False)  # shares its values until somebody writes

    def __repr__(self) -> str:
        """Name, size and kind; never a patient."""
        kind = "simulated" if self.simulated else "real"
        return (
            f"Cohort({cut(self.name, 80)!r}, {kind}: {size_words(self.n_patients)} patients, "
            f"{len(self.subgroups)} subgroups, {len(self.centres)} centres, "
            f"{size_words(len(self.events))} events)"
        )

    def _repr_html_(self) -> str:
        kind = "simulated, no row describes a real person" if self.simulated else "real"
        rows = {name: f"{size_words(len(frame))} rows" for name, frame in self.tables.items()}
        told = {
            "patients": size_words(self.n_patients),
            "data": kind,
            "subgroups": len(self.subgroups),
            "centres": len(self.centres),
            **{name: told for name, told in rows.items() if name != names.PATIENTS},
            "rows left out": size_words(len(self.excluded)),
            "source": cut(self.source.get("title", "not said"), LONGEST),
        }
        return facts(f"Cohort {self.name}", told)


def without_blank_entries(patients: DataFrame) -> DataFrame:
    """Return patients without columns of entry that are blank throughout."""
    blank = [
        column
        for column in (names.ENTRY_DAY, names.ENTRY_STATE)
        if column in patients and patients[column].isna().all()
    ]
    return patients.drop(columns=blank)


def without_blank_intervals(events: DataFrame) -> DataFrame:
    """Return events without a `day_lower` that is blank throughout: every event is dated."""
    if names.DAY_LOWER in events and events[names.DAY_LOWER].isna().all():
        return events.drop(columns=names.DAY_LOWER)
    return events


def _covariates(patients: DataFrame, genomics: DataFrame | None, variables: DataFrame) -> DataFrame:
    declared = variables[variables["role"] == ROLE_COVARIATE]
    wide = patients.set_index(names.PATIENT_ID)
    if genomics is not None:
        wide = wide.join(genomics.set_index(names.PATIENT_ID))
    return wide[list(declared["name"])]


def _by_size(values: pd.Series) -> tuple[str, ...]:
    counts = values.value_counts()
    return tuple(sorted((str(name) for name in counts.index), key=lambda n: (-counts[n], n)))


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
