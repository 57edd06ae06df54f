"""What every check returns: a verdict, the numbers behind it, and a sentence to read."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Final, Literal

import pandas as pd

from twinbayes.errors import require_known

type CheckVerdict = Literal["pass", "warn", "fail", "info", "not_provided"]

VERDICTS: Final[tuple[CheckVerdict, ...]] = ("pass", "warn", "fail", "info", "not_provided")

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


@dataclass(frozen=True)
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
        The numbers behind the verdict; may be empty.
    text
        One or two sentences: what was compared, and with what outcome.

    Raises
    ------
    OptionError
        If the verdict is not one of the five.
    """

    name: str
    verdict: CheckVerdict
    table: pd.DataFrame
    text: str

    def __post_init__(self) -> None:
        require_known(self.verdict, VERDICTS, "verdict")

    @classmethod
    def not_provided(cls, name: str, why: str) -> CheckResult:
        """Return the result of a check for which there is no evidence."""
        return cls(name, "not_provided", pd.DataFrame(), why)

    @property
    def label(self) -> str:
        """The verdict in capitals, as reports print it."""
        return _LABELS[self.verdict]

    def __str__(self) -> str:
        return f"{self.name}: {self.label}. {self.text}"

    def _repr_html_(self) -> str:
        banner = (
            f'<p><strong style="color:{_COLOURS[self.verdict]}">{self.label}</strong> '
            f"<strong>{escape(self.name)}</strong>: {escape(self.text)}</p>"
        )
        if self.table.empty:
            return banner
        return banner + str(
            self.table.to_html(index=False, escape=True, float_format="{:.4g}".format)
        )
