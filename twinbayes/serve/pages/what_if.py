"""Two ways of treating one patient, beside each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import xarray as xr

from twinbayes.names import DAYS_PER_YEAR, STATE, STATE_PROBABILITY, SURVIVAL
from twinbayes.serve.access import Right
from twinbayes.serve.drawing import icon_array, survival_curves
from twinbayes.serve.explorer import INTERVAL, LONGEST_WAIT, Comparison
from twinbayes.serve.language import Language
from twinbayes.serve.pages.numbers import OfHundred, alive, at, states, years
from twinbayes.serve.pages.page import Asked, Page, RefusedError
from twinbayes.serve.pages.patient import BLUE, ORANGE, curve_of, sentences

_DEFAULT_WAIT: Final = "30"


@dataclass(frozen=True)
class Line:
    """One outcome under both ways, and their difference in people of 100."""

    outcome: str
    with_start: OfHundred
    without: OfHundred
    difference: str
    excludes_zero: bool


def show(asked: Asked) -> tuple[str, dict[str, Any]]:
    """The comparison: curves, figures and a table, benefits and harms in one list."""
    outlook, t = asked.outlook(), asked.language
    explorer, row = asked.explorer, outlook.row
    offered = explorer.treatments(outlook.twin)
    if not offered:
        raise RefusedError(422, "patient.no_treatment")
    treatment = asked.field("treatment", offered[0])
    if treatment not in offered:
        raise RefusedError(422, "error.treatment")
    wait = asked.field("wait", _DEFAULT_WAIT)
    if not wait.isascii() or not wait.isdigit() or not 0 <= int(wait[:6]) <= LONGEST_WAIT:
        raise RefusedError(422, "error.wait", most=int(LONGEST_WAIT))
    compared = explorer.comparison(row.pseudonym, treatment, float(int(wait)))
    horizons = [(day, t.years(day / DAYS_PER_YEAR)) for day in outlook.horizons]
    middle, middle_words = horizons[len(horizons) // 2]
    a, b = alive(compared.started, middle), alive(compared.without, middle)
    alt = t("what_if.alt", a=a.n, b=b.n, at=middle_words)
    curves = [curve_of(compared.started, BLUE), curve_of(compared.without, ORANGE, "7 4")]
    names = (t("what_if.a", treatment=t.name(treatment), days=int(wait)),
             t("what_if.b", treatment=t.name(treatment)))  # fmt: skip
    figures = [
        (name, icon_array(v.n, v.low, v.high, t("patient.icons_alt", n=v.n, at=middle_words,
                          low=v.low, high=v.high)),
         t("patient.icons", at=middle_words, n=v.n, low=v.low, high=v.high))
        for name, v in zip(names, (a, b), strict=True)
    ]  # fmt: skip
    return "what_if.html.jinja", {
        "row": row,
        "name": asked.name_of(row),
        "cautions": sentences(t, outlook),
        "treatments": offered,
        "treatment": treatment,
        "wait": int(wait),
        "most": int(LONGEST_WAIT),
        "names": names,
        "if_still": t("what_if.if_still", state=asked.state(row.state)),
        "curve": survival_curves(years(compared.started), curves, alt, t("patient.axis")),
        "figures": figures,
        "horizons": horizons,
        "lines": {day: lines(asked, compared, day) for day, _ in horizons},
        "interval": t("patient.interval", percent=t.percent(INTERVAL)),
        "confounding": t("what_if.confounding", treatment=t.name(treatment)),
    }


def lines(asked: Asked, compared: Comparison, day: float) -> list[Line]:
    """Survival, then every state that can be reached, under both ways at one day."""
    t, contrast = asked.language, at(compared.contrast, day)
    found = [_line(t, t("patient.survival"), contrast[_names(SURVIVAL)],
                   alive(compared.started, day), alive(compared.without, day))]  # fmt: skip
    with_start, without = states(compared.started, day), states(compared.without, day)
    some = asked.explorer.reachable(compared.outlook)
    return found + [
        _line(t, asked.state(s), contrast[_names(STATE_PROBABILITY)].sel({STATE: s}),
              with_start[s], without[s])
        for s in with_start
        if s in some
    ]  # fmt: skip


def _names(name: str) -> list[str]:
    return [f"{name}_difference{end}" for end in ("", "_lower", "_upper")]


def _line(t: Language, outcome: str, contrast: xr.Dataset, a: OfHundred, b: OfHundred) -> Line:
    """The difference is that of the numbers that are shown, so that all agree."""
    _, low, high = (100 * float(v) for v in contrast.values())
    between = t("patient.between", low=_signed(t, low), high=_signed(t, high))
    n = a.n - b.n
    said = t("what_if.more" if n > 0 else "what_if.fewer" if n < 0 else "what_if.same", n=abs(n))
    return Line(outcome, a, b, f"{said} ({between})", low > 0.0 or high < 0.0)


def _signed(language: Language, value: float) -> str:
    n = round(value)
    return ("+" if n > 0 else "\N{MINUS SIGN}" if n < 0 else "") + language.number(abs(n))


WHAT_IF: Final = Page("what if", "/patients/{patient}/what-if", Right.PATIENTS, True, show)
