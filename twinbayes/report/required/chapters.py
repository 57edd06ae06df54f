"""The twenty sections of a review, each with its evidence, or with what would provide it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Final, Literal, Protocol

from twinbayes.errors import OptionError
from twinbayes.report.html import fragments as f
from twinbayes.report.html.page import guarded, source_of
from twinbayes.report.html.section import Section
from twinbayes.report.required.checklists import checklists
from twinbayes.report.required.context import FIELDS, ReviewContext
from twinbayes.report.required.demands import DEMANDS, Demand
from twinbayes.report.required.first_screen import Judged, first_screen

type Status = Literal["provided", "partial", "not-provided"]

_WORDS: Final[dict[Status, str]] = {
    "provided": "provided", "partial": "provided in part", "not-provided": "NOT PROVIDED",
}  # fmt: skip
#: Sections that only the author can fill, and the one about all others.
_FILLED_ELSEWHERE: Final = (1, 2, 18, len(DEMANDS) - 1)
_WORST_FIRST: Final = ("fail", "warn", "pass", "info")


class HasJudgement(Protocol):
    """The evidence of a review, of any kind of fit."""

    @property
    def judged(self) -> Judged:
        """What the first screen has to know."""
        ...


@dataclass(frozen=True)
class Chapter:
    """One of the twenty sections.

    Attributes
    ----------
    demand
        What is asked.
    shown
        What is shown of it.
    """

    demand: Demand
    shown: f.Block

    @property
    def status(self) -> Status:
        """Whether there is evidence: all of it, some, or none."""
        if not self.shown.gaps:
            return "provided"
        return "partial" if self.shown.given else "not-provided"

    @property
    def outcome(self) -> str:
        """The worst outcome of its checks; ``none`` without any."""
        found = {c.verdict for c in self.shown.checks}
        return next((verdict for verdict in _WORST_FIRST if verdict in found), "none")

    @property
    def markdown(self) -> str:
        """The heading, as a notebook shows it."""
        return f"## {self.demand.title}"

    def _repr_html_(self) -> str:
        d = self.demand
        line = (
            f'<p class="evidence" data-section="{escape(d.anchor, quote=True)}" '
            f'data-status="{self.status}" data-outcome="{self.outcome}">'
            f"{escape(d.asks)} <strong>Evidence: {_WORDS[self.status]}.</strong> "
            f"Demanded by: {escape(d.source)}.</p>"
        )
        return f"{line}\n{self.shown.html}"


def chapters[Evidence: HasJudgement](
    table: Iterable[Section[Evidence]],
    evidence: Evidence,
    context: ReviewContext,
    *,
    show_code: bool = False,
) -> tuple[Chapter, ...]:
    """Return all sections of a review, in order.

    Parameters
    ----------
    table
        What is shown, each row with the number of its section.
    evidence
        What the rows show.
    context
        What the author says of sections that no data can fill.
    show_code
        Show the function behind each row.

    Raises
    ------
    OptionError
        If a row has no number, or one that no section has.
    """
    rows = list(table)
    for row in rows:
        if row.number is None or not 0 <= row.number < len(DEMANDS):
            raise OptionError(
                f"The section {row.heading or row.show.__name__!r} of a review has the number "
                f"{row.number}. Give `number=` from 0 to {len(DEMANDS) - 1}: "
                f"{', '.join(d.title for d in DEMANDS)}."
            )
    found = [
        _chapter(demand, [r for r in rows if r.number == demand.number], evidence, context,
                 show_code=show_code)
        for demand in DEMANDS
    ]  # fmt: skip
    last = checklists({c.demand.number: _WORDS[c.status] for c in found})
    found[-1] = Chapter(DEMANDS[-1], last)
    by = [(c.demand, c.shown) for c in found]
    screen = guarded(lambda: first_screen(evidence.judged, by, context), DEMANDS[0].heading)
    listed = f.glance((c.demand.title, c.shown) for c in found)
    return (Chapter(DEMANDS[0], f.block(screen, listed, found[0].shown)), *found[1:])


def _chapter[Evidence](
    demand: Demand,
    rows: Sequence[Section[Evidence]],
    evidence: Evidence,
    context: ReviewContext,
    *,
    show_code: bool,
) -> Chapter:
    parts: list[f.Shown] = []
    for row in rows:
        if row.heading:
            parts.append(f.heading(row.heading))
        if row.prose:
            parts.append(f.paragraph(row.prose))
        if show_code:
            parts.append(f.folded("Code", f.paragraph(source_of(row.show), "code")))
        parts.append(guarded(partial(row.show, evidence), row.heading or demand.heading))
    if not rows and demand.number not in _FILLED_ELSEWHERE:
        parts.append(f.not_provided(f"To provide: {demand.provides}"))
    if any(number == demand.number for number, _ in FIELDS.values()):
        if rows:
            parts.append(f.heading("Statements of the author"))
        parts.append(context.section(demand.number))
    return Chapter(demand, f.block(*parts))
