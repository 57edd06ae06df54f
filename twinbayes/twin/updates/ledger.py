"""A ledger of updates: what each one changed, in records that are chained by hashes."""

from __future__ import annotations

import os
from typing import Any, Self

from twinbayes.hash_chain import HashChain
from twinbayes.twin.patients import Patients
from twinbayes.twin.updates.replay import describe_update


class Ledger(HashChain):
    """The ledger at a path; `begin` makes one.

    It names no patient, but holds days and forecasts of single patients: keep it where their
    records may be.

    Examples
    --------
    >>> who = fit.cohort.patient_ids[0]
    >>> visits = fit.cohort.visits.query("patient_id == @who and 20 < day <= 60")
    >>> twin = fit.twin(who, at=20)
    >>> record = Ledger.begin("updates.jsonl").append(twin.update(visits))
    >>> len(Ledger("updates.jsonl").records())
    1
    """

    @classmethod
    def begin(cls, path: str | os.PathLike[str]) -> Self:
        """Make an empty ledger: the file and its head.

        Raises
        ------
        StorageError
            One of the two files is there, or the folder cannot be written to.

        Examples
        --------
        >>> ledger = Ledger.begin("updates.jsonl")
        >>> ledger.records()
        []
        """
        return super().begin(path)

    def append(self, twin: Patients) -> dict[str, Any]:
        """Append the last update of a twin; on return it is on disk.

        Parameters
        ----------
        twin
            What `Twin.update` returned.

        Returns
        -------
        dict
            The record. Its `hash` is the new head of the ledger.

        Raises
        ------
        TwinError
            The twin was not updated, or does not come from a fit.
        StorageError
            The ledger is not whole, or one of its files is missing, or the disk refuses; it is
            then as it was.
        """
        return self._append(describe_update(twin))
