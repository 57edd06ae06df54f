"""What every check returns: a verdict, the numbers behind it, and a sentence to read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape
from typing import Final, Literal

import pandas as pd

from twinbayes.checks.suppression import SHOWN, of_shown, publishable
from twinbayes.errors import require_known
from twinbayes.estimators import CountingProcess
from twinbayes.showing import LONGEST, cut, frame_table

type CheckVerdict = Literal["pass", "warn", "fail", "info", "not_provided"]
type Topic = Literal[
    "prior predictive",
    "shrinkage",
    "calibration",
    "scores",
    "out-of-sample scores",
    "prior sensitivity",
    "borrowing",
    "simulation-based calibration",
    "fairness",
    "operating characteristics",
    "further",
]

VERDICTS: Final[tuple[CheckVerdict, ...]] = ("pass", "warn", "fail", "info", "not_provided")

PRIOR_PREDICTIVE: Final = "prior predictive"
SHRINKAGE: Final = "shrinkage"
CALIBRATION: Final = "calibration"
SCORES: Final = "scores"
OUT_OF_SAMPLE: Final = "out-of-sample scores"
SENSITIVITY: Final = "prior sensitivity"
BORROWING: Final = "borrowing"
SIMULATION_BASED: Final = "simulation-based calibration"
FAIRNESS: Final = "fairness"
OPERATING: Final = "operating characteristics"
FURTHER: Final = "further"
TOPICS: Final[tuple[Topic, ...]] = (
    PRIOR_PREDICTIVE, SHRINKAGE, CALIBRATION, SCORES, OUT_OF_SAMPLE, SENSITIVITY, BORROWING,
    SIMULATION_BASED, FAIRNESS, OPERATING, FURTHER,
)  # fmt: skip

_LABELS: Final = {
    "pass": "PASS",
    "warn": "WARNING",
    "fail": "FAIL",
    "info": "INFORMATION",
    "not_provided": "NOT PROVIDED",
}
# Okabe–Ito colours: told apart by colour-blind readers, and the label always stands beside them.
_COLOURS: Final = {
    "pass": "#009E73",
    "warn": "#E69F00",
    "fail": "#D55E00",
    "info": "#0072B2",
    "not_provided": "#666666",
}


@dataclass(frozen=True, repr=False)
class CheckResult:
    """Outcome of one check.

    Attributes
    ----------
    name
        Short name of the check, unique in a report.
    verdict
        ``"pass"``, ``"warn"``, ``"fail"``, ``"info"`` (numbers without a bar to clear) or
        ``"not_provided"`` (no evidence was given).
    table
        The numbers behind the verdict; may be empty. Reports, files and notebooks show it as
        `published` has it: without counts from 1 to 4.
    text
        One or two sentences: what was compared, and with what outcome.
    topic
        What the check is about, one of `TOPICS`: decides in which section of a report it is shown.
        By default ``"further"``.

    Raises
    ------
    OptionError
        If the verdict is not one of the five, or the topic is not known.

    Examples
    --------
    >>> CheckResult("patients", "info", pd.DataFrame({"n": [40]}), "Forty patients.").label
    'INFORMATION'
    """

    name: str
    verdict: CheckVerdict
    table: pd.DataFrame
    text: str
    topic: Topic = FURTHER

    def __post_init__(self) -> None:
        require_known(self.verdict, VERDICTS, "verdict")
        require_known(self.topic, TOPICS, "topic")

    @classmethod
    def not_provided(cls, name: str, why: str, *, topic: Topic = FURTHER) -> CheckResult:
        """Return the result of a check for which there is no evidence."""
        return cls(name, "not_provided", pd.DataFrame(), why, topic)

    @property
    def label(self) -> str:
        """The verdict in capitals, as reports print it."""
        return _LABELS[self.verdict]

    @property
    def published(self) -> CheckResult:
        """The same check with a table that shows no small cell, nor a way back to one."""
        return replace(self, table=publishable(self.table)) if len(self.table) else self

    def __str__(self) -> str:
        return f"{self.name}: {self.label}. {self.text}"

    def __repr__(self) -> str:
        start = f"<CheckResult {self.name!r}: {self.label}, {len(self.table)} rows"
        return f"{start}; {cut(self.text, LONGEST - len(start) - 3)}>"

    def _repr_html_(self) -> str:
        banner = (
            f'<p><strong style="color:{_COLOURS[self.verdict]}">{self.label}</strong> '
            f"<strong>{escape(self.name)}</strong>: {escape(self.text)}</p>"
        )
        if self.table.empty:
            return banner
        return banner + frame_table(self.name, self.published.table, index=False)


def as_shown(check: CheckResult, process: CountingProcess, column: str) -> CheckResult:
    """Mark rows of states of which nothing may be shown; `column` names the states."""
    if column not in check.table:
        return check
    return replace(
        check, table=check.table.assign(**{SHOWN: of_shown(check.table[column], process)})
    )
