"""Languages of the pages: a catalogue of strings each, and numbers as they write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal, format_percent, get_decimal_symbol

from twinbayes.cohort.quality.suppression import HIDDEN, SUPPRESSED
from twinbayes.errors import OptionError
from twinbayes.report.figures.look import words

_FOLDER: Final = Path(__file__).parent / "catalogue"
_SUPERSCRIPTS: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
LANGUAGES: Final = tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))
"""Codes of the languages that there are."""


@dataclass(frozen=True)
class Language:
    """The strings of one language.

    Attributes
    ----------
    code
        ISO 639-1.
    strings
        By key.
    names
        Of states, treatments, subgroups, covariates and levels, where they are known in it.

    Examples
    --------
    >>> language_of("it")("patient.of_hundred", n=62)
    '62 su 100'
    >>> language_of("it").number(1234.5, 1), language_of("en").number(1234.5, 1)
    ('1.234,5', '1,234.5')
    """

    code: str
    strings: Mapping[str, str]
    names: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, key: str, /, **values: Any) -> str:
        """The string of a key, numbers written as the language does."""
        told = {
            name: self.number(value, 1) if isinstance(value, float) else value
            for name, value in values.items()
        }
        return self.strings[key].format(**told)

    def name(self, name: str) -> str:
        """A name of the data or the model, in words."""
        return self.names.get(name) or words(name)

    def told(self, value: object) -> str:
        """A value of a record."""
        if value is None:
            return self("patient.not_known")
        if isinstance(value, bool | np.bool_):
            return self("patient.yes" if value else "patient.no")
        if isinstance(value, int | float | np.integer | np.floating):
            return self.number(float(value), _digits(float(value)))
        return self.name(str(value))

    def unit(self, unit: str) -> str:
        """A unit of UCUM as people write it; nothing of what has none."""
        if unit in ("", "1"):
            return ""
        powers = re.sub(r"10\*(-?\d+)", lambda m: "10" + m[1].translate(_SUPERSCRIPTS), unit)
        return self.strings.get(f"unit.{unit}", powers)

    def size(self, count: str) -> str:
        """A number of patients as it may be shown: small ones and what tells them are withheld."""
        known = {SUPPRESSED: "size.few", HIDDEN: "size.hidden"}
        return self(known[count]) if count in known else self.number(float(count))

    def number(self, value: float, digits: int = 0) -> str:
        """A number with so many digits behind the decimal mark, at most."""
        pattern = "#,##0" + ("." + "#" * digits if digits else "")
        return str(format_decimal(round(value, digits), format=pattern, locale=self.code))

    def pointed(self, text: str) -> str:
        """A number as somebody wrote it, with a point for a decimal comma of the language.

        What holds a point as well stays as it is: which of the two marks thousands is not guessed.
        """
        is_decimal = get_decimal_symbol(self.code) == "," and text.count(",") == 1
        return text.replace(",", ".") if is_decimal and "." not in text else text

    def percent(self, share: float) -> str:
        """A share in whole per cent."""
        return str(format_percent(round(share, 2), locale=self.code))

    def years(self, years: float) -> str:
        """A number of years, in words."""
        return self("patient.year" if years == 1.0 else "patient.years", years=float(years))

    def day(self, when: Any) -> str:
        """A date."""
        return str(format_date(when, "d MMMM yyyy", locale=self.code))

    def moment(self, when: Any) -> str:
        """A day and a time, in UTC wherever it is read."""
        return f"{format_datetime(when.astimezone(UTC), 'medium', locale=self.code)} UTC"


@cache
def language_of(code: str) -> Language:
    """Return a language.

    Raises
    ------
    OptionError
        There is none of this code.
    """
    if code not in LANGUAGES:
        raise OptionError(f"There is no language {code!r}; there are {', '.join(LANGUAGES)}.")
    names = _FOLDER / "names" / f"{code}.yaml"
    return Language(code, _read(_FOLDER / f"{code}.yaml"), _read(names) if names.exists() else {})


def _read(path: Path) -> dict[str, str]:
    return {str(k): str(v) for k, v in yaml.safe_load(path.read_text(encoding="utf-8")).items()}


def _digits(value: float) -> int:
    """Two behind the decimal mark, or as many as show the first two that are not 0."""
    return 2 if not 0.0 < abs(value) < 0.1 else 1 - int(np.floor(np.log10(abs(value))))
