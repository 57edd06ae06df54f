"""Times of one phenopacket as moments that can be compared: ages, timestamps, and both."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from twinbayes.cohort.importing.cells.values import Problem
from twinbayes.cohort.importing.readers.clinical_json.times import (
    DAYS_A_YEAR,
    Clocks,
    after_birth,
    age_days,
    moment_of,
    precision_of,
)

_KIND: Final = Problem("time-kind", "ages and timestamps are told, and no exact date of birth")
_NO_DAY: Final = Problem("time-kind", "the time is an ontology class or a gestational age")
_AGES: Final = ("age", "ageRange")
_STAMPS: Final = ("timestamp", "interval")


class Told(NamedTuple):
    """A time as cells.

    Attributes
    ----------
    at
        The moment, the end of a range.
    lower
        The beginning of a range, else None.
    precision
        The smallest part that is told: ``year``, ``month``, ``week``, ``day`` or ``time``.
    age
        Age in years, to a tenth, where an age is told.
    """

    at: object = None
    lower: object = None
    precision: str | None = None
    age: object = None


class PacketTimes:
    """Times of one phenopacket.

    Ages alone are compared with each other, and so are timestamps. Where a packet has both, the
    date of birth relates them, if it is exact: by the standard it is rounded down to the first of a
    month or year where the day is not known.
    """

    def __init__(self, packet: Mapping[str, Any], clocks: Clocks) -> None:
        self._clocks = clocks
        found = packet["subject"].get("dateOfBirth")
        self.birth: object = None if found is None else moment_of(found, clocks)
        kinds = _kinds(packet)
        mixed = "age" in kinds and "stamp" in kinds
        self._born: datetime | None = None
        self._related = True
        if mixed:
            born = self.birth
            exact = isinstance(born, date) and born.day != 1
            self._related = exact
            if exact and isinstance(born, date):
                self._born = datetime(born.year, born.month, born.day)

    def told(self, element: Mapping[str, Any] | None) -> Told:
        """The cells of a TimeElement."""
        if element is None:
            return Told()
        if "age" in element:
            return self._age(element["age"]["iso8601duration"])
        if "ageRange" in element:
            ends = element["ageRange"]
            start, end = (
                self._age(ends[key]["iso8601duration"]) if key in ends else Told()
                for key in ("start", "end")
            )
            return end._replace(lower=start.at)
        if "timestamp" in element:
            return self.stamp(element["timestamp"])
        if "interval" in element:
            ends = element["interval"]
            return self.stamp(ends.get("end"))._replace(lower=self.stamp(ends.get("start")).at)
        return Told(at=_NO_DAY)

    def stamp(self, text: str | None) -> Told:
        """The cells of a timestamp."""
        if text is None:
            return Told()
        if not self._related:
            return Told(at=_KIND)
        return Told(at=moment_of(text, self._clocks), precision="time" if "T" in text else "day")

    def _age(self, text: str) -> Told:
        days = age_days(text)
        if isinstance(days, Problem):
            return Told(at=days, age=days)
        years = round(days / DAYS_A_YEAR, 1)
        return Told(at=after_birth(days, self._born), precision=precision_of(text), age=years)


def _kinds(packet: Mapping[str, Any]) -> set[str]:
    """Whether a packet tells ages, timestamps, or both; the date of birth is neither."""
    parts: list[Any] = [packet["subject"].get(k) for k in ("timeAtLastEncounter", "vitalStatus")]
    parts += [packet.get(k) for k in ("diseases", "phenotypicFeatures", "measurements")]
    parts.append(packet.get("medicalActions"))
    out: set[str] = set()
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            out |= {"age"} if any(key in part for key in _AGES) else set()
            out |= {"stamp"} if any(key in part for key in _STAMPS) else set()
            parts += part.values()
        elif isinstance(part, list):
            parts += part
    return out
