"""Two ways of treating one patient, in words and in people of 100: of every page that compares."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import xarray as xr

from twinbayes.cohort.quality.suppression import SMALLEST_CELL, size_words
from twinbayes.effects.support import NOBODY, PRIOR_DRIVEN, SUPPORTED, TOO_FEW, UNCHECKED
from twinbayes.names import (
    DAYS_PER_YEAR,
    PATIENT,
    QUALITY_ADJUSTED_TIME,
    RMST,
    STATE,
    STATE_PROBABILITY,
    SURVIVAL,
)
from twinbayes.report.figures.look import look_of
from twinbayes.serve.drawing import Curve
from twinbayes.serve.explorer import Comparison, Outlook
from twinbayes.serve.language import Language
from twinbayes.serve.pages.numbers import BLUE, ORANGE, OfHundred, alive, at, curve_of, states
from twinbayes.serve.pages.page import Asked, Reading, RefusedError
from twinbayes.twin import Scenario

_WEIGHT: Final = re.compile(r"[01](\.[0-9]{1,6})?|\.[0-9]{1,6}")
_SUPPORT: Final = {
    SUPPORTED: "",
    TOO_FEW: "support.few",
    PRIOR_DRIVEN: "support.prior",
    NOBODY: "support.nobody",
    UNCHECKED: "support.unchecked",
}


@dataclass(frozen=True)
class Line:
    """One outcome under both ways, and their difference in people of 100.

    `excludes_zero` is said of the interval as it is printed, so that nobody reads of a difference
    beside an interval that ends in 0.
    """

    outcome: str
    a: OfHundred
    b: OfHundred
    difference: str
    excludes_zero: bool


def lines(reading: Reading, compared: Comparison, day: float) -> list[Line]:
    """Survival, then every state that can be reached, under both ways at one day."""
    t, contrast = reading.language, at(compared.contrast, day)
    found = [_line(t, t("patient.survival"), contrast[_names(SURVIVAL)],
                   alive(compared.a, day), alive(compared.b, day))]  # fmt: skip
    look = look_of(reading.explorer.fit)
    a, b = states(compared.a, day, look), states(compared.b, day, look)
    some = reading.explorer.reachable(compared.outlook)
    return found + [
        _line(t, reading.state(s), contrast[_names(STATE_PROBABILITY)].sel({STATE: s}), a[s], b[s])
        for s in a
        if s in some
    ]


def names_of(reading: Reading, compared: Comparison) -> tuple[str, str]:
    """What the two ways are called, in days from the landmark."""
    day = compared.outlook.row.day
    a, b = (_way(reading.language, scenario, day) for scenario in compared.pair)
    return a, b


def conditions(reading: Reading, compared: Comparison) -> list[str]:
    """For whom the starts of treatments are: those who are then in some state."""
    t, present = reading.language, compared.outlook.twin.present[0]
    found = []
    for a in (a for scenario in compared.pair for a in scenario.assumptions if a.day is not None):
        starts = reading.explorer.fit.spec.graph.treatment(a.treatment).starts
        some = a.states or tuple(s.source for s in starts)
        found.append(
            t("what_if.if_still", state=reading.state(present.state))
            if some == (present.state,)
            else t("what_if.if_then", states=", ".join(map(reading.state, some)))
        )
    return list(dict.fromkeys(found))


def confounding(reading: Reading, compared: Comparison) -> str:
    """What the comparison takes for granted."""
    named = [x for s in compared.pair for x in (*s.named, *(g.covariate for g in s.settings))]
    told = ", ".join(map(reading.language.name, dict.fromkeys(named)))
    return reading.language("what_if.confounding", treatment=told)


def support(reading: Reading, compared: Comparison) -> list[str]:
    """How far the fit's data bear on the comparison, where they do so poorly."""
    t, key = reading.language, _SUPPORT[compared.support]
    if not key:
        return []
    told = t(key)
    if compared.arms is not None:
        a, b = (_at_least(t, n) for n in compared.arms)
        first, second = names_of(reading, compared)
        told += " " + t("support.arms", a=a, b=b, first=first, second=second)
    return [told]


