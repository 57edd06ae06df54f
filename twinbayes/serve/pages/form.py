"""The form in which a person is described, made from the variables that the model uses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from twinbayes.cohort import Cohort, new_patient
from twinbayes.names import CENTRE, SUBGROUP
from twinbayes.serve.explorer import Explorer
from twinbayes.serve.explorer.inputs import used_of
from twinbayes.serve.language import Language
from twinbayes.serve.pages.markers import unit_of
from twinbayes.serve.pages.page import Asked

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?([eE][+-]?[0-9]{1,2})?")


@dataclass(frozen=True, eq=False)
class Field:
    """One thing that is asked of a person.

    Attributes
    ----------
    name
        In the form.
    variable
        In the cohort; the same for subgroup and centre.
    title
        The variable in words.
    group
        Of the variable; "" of what is no covariate.
    unit
        As people write it.
    low, high
        Smallest and largest value of a number, None where nothing says it.
    choices
        Value → how it is told; of a number none.
    is_required
        Whether it may not be left blank.
    """

    name: str
    variable: str
    title: str
    group: str
    unit: str
    low: float | None
    high: float | None
    choices: dict[str, str]
    is_required: bool = False

    @property
    def label(self) -> str:
        """In words, with the unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    def limits(self, t: Language) -> str:
        """Between which numbers the value lies; "" where nothing says it."""
        if self.choices or self.low is None or self.high is None:
            return ""
        return t("patient.between", low=t.number(self.low, 6), high=t.number(self.high, 6))

    def read(self, t: Language, text: str) -> tuple[Any, str]:
        """The value of what was entered, None of nothing; and what is wrong with it."""
        if not text:
            needed = "new.required" if self.choices else "new.number"
            return None, t(needed) if self.is_required else ""
        if self.choices:
            if text not in self.choices:
                return None, t("new.unknown", known=", ".join(self.choices.values()))
            return self.read_choice(text), ""
        plain = t.pointed(text)
        if not _NUMBER.fullmatch(plain):
            return None, t("new.number")
        value = float(plain)
        if (self.low is not None and value < self.low) or (
            self.high is not None and value > self.high
        ):
            return None, self._beyond(t)
        return value, ""

    def read_choice(self, value: str) -> Any:
        """A choice as the cohort has it: of a number that is yes or no, the number."""
        return value if self.low is None else float(value)

    def _beyond(self, t: Language) -> str:
        """Within which ends the value has to lie."""
        if self.low is None or self.high is None:
            key, end = (
                ("new.at_most", self.high) if self.low is None else ("new.at_least", self.low)
            )
            return t(key, end=t.number(float(end or 0.0), 6))
        return t("new.range", low=t.number(self.low, 6), high=t.number(self.high, 6))


@dataclass(frozen=True)
class Entered:
    """What was entered.

    Attributes
    ----------
    texts
        Name of a field → as it was written.
    values
        Variable → value; what was left blank is not in it.
    faults
        Name of a field → what is wrong with it.
    """

    texts: dict[str, str]
    values: dict[str, Any]
    faults: dict[str, str]

    def person(self, explorer: Explorer) -> Cohort:
        """A cohort of this one person, at day 0.

        Raises
        ------
        OptionError, CohortError
            See `new_patient`.
        """
        return new_patient(
            explorer.fit.cohort,
            subgroup=str(self.values[SUBGROUP]),
            centre=self.values.get(CENTRE),
            covariates={k: v for k, v in self.values.items() if k not in (SUBGROUP, CENTRE)},
        )


def fields(explorer: Explorer, t: Language) -> tuple[Field, ...]:
    """Subgroup, centre, and every covariate that the model uses, in the order of the cohort."""
    cohort = explorer.fit.cohort
    places = [
        Field(SUBGROUP, SUBGROUP, t("patients.subgroup"), "", "", None, None,
              _told(t, cohort.subgroups), is_required=True),
        Field(CENTRE, CENTRE, t("patients.centre"), "", "", None, None, _told(t, cohort.centres)),
    ]  # fmt: skip
    table = cohort.variables.set_index("name")
    used = [str(name) for name in cohort.covariates().columns if name in used_of(explorer.fit)]
    return (*places, *(_covariate(explorer, t, name, table.loc[name].to_dict()) for name in used))


def _covariate(explorer: Explorer, t: Language, name: str, row: dict[Any, Any]) -> Field:
    columns = [c for c in explorer.fit.encoding.columns if name in c.sources]
    levels = next((c.levels for c in columns if c.function == "level"), ())
    low, high = (None if pd.isna(row[end]) else float(row[end]) for end in ("min", "max"))
    choices = _told(t, levels)
    if not choices and (low, high) == (0.0, 1.0) and any(c.is_binary for c in columns):
        choices = {"0": t("patient.no"), "1": t("patient.yes")}
    group = "" if pd.isna(row["group"]) else str(row["group"])
    unit = "" if choices else unit_of(t, explorer.fit.cohort, name)
    return Field(f"v_{name}", name, t.name(name), group or "other", unit, low, high, choices)


def _told(t: Language, levels: tuple[str, ...]) -> dict[str, str]:
    return {str(level): t.name(str(level)) for level in levels}


def entered(asked: Asked, some: tuple[Field, ...]) -> Entered:
    """What was entered, with all that is wrong with it at once.

    Raises
    ------
    RefusedError
        A field is too long, or has characters that are not printed.
    """
    texts, values, faults = {}, {}, {}
    for one in some:
        texts[one.name] = asked.field(one.name)
        value, fault = one.read(asked.language, texts[one.name])
        if fault:
            faults[one.name] = fault
        elif value is not None:
            values[one.variable] = value
    return Entered(texts, values, faults)
