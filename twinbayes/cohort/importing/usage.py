"""What an import has used of its source, for the ledger."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from twinbayes.cohort.importing.cells.values import Substituted


@dataclass(slots=True)
class Usage:
    """Columns that were read, and why rows were left out.

    Attributes
    ----------
    columns
        Source table -> positions of the columns that the mapping reads.
    looked_up
        Source table -> rows that columns of other tables' parts were read from.
    substituted
        Source table, column, and limit with the number that stands for it -> rows.
    reasons
        Source table -> row -> rule of `LISTED`; what another part uses is not left out.
    """

    looked_up: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    substituted: defaultdict[tuple[str, str, Substituted], set[int]] = field(
        default_factory=lambda: defaultdict(set)
    )
    columns: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    reasons: defaultdict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
