"""One patient's forecast."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from twinbayes.names import DAYS_PER_YEAR, EVENTS, LAST_CONTACT, PATIENT_ID, TREATMENTS, VISITS
from twinbayes.report.figures.look import look_of
from twinbayes.serve.access import Right
from twinbayes.serve.drawing import icon_array, survival_curves
from twinbayes.serve.explorer import INTERVAL, Outlook
from twinbayes.serve.explorer.inputs import inputs_of
from twinbayes.serve.explorer.resting import similar_patients
from twinbayes.serve.language import Language
from twinbayes.serve.pages.markers import SIGNS, panels, quality_words, unit_of
from twinbayes.serve.pages.numbers import BLUE, alive, curve_of, longest_wait, states, years
from twinbayes.serve.pages.page import Asked, Page, Reading
from twinbayes.twin.answers.follow_up import is_beyond


def show(asked: Asked) -> tuple[str, dict[str, Any]]:
    """The forecast of a patient of the cohort."""
    outlook = asked.outlook()
    return "patient.html.jinja", answer(asked, outlook) | {"added": added(asked, outlook)}


def added(reading: Reading, outlook: Outlook) -> list[tuple[str, str, str, str]]:
    """Updates that people have confirmed: when it happened, what, who confirmed it, and when."""
    log, t, cohort = reading.explorer.updates, reading.language, outlook.twin.cohort
    found = []
    for record in [] if log is None else log.records():
        if record[PATIENT_ID] != outlook.row.patient_id:
            continue
        rows = record["rows"]
        said = [
            (day, f"{t.name(name)}: {SIGNS[limit]}{t.number(value, 15)} "
                  f"{unit_of(t, cohort, name)}".strip())
            for day, name, value, limit in rows[VISITS]
        ]  # fmt: skip
        said += [(day, t("update.starts", treatment=t.name(x))) for day, x in rows[TREATMENTS]]
        said += [
            (day, t("update.seen") if event == LAST_CONTACT else t.name(event))
            for day, event in rows[EVENTS]
        ]
        when = t.moment(datetime.fromisoformat(record["created"]))
        found += [(t.number(day, 3), what, record["person"], when) for day, what in said]
    return found


def answer(asked: Asked, outlook: Outlook) -> dict[str, Any]:
    """The forecast, in three formats, after what has to be known before."""
    t, shown = asked.language, forecast_of(asked, outlook)
    middle, middle_words = shown["horizons"][len(shown["horizons"]) // 2]
    now = alive(outlook.forecast, middle)
    return shown | {
        "curve": curve(t, outlook),
        "icons": icon_array(now.n, now.low, now.high, t("patient.icons_alt", n=now.n,
                            at=middle_words, low=now.low, high=now.high)),
        "icons_words": t("patient.icons", at=middle_words, n=now.n, low=now.low, high=now.high),
        "panels": panels(asked, outlook),
        "quality": quality_words(asked, outlook),
        "most": longest_wait(outlook.forecast),
        "treatments": asked.explorer.treatments(outlook.twin),
        "similar": similar(asked, outlook),
    }  # fmt: skip


def forecast_of(reading: Reading, outlook: Outlook) -> dict[str, Any]:
    """What the page and the sheet tell of a forecast: cautions, numbers, and what they rest on."""
    explorer, t = reading.explorer, reading.language
    row, forecast = outlook.row, outlook.forecast
    days = outlook.horizons
    return {
        "row": row,
        "name": reading.name_of(row),
        "cautions": sentences(t, outlook),
        "horizons": [(day, t.years(day / DAYS_PER_YEAR)) for day in days],
        "reachable": explorer.reachable(outlook),
        "beyond": {day for day in days if is_beyond(forecast, day)},
        "states": {day: states(forecast, day, look_of(explorer.fit)) for day in days},
        "alive": {day: alive(forecast, day) for day in days},
        "interval": t("patient.interval", percent=t.percent(INTERVAL)),
        "inputs": [(t.name(i.name), t.told(i.value), "" if i.value is None else t.unit(i.unit))
                   for i in inputs_of(explorer.fit, outlook.twin)],
        "size": t.size(explorer.subgroup_sizes.get(row.subgroup, "0")),
        "others": len(explorer.subgroup_sizes) - 1,
    }  # fmt: skip


def similar(asked: Asked, outlook: Outlook) -> list[tuple[str, str]]:
    """Patients of the fit who are like this one, in words and numbers."""
    t, state = asked.language, asked.state(outlook.row.state)
    name = t.name(outlook.row.subgroup)
    found = []
    for step, number, shown in similar_patients(outlook.twin):
        told = {"name": name, "state": state, "day": t.number(number), "after": t.years(number)}
        found.append((t(step, **told), t.size(shown)))
    return found


def curve(t: Language, outlook: Outlook, text: int = 13) -> str:
    """Survival under the policy of the data, as a picture with letters of this size."""
    forecast, ends = outlook.forecast, (outlook.horizons[0], outlook.horizons[-1])
    (first, first_at), (last, last_at) = (
        (alive(forecast, day).n, t.years(day / DAYS_PER_YEAR)) for day in ends
    )
    alt = t("patient.curve_alt", first=first, first_at=first_at, last=last, last_at=last_at)
    curves = [curve_of(forecast, BLUE)]
    return survival_curves(years(forecast), curves, alt, t("patient.axis"), text)


def sentences(language: Language, outlook: Outlook) -> list[str]:
    """What has to be known before the numbers are read."""
    found = []
    for key, values in outlook.cautions:
        told = {k: language.size(v) if k == "size" else v for k, v in values.items()}
        found.append(language(key, **told))
    return found


PATIENT: Final = Page("patient", "/patients/{patient}", Right.PATIENTS, True, show)
