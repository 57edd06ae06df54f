"""Updates of records that a person has confirmed: what was entered, by whom, and what it moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from twinbayes.cohort import Cohort
from twinbayes.errors import StorageError, TwinbayesError
from twinbayes.hash_chain import HashChain
from twinbayes.inference import Fit
from twinbayes.names import (
    EVENTS,
    LAST_CONTACT,
    PATIENT_ID,
    TREATMENTS,
    VISITS,
)
from twinbayes.serve.access import Person
from twinbayes.twin import Twin
from twinbayes.twin.updates.replay import describe_update, fit_identity, record_fingerprint
from twinbayes.twin.updates.rows import rows_of, with_rows


class ChangedError(TwinbayesError):
    """A record is not the one that somebody has looked at."""


@dataclass(frozen=True)
class News:
    """What has become known of one patient on one day.

    Attributes
    ----------
    day
        Since origin.
    values
        Marker → value, and whether it is a limit: ``none``, ``left`` (it is at most that),
        ``right``.
    event
        Of the model, or last contact; "" of none.
    treatment
        That started; "" of none.
    """

    day: float
    values: Mapping[str, tuple[float, str]]
    event: str = ""
    treatment: str = ""

    def added_to(self, twin: Twin) -> Twin:
        """The twin with this.

        Raises
        ------
        TwinbayesError
            It breaks a rule of the data contract, of the model, or of time.
        """
        visits = [(self.day, name, value, limit) for name, (value, limit) in self.values.items()]
        event = self.event or ("" if visits or self.treatment else LAST_CONTACT)
        tables = {
            VISITS: visits,
            EVENTS: [(self.day, event)] if event else [],
            TREATMENTS: [(self.day, self.treatment)] if self.treatment else [],
        }
        return with_rows(twin, tables)


class UpdateLog(HashChain):
    """Confirmed updates, each a record of a chain: all of it is kept, or nothing.

    A record is that of `twinbayes.twin.Ledger`, so that `twinbayes.twin.replay` does it again, and
    beside it the rows that were entered, with the patient's identifier: keep the file where
    patients' records may be.

    Examples
    --------
    >>> log = UpdateLog.begin("updates.jsonl")  # doctest: +SKIP
    >>> log.add(person, twin.update(visits))  # doctest: +SKIP
    """

    def add(self, person: Person, twin: Twin) -> dict[str, Any]:
        """Append the last update of a twin of one patient; on return it is on disk.

        Raises
        ------
        TwinError
            The twin was not updated.
        StorageError
            The log is not whole, somebody else has added to it, or the disk refuses; it is then
            as it was.
        """
        content = {
            **describe_update(twin),
            "person": person.name,
            "role": person.role.value,
            PATIENT_ID: twin.patient_ids[0],
            "rows": rows_of(twin),
        }

        def require_seen(records: list[dict[str, Any]]) -> None:
            seen = self.__dict__.get("_seen")
            if seen is not None and seen != len(records):
                raise StorageError(
                    f"{self.path.name}: somebody else has added to it. Start the explorer anew, "
                    "and let one at a time write to it."
                )

        record = self._append(content, unless=require_seen)
        self.__dict__["_seen"] = record["record"] + 1
        return record

    def records_of(self, fit: Fit, cohort: Cohort) -> dict[str, Twin]:
        """Every patient with updates, as all of them leave the record.

        Raises
        ------
        StorageError
            The log is not whole, or is not of this fit and these records.
        """
        found: dict[str, Twin] = {}
        records = self.records()
        for record in records:
            name, patient = f"{self.path.name}: record {record['record']}", record[PATIENT_ID]
            if patient not in found and patient not in cohort.patient_ids:
                raise StorageError(f"{name} is of a patient whom the cohort does not have.")
            before = found.get(patient) or fit.twin(cohort.select([patient]))
            (entry,) = record["patients"]
            if before.seen is None or fit_identity(before.seen, before) != record["fit"]:
                raise StorageError(
                    f"{name} was made under another fit. Begin a new file; what is in this one "
                    "belongs into the cohort of the new fit."
                )
            try:
                after = with_rows(before, record["rows"])
            except TwinbayesError as error:
                raise StorageError(f"{name} cannot be added to the record: {error}") from error
            ends = (record_fingerprint(before.cohort), record_fingerprint(after.cohort))
            if ends != (entry["before"], entry["after"]):
                raise StorageError(
                    f"{name} was made for another record of the patient. Give the cohort that the "
                    "updates were entered for, or begin a new file."
                )
            found[patient] = fit.twin(after.cohort)
        self.__dict__["_seen"] = len(records)
        return found
