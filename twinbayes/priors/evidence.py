"""What a prior rests on: one row a reason, with its source and how much it counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from twinbayes.priors.records import number_fault, read, refuse, text_faults, word_fault
from twinbayes.showing import brief

EVIDENCE_KINDS: Final = ("scale argument", "publication", "data", "expert")
SIMILARITIES: Final = ("same population", "similar", "indirect")


@brief
@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """One reason for a prior.

    Attributes
    ----------
    kind
        ``"scale argument"``, ``"publication"``, ``"data"`` or ``"expert"``.
    statement
        What the evidence says.
    source
        The citation, or where else it can be checked; required unless `kind` is a scale argument.
    n
        Patients (or events, as the statement says) behind it.
    observed
        What was seen in them: responders, a mean, a log hazard ratio.
    similarity
        How close they are to the entry's population: ``"same population"``, ``"similar"`` or
        ``"indirect"``.
    weight
        Share of it that counted, from 0 (context only) to 1 (in full).

    Examples
    --------
    >>> Evidence(kind="scale argument", statement="From 0.2 % to 98 % of patients a year.").kind
    'scale argument'
    """

    kind: str
    statement: str
    source: str = ""
    n: int | None = None
    observed: float | None = None
    similarity: str = ""
    weight: float | None = None

    def __post_init__(self) -> None:
        faults = text_faults(self, (), ("kind", "statement", "source", "similarity"))
        if not faults:
            faults = word_fault("evidence kind", self.kind, EVIDENCE_KINDS)
            if not self.statement.strip():
                faults.append("evidence needs a statement.")
            if self.kind != "scale argument" and not self.source.strip():
                faults.append(f"evidence of kind {self.kind!r} needs a source.")
            if self.similarity:
                faults += word_fault("similarity", self.similarity, SIMILARITIES)
        if self.n is not None and (type(self.n) is not int or self.n < 1):
            faults.append("key 'n' must be a whole number from 1.")
        if self.observed is not None:
            faults.append(number_fault("observed", self.observed))
        if self.weight is not None:
            faults.append(number_fault("weight", self.weight, 0.0, 1.0))
        refuse("evidence", [fault for fault in faults if fault])
        for key in ("kind", "statement", "source", "similarity"):
            object.__setattr__(self, key, getattr(self, key).strip())

    @classmethod
    def from_dict(cls, record: object) -> Evidence:
        """Read one item of a YAML list; unknown keys are refused."""
        return read(cls, record, "evidence")

    @property
    def text(self) -> str:
        """One line: kind, statement, how it counted, source."""
        counted = [
            f"n = {self.n}" if self.n is not None else "",
            f"observed {self.observed:g}" if self.observed is not None else "",
            self.similarity,
            f"weight {self.weight:g}" if self.weight is not None else "",
        ]
        inside = ", ".join(part for part in counted if part)
        return (
            f"{self.kind}: {self.statement}"
            + (f" ({inside})" if inside else "")
            + (f" [{self.source}]" if self.source else "")
        )
