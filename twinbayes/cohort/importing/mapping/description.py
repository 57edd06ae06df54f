"""What a mapping file describes, as frozen values; the reader and the JSON schema follow them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Any, Final, Literal

from twinbayes import names

SCHEMA: Final = "twinbayes/mapping/v1"
#: Column of a part of one row a value: which variable it is of.
VARIABLE: Final = "variable"

#: One spelling, or a list of them.
type Words = tuple[str, ...]
#: Text or a number as it stands in the file.
type Scalar = str | float | None
#: What stands for a limit of quantification: half of it, it over the root of two, or itself.
type Substitution = Literal["half", "root-two", "bound"]
type Decimal = Literal[".", ","]
type Encoding = Literal["utf-8", "utf-16", "cp1252", "latin-1"]
type TableName = Literal["patients", "genomics", "visits", "treatments"]


def _says(text: str) -> dict[str, str]:
    """What the JSON schema says of a key."""
    return {"says": text}


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """Where the values of a column come from; a name alone is its column."""

    column: Words = field(
        default=(), metadata=_says("Header of the column, or a list of spellings of it.")
    )
    constant: Scalar = field(
        default=None, metadata=_says("The same value in every row, instead of a column.")
    )
    values: Mapping[str, Scalar] = field(
        default_factory=_nothing,
        metadata=_says("What stands in the cell: what it means (null: missing)."),
    )
    limits: Substitution | Mapping[str, float] | None = field(
        default=None,
        metadata=_says(
            "What stands for a value below the limit of quantification, such as '<5': half of the "
            "limit, the limit over the root of two, the limit (bound), or a number for each cell."
        ),
    )
    date: str | None = field(
        default=None, metadata=_says("Format of calendar dates, such as '%d/%m/%Y'.")
    )
    decimal: Decimal | None = field(default=None, metadata=_says("Decimal mark of this column."))
    missing: Words = field(
        default=(), metadata=_says("Further codes for a missing value, of this column.")
    )
    unit: str | None = field(
        default=None,
        metadata=_says("Unit of the column in UCUM, where it is not that of the variable."),
    )
    table: str | None = field(
        default=None, metadata=_says("Another table, in which the patient's row is looked up.")
    )
    patient: Words = field(
        default=(), metadata=_says("Column of patients there; default: as the part calls it.")
    )
    where: Mapping[str, Words] = field(
        default_factory=_nothing,
        metadata=_says("Look up rows only where the column has one of the values."),
    )
    first: str | None = field(
        default=None, metadata=_says("Of several rows the one that is first by this column.")
    )
    last: str | None = field(
        default=None, metadata=_says("Of several rows the one that is last by this column.")
    )


type Cells = Mapping[str, Cell]


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One source table that rows are made of."""

    table: str = field(metadata=_says("File or sheet."))
    where: Mapping[str, Words] = field(
        default_factory=_nothing,
        metadata=_says("Take rows only where the column has one of the values."),
    )
    columns: Cells = field(metadata=_says("Column of the contract: where it comes from."))


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkedPart(Part):
    """Rows of patients who are in `patients`."""

    unknown_patients: Literal["refuse", "list"] = field(
        default="refuse",
        metadata=_says("Rows of others: refuse the import, or leave the row out and list it."),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class WidePart(LinkedPart):
    """Rows of a table of one row a patient, or with `variable` and `value` one row a value."""

    join: bool = field(
        default=False,
        metadata=_says("Add the columns to the patients of the other parts, row by patient."),
    )

    @property
    def is_long(self) -> bool:
        """Whether a row holds one value of one variable."""
        return VARIABLE in self.columns

    @property
    def joins(self) -> bool:
        """Whether its values go to rows of other parts."""
        return self.join or self.is_long

    @property
    def added(self) -> frozenset[str]:
        """Columns that go to rows of other parts, as far as the mapping names them."""
        if self.is_long:
            cell = self.columns[VARIABLE]
            return frozenset(map(str, (*cell.values.values(), cell.constant)))
        return frozenset(self.columns if self.join else ()) - {names.PATIENT_ID}


@dataclass(frozen=True, kw_only=True, slots=True)
class PatientsPart(WidePart):
    """Rows of `patients`, and the date of each patient's day 0."""

    origin: Cell | None = field(
        default=None, metadata=_says("Column with the date of day 0, usually that of diagnosis.")
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class VisitsPart(LinkedPart):
    """Rows of `visits`: one row a value, or with `markers` one row a visit."""

    markers: Cells = field(
        default_factory=_nothing,
        metadata=_says("Marker: the column with its values, one row a visit."),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Closing:
    """How a record ends, where dates stand in columns of their own."""

    vital_status: Cell | None = field(
        default=None, metadata=_says("Column whose values mean death or last_contact.")
    )
    death: Cell | None = field(default=None, metadata=_says("Date of death."))
    last_contact: Cell | None = field(default=None, metadata=_says("Date of last contact."))


@dataclass(frozen=True, kw_only=True, slots=True)
class EventsPart(LinkedPart):
    """Rows of `events`: one row an event, or with `events` a column of dates each."""

    events: Cells = field(
        default_factory=_nothing,
        metadata=_says("Event: the column with its date, blank where it did not happen."),
    )
    closing: Closing | None = field(
        default=None, metadata=_says("Vital status and the last date, one row a patient.")
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """A treatment whose dates stand in columns of their own."""

    start_day: Cell = field(metadata=_says("Start, blank where it was not given."))
    stop_day: Cell | None = field(default=None, metadata=_says("End."))
    dose: Cell | None = field(default=None, metadata=_says("Dose."))
    line: Cell | None = field(default=None, metadata=_says("Line of therapy."))


@dataclass(frozen=True, kw_only=True, slots=True)
class TreatmentsPart(LinkedPart):
    """Rows of `treatments`: one row a treatment, or with `treatments` columns each."""

    treatments: Mapping[str, Given] = field(
        default_factory=_nothing, metadata=_says("Treatment: the columns with its dates.")
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Variable:
    """One row of the `variables` table."""

    table: TableName = field(metadata=_says("Table in which it occurs."))
    role: Literal["covariate", "marker", "qol", "treatment"] | None = field(
        default=None, metadata=_says("Default: that of its table.")
    )
    group: str | None = field(
        default=None, metadata=_says("Covariates of one group share a shrinkage scale.")
    )
    unit: str | None = field(
        default=None, metadata=_says("Unit in UCUM, to which values are converted.")
    )
    min: float | None = field(default=None, metadata=_says("Smallest possible value."))
    max: float | None = field(default=None, metadata=_says("Largest possible value."))
    levels: Words = field(default=(), metadata=_says("Categories, the reference first."))
    description: str | None = field(default=None, metadata=_says("What is measured, and how."))
    molar_mass: float | None = field(
        default=None, metadata=_says("In g/mol, for mass to amount of substance.")
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Tables:
    """Parts of each table of the contract: one, or a list of them."""

    patients: tuple[PatientsPart, ...] = field(metadata=_says("One row a patient."))
    genomics: tuple[WidePart, ...] = field(
        default=(), metadata=_says("One row a patient, one column a lesion.")
    )
    visits: tuple[VisitsPart, ...] = field(default=(), metadata=_says("Repeated measurements."))
    events: tuple[EventsPart, ...] = field(metadata=_says("Dated events, and how the record ends."))
    treatments: tuple[TreatmentsPart, ...] = field(default=(), metadata=_says("Treatments."))


@dataclass(frozen=True, kw_only=True, slots=True)
class Omop:
    """What is read of a database in the OMOP common data model."""

    schema: str | None = field(
        default=None, metadata=_says("Schema of the tables, where it is not the database's own.")
    )
    diagnosis: Words = field(
        default=(),
        metadata=_says("Concept ids of conditions: who has one is a patient, from the first on."),
    )
    concepts: Mapping[str, Words] = field(
        default_factory=_nothing,
        metadata=_says("Table: concept ids of the rows that are read of it; default: all."),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceText:
    """What is written of the source beside the cohort."""

    title: str | None = None
    origin: str | None = None
    licence: str | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class MappingFile:
    """A mapping file."""

    schema: Literal["twinbayes/mapping/v1"] = field(metadata=_says("The form of this file."))
    name: str = field(metadata=_says("Name of the cohort."))
    simulated: bool = field(metadata=_says("Whether no row describes a real person."))
    source: SourceText | None = field(
        default=None, metadata=_says("Title, origin, licence and note of the source.")
    )
    format: str | None = field(
        default=None, metadata=_says("Reader of the source; default: by what the source is.")
    )
    omop: Omop | None = field(
        default=None, metadata=_says("Of a database in the OMOP common data model.")
    )
    views: Words = field(
        default=(),
        metadata=_says("View definitions of SQL on FHIR beside this file, for FHIR."),
    )
    encoding: Encoding = field(default="utf-8", metadata=_says("Of text files."))
    delimiter: Literal[",", ";", "\t", "|"] | None = field(
        default=None, metadata=_says("Default: by the header.")
    )
    decimal: Decimal = field(default=".", metadata=_says("Decimal mark."))
    dates: str | None = field(
        default=None,
        metadata=_says("Format of dates; with it every day is a date, unless it says date: days."),
    )
    data_cutoff: date | None = field(
        default=None,
        metadata=_says("Day of the export, such as 2024-12-31: a later date is refused."),
    )
    missing: Words = field(
        default=(), metadata=_says("Codes for a missing value, beside blank cells.")
    )
    tables: Tables = field(metadata=_says("Parts of each table of the contract."))
    variables: Mapping[str, Variable] = field(
        default_factory=_nothing, metadata=_says("Covariates, markers and treatments.")
    )
