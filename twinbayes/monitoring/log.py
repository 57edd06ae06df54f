"""The log of a monitor: looks, alarms and who closed them, chained by hashes."""

from __future__ import annotations

from typing import Any, Final

from twinbayes.errors import OptionError, StorageError
from twinbayes.hash_chain import HashChain

LOOK: Final = "look"
CLOSED: Final = "closed"


class MonitorLog(HashChain):
    """What a monitor saw at each look, and what people did about it.

    It holds counts and expectations of groups, small ones too, and names nobody: keep it where
    records of patients may be.

    Examples
    --------
    >>> from twinbayes.monitoring import MonitorLog, watch
    >>> log = MonitorLog.begin("monitor.jsonl")
    >>> look = watch(fit).look(tb.datasets.simulated_registry())
    >>> log.add_look(look)["kind"], log.open_alarms()
    ('look', [])
    """

    def add_look(self, look: Any) -> dict[str, Any]:
        """Append a look.

        Parameters
        ----------
        look
            What `Watch.look` returned.

        Returns
        -------
        dict
            The record.

        Raises
        ------
        StorageError
            The log is of another watch, had more patients, has had an alarm closed meanwhile, or
            is not whole.
        """
        told = look.to_dict()

        def misfits(records: list[dict[str, Any]]) -> None:
            looks = [r for r in self._ours(records) if r["kind"] == LOOK]
            if looks and looks[-1]["watch"] != told["watch"]:
                raise StorageError(
                    f"{self.path.name}: was begun with another fit, or other options. E-values of "
                    "two watches are not of one process: begin another log."
                )
            if looks and looks[-1]["patients"] > told["patients"]:
                raise StorageError(
                    f"{self.path.name}: there were more patients at the last look. Give all "
                    "records as they are now, those of earlier looks among them."
                )
            if self._since(records) != look.since:
                raise StorageError(
                    f"{self.path.name}: an alarm was closed since the look was begun, or the look "
                    "does not begin there. Look again, with `since` from this log."
                )

        return self._append({"kind": LOOK, **told}, unless=misfits)

    def records(self, *, head: str | None = None) -> list[dict[str, Any]]:
        """Read and verify all records; see `HashChain.records`.

        Raises
        ------
        StorageError
            It is not whole, or the chain of something else.
        """
        return self._ours(super().records(head=head))

    def _ours(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if any(r.get("kind") not in (LOOK, CLOSED) for r in records):
            raise StorageError(
                f"{self.path.name}: is whole, and no log of a monitor. Give that which "
                "`twinbayes monitor` wrote, or begin another."
            )
        return records

    def open_alarms(self) -> list[dict[str, Any]]:
        """Alarms that nobody has closed: what each is about, and since when there is one.

        Raises
        ------
        StorageError
            The log is not whole.
        """
        found: dict[str, dict[str, Any]] = {}
        for record in self.records():
            if record["kind"] == CLOSED:
                found.pop(record["about"], None)
            else:
                for about in record["alarms"]:
                    found.setdefault(about, {"about": about, "since": record["created"]})
        return list(found.values())

    def since(self) -> dict[str, dict[str, tuple[float, float]]]:
        """Counts at the last look before each alarm was closed: evidence begins anew there.

        Returns
        -------
        dict
            By kind and cell, events observed and expected; for `Watch.look`.

        Raises
        ------
        StorageError
            The log is not whole.
        """
        return self._since(self.records())

    def _since(self, records: list[dict[str, Any]]) -> dict[str, dict[str, tuple[float, float]]]:
        out: dict[str, dict[str, tuple[float, float]]] = {}
        totals: dict[str, dict[str, list[float]]] = {}
        for record in records:
            if record["kind"] == LOOK:
                totals = record["totals"]
            else:
                at = totals.get(record["about"], {})
                out[record["about"]] = {cell: (n, mean) for cell, (n, mean) in at.items()}
        return out

    def close(self, about: str, *, who: str, why: str) -> dict[str, Any]:
        """Append that a person has dealt with an alarm; evidence then begins anew.

        Parameters
        ----------
        about
            ``hazards`` or ``policy``, as `open_alarms` has it.
        who, why
            The person, and what was found or done.

        Returns
        -------
        dict
            The record.

        Raises
        ------
        OptionError
            There is no such open alarm, or nobody or nothing is said.
        StorageError
            The log is not whole.
        """
        for name, words in (("who", who), ("why", why)):
            if not isinstance(words, str) or not words.strip():
                raise OptionError(
                    f"{name} (--{name}): say it in words; an alarm is closed by a person."
                )
        known = [a["about"] for a in self.open_alarms()]
        if about not in known:
            open_ones = ", ".join(map(repr, known)) or "none"
            raise OptionError(f"There is no open alarm about {about!r}. Open: {open_ones}.")
        return self._append({"kind": CLOSED, "about": about, "who": who, "why": why})
