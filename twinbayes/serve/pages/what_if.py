"""Two ways of treating one patient, beside each other."""

from __future__ import annotations

from typing import Any, Final

from twinbayes.names import DAYS_PER_YEAR
from twinbayes.serve.access import Right
from twinbayes.serve.drawing import icon_array, survival_curves
from twinbayes.serve.explorer import INTERVAL
from twinbayes.serve.pages.comparing import (
    conditions,
    confounding,
    curves_of,
    day_weights,
    lines,
    months,
    names_of,
    support,
)
from twinbayes.serve.pages.numbers import alive, longest_wait, years
from twinbayes.serve.pages.page import Asked, Page, RefusedError
from twinbayes.serve.pages.patient import sentences
from twinbayes.twin.answers.follow_up import is_beyond

_DEFAULT_WAIT: Final = "30"


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
    most = longest_wait(outlook.forecast)
    if not wait.isascii() or not wait.isdigit() or len(wait) > 6 or int(wait) > most:
        raise RefusedError(422, "error.wait", most=most)
    weights, read = day_weights(asked, outlook)
    compared = explorer.comparison(outlook, treatment, float(int(wait)))
    horizons = [(day, t.years(day / DAYS_PER_YEAR)) for day in outlook.horizons]
    middle, middle_words = horizons[len(horizons) // 2]
    a, b = alive(compared.a, middle), alive(compared.b, middle)
    alt = t("what_if.alt", a=a.n, b=b.n, at=middle_words)
    names = names_of(asked, compared)
    figures = [
        (name, icon_array(v.n, v.low, v.high, t("patient.icons_alt", n=v.n, at=middle_words,
                          low=v.low, high=v.high)),
         t("patient.icons", at=middle_words, n=v.n, low=v.low, high=v.high))
        for name, v in zip(names, (a, b), strict=True)
    ]  # fmt: skip
    return "what_if.html.jinja", {
        "row": row,
        "name": asked.name_of(row),
        "cautions": [*support(asked, compared), *sentences(t, outlook)],
        "treatments": offered,
        "treatment": treatment,
        "wait": int(wait),
        "most": most,
        "names": names,
        "if_still": " ".join(conditions(asked, compared)),
        "curve": survival_curves(years(compared.a), curves_of(compared), alt, t("patient.axis")),
        "figures": figures,
        "horizons": horizons,
        "beyond": {day for day, _ in horizons if is_beyond(compared.a, day)},
        "lines": {day: lines(asked, compared, day) for day, _ in horizons},
        "interval": t("patient.interval", percent=t.percent(INTERVAL)),
        "confounding": confounding(asked, compared),
        "weights": weights,
        "living": {state: asked.state(state) for state in weights},
        "weighed": months(asked, compared, read) if read else [],
    }


WHAT_IF: Final = Page("what if", "/patients/{patient}/what-if", Right.PATIENTS, True, show)
