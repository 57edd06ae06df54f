"""One patient's forecast."""

from __future__ import annotations

from typing import Any, Final

from twinbayes.names import DAYS_PER_YEAR, SURVIVAL
from twinbayes.report.figures.look import words
from twinbayes.serve.access import Right
from twinbayes.serve.drawing import Curve, icon_array, survival_curves
from twinbayes.serve.explorer import INTERVAL, Outlook
from twinbayes.serve.language import Language
from twinbayes.serve.pages.markers import panels, quality_words, unit_words
from twinbayes.serve.pages.numbers import alive, states, years
from twinbayes.serve.pages.page import Asked, Page
from twinbayes.twin.answers.follow_up import is_beyond

BLUE: Final = "#1f5c99"
ORANGE: Final = "#b35900"


def show(asked: Asked) -> tuple[str, dict[str, Any]]:
    """The forecast of a patient of the cohort."""
    return "patient.html.jinja", answer(asked, asked.outlook())


def answer(asked: Asked, outlook: Outlook) -> dict[str, Any]:
    """The forecast, in three formats, after what has to be known before."""
    t = asked.language
    row, forecast = outlook.row, outlook.forecast
    horizons = [(day, t.years(day / DAYS_PER_YEAR)) for day in outlook.horizons]
    middle, middle_words = horizons[len(horizons) // 2]
    now = alive(forecast, middle)
    first, last = (alive(forecast, horizons[k][0]).n for k in (0, -1))
    alt = t("patient.curve_alt", first=first, first_at=horizons[0][1], last=last,
            last_at=horizons[-1][1])  # fmt: skip
    curve = curve_of(forecast, BLUE)
    return {
        "row": row,
        "name": asked.name_of(row),
        "cautions": sentences(t, outlook),
        "horizons": horizons,
        "reachable": asked.explorer.reachable(outlook),
        "beyond": {day for day, _ in horizons if is_beyond(forecast, day)},
        "states": {day: states(forecast, day) for day, _ in horizons},
        "alive": {day: alive(forecast, day) for day, _ in horizons},
        "interval": t("patient.interval", percent=t.percent(INTERVAL)),
        "curve": survival_curves(years(forecast), [curve], alt, t("patient.axis")),
        "icons": icon_array(now.n, now.low, now.high, t("patient.icons_alt", n=now.n,
                            at=middle_words, low=now.low, high=now.high)),
        "icons_words": t("patient.icons", at=middle_words, n=now.n, low=now.low, high=now.high),
        "panels": panels(asked, outlook),
        "quality": quality_words(asked, outlook),
        "treatments": asked.explorer.treatments(outlook.twin),
        "inputs": [(words(n), told(t, value), "" if value is None else unit_words(t, unit))
                   for n, value, unit in asked.explorer.inputs(outlook)],
        "size": asked.explorer.subgroup_sizes.get(row.subgroup, "0"),
        "others": len(asked.explorer.subgroup_sizes) - 1,
    }  # fmt: skip


def curve_of(answer: Any, colour: str, dash: str = "") -> Curve:
    """Survival of one patient as a curve with its band."""
    mean, lower, upper = (answer[f"{SURVIVAL}{s}"].to_numpy()[0] for s in ("", "_lower", "_upper"))
    return Curve(mean, lower, upper, colour, dash)


def sentences(language: Language, outlook: Outlook) -> list[str]:
    """What has to be known before the numbers are read."""
    return [language(key, **values) for key, values in outlook.cautions]


def told(language: Language, value: object) -> str:
    """A value of an input, as the language writes it."""
    if value is None:
        return language("patient.not_known")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return language.number(float(value), 2)
    return words(str(value))


PATIENT: Final = Page("patient", "/patients/{patient}", Right.PATIENTS, True, show)
