"""What a review's sections stand at: who has signed what, of which version, and what is open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from twinbayes.serve.workbench.review_page import ReviewPage, ReviewSection
from twinbayes.serve.workbench.signatures import Decision, needs_answer

UNSIGNED: Final = "unsigned"
EARLIER: Final = "earlier"
#: What leaves a section open, in the order of the list.
OPEN: Final = ("failed", "missing", "reject", "revise", "earlier", "comment")


@dataclass(frozen=True)
class Line:
    """One line of the file of signatures, held against the review.

    Attributes
    ----------
    record
        As the file has it.
    is_current
        Whether it is of this fit, and of the section as it is now.
    is_last
        Whether it is the person's last decision on the section as it is now.
    answers
        Numbers of the records that answer it.
    """

    record: Mapping[str, Any]
    is_current: bool
    is_last: bool
    answers: tuple[int, ...]

    @property
    def is_unanswered(self) -> bool:
        """Whether it is a comment that nobody has answered."""
        return needs_answer(self.record) and not self.answers


@dataclass(frozen=True)
class Standing:
    """Where one section stands.

    Attributes
    ----------
    section
        The section.
    lines
        Of this section, in the order in which they were written.
    decision
        The gravest of everyone's last decision on the section as it is now: reject, revise,
        approve; `earlier` where all sign-offs are of an earlier version, `unsigned` without any.
    signers
        Whose last decision that is.
    open
        Why the section is open, of `OPEN`; none if it is not.
    """

    section: ReviewSection
    lines: tuple[Line, ...]
    decision: str
    signers: tuple[str, ...]
    open: tuple[str, ...]

    @property
    def unanswered(self) -> tuple[Line, ...]:
        """Comments that nobody has answered."""
        return tuple(line for line in self.lines if line.is_unanswered)


def standings(
    review: ReviewPage, records: Sequence[Mapping[str, Any]]
) -> tuple[tuple[Standing, ...], tuple[Line, ...]]:
    """Hold every line against the review.

    Returns
    -------
    tuple
        One standing a section, in the order of the review; and lines of sections that the review
        does not have.
    """
    found = tuple(_standing(review.fit, section, records) for section in review.sections)
    names = {section.name for section in review.sections}
    rest = [r for r in records if r["section"] not in names]
    return found, tuple(Line(r, False, False, _answers(r, records)) for r in rest)


def _standing(fit: str, section: ReviewSection, records: Sequence[Mapping[str, Any]]) -> Standing:
    mine = [r for r in records if r["section"] == section.name]
    now = [r for r in mine if r["fit"] == fit and r["content"] == section.content]
    last = {r["person"]: r for r in now if r["decision"] != Decision.COMMENT}
    lines = tuple(Line(r, r in now, last.get(r["person"]) is r, _answers(r, mine)) for r in mine)
    decision = next(
        (
            d.value
            for d in (Decision.REJECT, Decision.REVISE, Decision.APPROVE)
            if any(r["decision"] == d for r in last.values())
        ),
        EARLIER if any(r["decision"] != Decision.COMMENT for r in mine) else UNSIGNED,
    )
    signers = tuple(name for name, r in last.items() if r["decision"] == decision)
    ever = {r["person"]: r for r in mine if r["decision"] != Decision.COMMENT}
    against = (Decision.REVISE, Decision.REJECT)
    left = [r for p, r in ever.items() if r["decision"] in against and last.get(p) is not r]
    is_open = {
        "failed": section.n_failed > 0,
        "missing": section.n_missing > 0,
        "reject": decision == Decision.REJECT,
        "revise": any(r["decision"] == Decision.REVISE for r in last.values()),
        "earlier": decision == EARLIER or bool(left),  # objections of before that still stand
        "comment": any(line.is_unanswered for line in lines),
    }
    return Standing(section, lines, decision, signers, tuple(k for k in OPEN if is_open[k]))


def _answers(record: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> tuple[int, ...]:
    return tuple(r["record"] for r in records if r["answers"] == record["record"])