def _at_least(t: Language, n: int) -> str:
    """Nobody, few, or more: beside other counts of the same patients a number would tell of few."""
    return t("size.several") if n >= SMALLEST_CELL else t.size(size_words(n))


def day_weights(asked: Asked, outlook: Outlook) -> tuple[dict[str, str], dict[str, float]]:
    """What a day in each living state counts: as it stands in the form, and as it was sent.

    Raises
    ------
    RefusedError
        What was sent is no number from 0 to 1.
    """
    look, counts = look_of(asked.explorer.fit), asked.explorer.quality
    known = {} if counts is None or counts.utilities is None else counts.utilities
    texts, read = {}, {}
    for k, state in enumerate(look.alive):
        given = known.get(state, 1.0)
        usual = given[0] if isinstance(given, tuple) else given
        texts[state] = asked.field(f"u{k}", f"{usual:g}")
        if f"u{k}" not in asked.query:
            continue
        plain = asked.language.pointed(texts[state])
        if not _WEIGHT.fullmatch(plain) or float(plain) > 1.0:
            raise RefusedError(422, "weights.wrong")
        read[state] = float(plain)
    if read and len(read) < len(texts):
        raise RefusedError(422, "weights.wrong")
    return texts, read


def months(
    asked: Asked, compared: Comparison, weights: Mapping[str, float]
) -> list[tuple[str, str, str, str, bool]]:
    """Time lived, plain and by weights: under both ways, and the difference with its interval."""
    t, found = asked.language, asked.explorer.weighed(compared, weights).isel({PATIENT: 0})
    lines = []
    for label, name in (("weights.lived", RMST), ("weights.counted", QUALITY_ADJUSTED_TIME)):
        told, shown = [], dict[str, float]()
        for part in ("a", "b", "difference"):
            n, low, high = (
                12.0 * float(found[f"{name}_{part}{end}"]) / DAYS_PER_YEAR
                for end in ("", "_lower", "_upper")
            )
            shown[part] = round(n, 1)
            if part == "difference":  # of the numbers beside it, so that all agree
                n = shown["a"] - shown["b"]
            ends = {"low": _minus(t.number(low, 1)), "high": _minus(t.number(high, 1))}
            told.append(f"{_minus(t.number(n, 1))} ({t('patient.between', **ends)})")
        excludes = round(low, 1) > 0.0 or round(high, 1) < 0.0  # as it is printed
        lines.append((t(label), told[0], told[1], told[2], excludes))
    return lines


def curves_of(compared: Comparison) -> list[Curve]:
    """Survival under both ways: a full line, and a dashed one."""
    return [curve_of(compared.a, BLUE), curve_of(compared.b, ORANGE, "7 4")]


def _minus(number: str) -> str:
    return "0" if number == "-0" else number.replace("-", "\N{MINUS SIGN}")


def _way(t: Language, scenario: Scenario, day: float) -> str:
    said = [
        t("what_if.b", treatment=t.name(a.treatment))
        if a.day is None
        else t("what_if.a", treatment=t.name(a.treatment), days=round(a.day - day))
        for a in scenario.assumptions
    ]
    said += [f"{t.name(s.covariate)} = {t.told(s.value)}" for s in scenario.settings]
    return ", ".join(said) or t("what_if.policy")


def _names(name: str) -> list[str]:
    return [f"{name}_difference{end}" for end in ("", "_lower", "_upper")]


def _line(t: Language, outcome: str, contrast: xr.Dataset, a: OfHundred, b: OfHundred) -> Line:
    """The difference is that of the numbers that are shown, so that all agree."""
    _, low, high = (100 * float(v) for v in contrast.values())
    between = t("patient.between", low=_signed(t, low), high=_signed(t, high))
    n = a.n - b.n
    said = t("what_if.more" if n > 0 else "what_if.fewer" if n < 0 else "what_if.same", n=abs(n))
    return Line(outcome, a, b, f"{said} ({between})", round(low) > 0 or round(high) < 0)


def _signed(language: Language, value: float) -> str:
    n = round(value)
    return ("+" if n > 0 else "\N{MINUS SIGN}" if n < 0 else "") + language.number(abs(n))
