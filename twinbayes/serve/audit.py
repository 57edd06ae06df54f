"""The audit log: who saw and did what, when, with which fit; each line carries the hash before."""

from __future__ import annotations

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
