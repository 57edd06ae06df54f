"""Visits of one marker that count one by one in a likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from twinbayes.arrays import Floats, Groups, Ints


@dataclass(frozen=True)
class VisitTable:
    """Visits that count one by one.

    Attributes
    ----------
    patient, columns, value, code
        (visit,) patient; (visit, column) basis, or years alone for a mean function; (visit,)
        value on the sampling scale, and what it contributes, one of the codes of `family`.
    """

    patient: Ints
    columns: Floats
    value: Floats
    code: Ints

    @cached_property
    def _groups(self) -> Groups:
        return Groups.of(self.patient)

    def of(self, i: int) -> Ints:
        """Rows of patient `i`."""
        return self._groups.at(i)
