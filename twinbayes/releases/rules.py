"""Which state may follow on which, and who may sign it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from twinbayes.errors import ReleaseError, require_known
from twinbayes.releases.lines import (
    DRAFT,
    RELEASE_STATES,
    RELEASED,
    REVIEWED,
    WITHDRAWN,
    signatory_of,
)
from twinbayes.releases.people import Signatory, Trusted

_FOLLOWS: Final[Mapping[str, tuple[str | None, ...]]] = {
    DRAFT: (None,),
    REVIEWED: (DRAFT,),
    RELEASED: (REVIEWED,),
    WITHDRAWN: (None, DRAFT, REVIEWED, RELEASED),
}


def require_step(
    records: Sequence[Mapping[str, Any]],
    state: str,
    fit: str,
    who: Signatory,
    now: str,
    trusted: Trusted,
) -> None:
    """Refuse a line that may not follow on those of a log.

    Withdrawing needs one person who counts, whatever else is wrong with the lines before.

    Raises
    ------
    ReleaseError
        As `faults_of` says.
    """
    require_known(state, RELEASE_STATES, "state of a fit")
    line = {"state": state, "fit": fit, "name": who.name, "role": who.role, "key": who.key,
            "created": now}  # fmt: skip
    faults = faults_of([*records, line], trusted)
    if state == WITHDRAWN:
        counted = [r for r in records if signatory_of(r) in trusted.people]
        faults = faults if WITHDRAWN in [r["state"] for r in counted] else []
    if faults:
        raise ReleaseError(faults[-1] if state == WITHDRAWN else faults[0])


def faults_of(
    records: Sequence[Mapping[str, Any]], trusted: Trusted | None, fit: str | None = None
) -> list[str]:
    """What is wrong with the lines of a log, each a sentence.

    Parameters
    ----------
    records
        Lines that are whole and signed.
    trusted
        Whose signatures count; None: whoever signed.
    fit
        SHA-256 of the file as it is; None: not looked at.
    """
    found: list[str] = []
    for k, record in enumerate(records):
        found += [f"Line {k + 1}: {fault}" for fault in _faults_of(records[:k], record, trusted)]
    if records and fit is not None and records[0]["fit"] != fit:
        found.append(
            f"The file of the fit ({fit[:12]}) is not the one that was signed "
            f"({records[0]['fit'][:12]}): it was changed, or the log is of another fit. Restore "
            "the file; a new fit has a name and a log of its own."
        )
    return found


def _faults_of(
    before: Sequence[Mapping[str, Any]], record: Mapping[str, Any], trusted: Trusted | None
) -> list[str]:
    found = []
    who, state = signatory_of(record), record["state"]
    if trusted is not None and who not in trusted.people:
        found.append(
            f"signed by {who.name!r} ({who.role}) with the key {who.fingerprint}, who is not among "
            "those who are trusted with it. The line does not count: ask who wrote it."
        )
    last = before[-1] if before else None
    if (None if last is None else last["state"]) not in _FOLLOWS[state]:
        follows = " or ".join(one or "no line" for one in _FOLLOWS[state])
        found.append(
            f"{state!r} follows on {follows}, and the fit is "
            f"{'not in the log' if last is None else repr(last['state'])}."
        )
    if before and before[0]["fit"] != record["fit"]:
        found.append(
            f"is of another file ({record['fit'][:12]}) than the log ({before[0]['fit'][:12]}): "
            "the fit was changed, or the log is of another. A new fit has a name and a log of its "
            "own."
        )
    if last is not None and state != WITHDRAWN and _time(record) < _time(last):
        found.append(
            f"its time, {record['created']}, is before that of the line above, {last['created']}. "
            "Set the clock of the machine."
        )
    if state == RELEASED:
        found += [
            f"{who.name!r} reviewed the fit as {other.name!r}, by the name or by the key, and "
            "may not release it. Two people are needed: have somebody else release it."
            for other in (signatory_of(r) for r in before if r["state"] == REVIEWED)
            if other.is_same_person(who)
        ]
    return found


def _time(record: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(record["created"])
