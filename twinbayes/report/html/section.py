"""A row of the table that a report is made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from twinbayes.checks.result import Topic
from twinbayes.report.html.fragments import Block


@dataclass(frozen=True, kw_only=True)
class Section[Evidence]:
    """What a report shows under one heading.

    Attributes
    ----------
    show
        From the evidence of the report to what is shown of it.
    heading
        Heading of the section; without one, what is shown continues the section above.
    topic
        Topic of the checks that are shown here; None if no check is.
    prose
        A sentence or two below the heading: plain text, no markup.
    number
        In reviews, the section in which it is shown, from 0 to 19.
    """

    show: Callable[[Evidence], Block]
    heading: str = ""
    topic: Topic | None = None
    prose: str = ""
    number: int | None = None

    @property
    def markdown(self) -> str:
        """Heading and prose, as a notebook shows them."""
        return f"## {self.heading}\n{self.prose}" if self.heading else self.prose
