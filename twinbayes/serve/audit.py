"""The audit log: who saw and did what, when, with which fit; each line carries the hash before."""

from __future__ import annotations

import os
from typing import Any

from twinbayes.hash_chain import HashChain
from twinbayes.serve.access import Person


class AuditLog(HashChain):
    """Views, what-ifs and refusals, as records of a chain.

    Patients are named by pseudonyms, and no value of anybody is in it.

    Examples
    --------
    >>> log = AuditLog.begin("audit.jsonl")  # doctest: +SKIP
    >>> log.add(person, "view", status=200, patient="p-7k2m…", fit="3f…")  # doctest: +SKIP
    """

    def _end(self, file: int) -> tuple[int, int, str]:
        """As of any chain; one that is as this object left it is not read again from its start.

        A log of years would take seconds a line. What is changed in between by anybody else,
        or under another head, is read and verified whole, and always by `records`.
        """
        head = self._head()
        if self.__dict__.get("_left") == (head, _state(file)):
            return head
        return super()._end(file)

    def _remember(self, file: int) -> None:
        self.__dict__["_left"] = self._head(), _state(file)

    def add(
        self, person: Person | None, action: str, *, status: int, patient: str = "", fit: str = ""
    ) -> dict[str, Any]:
        """Append one line.

        Parameters
        ----------
        person
            Who asked; None of somebody who is not known.
        action
            What was asked for: the name of a page.
        status
            What was answered, as HTTP has it: 200 is seen, 403 refused.
        patient
            Pseudonym.
        fit
            Hash of the fit's file.

        Raises
        ------
        StorageError
            The log is not whole, or cannot be written to: then nothing may be shown.
        """
        return self._append(
            {
                "person": "" if person is None else person.name,
                "role": "" if person is None else person.role.value,
                "action": action,
                "status": status,
                "patient": patient,
                "fit": fit,
            }
        )


def _state(file: int) -> tuple[int, ...]:
    """What changes when a file is written to."""
    stat = os.fstat(file)
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
